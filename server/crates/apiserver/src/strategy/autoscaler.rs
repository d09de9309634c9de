//! What autoscalers and disruption budgets may say.
//!
//! Complaints name the fields of `autoscaling/v2`, in both versions (`autoscaling/validation`).

use serde_json::Value;
use shared::name::dns_label;

use super::{pod_check, quantity};
use crate::errors::{Errors, Path};
use crate::meta::path_segment;
use crate::value::{field, int, items, text};

/// The longest time that one scaling policy looks back, in seconds (`MaxPeriodSeconds`).
const MAX_PERIOD_S: i64 = 1800;
/// The longest stabilization window, in seconds (`MaxStabilizationWindowSeconds`).
const MAX_WINDOW_S: i64 = 3600;
/// What a metric can come from: the type and the field that describes it.
const SOURCES: &[(&str, &str)] = &[
    ("ContainerResource", "containerResource"),
    ("External", "external"),
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
];

pub(super) fn validate(value: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let (min, max) = (
        int(value, "/spec/minReplicas").unwrap_or(1),
        int(value, "/spec/maxReplicas").unwrap_or(0),
    );
    if min < 1 {
        errors.invalid(
            &spec.field("minReplicas"),
            min,
            "must be greater than or equal to 1",
        );
    }
    let path = spec.field("maxReplicas");
    if max < 1 {
        errors.invalid(&path, max, "must be greater than 0");
    }
    if max < min {
        let why = "must be greater than or equal to `minReplicas`";
        errors.invalid(&path, max, why);
    }
    let target = value.pointer("/spec/scaleTargetRef");
    validate_reference(
        target.unwrap_or(&Value::Null),
        &spec.field("scaleTargetRef"),
        errors,
    );
    let metrics = spec.field("metrics");
    for (i, metric) in items(value, "/spec/metrics").iter().enumerate() {
        validate_metric(metric, &metrics.index(i), errors);
    }
    let behavior = spec.field("behavior");
    for direction in ["scaleUp", "scaleDown"] {
        if let Some(rules) = value.pointer(&format!("/spec/behavior/{direction}")) {
            validate_rules(rules, &behavior.field(direction), errors);
        }
    }
}

fn validate_reference(reference: &Value, path: &Path<'_>, errors: &mut Errors) {
    for name in ["kind", "name"] {
        errors.named(&path.field(name), field(reference, name), path_segment);
    }
}

fn validate_rules(rules: &Value, path: &Path<'_>, errors: &mut Errors) {
    let window = int(rules, "/stabilizationWindowSeconds").unwrap_or(0);
    let at = path.field("stabilizationWindowSeconds");
    if window < 0 {
        errors.invalid(&at, window, "must be greater than or equal to zero");
    }
    at_most(&at, window, MAX_WINDOW_S, errors);
    if rules.get("selectPolicy").is_some() {
        let select = field(rules, "selectPolicy");
        let at = path.field("selectPolicy");
        errors.one_of(&at, select, &["Disabled", "Max", "Min"]);
    }
    let (path, policies) = (path.field("policies"), items(rules, "/policies"));
    if policies.is_empty() {
        errors.required(&path, "must specify at least one Policy");
    }
    for (i, policy) in policies.iter().enumerate() {
        let at = path.index(i);
        let kind = field(policy, "type");
        errors.one_of(&at.field("type"), kind, &["Percent", "Pods"]);
        for name in ["value", "periodSeconds"] {
            let number = int(policy, &format!("/{name}")).unwrap_or(0);
            if number <= 0 {
                errors.invalid(&at.field(name), number, "must be greater than zero");
            }
        }
        let period = int(policy, "/periodSeconds").unwrap_or(0);
        at_most(&at.field("periodSeconds"), period, MAX_PERIOD_S, errors);
    }
}

fn at_most(path: &Path<'_>, number: i64, max: i64, errors: &mut Errors) {
    if number > max {
        let why = format!("must be less than or equal to {max}");
        errors.invalid(path, number, &why);
    }
}

fn validate_metric(metric: &Value, path: &Path<'_>, errors: &mut Errors) {
    let kind = field(metric, "type");
    if kind.is_empty() {
        errors.required(&path.field("type"), "must specify a metric source type");
    }
    let expected = SOURCES.iter().find(|(name, _)| *name == kind);
    if expected.is_none() {
        let names: Vec<&str> = SOURCES.iter().map(|(name, _)| *name).collect();
        errors.unsupported(&path.field("type"), kind, &names);
    }
    // The original reads them in this order and looks at the first alone.
    let order = [
        "object",
        "external",
        "pods",
        "resource",
        "containerResource",
    ];
    let mut present = order.into_iter().filter(|name| metric.get(*name).is_some());
    if let Some(first) = present.next() {
        validate_source(first, &metric[first], &path.field(first), errors);
    }
    let Some((_, expected)) = expected else {
        return;
    };
    if metric.get(*expected).is_none() {
        let why = "must populate information for the given metric source";
        errors.required(&path.field(expected), why);
    }
    let others = order.into_iter().filter(|name| name != expected);
    for other in others.filter(|name| metric.get(*name).is_some()) {
        let why = "must populate the given metric source only";
        errors.forbidden(&path.field(other), why);
    }
}

