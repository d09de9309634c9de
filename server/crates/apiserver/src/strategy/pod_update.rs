//! What may change about a pod once it exists (`ValidatePodUpdate`): images, a deadline, more tolerations, and,
//! while it is gated, where it may run.

use serde_json::{Value, json};

use crate::errors::{Errors, Path};
use crate::value::{as_object, field, int, items, put};

const RULE: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n";

pub(super) fn validate(new: &Value, old: &Value, errors: &mut Errors) {
    let (Some(before), Some(after)) = (old.get("spec"), new.get("spec")) else {
        return;
    };
    if before == after {
        return;
    }
    let spec = Path::new("spec");
    for list in ["containers", "initContainers"] {
        let pointer = format!("/{list}");
        if items(before, &pointer).len() != items(after, &pointer).len() {
            return errors.forbidden(
                &spec.field(list),
                "pod updates may not add or remove containers",
            );
        }
    }
    validate_deadline(before, after, &spec.field("activeDeadlineSeconds"), errors);
    let kept = |toleration: &Value| items(after, "/tolerations").iter().any(|t| t == toleration);
    if !items(before, "/tolerations").iter().all(kept) {
        errors.forbidden(
            &spec.field("tolerations"),
            "existing toleration can not be modified except its tolerationSeconds",
        );
    }
    let mut allowed = before.clone();
    take_over_allowed(&mut allowed, before, after, errors);
    if &allowed != after {
        let mut changes = String::new();
        differences("spec", &allowed, after, &mut changes);
        errors.forbidden(&spec, &format!("{RULE}{changes}"));
    }
}

/// Ephemeral containers are added; they neither change nor go (`ValidatePodEphemeralContainersUpdate`).
pub(super) fn validate_ephemeral(new: &Value, old: &Value, errors: &mut Errors) {
    let path = Path::new("spec.ephemeralContainers");
    let after = items(new, "/spec/ephemeralContainers");
    for before in items(old, "/spec/ephemeralContainers") {
        let name = field(before, "name");
        match after.iter().find(|c| field(c, "name") == name) {
            None => errors.forbidden(
                &path,
                &format!("existing ephemeral containers \"{name}\" may not be removed\n"),
            ),
            Some(same) if same != before => errors.forbidden(
                &path,
                &format!("existing ephemeral containers \"{name}\" may not be changed\n"),
            ),
            Some(_) => {}
        }
    }
}

/// A resize changes the CPU and memory of containers, and not the pod's class (`ValidatePodResize`, KEP-1287).
pub(super) fn validate_resize(new: &Value, old: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let other = |value: &Value| -> Vec<Value> {
        let all = ["/spec/containers", "/spec/initContainers"];
        let containers = all.iter().flat_map(|list| items(value, list));
        let amounts = containers
            .flat_map(|c| ["/resources/limits", "/resources/requests"].map(|r| c.pointer(r)));
        amounts
            .map(|amounts| {
                let mut rest = amounts.cloned().unwrap_or_else(crate::value::empty);
                as_object(&mut rest).retain(|name, _| !matches!(name.as_str(), "cpu" | "memory"));
                rest
            })
            .collect()
    };
    if other(new) != other(old) {
        errors.forbidden(&spec, "only cpu and memory resources are mutable");
    }
    if super::pod::qos_class(new) != super::pod::qos_class(old) {
        errors.invalid(
            &spec,
            super::pod::qos_class(new),
            "Pod QOS Class may not change as a result of resizing",
        );
    }
}

/// Copies what may change from the new spec.
fn take_over_allowed(allowed: &mut Value, before: &Value, after: &Value, errors: &mut Errors) {
    let is_gated = !items(before, "/schedulingGates").is_empty();
    for list in ["containers", "initContainers"] {
        let images: Vec<Value> = items(after, &format!("/{list}"))
            .iter()
            .map(|c| json!(field(c, "image")))
            .collect();
        let containers = allowed.get_mut(list).and_then(Value::as_array_mut);
        for (container, image) in containers.into_iter().flatten().zip(images) {
            as_object(container).insert("image".into(), image);
        }
    }
    let fields = as_object(allowed);
    for name in ["activeDeadlineSeconds", "tolerations"] {
        put(fields, name, after.get(name).cloned());
    }
    if int(before, "/terminationGracePeriodSeconds").is_some_and(|s| s < 0)
        && int(after, "/terminationGracePeriodSeconds") == Some(1)
    {
        put(fields, "terminationGracePeriodSeconds", Some(json!(1)));
    }
    let gates = items(after, "/schedulingGates");
    if gates
        .iter()
        .all(|g| items(before, "/schedulingGates").contains(g))
    {
        put(
            fields,
            "schedulingGates",
            after.get("schedulingGates").cloned(),
        );
    } else {
        errors.forbidden(
            &Path::new("spec.schedulingGates"),
            "only deletion is allowed, but found new scheduling gate",
        );
    }
    if is_gated {
        // A gated pod may be told more narrowly where to run (KEP-3838).
        for name in ["nodeSelector", "affinity"] {
            put(fields, name, after.get(name).cloned());
        }
    }
}

fn validate_deadline(before: &Value, after: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (old, new) = (
        int(before, "/activeDeadlineSeconds"),
        int(after, "/activeDeadlineSeconds"),
    );
    match (old, new) {
        (Some(old), Some(new)) if new > old => {
            errors.invalid(
                path,
                new,
                &format!("must be less than or equal to previous value ({old})"),
            );
        }
        (Some(_), None) => errors.invalid(
            path,
            Value::Null,
            "must not update from a positive integer to nil value",
        ),
        _ => {}
    }
}

/// Names what differs, one line per field.
pub(super) fn differences(path: &str, old: &Value, new: &Value, out: &mut String) {
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let (x, y) = (
                    a.get(name).unwrap_or(&Value::Null),
                    b.get(name).unwrap_or(&Value::Null),
                );
                differences(&format!("{path}.{name}"), x, y, out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (x, y)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}[{i}]"), x, y, out);
            }
        }
        _ if old != new => out.push_str(&format!("  {path}: {old} -> {new}\n")),
        _ => {}
    }
}
