//! One node's containers: takes the kubelet's commands, answers with its events.
//!
//! A command is taken at once (sandboxes and containers are known when [`NodeRuntime::submit`] returns) and carried out
//! in a task of its own, so that a slow image or a stuck container holds nobody up.

mod pull;
mod upkeep;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use io_clock::Clock;
use kubelet::runtime::{
    ContainerConfig, ContainerId, PodUid, RuntimeCommand, RuntimeEvent, SandboxConfig,
};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::container::{Container, Pod};
use crate::engine::Engine;
use crate::exec::{self, ExecError, ExecRequest, ExecSession};
use crate::files::plain;
use crate::logs::{LogOptions, LogReadError, Logs};
use crate::network::{NodeNetwork, SharedNetwork};

/// Events that wait for the kubelet; beyond that, containers wait to tell.
const EVENTS_MAX: usize = 1024;

/// What a node's runtime is made with.
pub struct NodeRuntimeConfig {
    /// The engine, shared by the nodes of a process.
    pub engine: Engine,
    /// The node's network namespaces.
    pub network: Arc<dyn NodeNetwork>,
    /// The node's data: `pods/` and `logs/` in it.
    pub data_dir: PathBuf,
    /// The cluster clock.
    pub clock: Clock,
    /// Owns every task of the runtime.
    pub tasks: TaskTracker,
    /// Ends everything.
    pub cancel: CancellationToken,
}

/// A container's use of resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerUsage {
    /// Which run.
    pub id: ContainerId,
    /// How long it lasts, in microseconds of the host's time.
    pub age_us: u64,
    /// Processor time used, in nanoseconds.
    pub cpu_ns: u64,
    /// Memory in use, in bytes.
    pub memory_bytes: u64,
    /// The most memory that was in use, in bytes.
    pub memory_peak_bytes: u64,
    /// Time spent waiting for processor quota, in microseconds.
    pub throttled_us: u64,
    /// How often it had to wait for quota.
    pub throttled_times: u64,
}

/// One node's container runtime. Clones share it.
#[derive(Clone)]
pub struct NodeRuntime {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    network: Arc<dyn NodeNetwork>,
    data_dir: PathBuf,
    clock: Clock,
    since_us: u64,
    tasks: TaskTracker,
    cancel: CancellationToken,
    logs: Logs,
    events: mpsc::Sender<RuntimeEvent>,
    sandboxes: Mutex<BTreeMap<PodUid, Sandbox>>,
}

struct Sandbox {
    pod: Pod,
    /// The latest run of each container, by name.
    containers: BTreeMap<String, Arc<Container>>,
    /// Owns the pod's containers.
    tasks: TaskTracker,
    cancel: CancellationToken,
}

impl NodeRuntime {
    /// Starts a node's runtime; its events come out of the receiver.
    ///
    /// # Errors
    /// When the data directory cannot be made.
    pub fn new(config: NodeRuntimeConfig) -> std::io::Result<(Self, mpsc::Receiver<RuntimeEvent>)> {
        std::fs::create_dir_all(config.data_dir.join("pods"))?;
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        let logs = Logs::new(config.data_dir.join("logs"), config.clock.clone());
        let inner = Inner {
            network: config.engine.trusting(config.network),
            engine: config.engine,
            data_dir: config.data_dir,
            since_us: config.clock.host_us(),
            clock: config.clock,
            tasks: config.tasks,
            cancel: config.cancel,
            logs,
            events,
            sandboxes: Mutex::default(),
        };
        Ok((
            Self {
                inner: Arc::new(inner),
            },
            receiver,
        ))
    }

    /// Takes a command; its events follow.
    pub fn submit(&self, command: RuntimeCommand) {
        match command {
            RuntimeCommand::CreateSandbox(config) => self.create_sandbox(*config),
            RuntimeCommand::PullImage {
                image,
                present_only,
            } => self.pull(image, present_only),
            RuntimeCommand::StartContainer(config) => self.start(*config),
            RuntimeCommand::StopContainer { id, grace_ms } => self.stop(id, grace_ms),
            RuntimeCommand::Probe {
                id,
                probe,
                action,
                timeout_ms,
            } => self.probe(id, probe, action, timeout_ms),
            RuntimeCommand::RunHook {
                id,
                hook,
                action,
                timeout_ms,
            } => self.hook(id, hook, action, timeout_ms),
            RuntimeCommand::UpdateVolumes { pod, volumes } => self.update_volumes(pod, volumes),
            RuntimeCommand::Measure { storage } => self.measure(storage),
            RuntimeCommand::StopSandbox { pod } => self.stop_sandbox(pod),
            RuntimeCommand::RemoveSandbox { pod } => self.remove_sandbox(pod),
        }
    }

    /// Streams a container's log; see [`LogOptions`].
    ///
    /// # Errors
    /// When there is no such log.
    pub fn logs(
        &self,
        pod: &str,
        container: &str,
        options: LogOptions,
    ) -> Result<mpsc::Receiver<Bytes>, LogReadError> {
        let inner = &self.inner;
        inner.logs.read(
            pod,
            container,
            options,
            &inner.tasks,
            inner.cancel.child_token(),
        )
    }

