//! The component that runs the controllers: changes become keys, keys become plans, plans become requests.

use std::collections::{BTreeMap, VecDeque};

use client::cache::Changed;
use client::event::EventRecorder;
use client::{Answer, Body, Call, CallId, Calls, Component, Done, Interest, Observed, WorkQueue};
use shared::{Millis, Object, ObjectRef, Revision, Status};

use crate::Config;
use crate::controllers::{LOOPS, Loop, garbage, node_ipam};
use crate::plan::{Plan, Said, Wanted, Write};
use crate::view::{Item, View};

/// How many plans may be under way at once.
const PLANS_IN_FLIGHT_MAX: usize = 256;
/// How many items one poll looks at, so that a long queue does not hold up the driver.
const LOOKS_PER_POLL_MAX: usize = 128;
/// A loop that waits for its first lists looks again after so long, in milliseconds.
const NOT_READY_MS: u64 = 100;

type Work = (usize, Item);

/// kube-controller-manager.
#[derive(Debug)]
pub struct ControllerManager {
    view: View,
    queue: WorkQueue<Work>,
    calls: Calls<Purpose>,
    running: BTreeMap<Work, Running>,
    recorders: Vec<EventRecorder>,
    /// How many requests each loop has under way or still to send.
    busy: Vec<usize>,
    done: Vec<Done>,
}

#[derive(Debug)]
enum Purpose {
    Write { work: Work, write: Box<Write> },
    Event { loop_at: usize, about: ObjectRef },
}

/// A plan that is being carried out.
#[derive(Debug)]
struct Running {
    left: usize,
    stages: VecDeque<Vec<Write>>,
    again_at: Option<Millis>,
    refused: Option<Refused>,
    cause: Option<Revision>,
    text: String,
}

#[derive(Debug)]
struct Refused {
    message: String,
    /// The object moved on meanwhile: expected, and looked at again at once.
    outdated: bool,
}

