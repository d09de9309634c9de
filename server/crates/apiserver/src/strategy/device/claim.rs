//! Claims of devices, and templates for them.

use std::collections::BTreeMap;

use serde_json::Value;
use shared::name::{dns_label, dns_subdomain};

use super::{MAX_ITEMS, validate_configuration, validate_label, validate_selectors, validate_set};
use crate::errors::{Errors, Path};
use crate::meta::{qualified_name, validate_labels};
use crate::strategy::storage::validate_driver_name;
use crate::value::{Fields, default_text, each, field, inside, int, items, object};

/// The most alternatives of one request.
const MAX_ALTERNATIVES: usize = 8;
/// The most users of one claim.
const MAX_USERS: usize = 256;
const NO_REQUEST: &str = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";

/// How many devices a request is for when it does not say (`resource/v1/defaults.go`).
pub(in crate::strategy) fn claim_defaults(value: &mut Value) {
    spec_defaults(object(value, "spec"));
}

pub(in crate::strategy) fn template_defaults(value: &mut Value) {
    if let Some(spec) = inside(object(value, "spec"), "spec") {
        spec_defaults(spec);
    }
}

fn spec_defaults(spec: &mut Fields) {
    let Some(devices) = inside(spec, "devices") else {
        return;
    };
    each(devices, "requests", |request| {
        if let Some(exactly) = inside(request, "exactly") {
            wish_defaults(exactly);
        }
        each(request, "firstAvailable", wish_defaults);
    });
}

fn wish_defaults(wish: &mut Fields) {
    default_text(wish, "allocationMode", "ExactCount");
    let is_exact = wish.get("allocationMode") == Some(&"ExactCount".into());
    if is_exact && wish.get("count").and_then(Value::as_i64).unwrap_or(0) == 0 {
        wish.insert("count".into(), 1.into());
    }
    each(wish, "tolerations", |toleration| {
        default_text(toleration, "operator", "Equal");
    });
}

/// The requests of a claim, each with the names of its alternatives.
type Requests<'a> = BTreeMap<&'a str, Vec<&'a str>>;

fn requests(spec: &Value) -> Requests<'_> {
    let all = items(spec, "/devices/requests").iter();
    all.map(|request| {
        let others = items(request, "/firstAvailable").iter();
        let names = others.map(|other| field(other, "name")).collect();
        (field(request, "name"), names)
    })
    .collect()
}

pub(in crate::strategy) fn validate_claim(claim: &Value, errors: &mut Errors) {
    let spec = claim.get("spec").unwrap_or(&Value::Null);
    validate_spec(spec, &Path::new("spec"), errors);
}

pub(in crate::strategy) fn validate_template(template: &Value, errors: &mut Errors) {
    let path = Path::new("spec");
    let metadata = path.field("metadata");
    validate_labels(
        template.pointer("/spec/metadata/labels"),
        &metadata.field("labels"),
        errors,
    );
    let spec = template.pointer("/spec/spec").unwrap_or(&Value::Null);
    validate_spec(spec, &path.field("spec"), errors);
}

fn validate_spec(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (path, known) = (path.field("devices"), requests(spec));
    validate_set(
        items(spec, "/devices/requests"),
        MAX_ITEMS,
        &path.field("requests"),
        errors,
        validate_request,
    );
    let (at, list) = (
        path.field("constraints"),
        items(spec, "/devices/constraints"),
    );
    errors.too_many(&at, list.len(), MAX_ITEMS);
    for (i, constraint) in list.iter().enumerate() {
        validate_constraint(constraint, &at.index(i), &known, errors);
    }
    let (at, list) = (path.field("config"), items(spec, "/devices/config"));
    errors.too_many(&at, list.len(), MAX_ITEMS);
    for (i, config) in list.iter().enumerate() {
        let at = at.index(i);
        validate_names(config, &at.field("requests"), &known, errors);
        validate_configuration(config, &at, errors);
    }
}

fn validate_request(request: &Value, path: &Path<'_>, errors: &mut Errors) {
    validate_label(request, "name", path, errors);
    let alternatives = items(request, "/firstAvailable");
    match (request.get("exactly"), alternatives.is_empty()) {
        (None, true) => errors.required(
            path,
            "exactly one of `exactly` or `firstAvailable` is required",
        ),
        (Some(_), false) => errors.invalid(
            path,
            Value::Null,
            "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set",
        ),
        (Some(exactly), true) => validate_wish(exactly, &path.field("exactly"), errors),
        (None, false) => {
            let at = path.field("firstAvailable");
            validate_set(
                alternatives,
                MAX_ALTERNATIVES,
                &at,
                errors,
                |wish, at, errors| {
                    validate_label(wish, "name", at, errors);
                    validate_wish(wish, at, errors);
                },
            );
        }
    }
}

/// A class, selectors and how many.
fn validate_wish(wish: &Value, path: &Path<'_>, errors: &mut Errors) {
    let class = field(wish, "deviceClassName");
    errors.named(&path.field("deviceClassName"), class, dns_subdomain);
    validate_selectors(wish, path, errors);
    let (at, count) = (path.field("count"), int(wish, "/count").unwrap_or(0));
    match field(wish, "allocationMode") {
        "All" if count != 0 => {
            let why = "must not be specified when allocationMode is 'All'";
            errors.invalid(&at, count, why);
        }
        "ExactCount" if count <= 0 => errors.invalid(&at, count, "must be greater than zero"),
        "All" | "ExactCount" => {}
        other => errors.unsupported(&path.field("allocationMode"), other, &["All", "ExactCount"]),
    }
    let tolerations = path.field("tolerations");
    for (i, toleration) in items(wish, "/tolerations").iter().enumerate() {
        validate_toleration(toleration, &tolerations.index(i), errors);
    }
}

