//! The cluster as this page knows it: the fold of the stream's messages.
//!
//! Pure: no browser, no clock. It holds last-known data; whether that is live is the connection's business.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use shared::flow::Hop;
use shared::live::{Change, Hello, Message, Pulse};
use shared::{Millis, Object, ObjectKey, Revision};

use super::pod::PodView;

/// Hops kept; older ones fall out.
pub const MAX_HOPS: usize = 4000;
/// Revisions kept for the foot of the page.
pub const MAX_TICKS: usize = 3000;

/// How a change looks at the foot of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TickKind {
    /// Something was created.
    Made,
    /// Something was updated.
    Updated,
    /// Something was deleted.
    Gone,
    /// Something failed: a Warning event or a failing pod.
    Failed,
}

/// One revision at the foot of the page.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// The revision.
    pub revision: Revision,
    /// Cluster time of its arrival here.
    pub at: Millis,
    /// What it was.
    pub kind: TickKind,
    /// `pods/web-q6zvn`.
    pub what: String,
}

/// Objects of one resource by namespace and name.
pub type Shelf = BTreeMap<ObjectKey, Object>;

/// Everything that the stream has said so far.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// What cluster this is; `None` before the first message.
    pub hello: Option<Hello>,
    /// Clock and load.
    pub pulse: Pulse,
    /// Objects by plural, then by key.
    pub shelves: BTreeMap<String, Shelf>,
    /// Pods in the form the drawing needs, kept beside the objects so that a frame does not rebuild them all.
    pub pods: BTreeMap<ObjectKey, Arc<PodView>>,
    /// The last hops, oldest first.
    pub hops: VecDeque<Hop>,
    /// The last revisions, oldest first.
    pub ticks: VecDeque<Tick>,
    /// Hops that the stream skipped, told by gaps in their numbering.
    pub lost_hops: u64,
}

impl Cluster {
    /// Folds one message in.
    pub fn apply(&mut self, message: Message) {
        match message {
            Message::Hello(hello) => self.hello(hello),
            Message::Snapshot {
                kind,
                revision,
                items,
            } => self.snapshot(&kind.plural, revision, items),
            Message::Change {
                kind,
                change,
                object,
            } => self.change(&kind.plural, change, object),
            Message::Hop(hop) => self.hop(hop),
            Message::Pulse(pulse) => self.pulse(pulse),
        }
    }

    /// The objects of a plural; an empty shelf when none arrived.
    pub fn shelf(&self, plural: &str) -> &Shelf {
        static EMPTY: Shelf = Shelf::new();
        self.shelves.get(plural).unwrap_or(&EMPTY)
    }

    /// One object.
    pub fn get(&self, plural: &str, key: &ObjectKey) -> Option<&Object> {
        self.shelves.get(plural)?.get(key)
    }

    fn hello(&mut self, mut hello: Hello) {
        self.pulse = std::mem::take(&mut hello.pulse);
        // After a reconnect the server sends its last hops again: they replace ours, so none is told twice.
        self.hops = std::mem::take(&mut hello.hops).into();
        while self.hops.len() > MAX_HOPS {
            self.hops.pop_front();
        }
        self.hello = Some(hello);
    }

    fn pulse(&mut self, pulse: Pulse) {
        let newest = self.pulse.revision.max(pulse.revision);
        self.pulse = pulse;
        self.pulse.revision = newest;
    }

    fn snapshot(&mut self, plural: &str, revision: Revision, items: Vec<Object>) {
        let shelf: Shelf = items.into_iter().map(|o| (o.key(), o)).collect();
        if plural == "pods" {
            self.pods = shelf.iter().map(|(k, o)| (k.clone(), view(o))).collect();
        }
        if !self.shelves.contains_key(plural) {
            self.remember(plural, &shelf);
        }
        self.shelves.insert(plural.into(), shelf);
        self.pulse.revision = self.pulse.revision.max(revision);
    }

    /// The first list of a kind tells when its objects were made: the foot of the page begins with that.
    fn remember(&mut self, plural: &str, shelf: &Shelf) {
        let past = shelf.iter().filter_map(|(key, object)| {
            Some(Tick {
                revision: object.revision(),
                at: super::table::last_seen(object)?,
                kind: tick_kind(Change::Added, object),
                what: format!("{plural}/{}", key.name),
            })
        });
        self.ticks.extend(past);
        self.ticks.make_contiguous().sort_by_key(|t| t.revision);
        let surplus = self.ticks.len().saturating_sub(MAX_TICKS);
        self.ticks.drain(..surplus);
    }

    fn change(&mut self, plural: &str, change: Change, object: Object) {
        let key = object.key();
        let shelf = self.shelves.entry(plural.into()).or_default();
        let known = shelf.get(&key);
        // A change that is older than what is held came before the snapshot: it is already in it.
        if known.is_some_and(|k| k.revision() > object.revision()) {
            return;
        }
        self.pulse.revision = self.pulse.revision.max(object.revision());
        let tick = Tick {
            revision: object.revision(),
            at: self.pulse.now,
            kind: tick_kind(change, &object),
            what: format!("{plural}/{}", key.name),
        };
        if change == Change::Deleted {
            shelf.remove(&key);
            if plural == "pods" {
                self.pods.remove(&key);
            }
        } else {
            if plural == "pods" {
                self.pods.insert(key.clone(), view(&object));
            }
            shelf.insert(key, object);
        }
        self.ticks.push_back(tick);
        if self.ticks.len() > MAX_TICKS {
            self.ticks.pop_front();
        }
    }

    fn hop(&mut self, hop: Hop) {
        if let Some(last) = self.hops.back() {
            if hop.seq <= last.seq {
                return;
            }
            self.lost_hops += hop.seq - last.seq - 1;
        }
        self.hops.push_back(hop);
        if self.hops.len() > MAX_HOPS {
            self.hops.pop_front();
        }
    }
}

fn view(object: &Object) -> Arc<PodView> {
    Arc::new(PodView::of(object))
}

fn tick_kind(change: Change, object: &Object) -> TickKind {
    let failed = match object.kind() {
        "Event" => object.text("/type") == "Warning",
        "Pod" => PodView::of(object).look == super::pod::Look::Failing,
        _ => false,
    };
    match change {
        _ if failed => TickKind::Failed,
        Change::Added => TickKind::Made,
        Change::Modified => TickKind::Updated,
        Change::Deleted => TickKind::Gone,
    }
}

#[cfg(test)]
mod tests;
