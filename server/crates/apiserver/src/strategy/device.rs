//! ResourceClaims and their templates, DeviceClasses and ResourceSlices (`resource/validation`).
//!
//! Expressions in CEL must be there and not too long; what they say is read by who evaluates them.

mod claim;
mod slice;

use std::collections::BTreeSet;

pub(super) use claim::{
    claim_defaults, template_defaults, validate_claim, validate_claim_status, validate_template,
};
use serde_json::Value;
use shared::name::dns_label;
pub(super) use slice::{validate_slice, validate_slice_update};

use super::storage::validate_driver_name;
use crate::errors::{Errors, Path};
use crate::value::{field, items, text};

/// The most requests, constraints, configurations and selectors of one claim.
const MAX_ITEMS: usize = 32;
/// The longest expression, in bytes (`CELSelectorExpressionMaxLength`).
const MAX_EXPRESSION_BYTES: usize = 10 * 1024;
/// The longest parameters for a driver, in bytes (`OpaqueParametersMaxLength`).
const MAX_PARAMETERS_BYTES: usize = 10 * 1024;

/// Checks a list of named things: how many, what each is, and that no name comes twice.
fn validate_set(
    list: &[Value],
    max: usize,
    path: &Path<'_>,
    errors: &mut Errors,
    mut check: impl FnMut(&Value, &Path<'_>, &mut Errors),
) {
    let mut seen = BTreeSet::new();
    for (i, item) in list.iter().enumerate() {
        let at = path.index(i);
        check(item, &at, errors);
        let name = item.as_str().unwrap_or_else(|| field(item, "name"));
        if !seen.insert(name) {
            errors.duplicate(&at, name);
        }
    }
    errors.too_many(path, list.len(), max);
}

fn validate_selectors(value: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (path, selectors) = (path.field("selectors"), items(value, "/selectors"));
    errors.too_many(&path, selectors.len(), MAX_ITEMS);
    for (i, selector) in selectors.iter().enumerate() {
        let at = path.index(i);
        let at = at.field("cel");
        if selector.get("cel").is_none() {
            errors.required(&at, "");
        }
        if text(selector, "/cel/expression").len() > MAX_EXPRESSION_BYTES {
            errors.too_long(&at.field("expression"), MAX_EXPRESSION_BYTES);
        }
    }
}

/// What is meant for a driver.
fn validate_configuration(config: &Value, path: &Path<'_>, errors: &mut Errors) {
    let at = path.field("opaque");
    let Some(opaque) = config.get("opaque") else {
        return errors.required(&at, "");
    };
    validate_driver_name(field(opaque, "driver"), &at.field("driver"), errors);
    let at = at.field("parameters");
    match opaque.get("parameters") {
        None => errors.required(&at, ""),
        Some(parameters) if !parameters.is_object() => {
            errors.invalid(&at, parameters.clone(), "must be a valid JSON object");
        }
        Some(parameters) if parameters.to_string().len() > MAX_PARAMETERS_BYTES => {
            errors.too_long(&at, MAX_PARAMETERS_BYTES);
        }
        Some(_) => {}
    }
}

pub(super) fn validate_class(class: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let inner = class.get("spec").unwrap_or(&Value::Null);
    validate_selectors(inner, &spec, errors);
    let (path, list) = (spec.field("config"), items(inner, "/config"));
    errors.too_many(&path, list.len(), MAX_ITEMS);
    for (i, config) in list.iter().enumerate() {
        validate_configuration(config, &path.index(i), errors);
    }
    let name = field(inner, "extendedResourceName");
    if inner.get("extendedResourceName").is_some() && !is_extended(name) {
        let why = "must be a valid extended resource name";
        errors.invalid(&spec.field("extendedResourceName"), name, why);
    }
}

/// A resource of a domain that is not Kubernetes' own (`IsExtendedResourceName`).
fn is_extended(name: &str) -> bool {
    let Some((domain, _)) = name.split_once('/') else {
        return false;
    };
    let is_own = domain == "kubernetes.io" || domain.ends_with(".kubernetes.io");
    !is_own
        && !name.starts_with("requests.")
        && crate::meta::qualified_name(&format!("requests.{name}")).is_none()
}

/// The name of a request, a device or a counter.
fn validate_label(value: &Value, name: &str, path: &Path<'_>, errors: &mut Errors) {
    errors.checked(&path.field(name), field(value, name), dns_label);
}
