//! What a pod's spec may say (`pkg/apis/core/validation/validation.go`, `ValidatePodSpec`): the pod as a whole;
//! its containers are in [`containers`], its security in [`security`], its smaller lists in [`parts`].

pub(super) mod containers;
mod parts;
mod security;

use std::collections::BTreeSet;

use serde_json::Value;
use shared::name::{dns_label, dns_subdomain};

use super::volume;
use crate::errors::{Errors, Path};
use crate::meta::{label_value, qualified_name, validate_labels};
use crate::value::{field, flag, int, items, text};

const MAX_INT32: i64 = i32::MAX as i64;

pub(super) fn validate(pod: &Value, errors: &mut Errors) {
    let Some(spec) = pod.get("spec") else {
        return errors.required(&Path::new("spec.containers"), "");
    };
    validate_spec(spec, &Path::new("spec"), errors);
}

/// Checks the spec of a pod or of a pod template.
pub(super) fn validate_spec(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let volumes = volume::validate(items(spec, "/volumes"), &path.field("volumes"), errors);
    containers::validate(spec, path, &volumes, errors);
    let restart = text(spec, "/restartPolicy");
    if restart.is_empty() {
        errors.required(&path.field("restartPolicy"), "");
    } else {
        errors.one_of(
            &path.field("restartPolicy"),
            restart,
            &["Always", "OnFailure", "Never"],
        );
    }
    validate_dns(spec, path, errors);
    validate_numbers(spec, path, errors);
    validate_labels(
        spec.get("nodeSelector"),
        &path.field("nodeSelector"),
        errors,
    );
    validate_names(spec, path, errors);
    security::validate_pod(spec, path, errors);
    parts::validate(spec, path, errors);
    validate_tolerations(
        items(spec, "/tolerations"),
        &path.field("tolerations"),
        errors,
    );
    validate_spread(
        items(spec, "/topologySpreadConstraints"),
        &path.field("topologySpreadConstraints"),
        errors,
    );
    if let Some(affinity) = spec.get("affinity") {
        validate_affinity(affinity, &path.field("affinity"), errors);
    }
    validate_gates(
        items(spec, "/schedulingGates"),
        &path.field("schedulingGates"),
        errors,
    );
}

fn validate_dns(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let policy = text(spec, "/dnsPolicy");
    let at = path.field("dnsPolicy");
    errors.one_of(
        &at,
        policy,
        &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
    );
    let config = path.field("dnsConfig");
    if policy == "None" {
        if spec.get("dnsConfig").is_none() {
            errors.required(&config, "must provide `dnsConfig` when `dnsPolicy` is None");
        } else if items(spec, "/dnsConfig/nameservers").is_empty() {
            errors.required(
                &config.field("nameservers"),
                "must provide at least one DNS nameserver when `dnsPolicy` is None",
            );
        }
    }
}

fn validate_numbers(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    if let Some(grace) = int(spec, "/terminationGracePeriodSeconds").filter(|s| *s < 0) {
        errors.invalid(
            &path.field("terminationGracePeriodSeconds"),
            grace,
            "must be greater than or equal to 0",
        );
    }
    if let Some(deadline) =
        int(spec, "/activeDeadlineSeconds").filter(|s| !(1..=MAX_INT32).contains(s))
    {
        errors.invalid(
            &path.field("activeDeadlineSeconds"),
            deadline,
            "must be between 1 and 2147483647, inclusive",
        );
    }
    if !text(spec, "/preemptionPolicy").is_empty() {
        errors.one_of(
            &path.field("preemptionPolicy"),
            text(spec, "/preemptionPolicy"),
            &["Never", "PreemptLowerPriority"],
        );
    }
}

fn validate_names(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    type Check = fn(&str) -> Option<String>;
    let rules: [(&str, Check); 6] = [
        ("serviceAccountName", dns_subdomain),
        ("nodeName", dns_subdomain),
        ("hostname", dns_label),
        ("subdomain", dns_label),
        ("priorityClassName", dns_subdomain),
        ("runtimeClassName", dns_subdomain),
    ];
    for (name, check) in rules {
        let value = field(spec, name);
        if let Some(why) = Some(value).filter(|v| !v.is_empty()).and_then(check) {
            errors.invalid(&path.field(name), value, &why);
        }
    }
}

