//! What the dashboard and the API need of the machine room, behind one seam: nodes and images.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use shared::Status;
use shared::live::{Image, Tunnel};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};

use crate::client::Pending;

/// Which log to read, as `pods/log` asks for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// The node that runs the pod.
    pub node: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's uid.
    pub uid: String,
    /// Which container.
    pub container: String,
    /// The run before the present one.
    pub previous: bool,
    /// Stay and send what is written from here on.
    pub follow: bool,
    /// A time in front of each line.
    pub timestamps: bool,
    /// Only so many lines from the end.
    pub tail_lines: Option<u64>,
    /// Only lines written since then.
    pub since: Option<shared::Millis>,
    /// At most so many bytes.
    pub limit_bytes: Option<u64>,
}

/// Pieces of a log; ends when the log ends or, following, when the container does.
pub type LogStream = mpsc::Receiver<Bytes>;

/// A container on its node, as `pods/exec` and `pods/attach` mean it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The node that runs the pod.
    pub node: String,
    /// The pod's uid.
    pub uid: String,
    /// Which container.
    pub container: String,
}

/// What to do in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enter {
    /// Run a command.
    Exec {
        /// The command and its arguments.
        command: Vec<String>,
        /// On a terminal.
        tty: bool,
    },
    /// Join the container's own input and output.
    Attach,
}

/// A command's streams, or a container's own.
#[derive(Debug)]
pub struct Session {
    /// What is typed; dropped at the end of the input. `None` when nothing was to be typed.
    pub stdin: Option<mpsc::Sender<Bytes>>,
    /// What is printed.
    pub stdout: mpsc::Receiver<Bytes>,
    /// What is complained.
    pub stderr: mpsc::Receiver<Bytes>,
    /// The exit code, after the last output. Dropping it ends a command.
    pub exit: oneshot::Receiver<i32>,
}

/// A connection into the cluster's network.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Any connection.
pub type BoxIo = Box<dyn Io>;

/// Where a connection goes, and from which network namespace of which node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// The node.
    pub node: String,
    /// The uid of the pod whose localhost is meant; otherwise the node itself connects.
    pub pod: Option<String>,
    /// The address.
    pub to: SocketAddr,
}

/// What a container has used so far, and what it uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerUse {
    /// The pod's uid.
    pub uid: String,
    /// The container.
    pub container: String,
    /// How long the run lasts, in microseconds of the host's time.
    pub age_us: u64,
    /// Processor time so far, in nanoseconds.
    pub cpu_ns: u64,
    /// Time spent waiting for processor quota, in nanoseconds.
    pub throttled_ns: u64,
    /// How often it had to wait for quota.
    pub throttled_times: u64,
    /// Memory in use, in bytes.
    pub memory_bytes: u64,
    /// The most memory that was in use, in bytes.
    pub memory_peak_bytes: u64,
}

/// What a pod's network interface has carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkUse {
    /// Bytes received.
    pub received_bytes: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
}

/// What a node's pods use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeUse {
    /// When the node started, in microseconds of the host's time before now.
    pub age_us: u64,
    /// Its running containers, by pod and name.
    pub containers: Vec<ContainerUse>,
    /// Its pods' interfaces, by uid.
    pub networks: BTreeMap<String, NetworkUse>,
}

/// The nodes of this process.
pub trait Nodes: Send + Sync + 'static {
    /// Opens a container's log.
    fn logs(&self, query: LogQuery) -> Pending<Result<LogStream, Status>>;

    /// Goes into a container; `stdin` when something will be typed.
    fn enter(&self, place: Place, what: Enter, stdin: bool) -> Pending<Result<Session, Status>>;

    /// Connects within the cluster's network. The refusal's message is the network's own word for what went wrong.
    fn dial(&self, dial: Dial) -> Pending<Result<BoxIo, Status>>;

    /// What a node's pods use.
    ///
    /// # Errors
    /// 404 for a node of another process, 503 for a stopped one.
    fn usage(&self, node: &str) -> Result<NodeUse, Status>;

    /// Pulls a node's plug: its kubelet stops answering and its pods stop running, without a word to the apiserver.
    fn stop(&self, node: &str) -> Pending<Result<(), Status>>;

    /// Starts a stopped node again.
    fn start(&self, node: &str) -> Pending<Result<(), Status>>;

    /// Traffic between nodes since the start.
    fn tunnels(&self) -> Vec<Tunnel>;
}

/// The images that the cluster can run.
pub trait Images: Send + Sync + 'static {
    /// Every image with its aliases.
    fn list(&self) -> Vec<Image>;

    /// Checks a module and keeps it under a name; a refused one leaves nothing behind.
    fn upload(&self, name: &str, module: Bytes) -> Pending<Result<Image, Status>>;
}
