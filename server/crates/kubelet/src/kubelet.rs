//! The kubelet as a control loop: what it watches, what it writes, and how its pods get their turns.
//!
//! After [`Kubelet::runtime_event`] and after every observation the driver polls; then it takes the commands for the
//! engine from [`Kubelet::poll_runtime`].

use std::collections::{BTreeMap, BTreeSet};

use client::event::EventRecorder;
use client::{
    Answer, Cache, Call, CallId, Calls, Component, Done, Interest, Observed, PatchKind, Request,
};
use cni::{Ipam, Prefix};
use serde_json::Value;
use shared::{KindRef, Millis, Object, ObjectRef, Status};

use crate::admission::admit;
use crate::config::KubeletConfig;
use crate::context::{Context, Happening, Out};
use crate::ending::Ending;
use crate::images::Images;
use crate::lease::NodeLease;
use crate::node_status::{self, NETWORK_NOT_READY, NodeStatus, nodes};
use crate::runtime::{ContainerId, PodUid, RuntimeCommand, RuntimeEvent};
use crate::sources::{self, Sources};
use crate::status;
use crate::timers::Timers;
use crate::worker::{Sandbox, Worker};

/// How soon a refused status write is tried again after a lost race.
const CONFLICT_RETRY_MS: u64 = 200;
/// How soon any other refused write is tried again (the kubelet's `backOffPeriod`).
const WRITE_RETRY_MS: u64 = 10_000;

/// One node's kubelet.
#[derive(Debug)]
pub struct Kubelet {
    name: String,
    config: KubeletConfig,
    cache: Cache,
    calls: Calls<Purpose>,
    recorder: EventRecorder,
    pods: BTreeMap<PodUid, Kept>,
    dirty: BTreeSet<PodUid>,
    timers: Timers<PodUid>,
    images: Images,
    ipam: Option<Ipam>,
    out: Out,
    node: NodeStatus,
    lease: NodeLease,
    announced: bool,
}

/// A pod and what the API knows of it.
#[derive(Debug)]
struct Kept {
    worker: Worker,
    /// The object is gone from the API: nothing is written any more.
    gone: bool,
    writing: bool,
    write_at: Millis,
}

#[derive(Debug)]
enum Purpose {
    Node,
    Lease,
    Status(PodUid, Value),
    Delete(PodUid),
    Event(ObjectRef),
}

fn pods() -> KindRef {
    KindRef::new("", "v1", "pods")
}

impl Kubelet {
    /// A kubelet for one node. It starts with an empty engine.
    #[must_use]
    pub fn new(config: KubeletConfig) -> Self {
        Self {
            name: format!("kubelet {}", config.node_name),
            recorder: EventRecorder::new("kubelet", &config.node_name),
            lease: NodeLease::new(&config.node_name),
            cache: Cache::default(),
            calls: Calls::default(),
            pods: BTreeMap::new(),
            dirty: BTreeSet::new(),
            timers: Timers::default(),
            images: Images::default(),
            ipam: None,
            out: Out::default(),
            node: NodeStatus::default(),
            announced: false,
            config,
        }
    }

    /// The node's settings.
    #[must_use]
    pub fn config(&self) -> &KubeletConfig {
        &self.config
    }

    /// The commands for the engine since the last time, in order. Drained.
    pub fn poll_runtime(&mut self) -> Vec<RuntimeCommand> {
        self.out.commands.drain(..).collect()
    }

    /// The newest run of a container, or the one before it: where logs and exec go. `None` when the pod is not here or
    /// there was no such run. An empty container name means the pod's first container.
    #[must_use]
    pub fn container(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        previous: bool,
    ) -> Option<ContainerId> {
        let is = |k: &&Kept| {
            k.worker.pod.name() == pod && k.worker.pod.namespace() == namespace && !k.gone
        };
        let worker = &self.pods.values().find(is)?.worker;
        let first = worker.spec.containers.first()?.name.as_str();
        let name = if container.is_empty() {
            first
        } else {
            container
        };
        let unit = worker.units.iter().find(|u| u.spec.name == name)?;
        let runs = if previous {
            unit.runs.checked_sub(1)?
        } else {
            unit.runs
        };
        let attempt = runs.checked_sub(1)?;
        Some(ContainerId {
            attempt,
            ..unit.id(worker.uid())
        })
    }