    /// Runs a command in a running container.
    ///
    /// # Errors
    /// When the container does not run or has no such program.
    pub async fn exec(
        &self,
        pod: &str,
        container: &str,
        request: ExecRequest,
    ) -> Result<ExecSession, ExecError> {
        let running = self
            .container(pod, container)
            .ok_or_else(|| ExecError::NotRunning {
                pod: pod.to_owned(),
                container: container.to_owned(),
            })?;
        exec::exec(running, request, &self.inner.tasks).await
    }

    /// Joins a client to a running container's own input and output.
    ///
    /// # Errors
    /// When the container does not run.
    pub fn attach(
        &self,
        pod: &str,
        container: &str,
        stdin: Option<mpsc::Receiver<Bytes>>,
    ) -> Result<ExecSession, ExecError> {
        let running = self
            .container(pod, container)
            .ok_or_else(|| ExecError::NotRunning {
                pod: pod.to_owned(),
                container: container.to_owned(),
            })?;
        crate::attach::attach(running, stdin, &self.inner.tasks)
    }

    /// A pod's network namespace, or the node's own; `None` when the pod has no sandbox here.
    #[must_use]
    pub fn network(&self, pod: Option<&str>) -> Option<SharedNetwork> {
        match pod {
            None => Some(self.inner.network.host()),
            Some(uid) => {
                let sandboxes = self.inner.sandboxes.lock();
                sandboxes
                    .get(uid)
                    .map(|sandbox| sandbox.pod.network.clone())
            }
        }
    }

    /// How long the runtime runs, in microseconds of the host's time.
    #[must_use]
    pub fn age_us(&self) -> u64 {
        let now_us = self.inner.clock.host_us();
        now_us.saturating_sub(self.inner.since_us)
    }

    /// What each running container uses.
    #[must_use]
    pub fn usage(&self) -> Vec<ContainerUsage> {
        let now_us = self.inner.clock.host_us();
        let sandboxes = self.inner.sandboxes.lock();
        sandboxes
            .values()
            .flat_map(|sandbox| sandbox.containers.values())
            .filter(|container| !container.over.is_cancelled())
            .map(|container| ContainerUsage {
                id: container.id.clone(),
                age_us: now_us.saturating_sub(container.since_us),
                cpu_ns: container.cpu.used_ns(),
                memory_bytes: container.memory.used(),
                memory_peak_bytes: container.memory.peak(),
                throttled_us: container.cpu.throttled_us(),
                throttled_times: container.cpu.throttled_times(),
            })
            .collect()
    }

    /// The latest run of a container.
    fn container(&self, pod: &str, container: &str) -> Option<Arc<Container>> {
        let sandboxes = self.inner.sandboxes.lock();
        sandboxes.get(pod)?.containers.get(container).cloned()
    }

    fn spawn(&self, work: impl Future<Output = Option<RuntimeEvent>> + Send + 'static) {
        let inner = Arc::clone(&self.inner);
        self.inner.tasks.spawn(async move {
            if let Some(event) = work.await {
                inner.tell(event).await;
            }
        });
    }

    fn create_sandbox(&self, config: SandboxConfig) {
        let pod = config.pod.clone();
        let made = self.inner.make_sandbox(config);
        self.spawn(async move {
            Some(match made {
                Ok(()) => RuntimeEvent::SandboxReady { pod },
                Err(error) => RuntimeEvent::SandboxFailed {
                    pod,
                    message: format!("failed to create pod sandbox: {error}"),
                },
            })
        });
    }

    fn pull(&self, image: String, present_only: bool) {
        let inner = Arc::clone(&self.inner);
        self.spawn(async move { Some(inner.pull(image, present_only).await) });
    }

    fn start(&self, config: ContainerConfig) {
        let inner = &self.inner;
        let Some(id) = config.id.clone() else {
            tracing::error!(
                image = config.image,
                "a container without an id cannot be started"
            );
            return;
        };
        let mut sandboxes = inner.sandboxes.lock();
        let Some(sandbox) = sandboxes.get_mut(&id.pod) else {
            drop(sandboxes);
            self.spawn(async move {
                Some(RuntimeEvent::StartFailed {
                    message: format!("the sandbox of pod {} does not exist", id.pod),
                    id,
                    reason: "RunContainerError".to_owned(),
                })
            });
            return;
        };
        let container = Container::new(
            id.clone(),
            config,
            &inner.engine,
            &inner.clock,
            sandbox.cancel.child_token(),
        );
        if let Some(before) = sandbox
            .containers
            .insert(id.container, Arc::clone(&container))
        {
            before.kill.cancel();
        }
        let (pod, tasks) = (sandbox.pod.clone(), sandbox.tasks.clone());
        drop(sandboxes);
        let inner = Arc::clone(inner);
        let work = tasks.track_future(async move {
            let (engine, logs, clock) = (
                inner.engine.clone(),
                inner.logs.clone(),
                inner.clock.clone(),
            );
            let telling = Arc::clone(&inner);
            // A panic in a host function must not take the node down: the run is a task of its own.
            let run = tokio::task::JoinSet::new();
            let ended = supervise(run, Arc::clone(&container), async move {
                container
                    .run(engine, pod, logs, clock, async |event| {
                        telling.tell(event).await
                    })
                    .await
            })
            .await;
            inner.tell(ended).await;
        });
        self.inner.tasks.spawn(work);
    }