impl ControllerManager {
    /// A manager that knows nothing yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            view: View::new(config),
            queue: WorkQueue::default(),
            calls: Calls::default(),
            running: BTreeMap::new(),
            recorders: LOOPS
                .iter()
                .map(|l| EventRecorder::new(l.source, ""))
                .collect(),
            busy: vec![0; LOOPS.len()],
            done: Vec::new(),
        }
    }

    /// What the controllers see: for tests and for looking at decisions from outside.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    fn changed(&mut self, change: &Changed, now: Millis) {
        for (at, of) in LOOPS.iter().enumerate() {
            for item in (of.keys)(&self.view, change) {
                self.queue.add((at, item), now, Some(change.revision));
            }
        }
        if change.new.is_none()
            && let Some(old) = &change.old
        {
            for (at, of) in LOOPS.iter().enumerate() {
                let item = Item::new(change.kind.clone(), old.key());
                self.view.set_refusal(of.name, &item, None);
                if let Some(recorder) = self.recorders.get_mut(at) {
                    recorder.forget(old);
                }
            }
        }
    }

    fn look(&mut self, work: Work, cause: Option<Revision>, now: Millis) {
        let Some(of) = LOOPS.get(work.0) else {
            return self.queue.done(&work);
        };
        if !of.is_ready(&self.view) {
            self.queue.done(&work);
            return self.queue.add_at(work, now.plus_ms(NOT_READY_MS), cause);
        }
        let plan = (of.reconcile)(&self.view, &work.1, now);
        debug_assert!(plan.lint().is_empty(), "{}: {:?}", of.name, plan.lint());
        if plan.is_empty() {
            self.queue.done(&work);
            if let Some(at) = plan.again_at {
                self.queue.add_at(work, at, None);
            }
            return;
        }
        if of.name == node_ipam::NAME {
            for (uid, part) in node_ipam::promises(&plan) {
                self.view.promise(&uid, &part);
            }
        }
        self.begin(work, plan, cause);
    }

    fn begin(&mut self, work: Work, plan: Plan, cause: Option<Revision>) {
        let writes: usize = plan.stages.iter().map(Vec::len).sum();
        if let Some(busy) = self.busy.get_mut(work.0) {
            *busy += writes;
        }
        let running = Running {
            left: 0,
            stages: plan.stages.into(),
            again_at: plan.again_at,
            refused: None,
            cause,
            text: plan.text,
        };
        self.running.insert(work.clone(), running);
        self.next_stage(&work);
    }

    /// Sends the next stage that has requests; false when there is none.
    fn next_stage(&mut self, work: &Work) -> bool {
        let Some(running) = self.running.get_mut(work) else {
            return false;
        };
        while let Some(stage) = running.stages.pop_front() {
            if stage.is_empty() {
                continue;
            }
            running.left = stage.len();
            let cause = running.cause;
            for write in stage {
                let purpose = Purpose::Write {
                    work: work.clone(),
                    write: Box::new(write.clone()),
                };
                self.calls.send(write.request, cause, purpose);
            }
            return true;
        }
        false
    }

    fn answered(
        &mut self,
        work: &Work,
        write: &Write,
        answer: Result<Answer, Status>,
        now: Millis,
    ) {
        let refused = self.judge(write, &answer, now);
        let said = match (&refused, &answer) {
            (None, Ok(answer)) => write
                .said
                .clone()
                .map(|s| fill(s, "{name}", answer_name(answer))),
            (Some(r), _) if !r.outdated => {
                let said = write.said_if_refused.clone();
                said.map(|s| fill(s, "{error}", &r.message))
            }
            _ => None,
        };
        if let Some(busy) = self.busy.get_mut(work.0) {
            *busy = busy.saturating_sub(1);
        }
        let cause = self.running.get(work).and_then(|r| r.cause);
        if let Some(said) = said {
            self.record(work.0, &said, cause, now);
        }
        let Some(running) = self.running.get_mut(work) else {
            return;
        };
        running.left = running.left.saturating_sub(1);
        running.refused = running.refused.take().or(refused);
        if running.left > 0 {
            return;
        }
        if running.refused.is_some() || !self.next_stage(work) {
            self.finish(work, now);
        }
    }

    /// Takes the answer in and says why it is not what the write wanted.
    fn judge(
        &mut self,
        write: &Write,
        answer: &Result<Answer, Status>,
        now: Millis,
    ) -> Option<Refused> {
        let request = &write.request;
        match (&write.wanted, answer) {
            (Wanted::Absent { .. }, Err(status)) if status.is_not_found() => None,
            (Wanted::Absent { uid }, Ok(answer)) => {
                let found = answer.object().map(Object::uid).unwrap_or_default();
                let present = uid.is_empty() || found == uid;
                present.then(|| Refused {
                    message: format!("{} {} exists", request.kind, request.key()),
                    outdated: true,
                })
            }
            (Wanted::Done, Ok(answer)) => {
                self.take_in(request, answer, now);
                None
            }
            (_, Err(status)) => {
                let deleting = request.verb == client::Verb::Delete;
                if deleting && status.is_not_found() {
                    return None;
                }
                let outdated =
                    status.is_conflict() || status.is_not_found() || status.is_already_exists();
                Some(Refused {
                    message: status.message.clone(),
                    outdated,
                })
            }
        }
    }

    /// Keeps an own write at once, so that the next look does not act on the state before it.
    fn take_in(&mut self, request: &client::Request, answer: &Answer, now: Millis) {
        let whole = matches!(request.subresource.as_str(), "" | "status" | "finalize");
        let Some(object) = answer.object().filter(|_| whole) else {
            return;
        };
        let deleted = request.verb == client::Verb::Delete
            && (object.kind() == "Status" || object.deletion().is_none());
        let change = if deleted {
            let seen = self.view.get(&request.kind, &request.key());
            let uid = seen.map(|o| o.uid().to_owned()).unwrap_or_default();
            let wanted = match &request.body {
                Body::Object(options) => options.pointer("/preconditions/uid").cloned(),
                _ => None,
            };
            let meant = wanted.is_none_or(|w| w == uid.as_str());
            meant
                .then(|| self.view.forget(&request.kind, &request.key(), &uid))
                .flatten()
        } else {
            self.view.remember(&request.kind, object)
        };
        if let Some(change) = change {
            self.changed(&change, now);
        }
    }

    fn finish(&mut self, work: &Work, now: Millis) {
        let Some(running) = self.running.remove(work) else {
            return;
        };
        let unsent: usize = running.stages.iter().map(Vec::len).sum();
        if let Some(busy) = self.busy.get_mut(work.0) {
            *busy = busy.saturating_sub(unsent);
        }
        let name = LOOPS.get(work.0).map_or("", |l| l.name);
        let outdated = running.refused.as_ref().is_some_and(|r| r.outdated);
        let refused = running.refused.map(|r| r.message);
        self.done.push(Done {
            phase: "reconcile",
            text: format!("{name} {}", running.text),
            object: self
                .view
                .get(&work.1.kind, &work.1.key)
                .map(|o| reference(o, &work.1)),
            cause: running.cause,
            refused: refused.clone(),
        });
        let lasting = refused.clone().filter(|_| !outdated);
        self.view.set_refusal(name, &work.1, lasting);
        if refused.is_some() {
            self.queue.failed(work, now);
        } else {
            self.queue.done(work);
        }
        if let Some(at) = running.again_at {
            self.queue.add_at(work.clone(), at, None);
        }
    }

    fn record(&mut self, loop_at: usize, said: &Said, cause: Option<Revision>, now: Millis) {
        let Some(recorder) = self.recorders.get_mut(loop_at) else {
            return;
        };
        let request = match said.warning {
            true => recorder.warning(&said.about, said.reason, &said.message, now),
            false => recorder.normal(&said.about, said.reason, &said.message, now),
        };
        let about = said.about.clone();
        self.calls
            .send(request, cause, Purpose::Event { loop_at, about });
    }
}

