//! What must hold after every step, whatever goes wrong. One file per rule.

mod binding;
mod capacity;
mod history;
mod jobs;
mod runs;

use std::collections::BTreeMap;

use serde_json::Value;
use shared::{Millis, Object, Revision};
use store::{Key, Snapshot};

use crate::actor::Actor;

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {what}, at {at}")]
pub struct Violation {
    /// Which rule.
    pub rule: &'static str,
    /// How it is broken.
    pub what: String,
    /// When.
    pub at: Millis,
}

/// All rules, with what they remember.
#[derive(Debug, Default)]
pub(crate) struct Invariants {
    pods: Objects,
    all_jobs: Objects,
    binding: binding::Rule,
    history: history::Rule,
    jobs: jobs::Rule,
}

/// What the rules are about.
pub(crate) struct View<'a> {
    pub(crate) pods: Vec<Object>,
    pub(crate) jobs: Vec<Object>,
    pub(crate) actors: &'a [Actor],
}

impl Invariants {
    pub(crate) fn check(
        &mut self,
        snapshot: &Snapshot,
        actors: &[Actor],
        now: Millis,
    ) -> Result<(), Violation> {
        let view = View {
            pods: self.pods.read(snapshot, "/registry/pods/"),
            jobs: self.all_jobs.read(snapshot, "/registry/jobs/"),
            actors,
        };
        let results = [
            ("a pod stays where it was bound", self.binding.check(&view)),
            ("what ended stays ended", self.history.check(&view)),
            ("a Job counts each pod once", self.jobs.check(&view)),
            ("nodes are not overcommitted", capacity::check(&view)),
            ("a container runs once", runs::check(&view)),
        ];
        for (rule, result) in results {
            result.map_err(|what| Violation {
                rule,
                what,
                at: now,
            })?;
        }
        Ok(())
    }
}

/// The objects of a kind in the store; those that did not change since the last look are not read again.
#[derive(Debug, Default)]
struct Objects {
    known: BTreeMap<Key, (Revision, Object)>,
}

impl Objects {
    fn read(&mut self, snapshot: &Snapshot, prefix: &str) -> Vec<Object> {
        let mut known = BTreeMap::new();
        for kv in snapshot.iter(prefix) {
            let old = self
                .known
                .remove(&kv.key)
                .filter(|(revision, _)| *revision == kv.mod_revision);
            let parse = || {
                serde_json::from_slice::<Value>(&kv.value)
                    .map(Object::new)
                    .ok()
            };
            if let Some(object) = old.map(|(_, object)| object).or_else(parse) {
                known.insert(kv.key.clone(), (kv.mod_revision, object));
            }
        }
        self.known = known;
        let objects = self.known.values().map(|(_, object)| object.clone());
        objects.collect()
    }
}
