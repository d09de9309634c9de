//! The scheduler as a component: what is observed goes into state and queue, decisions come out as requests.

mod report;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use client::Request;
use client::cache::Changed;
use client::event::EventRecorder;
use client::{Answer, Cache, Call, CallId, Calls, Component, Done, Exhibit, Interest, Observed};
use serde_json::Value;
use shared::{KindRef, Millis, Object, ObjectKey, Revision, Status};

use crate::cycle::{self, Nominated, Outcome, Surroundings};
use crate::interpod::Namespaces;
use crate::node::NodeChange;
use crate::pod::{DEFAULT_SCHEDULER_NAME, PodInfo};
use crate::preempt::{Preemption, preempt};
use crate::queue::{Happening, Queue, Waiting};
use crate::spread::default_selector;
use crate::state::State;
use crate::verdict::{Plugin, Verdict};

/// How many bindings may be under way at once.
const BINDS_IN_FLIGHT_MAX: usize = 256;
/// How many pods one poll decides about, so that a long queue does not hold up the driver.
const DECISIONS_PER_POLL_MAX: usize = 64;
/// How many verdicts are kept; the oldest goes first.
const VERDICTS_MAX: usize = 1024;

/// kube-scheduler for the pods that name it in `spec.schedulerName`.
#[derive(Debug)]
pub struct Scheduler {
    name: String,
    cache: Cache,
    state: State,
    queue: Queue,
    calls: Calls<Purpose>,
    binds: usize,
    events: EventRecorder,
    /// Pods that were given a node which no watch event has confirmed yet.
    assumed: BTreeSet<String>,
    nominated: Nominated,
    namespaces: Namespaces,
    verdicts: BTreeMap<String, Arc<Verdict>>,
    /// Verdicts that nobody has been told of yet.
    fresh: Vec<String>,
    verdict_order: VecDeque<String>,
    done: Vec<Done>,
    seed: u64,
    start: usize,
}

#[derive(Clone, Debug)]
enum Purpose {
    Bind {
        pod: Arc<PodInfo>,
        node: String,
        cause: Option<Revision>,
    },
    Event(Object),
    Other,
}

fn core(plural: &str) -> KindRef {
    KindRef::new("", "v1", plural)
}

/// Kinds that are watched where this API server has them.
fn optional(group: &str, plural: &str) -> Option<KindRef> {
    shared::kind::find(group, "v1", plural).map(shared::Kind::reference)
}