pub(super) fn validate_tolerations(tolerations: &[Value], path: &Path<'_>, errors: &mut Errors) {
    for (i, toleration) in tolerations.iter().enumerate() {
        let at = path.index(i);
        let (key, operator) = (field(toleration, "key"), field(toleration, "operator"));
        let (value, effect) = (field(toleration, "value"), field(toleration, "effect"));
        if let Some(why) = Some(key).filter(|k| !k.is_empty()).and_then(qualified_name) {
            errors.invalid(&at.field("key"), key, &why);
        }
        if key.is_empty() && operator != "Exists" {
            errors.invalid(
                &at.field("operator"),
                operator,
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
            );
        }
        if toleration.get("tolerationSeconds").is_some() && effect != "NoExecute" {
            errors.invalid(
                &at.field("effect"),
                effect,
                "effect must be 'NoExecute' when `tolerationSeconds` is set",
            );
        }
        match operator {
            "Equal" | "" => {
                if let Some(why) = label_value(value) {
                    errors.invalid(&at.field("operator"), value, &why);
                }
            }
            "Exists" if !value.is_empty() => {
                errors.invalid(
                    &at.field("operator"),
                    value,
                    "value must be empty when `operator` is 'Exists'",
                );
            }
            "Exists" => {}
            other => errors.unsupported(&at.field("operator"), other, &["Equal", "Exists"]),
        }
        if !effect.is_empty() {
            errors.one_of(
                &at.field("effect"),
                effect,
                &["NoSchedule", "PreferNoSchedule", "NoExecute"],
            );
        }
    }
}

fn validate_spread(constraints: &[Value], path: &Path<'_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for (i, constraint) in constraints.iter().enumerate() {
        let at = path.index(i);
        let skew = int(constraint, "/maxSkew").unwrap_or(0);
        if skew <= 0 {
            errors.invalid(&at.field("maxSkew"), skew, "must be greater than zero");
        }
        let (key, when) = (
            field(constraint, "topologyKey"),
            field(constraint, "whenUnsatisfiable"),
        );
        if key.is_empty() {
            errors.required(&at.field("topologyKey"), "can not be empty");
        } else if let Some(why) = qualified_name(key) {
            errors.invalid(&at.field("topologyKey"), key, &why);
        }
        errors.one_of(
            &at.field("whenUnsatisfiable"),
            when,
            &["DoNotSchedule", "ScheduleAnyway"],
        );
        validate_domains(constraint, when, &at, errors);
        if !seen.insert((key, when)) {
            errors.duplicate(
                &at.field("{topologyKey, whenUnsatisfiable}"),
                format!("{{{key}, {when}}}"),
            );
        }
        validate_selector(
            constraint.get("labelSelector"),
            &at.field("labelSelector"),
            errors,
        );
        validate_label_keys(constraint, "matchLabelKeys", &at, errors);
    }
}

/// The parts of a spread constraint about which nodes count.
fn validate_domains(constraint: &Value, when: &str, path: &Path<'_>, errors: &mut Errors) {
    if let Some(count) = int(constraint, "/minDomains") {
        let at = path.field("minDomains");
        if count <= 0 {
            errors.invalid(&at, count, "must be greater than zero");
        }
        if when != "DoNotSchedule" {
            let why =
                format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {when}");
            errors.invalid(&at, count, &why);
        }
    }
    for name in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
        if constraint.get(name).is_some() {
            errors.one_of(
                &path.field(name),
                field(constraint, name),
                &["Honor", "Ignore"],
            );
        }
    }
}

/// Keys whose values the pod's own labels give; the selector may not name them as well.
fn validate_label_keys(term: &Value, name: &str, path: &Path<'_>, errors: &mut Errors) {
    let keys = items(term, &format!("/{name}"));
    let at = path.field(name);
    if !keys.is_empty() && term.get("labelSelector").is_none() {
        return errors.forbidden(&at, "must not be specified when labelSelector is not set");
    }
    for (i, key) in keys.iter().enumerate() {
        let key = key.as_str().unwrap_or_default();
        if let Some(why) = qualified_name(key) {
            errors.invalid(&at.index(i), key, &why);
        }
        let is_selected = term
            .pointer("/labelSelector/matchLabels")
            .is_some_and(|labels| labels.get(key).is_some())
            || items(term, "/labelSelector/matchExpressions")
                .iter()
                .any(|e| field(e, "key") == key);
        if is_selected {
            let why = format!("exists in both {name} and labelSelector");
            errors.invalid(&at.index(i), key, &why);
        }
    }
}