    /// Takes in what the engine did. Poll afterwards.
    pub fn runtime_event(&mut self, event: RuntimeEvent, now: Millis) {
        match event {
            RuntimeEvent::SandboxReady { pod } => self.with(&pod, now, |w, ctx| {
                if w.sandbox == Sandbox::Creating {
                    w.sandbox = Sandbox::Ready;
                    w.note(
                        ctx,
                        "sandbox",
                        w.ip.map(|ip| ip.to_string()).unwrap_or_default(),
                    );
                }
            }),
            RuntimeEvent::SandboxFailed { pod, message } => self.with(&pod, now, |w, ctx| {
                if w.sandbox == Sandbox::Creating {
                    w.sandbox_failed(&message, ctx);
                }
            }),
            RuntimeEvent::SandboxRemoved { pod } => self.with(&pod, now, Worker::sandbox_removed),
            RuntimeEvent::ImageReady {
                image,
                image_id,
                message,
            } => {
                self.image(&image, now, |w, present, ctx| {
                    w.image_ready(&image, present, &image_id, &message, ctx);
                });
            }
            RuntimeEvent::ImageFailed {
                image,
                reason,
                message,
            } => {
                self.image(&image, now, |w, present, ctx| {
                    w.image_failed(&image, present, &reason, &message, ctx);
                });
            }
            RuntimeEvent::Started { id } => {
                self.with(&id.pod, now, |w, ctx| {
                    w.started(&id.container, id.attempt, ctx)
                });
            }
            RuntimeEvent::StartFailed {
                id,
                reason,
                message,
            } => self.with(&id.pod, now, |w, ctx| {
                w.start_failed((&id.container, id.attempt), &reason, &message, ctx);
            }),
            RuntimeEvent::Exited {
                id,
                exit_code,
                reason,
                message,
            } => {
                self.with(&id.pod, now, |w, ctx| {
                    w.exited(
                        (&id.container, id.attempt),
                        exit_code,
                        &reason,
                        &message,
                        ctx,
                    );
                });
            }
            RuntimeEvent::Probed { id, probe, failure } => self.with(&id.pod, now, |w, ctx| {
                w.probed((&id.container, id.attempt), probe, failure.as_deref(), ctx);
            }),
        }
    }

