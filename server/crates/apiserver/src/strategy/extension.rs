//! Kinds that are about the API itself: admission, aggregation, flow control, certificates.

use serde_json::{Value, json};
use shared::Millis;

use crate::errors::{Errors, Path};
use crate::server::Context;
use crate::value::{
    Fields, as_object, default_text, default_to, each, empty, field, inside, int, items, object,
    put, text,
};

/// How long a webhook may take when its configuration does not say, in seconds.
const WEBHOOK_TIMEOUT_S: i64 = 10;
/// The shortest time that a certificate can be asked for, in seconds.
const MIN_CERTIFICATE_S: i64 = 600;

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

pub(super) fn validate_webhooks(value: &Value, errors: &mut Errors) {
    let path = Path::new("webhooks");
    let mut names = std::collections::BTreeSet::new();
    for (i, webhook) in items(value, "/webhooks").iter().enumerate() {
        let at = path.index(i);
        let name = field(webhook, "name");
        if !names.insert(name) {
            errors.duplicate(&at.field("name"), name);
        }
        if name.split('.').count() < 3 {
            errors.invalid(
                &at.field("name"),
                name,
                "should be a domain with at least three segments separated by dots",
            );
        }
        if items(webhook, "/admissionReviewVersions").is_empty() {
            errors.required(
                &at.field("admissionReviewVersions"),
                "must specify one of v1, v1beta1",
            );
        }
        let effects = field(webhook, "sideEffects");
        if effects.is_empty() {
            errors.required(
                &at.field("sideEffects"),
                "must specify one of None, NoneOnDryRun",
            );
        } else {
            errors.one_of(&at.field("sideEffects"), effects, &["None", "NoneOnDryRun"]);
        }
        errors.one_of(
            &at.field("failurePolicy"),
            field(webhook, "failurePolicy"),
            &["Fail", "Ignore"],
        );
        let timeout = int(webhook, "/timeoutSeconds").unwrap_or(WEBHOOK_TIMEOUT_S);
        if !(1..=30).contains(&timeout) {
            errors.invalid(
                &at.field("timeoutSeconds"),
                timeout,
                "the timeout value must be between 1 and 30 seconds",
            );
        }
        let has = |name: &str| webhook.pointer(&format!("/clientConfig/{name}")).is_some();
        if has("url") == has("service") {
            errors.required(
                &at.field("clientConfig"),
                "exactly one of url or service is required",
            );
        }
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
    if version.is_empty() {
        errors.required(&spec.field("version"), "");
    }
    for (name, max) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1000)] {
        let number = int(value, &format!("/spec/{name}")).unwrap_or(0);
        if !(1..=max).contains(&number) {
            let why = format!("must be positive and less than {max}");
            errors.invalid(&spec.field(name), number, &why);
        }
    }
}

pub(super) fn flow_schema_defaults(value: &mut Value) {
    let spec = object(value, "spec");
    if int_of(spec, "matchingPrecedence") == 0 {
        spec.insert("matchingPrecedence".into(), 1000.into());
    }
}

pub(super) fn priority_level_defaults(value: &mut Value) {
    let spec = object(value, "spec");
    if let Some(exempt) = inside(spec, "exempt") {
        default_to(exempt, "nominalConcurrencyShares", 0);
        default_to(exempt, "lendablePercent", 0);
    }
    let Some(limited) = inside(spec, "limited") else {
        return;
    };
    default_to(limited, "nominalConcurrencyShares", 30);
    default_to(limited, "lendablePercent", 0);
    let queuing = inside(limited, "limitResponse").and_then(|r| inside(r, "queuing"));
    if let Some(queuing) = queuing {
        for (name, number) in [("queues", 64), ("handSize", 8), ("queueLengthLimit", 50)] {
            if int_of(queuing, name) == 0 {
                queuing.insert(name.into(), number.into());
            }
        }
    }
}

fn int_of(fields: &Fields, name: &str) -> i64 {
    fields.get(name).and_then(Value::as_i64).unwrap_or(0)
}

pub(super) fn validate_flow_schema(value: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let precedence = int(value, "/spec/matchingPrecedence").unwrap_or(0);
    let is_exempt = text(value, "/metadata/name") == "exempt";
    if !(1..=10_000).contains(&precedence) {
        errors.invalid(
            &spec.field("matchingPrecedence"),
            precedence,
            "must be between 1 and 10000",
        );
    } else if precedence == 1 && !is_exempt {
        errors.invalid(
            &spec.field("matchingPrecedence"),
            precedence,
            "only the schema named 'exempt' may have matchingPrecedence 1",
        );
    }
    if text(value, "/spec/priorityLevelConfiguration/name").is_empty() {
        errors.required(
            &spec.field("priorityLevelConfiguration").field("name"),
            "must reference a priority level",
        );
    }
}

