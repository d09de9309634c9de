//! Namespaces, Nodes, priorities and runtimes.

use serde_json::{Value, json};
use shared::Millis;

use super::pod_check::containers::validate_resources;
use super::pod_check::validate_tolerations;
use crate::errors::{Errors, Path};
use crate::meta::validate_labels;
use crate::value::{as_object, default_text, default_to, empty, field, int, items, object, text};

/// The highest priority that users may give (`HighestUserDefinablePriority`).
const MAX_USER_PRIORITY: i64 = 1_000_000_000;

/// The label that lets selectors find a namespace by name.
pub(super) fn namespace_defaults(value: &mut Value) {
    let name = text(value, "/metadata/name").to_owned();
    if !name.is_empty() {
        let metadata = object(value, "metadata");
        let labels = as_object(metadata.entry("labels").or_insert_with(empty));
        labels.insert("kubernetes.io/metadata.name".into(), name.into());
    }
}

pub(super) fn namespace_prepare(value: &mut Value, _now: Millis) {
    let fields = as_object(value);
    fields.insert("status".into(), json!({"phase": "Active"}));
    let has = |list: &[Value]| list.iter().any(|f| f == "kubernetes");
    let finalizers = object(value, "spec")
        .entry("finalizers")
        .or_insert_with(|| json!([]));
    if let Some(list) = finalizers.as_array_mut().filter(|list| !has(list)) {
        list.push("kubernetes".into());
    }
}

pub(super) fn validate_node(node: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let path = spec.field("taints");
    let mut seen = std::collections::BTreeSet::new();
    for (i, taint) in items(node, "/spec/taints").iter().enumerate() {
        let at = path.index(i);
        let (key, effect) = (field(taint, "key"), field(taint, "effect"));
        if let Some(why) = crate::meta::qualified_name(key) {
            errors.invalid(&at.field("key"), key, &why);
        }
        errors.one_of(
            &at.field("effect"),
            effect,
            &["NoExecute", "NoSchedule", "PreferNoSchedule"],
        );
        if !seen.insert((key, effect)) {
            errors.duplicate(&at, taint.clone());
        }
    }
}

pub(super) fn validate_node_update(new: &Value, old: &Value, errors: &mut Errors) {
    for name in ["podCIDR", "providerID"] {
        let (before, after) = (
            old.pointer(&format!("/spec/{name}")),
            new.pointer(&format!("/spec/{name}")),
        );
        let was_set = before
            .and_then(Value::as_str)
            .is_some_and(|s| !s.is_empty());
        if was_set && before != after {
            let why = "node updates may only change labels, taints, or capacity (or configSource, if the DynamicKubeletConfig feature gate is enabled)";
            errors.forbidden(&Path::new("spec").field(name), why);
        }
    }
}

pub(super) fn priority_class_defaults(value: &mut Value) {
    let fields = as_object(value);
    default_text(fields, "preemptionPolicy", "PreemptLowerPriority");
    default_to(fields, "value", 0);
}

pub(super) fn validate_priority_class(class: &Value, errors: &mut Errors) {
    let (name, value) = (
        text(class, "/metadata/name"),
        int(class, "/value").unwrap_or(0),
    );
    let is_known = matches!(
        (name, value),
        ("system-node-critical", 2_000_001_000) | ("system-cluster-critical", 2_000_000_000)
    );
    if name.starts_with("system-") && !is_known {
        let why = "priority class names with 'system-' prefix are reserved for system use only";
        errors.forbidden(&Path::new("metadata").field("name"), why);
    } else if value > MAX_USER_PRIORITY && !is_known {
        let why =
            format!("maximum allowed value of a user defined priority is {MAX_USER_PRIORITY}");
        errors.forbidden(&Path::new("value"), &why);
    }
    errors.one_of(
        &Path::new("preemptionPolicy"),
        field(class, "preemptionPolicy"),
        &["Never", "PreemptLowerPriority"],
    );
}

pub(super) fn validate_priority_class_update(new: &Value, old: &Value, errors: &mut Errors) {
    if new.get("value") != old.get("value") {
        errors.forbidden(&Path::new("value"), "may not be changed in an update.");
    }
    errors.immutable(
        &Path::new("preemptionPolicy"),
        new.get("preemptionPolicy"),
        old.get("preemptionPolicy"),
    );
}

pub(super) fn validate_runtime_class(class: &Value, errors: &mut Errors) {
    let handler = field(class, "handler");
    if let Some(why) = shared::name::dns_label(handler) {
        errors.invalid(&Path::new("handler"), handler, &why);
    }
    let overhead = Path::new("overhead");
    let limits = class.pointer("/overhead/podFixed").cloned();
    let resources = json!({"limits": limits.unwrap_or_else(empty)});
    validate_resources(&resources, &overhead, errors);
    let scheduling = Path::new("scheduling");
    validate_labels(
        class.pointer("/scheduling/nodeSelector"),
        &scheduling.field("nodeSelector"),
        errors,
    );
    validate_tolerations(
        items(class, "/scheduling/tolerations"),
        &scheduling.field("tolerations"),
        errors,
    );
}

pub(super) fn validate_runtime_class_update(new: &Value, old: &Value, errors: &mut Errors) {
    errors.immutable(
        &Path::new("handler"),
        new.get("handler"),
        old.get("handler"),
    );
}
