//! Namespace: empties a terminating namespace, then lets it go (`pkg/controller/namespace/deletion`).

use std::collections::BTreeMap;

use client::cache::Changed;
use client::{Body, Request, Verb};
use serde_json::{Value, json};
use shared::{Kind, KindRef, Millis, Object};

use crate::meta::{condition, core, namespaces, transition, with_status};
use crate::plan::{Plan, Write};
use crate::view::{Item, View};

/// This loop's name.
pub const NAME: &str = "namespace";
const FINALIZER: &str = "kubernetes";

/// The namespaces that a change concerns: those that are terminating.
#[must_use]
pub fn keys(view: &View, change: &Changed) -> Vec<Item> {
    let Some(object) = change.object() else {
        return Vec::new();
    };
    if change.kind == namespaces() {
        return vec![Item::new(namespaces(), object.key())];
    }
    let key = shared::ObjectKey::new("", object.namespace());
    let namespace = view.get(&namespaces(), &key);
    let terminating = namespace.is_some_and(|n| n.deletion().is_some());
    terminating
        .then(|| Item::new(namespaces(), key))
        .into_iter()
        .collect()
}

fn contained() -> impl Iterator<Item = &'static Kind> {
    shared::kind::KINDS
        .iter()
        .filter(|k| k.namespaced && k.verbs.contains(&"deletecollection"))
}

fn delete_collection(kind: KindRef, namespace: &str) -> Write {
    let mut request = Request::list(kind, namespace);
    request.verb = Verb::DeleteCollection;
    request.body = Body::Object(json!({
        "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background",
    }));
    Write::new(request)
}

/// One look at a namespace.
#[must_use]
pub fn reconcile(view: &View, item: &Item, now: Millis) -> Plan {
    let Some(namespace) = view.get(&item.kind, &item.key) else {
        return Plan::default();
    };
    if namespace.deletion().is_none() {
        return Plan::default();
    }
    let name = namespace.name();
    let finalizers = namespace.items("/spec/finalizers");
    if !finalizers.iter().any(|f| f == FINALIZER) {
        return Plan::default();
    }
    let mut remaining: BTreeMap<String, usize> = BTreeMap::new();
    let mut finalizing: BTreeMap<String, usize> = BTreeMap::new();
    let mut deletes = Vec::new();
    for kind in contained() {
        let reference = kind.reference();
        let objects: Vec<&Object> = view.namespace(&reference, name).collect();
        if objects.is_empty() {
            continue;
        }
        remaining.insert(format!("{}.{}", kind.plural, kind.group), objects.len());
        for finalizer in objects.iter().flat_map(|o| o.items("/metadata/finalizers")) {
            let finalizer = finalizer.as_str().unwrap_or_default().to_owned();
            *finalizing.entry(finalizer).or_default() += 1;
        }
        if objects.iter().any(|o| o.deletion().is_none()) {
            deletes.push(delete_collection(reference, name));
        }
    }
    if remaining.is_empty() {
        let text = format!("{name}: empty, finalize");
        let events = vec![delete_collection(core("events"), name)];
        return Plan::staged(text, vec![events, vec![finalize(namespace)]]);
    }
    let mut writes = deletes;
    writes.extend(status(namespace, &remaining, &finalizing, now));
    Plan::of(format!("{name}: {} kinds left", remaining.len()), writes)
}

fn finalize(namespace: &Object) -> Write {
    let mut value = namespace.to_value();
    if let Some(finalizers) = value
        .pointer_mut("/spec/finalizers")
        .and_then(Value::as_array_mut)
    {
        finalizers.retain(|f| f != FINALIZER);
    }
    Write::new(Request::update(namespaces(), value).on("finalize"))
}

fn listed(counts: &BTreeMap<String, usize>, words: impl Fn(&str, usize) -> String) -> String {
    let each = counts.iter().map(|(what, n)| words(what, *n));
    each.collect::<Vec<_>>().join(", ")
}

fn status(
    namespace: &Object,
    remaining: &BTreeMap<String, usize>,
    finalizing: &BTreeMap<String, usize>,
    now: Millis,
) -> Option<Write> {
    let content = listed(remaining, |what, n| {
        format!("{what} has {n} resource instances")
    });
    let finalizers = listed(finalizing, |what, n| {
        format!("{what} in {n} resource instances")
    });
    let make = |kind: &str, status: &str, reason: &str, message: String| {
        let old = condition(namespace, kind);
        json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": transition(old, status, now),
        })
    };
    let finalizers_remain = match finalizing.is_empty() {
        true => make(
            "NamespaceFinalizersRemaining",
            "False",
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished".into(),
        ),
        false => make(
            "NamespaceFinalizersRemaining",
            "True",
            "SomeFinalizersRemain",
            format!("Some content in the namespace has finalizers remaining: {finalizers}"),
        ),
    };
    let conditions = json!([
        make(
            "NamespaceDeletionDiscoveryFailure",
            "False",
            "ResourcesDiscovered",
            "All resources successfully discovered".into(),
        ),
        make(
            "NamespaceDeletionGroupVersionParsingFailure",
            "False",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed".into(),
        ),
        make(
            "NamespaceDeletionContentFailure",
            "False",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization".into(),
        ),
        make(
            "NamespaceContentRemaining",
            "True",
            "SomeResourcesRemain",
            format!("Some resources are remaining: {content}"),
        ),
        finalizers_remain,
    ]);
    let status = json!({"phase": "Terminating", "conditions": conditions});
    let differs = namespace.at("/status") != Some(&status);
    differs.then(|| {
        Write::new(Request::update_status(
            namespaces(),
            with_status(namespace, status),
        ))
    })
}
