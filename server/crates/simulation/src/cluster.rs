//! The cluster: every real component, the messages between them, and a clock that jumps to what happens next.

use apiserver::User;
use client::{Answer, Call, CallId, Observed, Request};
use kubelet::runtime::RuntimeEvent;
use shared::{KindRef, Millis, Object, ObjectKey, Revision, Status};

use crate::actor::{Actor, Machine, Role};
use crate::agenda::Agenda;
use crate::api::Api;
use crate::fault::Faults;
use crate::invariants::{Invariants, Violation};
use crate::messages::describe;
use crate::random::Random;
use crate::trace::Trace;

/// The first instant of every simulation.
const START: &str = "2026-01-01T00:00:00Z";
/// How often fate considers crashing somebody, in milliseconds.
const FATE_MS: u64 = 1000;

/// Something on its way. The epoch tells lives of an actor apart: what was meant for an earlier one is lost.
#[derive(Debug)]
pub(crate) enum Item {
    Relist {
        actor: usize,
        epoch: u64,
        informer: usize,
    },
    Look {
        actor: usize,
        epoch: u64,
        informer: usize,
    },
    Observed {
        actor: usize,
        epoch: u64,
        observed: Observed,
    },
    Call {
        actor: usize,
        epoch: u64,
        call: Box<Call>,
    },
    Answer {
        actor: usize,
        epoch: u64,
        id: CallId,
        answer: Box<Result<Answer, Status>>,
    },
    Runtime {
        actor: usize,
        epoch: u64,
        event: RuntimeEvent,
    },
    Wake {
        actor: usize,
        epoch: u64,
    },
    Start {
        actor: usize,
    },
    Fate,
}

/// A whole cluster in one value. The same seed and the same calls give the same run.
pub struct Cluster {
    pub(crate) api: Api,
    pub(crate) actors: Vec<Actor>,
    pub(crate) agenda: Agenda<Item>,
    pub(crate) random: Random,
    pub(crate) faults: Faults,
    pub(crate) now: Millis,
    pub(crate) trace: Trace,
    pub(crate) invariants: Invariants,
    pub(crate) checked: Revision,
    /// Watches were told of everything up to here.
    pub(crate) announced: Revision,
    pub(crate) struck: Struck,
}

/// How often each fault struck: a run in which nothing went wrong shows nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Struck {
    /// Requests that did not arrive.
    pub lost_requests: u64,
    /// Answers that did not arrive.
    pub lost_answers: u64,
    /// Refusals out of nothing.
    pub conflicts: u64,
    /// Watches that broke.
    pub broken_watches: u64,
    /// Components that crashed.
    pub crashes: u64,
}

/// Why a wait ended without what was waited for.
#[derive(Debug, thiserror::Error)]
pub enum Unmet {
    /// A rule was broken on the way.
    #[error("{0}")]
    Violation(#[from] Violation),
    /// The time was over.
    #[error("after {ms} ms the cluster is still not there: {what}")]
    TimedOut {
        /// How long it was waited for.
        ms: u64,
        /// What is missing.
        what: String,
    },
}

impl Cluster {
    /// A cluster with a control plane and so many nodes (at most 200), just switched on.
    #[must_use]
    pub fn new(seed: u64, nodes: u8) -> Self {
        let now = Millis::parse_rfc3339(START).unwrap_or_default();
        let mut roles = vec![Role::Scheduler, Role::Controllers];
        for n in 1..=nodes.min(200) {
            roles.extend([Role::Kubelet(n), Role::Proxy(n), Role::Flannel(n)]);
        }
        let mut cluster = Self {
            api: Api::new(seed, now),
            actors: roles.into_iter().map(Actor::new).collect(),
            agenda: Agenda::default(),
            random: Random::new(seed),
            faults: Faults::NONE,
            now,
            trace: Trace::default(),
            invariants: Invariants::default(),
            checked: Revision(0),
            announced: Revision(0),
            struck: Struck::default(),
        };
        for actor in 0..cluster.actors.len() {
            cluster.agenda.add(now, Item::Start { actor });
        }
        cluster.agenda.add(now.plus_ms(FATE_MS), Item::Fate);
        cluster
    }

    /// The cluster clock.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.now
    }

    /// What happened so far.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// What went wrong so far.
    #[must_use]
    pub fn struck(&self) -> Struck {
        self.struck
    }

    /// Changes what goes wrong from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Ends all faults and brings back whoever is down.
    pub fn heal(&mut self) {
        self.faults = Faults::NONE;
        for actor in 0..self.actors.len() {
            if self.actors.get(actor).is_some_and(|a| !a.is_up()) {
                self.start(actor);
            }
        }
    }

