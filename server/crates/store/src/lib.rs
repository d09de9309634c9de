//! etcd's part of the control plane: a multi-version key space with one global revision.
//!
//! [`Store`] is the single writer's handle: it commits transactions, compacts history and keeps leases. [`Snapshot`]
//! is an immutable view that costs O(1) to take and never blocks the writer: reads now, reads at an old revision,
//! and the ordered history a watch resumes from. [`Record`] and [`image`] are the bytes a durable log and a snapshot
//! file are made of; [`frame`] tells a torn tail from corruption.
//!
//! The model is etcd's (etcd v3.6, `learning/data_model.md`): the store starts at revision 1, every transaction that
//! changes something adds one, a key has a create revision, a mod revision and a version that restarts after a
//! delete. It does no IO, reads no clock and knows nothing of Kubernetes objects: values are opaque bytes.

mod codec;
pub mod frame;
pub mod image;
mod kv;
mod lease;
mod record;
mod retention;
mod snapshot;
mod state;
mod txn;
mod writer;

pub use kv::{Event, EventKind, Key, KeyValue, LeaseId};
pub use lease::{Lease, LeaseError};
pub use record::{Body, Record, RecordError, decode, encode};
pub use retention::Retention;
pub use shared::Revision;
pub use snapshot::{Range, ReadError, Snapshot};
pub use txn::{
    Committed, Compare, MAX_KEY_BYTES, MAX_REQUEST_BYTES, MAX_TXN_OPS, Op, Txn, TxnError,
};
pub use writer::{ApplyError, CompactError, Store};
