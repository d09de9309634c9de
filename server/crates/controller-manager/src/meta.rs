//! Small readings and makings of objects that several controllers share.

use serde_json::{Map, Value, json};
use shared::selector::Selector;
use shared::{KindRef, Millis, Object};

pub(crate) fn core(plural: &str) -> KindRef {
    KindRef::new("", "v1", plural)
}

pub(crate) fn pods() -> KindRef {
    core("pods")
}

pub(crate) fn nodes() -> KindRef {
    core("nodes")
}

pub(crate) fn services() -> KindRef {
    core("services")
}

pub(crate) fn namespaces() -> KindRef {
    core("namespaces")
}

pub(crate) fn deployments() -> KindRef {
    KindRef::new("apps", "v1", "deployments")
}

pub(crate) fn replicasets() -> KindRef {
    KindRef::new("apps", "v1", "replicasets")
}

pub(crate) fn daemonsets() -> KindRef {
    KindRef::new("apps", "v1", "daemonsets")
}

pub(crate) fn statefulsets() -> KindRef {
    KindRef::new("apps", "v1", "statefulsets")
}

pub(crate) fn controller_revisions() -> KindRef {
    KindRef::new("apps", "v1", "controllerrevisions")
}

pub(crate) fn jobs() -> KindRef {
    KindRef::new("batch", "v1", "jobs")
}

pub(crate) fn cron_jobs() -> KindRef {
    KindRef::new("batch", "v1", "cronjobs")
}

/// An owner reference that makes `owner` the controller.
pub(crate) fn controller_reference(owner: &Object, api_version: &str, kind: &str) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind, "name": owner.name(), "uid": owner.uid(),
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// The reference for events about an object, even when lists leave `kind` and `apiVersion` out.
pub(crate) fn about(object: &Object, api_version: &str, kind: &str) -> shared::ObjectRef {
    shared::ObjectRef {
        api_version: api_version.into(),
        kind: kind.into(),
        namespace: object.namespace().into(),
        name: object.name().into(),
        uid: object.uid().into(),
    }
}

/// A condition of `status.conditions`.
pub(crate) fn condition<'a>(object: &'a Object, kind: &str) -> Option<&'a Value> {
    let conditions = object.items("/status/conditions").iter();
    conditions
        .clone()
        .find(|c| c.get("type").and_then(Value::as_str) == Some(kind))
}

pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn time(value: &Value, field: &str) -> Option<Millis> {
    Millis::parse_rfc3339(text(value, field))
}

/// True when the pod's `Ready` condition holds.
pub(crate) fn is_ready(pod: &Object) -> bool {
    condition(pod, "Ready").is_some_and(|c| text(c, "status") == "True")
}

/// Since when the pod is ready.
pub(crate) fn ready_since(pod: &Object) -> Option<Millis> {
    let ready = condition(pod, "Ready").filter(|c| text(c, "status") == "True")?;
    time(ready, "lastTransitionTime")
}

/// When a ready pod counts as available: ready for `minReadySeconds`. `None` when it is not ready.
pub(crate) fn available_at(pod: &Object, min_ready_seconds: i64) -> Option<Millis> {
    if !is_ready(pod) {
        return None;
    }
    let wait = u64::try_from(min_ready_seconds).unwrap_or(0);
    Some(ready_since(pod).unwrap_or_default().plus_secs(wait))
}

/// True when the pod has ended: `Succeeded` or `Failed`.
pub(crate) fn has_ended(pod: &Object) -> bool {
    matches!(pod.text("/status/phase"), "Succeeded" | "Failed")
}

/// True when the pod neither ended nor is being deleted.
pub(crate) fn is_active(pod: &Object) -> bool {
    !has_ended(pod) && pod.deletion().is_none()
}

/// A map field of an object, empty when absent.
pub(crate) fn map(object: &Object, pointer: &str) -> Map<String, Value> {
    let map = object.at(pointer).and_then(Value::as_object);
    map.cloned().unwrap_or_default()
}

/// `spec.selector` as a selector; `None` when it is missing or unreadable, so that nothing is matched by mistake.
pub(crate) fn selector(object: &Object) -> Option<Selector> {
    Selector::from_object(object.at("/spec/selector")).filter(|s| !s.is_empty())
}

/// A pod from the template of a workload, owned by it. The API server completes the name.
pub(crate) fn pod_from_template(owner: &Object, api_version: &str, kind: &str) -> Value {
    let mut metadata = Map::new();
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(value) = owner.at(&format!("/spec/template/metadata/{field}")) {
            metadata.insert(field.into(), value.clone());
        }
    }
    metadata.insert("namespace".into(), owner.namespace().into());
    metadata.insert("generateName".into(), format!("{}-", owner.name()).into());
    let reference = controller_reference(owner, api_version, kind);
    metadata.insert("ownerReferences".into(), json!([reference]));
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": owner.at("/spec/template/spec").cloned().unwrap_or_else(|| json!({})),
    })
}

/// The object with another status.
pub(crate) fn with_status(object: &Object, status: Value) -> Value {
    let mut value = object.to_value();
    if let Some(map) = value.as_object_mut() {
        map.insert("status".into(), status);
    }
    value
}

/// A merge patch of metadata that holds only while the object is as it was seen.
pub(crate) fn metadata_patch(object: &Object, field: &str, value: Value) -> Value {
    json!({"metadata": {"uid": object.uid(), "resourceVersion": object.text("/metadata/resourceVersion"), field: value}})
}

/// `lastTransitionTime` of a condition that is to have `status`: kept while the status stays.
pub(crate) fn transition(old: Option<&Value>, status: &str, now: Millis) -> String {
    match old {
        Some(old)
            if text(old, "status") == status && !text(old, "lastTransitionTime").is_empty() =>
        {
            text(old, "lastTransitionTime").to_owned()
        }
        _ => now.rfc3339(),
    }
}
