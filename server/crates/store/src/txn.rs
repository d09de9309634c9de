//! Transactions: compares that must all hold, and the operations that are then applied at one revision.

use std::collections::BTreeSet;

use bytes::Bytes;
use shared::{Millis, Revision};

use crate::kv::{Event, EventKind, Key, KeyValue, LeaseId};
use crate::record::{Body, Record};

/// The largest request in bytes, keys and values together: 1.5 MiB (etcd v3.6, `dev-guide/limit.md`).
pub const MAX_REQUEST_BYTES: usize = 1_572_864;
/// The most operations in one transaction (etcd `--max-txn-ops`).
pub const MAX_TXN_OPS: usize = 128;
/// The longest key in bytes; Kubernetes' longest path (group, resource, two 253-character names) fits four times.
pub const MAX_KEY_BYTES: usize = 4096;

/// A condition on the newest version of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compare {
    /// The key has no live version.
    Absent {
        /// The key.
        key: Key,
    },
    /// The key lives and was last written by this revision.
    ModRevision {
        /// The key.
        key: Key,
        /// The revision expected.
        revision: Revision,
    },
    /// The key lives.
    Exists {
        /// The key.
        key: Key,
    },
}

impl Compare {
    /// The key the condition is about.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Absent { key } | Self::ModRevision { key, .. } | Self::Exists { key } => key,
        }
    }

    pub(crate) fn holds(&self, current: Option<&KeyValue>) -> bool {
        match self {
            Self::Absent { .. } => current.is_none(),
            Self::Exists { .. } => current.is_some(),
            Self::ModRevision { revision, .. } => {
                current.is_some_and(|kv| kv.mod_revision == *revision)
            }
        }
    }
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Writes a new version of the key.
    Put {
        /// The key.
        key: Key,
        /// The bytes, kept exactly.
        value: Bytes,
        /// The lease the key belongs to from here on; a put without one detaches the key.
        lease: Option<LeaseId>,
    },
    /// Deletes the key; does nothing, and adds no revision, when it is absent.
    Delete {
        /// The key.
        key: Key,
    },
}

impl Op {
    /// The key written.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Put { key, value, .. } => key.len() + value.len(),
            Self::Delete { key } => key.len(),
        }
    }
}

/// Operations that happen together or not at all, if every compare holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    /// The conditions, judged in order before anything is written.
    pub compares: Vec<Compare>,
    /// The writes; at most [`MAX_TXN_OPS`], each key once.
    pub ops: Vec<Op>,
}

impl Txn {
    /// Creates `key`, provided that it is absent.
    #[must_use]
    pub fn create(key: impl Into<Key>, value: impl Into<Bytes>) -> Self {
        let key = key.into();
        Self {
            compares: vec![Compare::Absent { key: key.clone() }],
            ops: vec![Op::Put {
                key,
                value: value.into(),
                lease: None,
            }],
        }
    }

    /// Replaces `key`, provided that it was last written by `expected`.
    #[must_use]
    pub fn update(key: impl Into<Key>, value: impl Into<Bytes>, expected: Revision) -> Self {
        let key = key.into();
        Self {
            compares: vec![Compare::ModRevision {
                key: key.clone(),
                revision: expected,
            }],
            ops: vec![Op::Put {
                key,
                value: value.into(),
                lease: None,
            }],
        }
    }

    /// Deletes `key`, provided that it was last written by `expected`.
    #[must_use]
    pub fn delete(key: impl Into<Key>, expected: Revision) -> Self {
        let key = key.into();
        Self {
            compares: vec![Compare::ModRevision {
                key: key.clone(),
                revision: expected,
            }],
            ops: vec![Op::Delete { key }],
        }
    }

    /// Writes `key` whatever it holds.
    #[must_use]
    pub fn put(key: impl Into<Key>, value: impl Into<Bytes>) -> Self {
        let op = Op::Put {
            key: key.into(),
            value: value.into(),
            lease: None,
        };
        Self {
            compares: Vec::new(),
            ops: vec![op],
        }
    }

