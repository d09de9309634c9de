//! Volumes, claims, storage classes and CSI drivers.

use serde_json::{Value, json};
use shared::Millis;

use crate::errors::{Errors, Path};
use crate::value::{
    Fields, as_object, default_text, default_to, empty, field, inside, items, object, text,
};

const ACCESS_MODES: &[&str] = &[
    "ReadOnlyMany",
    "ReadWriteMany",
    "ReadWriteOnce",
    "ReadWriteOncePod",
];
/// Fields of a PersistentVolume's spec that are no volume source.
const NO_SOURCE: &[&str] = &[
    "capacity",
    "accessModes",
    "claimRef",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "mountOptions",
    "volumeMode",
    "nodeAffinity",
    "volumeAttributesClassName",
];

fn add_finalizer(value: &mut Value, finalizer: &str) {
    let list = object(value, "metadata")
        .entry("finalizers")
        .or_insert_with(|| json!([]));
    if let Some(list) = list
        .as_array_mut()
        .filter(|list| !list.iter().any(|f| f == finalizer))
    {
        list.push(finalizer.into());
    }
}

pub(super) fn claim_defaults(value: &mut Value) {
    claim_spec_defaults(object(value, "spec"));
}

/// Defaults of a claim's spec, in a template or not.
pub(super) fn claim_spec_defaults(spec: &mut Fields) {
    default_text(spec, "volumeMode", "Filesystem");
}

pub(super) fn claim_prepare(value: &mut Value, _now: Millis) {
    add_finalizer(value, "kubernetes.io/pvc-protection");
    as_object(value).insert("status".into(), json!({"phase": "Pending"}));
}

pub(super) fn validate_claim(claim: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let modes = items(claim, "/spec/accessModes");
    if modes.is_empty() {
        errors.required(
            &spec.field("accessModes"),
            "at least 1 access mode is required",
        );
    }
    for mode in modes.iter().filter_map(Value::as_str) {
        errors.one_of(&spec.field("accessModes"), mode, ACCESS_MODES);
    }
    if claim.pointer("/spec/resources/requests/storage").is_none() {
        let resources = spec.field("resources");
        errors.required(&resources.key("storage"), "");
    }
    errors.one_of(
        &spec.field("volumeMode"),
        text(claim, "/spec/volumeMode"),
        &["Block", "Filesystem"],
    );
}

pub(super) fn validate_claim_update(new: &Value, old: &Value, errors: &mut Errors) {
    let fixed = |v: &Value| {
        let mut spec = v
            .get("spec")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        if text(old, "/spec/volumeName").is_empty() {
            spec.remove("volumeName");
        }
        spec.remove("resources");
        spec.remove("volumeAttributesClassName");
        spec
    };
    if fixed(new) != fixed(old) {
        let why = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        errors.forbidden(&Path::new("spec"), why);
    }
}

pub(super) fn volume_defaults(value: &mut Value) {
    let spec = object(value, "spec");
    default_text(spec, "persistentVolumeReclaimPolicy", "Retain");
    default_text(spec, "volumeMode", "Filesystem");
    if let Some(path) = inside(spec, "hostPath") {
        default_to(path, "type", "");
    }
}

pub(super) fn volume_prepare(value: &mut Value, now: Millis) {
    add_finalizer(value, "kubernetes.io/pv-protection");
    let status = json!({"phase": "Pending", "lastPhaseTransitionTime": now.rfc3339()});
    as_object(value).insert("status".into(), status);
}

pub(super) fn volume_prepare_status(new: &mut Value, old: &Value, now: Millis) {
    if text(new, "/status/phase") != text(old, "/status/phase") {
        object(new, "status").insert("lastPhaseTransitionTime".into(), now.rfc3339().into());
    }
}

pub(super) fn validate_volume(volume: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    if items(volume, "/spec/accessModes").is_empty() {
        errors.required(&spec.field("accessModes"), "");
    }
    for mode in items(volume, "/spec/accessModes")
        .iter()
        .filter_map(Value::as_str)
    {
        errors.one_of(&spec.field("accessModes"), mode, ACCESS_MODES);
    }
    if volume.pointer("/spec/capacity/storage").is_none() {
        errors.required(&spec.field("capacity"), "");
    }
    let fields = volume
        .get("spec")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    match fields
        .filter(|(name, _)| !NO_SOURCE.contains(&name.as_str()))
        .count()
    {
        0 => errors.required(&spec, "must specify a volume type"),
        1 => {}
        _ => errors.forbidden(&spec, "may not specify more than 1 volume type"),
    }
    let policy = text(volume, "/spec/persistentVolumeReclaimPolicy");
    errors.one_of(
        &spec.field("persistentVolumeReclaimPolicy"),
        policy,
        &["Delete", "Recycle", "Retain"],
    );
}

pub(super) fn class_defaults(value: &mut Value) {
    let fields = as_object(value);
    default_text(fields, "reclaimPolicy", "Delete");
    default_text(fields, "volumeBindingMode", "Immediate");
}

pub(super) fn validate_class(class: &Value, errors: &mut Errors) {
    if field(class, "provisioner").is_empty() {
        errors.required(&Path::new("provisioner"), "");
    }
    errors.one_of(
        &Path::new("reclaimPolicy"),
        field(class, "reclaimPolicy"),
        &["Delete", "Retain"],
    );
    errors.one_of(
        &Path::new("volumeBindingMode"),
        field(class, "volumeBindingMode"),
        &["Immediate", "WaitForFirstConsumer"],
    );
}

pub(super) fn validate_class_update(new: &Value, old: &Value, errors: &mut Errors) {
    if new.get("parameters") != old.get("parameters") {
        errors.forbidden(
            &Path::new("parameters"),
            "updates to parameters are forbidden.",
        );
    }
    for name in ["provisioner", "reclaimPolicy"] {
        if new.get(name) != old.get(name) {
            errors.forbidden(
                &Path::new(name),
                &format!("updates to {name} are forbidden."),
            );
        }
    }
    errors.immutable(
        &Path::new("volumeBindingMode"),
        new.get("volumeBindingMode"),
        old.get("volumeBindingMode"),
    );
}

pub(super) fn csi_driver_defaults(value: &mut Value) {
    let spec = as_object(as_object(value).entry("spec").or_insert_with(empty));
    default_to(spec, "attachRequired", true);
    default_to(spec, "podInfoOnMount", false);
    default_to(spec, "storageCapacity", false);
    default_text(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    default_to(spec, "volumeLifecycleModes", json!(["Persistent"]));
    default_to(spec, "requiresRepublish", false);
    default_to(spec, "seLinuxMount", false);
}
