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
    /// Make the pod's sandbox: its network namespace with this address. Answered by `SandboxReady` or
    /// `SandboxFailed`.
    CreateSandbox {
        /// The pod.
        pod: PodUid,
        /// For log paths and host names.
        namespace: String,
        /// The pod's name: its host name.
        name: String,
        /// The pod's address.
        ip: Ipv4Addr,
        /// `/etc/resolv.conf` of the pod: name servers and search domains.
        dns_search: Vec<String>,
    },
    /// Make an image ready to run: resolve the name, fetch, compile or load from cache. Answered by `ImageReady` or
    /// `ImageFailed`.
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
    /// Remove the sandbox, its stopped containers and its volumes. Answered by `SandboxRemoved`.
    RemoveSandbox {
        /// The pod.
        pod: PodUid,
    },
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
}

/// A volume as one container sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mount {
    /// Where it appears.
    pub path: String,
    /// What is in it.
    pub volume: Volume,
    /// Refuses writes.
    pub read_only: bool,
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
    /// HTTP GET on the pod's address; 200 to 399 is success.
    HttpGet {
        /// The port.
        port: u16,
        /// The path with query.
        path: String,
        /// The `Host` header, empty for the pod's address.
        host: String,
        /// Further headers.
        headers: Vec<(String, String)>,
    },
    /// A TCP connection to the pod's address.
    TcpSocket {
        /// The port.
        port: u16,
    },
    /// A second instance of the image with these arguments; exit code 0 is success.
    Exec {
        /// The command.
        command: Vec<String>,
    },
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
    /// Everything of the pod is gone.
    SandboxRemoved {
        /// The pod.
        pod: PodUid,
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
}
