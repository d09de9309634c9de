//! One pod on this node: decides, at each look, what the engine has to do next.
//!
//! The order of things follows `kuberuntime_manager.SyncPod`: volumes, sandbox, init containers one by one, then all
//! containers at once. A look is idempotent: it acts on states, never on which event brought it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use client::Done;
use serde_json::Value;
use shared::{Millis, Object, Revision};

use crate::context::{Context, Happening};
use crate::downward::Subject;
use crate::ending::Ending;
use crate::node_status::NETWORK_NOT_READY;
use crate::runtime::{RuntimeCommand, Volume};
use crate::sandbox;
use crate::spec::{ContainerSpec, PodSpec};
use crate::unit::{Role, State, Unit};
use crate::volumes;

/// First wait after a failed mount; doubles to [`MOUNT_RETRY_MAX_MS`] (`nestedpendingoperations`).
const MOUNT_RETRY_MS: u64 = 500;
/// Longest wait after a failed mount: 2 min 2 s.
const MOUNT_RETRY_MAX_MS: u64 = 122_000;
/// How long after a failed sandbox the next one is tried (the kubelet's `backOffPeriod`).
const SANDBOX_RETRY_MS: u64 = 10_000;

/// The pod's network namespace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sandbox {
    None,
    Creating,
    Ready,
    Failed {
        retry_at: Millis,
    },
    /// The pod has ended; its network is being given back.
    Stopping,
    Stopped,
    Removing,
    Removed,
}

/// A pod being worked on.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) pod: Object,
    pub(crate) spec: PodSpec,
    /// Init containers in order, then containers in order, then ephemeral containers as they were added.
    pub(crate) units: Vec<Unit>,
    pub(crate) sandbox: Sandbox,
    pub(crate) ip: Option<Ipv4Addr>,
    pub(crate) start_time: Millis,
    /// Every init container has succeeded once, and every sidecar has started.
    pub(crate) initialized: bool,
    pub(crate) ending: Option<Ending>,
    /// Why the pod as a whole failed: reason and message.
    pub(crate) failure: Option<(String, String)>,
    /// Had containers before this kubelet was started.
    pub(crate) resumed: bool,
    /// The engine has files of the pod, whatever became of its sandbox.
    pub(crate) stored: bool,
    mount_failures: u32,
    mount_retry_at: Option<Millis>,
    /// What the file volumes hold, as far as the engine was told.
    pub(crate) shown: BTreeMap<String, u64>,
    /// When the volumes have to be looked at.
    pub(crate) refresh_at: Option<Millis>,
    /// When the first of the pod's tokens has to be renewed.
    pub(crate) renew_at: Option<Millis>,
    /// The newest revision of the pod that was looked at.
    pub(crate) cause: Option<Revision>,
}

impl Worker {
    /// A worker for a pod seen for the first time. What its status says of earlier runs (before the kubelet was
    /// restarted) is carried on: the engine begins empty, so what ran then is begun again.
    pub(crate) fn new(pod: &Object, now: Millis) -> Self {
        let (spec, failure) = match PodSpec::parse(pod.at("/spec")) {
            Ok(spec) => (spec, None),
            Err(error) => {
                let message = format!("Pod was rejected: its spec cannot be read: {error}");
                (
                    PodSpec::default(),
                    Some(("InvalidSpec".to_owned(), message)),
                )
            }
        };
        let init = spec.init_containers.iter().map(|c| {
            let role = if c.is_sidecar() {
                Role::Sidecar
            } else {
                Role::Init
            };
            Unit::new(role, c.clone())
        });
        let of = |list: &[ContainerSpec], role| -> Vec<Unit> {
            list.iter().map(|c| Unit::new(role, c.clone())).collect()
        };
        let apps = of(&spec.containers, Role::App);
        let ephemeral = of(&spec.ephemeral_containers, Role::Ephemeral);
        let units = init.chain(apps).chain(ephemeral).collect();
        let start_time = Millis::parse_rfc3339(pod.text("/status/startTime")).unwrap_or(now);
        let mut worker = Self {
            pod: pod.clone(),
            spec,
            units,
            sandbox: Sandbox::None,
            ip: None,
            start_time,
            initialized: false,
            ending: failure.is_some().then(|| Ending::failed(now)),
            failure,
            resumed: false,
            stored: false,
            mount_failures: 0,
            mount_retry_at: None,
            shown: BTreeMap::new(),
            refresh_at: None,
            renew_at: None,
            cause: Some(pod.revision()),
        };
        crate::resume::carry_on(&mut worker, now);
        worker
    }

