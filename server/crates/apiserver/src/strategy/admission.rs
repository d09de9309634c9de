//! What webhook configurations and admission policies may say (`admissionregistration/validation`).
//!
//! Expressions in CEL must be there and have a length that is allowed; what they say is read by who evaluates them.

mod policy;
mod webhook;

use std::collections::BTreeSet;

pub(super) use policy::{
    validate_binding, validate_mutating, validate_mutating_binding, validate_policy_status,
    validate_validating,
};
use serde_json::Value;
pub(super) use webhook::validate_webhooks;

use super::pod_check::validate_selector;
use crate::errors::{Errors, Path};
use crate::meta::{path_segment, qualified_name};
use crate::value::{field, items};

const OPERATIONS: &[&str] = &["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
const FAILURE_POLICIES: &[&str] = &["Fail", "Ignore"];
/// The most match conditions of one webhook or policy.
const MAX_CONDITIONS: usize = 64;

/// The strings of a list.
fn words<'a>(value: &'a Value, name: &str) -> Vec<&'a str> {
    let list = value.get(name).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// A list in which a star stands alone, and must be there.
fn validate_wildcards(value: &Value, name: &str, noun: &str, path: &Path<'_>, errors: &mut Errors) {
    let (at, list) = (path.field(name), words(value, name));
    if list.is_empty() {
        errors.required(&at, "");
    }
    if list.len() > 1 && list.contains(&"*") {
        let why = format!("if '*' is present, must not specify other {noun}");
        errors.invalid(&at, items(value, &format!("/{name}")).to_vec(), &why);
    }
}

/// Operations, groups, versions, resources and scope.
fn validate_rule(rule: &Value, path: &Path<'_>, errors: &mut Errors) {
    validate_wildcards(rule, "operations", "operations", path, errors);
    let at = path.field("operations");
    for (i, operation) in words(rule, "operations").into_iter().enumerate() {
        errors.one_of(&at.index(i), operation, OPERATIONS);
    }
    validate_wildcards(rule, "apiGroups", "API groups", path, errors);
    validate_wildcards(rule, "apiVersions", "API versions", path, errors);
    let at = path.field("apiVersions");
    for (i, version) in words(rule, "apiVersions").into_iter().enumerate() {
        if version.is_empty() {
            errors.required(&at.index(i), "");
        }
    }
    validate_resources(rule, &path.field("resources"), errors);
    if rule.get("scope").is_some() {
        let scope = field(rule, "scope");
        errors.one_of(&path.field("scope"), scope, &["*", "Cluster", "Namespaced"]);
    }
}

/// Resources with their subresources, `pods/log`, where `*` may stand for either.
fn validate_resources(rule: &Value, path: &Path<'_>, errors: &mut Errors) {
    let list = words(rule, "resources");
    if list.is_empty() {
        errors.required(path, "");
    }
    let (mut whole, mut parts) = (BTreeSet::new(), BTreeSet::new());
    let mut is_bare = false;
    for (i, word) in list.iter().enumerate() {
        if word.is_empty() {
            errors.required(&path.index(i), "");
            continue;
        }
        let Some((resource, sub)) = word.split_once('/') else {
            is_bare = *word != "*";
            continue;
        };
        for (is_covered, cover) in [
            (whole.contains(resource), format!("{resource}/*")),
            (parts.contains(sub), format!("*/{sub}")),
        ] {
            if is_covered {
                let why = format!("if '{cover}' is present, must not specify {word}");
                errors.invalid(&path.index(i), *word, &why);
            }
        }
        if sub == "*" {
            whole.insert(resource);
        }
        if resource == "*" {
            parts.insert(sub);
        }
    }
    let shown = || items(rule, "/resources").to_vec();
    if list.len() > 1 && list.contains(&"*/*") {
        let why = "if '*/*' is present, must not specify other resources";
        errors.invalid(path, shown(), why);
    }
    if list.contains(&"*") && is_bare {
        let why = "if '*' is present, must not specify other resources without subresources";
        errors.invalid(path, shown(), why);
    }
}

/// `matchConstraints` of a policy, `matchResources` of a binding.
fn validate_match(resources: &Value, path: &Path<'_>, errors: &mut Errors) {
    let policy = field(resources, "matchPolicy");
    errors.one_of(&path.field("matchPolicy"), policy, &["Equivalent", "Exact"]);
    for name in ["namespaceSelector", "objectSelector"] {
        validate_selector(resources.get(name), &path.field(name), errors);
    }
    for name in ["resourceRules", "excludeResourceRules"] {
        let list = path.field(name);
        for (i, rule) in items(resources, &format!("/{name}")).iter().enumerate() {
            let at = list.index(i);
            let names = at.field("resourceNames");
            let mut seen = BTreeSet::new();
            for (j, name) in words(rule, "resourceNames").into_iter().enumerate() {
                errors.checked(&names.index(j), name, path_segment);
                if !seen.insert(name) {
                    errors.duplicate(&names.index(j), name);
                }
            }
            validate_rule(rule, &at, errors);
        }
    }
}

/// Named expressions that decide whether a request is looked at.
fn validate_conditions(value: &Value, path: &Path<'_>, errors: &mut Errors) {
    let path = path.field("matchConditions");
    let conditions = items(value, "/matchConditions");
    errors.too_many(&path, conditions.len(), MAX_CONDITIONS);
    let mut seen = BTreeSet::new();
    for (i, condition) in conditions.iter().enumerate() {
        let (at, name) = (path.index(i), field(condition, "name"));
        if field(condition, "expression").trim().is_empty() {
            errors.required(&at.field("expression"), "");
        }
        errors.named(&at.field("name"), name, qualified_name);
        if !name.is_empty() && !seen.insert(name) {
            errors.duplicate(&at.field("name"), name);
        }
    }
}
