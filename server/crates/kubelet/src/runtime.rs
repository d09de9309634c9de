//! The seam between the kubelet and the container engine: commands out, events in (Kubernetes' CRI, as plain data).
//!
//! The kubelet decides, the engine executes. `io-wasm` is the real engine, `simulation` has one of its own.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// A pod's uid: names its sandbox.
pub type PodUid = String;

/// Names one run of one container: pod uid, container name, attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId {
    /// The pod.
    pub pod: PodUid,
    /// The container's name in the pod spec.
    pub container: String,
    /// Counts the runs from 0: the restart count.
    pub attempt: u32,
}

impl std::fmt::Display for ContainerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}_{}_{}", self.pod, self.container, self.attempt)
    }
}

/// What the kubelet asks of the engine. Every command is answered by one or more [`RuntimeEvent`]s.
#[derive(Clone, Debug, PartialEq)]
pub enum RuntimeCommand {
    /// Make the pod's sandbox: its network namespace with its address. Answered by `SandboxReady` or `SandboxFailed`.
    CreateSandbox(Box<SandboxConfig>),
    /// Make an image ready to run: resolve the name, fetch, compile or load from cache. Answered by `ImageReady` or
    /// `ImageFailed`, before them by `ImageCompiling` if it takes compiling.
    PullImage {
        /// As written in the pod spec.
        image: String,
        /// Only look whether it is here already (CRI's `ImageStatus`): never fetch; an absent image is answered by
        /// `ImageFailed` with the reason `ErrImageNeverPull`.
        present_only: bool,
    },
    /// Start a container in an existing sandbox from a ready image. Answered by `Started`, then `Exited`; or by
    /// `StartFailed`.
    StartContainer(Box<ContainerConfig>),
    /// Ask a container to end: cancellation, then after the grace period the instance is dropped. Answered by
    /// `Exited`.
    StopContainer {
        /// Which run.
        id: ContainerId,
        /// How long it may take, in milliseconds; 0 ends it at once.
        grace_ms: u64,
    },
    /// Run a probe once. Answered by `Probed`.
    Probe {
        /// Which run.
        id: ContainerId,
        /// Which of its probes; comes back in the event.
        probe: ProbeKind,
        /// What to do.
        action: ProbeAction,
        /// How long it may take, in milliseconds.
        timeout_ms: u64,
    },
    /// Carry out a hook of a container once. Answered by `HookDone`, at the latest when its time is over or the
    /// container has ended.
    RunHook {
        /// Which run.
        id: ContainerId,
        /// Which of its hooks; comes back in the event.
        hook: HookKind,
        /// What to do.
        action: HookAction,
        /// How long it may take, in milliseconds.
        timeout_ms: u64,
    },
    /// Put new content into file volumes of a pod whose containers run: each changes as a whole or not at all.
    /// Answered by `VolumesUpdated`.
    UpdateVolumes {
        /// The pod.
        pod: PodUid,
        /// The volumes that changed, each a [`Volume::Files`].
        volumes: Vec<Volume>,
    },
    /// Measure what the pods use. Answered by `Measured`.
    Measure {
        /// Also what they store, which means walking their directories.
        storage: bool,
    },
    /// Give back the network namespace of a pod that has ended; logs and volumes stay. Answered by `SandboxStopped`.
    StopSandbox {
        /// The pod.
        pod: PodUid,
    },
    /// Remove the sandbox, its stopped containers and its volumes. Answered by `SandboxRemoved`.
    RemoveSandbox {
        /// The pod.
        pod: PodUid,
    },
}

/// A pod's sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxConfig {
    /// The pod.
    pub pod: PodUid,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The host name of its containers.
    pub hostname: String,
    /// Its address.
    pub ip: Ipv4Addr,
    /// `/etc/resolv.conf`.
    pub dns: DnsConfig,
    /// Further lines of `/etc/hosts`: address and names.
    pub hosts: Vec<(String, Vec<String>)>,
}

/// `/etc/resolv.conf` of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsConfig {
    /// Name servers beside the cluster's.
    pub servers: Vec<String>,
    /// The cluster's name server is asked first.
    pub cluster: bool,
    /// Search domains.
    pub searches: Vec<String>,
    /// `ndots:5`, ...
    pub options: Vec<String>,
}

/// A container to start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerConfig {
    /// Names the run.
    pub id: Option<ContainerId>,
    /// As written in the pod spec.
    pub image: String,
    /// Replaces the image's entrypoint when not empty.
    pub command: Vec<String>,
    /// Arguments.
    pub args: Vec<String>,
    /// Environment, in order; a later name wins.
    pub env: Vec<(String, String)>,
    /// Working directory, empty for `/`.
    pub working_dir: String,
    /// Declared container ports.
    pub ports: Vec<u16>,
    /// Volumes, by mount path.
    pub mounts: Vec<Mount>,
    /// CPU limit in millicores.
    pub cpu_limit_millis: Option<u64>,
    /// CPU request in millicores: its weight.
    pub cpu_request_millis: Option<u64>,
    /// Memory limit in bytes.
    pub memory_limit_bytes: Option<u64>,
    /// The container keeps its standard input open.
    pub stdin: bool,
    /// Its standard input ends with the first client that was attached to it.
    pub stdin_once: bool,
    /// It has a terminal.
    pub tty: bool,
    /// Where it leaves its last words, a path inside the container; empty for the usual one.
    pub termination_message_path: String,
    /// The end of its log stands in for last words after a failure (`FallbackToLogsOnError`).
    pub termination_message_from_log: bool,
}