impl Scheduler {
    /// The default scheduler, which knows nothing yet. `seed` spreads pods over equally good nodes, always in the same
    /// way.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::named(DEFAULT_SCHEDULER_NAME, seed)
    }

    /// One of several schedulers: it places the pods whose `spec.schedulerName` is `name` and leaves the others alone.
    /// (Kubernetes: Configure Multiple Schedulers)
    #[must_use]
    pub fn named(name: &str, seed: u64) -> Self {
        Self {
            name: name.to_owned(),
            cache: Cache::default(),
            state: State::default(),
            queue: Queue::default(),
            calls: Calls::default(),
            binds: 0,
            events: EventRecorder::new(name, ""),
            assumed: BTreeSet::new(),
            nominated: Nominated::new(),
            namespaces: Namespaces::new(),
            verdicts: BTreeMap::new(),
            fresh: Vec::new(),
            verdict_order: VecDeque::new(),
            done: Vec::new(),
            seed,
            start: 0,
        }
    }

    /// The last decision about a pod, by uid; `None` when there was none or it is forgotten (the newest 1024 are
    /// kept).
    #[must_use]
    pub fn verdict(&self, pod_uid: &str) -> Option<&Verdict> {
        self.verdicts.get(pod_uid).map(|v| &**v)
    }

    fn synced(&self) -> bool {
        self.cache.has_synced(&core("nodes")) && self.cache.has_synced(&core("pods"))
    }

    fn changed(&mut self, change: &Changed, now: Millis) {
        match change.kind.plural.as_str() {
            "nodes" => self.node_changed(change, now),
            "pods" => self.pod_changed(change, now),
            "namespaces" => {
                if let Some(object) = change.object() {
                    let name = object.name().to_owned();
                    match &change.new {
                        Some(namespace) => self.namespaces.insert(name, namespace.clone()),
                        None => self.namespaces.remove(&name),
                    };
                    self.queue.happened(Happening::Namespace, now);
                }
            }
            "persistentvolumeclaims" => self.queue.happened(Happening::Claim, now),
            _ => {}
        }
    }

    fn node_changed(&mut self, change: &Changed, now: Millis) {
        let Some(node) = &change.new else {
            if let Some(old) = &change.old {
                self.state.remove_node(old.name());
            }
            return;
        };
        let Some(NodeChange {
            room,
            labels,
            taints,
        }) = self.state.set_node(node)
        else {
            self.queue.happened(Happening::NodeAdded, now);
            return;
        };
        for (changed, happening) in [
            (room, Happening::NodeRoom),
            (labels, Happening::NodeLabels),
            (taints, Happening::NodeTaints),
        ] {
            if changed {
                self.queue.happened(happening, now);
            }
        }
    }

    fn pod_changed(&mut self, change: &Changed, now: Millis) {
        if let Some(old) = &change.old
            && change.new.as_ref().is_none_or(|new| new.uid() != old.uid())
        {
            self.pod_gone(old, now);
        }
        let Some(object) = &change.new else { return };
        let pod = Arc::new(PodInfo::parse(object));
        let uid = pod.uid().to_owned();
        if pod.ended() {
            self.pod_gone(object, now);
        } else if !pod.node().is_empty() {
            self.queue.remove(&uid);
            self.withdraw_nomination(&uid);
            self.assumed.remove(&uid);
            self.pod_placed(&pod, change.old.as_ref(), now);
        } else if self.assumed.contains(&uid) {
            // An older state of a pod whose binding is under way.
        } else if pod.wants_node_of(&self.name) {
            self.nominate(&pod);
            self.queue.put(pod, Some(change.revision), now);
        } else {
            self.queue.remove(&uid);
            self.withdraw_nomination(&uid);
        }
    }

    fn pod_placed(&mut self, pod: &Arc<PodInfo>, old: Option<&Object>, now: Millis) {
        let placed_before = self
            .state
            .placed_on(pod.uid())
            .and_then(|n| n.pods.get(pod.uid()));
        let shrunk = placed_before.is_some_and(|before| before.requests != pod.requests);
        let known = placed_before.is_some();
        self.state.place(pod, pod.node());
        let labels = |o: &Object| o.at("/metadata/labels").cloned();
        if !known {
            self.queue.happened(Happening::PodPlaced, now);
        } else if old.is_some_and(|old| labels(old) != labels(&pod.object)) {
            self.queue.happened(Happening::PodLabels, now);
        }
        if shrunk {
            self.queue.happened(Happening::PodGone, now);
        }
    }

    fn pod_gone(&mut self, pod: &Object, now: Millis) {
        let uid = pod.uid();
        self.queue.remove(uid);
        self.assumed.remove(uid);
        self.withdraw_nomination(uid);
        self.events.forget(pod);
        if self.state.unplace(uid).is_some() {
            self.queue.happened(Happening::PodGone, now);
        }
    }

    fn nominate(&mut self, pod: &Arc<PodInfo>) {
        self.withdraw_nomination(pod.uid());
        let node = pod.object.text("/status/nominatedNodeName");
        if !node.is_empty() {
            let on_node = self.nominated.entry(node.into()).or_default();
            on_node.push(Arc::clone(pod));
        }
    }

    fn withdraw_nomination(&mut self, uid: &str) {
        self.nominated.retain(|_, pods| {
            pods.retain(|p| p.uid() != uid);
            !pods.is_empty()
        });
    }

    fn decide(&mut self, waiting: &Waiting, now: Millis) {
        let pod = &waiting.pod;
        if let Some(message) = self.claims_refusal(pod) {
            let outcome = Outcome {
                total: self.state.len(),
                ..Outcome::default()
            };
            let message = format!("0/{} nodes are available: {message}", outcome.total);
            let plugins = BTreeSet::from([Plugin::VolumeBinding]);
            return self.refuse(waiting, &outcome, plugins, &message, None, now);
        }
        let default_spread = self.default_spread(pod);
        let outcome = cycle::run(
            pod,
            &mut Surroundings {
                state: &mut self.state,
                namespaces: &self.namespaces,
                nominated: &self.nominated,
                default_spread,
                seed: self.seed,
                start: self.start,
            },
        );
        self.start = self.start.wrapping_add(outcome.tried) % outcome.total.max(1);
        match &outcome.node {
            Some(node) => self.assume_and_bind(waiting, &outcome, node),
            None => self.no_node(waiting, &outcome, now),
        }
    }

    fn assume_and_bind(&mut self, waiting: &Waiting, outcome: &Outcome, node: &str) {
        let pod = &waiting.pod;
        let verdict = outcome.verdict(&self.state, "");
        self.done.push(Done {
            phase: "score",
            text: verdict.text(),
            object: Some(pod.object.reference()),
            cause: waiting.cause,
            refused: None,
        });
        self.keep(pod.uid(), verdict);
        self.state.place(pod, node);
        self.assumed.insert(pod.uid().to_owned());
        self.binds += 1;
        let purpose = Purpose::Bind {
            pod: Arc::clone(pod),
            node: node.into(),
            cause: waiting.cause,
        };
        self.calls
            .send(Request::bind(&pod.object, node), waiting.cause, purpose);
    }

    fn no_node(&mut self, waiting: &Waiting, outcome: &Outcome, now: Millis) {
        let pod = &waiting.pod;
        let mut message = outcome.fit_error();
        let mut nominated = None;
        if outcome.total > 0 {
            let found = preempt(
                pod,
                outcome,
                &mut self.state,
                &self.namespaces,
                &self.nominated,
            );
            match found {
                Preemption::Possible { node, victims } => {
                    for victim in &victims {
                        self.evict(victim, pod, &node, waiting.cause, now);
                    }
                    nominated = Some(node);
                }
                Preemption::Useless { message: why } => {
                    message.push_str(" no new claims to deallocate, preemption: ");
                    message.push_str(&why);
                }
            }
        }
        let plugins = outcome.refused_by();
        self.refuse(
            waiting,
            outcome,
            plugins,
            &message,
            nominated.as_deref(),
            now,
        );
    }

    fn refuse(
        &mut self,
        waiting: &Waiting,
        outcome: &Outcome,
        plugins: BTreeSet<Plugin>,
        message: &str,
        nominated: Option<&str>,
        now: Millis,
    ) {
        let pod = &waiting.pod;
        let verdict = outcome.verdict(&self.state, message);
        self.done.push(Done {
            phase: "score",
            text: match verdict.nodes.is_empty() {
                true => message.to_owned(),
                false => verdict.text(),
            },
            object: Some(pod.object.reference()),
            cause: waiting.cause,
            refused: Some(message.to_owned()),
        });
        self.keep(pod.uid(), verdict);
        self.queue.refused(pod.uid(), plugins);
        self.report(waiting, "Unschedulable", message, nominated, now);
    }

    fn keep(&mut self, uid: &str, verdict: Verdict) {
        self.fresh.push(uid.to_owned());
        if self
            .verdicts
            .insert(uid.to_owned(), Arc::new(verdict))
            .is_some()
        {
            self.verdict_order.retain(|u| u != uid);
        }
        self.verdict_order.push_back(uid.to_owned());
        if self.verdict_order.len() > VERDICTS_MAX
            && let Some(oldest) = self.verdict_order.pop_front()
        {
            self.verdicts.remove(&oldest);
        }
    }

    /// Why the pod's claims keep it from every node.
    fn claims_refusal(&self, pod: &PodInfo) -> Option<String> {
        let kind = core("persistentvolumeclaims");
        for name in pod.claims() {
            let key = ObjectKey::new(pod.object.namespace(), name);
            match self.cache.get(&kind, &key) {
                None => {
                    return Some(format!(
                        "persistentvolumeclaim \"{name}\" not found. not found"
                    ));
                }
                Some(claim) if claim.text("/spec/volumeName").is_empty() => {
                    return Some(format!(
                        "pod has unbound immediate PersistentVolumeClaims. preemption: 0/{0} nodes are available: \
                         {0} Preemption is not helpful for scheduling.",
                        self.cache.list(&core("nodes")).count()
                    ));
                }
                Some(_) => {}
            }
        }
        None
    }

    /// The selector for the default spread constraints: the pod's Services and its workload.
    fn default_spread(&self, pod: &PodInfo) -> Option<Value> {
        if !pod.spread.is_empty() {
            return None;
        }
        let namespace = pod.object.namespace();
        let services = core("services");
        let selectors = self
            .cache
            .namespace(&services, namespace)
            .filter_map(|s| s.at("/spec/selector"))
            .filter(|s| {
                let selector = shared::selector::Selector::from_map(Some(s));
                selector.is_some_and(|s| s.matches(pod.labels()))
            });
        let workload = pod.object.controller().and_then(|owner| {
            let (group, plural) = match owner.kind.as_str() {
                "ReplicaSet" => ("apps", "replicasets"),
                "StatefulSet" => ("apps", "statefulsets"),
                _ => return None,
            };
            let object = self
                .cache
                .get(&KindRef::new(group, "v1", plural), &owner.key())?;
            object.at("/spec/selector")
        });
        default_selector(selectors, workload)
    }

    fn bound(&mut self, pod: &Arc<PodInfo>, node: &str, cause: Option<Revision>, now: Millis) {
        self.queue.remove(pod.uid());
        let key = pod.object.key();
        let message = format!("Successfully assigned {key} to {node}");
        let event = self
            .events
            .normal(&pod.object.reference(), "Scheduled", &message, now);
        self.send_event(event, "Binding", &pod.object, cause);
        self.done.push(Done {
            phase: "bind",
            text: format!("{key} to {node}"),
            object: Some(pod.object.reference()),
            cause,
            refused: None,
        });
    }

    fn bind_failed(
        &mut self,
        pod: &Arc<PodInfo>,
        node: &str,
        cause: Option<Revision>,
        status: &Status,
        now: Millis,
    ) {
        self.done.push(Done {
            phase: "bind",
            text: format!("{} to {node}", pod.object.key()),
            object: Some(pod.object.reference()),
            cause,
            refused: Some(status.message.clone()),
        });
        if !self.assumed.remove(pod.uid()) {
            return;
        }
        if self.state.unplace(pod.uid()).is_some() {
            self.queue.happened(Happening::PodGone, now);
        }
        if status.is_not_found() {
            self.queue.remove(pod.uid());
            return;
        }
        self.queue.failed(pod.uid(), now);
        if status.is_conflict() {
            return;
        }
        if let Some(waiting) = self.queue.get(pod.uid()).cloned() {
            let message = format!(
                "binding rejected: running Bind plugin \"DefaultBinder\": {}",
                status.message
            );
            self.report(&waiting, "SchedulerError", &message, None, now);
        }
    }
}

