//! FlowSchemas and PriorityLevelConfigurations (`flowcontrol/validation`).

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::name::{dns_label, dns_subdomain};

use crate::errors::{Errors, Path};
use crate::server::Context;
use crate::value::{Fields, default_to, field, flag, inside, int, items, object, text};

/// The most queues of one priority level.
const MAX_QUEUES: i64 = 10_000_000;
/// The lowest precedence of a FlowSchema.
const MAX_PRECEDENCE: i64 = 10_000;
/// How many bits of a hash can tell hands apart (`shufflesharding.MaxHashBits`).
const MAX_HASH_BITS: u32 = 60;
const VERBS: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "proxy",
    "update",
    "watch",
];

pub(super) fn schema_defaults(value: &mut Value) {
    let spec = object(value, "spec");
    if int_of(spec, "matchingPrecedence") == 0 {
        spec.insert("matchingPrecedence".into(), 1000.into());
    }
}

pub(super) fn level_defaults(value: &mut Value) {
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

/// Says whether the priority level that a schema refers to exists.
pub(super) fn schema_condition(value: &mut Value, ctx: &Context<'_>) {
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

pub(super) fn validate_schema(value: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let path = spec.field("matchingPrecedence");
    let precedence = int(value, "/spec/matchingPrecedence").unwrap_or(0);
    if precedence <= 0 {
        errors.invalid(&path, precedence, "must be a positive value");
    }
    if precedence > MAX_PRECEDENCE {
        let why = format!("must not be greater than {MAX_PRECEDENCE}");
        errors.invalid(&path, precedence, &why);
    }
    if precedence == 1 && text(value, "/metadata/name") != "exempt" {
        let why = "only the schema named 'exempt' may have matchingPrecedence 1";
        errors.invalid(&path, precedence, why);
    }
    if let Some(method) = value.pointer("/spec/distinguisherMethod") {
        let path = spec.field("distinguisherMethod");
        let kind = field(method, "type");
        errors.one_of(&path.field("type"), kind, &["ByNamespace", "ByUser"]);
    }
    let level = text(value, "/spec/priorityLevelConfiguration/name");
    let path = spec.field("priorityLevelConfiguration");
    if level.is_empty() {
        errors.required(&path.field("name"), "must reference a priority level");
    } else {
        errors.checked(&path.field("name"), level, dns_subdomain);
    }
    let rules = spec.field("rules");
    for (i, rule) in items(value, "/spec/rules").iter().enumerate() {
        validate_rule(rule, &rules.index(i), errors);
    }
    validate_conditions(value, errors);
}

fn validate_rule(rule: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (at, subjects) = (path.field("subjects"), items(rule, "/subjects"));
    if subjects.is_empty() {
        errors.required(&at, "subjects must contain at least one value");
    }
    for (i, subject) in subjects.iter().enumerate() {
        validate_subject(subject, &at.index(i), errors);
    }
    let (resources, others) = (
        items(rule, "/resourceRules"),
        items(rule, "/nonResourceRules"),
    );
    if resources.is_empty() && others.is_empty() {
        let why = "at least one of resourceRules and nonResourceRules has to be non-empty";
        errors.required(path, why);
    }
    let list = path.field("resourceRules");
    for (i, rule) in resources.iter().enumerate() {
        validate_resources(rule, &list.index(i), errors);
    }
    let list = path.field("nonResourceRules");
    for (i, rule) in others.iter().enumerate() {
        let at = list.index(i);
        validate_verbs(rule, &at, errors);
        let why = "nonResourceURLs must contain at least one value";
        if validate_list(
            rule,
            ("nonResourceURLs", "non-resource URLs", why),
            &at,
            errors,
        ) {
            let list = at.field("nonResourceURLs");
            for (i, url) in items(rule, "/nonResourceURLs").iter().enumerate() {
                errors.checked(&list.index(i), url.as_str().unwrap_or_default(), url_path);
            }
        }
    }
}

fn validate_subject(subject: &Value, path: &Path<'_>, errors: &mut Errors) {
    const KINDS: [(&str, &str); 3] = [
        ("Group", "group"),
        ("ServiceAccount", "serviceAccount"),
        ("User", "user"),
    ];
    let kind = field(subject, "kind");
    let Some((_, own)) = KINDS.iter().find(|(name, _)| *name == kind) else {
        let names = KINDS.map(|(name, _)| name);
        return errors.unsupported(&path.field("kind"), kind, &names);
    };
    let at = path.field(own);
    match subject.get(*own) {
        None => {
            let why = format!("{own} is required when subject kind is '{kind}'");
            errors.required(&at, &why);
        }
        Some(account) if kind == "ServiceAccount" => {
            let (name, namespace) = (field(account, "name"), field(account, "namespace"));
            if name != "*" {
                errors.named(&at.field("name"), name, dns_subdomain);
            }
            let at = at.field("namespace");
            if namespace.is_empty() {
                errors.required(&at, "must specify namespace for service account");
            } else {
                errors.checked(&at, namespace, dns_label);
            }
        }
        Some(who) => errors.named(&at.field("name"), field(who, "name"), |_| None),
    }
    for (other, name) in ["ServiceAccount", "User", "Group"]
        .iter()
        .filter_map(|kind| KINDS.iter().find(|(k, _)| k == kind))
        .filter(|(_, name)| name != own && subject.get(*name).is_some())
    {
        let why = format!("{name} is forbidden when subject kind is not '{other}'");
        errors.forbidden(&path.field(name), &why);
    }
}

/// A list that must be there and in which a star stands alone. True when its items are to be looked at.
fn validate_list(
    rule: &Value,
    (name, noun, why): (&str, &str, &str),
    path: &Path<'_>,
    errors: &mut Errors,
) -> bool {
    let (at, list) = (path.field(name), items(rule, &format!("/{name}")));
    let has_star = list.iter().any(|word| word == "*");
    if list.is_empty() {
        errors.required(&at, why);
    } else if has_star && list.len() > 1 {
        let why = format!("if '*' is present, must not specify other {noun}");
        errors.invalid(&at, list.to_vec(), &why);
    }
    !has_star
}

fn validate_verbs(rule: &Value, path: &Path<'_>, errors: &mut Errors) {
    let why = "verbs must contain at least one value";
    let verbs = items(rule, "/verbs");
    let known = |verb: &Value| verb.as_str().is_some_and(|v| VERBS.contains(&v));
    if validate_list(rule, ("verbs", "verbs", why), path, errors) && !verbs.iter().all(known) {
        errors.unsupported(&path.field("verbs"), verbs.to_vec(), VERBS);
    }
}

fn validate_resources(rule: &Value, path: &Path<'_>, errors: &mut Errors) {
    validate_verbs(rule, path, errors);
    for row in [
        (
            "apiGroups",
            "api groups",
            "resource rules must supply at least one api group",
        ),
        (
            "resources",
            "resources",
            "resource rules must supply at least one resource",
        ),
    ] {
        validate_list(rule, row, path, errors);
    }
    let namespaces = items(rule, "/namespaces");
    if namespaces.is_empty() && flag(rule, "/clusterScope") {
        return;
    }
    let why = "resource rules that are not cluster scoped must supply at least one namespace";
    if validate_list(rule, ("namespaces", "namespaces", why), path, errors) {
        let list = path.field("namespaces");
        for (i, name) in namespaces.iter().enumerate() {
            errors.checked(&list.index(i), name.as_str().unwrap_or_default(), |name| {
                let why = dns_label(name)?;
                Some(format!(
                    "each member of this list must be '*' or a DNS-1123 label; {why}"
                ))
            });
        }
    }
}

/// What is wrong with the path of something that is no resource.
fn url_path(path: &str) -> Option<String> {
    let stars = path.matches('*').count();
    let why = match path {
        "" => "must not be empty",
        "/" => return None,
        _ if !path.starts_with('/') => "must start with slash",
        _ if path.contains(' ') => "must not contain white-space",
        _ if path.contains("//") => "must not contain double slash",
        _ if stars > 1 || (stars == 1 && !path.ends_with("/*")) => {
            "wildcard can only do suffix matching"
        }
        _ => return None,
    };
    Some(why.into())
}

pub(super) fn validate_level(value: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let (kind, is_exempt) = (
        text(value, "/spec/type"),
        text(value, "/metadata/name") == "exempt",
    );
    if is_exempt != (kind == "Exempt") {
        let why = "type must be 'Exempt' if and only if name is 'exempt'";
        errors.invalid(&spec.field("type"), kind, why);
    }
    let (at, limited) = (spec.field("limited"), value.pointer("/spec/limited"));
    let exempt = value.pointer("/spec/exempt");
    match kind {
        "Exempt" => {
            if limited.is_some() {
                errors.forbidden(&at, "must be nil if the type is not Limited");
            }
            validate_shares(exempt, &spec.field("exempt"), errors);
        }
        "Limited" => {
            if exempt.is_some() {
                let why = "must be nil if the type is Limited";
                errors.forbidden(&spec.field("exempt"), why);
            }
            if limited.is_none() {
                errors.required(&at, "must not be empty when type is Limited");
            }
            validate_shares(limited, &at, errors);
            if let Some(limited) = limited {
                validate_response(limited, &at.field("limitResponse"), errors);
            }
        }
        other => errors.unsupported(&spec.field("type"), other, &["Exempt", "Limited"]),
    }
    validate_conditions(value, errors);
}

/// Seats of a level, and the part of them that it lends.
fn validate_shares(level: Option<&Value>, path: &Path<'_>, errors: &mut Errors) {
    let Some(level) = level else { return };
    let shares = int(level, "/nominalConcurrencyShares").unwrap_or(0);
    if shares < 0 {
        let why = "must be a non-negative integer";
        errors.invalid(&path.field("nominalConcurrencyShares"), shares, why);
    }
    let lent = int(level, "/lendablePercent").unwrap_or(0);
    if !(0..=100).contains(&lent) {
        let why = "must be between 0 and 100, inclusive";
        errors.invalid(&path.field("lendablePercent"), lent, why);
    }
    if let Some(percent) = int(level, "/borrowingLimitPercent").filter(|p| *p < 0) {
        let why = "if specified, must be a non-negative integer";
        errors.invalid(&path.field("borrowingLimitPercent"), percent, why);
    }
}

fn validate_response(limited: &Value, path: &Path<'_>, errors: &mut Errors) {
    let kind = text(limited, "/limitResponse/type");
    let (at, queuing) = (
        path.field("queuing"),
        limited.pointer("/limitResponse/queuing"),
    );
    match (kind, queuing) {
        ("Reject", Some(_)) => errors.forbidden(
            &at,
            "must be nil if limited.limitResponse.type is not Limited",
        ),
        ("Queue", None) => errors.required(
            &at,
            "must not be empty if limited.limitResponse.type is Limited",
        ),
        ("Queue", Some(queuing)) => validate_queuing(queuing, &at, errors),
        ("Reject", None) => {}
        (other, _) => errors.unsupported(&path.field("type"), other, &["Queue", "Reject"]),
    }
}

fn validate_queuing(queuing: &Value, path: &Path<'_>, errors: &mut Errors) {
    let number = |name: &str| int(queuing, &format!("/{name}")).unwrap_or(0);
    for name in ["queueLengthLimit", "queues", "handSize"] {
        if number(name) <= 0 {
            errors.invalid(&path.field(name), number(name), "must be positive");
        }
    }
    let (queues, hand) = (number("queues"), number("handSize"));
    if queues > MAX_QUEUES {
        let why = format!("must not be greater than {MAX_QUEUES}");
        errors.invalid(&path.field("queues"), queues, &why);
    }
    let at = path.field("handSize");
    if hand > 0 && hand > queues {
        let why = format!("should not be greater than queues ({queues})");
        errors.invalid(&at, hand, &why);
    } else if hand > 0 && entropy_bits(queues, hand) > f64::from(MAX_HASH_BITS) {
        let why = format!(
            "required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {MAX_HASH_BITS}"
        );
        errors.invalid(&at, hand, &why);
    }
}

/// How many bits deal a hand (`shufflesharding.RequiredEntropyBits`).
fn entropy_bits(deck: i64, hand: i64) -> f64 {
    ((deck as f64).log2() * hand as f64).ceil()
}

/// Conditions have types, each its own.
fn validate_conditions(value: &Value, errors: &mut Errors) {
    let status = Path::new("status");
    let path = status.field("conditions");
    let mut seen = BTreeSet::new();
    for (i, condition) in items(value, "/status/conditions").iter().enumerate() {
        let (at, kind) = (path.index(i), field(condition, "type"));
        if !seen.insert(kind) {
            errors.duplicate(&at.field("type"), kind);
        }
        if kind.is_empty() {
            errors.required(&at.field("type"), "must not be empty");
        }
    }
}

/// The same for an update of the status.
pub(super) fn validate_status(new: &Value, _old: &Value, errors: &mut Errors) {
    validate_conditions(new, errors);
}

/// What the server itself needs stays as it is.
pub(super) fn validate_update(new: &Value, old: &Value, errors: &mut Errors) {
    let name = text(new, "/metadata/name");
    // Of the exempt level, the shares may change.
    let is_fixed =
        name == "catch-all" || (name == "exempt" && new.pointer("/spec/exempt").is_none());
    if is_fixed && new.get("spec") != old.get("spec") {
        let shown = new.get("spec").cloned().unwrap_or_default();
        let why = format!("spec of '{name}' must equal the fixed value");
        errors.invalid(&Path::new("spec"), shown, &why);
    }
}
