//! Kinds that are about the API itself: defaults of admission, and aggregation.

use serde_json::{Value, json};
use shared::Millis;
use shared::name::dns_subdomain;

use super::config::decoded_len;
use crate::errors::{Errors, Path};
use crate::meta::dns1035_label;
use crate::value::{
    Fields, as_object, default_text, default_to, each, empty, field, flag, inside, int, object,
    text,
};

/// How long a webhook may take when its configuration does not say, in seconds.
const WEBHOOK_TIMEOUT_S: i64 = 10;

/// Defaults of both kinds of webhook configurations (`admissionregistration/v1/defaults.go`).
pub(super) fn validating_webhooks(value: &mut Value) {
    each(as_object(value), "webhooks", webhook_defaults);
}

pub(super) fn mutating_webhooks(value: &mut Value) {
    each(as_object(value), "webhooks", |webhook| {
        webhook_defaults(webhook);
        default_text(webhook, "reinvocationPolicy", "Never");
    });
}

fn webhook_defaults(webhook: &mut Fields) {
    default_text(webhook, "failurePolicy", "Fail");
    default_text(webhook, "matchPolicy", "Equivalent");
    default_to(webhook, "namespaceSelector", empty());
    default_to(webhook, "objectSelector", empty());
    default_to(webhook, "timeoutSeconds", WEBHOOK_TIMEOUT_S);
    each(webhook, "rules", |rule| default_text(rule, "scope", "*"));
    if let Some(service) = inside(webhook, "clientConfig").and_then(|c| inside(c, "service")) {
        default_to(service, "port", 443);
    }
}

pub(super) fn policy_defaults(value: &mut Value) {
    let spec = object(value, "spec");
    default_text(spec, "failurePolicy", "Fail");
    if let Some(constraints) = inside(spec, "matchConstraints") {
        match_defaults(constraints);
    }
}

pub(super) fn policy_binding_defaults(value: &mut Value) {
    if let Some(resources) = inside(object(value, "spec"), "matchResources") {
        match_defaults(resources);
    }
}

fn match_defaults(resources: &mut Fields) {
    default_text(resources, "matchPolicy", "Equivalent");
    default_to(resources, "namespaceSelector", empty());
    default_to(resources, "objectSelector", empty());
    for rules in ["resourceRules", "excludeResourceRules"] {
        each(resources, rules, |rule| default_text(rule, "scope", "*"));
    }
}

/// What this server answers itself is available at once (`apiservice/strategy.go`).
pub(super) fn api_service_prepare(value: &mut Value, now: Millis) {
    let status = if value.pointer("/spec/service").is_some() {
        empty()
    } else {
        json!({"conditions": [{"type": "Available", "status": "True", "lastTransitionTime": now.rfc3339(),
            "reason": "Local", "message": "Local APIServices are always available"}]})
    };
    as_object(value).insert("status".into(), status);
}

/// A service of another server is asked at the port of HTTPS.
pub(super) fn api_service_defaults(value: &mut Value) {
    if let Some(service) = inside(object(value, "spec"), "service") {
        default_to(service, "port", 443);
    }
}

pub(super) fn validate_api_service(value: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let (group, version) = (text(value, "/spec/group"), text(value, "/spec/version"));
    let wanted = format!("{version}.{group}");
    if text(value, "/metadata/name") != wanted {
        errors.invalid(
            &Path::new("metadata.name"),
            text(value, "/metadata/name"),
            &format!("must be `spec.version+\".\"+spec.group`: \"{wanted}\""),
        );
    }
    if group.is_empty() && version != "v1" {
        let why = "only v1 may have an empty group and it better be legacy kube";
        errors.required(&spec.field("group"), why);
    } else if !group.is_empty() {
        errors.checked(&spec.field("group"), group, dns_subdomain);
    }
    errors.checked(&spec.field("version"), version, dns1035_label);
    for (name, max) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1000)] {
        let number = int(value, &format!("/spec/{name}")).unwrap_or(0);
        if !(1..=max).contains(&number) {
            let why = format!("must be positive and less than {max}");
            errors.invalid(&spec.field(name), number, &why);
        }
    }
    validate_delegate(value, &spec, errors);
}

/// Where the server of an APIService is, and how it is trusted.
fn validate_delegate(value: &Value, spec: &Path<'_>, errors: &mut Errors) {
    let bundle = text(value, "/spec/caBundle");
    let is_insecure = flag(value, "/spec/insecureSkipTLSVerify");
    let skip = spec.field("insecureSkipTLSVerify");
    let Some(service) = value.pointer("/spec/service") else {
        if !bundle.is_empty() {
            let shown = format!("{} bytes", decoded_len(&bundle.into()));
            let why = "local APIServices may not have a caBundle";
            errors.invalid(&spec.field("caBundle"), shown, why);
        }
        if is_insecure {
            let why = "local APIServices may not have insecureSkipTLSVerify";
            errors.invalid(&skip, true, why);
        }
        return;
    };
    let at = spec.field("service");
    for name in ["namespace", "name"] {
        errors.named(&at.field(name), field(service, name), |_| None);
    }
    let port = int(service, "/port").unwrap_or(0);
    if !(1..=65_535).contains(&port) {
        let why = "port is not valid: must be between 1 and 65535, inclusive";
        errors.invalid(&at.field("port"), port, why);
    }
    if is_insecure && !bundle.is_empty() {
        errors.invalid(&skip, true, "may not be true if caBundle is present");
    }
}

pub(super) fn spec_is_immutable(new: &Value, old: &Value, errors: &mut Errors) {
    errors.immutable(&Path::new("spec"), new.get("spec"), old.get("spec"));
}
