//! What the controllers see: the informer's cache with the indexes that they ask for.

use std::collections::{BTreeMap, BTreeSet};

use client::cache::Changed;
use client::{Cache, Observed};
use serde_json::Value;
use shared::{KindRef, Object, ObjectKey, ObjectRef};

use crate::Config;
use crate::meta::pods;

/// An object by kind and place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// Which kind.
    pub kind: KindRef,
    /// Where.
    pub key: ObjectKey,
}

impl Item {
    /// An item from its parts.
    #[must_use]
    pub fn new(kind: KindRef, key: ObjectKey) -> Self {
        Self { kind, key }
    }
}

/// The cache and its indexes.
#[derive(Debug, Default)]
pub struct View {
    cache: Cache,
    dependents: BTreeMap<String, BTreeSet<Item>>,
    loose_pods: BTreeSet<ObjectKey>,
    pods_by_node: BTreeMap<String, BTreeSet<ObjectKey>>,
    refusals: BTreeMap<(&'static str, Item), String>,
    promised: BTreeMap<String, String>,
    /// What the controllers were configured with.
    pub config: Config,
}

fn owner_uids(object: &Object) -> impl Iterator<Item = &str> {
    let owners = object.items("/metadata/ownerReferences").iter();
    owners.filter_map(|o| o.get("uid")?.as_str())
}

impl View {
    /// An empty view.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }

    /// Takes in what was observed and answers what changed by it.
    pub fn apply(&mut self, observed: Observed) -> Vec<Changed> {
        let changes = self.cache.apply(observed);
        for change in &changes {
            self.reindex(&change.kind, change.old.as_ref(), change.new.as_ref());
        }
        changes
    }

    /// Keeps the answer of an own write, unless the watch is further already and therefore knows better. Answers what
    /// changed by it: the watch event that follows will change nothing more.
    pub fn remember(&mut self, kind: &KindRef, object: &Object) -> Option<Changed> {
        let known = self.cache.has_synced(kind);
        if !known || object.revision() <= self.cache.revision(kind) || object.name().is_empty() {
            return None;
        }
        let old = self.cache.get(kind, &object.key()).cloned();
        self.cache.remember(kind, object);
        let new = self.cache.get(kind, &object.key()).cloned();
        self.reindex(kind, old.as_ref(), new.as_ref());
        (old != new).then_some(Changed {
            kind: kind.clone(),
            old,
            new,
            revision: object.revision(),
        })
    }

    /// Drops an object that an own delete removed.
    pub fn forget(&mut self, kind: &KindRef, key: &ObjectKey, uid: &str) -> Option<Changed> {
        let old = self.cache.forget(kind, key, uid)?;
        self.reindex(kind, Some(&old), None);
        Some(Changed {
            kind: kind.clone(),
            revision: old.revision(),
            old: Some(old),
            new: None,
        })
    }

    fn reindex(&mut self, kind: &KindRef, old: Option<&Object>, new: Option<&Object>) {
        if let Some(old) = old {
            let item = Item::new(kind.clone(), old.key());
            for uid in owner_uids(old) {
                remove(&mut self.dependents, uid, &item);
            }
            if *kind == pods() {
                self.loose_pods.remove(&item.key);
                remove(
                    &mut self.pods_by_node,
                    old.text("/spec/nodeName"),
                    &item.key,
                );
            }
        }
        if let Some(new) = new {
            let item = Item::new(kind.clone(), new.key());
            for uid in owner_uids(new) {
                let of_owner = self.dependents.entry(uid.to_owned()).or_default();
                of_owner.insert(item.clone());
            }
            if *kind == pods() {
                if new.controller().is_none() {
                    self.loose_pods.insert(item.key.clone());
                }
                let node = new.text("/spec/nodeName").to_owned();
                self.pods_by_node.entry(node).or_default().insert(item.key);
            }
        }
    }

    /// True once every one of these kinds was listed.
    #[must_use]
    pub fn has_synced(&self, kinds: &[KindRef]) -> bool {
        kinds.iter().all(|k| self.cache.has_synced(k))
    }