pub(super) fn validate_priority_level(value: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let kind = text(value, "/spec/type");
    errors.one_of(&spec.field("type"), kind, &["Exempt", "Limited"]);
    let has_limits = value.pointer("/spec/limited").is_some();
    match (kind, has_limits) {
        ("Limited", false) => errors.required(
            &spec.field("limited"),
            "must not be empty when type is Limited",
        ),
        ("Exempt", true) => errors.forbidden(
            &spec.field("limited"),
            "must be nil if the type is not Limited",
        ),
        _ => {}
    }
}

/// Says whether the priority level that a schema refers to exists.
pub(super) fn flow_schema_condition(value: &mut Value, ctx: &Context<'_>) {
    let level = text(value, "/spec/priorityLevelConfiguration/name").to_owned();
    let key = format!("/registry/prioritylevelconfigurations/{level}");
    let (status, reason, tail) = if ctx.snapshot.get(&key).is_some() {
        ("False", "Found", "and it exists")
    } else {
        ("True", "NotFound", "but there is no such object")
    };
    let message = format!(
        "This FlowSchema references the PriorityLevelConfiguration object named \"{level}\" {tail}"
    );
    object(value, "status").insert(
        "conditions".into(),
        json!([{"type": "Dangling", "status": status, "lastTransitionTime": ctx.now.rfc3339(),
            "reason": reason, "message": message}]),
    );
}

/// Says in a signing request who made it; what the client says about that is not believed.
pub(super) fn name_creator(value: &mut Value, ctx: &Context<'_>) {
    let (spec, user) = (object(value, "spec"), ctx.user);
    let uid = (!user.uid.is_empty()).then(|| user.uid.as_str().into());
    put(spec, "username", Some(user.name.as_str().into()));
    put(spec, "uid", uid);
    put(spec, "groups", Some(user.groups.clone().into()));
    put(spec, "extra", None);
}

pub(super) fn validate_signing_request(value: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    if text(value, "/spec/request").is_empty() {
        errors.required(&spec.field("request"), "");
    }
    if items(value, "/spec/usages").is_empty() {
        errors.required(&spec.field("usages"), "usages must be provided");
    }
    if text(value, "/spec/signerName").is_empty() {
        errors.required(&spec.field("signerName"), "");
    } else if !text(value, "/spec/signerName").contains('/') {
        errors.invalid(
            &spec.field("signerName"),
            text(value, "/spec/signerName"),
            "must be a fully qualified domain and path of the form 'example.com/signer-name'",
        );
    }
    let seconds = int(value, "/spec/expirationSeconds");
    if let Some(seconds) = seconds.filter(|s| *s < MIN_CERTIFICATE_S) {
        errors.invalid(
            &spec.field("expirationSeconds"),
            seconds,
            "may not specify a duration less than 600 seconds (10 minutes)",
        );
    }
    let is = |kind: &str| {
        items(value, "/status/conditions")
            .iter()
            .any(|c| field(c, "type") == kind)
    };
    if is("Approved") && is("Denied") {
        errors.invalid(
            &Path::new("status.conditions"),
            "Denied",
            "Approved and Denied conditions are mutually exclusive",
        );
    }
}

/// Conditions that come without times get the time of the write.
pub(super) fn signing_request_conditions(new: &mut Value, old: &Value, now: Millis) {
    let before = items(old, "/status/conditions").to_vec();
    each(object(new, "status"), "conditions", |condition| {
        let kind = condition.get("type").cloned();
        let same = before.iter().find(|c| c.get("type") == kind.as_ref());
        default_to(condition, "lastUpdateTime", now.rfc3339());
        if condition.get("lastTransitionTime").is_none() {
            let kept = same.filter(|c| c.get("status") == condition.get("status"));
            let time = kept.and_then(|c| c.get("lastTransitionTime")).cloned();
            let time = time.unwrap_or_else(|| now.rfc3339().into());
            condition.insert("lastTransitionTime".into(), time);
        }
    });
}

/// Nothing of the request itself may change.
pub(super) fn validate_signing_request_update(new: &Value, old: &Value, errors: &mut Errors) {
    errors.immutable(&Path::new("spec"), new.get("spec"), old.get("spec"));
    let decision = |value: &Value| -> Vec<String> {
        let all = items(value, "/status/conditions").iter();
        all.map(|c| field(c, "type").to_owned())
            .filter(|t| matches!(t.as_str(), "Approved" | "Denied" | "Failed"))
            .collect()
    };
    let after = decision(new);
    for kind in decision(old).iter().filter(|kind| !after.contains(kind)) {
        errors.forbidden(
            &Path::new("status.conditions"),
            &format!("updates may not remove a condition of type \"{kind}\""),
        );
    }
}

pub(super) fn spec_is_immutable(new: &Value, old: &Value, errors: &mut Errors) {
    errors.immutable(&Path::new("spec"), new.get("spec"), old.get("spec"));
}
