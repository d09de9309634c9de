//! What the store holds and tells: keys, versions of a value and the events that change them.

use std::sync::Arc;

use bytes::Bytes;
use shared::Revision;

/// A key: cheap to clone, ordered by its bytes. Kubernetes lays its keys out under `/registry`.
pub type Key = Arc<str>;

/// Names a lease; etcd's own width, never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub i64);

impl std::fmt::Display for LeaseId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// One version of a key's value (`mvccpb.KeyValue`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: Key,
    /// The bytes as they were put; shared, never copied. Empty in a delete event.
    pub value: Bytes,
    /// The revision that created the key since it was last absent; 0 in a delete event.
    pub create_revision: Revision,
    /// The revision that wrote this version.
    pub mod_revision: Revision,
    /// 1 for the version that created the key, one more with every put; 0 in a delete event.
    pub version: u64,
    /// The lease whose end deletes the key.
    pub lease: Option<LeaseId>,
}

impl KeyValue {
    /// What the version occupies: key and value, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        (self.key.len() + self.value.len()) as u64
    }
}

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The key has a new version.
    Put,
    /// The key is gone.
    Delete,
}

/// One change of one key, as a watch tells it (`mvccpb.Event`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The new version; for a delete only its key and `mod_revision` (the delete's) mean something.
    pub kv: KeyValue,
    /// The version before, `None` when the key was absent.
    pub previous: Option<KeyValue>,
}

impl Event {
    /// Whether the event created its key.
    #[must_use]
    pub fn is_create(&self) -> bool {
        self.kind == EventKind::Put && self.previous.is_none()
    }

    /// What only this event keeps alive in history: the superseded version, and a tombstone's key.
    pub(crate) fn retained_bytes(&self) -> u64 {
        let tombstone = match self.kind {
            EventKind::Put => 0,
            EventKind::Delete => self.kv.size(),
        };
        tombstone + self.previous.as_ref().map_or(0, KeyValue::size)
    }
}
