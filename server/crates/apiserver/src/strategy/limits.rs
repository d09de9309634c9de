//! Limits of a namespace: LimitRanges and ResourceQuotas (`ValidateLimitRange`, `ValidateResourceQuotaSpec`).

use std::collections::BTreeSet;

use serde_json::Value;
use shared::quantity::Quantity;

use crate::errors::{Errors, Path};
use crate::meta::qualified_name;
use crate::value::{Fields, as_object, each, empty, entries, field, inside, items, object};

const LIMIT_TYPES: &[&str] = &["Container", "PersistentVolumeClaim", "Pod"];
/// Resources that count whole objects.
const COUNTED: &[&str] = &[
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];
const MEASURED: &[&str] = &["cpu", "memory", "ephemeral-storage"];
const SCOPES: &[&str] = &[
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
];

/// Defaults and default requests of a Container limit follow from the maximum and the minimum.
pub(super) fn limit_range_defaults(value: &mut Value) {
    each(object(value, "spec"), "limits", |limit| {
        if limit.get("type").and_then(Value::as_str) != Some("Container") {
            return;
        }
        for (from, to) in [
            ("max", "default"),
            ("default", "defaultRequest"),
            ("min", "defaultRequest"),
        ] {
            let Some(known) = inside(limit, from)
                .cloned()
                .filter(|m: &Fields| !m.is_empty())
            else {
                continue;
            };
            let target = as_object(limit.entry(to).or_insert_with(empty));
            for (name, amount) in known {
                target.entry(name).or_insert(amount);
            }
        }
    });
}

/// One bound against another: the names of the lists, and what it is called when the first is above the second.
struct Order {
    lower: &'static str,
    upper: &'static str,
    /// The list whose path is complained about, and the list whose value is shown.
    at: (&'static str, &'static str),
    words: (&'static str, &'static str),
}

const ORDERS: &[Order] = &[
    Order {
        lower: "min",
        upper: "max",
        at: ("min", "min"),
        words: ("min value", "max value"),
    },
    Order {
        lower: "min",
        upper: "defaultRequest",
        at: ("defaultRequest", "defaultRequest"),
        words: ("min value", "default request value"),
    },
    Order {
        lower: "defaultRequest",
        upper: "max",
        at: ("defaultRequest", "defaultRequest"),
        words: ("default request value", "max value"),
    },
    Order {
        lower: "defaultRequest",
        upper: "default",
        at: ("defaultRequest", "defaultRequest"),
        words: ("default request value", "default limit value"),
    },
    Order {
        lower: "min",
        upper: "default",
        at: ("default", "min"),
        words: ("min value", "default value"),
    },
    Order {
        lower: "default",
        upper: "max",
        at: ("default", "max"),
        words: ("default value", "max value"),
    },
];

pub(super) fn validate_limit_range(range: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let path = spec.field("limits");
    let mut types = BTreeSet::new();
    let limits = range.pointer("/spec/limits").and_then(Value::as_array);
    for (i, limit) in limits.into_iter().flatten().enumerate() {
        let at = path.index(i);
        let kind = field(limit, "type");
        if let Some(why) = qualified_name(kind) {
            errors.invalid(&at.field("type"), kind, &why);
        } else if !kind.contains('/') && !LIMIT_TYPES.contains(&kind) {
            let why = "must be a standard limit type or fully qualified";
            errors.invalid(&at.field("type"), kind, why);
        }
        if !types.insert(kind) {
            errors.duplicate(&at.field("type"), kind);
        }
        validate_limit(limit, kind, &at, errors);
    }
}

fn validate_limit(limit: &Value, kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let mut names = BTreeSet::new();
    for list in [
        "max",
        "min",
        "default",
        "defaultRequest",
        "maxLimitRequestRatio",
    ] {
        let at = path.field(list);
        let pointer = format!("/{list}");
        let amounts = entries(limit, &pointer);
        if kind == "Pod" && list.starts_with("default") {
            if amounts.count() > 0 {
                errors.forbidden(&at, "may not be specified when `type` is 'Pod'");
            }
            continue;
        }
        for (name, _) in amounts {
            validate_limit_name(name, kind, &at.key(name), errors);
            names.insert(name.as_str());
        }
    }
    let bounds = ["min", "max"].map(|list| limit.get(list).and_then(|l| l.get("storage")));
    if kind == "PersistentVolumeClaim" && bounds.iter().all(Option::is_none) {
        let why = "either minimum or maximum storage value is required, but neither was provided";
        errors.required(&path.field("limits"), why);
    }
    for name in names {
        validate_order(limit, kind, name, path, errors);
    }
}

fn validate_limit_name(name: &str, kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let is_standard = match kind {
        "Pod" | "Container" => MEASURED.contains(&name) || name.starts_with("hugepages-"),
        "PersistentVolumeClaim" => name == "storage",
        _ => true,
    };
    if let Some(why) = qualified_name(name) {
        errors.invalid(path, name, &why);
    } else if !name.contains('/') && !is_standard {
        errors.invalid(
            path,
            name,
            "must be a standard resource type or fully qualified",
        );
    }
}

