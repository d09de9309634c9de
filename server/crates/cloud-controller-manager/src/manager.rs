//! The component that runs the cloud's loops, one request per object at a time.

use client::cache::Changed;
use client::event::EventRecorder;
use client::queue::Taken;
use client::{
    Answer, Cache, Call, CallId, Calls, Component, Done, Interest, Observed, Request, WorkQueue,
};
use shared::{KindRef, Millis, Object, ObjectKey, ObjectRef, Revision, Status};

use crate::cloud::CloudProvider;
use crate::{node, service};

/// How many requests may be under way at once.
const CALLS_IN_FLIGHT_MAX: usize = 64;

/// How long after a refusal the cloud is asked again though nothing changed, in milliseconds.
const CLOUD_RETRY_MS: u64 = 100_000;

/// What one look at an object asks for.
#[derive(Debug)]
pub(crate) struct Step {
    text: String,
    /// `None` when the cloud refused: there is only something to say.
    request: Option<Request>,
    said: Option<Said>,
}

/// An event about the object.
#[derive(Debug)]
pub(crate) struct Said {
    warning: bool,
    reason: &'static str,
    message: String,
}

impl Said {
    pub(crate) fn normal(reason: &'static str, message: String) -> Self {
        Self {
            warning: false,
            reason,
            message,
        }
    }

    pub(crate) fn warning(reason: &'static str, message: String) -> Self {
        Self {
            warning: true,
            ..Self::normal(reason, message)
        }
    }
}

impl Step {
    pub(crate) fn new(text: String, request: Request) -> Self {
        Self {
            text,
            request: Some(request),
            said: None,
        }
    }

    pub(crate) fn failure(said: Said) -> Self {
        Self {
            text: said.message.clone(),
            request: None,
            said: Some(said),
        }
    }

    pub(crate) fn saying(mut self, said: Said) -> Self {
        self.said = Some(said);
        self
    }
}

type Work = (KindRef, ObjectKey);

#[derive(Debug)]
enum Purpose {
    Step {
        work: Work,
        about: ObjectRef,
        said: Option<Box<Said>>,
        text: String,
        cause: Option<Revision>,
    },
    Event(ObjectRef),
}

/// cloud-controller-manager over a cloud.
#[derive(Debug)]
pub struct CloudControllerManager<C> {
    cloud: C,
    cache: Cache,
    queue: WorkQueue<Work>,
    calls: Calls<Purpose>,
    in_flight: usize,
    /// True while a request about a Service is under way: the next Service must see which address that one got.
    balancing: bool,
    /// Services that wait for that.
    deferred: Vec<Taken<Work>>,
    nodes_events: EventRecorder,
    services_events: EventRecorder,
    done: Vec<Done>,
}

impl<C: CloudProvider> CloudControllerManager<C> {
    /// A manager that knows nothing yet.
    #[must_use]
    pub fn new(cloud: C) -> Self {
        Self {
            cloud,
            cache: Cache::default(),
            queue: WorkQueue::default(),
            calls: Calls::default(),
            in_flight: 0,
            balancing: false,
            deferred: Vec::new(),
            nodes_events: EventRecorder::new("cloud-node-controller", ""),
            services_events: EventRecorder::new("service-controller", ""),
            done: Vec::new(),
        }
    }

    /// The cloud.
    #[must_use]
    pub fn cloud(&self) -> &C {
        &self.cloud
    }

    /// Changes the cloud, and has every object looked at again.
    pub fn change_cloud(&mut self, change: impl FnOnce(&mut C), now: Millis) {
        change(&mut self.cloud);
        let all: Vec<Work> = [node::kind(), service::kind()]
            .iter()
            .flat_map(|kind| self.cache.list(kind).map(|o| (kind.clone(), o.key())))
            .collect();
        for work in all {
            self.queue.add(work, now, None);
        }
    }

    fn changed(&mut self, change: &Changed, now: Millis) {
        let Some(object) = change.object() else {
            return;
        };
        let cause = Some(change.revision);
        self.queue
            .add((change.kind.clone(), object.key()), now, cause);
        // A Service that found no node or no free port may find one after any of these changes.
        let balanced = |o: &Option<Object>| o.as_ref().is_some_and(service::has_address);
        let freed =
            change.kind == service::kind() && balanced(&change.old) && !balanced(&change.new);
        let target = |o: &Option<Object>| o.as_ref().is_some_and(service::is_target);
        let targets = change.kind == node::kind() && target(&change.old) != target(&change.new);
        if freed || targets {
            let waiting: Vec<ObjectKey> = self
                .cache
                .list(&service::kind())
                .filter(|s| service::wants(s) && s.items("/status/loadBalancer/ingress").is_empty())
                .map(Object::key)
                .collect();
            for key in waiting {
                self.queue.add((service::kind(), key), now, cause);
            }
        }
        if let (None, Some(old)) = (&change.new, &change.old) {
            self.nodes_events.forget(old);
            self.services_events.forget(old);
        }
    }