impl Component for Scheduler {
    fn name(&self) -> &str {
        "kube-scheduler"
    }

    fn interests(&self) -> Vec<Interest> {
        let mut interests = vec![
            Interest::all(core("nodes")),
            Interest::fields(core("pods"), "status.phase!=Succeeded,status.phase!=Failed"),
        ];
        let more = [
            ("", "namespaces"),
            ("", "services"),
            ("apps", "replicasets"),
            ("apps", "statefulsets"),
            ("", "persistentvolumeclaims"),
        ];
        let more = more
            .iter()
            .filter_map(|(group, plural)| optional(group, plural));
        interests.extend(more.map(Interest::all));
        interests
    }

    fn observe(&mut self, observed: Observed, now: Millis) {
        for change in self.cache.apply(observed) {
            self.changed(&change, now);
        }
    }

    fn poll(&mut self, now: Millis) -> Vec<Call> {
        if self.synced() {
            for _ in 0..DECISIONS_PER_POLL_MAX {
                if self.binds >= BINDS_IN_FLIGHT_MAX {
                    break;
                }
                let Some(waiting) = self.queue.take(now) else {
                    break;
                };
                self.decide(&waiting, now);
            }
        }
        self.calls.drain()
    }

    fn answer(&mut self, id: CallId, answer: Result<Answer, Status>, now: Millis) {
        match (self.calls.answered(id), answer) {
            (Some(Purpose::Bind { pod, node, cause }), answer) => {
                self.binds = self.binds.saturating_sub(1);
                match answer {
                    Ok(_) => self.bound(&pod, &node, cause, now),
                    Err(status) => self.bind_failed(&pod, &node, cause, &status, now),
                }
            }
            (Some(Purpose::Event(about)), Err(_)) => self.events.forget(&about),
            _ => {}
        }
    }

    fn wake(&self) -> Option<(Millis, &'static str)> {
        if !self.synced() || self.binds >= BINDS_IN_FLIGHT_MAX {
            return None;
        }
        if self.queue.has_active() {
            return Some((Millis(0), "pods wait for a node"));
        }
        self.queue
            .next_due()
            .map(|due| (due, "a pod's backoff ends"))
    }

    fn done(&mut self) -> Vec<Done> {
        std::mem::take(&mut self.done)
    }

    fn queue_len(&self) -> usize {
        self.queue.len()
    }

    fn exhibits(&mut self) -> Vec<(String, Arc<dyn Exhibit>)> {
        let fresh = std::mem::take(&mut self.fresh).into_iter();
        let shown = fresh.filter_map(|uid| {
            let verdict = Arc::clone(self.verdicts.get(&uid)?);
            Some((uid, verdict as Arc<dyn Exhibit>))
        });
        shown.collect()
    }

    fn lines(&self) -> Vec<(String, String)> {
        let last = self
            .verdict_order
            .back()
            .and_then(|uid| self.verdicts.get(uid));
        let nodes = last.into_iter().flat_map(|v| &v.nodes);
        nodes
            .map(|(name, verdict)| (name.clone(), verdict.short()))
            .collect()
    }
}
