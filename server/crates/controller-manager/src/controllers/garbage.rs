//! Garbage collector: what happens to objects whose owners go
//! (`kubernetes.io/docs/concepts/architecture/garbage-collection`, `pkg/controller/garbagecollector`).
//!
//! An absence that the cache suggests is checked with a read before anything is deleted: the watches of two kinds are
//! not in step with each other.

use client::cache::Changed;
use client::{Body, PatchKind, Request};
use serde_json::{Value, json};
use shared::{KindRef, Millis, Object, ObjectRef};

use crate::meta::{metadata_patch, text};
use crate::plan::{Plan, Write};
use crate::view::{Item, View, has_finalizer};

/// This loop's name.
pub const NAME: &str = "garbagecollector";
const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";
/// How soon an object is looked at again whose owner's kind has not been listed yet, in milliseconds.
const UNKNOWN_RETRY_MS: u64 = 100;

/// True for kinds that take part: all that can be deleted, but not Events.
#[must_use]
pub fn collects(kind: &KindRef) -> bool {
    kind.plural != "events" && kind.built_in().is_none_or(shared::Kind::is_preferred)
}

/// The objects that a change concerns: the object itself, and its dependents when it goes.
#[must_use]
pub fn keys(view: &View, change: &Changed) -> Vec<Item> {
    if !collects(&change.kind) {
        return Vec::new();
    }
    let Some(object) = change.object() else {
        return Vec::new();
    };
    let mut items = Vec::new();
    let going = change.new.as_ref().is_none_or(|n| n.deletion().is_some());
    let replaced = matches!((&change.old, &change.new), (Some(a), Some(b)) if a.uid() != b.uid());
    if going || replaced {
        for gone in change.old.iter().chain(&change.new) {
            items.extend(view.dependents(gone.uid()).map(|(item, _)| item.clone()));
        }
    }
    if change.new.is_some() && concerns(object) {
        items.push(Item::new(change.kind.clone(), object.key()));
    }
    for owner in change.old.iter().flat_map(owners) {
        if let Some((kind, Some(found))) = view.owner(&owner)
            && found.deletion().is_some()
        {
            items.push(Item::new(kind, found.key()));
        }
    }
    items
}

fn concerns(object: &Object) -> bool {
    let has_owners = !object.items("/metadata/ownerReferences").is_empty();
    let held = has_finalizer(object, FOREGROUND) || has_finalizer(object, ORPHAN);
    has_owners || (object.deletion().is_some() && held)
}

fn owners(object: &Object) -> Vec<ObjectRef> {
    let references = object.items("/metadata/ownerReferences").iter();
    references
        .map(|o| ObjectRef::from_owner(o, object.namespace()))
        .collect()
}

/// One look at an object.
#[must_use]
pub fn reconcile(view: &View, item: &Item, now: Millis) -> Plan {
    let Some(object) = view.get(&item.kind, &item.key) else {
        return Plan::default();
    };
    if object.deletion().is_some() {
        if has_finalizer(object, ORPHAN) {
            return orphan(view, item, object);
        }
        if has_finalizer(object, FOREGROUND) {
            return foreground(view, item, object);
        }
        return Plan::default();
    }
    judge_owners(view, item, object, now)
}

/// What the owners of an object are to it.
#[derive(Default)]
struct Owners {
    /// Exist and stay.
    solid: usize,
    /// Are gone, with the reads that confirm it.
    dangling: Vec<(String, Write)>,
    /// Wait until their dependents are gone.
    waiting: Vec<String>,
    /// Some cannot be judged before their kind has been listed.
    unknown: bool,
}

fn classify(view: &View, object: &Object) -> Owners {
    let mut sorted = Owners::default();
    for owner in owners(object) {
        match view.owner(&owner) {
            Some((_, Some(found))) if found.uid() == owner.uid => {
                if found.deletion().is_some() && has_finalizer(found, FOREGROUND) {
                    sorted.waiting.push(owner.uid);
                } else {
                    sorted.solid += 1;
                }
            }
            Some((kind, _)) if view.has_synced(std::slice::from_ref(&kind)) => {
                let namespaced = kind.built_in().is_some_and(|k| k.namespaced);
                let namespace = if namespaced {
                    owner.namespace.as_str()
                } else {
                    ""
                };
                let key = shared::ObjectKey::new(namespace, &owner.name);
                let read = Write::absent(Request::get(kind, &key), &owner.uid);
                sorted.dangling.push((owner.uid, read));
            }
            Some(_) => {
                sorted.unknown = true;
                sorted.solid += 1;
            }
            // An owner of a kind that is not served cannot be judged; the object stays.
            _ => sorted.solid += 1,
        }
    }
    sorted
}