    pub(crate) fn uid(&self) -> &str {
        self.pod.uid()
    }

    /// True when every container has ended for good and nothing will be started any more.
    pub(crate) fn is_ended(&self) -> bool {
        self.ending.is_some() && !self.units.iter().any(Unit::is_active)
    }

    /// One look: acts on the state of things.
    pub(crate) fn sync(&mut self, ctx: &mut Context<'_>) {
        if self.ending.is_none() {
            self.check_deadline(ctx);
        }
        if self.ending.is_some() {
            return self.sync_ending(ctx);
        }
        if !self.prepare(ctx) {
            return;
        }
        self.refresh(ctx);
        self.sync_stopping(ctx);
        self.sync_ephemeral(ctx);
        self.sync_init(ctx);
        if self.initialized && self.ending.is_none() {
            self.sync_apps(ctx);
        }
        if self.ending.is_some() {
            return self.sync_ending(ctx);
        }
        self.run_probes(ctx);
    }

    /// activeDeadlineSeconds: the pod fails when its time is over.
    fn check_deadline(&mut self, ctx: &mut Context<'_>) {
        let message = "Pod was active on the node longer than the specified deadline";
        if self.deadline().is_some_and(|d| d <= ctx.now) {
            self.failure = Some(("DeadlineExceeded".into(), message.into()));
            self.ending = Some(Ending::failed(ctx.now));
            self.event(ctx, None, "Normal", "DeadlineExceeded", message.into());
        }
    }

    fn deadline(&self) -> Option<Millis> {
        let seconds = self.spec.active_deadline_seconds?;
        Some(self.start_time.plus_secs(seconds))
    }

    /// Volumes and sandbox; true when containers may start.
    fn prepare(&mut self, ctx: &mut Context<'_>) -> bool {
        match self.sandbox {
            Sandbox::Ready => return true,
            Sandbox::Failed { retry_at } if retry_at > ctx.now => return false,
            Sandbox::None | Sandbox::Failed { .. } => {}
            _ => return false,
        }
        if self.mount_retry_at.is_some_and(|t| t > ctx.now) {
            return false;
        }
        if !self.ask_tokens(ctx) {
            return false;
        }
        if let Err(error) = self.volumes(ctx) {
            let doubled = MOUNT_RETRY_MS.saturating_mul(1 << self.mount_failures.min(16));
            self.mount_retry_at = Some(ctx.now.plus_ms(doubled.min(MOUNT_RETRY_MAX_MS)));
            self.mount_failures = self.mount_failures.saturating_add(1);
            self.volumes_failed(&error.to_string(), ctx);
            return false;
        }
        (self.mount_retry_at, self.mount_failures) = (None, 0);
        self.create_sandbox(ctx);
        false
    }

    fn create_sandbox(&mut self, ctx: &mut Context<'_>) {
        if std::mem::take(&mut self.resumed) {
            let message = "Pod sandbox changed, it will be killed and re-created.";
            self.event(ctx, None, "Normal", "SandboxChanged", message.into());
        }
        let Some(ipam) = ctx.ipam.as_deref_mut() else {
            let retry_at = ctx.now.plus_ms(SANDBOX_RETRY_MS);
            self.sandbox = Sandbox::Failed { retry_at };
            let message = format!("network is not ready: {NETWORK_NOT_READY}");
            return self.event(ctx, None, "Warning", "NetworkNotReady", message);
        };
        match ipam.allocate(self.pod.uid()) {
            Err(why) => self.sandbox_failed(&why.to_string(), ctx),
            Ok(ip) => {
                self.ip = Some(ip);
                self.sandbox = Sandbox::Creating;
                let config = sandbox::config(self, ip, &ctx.config.cluster_domain);
                let command = RuntimeCommand::CreateSandbox(Box::new(config));
                ctx.out.commands.push_back(command);
            }
        }
    }

    /// The engine made the sandbox.
    pub(crate) fn sandbox_ready(&mut self, ctx: &mut Context<'_>) {
        if self.sandbox == Sandbox::Creating {
            self.sandbox = Sandbox::Ready;
            let ip = self.ip.map(|ip| ip.to_string());
            self.note(ctx, "sandbox", ip.unwrap_or_default());
        }
    }

