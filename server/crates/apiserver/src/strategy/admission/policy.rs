//! Admission policies and their bindings.

use std::collections::BTreeSet;

use serde_json::Value;
use shared::name::dns_subdomain;

use super::{FAILURE_POLICIES, validate_conditions, validate_match};
use crate::errors::{Errors, Path};
use crate::meta::{dns1035_label, path_segment, qualified_name};
use crate::strategy::pod_check::validate_selector;
use crate::value::{field, items, text};

/// The most audit annotations of one policy.
const MAX_ANNOTATIONS: usize = 20;
/// The longest expression of an audit annotation, in bytes.
const MAX_ANNOTATION_BYTES: usize = 5 * 1024;
/// Words of CEL that name nothing.
const RESERVED: &[&str] = &[
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// What both kinds of policies say about requests.
fn validate_common(policy: &Value, spec: &Path<'_>, errors: &mut Errors) {
    let empty = Value::Null;
    let inner = policy.get("spec").unwrap_or(&empty);
    errors.one_of(
        &spec.field("failurePolicy"),
        field(inner, "failurePolicy"),
        FAILURE_POLICIES,
    );
    if let Some(kind) = inner.get("paramKind") {
        validate_param_kind(kind, &spec.field("paramKind"), errors);
    }
    let path = spec.field("matchConstraints");
    match inner.get("matchConstraints") {
        None => errors.required(&path, ""),
        Some(constraints) => {
            validate_match(constraints, &path, errors);
            if items(constraints, "/resourceRules").is_empty() {
                errors.required(&path.field("resourceRules"), "");
            }
        }
    }
    validate_conditions(inner, spec, errors);
    let path = spec.field("variables");
    for (i, variable) in items(inner, "/variables").iter().enumerate() {
        let (at, name) = (path.index(i), field(variable, "name"));
        if name.trim().is_empty() {
            errors.required(&at.field("name"), "name is not specified");
        } else if !is_identifier(name) {
            errors.invalid(
                &at.field("name"),
                name,
                "name is not a valid CEL identifier",
            );
        }
        needs_expression(variable, "expression", &at, errors);
    }
}

fn is_identifier(name: &str) -> bool {
    let legal = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    name.bytes().all(legal)
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !RESERVED.contains(&name)
}

fn needs_expression(value: &Value, name: &str, path: &Path<'_>, errors: &mut Errors) {
    if field(value, name).trim().is_empty() {
        errors.required(&path.field(name), &format!("{name} is not specified"));
    }
}

fn validate_param_kind(kind: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (at, whole) = (path.field("apiVersion"), field(kind, "apiVersion"));
    let (group, version) = whole.split_once('/').unwrap_or(("", whole));
    if whole.is_empty() {
        errors.required(&at, "");
    } else if version.contains('/') {
        let why = format!("unexpected GroupVersion string: {whole}");
        errors.invalid(&at, whole, &why);
    } else {
        if !group.is_empty() {
            errors.checked(&at, group, dns_subdomain);
        }
        if version.is_empty() {
            errors.invalid(&at, whole, "version must be specified");
        } else {
            errors.checked(&at, version, dns1035_label);
        }
    }
    errors.named(&path.field("kind"), field(kind, "kind"), |kind| {
        let why = dns1035_label(&kind.to_lowercase())?;
        Some(format!(
            "may have mixed case, but should otherwise match: {why}"
        ))
    });
}

pub(in crate::strategy) fn validate_validating(policy: &Value, errors: &mut Errors) {
    const NEITHER: &str = "validations or auditAnnotations must contain at least one item";
    let spec = Path::new("spec");
    validate_common(policy, &spec, errors);
    let (validations, annotations) = (
        items(policy, "/spec/validations"),
        items(policy, "/spec/auditAnnotations"),
    );
    if validations.is_empty() && annotations.is_empty() {
        errors.required(&spec.field("validations"), NEITHER);
        return errors.required(&spec.field("auditAnnotations"), NEITHER);
    }
    let path = spec.field("validations");
    for (i, validation) in validations.iter().enumerate() {
        validate_validation(validation, &path.index(i), errors);
    }
    let path = spec.field("auditAnnotations");
    if annotations.len() > MAX_ANNOTATIONS {
        let why = format!("must not have more than {MAX_ANNOTATIONS} auditAnnotations");
        errors.invalid(&path, annotations.to_vec(), &why);
    }
    let mut keys = BTreeSet::new();
    for (i, annotation) in annotations.iter().enumerate() {
        let (at, key) = (path.index(i), field(annotation, "key"));
        let whole = format!("{}/{key}", text(policy, "/metadata/name"));
        errors.checked(&at.field("key"), &whole, qualified_name);
        if field(annotation, "valueExpression").trim().len() > MAX_ANNOTATION_BYTES {
            let why = format!("must not exceed {MAX_ANNOTATION_BYTES} bytes in length");
            errors.required(&at.field("valueExpression"), &why);
        }
        needs_expression(annotation, "valueExpression", &at, errors);
        if !keys.insert(key) {
            errors.duplicate(&at.field("key"), key);
        }
    }
}

fn validate_validation(validation: &Value, path: &Path<'_>, errors: &mut Errors) {
    let word = |name: &str| field(validation, name);
    needs_expression(validation, "expression", path, errors);
    let is_blank = |name: &str| !word(name).is_empty() && word(name).trim().is_empty();
    if is_blank("messageExpression") {
        let at = path.field("messageExpression");
        errors.invalid(
            &at,
            word("messageExpression"),
            "must be non-empty if specified",
        );
    }
    let (at, message) = (path.field("message"), word("message"));
    if is_blank("message") {
        errors.invalid(&at, message, "message must be non-empty if specified");
    } else if message.trim().contains(['\n', '\r']) {
        errors.invalid(&at, message, "message must not contain line breaks");
    }
    if validation.get("reason").is_some() {
        errors.one_of(
            &path.field("reason"),
            word("reason"),
            &["Forbidden", "Invalid", "RequestEntityTooLarge"],
        );
    }
}

pub(in crate::strategy) fn validate_mutating(policy: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    validate_common(policy, &spec, errors);
    let (path, mutations) = (spec.field("mutations"), items(policy, "/spec/mutations"));
    if mutations.is_empty() {
        errors.required(&path, "mutations must contain at least one item");
    }
    for (i, mutation) in mutations.iter().enumerate() {
        let at = path.index(i);
        let name = match field(mutation, "patchType") {
            "ApplyConfiguration" => "applyConfiguration",
            "JSONPatch" => "jsonPatch",
            "" => {
                errors.required(&at.field("patchType"), "");
                continue;
            }
            other => {
                let known = &["ApplyConfiguration", "JSONPatch"];
                errors.unsupported(&at.field("patchType"), other, known);
                continue;
            }
        };
        let patch = at.field(name);
        match mutation.get(name) {
            None => errors.required(&patch, ""),
            Some(inner) => needs_expression(inner, "expression", &patch, errors),
        }
    }
    let (at, again) = (
        spec.field("reinvocationPolicy"),
        text(policy, "/spec/reinvocationPolicy"),
    );
    errors.chosen(&at, again, &["Never", "IfNeeded"]);
}

pub(in crate::strategy) fn validate_mutating_binding(binding: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let policy = text(binding, "/spec/policyName");
    errors.named(&spec.field("policyName"), policy, dns_subdomain);
    if let Some(reference) = binding.pointer("/spec/paramRef") {
        validate_param_ref(reference, &spec.field("paramRef"), errors);
    }
    if let Some(resources) = binding.pointer("/spec/matchResources") {
        // The original's own spelling.
        validate_match(resources, &spec.field("matchResouces"), errors);
    }
}

pub(in crate::strategy) fn validate_binding(binding: &Value, errors: &mut Errors) {
    validate_mutating_binding(binding, errors);
    let spec = Path::new("spec");
    let path = spec.field("validationActions");
    let actions = items(binding, "/spec/validationActions");
    let mut seen = BTreeSet::new();
    for (i, action) in actions.iter().filter_map(Value::as_str).enumerate() {
        errors.one_of(&path.index(i), action, &["Audit", "Deny", "Warn"]);
        if !seen.insert(action) {
            errors.duplicate(&path.index(i), action);
        }
    }
    if seen.contains("Deny") && seen.contains("Warn") {
        let why = "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)";
        errors.invalid(&path, actions.to_vec(), why);
    }
    if seen.is_empty() {
        errors.required(&path, "at least one validation action is required");
    }
}

fn validate_param_ref(reference: &Value, path: &Path<'_>, errors: &mut Errors) {
    const BOTH: &str = "name and selector are mutually exclusive";
    let (name, selector) = (field(reference, "name"), reference.get("selector"));
    if !name.is_empty() {
        errors.checked(&path.field("name"), name, path_segment);
        if selector.is_some() {
            errors.forbidden(&path.field("name"), BOTH);
        }
    }
    validate_selector(selector, &path.field("selector"), errors);
    match (name.is_empty(), selector) {
        (false, Some(_)) => errors.forbidden(&path.field("selector"), BOTH),
        (true, None) => errors.required(path, "one of name or selector must be specified"),
        _ => {}
    }
    let (at, action) = (
        path.field("parameterNotFoundAction"),
        field(reference, "parameterNotFoundAction"),
    );
    errors.chosen(&at, action, &["Deny", "Allow"]);
}

/// What the type checker found.
pub(in crate::strategy) fn validate_policy_status(new: &Value, _old: &Value, errors: &mut Errors) {
    let status = Path::new("status");
    let checking = status.field("typeChecking");
    let path = checking.field("expressionWarnings");
    let warnings = items(new, "/status/typeChecking/expressionWarnings");
    for (i, warning) in warnings.iter().enumerate() {
        let at = path.index(i);
        for name in ["warning", "fieldRef"] {
            if field(warning, name).trim().is_empty() {
                errors.required(&at.field(name), "");
            }
        }
    }
}