fn judge_owners(view: &View, item: &Item, object: &Object, now: Millis) -> Plan {
    let owners = classify(view, object);
    if owners.unknown {
        return Plan {
            again_at: Some(now.plus_ms(UNKNOWN_RETRY_MS)),
            ..Plan::default()
        };
    }
    if owners.dangling.is_empty() && owners.waiting.is_empty() {
        return Plan::default();
    }
    let gone: Vec<&str> = owners
        .dangling
        .iter()
        .map(|(uid, _)| uid.as_str())
        .collect();
    let left: Vec<String> = gone
        .iter()
        .map(ToString::to_string)
        .chain(owners.waiting.clone())
        .collect();
    let reads: Vec<Write> = owners
        .dangling
        .iter()
        .map(|(_, read)| read.clone())
        .collect();
    if owners.solid > 0 {
        let text = format!("{}: drop owners that went", item.key);
        let patch = without_owners(item, object, &left);
        return Plan::staged(text, vec![reads, vec![patch]]);
    }
    let blocks = view.dependents(object.uid()).next().is_some();
    let policy = match (owners.waiting.is_empty(), blocks) {
        (false, true) => "Foreground",
        _ => own_policy(object),
    };
    let text = format!("{}: its owners are gone", item.key);
    Plan::staged(text, vec![reads, vec![delete(item, object, policy)]])
}

fn own_policy(object: &Object) -> &'static str {
    if has_finalizer(object, ORPHAN) {
        "Orphan"
    } else if has_finalizer(object, FOREGROUND) {
        "Foreground"
    } else {
        "Background"
    }
}

fn delete(item: &Item, object: &Object, policy: &str) -> Write {
    let mut request = Request::delete(item.kind.clone(), &item.key, object.uid());
    if let Body::Object(Value::Object(options)) = &mut request.body {
        options.insert("propagationPolicy".into(), policy.into());
        let preconditions = json!({
            "uid": object.uid(), "resourceVersion": object.text("/metadata/resourceVersion"),
        });
        options.insert("preconditions".into(), preconditions);
    }
    Write::new(request)
}

fn without_owners(item: &Item, object: &Object, uids: &[String]) -> Write {
    let mut owners = object.items("/metadata/ownerReferences").to_vec();
    owners.retain(|o| !uids.iter().any(|uid| uid == text(o, "uid")));
    let value = if owners.is_empty() {
        Value::Null
    } else {
        owners.into()
    };
    let patch = metadata_patch(object, "ownerReferences", value);
    Write::new(Request::patch(
        item.kind.clone(),
        &item.key,
        PatchKind::Merge,
        patch,
    ))
}

fn without_finalizer(item: &Item, object: &Object, finalizer: &str) -> Write {
    let mut finalizers = object.items("/metadata/finalizers").to_vec();
    finalizers.retain(|f| f != finalizer);
    let value = if finalizers.is_empty() {
        Value::Null
    } else {
        finalizers.into()
    };
    let patch = metadata_patch(object, "finalizers", value);
    Write::new(Request::patch(
        item.kind.clone(),
        &item.key,
        PatchKind::Merge,
        patch,
    ))
}

/// Foreground: the dependents that block go first, then the owner's finalizer.
fn foreground(view: &View, item: &Item, object: &Object) -> Plan {
    let blocks = |dependent: &Object| {
        let owners = dependent.items("/metadata/ownerReferences").iter();
        let mut own = owners.filter(|o| text(o, "uid") == object.uid());
        own.any(|o| o.get("blockOwnerDeletion") == Some(&Value::Bool(true)))
    };
    if view.dependents(object.uid()).any(|(_, d)| blocks(d)) {
        return Plan::default();
    }
    let text = format!("{}: its dependents are gone", item.key);
    Plan::of(text, vec![without_finalizer(item, object, FOREGROUND)])
}

/// Orphan: the dependents lose the reference, then the owner its finalizer.
fn orphan(view: &View, item: &Item, object: &Object) -> Plan {
    let uid = [object.uid().to_owned()];
    let released = view
        .dependents(object.uid())
        .map(|(i, d)| without_owners(i, d, &uid));
    let stages = vec![
        released.collect(),
        vec![without_finalizer(item, object, ORPHAN)],
    ];
    Plan::staged(format!("{}: orphan its dependents", item.key), stages)
}