    /// A user's request, as the administrator, answered at once.
    ///
    /// # Errors
    /// The apiserver's refusal.
    pub fn request(&mut self, request: &Request) -> Result<Answer, Status> {
        let user = User::new("kubernetes-admin", &["system:masters"]);
        self.trace
            .add(self.now, format_args!("user {}", describe(request)));
        let answer = self.api.handle(&user, request, self.now);
        self.announce();
        answer
    }

    /// The objects of a kind as the store has them.
    pub fn objects(&mut self, kind: &KindRef) -> Vec<Object> {
        let user = User::new("kubernetes-admin", &["system:masters"]);
        match self
            .api
            .handle(&user, &Request::list(kind.clone(), ""), self.now)
        {
            Ok(Answer::List { items, .. }) => items,
            _ => Vec::new(),
        }
    }

    /// One object.
    pub fn object(&mut self, kind: &KindRef, key: &ObjectKey) -> Option<Object> {
        let user = User::new("kubernetes-admin", &["system:masters"]);
        let answer = self
            .api
            .handle(&user, &Request::get(kind.clone(), key), self.now);
        answer.ok()?.object().cloned()
    }

    /// Stops everything on a node at once, as a power cut does.
    pub fn stop_node(&mut self, number: u8) {
        self.trace.add(self.now, format_args!("stop node-{number}"));
        for actor in self
            .actors
            .iter_mut()
            .filter(|a| a.role.node() == Some(number))
        {
            actor.stop();
        }
    }

    /// Starts a stopped node.
    pub fn start_node(&mut self, number: u8) {
        for actor in 0..self.actors.len() {
            if self
                .actors
                .get(actor)
                .is_some_and(|a| a.role.node() == Some(number) && !a.is_up())
            {
                self.start(actor);
            }
        }
    }

    /// Crashes the component of this name; it comes back after `away_ms`. False when there is none.
    pub fn crash(&mut self, name: &str, away_ms: u64) -> bool {
        let Some(actor) = self.actors.iter().position(|a| a.name == name && a.is_up()) else {
            return false;
        };
        self.crash_actor(actor, away_ms);
        true
    }

    /// How many writes there were, by user and resource.
    #[must_use]
    pub fn writes(&self) -> Vec<(String, u64)> {
        self.api
            .writes()
            .iter()
            .map(|(k, v)| (k.clone(), *v))
            .collect()
    }

    pub(crate) fn actors(&self) -> &[Actor] {
        &self.actors
    }