    fn stop(&self, id: ContainerId, grace_ms: u64) {
        let running = self
            .container(&id.pod, &id.container)
            .filter(|container| container.id == id && !container.over.is_cancelled());
        let Some(container) = running else {
            self.spawn(async move {
                Some(RuntimeEvent::Exited {
                    id,
                    exit_code: 137,
                    reason: "ContainerStatusUnknown".to_owned(),
                    message: "The container could not be located when it was stopped".to_owned(),
                })
            });
            return;
        };
        if grace_ms == 0 {
            container.kill.cancel();
            return;
        }
        container.stop.cancel();
        let clock = self.inner.clock.clone();
        self.spawn(async move {
            tokio::select! {
                biased;
                () = container.over.cancelled() => {}
                () = clock.sleep_ms(grace_ms) => container.kill.cancel(),
            }
            None
        });
    }

    fn stop_sandbox(&self, uid: PodUid) {
        let inner = Arc::clone(&self.inner);
        let sandbox = inner.sandboxes.lock().remove(&uid);
        self.spawn(async move {
            inner.end_sandbox(&uid, sandbox).await;
            Some(RuntimeEvent::SandboxStopped { pod: uid })
        });
    }

    fn remove_sandbox(&self, uid: PodUid) {
        let inner = Arc::clone(&self.inner);
        let sandbox = inner.sandboxes.lock().remove(&uid);
        self.spawn(async move {
            inner.end_sandbox(&uid, sandbox).await;
            let at = Arc::clone(&inner);
            let pod = uid.clone();
            let removed = tokio::task::spawn_blocking(move || at.remove_files(&pod)).await;
            if let Ok(Err(error)) = removed {
                tracing::warn!(pod = uid, %error, "the files of a removed pod stay behind");
            }
            Some(RuntimeEvent::SandboxRemoved { pod: uid })
        });
    }
}

/// Runs a container's future as a task, so that a panic becomes its exit.
async fn supervise(
    mut run: tokio::task::JoinSet<RuntimeEvent>,
    container: Arc<Container>,
    work: impl Future<Output = RuntimeEvent> + Send + 'static,
) -> RuntimeEvent {
    run.spawn(work);
    match run.join_next().await {
        Some(Ok(event)) => event,
        failed => {
            tracing::error!(id = %container.id, ?failed, "the engine failed while it ran a container");
            RuntimeEvent::Exited {
                id: container.id.clone(),
                exit_code: 128,
                reason: "ContainerCannotRun".to_owned(),
                message: "the container engine failed while it ran this container".to_owned(),
            }
        }
    }
}

impl Inner {
    async fn tell(&self, event: RuntimeEvent) {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => {}
            sent = self.events.send(event) => {
                if sent.is_err() {
                    tracing::debug!("nobody takes the runtime's events any more");
                }
            }
        }
    }

    fn make_sandbox(&self, config: SandboxConfig) -> std::io::Result<()> {
        let SandboxConfig {
            pod: uid,
            hostname,
            ip,
            dns,
            hosts,
            ..
        } = config;
        let folder = self.data_dir.join("pods").join(plain(&uid)?);
        let mut sandboxes = self.sandboxes.lock();
        if sandboxes.contains_key(&uid) {
            return Err(std::io::Error::new(
                std::io::ErrorKind::AlreadyExists,
                format!("pod {uid} has a sandbox already"),
            ));
        }
        std::fs::create_dir_all(&folder)?;
        let network = self.network.add_pod(&uid, ip, dns.searches.clone())?;
        let sandbox = Sandbox {
            pod: Pod {
                name: hostname,
                ip,
                dns,
                hosts,
                folder,
                network,
            },
            containers: BTreeMap::new(),
            tasks: TaskTracker::new(),
            cancel: self.cancel.child_token(),
        };
        sandboxes.insert(uid, sandbox);
        Ok(())
    }

    /// Ends what a sandbox still runs, then its network.
    async fn end_sandbox(&self, uid: &str, sandbox: Option<Sandbox>) {
        if let Some(sandbox) = sandbox {
            sandbox.cancel.cancel();
            sandbox.tasks.close();
            sandbox.tasks.wait().await;
        }
        self.network.remove_pod(uid);
    }

    fn remove_files(&self, uid: &str) -> std::io::Result<()> {
        let uid = plain(uid)?;
        match std::fs::remove_dir_all(self.data_dir.join("pods").join(uid)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.logs.remove_pod(uid)
    }
}
