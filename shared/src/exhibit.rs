//! What the dashboard's instruments show: decisions of the scheduler, rules and routes of a node, and the store itself.
//!
//! `GET /glasshouse/v1/components/COMPONENT/KEY` answers what a component shows under a key; `GET /glasshouse/v1/store`
//! and `/glasshouse/v1/store/history` answer [`StorePage`] and [`KeyHistory`].

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Millis, Revision};

/// `kube-scheduler`, by a pod's uid: the last decision about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodVerdict {
    /// Where it goes, `None` when nowhere.
    pub node: Option<String>,
    /// Why it goes nowhere; empty when it was placed.
    pub message: String,
    /// Each node that was looked at; of very many only the first.
    pub nodes: Vec<NodeVerdict>,
}

/// A node's part of a decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeVerdict {
    /// The node.
    pub node: String,
    /// Its score as a share of what was attainable, 0 to 100; `None` when a filter refused it.
    pub percent: Option<i64>,
    /// What each plugin gave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<ScorePart>,
    /// The filter that refused it; empty when none did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub refused_by: String,
    /// Its reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// What a plugin gave a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScorePart {
    /// The plugin, by the original's name.
    pub plugin: String,
    /// 0 to 100.
    pub score: i64,
    /// How much it counts.
    pub weight: i64,
}

/// `kube-proxy NODE`, under `services`: one rule for each address and node port of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceRule {
    /// `namespace/name:port`.
    pub service: String,
    /// `10.96.0.1:443`, or `*:30080` for a node port.
    pub to: String,
    /// `TCP` or `UDP`.
    pub protocol: String,
    /// Only endpoints of the node itself may be chosen (traffic policy `Local`).
    pub local_only: bool,
    /// One client stays with one endpoint (session affinity `ClientIP`).
    pub sticky: bool,
    /// Among which it chooses: address, and whether it is on this node.
    pub endpoints: Vec<(String, bool)>,
}

/// `cni NODE`, under `routes`: one line of a node's routing table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteLine {
    /// The addresses it is for: `10.244.1.0/24`.
    pub prefix: String,
    /// `here`, or `vxlan vni 1 to 127.0.0.3`.
    pub via: String,
}

/// The keys below a prefix, one level deep, as `etcdctl get --prefix --keys-only` and a slash would show them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StorePage {
    /// The newest revision.
    pub revision: Revision,
    /// The oldest revision that can still be read.
    pub compacted: Revision,
    /// Keys in the whole store.
    pub keys: usize,
    /// Bytes of keys and values, history included.
    pub bytes: u64,
    /// Revisions kept as history.
    pub history: usize,
    /// What continues below: the prefix with its slash, and how many keys are there.
    pub folders: Vec<(String, usize)>,
    /// The keys at this level.
    pub items: Vec<StoreKey>,
    /// How many of those were left off.
    pub left_off: usize,
}

/// A key without its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreKey {
    /// The key.
    pub key: String,
    /// The revision that created it.
    pub create_revision: Revision,
    /// The revision that wrote it last.
    pub mod_revision: Revision,
    /// How often it was written since its creation.
    pub version: u64,
    /// Size of the value in bytes.
    pub bytes: usize,
}

/// What history still knows of one key, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyHistory {
    /// The oldest revision that can still be read: what was before is gone.
    pub compacted: Revision,
    /// Its versions; of very many the newest.
    pub versions: Vec<KeyVersion>,
}

/// One version of a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyVersion {
    /// The revision that wrote or deleted it.
    pub revision: Revision,
    /// When, on the cluster clock; `None` for what was there before history begins.
    pub at: Option<Millis>,
    /// The value; `None` where the key was deleted. Values of Secrets are left out of it.
    pub value: Option<Value>,
}