    fn step(&self, work: &Work) -> Option<(Step, ObjectRef)> {
        let object = self.cache.get(&work.0, &work.1)?;
        let mut about = object.reference();
        about.api_version = "v1".into();
        if work.0 == node::kind() {
            about.kind = "Node".into();
            return Some((node::step(object, &self.cloud)?, about));
        }
        about.kind = "Service".into();
        let nodes: Vec<&Object> = self
            .cache
            .list(&node::kind())
            .filter(|n| service::is_target(n))
            .collect();
        let others: Vec<&Object> = self
            .cache
            .list(&service::kind())
            .filter(|s| service::has_address(s) && s.uid() != object.uid())
            .collect();
        Some((service::step(object, &nodes, &others, &self.cloud)?, about))
    }

    fn look(&mut self, work: Work, cause: Option<Revision>, now: Millis) {
        if work.0 == service::kind() && self.balancing {
            self.queue.done(&work);
            return self.deferred.push(Taken { key: work, cause });
        }
        let Some((step, about)) = self.step(&work) else {
            return self.queue.done(&work);
        };
        let Some(request) = step.request else {
            if let Some(said) = &step.said {
                self.say(&about, said, cause, now);
            }
            self.note(step.text.clone(), about, cause, Some(step.text));
            self.queue.done(&work);
            return self.queue.add_at(work, now.plus_ms(CLOUD_RETRY_MS), None);
        };
        self.in_flight += 1;
        self.balancing |= work.0 == service::kind();
        let purpose = Purpose::Step {
            work,
            about,
            said: step.said.map(Box::new),
            text: step.text,
            cause,
        };
        self.calls.send(request, cause, purpose);
    }

    fn say(&mut self, about: &ObjectRef, said: &Said, cause: Option<Revision>, now: Millis) {
        let recorder = match about.kind.as_str() {
            "Node" => &mut self.nodes_events,
            _ => &mut self.services_events,
        };
        let request = match said.warning {
            true => recorder.warning(about, said.reason, &said.message, now),
            false => recorder.normal(about, said.reason, &said.message, now),
        };
        self.calls
            .send(request, cause, Purpose::Event(about.clone()));
    }

    fn note(
        &mut self,
        text: String,
        about: ObjectRef,
        cause: Option<Revision>,
        refused: Option<String>,
    ) {
        self.done.push(Done {
            phase: "reconcile",
            text,
            object: Some(about),
            cause,
            refused,
        });
    }

    fn take_in(&mut self, work: &Work, answer: &Answer) {
        if let Some(object) = answer.object()
            && object.kind() != "Status"
            && object.key() == work.1
            && object.revision() > self.cache.revision(&work.0)
        {
            self.cache.remember(&work.0, object);
        }
    }
}

impl<C: CloudProvider> Component for CloudControllerManager<C> {
    fn name(&self) -> &str {
        "cloud-controller-manager"
    }

    fn interests(&self) -> Vec<Interest> {
        vec![Interest::all(node::kind()), Interest::all(service::kind())]
    }

    fn observe(&mut self, observed: Observed, now: Millis) {
        for change in self.cache.apply(observed) {
            self.changed(&change, now);
        }
    }

    fn poll(&mut self, now: Millis) -> Vec<Call> {
        let synced =
            self.cache.has_synced(&node::kind()) && self.cache.has_synced(&service::kind());
        while synced && self.in_flight < CALLS_IN_FLIGHT_MAX {
            let Some(taken) = self.queue.take(now) else {
                break;
            };
            self.look(taken.key, taken.cause, now);
        }
        self.calls.drain()
    }

    fn answer(&mut self, id: CallId, answer: Result<Answer, Status>, now: Millis) {
        match self.calls.answered(id) {
            Some(Purpose::Step {
                work,
                about,
                said,
                text,
                cause,
            }) => {
                self.in_flight = self.in_flight.saturating_sub(1);
                if work.0 == service::kind() {
                    self.balancing = false;
                    for waiting in std::mem::take(&mut self.deferred) {
                        self.queue.add(waiting.key, now, waiting.cause);
                    }
                }
                match answer {
                    Ok(answer) => {
                        self.take_in(&work, &answer);
                        if let Some(said) = &said {
                            self.say(&about, said, cause, now);
                        }
                        self.note(text, about, cause, None);
                        self.queue.done(&work);
                        self.queue.add(work, now, cause);
                    }
                    Err(status) => {
                        self.note(text, about, cause, Some(status.message));
                        self.queue.failed(&work, now);
                    }
                }
            }
            Some(Purpose::Event(about)) if answer.is_err() => {
                let gone = Object::new(serde_json::json!({"metadata": {"uid": about.uid}}));
                self.nodes_events.forget(&gone);
                self.services_events.forget(&gone);
            }
            _ => {}
        }
    }

    fn wake(&self) -> Option<(Millis, &'static str)> {
        let synced =
            self.cache.has_synced(&node::kind()) && self.cache.has_synced(&service::kind());
        if !synced || self.in_flight >= CALLS_IN_FLIGHT_MAX {
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
        let kept =
            |s: &&Object| service::wants(s) && !s.items("/status/loadBalancer/ingress").is_empty();
        let balancers = self.cache.list(&service::kind()).filter(kept).count();
        let machines = self
            .cache
            .list(&node::kind())
            .filter(|n| self.cloud.instance(n).is_some())
            .count();
        vec![
            ("cloud".into(), format!("{} (modelled)", self.cloud.name())),
            ("machines".into(), machines.to_string()),
            ("load balancers".into(), balancers.to_string()),
        ]
    }
}