/// A volume as one container sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mount {
    /// Where it appears.
    pub path: String,
    /// What is in it.
    pub volume: Volume,
    /// The file or directory of the volume that is mounted, as it is when the container starts; empty for the whole
    /// volume. A path that does not exist becomes a directory.
    pub sub_path: String,
    /// Refuses writes.
    pub read_only: bool,
}

impl Volume {
    /// The volume's name in the pod.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::EmptyDir { name } | Self::Files { name, .. } => name,
        }
    }
}

/// The content of a volume.
#[derive(Clone, Debug, PartialEq)]
pub enum Volume {
    /// An empty directory that lives as long as the pod, shared by name between its containers.
    EmptyDir {
        /// The volume's name in the pod.
        name: String,
    },
    /// Files from ConfigMaps, Secrets, the downward API and service-account tokens, by relative path.
    Files {
        /// The volume's name in the pod.
        name: String,
        /// Content by relative path.
        files: BTreeMap<String, Vec<u8>>,
    },
}

/// Which probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProbeKind {
    /// Gates the others until it succeeds once.
    Startup,
    /// Restarts the container when it fails.
    Liveness,
    /// Takes the pod out of its Services when it fails.
    Readiness,
}

/// What a probe does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeAction {
    /// HTTP GET; 200 to 399 is success.
    HttpGet {
        /// Name or address to connect to, empty for the pod's address.
        host: String,
        /// The port.
        port: u16,
        /// Over TLS, whoever the certificate belongs to.
        tls: bool,
        /// The path with query.
        path: String,
        /// Headers; one named `Host` replaces the usual one.
        headers: Vec<(String, String)>,
    },
    /// A TCP connection.
    TcpSocket {
        /// Name or address to connect to, empty for the pod's address.
        host: String,
        /// The port.
        port: u16,
    },
    /// A second instance of the image with these arguments; exit code 0 is success.
    Exec {
        /// The command.
        command: Vec<String>,
    },
    /// The gRPC health checking protocol on the pod's address; `SERVING` is success.
    Grpc {
        /// The port.
        port: u16,
        /// The service asked for, empty for the server as a whole.
        service: String,
    },
}

/// Which hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HookKind {
    /// Right after the container was started, which counts as running when the hook is done.
    PostStart,
    /// Before the container is asked to end.
    PreStop,
}

/// What a hook does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookAction {
    /// What a probe can do as well; any answer to a request is success.
    Run(ProbeAction),
    /// Nothing, for so many milliseconds.
    Sleep {
        /// How long.
        ms: u64,
    },
}

/// What one pod uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodUsage {
    /// By container name.
    pub containers: BTreeMap<String, Usage>,
    /// Bytes stored in each volume, by volume name.
    pub volumes: BTreeMap<String, u64>,
}

/// What one container uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Bytes in its own files and logs.
    pub storage_bytes: u64,
}

/// What the engine tells the kubelet.
#[derive(Clone, Debug, PartialEq)]
pub enum RuntimeEvent {
    /// The pod's network namespace is up.
    SandboxReady {
        /// The pod.
        pod: PodUid,
    },
    /// It could not be made.
    SandboxFailed {
        /// The pod.
        pod: PodUid,
        /// Why.
        message: String,
    },
    /// The pod's network namespace is given back.
    SandboxStopped {
        /// The pod.
        pod: PodUid,
    },
    /// Everything of the pod is gone.
    SandboxRemoved {
        /// The pod.
        pod: PodUid,
    },
    /// An image is here and has to be compiled first, which takes a while.
    ImageCompiling {
        /// As asked for.
        image: String,
        /// Said in the Compiling event.
        message: String,
    },
    /// An image can be started.
    ImageReady {
        /// As asked for.
        image: String,
        /// The image it stands for: `glasshouse.dev/hello-http@sha256:...`.
        image_id: String,
        /// Said in the Pulled event: `Successfully pulled ...`, `already present on machine`, and for aliases what
        /// they stand for.
        message: String,
    },
    /// It cannot.
    ImageFailed {
        /// As asked for.
        image: String,
        /// `ErrImagePull`, `InvalidImageName`, `ErrImageNeverPull`, ...
        reason: String,
        /// Why, in words that say what to do.
        message: String,
    },
    /// A container runs.
    Started {
        /// Which run.
        id: ContainerId,
    },
    /// A container could not be started.
    StartFailed {
        /// Which run.
        id: ContainerId,
        /// `RunContainerError`, `CreateContainerConfigError`, ...
        reason: String,
        /// Why.
        message: String,
    },
    /// A container ended.
    Exited {
        /// Which run.
        id: ContainerId,
        /// Its exit code: 137 when killed or out of memory, 143 when it ended on request.
        exit_code: i32,
        /// `Completed`, `Error`, `OOMKilled`, ...
        reason: String,
        /// Its termination message.
        message: String,
    },
    /// A probe's result.
    Probed {
        /// Which run.
        id: ContainerId,
        /// Which probe.
        probe: ProbeKind,
        /// `None` on success, else the failure in words: `HTTP probe failed with statuscode: 500`.
        failure: Option<String>,
    },
    /// A hook is over.
    HookDone {
        /// Which run.
        id: ContainerId,
        /// Which hook.
        hook: HookKind,
        /// `None` on success, else the failure in words.
        failure: Option<String>,
    },
    /// New content of volumes is in place.
    VolumesUpdated {
        /// The pod.
        pod: PodUid,
        /// Why it is not.
        failure: Option<String>,
    },
    /// What the pods use.
    Measured {
        /// By pod.
        pods: BTreeMap<PodUid, PodUsage>,
        /// Storage was measured as well.
        storage: bool,
    },
}
