//! The flow log: what each component did for a request, hop by hop. The data behind the live picture.

use serde::{Deserialize, Serialize};

use crate::{ObjectRef, Revision};

/// Names one chain of cause and effect: a client's write and all that follows from it. 16 bytes as W3C Trace
/// Context has them, shown as 32 hex digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(pub u128);

impl TraceId {
    /// Reads the trace id of a `traceparent` header (W3C Trace Context section 3.2); `None` when malformed or zero.
    #[must_use]
    pub fn from_traceparent(header: &str) -> Option<Self> {
        let mut parts = header.trim().split('-');
        let (_version, id) = (parts.next().filter(|v| v.len() == 2)?, parts.next()?);
        let id = (id.len() == 32).then(|| u128::from_str_radix(id, 16).ok())??;
        (id != 0).then_some(Self(id))
    }

    /// A `traceparent` header for a request made on behalf of this trace.
    #[must_use]
    pub fn traceparent(self) -> String {
        format!("00-{:032x}-{:016x}-01", self.0, self.0 as u64 | 1)
    }
}

impl std::fmt::Display for TraceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Serialize for TraceId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TraceId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        u128::from_str_radix(&text, 16)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

/// One thing one component did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hop {
    /// Order within the flow log; grows by one, so that a gap shows a loss.
    pub seq: u64,
    /// The chain it belongs to.
    pub trace: TraceId,
    /// Who did it: `kubectl`, `kube-apiserver`, `etcd`, `kube-scheduler`, `kubelet node-1`, ...
    pub component: String,
    /// What kind of work: `request` for a write, `read`, `authn`, `admission`, `commit`, `reconcile`, `score`, ...
    pub phase: String,
    /// In a few words: `POST deployments/web`, `node-2 scored 83`.
    pub text: String,
    /// The object concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectRef>,
    /// The revision whose watch event made the component act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Revision>,
    /// The revision that this hop wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// When it began: microseconds since the Unix epoch, host time.
    pub start_us: u64,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// Whether it went well.
    pub outcome: Outcome,
}

/// How a hop ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// As asked.
    #[default]
    Done,
    /// Refused or failed, with the reason in a few words.
    Refused(String),
    /// Somebody else was faster, as the message says: the object had changed, was there already, or was gone. Its
    /// component expects this, reads again and acts upon what it finds, so that it is no failure.
    Conflict(String),
}
