//! The informer's cache: the objects a component has seen, kept up to date by list and watch.

use std::collections::BTreeMap;

use shared::live::Change;
use shared::{KindRef, Object, ObjectKey, Revision};

/// One event of a watch.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchEvent {
    /// What happened.
    pub change: Change,
    /// The object after it; for a deletion its last state.
    pub object: Object,
}

/// What a component is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Observed {
    /// A fresh list: whatever the cache held of this interest is replaced.
    Replaced {
        /// Which kind.
        kind: KindRef,
        /// The revision it was read at.
        revision: Revision,
        /// Every object.
        objects: Vec<Object>,
    },
    /// One change.
    Event {
        /// Which kind.
        kind: KindRef,
        /// What happened to what.
        event: WatchEvent,
    },
}

/// Objects by kind and key, with the newest revision seen of each kind.
#[derive(Debug, Default)]
pub struct Cache {
    kinds: BTreeMap<KindRef, Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    objects: BTreeMap<ObjectKey, Object>,
    revision: Revision,
}

/// How one object changed in the cache: what was there and what is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// Which kind.
    pub kind: KindRef,
    /// The object before, if it was known.
    pub old: Option<Object>,
    /// The object after, `None` when it is gone.
    pub new: Option<Object>,
    /// The revision that this came with: the cause of what is done about it.
    pub revision: Revision,
}

impl Changed {
    /// The object in its newest known state.
    #[must_use]
    pub fn object(&self) -> Option<&Object> {
        self.new.as_ref().or(self.old.as_ref())
    }
}

impl Cache {
    /// Takes in what was observed and answers what changed by it, in key order. Objects that are the same as before
    /// are not reported.
    pub fn apply(&mut self, observed: Observed) -> Vec<Changed> {
        match observed {
            Observed::Replaced {
                kind,
                revision,
                objects,
            } => self.replace(kind, revision, objects),
            Observed::Event { kind, event } => self.change(kind, event).into_iter().collect(),
        }
    }

    fn replace(&mut self, kind: KindRef, revision: Revision, objects: Vec<Object>) -> Vec<Changed> {
        let kept = self.kinds.entry(kind.clone()).or_default();
        let fresh: BTreeMap<ObjectKey, Object> =
            objects.into_iter().map(|o| (o.key(), o)).collect();
        let mut old = std::mem::replace(&mut kept.objects, fresh);
        kept.revision = revision;
        let mut changes = Vec::new();
        for (key, object) in &kept.objects {
            let before = old.remove(key);
            if before.as_ref() != Some(object) {
                let new = Some(object.clone());
                changes.push(Changed {
                    kind: kind.clone(),
                    old: before,
                    new,
                    revision: object.revision(),
                });
            }
        }
        changes.extend(old.into_values().map(|o| Changed {
            kind: kind.clone(),
            old: Some(o),
            new: None,
            revision,
        }));
        changes
    }

    fn change(&mut self, kind: KindRef, event: WatchEvent) -> Option<Changed> {
        let kept = self.kinds.entry(kind.clone()).or_default();
        let (key, revision) = (event.object.key(), event.object.revision());
        kept.revision = kept.revision.max(revision);
        let (old, new) = match event.change {
            Change::Deleted => (kept.objects.remove(&key).or(Some(event.object)), None),
            // The answer to an own write came before the events that led up to it.
            Change::Added | Change::Modified
                if kept
                    .objects
                    .get(&key)
                    .is_some_and(|known| known.revision() > revision) =>
            {
                return None;
            }
            Change::Added | Change::Modified => (
                kept.objects.insert(key, event.object.clone()),
                Some(event.object),
            ),
        };
        (old != new).then_some(Changed {
            kind,
            old,
            new,
            revision,
        })
    }

    /// True once a first list of this kind has been taken in.
    #[must_use]
    pub fn has_synced(&self, kind: &KindRef) -> bool {
        self.kinds.contains_key(kind)
    }

    /// The newest revision seen of a kind.
    #[must_use]
    pub fn revision(&self, kind: &KindRef) -> Revision {
        self.kinds.get(kind).map(|k| k.revision).unwrap_or_default()
    }

    /// One object.
    #[must_use]
    pub fn get(&self, kind: &KindRef, key: &ObjectKey) -> Option<&Object> {
        self.kinds.get(kind)?.objects.get(key)
    }

