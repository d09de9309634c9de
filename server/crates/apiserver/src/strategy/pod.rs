//! Pods: defaults and the state they start in (`pkg/apis/core/v1/defaults.go`, `pkg/registry/core/pod/strategy.go`).

use serde_json::{Value, json};
use shared::Millis;
use shared::quantity::Quantity;

use super::{container, volume};
use crate::value::{
    Fields, as_object, default_text, default_to, each, inside, items, object, text,
};

pub(super) fn defaults(value: &mut Value) {
    let spec = object(value, "spec");
    default_to(spec, "enableServiceLinks", true);
    for list in ["initContainers", "containers"] {
        each(spec, list, requests_from_limits);
    }
    spec_defaults(spec);
}

/// Defaults of a pod's spec that pod templates get too.
pub(super) fn spec_defaults(spec: &mut Fields) {
    default_text(spec, "dnsPolicy", "ClusterFirst");
    default_text(spec, "restartPolicy", "Always");
    default_text(spec, "schedulerName", "default-scheduler");
    default_to(spec, "terminationGracePeriodSeconds", 30);
    default_to(spec, "securityContext", crate::value::empty());
    one_service_account(spec);
    let host_network = spec.get("hostNetwork").and_then(Value::as_bool) == Some(true);
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        each(spec, list, |c| container::defaults(c, host_network));
    }
    each(spec, "volumes", volume::defaults);
}

/// `serviceAccount` is the old name of `serviceAccountName`; both are always shown.
fn one_service_account(spec: &mut Fields) {
    let name = |fields: &Fields, key: &str| {
        fields
            .get(key)
            .and_then(Value::as_str)
            .filter(|n| !n.is_empty())
            .map(str::to_owned)
    };
    if let Some(account) = name(spec, "serviceAccountName").or_else(|| name(spec, "serviceAccount"))
    {
        spec.insert("serviceAccount".into(), account.as_str().into());
        spec.insert("serviceAccountName".into(), account.into());
    }
}

/// What is limited but not requested is requested as limited.
fn requests_from_limits(container: &mut Fields) {
    let Some(resources) = inside(container, "resources") else {
        return;
    };
    let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else {
        return;
    };
    let requests = as_object(
        resources
            .entry("requests")
            .or_insert_with(crate::value::empty),
    );
    for (name, limit) in limits {
        requests.entry(name).or_insert(limit);
    }
}

pub(super) fn prepare_create(value: &mut Value, now: Millis) {
    let mut status = json!({"phase": "Pending", "qosClass": qos_class(value)});
    if !items(value, "/spec/schedulingGates").is_empty() {
        as_object(&mut status).insert(
            "conditions".into(),
            json!([{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
                "lastProbeTime": null, "lastTransitionTime": now.rfc3339()}]),
        );
    }
    as_object(value).insert("status".into(), status);
}

pub(super) fn prepare_status(new: &mut Value, old: &Value, _now: Millis) {
    let class = text(old, "/status/qosClass").to_owned();
    if !class.is_empty() {
        object(new, "status").insert("qosClass".into(), class.into());
    }
}

/// `Guaranteed`, `Burstable` or `BestEffort` (`kubernetes.io/docs/concepts/workloads/pods/pod-qos`).
pub(crate) fn qos_class(pod: &Value) -> &'static str {
    const COMPUTE: [&str; 2] = ["cpu", "memory"];
    let amount = |of: &Value, which: &str, name: &str| {
        let text = of
            .pointer(&format!("/resources/{which}/{name}"))
            .and_then(Value::as_str)?;
        Quantity::parse(text).filter(|q| *q > Quantity::default())
    };
    let all = || {
        items(pod, "/spec/initContainers")
            .iter()
            .chain(items(pod, "/spec/containers"))
    };
    let asks = |c: &Value| {
        COMPUTE
            .iter()
            .any(|n| amount(c, "requests", n).is_some() || amount(c, "limits", n).is_some())
    };
    if !all().any(asks) {
        return "BestEffort";
    }
    let is_guaranteed = |c: &Value| {
        COMPUTE.iter().all(|n| {
            let limit = amount(c, "limits", n);
            limit.is_some() && amount(c, "requests", n).is_none_or(|r| Some(r) == limit)
        })
    };
    if all().all(is_guaranteed) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qos_classes() {
        let of = |containers: Value| qos_class(&json!({"spec": {"containers": containers}}));
        let full = json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1Gi"}});
        for (containers, want) in [
            (json!([{}]), "BestEffort"),
            (json!([{"resources": full}]), "Guaranteed"),
            (json!([{"resources": full}, {}]), "Burstable"),
            (
                json!([{"resources": {"requests": {"cpu": "1"}}}]),
                "Burstable",
            ),
            (
                json!([{"resources": {"requests": {"cpu": "0"}}}]),
                "BestEffort",
            ),
            (
                json!([{"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]),
                "Guaranteed",
            ),
        ] {
            assert_eq!(of(containers.clone()), want, "{containers}");
        }
    }
}
