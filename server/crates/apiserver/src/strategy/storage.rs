//! Storage classes, and what CSI drivers say about themselves, their nodes and their attachments.

use serde_json::{Value, json};
use shared::name::dns_subdomain;
use shared::quantity::Quantity;

use super::pod_check::validate_selector;
use crate::errors::{Errors, Path};
use crate::value::{as_object, default_text, default_to, empty, entries, field, items, text};

/// The longest name of a CSI driver in bytes.
const MAX_DRIVER_NAME_BYTES: usize = 63;
/// What may not change about a CSIDriver, and how messages call it.
const IMMUTABLE_DRIVER_FIELDS: &[(&str, &str)] = &[
    ("attachRequired", "attachedRequired"),
    ("volumeLifecycleModes", "volumeLifecycleModes"),
];

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

/// Checks the name of a CSI driver.
pub(super) fn validate_driver_name(name: &str, path: &Path<'_>, errors: &mut Errors) {
    if name.is_empty() {
        return errors.required(path, "");
    }
    if name.len() > MAX_DRIVER_NAME_BYTES {
        errors.too_long(path, MAX_DRIVER_NAME_BYTES);
    }
    if let Some(why) = dns_subdomain(&name.to_lowercase()) {
        errors.invalid(path, name, &why);
    }
}

pub(super) fn validate_csi_driver(driver: &Value, errors: &mut Errors) {
    let name = text(driver, "/metadata/name");
    if name.len() > MAX_DRIVER_NAME_BYTES {
        errors.too_long(&Path::new("name"), MAX_DRIVER_NAME_BYTES);
    }
    let spec = Path::new("spec");
    errors.one_of(
        &spec.field("fsGroupPolicy"),
        text(driver, "/spec/fsGroupPolicy"),
        &["File", "None", "ReadWriteOnceWithFSType"],
    );
    let modes = spec.field("volumeLifecycleModes");
    for mode in items(driver, "/spec/volumeLifecycleModes")
        .iter()
        .filter_map(Value::as_str)
    {
        errors.one_of(&modes, mode, &["Ephemeral", "Persistent"]);
    }
    let requests = spec.field("tokenRequests");
    let mut audiences = std::collections::BTreeSet::new();
    for (i, request) in items(driver, "/spec/tokenRequests").iter().enumerate() {
        let at = requests.index(i);
        let audience = field(request, "audience");
        if !audiences.insert(audience) {
            errors.duplicate(&at.field("audience"), audience);
        }
        let seconds = request.get("expirationSeconds").and_then(Value::as_i64);
        if let Some(seconds) = seconds.filter(|s| *s < super::volume::MIN_TOKEN_LIFE_S) {
            let why = "may not specify a duration less than 10 minutes";
            errors.invalid(&at.field("expirationSeconds"), seconds, why);
        }
    }
}

pub(super) fn validate_csi_driver_update(new: &Value, old: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    for (name, shown) in IMMUTABLE_DRIVER_FIELDS {
        let at = |driver: &Value| driver.pointer(&format!("/spec/{name}")).cloned();
        errors.immutable(&spec.field(shown), at(new).as_ref(), at(old).as_ref());
    }
}

pub(super) fn validate_csi_node(node: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let drivers = spec.field("drivers");
    let mut names = std::collections::BTreeSet::new();
    for (i, driver) in items(node, "/spec/drivers").iter().enumerate() {
        let at = drivers.index(i);
        let name = field(driver, "name");
        validate_driver_name(name, &at.field("name"), errors);
        if field(driver, "nodeID").is_empty() {
            errors.required(&at.field("nodeID"), "");
        }
        if let Some(count) = driver
            .pointer("/allocatable/count")
            .and_then(Value::as_i64)
            .filter(|n| *n < 0)
        {
            let allocatable = at.field("allocatable");
            let why = "must be greater than or equal to 0";
            errors.invalid(&allocatable.field("count"), count, why);
        }
        let keys = at.field("topologyKeys");
        let mut seen = std::collections::BTreeSet::new();
        for key in items(driver, "/topologyKeys")
            .iter()
            .filter_map(Value::as_str)
        {
            if !seen.insert(key) {
                errors.duplicate(&keys, key);
            }
            if let Some(why) = crate::meta::qualified_name(key) {
                errors.invalid(&keys, key, &why);
            }
        }
        if !names.insert(name) {
            errors.duplicate(&at.field("name"), name);
        }
    }
}

