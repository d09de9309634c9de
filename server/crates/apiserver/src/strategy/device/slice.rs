//! Slices of what a driver offers.

use serde_json::Value;
use shared::name::{dns_label, dns_subdomain};

use super::{validate_label, validate_set};
use crate::errors::{Errors, Path};
use crate::strategy::storage::validate_driver_name;
use crate::value::{entries, field, int, items, text};

/// The most devices of one slice.
const MAX_DEVICES: usize = 128;
/// The same when devices are tainted or share counters.
const MAX_SPECIAL_DEVICES: usize = 64;
/// The most sets of counters of one slice.
const MAX_COUNTER_SETS: usize = 8;
/// The most attributes and capacities of one device together.
const MAX_ATTRIBUTES: usize = 32;
/// The longest domain and identifier of an attribute, and the longest value, in bytes.
const MAX_DOMAIN_BYTES: usize = 63;
const MAX_ID_BYTES: usize = 32;
const MAX_VALUE_BYTES: usize = 64;
/// Which nodes a slice is for: exactly one of these.
const PLACES: [&str; 4] = [
    "nodeName",
    "nodeSelector",
    "allNodes",
    "perDeviceNodeSelection",
];

/// What is wrong with the name of a pool: subdomains with slashes between.
pub(super) fn pool_name(name: &str) -> Option<String> {
    if name.len() > 253 {
        return Some("must be no more than 253 bytes".into());
    }
    name.split('/').find_map(dns_subdomain)
}

pub(in crate::strategy) fn validate_slice(slice: &Value, errors: &mut Errors) {
    let path = Path::new("spec");
    let spec = slice.get("spec").unwrap_or(&Value::Null);
    validate_driver_name(field(spec, "driver"), &path.field("driver"), errors);
    validate_pool(spec, &path.field("pool"), errors);
    validate_place(spec, &path, errors);
    if spec.get("sharedCounters").is_some() && spec.get("devices").is_some() {
        let why = "only one of `sharedCounters` or `devices` is allowed";
        errors.invalid(&path, "", why);
    }
    let devices = items(spec, "/devices");
    let is_special = |device: &Value| {
        !items(device, "/taints").is_empty() || !items(device, "/consumesCounters").is_empty()
    };
    let max = if devices.iter().any(is_special) {
        MAX_SPECIAL_DEVICES
    } else {
        MAX_DEVICES
    };
    let at = path.field("devices");
    validate_set(devices, max, &at, errors, validate_device);
    let (at, sets) = (path.field("sharedCounters"), items(spec, "/sharedCounters"));
    validate_set(sets, MAX_COUNTER_SETS, &at, errors, |set, at, errors| {
        errors.named(&at.field("name"), field(set, "name"), dns_label);
        let at = at.field("counters");
        if entries(set, "/counters").next().is_none() {
            errors.required(&at, "");
        }
        for (name, _) in entries(set, "/counters") {
            errors.checked(&at, name, dns_label);
        }
    });
}

fn validate_pool(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    errors.named(&path.field("name"), text(spec, "/pool/name"), pool_name);
    let count = int(spec, "/pool/resourceSliceCount").unwrap_or(0);
    if count <= 0 {
        let why = "must be greater than zero";
        errors.invalid(&path.field("resourceSliceCount"), count, why);
    }
    let generation = int(spec, "/pool/generation");
    if let Some(generation) = generation.filter(|g| *g < 0) {
        let why = "must be greater than or equal to zero";
        errors.invalid(&path.field("generation"), generation, why);
    }
}

fn validate_place(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    const ONE: &str = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
    let mut set = Vec::new();
    for name in PLACES {
        let Some(value) = spec.get(name) else {
            continue;
        };
        let at = path.field(name);
        match value {
            Value::Bool(false) => {
                errors.invalid(&at, false, "must be either unset or set to true");
            }
            Value::String(node) if node.is_empty() => {
                let why = "must be either unset or set to a non-empty string";
                errors.invalid(&at, "", why);
            }
            other => {
                set.push(format!("`{name}`"));
                if let Some(node) = other.as_str() {
                    errors.checked(&at, node, dns_subdomain);
                }
            }
        }
    }
    if let Some(selector) = spec.get("nodeSelector") {
        let (at, terms) = (
            path.field("nodeSelector"),
            items(selector, "/nodeSelectorTerms"),
        );
        if terms.len() != 1 {
            let why = "must have exactly one node selector term";
            errors.invalid(&at.field("nodeSelectorTerms"), terms.to_vec(), why);
        }
    }
    match set.len() {
        0 => errors.required(path, ONE),
        1 => {}
        _ => {
            let why = format!("{ONE}, but multiple fields are set");
            errors.invalid(path, format!("{{{}}}", set.join(", ")), &why);
        }
    }
}

fn validate_device(device: &Value, path: &Path<'_>, errors: &mut Errors) {
    validate_label(device, "name", path, errors);
    let (at, total) = (
        path.field("attributes"),
        entries(device, "/attributes").count() + entries(device, "/capacity").count(),
    );
    if total > MAX_ATTRIBUTES {
        let why = format!(
            "the total number of attributes and capacities must not exceed {MAX_ATTRIBUTES}"
        );
        errors.invalid(path, total, &why);
    }
    for (name, attribute) in entries(device, "/attributes") {
        let at = at.key(name);
        check_qualified(name, &at, errors);
        validate_attribute(attribute, &at, errors);
    }
    let at = path.field("capacity");
    for (name, _) in entries(device, "/capacity") {
        check_qualified(name, &at.key(name), errors);
    }
}

/// An identifier of C with or without a domain (`validateQualifiedName`).
pub(super) fn check_qualified(name: &str, path: &Path<'_>, errors: &mut Errors) {
    let (domain, id) = match name.split_once('/') {
        Some((domain, id)) => (Some(domain), id),
        None => (None, name),
    };
    match domain {
        Some("") => errors.required(path, "the domain must not be empty"),
        Some(domain) => {
            if domain.len() > MAX_DOMAIN_BYTES {
                errors.too_long(path, MAX_DOMAIN_BYTES);
            }
            errors.checked(path, domain, dns_subdomain);
        }
        None => {}
    }
    let legal = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    if id.is_empty() {
        errors.required(path, "the name must not be empty");
    } else if id.len() > MAX_ID_BYTES {
        errors.too_long(path, MAX_ID_BYTES);
    } else if id.starts_with(|c: char| c.is_ascii_digit()) || !id.bytes().all(legal) {
        let why = "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')";
        errors.invalid(path, id, why);
    }
}

fn validate_attribute(attribute: &Value, path: &Path<'_>, errors: &mut Errors) {
    let values = ["bool", "int", "string", "version"];
    let set = values.iter().filter(|name| attribute.get(**name).is_some());
    match set.count() {
        0 => errors.required(path, "exactly one value must be specified"),
        1 => {}
        _ => {
            let why = "exactly one value must be specified";
            errors.invalid(path, attribute.clone(), why);
        }
    }
    for name in ["string", "version"] {
        if field(attribute, name).len() > MAX_VALUE_BYTES {
            errors.too_long(&path.field(name), MAX_VALUE_BYTES);
        }
    }
}

/// A slice stays with its driver, its pool and its node.
pub(in crate::strategy) fn validate_slice_update(new: &Value, old: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let pool = spec.field("pool");
    for (path, pointer) in [
        (pool.field("name"), "/spec/pool/name"),
        (spec.field("driver"), "/spec/driver"),
        (spec.field("nodeName"), "/spec/nodeName"),
    ] {
        errors.immutable(&path, new.pointer(pointer), old.pointer(pointer));
    }
}