fn validate_toleration(toleration: &Value, path: &Path<'_>, errors: &mut Errors) {
    let word = |name: &str| field(toleration, name);
    if !word("key").is_empty() {
        errors.checked(&path.field("key"), word("key"), qualified_name);
    }
    let at = path.field("operator");
    match word("operator") {
        "Exists" if !word("value").is_empty() => {
            let why = "must be empty for operator `Exists`";
            errors.invalid(&path.field("value"), word("value"), why);
        }
        "Equal" => {
            errors.checked(
                &path.field("value"),
                word("value"),
                crate::meta::label_value,
            );
            if word("key").is_empty() {
                errors.required(&path.field("key"), "");
            }
        }
        "Exists" => {}
        "" => errors.required(&at, ""),
        other => errors.unsupported(&at, other, &["Equal", "Exists"]),
    }
    if !word("effect").is_empty() {
        let known = &["NoExecute", "NoSchedule", "None"];
        errors.one_of(&path.field("effect"), word("effect"), known);
    }
}

fn validate_constraint(
    constraint: &Value,
    path: &Path<'_>,
    known: &Requests<'_>,
    errors: &mut Errors,
) {
    validate_names(constraint, &path.field("requests"), known, errors);
    let attribute = ["matchAttribute", "distinctAttribute"]
        .into_iter()
        .find(|name| constraint.get(*name).is_some());
    match attribute {
        None => errors.required(&path.field("matchAttribute"), ""),
        Some(name) => {
            let (at, value) = (path.field(name), field(constraint, name));
            super::slice::check_qualified(value, &at, errors);
            if !value.is_empty() && !value.contains('/') {
                errors.invalid(&at, value, "must include a domain");
            }
        }
    }
}

fn validate_names(value: &Value, path: &Path<'_>, known: &Requests<'_>, errors: &mut Errors) {
    let names = items(value, "/requests");
    validate_set(names, MAX_ITEMS, path, errors, |name, at, errors| {
        validate_name(name.as_str().unwrap_or_default(), at, known, errors);
    });
}

/// `request` or `request/alternative`.
fn validate_name(name: &str, path: &Path<'_>, known: &Requests<'_>, errors: &mut Errors) {
    let parts: Vec<&str> = name.split('/').collect();
    let is_known = match parts.as_slice() {
        [request] => known.contains_key(request),
        [request, sub] => known.get(request).is_some_and(|subs| subs.contains(sub)),
        _ => return errors.invalid(path, name, NO_REQUEST),
    };
    for part in parts {
        errors.checked(path, part, dns_label);
    }
    if !is_known {
        errors.invalid(path, name, NO_REQUEST);
    }
}

/// Who uses a claim, and what it got: given once.
pub(in crate::strategy) fn validate_claim_status(new: &Value, old: &Value, errors: &mut Errors) {
    let status = Path::new("status");
    let (path, users) = (
        status.field("reservedFor"),
        items(new, "/status/reservedFor"),
    );
    errors.too_many(&path, users.len(), MAX_USERS);
    for (i, user) in users.iter().enumerate() {
        let at = path.index(i);
        for name in ["resource", "name", "uid"] {
            errors.named(&at.field(name), field(user, name), |_| None);
        }
        let uid = field(user, "uid");
        if users.iter().take(i).any(|other| field(other, "uid") == uid) {
            errors.duplicate(&at, uid);
        }
    }
    let (before, after) = (
        old.pointer("/status/allocation"),
        new.pointer("/status/allocation"),
    );
    if !users.is_empty() && after.is_none() {
        let why = "may not be specified when `allocated` is not set";
        errors.forbidden(&path, why);
    }
    let added = |user: &Value| !items(old, "/status/reservedFor").contains(user);
    let is_leaving = after.is_some() && new.pointer("/metadata/deletionTimestamp").is_some();
    if is_leaving && users.iter().any(added) {
        let why = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set";
        errors.forbidden(&path, why);
    }
    let path = status.field("allocation");
    match (before, after) {
        (Some(_), Some(_)) => errors.immutable(&path, after, before),
        (None, Some(allocation)) => validate_allocation(new, allocation, &path, errors),
        _ => {}
    }
}

fn validate_allocation(claim: &Value, allocation: &Value, path: &Path<'_>, errors: &mut Errors) {
    let known = requests(claim.get("spec").unwrap_or(&Value::Null));
    let devices = path.field("devices");
    let (path, results) = (
        devices.field("results"),
        items(allocation, "/devices/results"),
    );
    errors.too_many(&path, results.len(), MAX_ITEMS);
    for (i, result) in results.iter().enumerate() {
        let at = path.index(i);
        validate_name(
            field(result, "request"),
            &at.field("request"),
            &known,
            errors,
        );
        validate_driver_name(field(result, "driver"), &at.field("driver"), errors);
        errors.named(
            &at.field("pool"),
            field(result, "pool"),
            super::slice::pool_name,
        );
        validate_label(result, "device", &at, errors);
    }
}