    /// Both transactions as one: all compares of both, then all writes of both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.compares.extend(other.compares);
        self.ops.extend(other.ops);
        self
    }

    /// Attaches every key that the transaction puts to `lease`.
    #[must_use]
    pub fn with_lease(mut self, id: LeaseId) -> Self {
        for op in &mut self.ops {
            if let Op::Put { lease, .. } = op {
                *lease = Some(id);
            }
        }
        self
    }

    /// Keys and values of all writes, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.ops.iter().map(Op::size).sum()
    }

    /// Refuses what no state of the store could accept.
    pub(crate) fn validate(&self) -> Result<(), TxnError> {
        if self.ops.len() > MAX_TXN_OPS {
            return Err(TxnError::TooManyOps {
                ops: self.ops.len(),
            });
        }
        let size = self.size();
        if size > MAX_REQUEST_BYTES {
            let key = self
                .ops
                .iter()
                .max_by_key(|op| op.size())
                .map(|op| op.key().clone());
            return Err(TxnError::TooLarge {
                key: key.unwrap_or_else(|| "".into()),
                size,
            });
        }
        for op in &self.ops {
            let len = op.key().len();
            if len == 0 || len > MAX_KEY_BYTES {
                return Err(TxnError::BadKey { len });
            }
        }
        if self.ops.len() > 1 {
            let mut seen = BTreeSet::new();
            if let Some(op) = self.ops.iter().find(|op| !seen.insert(op.key())) {
                return Err(TxnError::DuplicateKey {
                    key: op.key().clone(),
                });
            }
        }
        Ok(())
    }
}

/// A committed transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The revision after the transaction; unchanged when it wrote nothing.
    pub revision: Revision,
    /// One event per key changed, in the order of the writes; they share their bytes with the store.
    pub events: Vec<Event>,
    /// The transaction's place in the log; see [`Record::index`].
    pub index: u64,
    /// The store's time when it was committed.
    pub time: Millis,
}

impl Committed {
    /// The record that makes the transaction durable; `None` when it changed nothing.
    #[must_use]
    pub fn record(&self) -> Option<Record> {
        if self.events.is_empty() {
            return None;
        }
        let ops = self.events.iter().map(op_of).collect();
        let body = Body::Txn {
            revision: self.revision,
            ops,
        };
        Some(Record {
            index: self.index,
            time: self.time,
            body,
        })
    }
}

/// The write that caused `event`.
pub(crate) fn op_of(event: &Event) -> Op {
    let key = event.kv.key.clone();
    match event.kind {
        EventKind::Put => Op::Put {
            key,
            value: event.kv.value.clone(),
            lease: event.kv.lease,
        },
        EventKind::Delete => Op::Delete { key },
    }
}

/// Why a transaction changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxnError {
    /// A compare does not hold; read again and decide anew.
    #[error("compare {index} of the transaction failed: {key} {}", describe(.current.as_ref()))]
    CompareFailed {
        /// Which of the compares.
        index: usize,
        /// Its key.
        key: Key,
        /// The key's newest version.
        current: Option<KeyValue>,
    },
    /// The writes exceed [`MAX_REQUEST_BYTES`].
    #[error(
        "etcdserver: request is too large: {size} bytes, mostly {key}; the limit is {MAX_REQUEST_BYTES} bytes"
    )]
    TooLarge {
        /// The largest write's key.
        key: Key,
        /// All writes, in bytes.
        size: usize,
    },
    /// More than [`MAX_TXN_OPS`] writes.
    #[error("etcdserver: too many operations in txn request: {ops}; the limit is {MAX_TXN_OPS}")]
    TooManyOps {
        /// How many.
        ops: usize,
    },
    /// A key is written twice.
    #[error("etcdserver: duplicate key given in txn request: {key}")]
    DuplicateKey {
        /// The key.
        key: Key,
    },
    /// A key is empty or longer than [`MAX_KEY_BYTES`].
    #[error("a key of {len} bytes cannot be stored: keys have 1 to {MAX_KEY_BYTES} bytes")]
    BadKey {
        /// The key's length in bytes.
        len: usize,
    },
    /// A put names a lease that does not exist.
    #[error("etcdserver: requested lease not found: {lease}; grant it before attaching {key}")]
    LeaseNotFound {
        /// The lease.
        lease: LeaseId,
        /// The key to attach.
        key: Key,
    },
    /// The store is full: reads, deletes and compaction go on.
    #[error(
        "etcdserver: mvcc: database space exceeded: {used} of {quota} bytes used; delete objects or wait for compaction"
    )]
    NoSpace {
        /// What the store holds, in bytes.
        used: u64,
        /// What it may hold, in bytes.
        quota: u64,
    },
}

fn describe(current: Option<&KeyValue>) -> String {
    match current {
        Some(kv) => format!("is at revision {}", kv.mod_revision),
        None => "does not exist".to_owned(),
    }
}
