//! The key space as one persistent value: clone it in O(1), change the clone, keep both.
//!
//! Only newest versions are indexed. History is the list of commits since compaction, each event with the version it
//! replaced, so that the past is the present with the later events undone, and compaction is dropping a prefix.
//! Nothing here judges a request: [`crate::Store`] does that before it calls.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet, Vector};
use shared::{Millis, Revision};

use crate::kv::{Event, EventKind, Key, KeyValue, LeaseId};
use crate::lease::Lease;
use crate::txn::Op;

/// The revision of a store that has seen no write (etcd v3.6, `learning/data_model.md`).
pub(crate) const FIRST_REVISION: u64 = 1;

/// One revision's events.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) index: u64,
    pub(crate) revision: Revision,
    pub(crate) time: Millis,
    pub(crate) events: Box<[Event]>,
}

impl Commit {
    pub(crate) fn retained_bytes(&self) -> u64 {
        self.events.iter().map(Event::retained_bytes).sum()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) revision: Revision,
    pub(crate) compacted: Revision,
    pub(crate) index: u64,
    pub(crate) time: Millis,
    pub(crate) live: OrdMap<Key, Arc<KeyValue>>,
    /// One entry for each revision after [`State::floor`], without gaps.
    pub(crate) history: Vector<Arc<Commit>>,
    pub(crate) leases: OrdMap<LeaseId, Lease>,
    pub(crate) deadlines: OrdSet<(Millis, LeaseId)>,
    pub(crate) attached: OrdMap<LeaseId, OrdSet<Key>>,
    pub(crate) live_bytes: u64,
    pub(crate) history_bytes: u64,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            revision: Revision(FIRST_REVISION),
            compacted: Revision(0),
            index: 0,
            time: Millis(0),
            live: OrdMap::new(),
            history: Vector::new(),
            leases: OrdMap::new(),
            deadlines: OrdSet::new(),
            attached: OrdMap::new(),
            live_bytes: 0,
            history_bytes: 0,
        }
    }

    /// The oldest revision that can be read: everything after it is in `history`.
    pub(crate) fn floor(&self) -> u64 {
        self.compacted.0.max(FIRST_REVISION)
    }

    /// History after `revision`, oldest first.
    pub(crate) fn commits_after(&self, revision: Revision) -> impl Iterator<Item = &Arc<Commit>> {
        let skip = revision.0.saturating_sub(self.floor());
        let skip = usize::try_from(skip)
            .unwrap_or(usize::MAX)
            .min(self.history.len());
        self.history.focus().narrow(skip..).into_iter()
    }

    /// Applies `ops` at the next revision and returns their events; without any, nothing changes.
    pub(crate) fn apply(&mut self, ops: Vec<Op>) -> Vec<Event> {
        let revision = Revision(self.revision.0 + 1);
        let mut events = Vec::with_capacity(ops.len());
        for op in ops {
            match op {
                Op::Put { key, value, lease } => {
                    events.push(self.put(key, value, lease, revision));
                }
                Op::Delete { key } => events.extend(self.delete(&key, revision)),
            }
        }
        if events.is_empty() {
            return events;
        }
        self.revision = revision;
        self.index += 1;
        let commit = Commit {
            index: self.index,
            revision,
            time: self.time,
            events: events.clone().into_boxed_slice(),
        };
        self.history_bytes += commit.retained_bytes();
        self.history.push_back(Arc::new(commit));
        events
    }

    fn put(
        &mut self,
        key: Key,
        value: bytes::Bytes,
        lease: Option<LeaseId>,
        revision: Revision,
    ) -> Event {
        let previous = self.live.get(&key).map(|kv| KeyValue::clone(kv));
        let (create_revision, version) = match &previous {
            Some(kv) => (kv.create_revision, kv.version + 1),
            None => (revision, 1),
        };
        let kv = KeyValue {
            key,
            value,
            create_revision,
            mod_revision: revision,
            version,
            lease,
        };
        self.forget(previous.as_ref());
        self.insert(kv.clone());
        Event {
            kind: EventKind::Put,
            kv,
            previous,
        }
    }

    fn delete(&mut self, key: &Key, revision: Revision) -> Option<Event> {
        let previous = KeyValue::clone(self.live.remove(key)?.as_ref());
        self.forget(Some(&previous));
        let kv = KeyValue {
            key: previous.key.clone(),
            value: bytes::Bytes::new(),
            create_revision: Revision(0),
            mod_revision: revision,
            version: 0,
            lease: None,
        };
        Some(Event {
            kind: EventKind::Delete,
            kv,
            previous: Some(previous),
        })
    }

    /// Makes `kv` the newest version of its key.
    pub(crate) fn insert(&mut self, kv: KeyValue) {
        self.live_bytes += kv.size();
        if let Some(id) = kv.lease {
            self.attached.entry(id).or_default().insert(kv.key.clone());
        }
        self.live.insert(kv.key.clone(), Arc::new(kv));
    }

    /// Undoes the bookkeeping of a version that is live no more.
    fn forget(&mut self, previous: Option<&KeyValue>) {
        let Some(kv) = previous else { return };
        self.live_bytes -= kv.size();
        let Some(id) = kv.lease else { return };
        let emptied = self.attached.get_mut(&id).is_some_and(|keys| {
            keys.remove(&kv.key);
            keys.is_empty()
        });
        if emptied {
            self.attached.remove(&id);
        }
    }

    /// Drops history up to and including `at`, which must lie between the floor and the revision.
    pub(crate) fn compact(&mut self, at: Revision) {
        let drop = usize::try_from(at.0.saturating_sub(self.floor())).unwrap_or(usize::MAX);
        let kept = self.history.split_off(drop.min(self.history.len()));
        let dropped = std::mem::replace(&mut self.history, kept);
        for commit in &dropped {
            self.history_bytes -= commit.retained_bytes();
        }
        self.compacted = at;
    }

    pub(crate) fn set_lease(&mut self, id: LeaseId, lease: Lease) {
        if let Some(old) = self.leases.insert(id, lease) {
            self.deadlines.remove(&(old.deadline, id));
        }
        self.deadlines.insert((lease.deadline, id));
    }

    /// Removes a lease and deletes the keys attached to it, at one revision.
    pub(crate) fn revoke(&mut self, id: LeaseId) -> Vec<Event> {
        if let Some(old) = self.leases.remove(&id) {
            self.deadlines.remove(&(old.deadline, id));
        }
        let keys = self.attached.get(&id).cloned().unwrap_or_default();
        self.apply(keys.into_iter().map(|key| Op::Delete { key }).collect())
    }
}
