//! Leases: keys that are deleted together when nobody keeps their lease alive (etcd v3.6, `learning/api.md`).

use shared::Millis;

use crate::kv::LeaseId;

/// A granted lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// How long it lives without a keep-alive, in milliseconds.
    pub ttl_ms: u64,
    /// When it ends; moved by keep-alives, which are not recorded.
    pub deadline: Millis,
}

/// Why a lease operation changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// No such lease: it was never granted, was revoked or has expired.
    #[error("etcdserver: requested lease not found: {id}")]
    NotFound {
        /// The lease.
        id: LeaseId,
    },
    /// The id is taken.
    #[error("etcdserver: lease already exists: {id}; choose another id")]
    Exists {
        /// The lease.
        id: LeaseId,
    },
    /// An id of 0 or a time to live of 0 or over 9,000,000,000 s.
    #[error(
        "lease {id} with a time to live of {ttl_ms} ms cannot be granted: the id must not be 0 and the time 1 to {MAX_TTL_MS} ms"
    )]
    Invalid {
        /// The lease.
        id: LeaseId,
        /// The time to live asked for.
        ttl_ms: u64,
    },
}

/// The longest time to live, in milliseconds (etcd `lease.MaxLeaseTTL`: 9,000,000,000 s).
pub(crate) const MAX_TTL_MS: u64 = 9_000_000_000_000;