    /// One object.
    #[must_use]
    pub fn get(&self, kind: &KindRef, key: &ObjectKey) -> Option<&Object> {
        self.cache.get(kind, key)
    }

    /// Every object of a kind.
    pub fn list<'a>(&'a self, kind: &KindRef) -> impl Iterator<Item = &'a Object> + use<'a> {
        self.cache.list(kind)
    }

    /// Every object of a kind in a namespace.
    pub fn namespace<'a>(
        &'a self,
        kind: &KindRef,
        namespace: &'a str,
    ) -> impl Iterator<Item = &'a Object> + use<'a> {
        self.cache.namespace(kind, namespace)
    }

    /// Everything that names this uid as an owner.
    pub fn dependents(&self, owner_uid: &str) -> impl Iterator<Item = (&Item, &Object)> {
        let items = self.dependents.get(owner_uid).into_iter().flatten();
        items.filter_map(|item| Some((item, self.get(&item.kind, &item.key)?)))
    }

    /// The objects of a kind whose controller this is, in name order.
    #[must_use]
    pub fn controlled(&self, owner: &Object, kind: &KindRef) -> Vec<&Object> {
        let of_kind = self
            .dependents(owner.uid())
            .filter(|(item, _)| item.kind == *kind);
        of_kind
            .map(|(_, object)| object)
            .filter(|o| o.controller().is_some_and(|c| c.uid == owner.uid()))
            .collect()
    }

    /// Pods of a namespace that no controller manages.
    pub fn loose_pods<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Object> {
        let from = ObjectKey::new(namespace, "");
        self.loose_pods
            .range(from..)
            .take_while(move |k| k.namespace == namespace)
            .filter_map(|k| self.get(&pods(), k))
    }

    /// Pods bound to a node.
    pub fn pods_on(&self, node: &str) -> impl Iterator<Item = &Object> {
        let keys = self.pods_by_node.get(node).into_iter().flatten();
        keys.filter_map(|k| self.get(&pods(), k))
    }

    /// The object that an owner reference names, if there is one with that name; its uid may differ.
    #[must_use]
    pub fn owner(&self, owner: &ObjectRef) -> Option<(KindRef, Option<&Object>)> {
        let kind = shared::kind::find_by_kind(&owner.api_version, &owner.kind)?;
        let namespace = if kind.namespaced {
            owner.namespace.as_str()
        } else {
            ""
        };
        let kind = kind.reference();
        let object = self.get(&kind, &ObjectKey::new(namespace, &owner.name));
        Some((kind, object))
    }

    /// The part of the pod network that a node, by its uid, has been promised: the write is on its way, or its answer
    /// was lost and it may have happened.
    #[must_use]
    pub fn promised(&self, node_uid: &str) -> Option<&str> {
        self.promised.get(node_uid).map(String::as_str)
    }

    pub(crate) fn promise(&mut self, node_uid: &str, part: &str) {
        self.promised.insert(node_uid.into(), part.into());
    }

    /// Why the last request of a loop for an item was refused, until one goes well.
    #[must_use]
    pub fn refusal(&self, of: &'static str, item: &Item) -> Option<&str> {
        self.refusals.get(&(of, item.clone())).map(String::as_str)
    }

    pub(crate) fn set_refusal(&mut self, of: &'static str, item: &Item, why: Option<String>) {
        let key = (of, item.clone());
        match why {
            Some(why) => self.refusals.insert(key, why),
            None => self.refusals.remove(&key),
        };
    }
}

fn remove<T: Ord>(index: &mut BTreeMap<String, BTreeSet<T>>, at: &str, item: &T) {
    if let Some(items) = index.get_mut(at) {
        items.remove(item);
        if items.is_empty() {
            index.remove(at);
        }
    }
}

/// True when the object lists this finalizer.
#[must_use]
pub fn has_finalizer(object: &Object, finalizer: &str) -> bool {
    let finalizers = object.items("/metadata/finalizers").iter();
    finalizers.filter_map(Value::as_str).any(|f| f == finalizer)
}