fn answer_name(answer: &Answer) -> &str {
    answer.object().map(Object::name).unwrap_or_default()
}

fn fill(mut said: Said, what: &str, with: &str) -> Said {
    said.message = said.message.replace(what, with);
    said
}

/// A reference that names kind and version even for an object from a list, which leaves them out.
fn reference(object: &Object, item: &Item) -> ObjectRef {
    let mut reference = object.reference();
    if let Some(kind) = item.kind.built_in() {
        reference.kind = kind.kind.into();
        reference.api_version = kind.api_version();
    }
    reference
}

impl Component for ControllerManager {
    fn name(&self) -> &str {
        "kube-controller-manager"
    }

    fn interests(&self) -> Vec<Interest> {
        let watched = shared::kind::KINDS
            .iter()
            .filter(|k| k.verbs.contains(&"watch"));
        let kinds = watched.map(shared::Kind::reference);
        kinds.filter(garbage::collects).map(Interest::all).collect()
    }

    fn observe(&mut self, observed: Observed, now: Millis) {
        for change in self.view.apply(observed) {
            self.changed(&change, now);
        }
    }

    fn poll(&mut self, now: Millis) -> Vec<Call> {
        for _ in 0..LOOKS_PER_POLL_MAX {
            if self.running.len() >= PLANS_IN_FLIGHT_MAX {
                break;
            }
            let Some(taken) = self.queue.take(now) else {
                break;
            };
            self.look(taken.key, taken.cause, now);
        }
        self.calls.drain()
    }

    fn answer(&mut self, id: CallId, answer: Result<Answer, Status>, now: Millis) {
        match self.calls.answered(id) {
            Some(Purpose::Write { work, write }) => self.answered(&work, &write, answer, now),
            Some(Purpose::Event { loop_at, about }) => {
                if let (Err(_), Some(recorder)) = (answer, self.recorders.get_mut(loop_at)) {
                    let value = serde_json::json!({"metadata": {"uid": about.uid}});
                    recorder.forget(&Object::new(value));
                }
            }
            None => {}
        }
    }

    fn wake(&self) -> Option<(Millis, &'static str)> {
        if self.running.len() >= PLANS_IN_FLIGHT_MAX {
            return None;
        }
        self.queue.next_due().map(|due| (due, "a key is due"))
    }

    fn done(&mut self) -> Vec<Done> {
        std::mem::take(&mut self.done)
    }

    fn queue_len(&self) -> usize {
        self.queue.len()
    }

    fn lines(&self) -> Vec<(String, String)> {
        let line = |(of, busy): (&Loop, &usize)| {
            let what = match busy {
                0 => "quiet".to_owned(),
                n => format!("+{n}"),
            };
            (of.name.to_owned(), what)
        };
        LOOPS.iter().zip(&self.busy).map(line).collect()
    }
}
