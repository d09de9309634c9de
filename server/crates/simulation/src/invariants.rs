//! What must hold after every step, whatever goes wrong. One file per rule.

mod binding;
mod capacity;
mod history;
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
    pods: Pods,
    binding: binding::Rule,
    history: history::Rule,
}

/// What the rules are about.
pub(crate) struct View<'a> {
    pub(crate) pods: Vec<Object>,
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
            pods: self.pods.read(snapshot),
            actors,
        };
        let results = [
            ("a pod stays where it was bound", self.binding.check(&view)),
            ("what ended stays ended", self.history.check(&view)),
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

/// The pods of the store; those that did not change since the last look are not read again.
#[derive(Debug, Default)]
struct Pods {
    known: BTreeMap<Key, (Revision, Object)>,
}

impl Pods {
    fn read(&mut self, snapshot: &Snapshot) -> Vec<Object> {
        let mut known = BTreeMap::new();
        for kv in snapshot.iter("/registry/pods/") {
            let old = self
                .known
                .remove(&kv.key)
                .filter(|(revision, _)| *revision == kv.mod_revision);
            let parse = || {
                serde_json::from_slice::<Value>(&kv.value)
                    .map(Object::new)
                    .ok()
            };
            if let Some(pod) = old.map(|(_, pod)| pod).or_else(parse) {
                known.insert(kv.key.clone(), (kv.mod_revision, pod));
            }
        }
        self.known = known;
        self.known.values().map(|(_, pod)| pod.clone()).collect()
    }
}