    fn image(
        &mut self,
        image: &str,
        now: Millis,
        act: impl Fn(&mut Worker, bool, &mut Context<'_>),
    ) {
        let Some((present, waiters)) = self.images.answered(image, &mut self.out.commands) else {
            return;
        };
        for pod in waiters {
            self.with(&pod, now, |w, ctx| act(w, present, ctx));
        }
    }

    /// Gives a pod its turn with something, and marks it to be looked at.
    fn with(&mut self, pod: &str, now: Millis, act: impl FnOnce(&mut Worker, &mut Context<'_>)) {
        let Some(kept) = self.pods.get_mut(pod) else {
            return;
        };
        let mut ctx = Context {
            now,
            config: &self.config,
            sources: Sources::new(&self.cache),
            images: &mut self.images,
            ipam: self.ipam.as_mut(),
            out: &mut self.out,
        };
        act(&mut kept.worker, &mut ctx);
        self.dirty.insert(pod.into());
    }

    fn synced(&self) -> bool {
        let needed = [
            pods(),
            nodes(),
            sources::services(),
            sources::config_maps(),
            sources::secrets(),
        ];
        needed.iter().all(|kind| self.cache.has_synced(kind))
    }

    fn pod_changed(&mut self, old: Option<&Object>, new: Option<&Object>, now: Millis) {
        let gone = old.filter(|o| new.is_none_or(|n| n.uid() != o.uid()));
        if let Some(kept) = gone.and_then(|o| self.pods.get_mut(o.uid())) {
            kept.gone = true;
            let grace = kept.worker.spec.grace_ms();
            kept.worker.end_deleted(grace, now);
            self.dirty.insert(kept.worker.uid().into());
        }
        let Some(pod) = new else { return };
        self.dirty.insert(pod.uid().into());
        if let Some(kept) = self.pods.get_mut(pod.uid())
            && pod.revision() >= kept.worker.pod.revision()
        {
            kept.worker.observed(pod, now);
        }
    }

    /// Takes on the pods that have no worker yet.
    fn adopt(&mut self, now: Millis) {
        let new: Vec<Object> = self
            .dirty
            .iter()
            .filter(|uid| !self.pods.contains_key(*uid))
            .filter_map(|uid| self.cache.list(&pods()).find(|p| p.uid() == uid).cloned())
            .collect();
        for pod in new {
            let mut worker = Worker::new(&pod, now);
            if let (Some(ipam), Some(ip)) = (&mut self.ipam, worker.ip) {
                ipam.skip(ip);
            }
            if pod.deletion().is_some() {
                worker.observed(&pod, now);
            } else if worker.ending.is_none() {
                self.judge(&mut worker, now);
            }
            let kept = Kept {
                worker,
                gone: false,
                writing: false,
                write_at: Millis(0),
            };
            self.pods.insert(pod.uid().into(), kept);
        }
    }

    fn judge(&mut self, worker: &mut Worker, now: Millis) {
        let others = self
            .pods
            .values()
            .map(|k| &k.worker)
            .filter(|w| !w.is_ended());
        let node = self.cache.get(&nodes(), &node_status::key(&self.config));
        let Err(refusal) = admit(&worker.spec, others.map(|w| &w.spec), node, &self.config) else {
            return;
        };
        worker.failure = Some((
            refusal.reason.into(),
            format!("Pod was rejected: {}", refusal.message),
        ));
        worker.ending = Some(Ending::failed(now));
        self.out.events.push(Happening {
            about: worker.pod.reference(),
            field_path: String::new(),
            kind: "Warning",
            reason: refusal.reason,
            message: refusal.message,
        });
    }

    /// One pod's turn: decide, report, remove, and when to look again.
    fn turn(&mut self, uid: &str, now: Millis) {
        self.with(uid, now, Worker::sync);
        self.dirty.remove(uid);
        let Some(kept) = self.pods.get_mut(uid) else {
            return;
        };
        let removed = kept.worker.sandbox == Sandbox::Removed;
        if kept.gone {
            if removed {
                self.recorder.forget(&kept.worker.pod);
                self.pods.remove(uid);
                self.timers.clear(uid);
                return;
            }
        } else {
            self.report(uid, now);
        }
        let Some(kept) = self.pods.get(uid) else {
            return;
        };
        let write = (kept.write_at > now && !kept.gone).then_some(kept.write_at);
        let wake = kept.worker.wake().into_iter().chain(write).min();
        self.timers.set(uid.to_owned(), wake);
    }

    fn report(&mut self, uid: &str, now: Millis) {
        let Some(kept) = self
            .pods
            .get_mut(uid)
            .filter(|k| !k.writing && k.write_at <= now)
        else {
            return;
        };
        let worker = &kept.worker;
        let wanted = status::build(worker, &self.config, now);
        let cause = worker.cause;
        let (request, purpose) = if !status::shows(worker.pod.at("/status"), &wanted) {
            let patch = status::patch(uid, worker.pod.at("/status"), wanted.clone());
            let request = Request::patch(pods(), &worker.pod.key(), PatchKind::Strategic, patch);
            (request.on("status"), Purpose::Status(uid.into(), wanted))
        } else if worker.pod.deletion().is_some()
            && worker.is_ended()
            && worker.sandbox == Sandbox::Removed
        {
            let request = Request::delete(pods(), &worker.pod.key(), uid).with_grace(0);
            (request, Purpose::Delete(uid.into()))
        } else {
            return;
        };
        kept.writing = true;
        self.calls.send(request, cause, purpose);
    }

    fn written(
        &mut self,
        uid: &str,
        wanted: Option<&Value>,
        answer: &Result<Answer, Status>,
        now: Millis,
    ) {
        let Some(kept) = self.pods.get_mut(uid) else {
            return;
        };
        kept.writing = false;
        self.dirty.insert(uid.into());
        match answer {
            Ok(answer) => {
                let (Some(wanted), Some(pod)) = (wanted, answer.object()) else {
                    kept.write_at = now.plus_ms(WRITE_RETRY_MS);
                    return;
                };
                if pod.uid() == uid && !kept.gone {
                    self.cache.remember(&pods(), pod);
                    if pod.revision() >= kept.worker.pod.revision() {
                        kept.worker.observed(pod, now);
                    }
                }
                if !status::shows(pod.at("/status"), wanted) {
                    kept.write_at = now.plus_ms(WRITE_RETRY_MS);
                }
            }
            Err(status) if status.is_conflict() => kept.write_at = now.plus_ms(CONFLICT_RETRY_MS),
            Err(_) => kept.write_at = now.plus_ms(WRITE_RETRY_MS),
        }
    }

    /// The node was observed: its pod range makes the network ready.
    fn node_changed(&mut self) {
        let node = self.cache.get(&nodes(), &node_status::key(&self.config));
        let range = node.and_then(|n| n.text("/spec/podCIDR").parse::<Prefix>().ok());
        let known = self.ipam.as_ref().map(Ipam::range);
        if node.is_none() {
            self.node.touch();
        }
        let Some(range) = range.filter(|r| Some(*r) != known) else {
            return;
        };
        let Ok(mut ipam) = Ipam::new(range) else {
            return;
        };
        for kept in self.pods.values_mut() {
            if let Some(ip) = kept.worker.ip {
                ipam.skip(ip);
            }
            if matches!(kept.worker.sandbox, Sandbox::Failed { .. }) {
                kept.worker.sandbox = Sandbox::None;
            }
            self.dirty.insert(kept.worker.uid().into());
        }
        self.ipam = Some(ipam);
        self.node.touch();
    }

    fn configuration_changed(&mut self, namespace: &str) {
        for (uid, kept) in &mut self.pods {
            if kept.worker.pod.namespace() == namespace {
                kept.worker.configuration_changed();
                self.dirty.insert(uid.clone());
            }
        }
    }

    fn keep_node(&mut self, now: Millis) {
        let key = node_status::key(&self.config);
        let node = self.cache.get(&nodes(), &key);
        let network = if self.ipam.is_some() {
            Ok(())
        } else {
            Err(NETWORK_NOT_READY)
        };
        if let Some(request) = self.node.request(node, &self.config, network, now) {
            self.calls.send(request, None, Purpose::Node);
        }
        if let Some(request) = self.lease.request(node, now) {
            self.calls.send(request, None, Purpose::Lease);
        }
        if !std::mem::replace(&mut self.announced, true) {
            self.out.events.push(Happening {
                about: node_status::reference(&self.config),
                field_path: String::new(),
                kind: "Normal",
                reason: "Starting",
                message: "Starting kubelet.".into(),
            });
        }
    }

    fn send_events(&mut self, now: Millis) {
        for event in self.out.events.drain(..) {
            let Happening {
                about,
                field_path,
                kind,
                reason,
                message,
            } = event;
            let request = self
                .recorder
                .record(&about, &field_path, kind, reason, &message, now);
            self.calls.send(request, None, Purpose::Event(about));
        }
    }
}

impl Component for Kubelet {
    fn name(&self) -> &str {
        &self.name
    }

    fn interests(&self) -> Vec<Interest> {
        let node = &self.config.node_name;
        vec![
            Interest::fields(pods(), &format!("spec.nodeName={node}")),
            Interest::fields(nodes(), &format!("metadata.name={node}")),
            Interest::all(sources::services()),
            Interest::all(sources::config_maps()),
            Interest::all(sources::secrets()),
        ]
    }

    fn observe(&mut self, observed: Observed, now: Millis) {
        for change in self.cache.apply(observed) {
            if change.kind == pods() {
                self.pod_changed(change.old.as_ref(), change.new.as_ref(), now);
            } else if change.kind == nodes() {
                self.node_changed();
            } else if change.kind != sources::services()
                && let Some(object) = change.object()
            {
                let namespace = object.namespace().to_owned();
                self.configuration_changed(&namespace);
            }
        }
    }

    fn poll(&mut self, now: Millis) -> Vec<Call> {
        if !self.synced() {
            return self.calls.drain();
        }
        self.keep_node(now);
        self.adopt(now);
        self.dirty.extend(self.timers.take_due(now));
        for uid in std::mem::take(&mut self.dirty) {
            self.turn(&uid, now);
        }
        self.send_events(now);
        self.calls.drain()
    }

    fn answer(&mut self, id: CallId, answer: Result<Answer, Status>, now: Millis) {
        match self.calls.answered(id) {
            Some(Purpose::Node) => {
                self.node.answered(&answer, now);
                if let Some(node) = answer.as_ref().ok().and_then(Answer::object) {
                    self.cache.remember(&nodes(), node);
                    self.node_changed();
                }
            }
            Some(Purpose::Lease) => self.lease.answered(&answer, now),
            Some(Purpose::Status(uid, wanted)) => self.written(&uid, Some(&wanted), &answer, now),
            Some(Purpose::Delete(uid)) => self.written(&uid, None, &answer, now),
            Some(Purpose::Event(about)) => {
                if answer.is_err_and(|s| s.is_not_found())
                    && let Some(kept) = self.pods.get(&about.uid)
                {
                    self.recorder.forget(&kept.worker.pod);
                }
            }
            None => {}
        }
    }

    fn wake(&self) -> Option<(Millis, &'static str)> {
        if !self.synced() {
            return None;
        }
        let node = self.node.wake().map(|t| (t, "node status"));
        let lease = self.lease.wake().map(|t| (t, "node lease"));
        let pod = self.timers.next().map(|t| (t, "pod"));
        let dirty = (!self.dirty.is_empty()).then_some((Millis(0), "pod changed"));
        [node, lease, pod, dirty].into_iter().flatten().min()
    }

    fn done(&mut self) -> Vec<Done> {
        std::mem::take(&mut self.out.done)
    }

    fn queue_len(&self) -> usize {
        self.dirty.len()
    }

    fn lines(&self) -> Vec<(String, String)> {
        let running = self.pods.values().filter(|k| !k.worker.is_ended()).count();
        let range = self
            .ipam
            .as_ref()
            .map_or("none yet".into(), |i| i.range().to_string());
        vec![
            (
                "pods".into(),
                format!("{running} of {}", self.config.max_pods),
            ),
            ("pod range".into(), range),
        ]
    }
}

#[cfg(test)]
mod tests;