fn validate_source(kind: &str, source: &Value, path: &Path<'_>, errors: &mut Errors) {
    if kind == "object" {
        let object = source.get("describedObject").unwrap_or(&Value::Null);
        validate_reference(object, &path.field("describedObject"), errors);
    }
    if matches!(kind, "object" | "external" | "pods") {
        let metric = path.field("metric");
        let (at, name) = (metric.field("name"), text(source, "/metric/name"));
        if name.is_empty() {
            errors.required(&at, "must specify a metric name");
        } else {
            errors.checked(&at, name, path_segment);
        }
    } else if field(source, "name").is_empty() {
        errors.required(&path.field("name"), "must specify a resource name");
    }
    if kind == "containerResource" {
        let (at, container) = (path.field("container"), field(source, "container"));
        if container.is_empty() {
            errors.required(&at, "must specify a container");
        } else {
            errors.checked(&at, container, dns_label);
        }
    }
    let target = source.get("target").unwrap_or(&Value::Null);
    validate_target(target, &path.field("target"), errors);
    validate_choice(kind, target, &path.field("target"), errors);
}

fn validate_target(target: &Value, path: &Path<'_>, errors: &mut Errors) {
    let kind = field(target, "type");
    let at = path.field("type");
    if kind.is_empty() {
        errors.required(&at, "must specify a metric target type");
    }
    if !matches!(kind, "Utilization" | "Value" | "AverageValue") {
        let why = "must be either Utilization, Value, or AverageValue";
        errors.invalid(&at, kind, why);
    }
    for name in ["value", "averageValue"] {
        let amount = quantity(target.get(name));
        if amount.is_some_and(|a| a <= shared::quantity::Quantity::units(0)) {
            let shown = target.get(name).cloned().unwrap_or_default();
            errors.invalid(&path.field(name), shown, "must be positive");
        }
    }
    if let Some(percent) = int(target, "/averageUtilization").filter(|p| *p < 1) {
        let at = path.field("averageUtilization");
        errors.invalid(&at, percent, "must be greater than 0");
    }
}

/// Which of a target's numbers a kind of source needs, and which exclude each other.
fn validate_choice(kind: &str, target: &Value, path: &Path<'_>, errors: &mut Errors) {
    let has = |name: &str| target.get(name).is_some();
    let (value, average, share) = (has("value"), has("averageValue"), has("averageUtilization"));
    let [at_value, at_average] = [path.field("value"), path.field("averageValue")];
    match kind {
        "object" if !value && !average => {
            errors.required(
                &at_average,
                "must set either a target value or averageValue",
            );
        }
        "external" if !value && !average => {
            let why = "must set either a target value for metric or a per-pod target";
            errors.required(&at_average, why);
        }
        "external" if value && average => {
            let why = "may not set both a target value for metric and a per-pod target";
            errors.forbidden(&at_value, why);
        }
        "pods" if !average => {
            errors.required(&at_average, "must specify a positive target averageValue");
        }
        "resource" | "containerResource" if !share && !average => {
            let why = "must set either a target raw value or a target utilization";
            errors.required(&path.field("averageUtilization"), why);
        }
        "resource" | "containerResource" if share && average => {
            let why = "may not set both a target raw value and a target utilization";
            errors.forbidden(&at_average, why);
        }
        _ => {}
    }
}

/// The counts in an autoscaler's status.
pub(super) fn validate_status(new: &Value, _old: &Value, errors: &mut Errors) {
    let status = Path::new("status");
    for name in ["currentReplicas", "desiredReplicas"] {
        let count = int(new, &format!("/status/{name}"));
        errors.at_least(&status.field(name), count, 0);
    }
}

pub(super) fn validate_disruption_budget(value: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let limits = ["minAvailable", "maxUnavailable"];
    let limit = |name: &str| value.pointer(&format!("/spec/{name}"));
    if limits.iter().all(|name| limit(name).is_some()) {
        let shown = value.get("spec").cloned().unwrap_or_default();
        let why = "minAvailable and maxUnavailable cannot be both set";
        errors.invalid(&spec, shown, why);
    }
    for name in limits {
        if let Some(limit) = limit(name) {
            validate_share(limit, &spec.field(name), errors);
        }
    }
    pod_check::validate_selector(
        value.pointer("/spec/selector"),
        &spec.field("selector"),
        errors,
    );
    if value.pointer("/spec/unhealthyPodEvictionPolicy").is_some() {
        errors.one_of(
            &spec.field("unhealthyPodEvictionPolicy"),
            text(value, "/spec/unhealthyPodEvictionPolicy"),
            &["AlwaysAllow", "IfHealthyBudget"],
        );
    }
}

/// A count, or a part of all up to 100% (`ValidatePositiveIntOrPercent`, `IsNotMoreThan100Percent`).
fn validate_share(share: &Value, path: &Path<'_>, errors: &mut Errors) {
    let Some(text) = share.as_str() else {
        return errors.at_least(path, share.as_i64(), 0);
    };
    let digits = text.strip_suffix('%').unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
        let why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
        errors.invalid(path, text, why);
    } else if digits.parse::<u64>().is_ok_and(|percent| percent > 100) {
        errors.invalid(path, text, "must not be greater than 100%");
    }
}