fn validate_order(limit: &Value, kind: &str, name: &str, path: &Path<'_>, errors: &mut Errors) {
    let raw = |list: &str| {
        let hidden = kind == "Pod" && list.starts_with("default");
        limit.get(list).filter(|_| !hidden)?.get(name)
    };
    let amount = |list: &str| super::quantity(raw(list));
    let shown = |list: &str| raw(list).and_then(Value::as_str).unwrap_or_default();
    for order in ORDERS {
        let (Some(low), Some(high)) = (amount(order.lower), amount(order.upper)) else {
            continue;
        };
        if low > high {
            let ((list, value), (a, b)) = (order.at, order.words);
            let why = format!(
                "{a} {} is greater than {b} {}",
                shown(order.lower),
                shown(order.upper)
            );
            errors.invalid(&path.field(list).key(name), shown(value), &why);
        }
    }
    let ratio = "maxLimitRequestRatio";
    if amount(ratio).is_some_and(|r| r < Quantity::units(1)) {
        let why = format!("ratio {} is less than 1", shown(ratio));
        errors.invalid(&path.field(ratio).key(name), shown(ratio), &why);
    }
}

pub(super) fn validate_quota(quota: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let hard = spec.field("hard");
    for (name, amount) in entries(quota, "/spec/hard") {
        let at = hard.key(name);
        if let Some(why) = qualified_name(name) {
            errors.invalid(&at, name.as_str(), &why);
        } else if !name.contains('/') && !is_quota_resource(name) {
            errors.invalid(&at, name.as_str(), "must be a standard resource for quota");
        }
        let Some(quantity) = super::quantity(Some(amount)) else {
            continue;
        };
        if quantity < Quantity::default() {
            errors.invalid(&at, amount.clone(), "must be greater than or equal to 0");
        }
        if COUNTED.contains(&name.as_str()) && quantity.as_millis() % 1000 != 0 {
            errors.invalid(&at, amount.clone(), "must be an integer");
        }
    }
    validate_scopes(quota, &spec, errors);
}

/// Names without a domain that quotas know (`IsStandardQuotaResourceName`).
fn is_quota_resource(name: &str) -> bool {
    let (prefix, rest) = name.split_once('.').unwrap_or(("", name));
    COUNTED.contains(&name)
        || match prefix {
            "" => MEASURED.contains(&rest) || rest.starts_with("hugepages-"),
            "requests" => {
                MEASURED.contains(&rest) || rest == "storage" || rest.starts_with("hugepages-")
            }
            "limits" => MEASURED.contains(&rest),
            _ => false,
        }
}

/// Whether a scope goes with a resource (`IsResourceQuotaScopeValidForResource`).
fn goes_with(scope: &str, resource: &str) -> bool {
    let is_compute = MEASURED.contains(
        &resource
            .trim_start_matches("requests.")
            .trim_start_matches("limits."),
    );
    match scope {
        "BestEffort" => resource == "pods",
        "Terminating"
        | "NotTerminating"
        | "NotBestEffort"
        | "PriorityClass"
        | "CrossNamespacePodAffinity" => resource == "pods" || is_compute,
        "VolumeAttributesClass" => {
            matches!(resource, "persistentvolumeclaims" | "requests.storage")
        }
        _ => true,
    }
}

fn validate_scopes(quota: &Value, spec: &Path<'_>, errors: &mut Errors) {
    let path = spec.field("scopes");
    let scopes: Vec<&str> = items(quota, "/spec/scopes")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let mut invalid = |why: &str| {
        errors.invalid(
            &path,
            quota.pointer("/spec/scopes").cloned().unwrap_or_default(),
            why,
        );
    };
    for scope in &scopes {
        if !SCOPES.contains(scope) {
            invalid("unsupported scope");
        }
        for (name, _) in entries(quota, "/spec/hard") {
            if is_quota_resource(name) && !goes_with(scope, name) {
                invalid("unsupported scope applied to resource");
            }
        }
    }
    for pair in [
        ["BestEffort", "NotBestEffort"],
        ["NotTerminating", "Terminating"],
    ] {
        if pair.iter().all(|scope| scopes.contains(scope)) {
            invalid("conflicting scopes");
        }
    }
    let selector = spec.field("scopeSelector");
    let path = selector.field("matchExpressions");
    for expression in items(quota, "/spec/scopeSelector/matchExpressions") {
        validate_scope_expression(expression, &path, errors);
    }
}

fn validate_scope_expression(expression: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (scope, operator) = (
        field(expression, "scopeName"),
        field(expression, "operator"),
    );
    if !SCOPES.contains(&scope) {
        errors.invalid(&path.field("scopeName"), scope, "unsupported scope");
    }
    let takes_values = matches!(scope, "PriorityClass" | "VolumeAttributesClass");
    if !takes_values && operator != "Exists" {
        let why = "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
        errors.invalid(&path.field("operator"), operator, why);
    }
    let values = items(expression, "/values");
    match operator {
        "In" | "NotIn" if values.is_empty() => errors.required(
            &path.field("values"),
            "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
        ),
        "Exists" | "DoesNotExist" if !values.is_empty() => errors.invalid(
            &path.field("values"),
            values.to_vec(),
            "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
        ),
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        other => errors.invalid(
            &path.field("operator"),
            other,
            "not a valid selector operator",
        ),
    }
}

pub(super) fn validate_quota_update(new: &Value, old: &Value, errors: &mut Errors) {
    let scopes = |quota: &Value| -> BTreeSet<String> {
        let all = items(quota, "/spec/scopes")
            .iter()
            .filter_map(Value::as_str);
        all.map(str::to_owned).collect()
    };
    if scopes(new) != scopes(old) {
        let value = new.pointer("/spec/scopes").cloned().unwrap_or_default();
        errors.invalid(
            &Path::new("spec").field("scopes"),
            value,
            "field is immutable",
        );
    }
}
