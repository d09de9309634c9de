//! Reads: the newest state, an old revision, and history in order.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use shared::{Millis, Revision};

use crate::kv::{Event, Key, KeyValue, LeaseId};
use crate::lease::Lease;
use crate::state::State;

/// The store at one revision, with the history behind it. Immutable, O(1) to clone, free to send to any thread.
///
/// What it refers to stays in memory while it lives, so hold one for a request, not for ever.
#[derive(Clone, Debug)]
pub struct Snapshot(Arc<State>);

/// One page of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The revision that was read.
    pub revision: Revision,
    /// Key order; at most the limit.
    pub items: Vec<KeyValue>,
    /// Whether keys follow after the last item.
    pub more: bool,
    /// How many keys follow after the last item (`metadata.remainingItemCount` of a list).
    pub remaining: u64,
}

/// Why the past cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The history is gone: list anew. Kubernetes answers 410 `Expired`.
    #[error(
        "etcdserver: mvcc: required revision has been compacted: {requested} was asked for, history begins at {compacted}"
    )]
    Compacted {
        /// The revision asked for.
        requested: Revision,
        /// The oldest revision that can be read.
        compacted: Revision,
    },
    /// Not written yet: wait, or ask for less.
    #[error(
        "etcdserver: mvcc: required revision is a future revision: {requested} was asked for, the store is at {current}"
    )]
    Future {
        /// The revision asked for.
        requested: Revision,
        /// The newest revision.
        current: Revision,
    },
}

impl Snapshot {
    pub(crate) fn new(state: State) -> Self {
        Self(Arc::new(state))
    }

    pub(crate) fn state(&self) -> &State {
        &self.0
    }