    /// Every object of a kind, in key order.
    pub fn list<'a>(&'a self, kind: &KindRef) -> impl Iterator<Item = &'a Object> + use<'a> {
        self.kinds
            .get(kind)
            .into_iter()
            .flat_map(|k| k.objects.values())
    }

    /// Every object of a kind in one namespace, in name order.
    pub fn namespace<'a>(
        &'a self,
        kind: &KindRef,
        namespace: &'a str,
    ) -> impl Iterator<Item = &'a Object> + use<'a> {
        let first = ObjectKey::new(namespace, "");
        self.kinds
            .get(kind)
            .into_iter()
            .flat_map(move |k| k.objects.range(first.clone()..))
            .take_while(move |(key, _)| key.namespace == namespace)
            .map(|(_, object)| object)
    }

    /// Keeps the result of an own write at once, so that the next look does not act on the state before it. An older
    /// revision than the kept one is ignored, and so is an object that the watch has already passed without keeping
    /// it: that one was deleted before its answer came.
    pub fn remember(&mut self, kind: &KindRef, object: &Object) {
        let kept = self.kinds.entry(kind.clone()).or_default();
        let newest = kept.revision;
        match kept.objects.get_mut(&object.key()) {
            Some(slot) if slot.revision() < object.revision() => *slot = object.clone(),
            Some(_) => {}
            None if object.revision() <= newest => {}
            None => {
                kept.objects.insert(object.key(), object.clone());
            }
        }
    }

    /// Drops an object that an own delete removed, so that the next look does not count it. Answers it if it was kept
    /// and still has this uid.
    pub fn forget(&mut self, kind: &KindRef, key: &ObjectKey, uid: &str) -> Option<Object> {
        let kept = self.kinds.get_mut(kind)?;
        kept.objects.get(key).filter(|o| o.uid() == uid)?;
        kept.objects.remove(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(name: &str, revision: u64) -> Object {
        Object::new(
            json!({"metadata": {"name": name, "namespace": "a", "resourceVersion": revision.to_string()}}),
        )
    }

    fn pods() -> KindRef {
        KindRef::new("", "v1", "pods")
    }

    fn show(changes: &[Changed]) -> String {
        let word = |o: &Option<Object>| o.as_ref().map_or("-".into(), |o| o.revision().to_string());
        let each = changes.iter().map(|c| {
            let name = c.object().map(Object::name).unwrap_or_default();
            format!("{name} {}>{}", word(&c.old), word(&c.new))
        });
        each.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_new_list_reports_only_differences() {
        let mut cache = Cache::default();
        let list = |objects| Observed::Replaced {
            kind: pods(),
            revision: Revision(9),
            objects,
        };
        assert!(!cache.has_synced(&pods()));
        assert_eq!(
            show(&cache.apply(list(vec![object("x", 1), object("y", 2)]))),
            "x ->1, y ->2"
        );
        assert_eq!(
            show(&cache.apply(list(vec![object("y", 2), object("z", 3)]))),
            "z ->3, x 1>-"
        );
        assert!(cache.has_synced(&pods()));
    }

    #[test]
    fn events_change_one_object() {
        let mut cache = Cache::default();
        let mut tell = |change, object| {
            show(&cache.apply(Observed::Event {
                kind: pods(),
                event: WatchEvent { change, object },
            }))
        };
        assert_eq!(tell(Change::Added, object("x", 1)), "x ->1");
        assert_eq!(tell(Change::Modified, object("x", 2)), "x 1>2");
        assert_eq!(tell(Change::Modified, object("x", 2)), "");
        assert_eq!(tell(Change::Deleted, object("x", 3)), "x 2>-");
    }

    #[test]
    fn answers_and_events_may_overtake_each_other() {
        let mut cache = Cache::default();
        let tell = |cache: &mut Cache, change, object| {
            let event = WatchEvent { change, object };
            let kind = pods();
            show(&cache.apply(Observed::Event { kind, event }))
        };
        cache.remember(&pods(), &object("x", 5));
        assert_eq!(tell(&mut cache, Change::Modified, object("x", 4)), "");
        assert_eq!(tell(&mut cache, Change::Modified, object("x", 5)), "");
        assert_eq!(tell(&mut cache, Change::Deleted, object("x", 7)), "x 5>-");
        cache.remember(&pods(), &object("x", 6));
        assert_eq!(cache.list(&pods()).count(), 0);
        cache.remember(&pods(), &object("x", 8));
        assert_eq!(cache.list(&pods()).count(), 1);
    }

    #[test]
    fn namespaces_are_ranges() {
        let mut cache = Cache::default();
        cache.remember(&pods(), &object("x", 1));
        assert_eq!(cache.namespace(&pods(), "a").count(), 1);
        assert_eq!(cache.namespace(&pods(), "b").count(), 0);
    }
}