    /// The engine could not make it.
    pub(crate) fn sandbox_refused(&mut self, why: &str, ctx: &mut Context<'_>) {
        if self.sandbox == Sandbox::Creating {
            self.sandbox_failed(why, ctx);
        }
    }

    /// The node needs the room.
    pub(crate) fn evict(&mut self, message: &str, grace_ms: u64, ctx: &mut Context<'_>) {
        self.failure = Some(("Evicted".into(), message.into()));
        self.ending = Some(Ending::evicted(grace_ms, ctx.now));
        self.note(ctx, "evict", message.into());
        self.event(ctx, None, "Warning", "Evicted", message.into());
    }

    /// The sandbox could not be made.
    pub(crate) fn sandbox_failed(&mut self, why: &str, ctx: &mut Context<'_>) {
        let retry_at = ctx.now.plus_ms(SANDBOX_RETRY_MS);
        self.sandbox = Sandbox::Failed { retry_at };
        let message = format!("Failed to create pod sandbox: {why}");
        self.event(ctx, None, "Warning", "FailedCreatePodSandBox", message);
    }

    /// Runs that are to end though the pod goes on.
    fn sync_stopping(&mut self, ctx: &mut Context<'_>) {
        for i in 0..self.units.len() {
            let stopping = self.units.get(i).and_then(|u| u.stopping);
            if let Some(stopping) = stopping.filter(|s| s.deadline <= ctx.now) {
                self.stop(i, stopping.deadline, "", ctx);
            }
        }
    }

    /// Ephemeral containers do not wait for anybody.
    fn sync_ephemeral(&mut self, ctx: &mut Context<'_>) {
        for i in 0..self.units.len() {
            let ephemeral = |u: &Unit| u.role == Role::Ephemeral;
            if self.units.get(i).is_some_and(ephemeral) {
                self.try_start(i, ctx);
            }
        }
    }

    /// Init containers in order; sets `initialized` when all are through.
    fn sync_init(&mut self, ctx: &mut Context<'_>) {
        let policy = self.spec.restart_policy;
        let failed = |u: &Unit| {
            let failed = matches!(&u.state, State::Exited(exit) if exit.exit_code != 0);
            u.role == Role::Init && failed && !u.wants_run(policy)
        };
        // Before anything starts: a sidecar that waits to start again must not outlive the pod's failure.
        if self.units.iter().any(failed) {
            self.ending = Some(Ending::finished(ctx.now));
            return;
        }
        for i in 0..self.units.len() {
            let Some(unit) = self.units.get(i) else {
                return;
            };
            match unit.role {
                Role::App | Role::Ephemeral => break,
                Role::Sidecar => {
                    let started = unit.is_started();
                    self.try_start(i, ctx);
                    if !started && !self.initialized {
                        return;
                    }
                }
                Role::Init if self.initialized => {}
                Role::Init => match &unit.state {
                    State::Exited(exit) if exit.exit_code == 0 => {}
                    _ => return self.try_start(i, ctx),
                },
            }
        }
        self.initialized = true;
    }

    fn sync_apps(&mut self, ctx: &mut Context<'_>) {
        let policy = self.spec.restart_policy;
        let mut over = true;
        for i in 0..self.units.len() {
            let Some(unit) = self.units.get(i).filter(|u| u.role == Role::App) else {
                continue;
            };
            over &= !unit.is_active() && !unit.wants_run(policy);
            self.try_start(i, ctx);
        }
        if over {
            self.ending = Some(Ending::finished(ctx.now));
        }
    }

    /// Whether it is a container's turn: nothing in the order of the pod has to come before it.
    pub(crate) fn is_its_turn(&self, i: usize) -> bool {
        let Some(unit) = self.units.get(i) else {
            return false;
        };
        let through = |u: &Unit| match (u.role, &u.state) {
            (Role::Init, State::Exited(exit)) => exit.exit_code == 0,
            (Role::Sidecar, _) => u.is_started(),
            _ => false,
        };
        match unit.role {
            Role::Ephemeral => true,
            Role::App => self.initialized,
            Role::Sidecar if self.initialized => true,
            Role::Init | Role::Sidecar => {
                !self.initialized && self.units.iter().take(i).all(through)
            }
        }
    }

