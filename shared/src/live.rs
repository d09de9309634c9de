//! The messages of the dashboard's stream `/glasshouse/v1/stream`: one JSON document per WebSocket text frame.

use serde::{Deserialize, Serialize};

use crate::flow::Hop;
use crate::{KindRef, Millis, Object, Revision};

/// Largest module that may be uploaded, in bytes: the engine's own limit.
pub const UPLOAD_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Server to dashboard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Message {
    /// The first frame: what cluster this is.
    Hello(Hello),
    /// All objects of a kind as of a revision; replaces what the dashboard held. Sent for every streamed kind after
    /// `Hello`, and again when a watch had to start over.
    Snapshot {
        /// Which kind.
        kind: KindRef,
        /// The revision the list was read at.
        revision: Revision,
        /// Every object.
        items: Vec<Object>,
    },
    /// One change of one object.
    Change {
        /// Which kind.
        kind: KindRef,
        /// What happened.
        change: Change,
        /// The object after it; for `Deleted` its last state.
        object: Object,
    },
    /// One hop of the flow log, live.
    Hop(Hop),
    /// Clock, revision and load, about once a second and on every change of the clock.
    Pulse(Pulse),
}

/// What a watch event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Change {
    /// Created, or moved into view.
    Added,
    /// Changed.
    Modified,
    /// Gone, or moved out of view.
    Deleted,
}

/// What cluster this is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// The product's version.
    pub version: String,
    /// The Kubernetes version it serves: `v1.36.0`.
    pub kubernetes: String,
    /// Base URL of the Kubernetes API for `kubectl`.
    pub api: String,
    /// Path of the admin kubeconfig on the server's machine.
    pub kubeconfig: String,
    /// The network plugin: `flannel`.
    pub network: String,
    /// The clock and the load at this moment.
    pub pulse: Pulse,
    /// The last hops, oldest first.
    pub hops: Vec<Hop>,
}

/// Clock and load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pulse {
    /// The cluster clock.
    pub now: Millis,
    /// How fast it runs: 1 normally, 0 paused, 60 for a minute a second.
    pub rate: f64,
    /// The store's newest revision.
    pub revision: Revision,
    /// The oldest revision that can still be read.
    pub compacted: Revision,
    /// Requests answered by the apiserver since the last pulse, per second.
    pub requests_per_second: f64,
    /// 99th percentile of their durations, in microseconds.
    pub p99_us: u64,
    /// One line per component: what it is doing now.
    pub components: Vec<ComponentPulse>,
    /// Traffic of each tunnel between nodes since the last pulse.
    pub tunnels: Vec<Tunnel>,
}

/// What a component is doing now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentPulse {
    /// `kube-scheduler`, `kube-controller-manager`, `kubelet node-1`, `kube-proxy node-1`, ...
    pub component: String,
    /// Keys waiting in its queue.
    pub queue: usize,
    /// Named lines shown in its room: `deployment` -> `quiet`, `node-1` -> `83`.
    pub lines: Vec<(String, String)>,
}

/// Traffic of one direction between two nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tunnel {
    /// Sending node.
    pub from: String,
    /// Receiving node.
    pub to: String,
    /// Bytes per second on the underlay.
    pub bytes_per_second: u64,
    /// Bytes since the start.
    pub bytes_total: u64,
}

/// `POST /glasshouse/v1/clock`: changes the cluster clock. `GET` answers a [`Pulse`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClockChange {
    /// New rate: 0 pauses; at most 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Jumps ahead by so many milliseconds, firing every timer in between in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_ms: Option<u64>,
}

/// An image that the cluster can run: `GET /glasshouse/v1/images` answers a list of these, and
/// `POST /glasshouse/v1/images?name=NAME` with the module as the body answers one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// `glasshouse.dev/hello-http:latest`.
    pub name: String,
    /// `sha256:...`.
    pub digest: String,
    /// Size of the module in bytes.
    pub size: u64,
    /// What it is: `http component`, `command component`, `preview 1 module`.
    pub what: String,
    /// Linux image names that stand for this one.
    pub aliases: Vec<String>,
    /// Its imports, interface by interface.
    pub imports: Vec<String>,
    /// Its exports.
    pub exports: Vec<String>,
    /// True when a user uploaded it.
    pub uploaded: bool,
}