    /// The newest revision it holds.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.0.revision
    }

    /// The revision history was compacted at, 0 when it never was: reads below it are refused.
    #[must_use]
    pub fn compacted(&self) -> Revision {
        self.0.compacted
    }

    /// How many records the store has applied; see [`crate::Record::index`].
    #[must_use]
    pub fn index(&self) -> u64 {
        self.0.index
    }

    /// When the newest revision was committed, by the caller's clock.
    #[must_use]
    pub fn time(&self) -> Millis {
        self.0.time
    }

    /// How many keys live.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.live.len()
    }

    /// Whether no key lives.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.live.is_empty()
    }

    /// Bytes of keys and values held: the newest versions and those kept as history.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.0.live_bytes + self.0.history_bytes
    }

    /// How many revisions of history are kept.
    #[must_use]
    pub fn history_len(&self) -> usize {
        self.0.history.len()
    }

    /// The newest version of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&KeyValue> {
        self.0.live.get(key).map(AsRef::as_ref)
    }

    /// The version of `key` that was the newest at `revision`.
    ///
    /// # Errors
    /// [`ReadError`] when `revision` is compacted or not written yet.
    pub fn get_at(&self, key: &str, revision: Revision) -> Result<Option<KeyValue>, ReadError> {
        self.check(revision)?;
        let newest = self.get(key);
        if newest.is_some_and(|kv| kv.mod_revision <= revision) {
            return Ok(newest.cloned());
        }
        let first_later = self
            .0
            .commits_after(revision)
            .flat_map(|commit| &*commit.events)
            .find(|event| &*event.kv.key == key);
        Ok(first_later.and_then(|event| event.previous.clone()))
    }

    /// The newest versions of the keys that start with `prefix`, in key order.
    pub fn iter<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a KeyValue> {
        self.iter_after(prefix, None)
    }

    fn iter_after<'a>(
        &'a self,
        prefix: &'a str,
        start_after: Option<&'a str>,
    ) -> impl Iterator<Item = &'a KeyValue> {
        let start = match start_after {
            Some(key) if key >= prefix => Bound::Excluded(key),
            _ => Bound::Included(prefix),
        };
        self.0
            .live
            .range::<_, str>((start, Bound::Unbounded))
            .map(|(_, kv)| kv.as_ref())
            .take_while(move |kv| kv.key.starts_with(prefix))
    }

    /// A page of the newest versions of the keys that start with `prefix` and come after `start_after`; a `limit` of
    /// 0 is none.
    #[must_use]
    pub fn range(&self, prefix: &str, start_after: Option<&str>, limit: usize) -> Range {
        page(self.revision(), limit, self.iter_after(prefix, start_after))
    }

    /// As [`Snapshot::range`], at an old revision. Costs time in proportion to the history since then.
    ///
    /// # Errors
    /// [`ReadError`] when `revision` is compacted or not written yet.
    pub fn range_at(
        &self,
        prefix: &str,
        start_after: Option<&str>,
        limit: usize,
        revision: Revision,
    ) -> Result<Range, ReadError> {
        self.check(revision)?;
        if revision == self.revision() {
            return Ok(self.range(prefix, start_after, limit));
        }
        let past = self.undone(prefix, revision);
        let after = |kv: &&KeyValue| start_after.is_none_or(|key| &*kv.key > key);
        let unchanged = self
            .iter_after(prefix, start_after)
            .filter(|kv| !past.contains_key(&kv.key));
        let replaced = past.values().filter_map(|kv| *kv).filter(after);
        Ok(page(revision, limit, merge(unchanged, replaced)))
    }

    /// Each key under `prefix` that was written after `revision`, with its version at `revision`.
    pub(crate) fn undone(
        &self,
        prefix: &str,
        revision: Revision,
    ) -> BTreeMap<&Key, Option<&KeyValue>> {
        let mut past = BTreeMap::new();
        let events = self
            .0
            .commits_after(revision)
            .flat_map(|commit| &*commit.events);
        for event in events.filter(|event| event.kv.key.starts_with(prefix)) {
            past.entry(&event.kv.key).or_insert(event.previous.as_ref());
        }
        past
    }

    /// Every event after `revision` on keys that start with `prefix`, in revision order.
    ///
    /// A revision's events come together, because a watch must see a transaction whole (etcd v3.6,
    /// `learning/api_guarantees.md`, "Atomic"): the answer ends with the revision that reaches `limit`, so it may
    /// exceed it by one transaction. Resume with the last event's `mod_revision`. A `limit` of 0 is none.
    ///
    /// # Errors
    /// [`ReadError`] when history after `revision` is not complete, or `revision` is not written yet.
    pub fn events_after(
        &self,
        prefix: &str,
        revision: Revision,
        limit: usize,
    ) -> Result<Vec<Event>, ReadError> {
        let mut events = Vec::new();
        for commit in self.history(revision)? {
            events.extend(
                commit
                    .iter()
                    .filter(|e| e.kv.key.starts_with(prefix))
                    .cloned(),
            );
            if limit != 0 && events.len() >= limit {
                break;
            }
        }
        Ok(events)
    }

    /// History after `revision` without copying: one slice of events for each revision, oldest first.
    ///
    /// # Errors
    /// [`ReadError`] when history after `revision` is not complete, or `revision` is not written yet.
    pub fn history(&self, revision: Revision) -> Result<impl Iterator<Item = &[Event]>, ReadError> {
        self.check(revision)?;
        Ok(self.0.commits_after(revision).map(|commit| &*commit.events))
    }

    /// When `revision` was committed, by the caller's clock; `None` when it is compacted or not written yet.
    #[must_use]
    pub fn time_of(&self, revision: Revision) -> Option<Millis> {
        let at = revision.0.checked_sub(self.0.floor() + 1)?;
        self.0
            .history
            .get(usize::try_from(at).ok()?)
            .map(|commit| commit.time)
    }

    /// The lease, if it lives.
    #[must_use]
    pub fn lease(&self, id: LeaseId) -> Option<Lease> {
        self.0.leases.get(&id).copied()
    }

    /// All live leases, by id.
    pub fn leases(&self) -> impl Iterator<Item = (LeaseId, Lease)> + '_ {
        self.0.leases.iter().map(|(id, lease)| (*id, *lease))
    }

    /// The keys attached to a lease, in key order.
    pub fn lease_keys(&self, id: LeaseId) -> impl Iterator<Item = &Key> {
        self.0
            .attached
            .get(&id)
            .into_iter()
            .flat_map(|keys| keys.iter())
    }

    /// A fingerprint of the live keys and their versions: equal stores have equal ones (etcd's `HashKV`).
    #[must_use]
    pub fn checksum(&self) -> u32 {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&self.0.revision.0.to_le_bytes());
        for kv in self.0.live.values() {
            for part in [kv.key.as_bytes(), &kv.value] {
                crc.update(&(part.len() as u64).to_le_bytes());
                crc.update(part);
            }
            let lease = kv.lease.map_or(0, |id| id.0).to_le_bytes();
            for n in [kv.create_revision.0, kv.mod_revision.0, kv.version] {
                crc.update(&n.to_le_bytes());
            }
            crc.update(&lease);
        }
        crc.finalize()
    }

    fn check(&self, requested: Revision) -> Result<(), ReadError> {
        let (compacted, current) = (self.compacted(), self.revision());
        if requested < compacted {
            return Err(ReadError::Compacted {
                requested,
                compacted,
            });
        }
        if requested > current {
            return Err(ReadError::Future { requested, current });
        }
        Ok(())
    }
}

fn page<'a>(
    revision: Revision,
    limit: usize,
    mut all: impl Iterator<Item = &'a KeyValue>,
) -> Range {
    let limit = if limit == 0 { usize::MAX } else { limit };
    let items = all.by_ref().take(limit).cloned().collect();
    let remaining = all.count() as u64;
    Range {
        revision,
        items,
        more: remaining > 0,
        remaining,
    }
}

/// Two sequences in key order without a common key, as one.
fn merge<'a>(
    left: impl Iterator<Item = &'a KeyValue>,
    right: impl Iterator<Item = &'a KeyValue>,
) -> impl Iterator<Item = &'a KeyValue> {
    let (mut left, mut right) = (left.peekable(), right.peekable());
    std::iter::from_fn(move || match (left.peek(), right.peek()) {
        (Some(l), Some(r)) if r.key < l.key => right.next(),
        (Some(_), _) => left.next(),
        (None, _) => right.next(),
    })
}