    /// Where fields of the downward API are read from.
    pub(crate) fn subject<'a>(&'a self, ctx: &'a Context<'_>) -> Subject<'a> {
        Subject {
            pod: &self.pod,
            spec: &self.spec,
            ip: self.ip,
            config: ctx.config,
        }
    }

    /// Every volume of the pod as it is now.
    pub(crate) fn volumes(
        &self,
        ctx: &Context<'_>,
    ) -> Result<BTreeMap<String, Volume>, volumes::VolumeError> {
        volumes::resolve(&self.subject(ctx), &ctx.sources, &*ctx.tokens, ctx.now)
    }

    /// Tells the user; `unit` is the index of the container concerned.
    pub(crate) fn event(
        &self,
        ctx: &mut Context<'_>,
        unit: Option<usize>,
        kind: &'static str,
        reason: &'static str,
        message: String,
    ) {
        let unit = unit.and_then(|i| self.units.get(i));
        ctx.out.events.push(Happening {
            about: self.pod.reference(),
            field_path: unit.map(Unit::field_path).unwrap_or_default(),
            kind,
            reason,
            message,
        });
    }

    /// Notes a step for the flow log.
    pub(crate) fn note(&self, ctx: &mut Context<'_>, phase: &'static str, text: String) {
        ctx.out.done.push(Done {
            phase,
            text,
            object: Some(self.pod.reference()),
            cause: self.cause,
            refused: None,
        });
    }

    /// When to look again though nothing happens.
    pub(crate) fn wake(&self) -> Option<Millis> {
        let mut times: Vec<Millis> = Vec::new();
        if self.ending.is_none() {
            times.extend(self.deadline());
            match self.sandbox {
                Sandbox::Failed { retry_at } => times.push(retry_at),
                Sandbox::None => times.extend(self.mount_retry_at),
                Sandbox::Ready => {
                    times.extend((0..self.units.len()).filter_map(|i| self.unit_wake(i)));
                }
                _ => {}
            }
            times.extend(self.refresh_wake());
        } else {
            let probes = |u: &Unit| u.is_running().then(|| u.probes.wake(true))?;
            times.extend(self.units.iter().filter_map(probes));
        }
        times.extend(self.units.iter().filter_map(Self::stop_wake));
        times.into_iter().min()
    }

    /// A ConfigMap or Secret of the namespace changed: what failed for want of one is tried again at once.
    pub(crate) fn configuration_changed(&mut self, now: Millis) {
        self.mount_retry_at = None;
        for unit in &mut self.units {
            unit.retry_at = None;
        }
        self.refresh_later(now);
    }

    /// A pod object in a new state was observed.
    pub(crate) fn observed(&mut self, pod: &Object, now: Millis) {
        let changed = ["/metadata/labels", "/metadata/annotations"]
            .iter()
            .any(|at| self.pod.at(at) != pod.at(at));
        self.pod = pod.clone();
        self.cause = Some(pod.revision());
        if changed {
            self.refresh_now();
        }
        self.take_images(pod);
        if let Ok(spec) = PodSpec::parse(pod.at("/spec")) {
            self.spec.active_deadline_seconds = spec.active_deadline_seconds;
            for container in spec.ephemeral_containers {
                if !self.units.iter().any(|u| u.spec.name == container.name) {
                    self.units.push(Unit::new(Role::Ephemeral, container));
                }
            }
        }
        if pod.deletion().is_some() {
            let seconds = pod.int("/metadata/deletionGracePeriodSeconds");
            let grace = seconds
                .and_then(|s| u64::try_from(s).ok())
                .map(|s| s * 1000);
            self.end_deleted(grace.unwrap_or(self.spec.grace_ms()), now);
        }
    }

    /// Images are the part of a container that may change while it runs; the next run takes them.
    fn take_images(&mut self, pod: &Object) {
        for container in pod.items("/spec/containers") {
            let text = |field| {
                container
                    .get(field)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            let (name, image) = (text("name"), text("image"));
            let unit = self
                .units
                .iter_mut()
                .find(|u| u.spec.name == name && u.spec.image != image);
            if let Some(unit) = unit {
                image.clone_into(&mut unit.spec.image);
                unit.image = crate::unit::ImageState::Unknown;
            }
        }
    }
}
