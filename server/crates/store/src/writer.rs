//! The single writer: judges transactions, commits them, compacts, keeps leases and replays records.

use shared::{Millis, Revision};

use crate::kv::{Key, LeaseId};
use crate::lease::{Lease, LeaseError, MAX_TTL_MS};
use crate::record::{Body, Record};
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::txn::{Committed, Op, Txn, TxnError};

/// The single writer's handle on a key space.
///
/// A clone costs O(1) and is an independent store: whoever must be able to take a batch of commits back keeps one.
#[derive(Clone, Debug)]
pub struct Store {
    state: State,
    quota_bytes: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

impl Store {
    /// etcd's default space quota (`--quota-backend-bytes`): 2 GiB.
    pub const QUOTA_BYTES: u64 = 2 << 30;

    /// An empty store at revision 1, with the default quota.
    #[must_use]
    pub fn new() -> Self {
        Self::from_state(State::new())
    }

    pub(crate) fn from_state(state: State) -> Self {
        Self {
            state,
            quota_bytes: Self::QUOTA_BYTES,
        }
    }

    /// The same store with another limit on [`Snapshot::size_bytes`]. A full store refuses puts and nothing else.
    #[must_use]
    pub fn with_quota(mut self, bytes: u64) -> Self {
        self.quota_bytes = bytes;
        self
    }

    /// The newest revision.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.state.revision
    }

    /// The revision history was compacted at, 0 when it never was.
    #[must_use]
    pub fn compacted(&self) -> Revision {
        self.state.compacted
    }

    /// How many records the store has made or applied; see [`Record::index`].
    #[must_use]
    pub fn index(&self) -> u64 {
        self.state.index
    }

