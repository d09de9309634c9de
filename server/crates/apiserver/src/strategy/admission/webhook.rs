//! Webhook configurations.

use std::collections::BTreeSet;

use serde_json::Value;
use shared::name::dns_subdomain;

use super::{FAILURE_POLICIES, validate_conditions, validate_rule, words};
use crate::errors::{Errors, Path};
use crate::meta::dns1035_label;
use crate::strategy::pod_check::validate_selector;
use crate::value::{field, int, items};

/// The longest time that a webhook may take, in seconds.
const MAX_TIMEOUT_S: i64 = 30;
/// Versions of AdmissionReview that the original speaks.
const REVIEW_VERSIONS: &[&str] = &["v1", "v1beta1"];

pub(in crate::strategy) fn validate_webhooks(value: &Value, errors: &mut Errors) {
    let path = Path::new("webhooks");
    let mut names = BTreeSet::new();
    for (i, webhook) in items(value, "/webhooks").iter().enumerate() {
        let at = path.index(i);
        validate_webhook(webhook, &at, errors);
        validate_versions(webhook, &at.field("admissionReviewVersions"), errors);
        let name = field(webhook, "name");
        if !name.is_empty() && !names.insert(name) {
            errors.duplicate(&at.field("name"), name);
        }
    }
}

fn validate_webhook(webhook: &Value, at: &Path<'_>, errors: &mut Errors) {
    errors.named(&at.field("name"), field(webhook, "name"), qualified);
    let rules = at.field("rules");
    for (i, rule) in items(webhook, "/rules").iter().enumerate() {
        validate_rule(rule, &rules.index(i), errors);
    }
    for (name, known) in [
        ("failurePolicy", FAILURE_POLICIES),
        ("matchPolicy", &["Equivalent", "Exact"]),
    ] {
        errors.one_of(&at.field(name), field(webhook, name), known);
    }
    let (path, effects) = (at.field("sideEffects"), field(webhook, "sideEffects"));
    if effects.is_empty() {
        errors.required(&path, "must specify one of None, NoneOnDryRun");
    } else {
        errors.one_of(&path, effects, &["None", "NoneOnDryRun"]);
    }
    let timeout = int(webhook, "/timeoutSeconds").unwrap_or(1);
    if !(1..=MAX_TIMEOUT_S).contains(&timeout) {
        let why = "the timeout value must be between 1 and 30 seconds";
        errors.invalid(&at.field("timeoutSeconds"), timeout, why);
    }
    for name in ["namespaceSelector", "objectSelector"] {
        validate_selector(webhook.get(name), &at.field(name), errors);
    }
    if webhook.get("reinvocationPolicy").is_some() {
        let policy = field(webhook, "reinvocationPolicy");
        let path = at.field("reinvocationPolicy");
        errors.one_of(&path, policy, &["IfNeeded", "Never"]);
    }
    validate_client(webhook, &at.field("clientConfig"), errors);
    validate_conditions(webhook, at, errors);
}

/// What is wrong with a name of at least three labels (`validation.IsFullyQualifiedName`).
fn qualified(name: &str) -> Option<String> {
    const WHY: &str = "should be a domain with at least three segments separated by dots";
    dns_subdomain(name).or_else(|| (name.split('.').count() < 3).then(|| WHY.into()))
}

fn validate_versions(webhook: &Value, path: &Path<'_>, errors: &mut Errors) {
    let versions = words(webhook, "admissionReviewVersions");
    if versions.is_empty() {
        return errors.required(path, "must specify one of v1, v1beta1");
    }
    let mut seen = BTreeSet::new();
    for (i, version) in versions.iter().enumerate() {
        if seen.insert(version) {
            errors.checked(&path.index(i), version, dns1035_label);
        } else {
            errors.invalid(&path.index(i), *version, "duplicate version");
        }
    }
    if !versions.iter().any(|v| REVIEW_VERSIONS.contains(v)) {
        let shown = items(webhook, "/admissionReviewVersions").to_vec();
        errors.invalid(path, shown, "must include at least one of v1, v1beta1");
    }
}

/// Where a webhook is (`apiserver/pkg/util/webhook/validation.go`).
fn validate_client(webhook: &Value, path: &Path<'_>, errors: &mut Errors) {
    let get = |name: &str| webhook.pointer(&format!("/clientConfig/{name}"));
    match (get("url"), get("service")) {
        (Some(url), None) => {
            let url = url.as_str().unwrap_or_default();
            validate_url(url, &path.field("url"), errors);
        }
        (None, Some(service)) => validate_service(service, &path.field("service"), errors),
        _ => errors.required(path, "exactly one of url or service is required"),
    }
}

fn validate_url(url: &str, path: &Path<'_>, errors: &mut Errors) {
    const FORM: &str = "; desired format: https://host[/path]";
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = rest.split('/').next().filter(|_| !scheme.is_empty());
    let authority = authority.unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if scheme != "https" {
        let why = format!("'https' is the only allowed URL scheme{FORM}");
        errors.invalid(path, scheme, &why);
    }
    if host.is_empty() {
        errors.invalid(path, host, &format!("host must be specified{FORM}"));
    }
    for (part, why) in [
        (user, "user information is not permitted in the URL"),
        (fragment, "fragments are not permitted in the URL"),
        (query, "query parameters are not permitted in the URL"),
    ] {
        if !part.is_empty() {
            errors.invalid(path, part, why);
        }
    }
}

fn validate_service(service: &Value, path: &Path<'_>, errors: &mut Errors) {
    for name in ["name", "namespace"] {
        if field(service, name).is_empty() {
            errors.required(&path.field(name), &format!("service {name} is required"));
        }
    }
    let port = int(service, "/port").unwrap_or(443);
    if !(1..=65_535).contains(&port) {
        let why = "port is not valid: must be between 1 and 65535, inclusive";
        errors.invalid(&path.field("port"), port, why);
    }
    let (at, whole) = (path.field("path"), field(service, "path"));
    if matches!(whole, "" | "/") {
        return;
    }
    let Some(tail) = whole.strip_prefix('/') else {
        return errors.invalid(&at, whole, "must start with a '/'");
    };
    let tail = tail.strip_suffix('/').unwrap_or(tail);
    for (i, step) in tail.split('/').enumerate() {
        if step.is_empty() {
            let why = format!("segment[{i}] may not be empty");
            errors.invalid(&at, whole, &why);
        } else if let Some(why) = dns_subdomain(step) {
            errors.invalid(&at, whole, &format!("segment[{i}]: {why}"));
        }
    }
}
