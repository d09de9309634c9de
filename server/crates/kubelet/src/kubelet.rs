//! The kubelet as a control loop: what it keeps, and how its pods get their turns.
//!
//! After [`Kubelet::runtime_event`] and after every observation the driver polls; then it takes the commands for the
//! engine from [`Kubelet::poll_runtime`].

mod component;
mod measuring;
mod node;
mod pods;
mod report;
mod runtime_events;
mod static_pods;

use std::collections::{BTreeMap, BTreeSet};

use client::event::EventRecorder;
use client::{Cache, Calls};
use cni::Ipam;
use serde_json::Value;
use shared::{KindRef, Millis, ObjectRef};

use crate::config::KubeletConfig;
use crate::context::{Context, Out};
use crate::images::Images;
use crate::lease::NodeLease;
use crate::node_status::NodeStatus;
use crate::runtime::{ContainerId, PodUid, RuntimeCommand};
use crate::sources::Sources;
use crate::timers::Timers;
use crate::tokens::{TokenKey, Tokens};
use crate::worker::Worker;

use measuring::Monitor;
use static_pods::{Mirror, StaticPods};

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
    tokens: Tokens,
    statics: StaticPods,
    monitor: Monitor,
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
    /// Its stand-in in the API, for a pod that comes from a file.
    mirror: Option<Mirror>,
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
    /// A mirror pod is being made or removed.
    Mirror(PodUid),
    Token(TokenKey),
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
            tokens: Tokens::default(),
            statics: StaticPods::default(),
            monitor: Monitor::default(),
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
        let name = match container {
            "" => worker.spec.containers.first()?.name.as_str(),
            name => name,
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
            tokens: &mut self.tokens,
            ipam: self.ipam.as_mut(),
            out: &mut self.out,
        };
        act(&mut kept.worker, &mut ctx);
        self.dirty.insert(pod.into());
    }
}

#[cfg(test)]
mod tests;