    /// An immutable view of everything committed so far, in O(1).
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.state.clone())
    }

    /// Tells the store the time, which it writes into what it commits. Time never goes back.
    pub fn set_time(&mut self, now: Millis) {
        self.state.time = self.state.time.max(now);
    }

    /// Applies all writes of `txn` at the next revision if all its compares hold.
    ///
    /// A transaction that changes nothing (no writes, or only deletes of absent keys) keeps the revision.
    ///
    /// # Errors
    /// [`TxnError`]; the store is then unchanged.
    pub fn commit(&mut self, txn: Txn) -> Result<Committed, TxnError> {
        txn.validate()?;
        for (index, compare) in txn.compares.iter().enumerate() {
            let key = compare.key();
            let current = self.state.live.get(key).map(AsRef::as_ref);
            if !compare.holds(current) {
                let current = current.cloned();
                return Err(TxnError::CompareFailed {
                    index,
                    key: key.clone(),
                    current,
                });
            }
        }
        self.check_puts(&txn)?;
        let events = self.state.apply(txn.ops);
        let State {
            revision,
            index,
            time,
            ..
        } = self.state;
        Ok(Committed {
            revision,
            events,
            index,
            time,
        })
    }

    fn check_puts(&self, txn: &Txn) -> Result<(), TxnError> {
        let mut puts = false;
        for op in &txn.ops {
            if let Op::Put { key, lease, .. } = op {
                puts = true;
                if let Some(lease) = *lease
                    && !self.state.leases.contains_key(&lease)
                {
                    return Err(TxnError::LeaseNotFound {
                        lease,
                        key: key.clone(),
                    });
                }
            }
        }
        let used = self.state.live_bytes + self.state.history_bytes + txn.size() as u64;
        if puts && used > self.quota_bytes {
            return Err(TxnError::NoSpace {
                used,
                quota: self.quota_bytes,
            });
        }
        Ok(())
    }

    /// Frees history up to and including `at`; `at` itself stays readable. Returns the record of it.
    ///
    /// # Errors
    /// [`CompactError`] when `at` is compacted already or not written yet.
    pub fn compact(&mut self, at: Revision) -> Result<Record, CompactError> {
        if at <= self.state.compacted {
            return Err(CompactError::Compacted {
                at,
                compacted: self.state.compacted,
            });
        }
        if at > self.state.revision {
            return Err(CompactError::Future {
                at,
                current: self.state.revision,
            });
        }
        self.state.compact(at);
        Ok(self.next(Body::Compact { at }))
    }

    /// Grants lease `id` until `now + ttl_ms`. Returns the record of it.
    ///
    /// # Errors
    /// [`LeaseError`] when the id is taken or 0, or the time to live out of range.
    pub fn lease_grant(
        &mut self,
        id: LeaseId,
        ttl_ms: u64,
        now: Millis,
    ) -> Result<Record, LeaseError> {
        if id.0 == 0 || ttl_ms == 0 || ttl_ms > MAX_TTL_MS {
            return Err(LeaseError::Invalid { id, ttl_ms });
        }
        if self.state.leases.contains_key(&id) {
            return Err(LeaseError::Exists { id });
        }
        self.set_time(now);
        self.state.set_lease(
            id,
            Lease {
                ttl_ms,
                deadline: now.plus_ms(ttl_ms),
            },
        );
        Ok(self.next(Body::LeaseGrant { id, ttl_ms }))
    }

    /// Moves the end of lease `id` to a full time to live from `now`, and returns it. Not recorded, as in etcd.
    ///
    /// # Errors
    /// [`LeaseError::NotFound`].
    pub fn lease_keep_alive(&mut self, id: LeaseId, now: Millis) -> Result<Millis, LeaseError> {
        let lease = self
            .state
            .leases
            .get(&id)
            .copied()
            .ok_or(LeaseError::NotFound { id })?;
        let deadline = now.plus_ms(lease.ttl_ms);
        self.state.set_lease(id, Lease { deadline, ..lease });
        Ok(deadline)
    }

    /// Gives every lease a full time to live from `now`, as etcd does after a restart: keep-alives are not recorded.
    pub fn lease_renew_all(&mut self, now: Millis) {
        let ids: Vec<LeaseId> = self.state.leases.keys().copied().collect();
        for id in ids {
            let _ = self.lease_keep_alive(id, now);
        }
    }

    /// The leases whose time is over at `now`, oldest deadline first. Revoke each to delete its keys.
    #[must_use]
    pub fn lease_expired(&self, now: Millis) -> Vec<LeaseId> {
        let over = self
            .state
            .deadlines
            .iter()
            .take_while(|(deadline, _)| *deadline <= now);
        over.map(|(_, id)| *id).collect()
    }

    /// When the next lease ends.
    #[must_use]
    pub fn lease_next_deadline(&self) -> Option<Millis> {
        self.state
            .deadlines
            .get_min()
            .map(|(deadline, _)| *deadline)
    }

    /// The keys attached to lease `id`, in key order.
    pub fn lease_keys(&self, id: LeaseId) -> impl Iterator<Item = &Key> {
        self.state
            .attached
            .get(&id)
            .into_iter()
            .flat_map(|keys| keys.iter())
    }

    /// Ends lease `id` and deletes its keys at one revision. Returns their events and the record of it all.
    ///
    /// # Errors
    /// [`LeaseError::NotFound`].
    pub fn lease_revoke(
        &mut self,
        id: LeaseId,
        now: Millis,
    ) -> Result<(Committed, Record), LeaseError> {
        if !self.state.leases.contains_key(&id) {
            return Err(LeaseError::NotFound { id });
        }
        self.set_time(now);
        let before = self.state.index;
        let events = self.state.revoke(id);
        self.state.index = before;
        let record = self.next(Body::LeaseRevoke {
            id,
            revision: self.state.revision,
        });
        let State {
            revision,
            index,
            time,
            ..
        } = self.state;
        Ok((
            Committed {
                revision,
                events,
                index,
                time,
            },
            record,
        ))
    }

    fn next(&mut self, body: Body) -> Record {
        self.state.index += 1;
        Record {
            index: self.state.index,
            time: self.state.time,
            body,
        }
    }

    /// Applies a record that another store, or this one before a restart, made. Returns whether it was new: a record
    /// that the store holds already is skipped.
    ///
    /// # Errors
    /// [`ApplyError`] when a record is missing before it or it does not fit; the store must then not be used.
    pub fn apply_record(&mut self, record: &Record) -> Result<bool, ApplyError> {
        let expected = self.state.index + 1;
        if record.index < expected {
            return Ok(false);
        }
        if record.index > expected {
            return Err(ApplyError::Gap {
                expected,
                found: record.index,
            });
        }
        self.set_time(record.time);
        let revision = match &record.body {
            Body::Txn { revision, ops } => {
                self.state.apply(ops.clone());
                *revision
            }
            Body::Compact { at } => {
                if *at <= self.state.compacted || *at > self.state.revision {
                    return Err(self.diverged(record.index, *at));
                }
                self.state.compact(*at);
                self.state.revision
            }
            Body::LeaseGrant { id, ttl_ms } => {
                let deadline = record.time.plus_ms(*ttl_ms);
                self.state.set_lease(
                    *id,
                    Lease {
                        ttl_ms: *ttl_ms,
                        deadline,
                    },
                );
                self.state.revision
            }
            Body::LeaseRevoke { id, revision } => {
                self.state.revoke(*id);
                *revision
            }
        };
        self.state.index = record.index;
        if self.state.revision != revision {
            return Err(self.diverged(record.index, revision));
        }
        Ok(true)
    }

    fn diverged(&self, index: u64, revision: Revision) -> ApplyError {
        ApplyError::Diverged {
            index,
            recorded: revision,
            reached: self.state.revision,
        }
    }
}

/// Why history was not compacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompactError {
    /// It is gone already.
    #[error(
        "etcdserver: mvcc: required revision has been compacted: {at}, the store is compacted at {compacted}"
    )]
    Compacted {
        /// The revision asked for.
        at: Revision,
        /// Where it is compacted.
        compacted: Revision,
    },
    /// It is not written yet.
    #[error(
        "etcdserver: mvcc: required revision is a future revision: {at}, the store is at {current}"
    )]
    Future {
        /// The revision asked for.
        at: Revision,
        /// The newest revision.
        current: Revision,
    },
}

/// Why a record cannot follow what the store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Records are missing.
    #[error("record {expected} is missing: the next one found is {found}")]
    Gap {
        /// The index that should follow.
        expected: u64,
        /// The index that does.
        found: u64,
    },
    /// The record belongs to another history.
    #[error(
        "record {index} belongs to another history: it was made at revision {recorded}, replay reached {reached}"
    )]
    Diverged {
        /// The record.
        index: u64,
        /// The revision written in it.
        recorded: Revision,
        /// The revision that replaying it led to.
        reached: Revision,
    },
}
