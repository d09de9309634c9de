//! Roles and their bindings (`pkg/apis/rbac/validation`).

use serde_json::Value;

use super::pod_check::validate_selector;
use crate::errors::{Errors, Path};
use crate::meta::path_segment;
use crate::value::{as_object, default_text, each, field, inside, items, text};

const GROUP: &str = "rbac.authorization.k8s.io";

/// Users and groups are RBAC's own kinds of subject; service accounts are core's.
pub(super) fn binding_defaults(value: &mut Value) {
    let fields = as_object(value);
    if let Some(role) = inside(fields, "roleRef") {
        default_text(role, "apiGroup", GROUP);
    }
    each(fields, "subjects", |subject| {
        if matches!(
            subject.get("kind").and_then(Value::as_str),
            Some("User" | "Group")
        ) {
            default_text(subject, "apiGroup", GROUP);
        }
    });
}

pub(super) fn validate_role(role: &Value, errors: &mut Errors) {
    let is_namespaced = field(role, "kind") == "Role";
    let rules = Path::new("rules");
    for (i, rule) in items(role, "/rules").iter().enumerate() {
        validate_rule(rule, is_namespaced, &rules.index(i), errors);
    }
    let Some(aggregation) = role.get("aggregationRule") else {
        return;
    };
    let path = Path::new("aggregationRule");
    let path = path.field("clusterRoleSelectors");
    let selectors = items(aggregation, "/clusterRoleSelectors");
    if selectors.is_empty() {
        errors.required(
            &path,
            "at least one clusterRoleSelector required if aggregationRule is non-nil",
        );
    }
    for (i, selector) in selectors.iter().enumerate() {
        validate_selector(Some(selector), &path.index(i), errors);
    }
}

fn validate_rule(rule: &Value, is_namespaced: bool, path: &Path<'_>, errors: &mut Errors) {
    let has = |name: &str| !items(rule, &format!("/{name}")).is_empty();
    if !has("verbs") {
        let why = "verbs must contain at least one value";
        errors.required(&path.field("verbs"), why);
    }
    if has("nonResourceURLs") {
        let at = path.field("nonResourceURLs");
        let mut invalid = |why: &str| {
            let urls = rule.get("nonResourceURLs").cloned().unwrap_or_default();
            errors.invalid(&at, urls, why);
        };
        if is_namespaced {
            invalid("namespaced rules cannot apply to non-resource URLs");
        }
        if has("apiGroups") || has("resources") || has("resourceNames") {
            invalid("rules cannot apply to both regular resources and non-resource URLs");
        }
        return;
    }
    for (name, why) in [
        (
            "apiGroups",
            "resource rules must supply at least one api group",
        ),
        (
            "resources",
            "resource rules must supply at least one resource",
        ),
    ] {
        if !has(name) {
            errors.required(&path.field(name), why);
        }
    }
}

pub(super) fn validate_binding(binding: &Value, errors: &mut Errors) {
    let role = Path::new("roleRef");
    let is_namespaced = field(binding, "kind") == "RoleBinding";
    let group = text(binding, "/roleRef/apiGroup");
    errors.one_of(&role.field("apiGroup"), group, &[GROUP]);
    let kinds: &[&str] = if is_namespaced {
        &["Role", "ClusterRole"]
    } else {
        &["ClusterRole"]
    };
    errors.one_of(&role.field("kind"), text(binding, "/roleRef/kind"), kinds);
    let name = text(binding, "/roleRef/name");
    if name.is_empty() {
        errors.required(&role.field("name"), "");
    } else if let Some(why) = path_segment(name) {
        errors.invalid(&role.field("name"), name, &why);
    }
    let subjects = Path::new("subjects");
    for (i, subject) in items(binding, "/subjects").iter().enumerate() {
        validate_subject(subject, is_namespaced, &subjects.index(i), errors);
    }
}

fn validate_subject(subject: &Value, is_namespaced: bool, path: &Path<'_>, errors: &mut Errors) {
    let (name, group) = (field(subject, "name"), field(subject, "apiGroup"));
    if name.is_empty() {
        errors.required(&path.field("name"), "");
    }
    match field(subject, "kind") {
        "ServiceAccount" => {
            let bad = Some(name).filter(|n| !n.is_empty());
            if let Some(why) = bad.and_then(shared::name::dns_subdomain) {
                errors.invalid(&path.field("name"), name, &why);
            }
            errors.one_of(&path.field("apiGroup"), group, &[""]);
            if !is_namespaced && field(subject, "namespace").is_empty() {
                errors.required(&path.field("namespace"), "");
            }
        }
        "User" | "Group" => errors.one_of(&path.field("apiGroup"), group, &[GROUP]),
        other => errors.unsupported(
            &path.field("kind"),
            other,
            &["ServiceAccount", "User", "Group"],
        ),
    }
}

pub(super) fn validate_binding_update(new: &Value, old: &Value, errors: &mut Errors) {
    if new.get("roleRef") != old.get("roleRef") {
        errors.invalid(
            &Path::new("roleRef"),
            new.get("roleRef").cloned().unwrap_or_default(),
            "cannot change roleRef",
        );
    }
}