    /// Lets the next thing happen and checks the invariants. False when nothing is left to happen.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn step(&mut self) -> Result<bool, Violation> {
        let Some((at, item)) = self.agenda.take() else {
            return Ok(false);
        };
        self.now = self.now.max(at);
        self.happen(item);
        let revision = self.api.revision();
        if revision != self.checked {
            self.checked = revision;
            let mut invariants = std::mem::take(&mut self.invariants);
            let verdict = invariants.check(&self.api.snapshot(), &self.actors, self.now);
            self.invariants = invariants;
            verdict?;
        }
        Ok(true)
    }

    /// Lets so much time pass.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn run_ms(&mut self, ms: u64) -> Result<(), Violation> {
        let end = self.now.plus_ms(ms);
        while self.agenda.next().is_some_and(|at| at <= end) {
            self.step()?;
        }
        self.now = end;
        Ok(())
    }

    /// Lets time pass until `wanted` says nothing is missing any more; it is asked twice a second, and only when something was
    /// written meanwhile.
    ///
    /// # Errors
    /// [`Unmet`] with what is missing after `ms`, or the first invariant that does not hold.
    pub fn run_until(
        &mut self,
        ms: u64,
        mut wanted: impl FnMut(&mut Self) -> Option<String>,
    ) -> Result<(), Unmet> {
        let end = self.now.plus_ms(ms);
        let mut what = wanted(self);
        let mut asked = self.api.revision();
        while let Some(missing) = what {
            if self.now >= end {
                return Err(Unmet::TimedOut { ms, what: missing });
            }
            self.run_ms(500)?;
            let revision = self.api.revision();
            what = if revision == asked && self.now < end {
                Some(missing)
            } else {
                wanted(self)
            };
            asked = revision;
        }
        Ok(())
    }

    fn happen(&mut self, item: Item) {
        match item {
            Item::Start { actor } if self.actors.get(actor).is_some_and(|a| !a.is_up()) => {
                self.start(actor);
            }
            Item::Fate => self.fate(),
            Item::Call { actor, epoch, call } => self.arrive(actor, epoch, &call),
            Item::Relist {
                actor,
                epoch,
                informer,
            } if self.lives(actor, epoch) => self.relist(actor, informer),
            Item::Look {
                actor,
                epoch,
                informer,
            } if self.lives(actor, epoch) => self.look(actor, informer),
            Item::Observed {
                actor,
                epoch,
                observed,
            } if self.lives(actor, epoch) => {
                self.tell(actor, |c, now| c.observe(observed, now));
            }
            Item::Answer {
                actor,
                epoch,
                id,
                answer,
            } if self.lives(actor, epoch) => {
                self.tell(actor, |c, now| c.answer(id, *answer, now));
            }
            Item::Wake { actor, epoch } if self.lives(actor, epoch) => {
                let due = self
                    .actors
                    .get_mut(actor)
                    .filter(|a| a.wake_at.is_some_and(|t| t <= self.now));
                if let Some(due) = due {
                    due.wake_at = None;
                    self.tell(actor, |_, _| {});
                }
            }
            Item::Runtime {
                actor,
                epoch,
                event,
            } if self.lives(actor, epoch) => self.runtime(actor, event),
            _ => {}
        }
    }

    fn lives(&self, actor: usize, epoch: u64) -> bool {
        self.actors
            .get(actor)
            .is_some_and(|a| a.epoch == epoch && a.is_up())
    }

    fn start(&mut self, actor: usize) {
        let seed = self.random.draw();
        let Some(a) = self.actors.get_mut(actor) else {
            return;
        };
        a.start(seed);
        self.trace.add(self.now, format_args!("{} starts", a.name));
        let (epoch, informers) = (a.epoch, a.informers.len());
        for informer in 0..informers {
            let at = self.now.plus_ms(self.faults.delay_ms(&mut self.random));
            self.agenda.add(
                at,
                Item::Relist {
                    actor,
                    epoch,
                    informer,
                },
            );
        }
    }

    fn crash_actor(&mut self, actor: usize, away_ms: u64) {
        let Some(a) = self.actors.get_mut(actor) else {
            return;
        };
        a.stop();
        self.struck.crashes += 1;
        self.trace.add(self.now, format_args!("{} crashes", a.name));
        self.agenda
            .add(self.now.plus_ms(away_ms), Item::Start { actor });
    }

    fn fate(&mut self) {
        self.agenda.add(self.now.plus_ms(FATE_MS), Item::Fate);
        if self.random.chance(self.faults.crash) {
            let count = self.actors.len() as u64;
            let victim = self.random.below(count) as usize;
            let away = self.random.below(self.faults.away_max_ms);
            if self.actors.get(victim).is_some_and(Actor::is_up) {
                self.crash_actor(victim, away);
            }
        }
    }

    fn runtime(&mut self, actor: usize, event: RuntimeEvent) {
        let Some(a) = self.actors.get_mut(actor) else {
            return;
        };
        if !a.engine.happens(&event) {
            return;
        }
        self.trace
            .add(self.now, format_args!("{} {event:?}", a.name));
        if let Some(Machine::Kubelet(kubelet)) = &mut a.machine {
            kubelet.runtime_event(event, self.now);
        }
        self.tell(actor, |_, _| {});
    }

    /// Tells a component something, and sends what it then wants sent.
    fn tell(&mut self, actor: usize, what: impl FnOnce(&mut dyn client::Component, Millis)) {
        let now = self.now;
        let Some(a) = self.actors.get_mut(actor) else {
            return;
        };
        let (epoch, Some(machine)) = (a.epoch, &mut a.machine) else {
            return;
        };
        what(machine.component(), now);
        let calls = machine.component().poll(now);
        let commands = match machine {
            Machine::Kubelet(kubelet) => kubelet.poll_runtime(),
            Machine::Other(_) => Vec::new(),
        };
        machine.component().done();
        let wake = machine
            .component()
            .wake()
            .map(|(at, _)| at.max(now.plus_ms(1)));
        if let Some(at) = wake.filter(|at| a.wake_at.is_none_or(|known| *at < known)) {
            a.wake_at = Some(at);
            self.agenda.add(at, Item::Wake { actor, epoch });
        }
        for command in commands {
            for (after, event) in a.engine.execute(command, &mut self.random) {
                self.agenda.add(
                    now.plus_ms(after),
                    Item::Runtime {
                        actor,
                        epoch,
                        event,
                    },
                );
            }
        }
        for call in calls {
            let at = now.plus_ms(self.faults.delay_ms(&mut self.random));
            self.agenda.add(
                at,
                Item::Call {
                    actor,
                    epoch,
                    call: Box::new(call),
                },
            );
        }
    }
}
