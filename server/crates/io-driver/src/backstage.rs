//! What the dashboard and the API need of the machine room, behind one seam: nodes and images.

use bytes::Bytes;
use shared::Status;
use shared::live::{Image, Tunnel};
use tokio::sync::mpsc;

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

/// The nodes of this process.
pub trait Nodes: Send + Sync + 'static {
    /// Opens a container's log.
    fn logs(&self, query: LogQuery) -> Pending<Result<LogStream, Status>>;

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