/// Checks a `metav1.LabelSelector`.
pub(super) fn validate_selector(selector: Option<&Value>, path: &Path<'_>, errors: &mut Errors) {
    let Some(selector) = selector else { return };
    validate_labels(
        selector.get("matchLabels"),
        &path.field("matchLabels"),
        errors,
    );
    let expressions = path.field("matchExpressions");
    for (i, expression) in items(selector, "/matchExpressions").iter().enumerate() {
        let at = expressions.index(i);
        let (key, operator) = (field(expression, "key"), field(expression, "operator"));
        let is_listed = !items(expression, "/values").is_empty();
        match operator {
            "In" | "NotIn" if !is_listed => {
                errors.required(
                    &at.field("values"),
                    "must be specified when `operator` is 'In' or 'NotIn'",
                );
            }
            "Exists" | "DoesNotExist" if is_listed => {
                errors.forbidden(
                    &at.field("values"),
                    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                );
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => errors.invalid(
                &at.field("operator"),
                other,
                "not a valid selector operator",
            ),
        }
        errors.checked(&at.field("key"), key, qualified_name);
        let values = at.field("values");
        for (j, value) in items(expression, "/values").iter().enumerate() {
            let value = value.as_str().unwrap_or_default();
            errors.checked(&values.index(j), value, label_value);
        }
    }
}

fn validate_affinity(affinity: &Value, path: &Path<'_>, errors: &mut Errors) {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    if let Some(required) = affinity.pointer(&format!("/nodeAffinity/{REQUIRED}")) {
        let node = path.field("nodeAffinity");
        validate_node_selector(required, &node.field(REQUIRED), errors);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let base = path.field(kind);
        let at = base.field(REQUIRED);
        for (i, term) in items(affinity, &format!("/{kind}/{REQUIRED}"))
            .iter()
            .enumerate()
        {
            validate_pod_term(term, &at.index(i), errors);
        }
        let at = base.field(PREFERRED);
        for (i, weighted) in items(affinity, &format!("/{kind}/{PREFERRED}"))
            .iter()
            .enumerate()
        {
            let here = at.index(i);
            validate_weight(weighted, &here, errors);
            let term = weighted.get("podAffinityTerm").unwrap_or(&Value::Null);
            validate_pod_term(term, &here.field("podAffinityTerm"), errors);
        }
    }
    let node = path.field("nodeAffinity");
    let at = node.field(PREFERRED);
    for (i, weighted) in items(affinity, &format!("/nodeAffinity/{PREFERRED}"))
        .iter()
        .enumerate()
    {
        let here = at.index(i);
        validate_weight(weighted, &here, errors);
        validate_node_term(
            weighted.get("preference").unwrap_or(&Value::Null),
            &here.field("preference"),
            errors,
        );
    }
}

/// Checks a `NodeSelector`.
pub(super) fn validate_node_selector(selector: &Value, path: &Path<'_>, errors: &mut Errors) {
    let at = path.field("nodeSelectorTerms");
    let terms = items(selector, "/nodeSelectorTerms");
    if terms.is_empty() {
        errors.required(&at, "must have at least one node selector term");
    }
    for (i, term) in terms.iter().enumerate() {
        validate_node_term(term, &at.index(i), errors);
    }
}

fn validate_weight(weighted: &Value, path: &Path<'_>, errors: &mut Errors) {
    let weight = int(weighted, "/weight").unwrap_or(0);
    if !(1..=100).contains(&weight) {
        errors.invalid(&path.field("weight"), weight, "must be in the range 1-100");
    }
}

fn validate_pod_term(term: &Value, path: &Path<'_>, errors: &mut Errors) {
    for name in ["labelSelector", "namespaceSelector"] {
        validate_selector(term.get(name), &path.field(name), errors);
    }
    let namespaces = path.field("namespaces");
    for name in items(term, "/namespaces") {
        let name = name.as_str().unwrap_or_default();
        if let Some(why) = dns_label(name) {
            errors.invalid(&namespaces, name, &why);
        }
    }
    for name in ["matchLabelKeys", "mismatchLabelKeys"] {
        validate_label_keys(term, name, path, errors);
    }
    let key = field(term, "topologyKey");
    if key.is_empty() {
        errors.required(&path.field("topologyKey"), "can not be empty");
    } else if let Some(why) = qualified_name(key) {
        errors.invalid(&path.field("topologyKey"), key, &why);
    }
}

fn validate_node_term(term: &Value, path: &Path<'_>, errors: &mut Errors) {
    let list = path.field("matchExpressions");
    for (i, expression) in items(term, "/matchExpressions").iter().enumerate() {
        let at = list.index(i);
        let values = items(expression, "/values");
        match field(expression, "operator") {
            "In" | "NotIn" if values.is_empty() => {
                errors.required(
                    &at.field("values"),
                    "must be specified when `operator` is 'In' or 'NotIn'",
                );
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                errors.forbidden(
                    &at.field("values"),
                    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                );
            }
            "Gt" | "Lt" if values.len() != 1 => {
                errors.required(
                    &at.field("values"),
                    "must be specified single value when `operator` is 'Lt' or 'Gt'",
                );
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
            other => errors.invalid(
                &at.field("operator"),
                other,
                "not a valid selector operator",
            ),
        }
        let key = field(expression, "key");
        if let Some(why) = qualified_name(key) {
            errors.invalid(&at.field("key"), key, &why);
        }
    }
}

fn validate_gates(gates: &[Value], path: &Path<'_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for (i, gate) in gates.iter().enumerate() {
        let (at, name) = (path.index(i), field(gate, "name"));
        if let Some(why) = qualified_name(name) {
            errors.invalid(&at.field("name"), name, &why);
        }
        if !seen.insert(name) {
            errors.duplicate(&at, name);
        }
    }
}

/// True when the pod uses its node's network.
pub(super) fn uses_host_network(spec: &Value) -> bool {
    flag(spec, "/hostNetwork")
}