pub(super) fn validate_csi_node_update(new: &Value, old: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let drivers = spec.field("drivers");
    let after = items(new, "/spec/drivers");
    for (i, driver) in after.iter().enumerate() {
        let name = field(driver, "name");
        let before = items(old, "/spec/drivers")
            .iter()
            .find(|d| field(d, "name") == name);
        let fixed = |driver: &Value| {
            let mut fields = driver.as_object().cloned().unwrap_or_default();
            fields.remove("allocatable");
            fields
        };
        if before.is_some_and(|b| fixed(b) != fixed(driver)) {
            errors.invalid(&drivers.index(i), driver.clone(), "field is immutable");
        }
    }
}

pub(super) fn validate_capacity(capacity: &Value, errors: &mut Errors) {
    for name in ["capacity", "maximumVolumeSize"] {
        let amount = super::quantity(capacity.get(name));
        if amount.is_some_and(|q| q < Quantity::default()) {
            let value = capacity.get(name).cloned().unwrap_or_default();
            errors.invalid(
                &Path::new(name),
                value,
                "must be greater than or equal to 0",
            );
        }
    }
    validate_selector(
        capacity.get("nodeTopology"),
        &Path::new("nodeTopology"),
        errors,
    );
    let class = field(capacity, "storageClassName");
    if let Some(why) = dns_subdomain(class) {
        errors.invalid(&Path::new("storageClassName"), class, &why);
    }
}

pub(super) fn validate_capacity_update(new: &Value, old: &Value, errors: &mut Errors) {
    for name in ["nodeTopology", "storageClassName"] {
        errors.immutable(&Path::new(name), new.get(name), old.get(name));
    }
}

pub(super) fn validate_attachment(attachment: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    validate_driver_name(
        text(attachment, "/spec/attacher"),
        &spec.field("attacher"),
        errors,
    );
    let source = spec.field("source");
    let named = attachment.pointer("/spec/source/persistentVolumeName");
    let inline = attachment.pointer("/spec/source/inlineVolumeSpec");
    let exactly_one = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    match (named, inline) {
        (None, None) => errors.required(&source, exactly_one),
        (Some(_), Some(_)) => errors.forbidden(&source, exactly_one),
        (Some(name), None) if name == "" => errors.required(
            &source.field("persistentVolumeName"),
            "must specify non empty persistentVolumeName",
        ),
        _ => {}
    }
    let node = text(attachment, "/spec/nodeName");
    if let Some(why) = dns_subdomain(node) {
        errors.invalid(&spec.field("nodeName"), node, &why);
    }
}

pub(super) fn validate_attachment_update(new: &Value, old: &Value, errors: &mut Errors) {
    errors.immutable(&Path::new("spec"), new.get("spec"), old.get("spec"));
}

pub(super) fn validate_attributes_class(class: &Value, errors: &mut Errors) {
    validate_driver_name(field(class, "driverName"), &Path::new("driverName"), errors);
    if entries(class, "/parameters").next().is_none() {
        let why = "must contain at least one key/value pair";
        errors.required(&Path::new("parameters"), why);
    }
}

pub(super) fn validate_attributes_class_update(new: &Value, old: &Value, errors: &mut Errors) {
    for name in ["driverName", "parameters"] {
        if new.get(name) != old.get(name) {
            let why = format!("updates to {name} are forbidden.");
            errors.forbidden(&Path::new(name), &why);
        }
    }
}
