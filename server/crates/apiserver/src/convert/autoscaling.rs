//! `autoscaling/v1` HorizontalPodAutoscalers over the stored `v2` (`pkg/apis/autoscaling/v1/conversion.go`).
//!
//! v1 has one target, the use of the CPU. What it has no field for goes into annotations, so that nothing is lost
//! when a client of v1 writes an object back.

use serde_json::{Value, json};

use crate::value::{Fields, as_object, empty, field, object, put};

/// Fields of v2 that v1 has no place for: where they are, and the annotation that carries them.
const CARRIED: [(&str, &str, &str); 4] = [
    ("spec", "metrics", "autoscaling.alpha.kubernetes.io/metrics"),
    (
        "spec",
        "behavior",
        "autoscaling.alpha.kubernetes.io/behavior",
    ),
    (
        "status",
        "currentMetrics",
        "autoscaling.alpha.kubernetes.io/current-metrics",
    ),
    (
        "status",
        "conditions",
        "autoscaling.alpha.kubernetes.io/conditions",
    ),
];

/// True for the metric that v1 has a field for.
fn is_cpu_use(metric: &Value, goal: &str) -> bool {
    field(metric, "type") == "Resource"
        && metric.pointer("/resource/name") == Some(&json!("cpu"))
        && metric
            .pointer(&format!("/resource/{goal}/averageUtilization"))
            .is_some()
}

/// Takes the use of the CPU out of a list of metrics.
fn take_cpu(fields: &mut Fields, list: &str, goal: &str) -> Option<Value> {
    let metrics = fields.get_mut(list)?.as_array_mut()?;
    let at = metrics.iter().position(|m| is_cpu_use(m, goal))?;
    let metric = metrics.remove(at);
    metric
        .pointer(&format!("/resource/{goal}/averageUtilization"))
        .cloned()
}

/// From v2 to v1.
pub(super) fn to_v1(value: &mut Value) {
    let target = take_cpu(object(value, "spec"), "metrics", "target");
    put(
        object(value, "spec"),
        "targetCPUUtilizationPercentage",
        target,
    );
    let current = take_cpu(object(value, "status"), "currentMetrics", "current");
    put(
        object(value, "status"),
        "currentCPUUtilizationPercentage",
        current,
    );
    let status = object(value, "status");
    status.entry("currentReplicas").or_insert_with(|| 0.into());
    status.entry("desiredReplicas").or_insert_with(|| 0.into());
    for (part, name, annotation) in CARRIED {
        let carried = object(value, part).remove(name);
        let is_something = |v: &Value| match v {
            Value::Array(list) => !list.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
            _ => false,
        };
        if let Some(carried) = carried.filter(is_something) {
            annotations(value).insert(annotation.into(), carried.to_string().into());
        }
    }
}

/// From v1 to v2.
pub(super) fn to_v2(value: &mut Value) {
    for (part, name, annotation) in CARRIED {
        let text = annotations(value).remove(annotation);
        let carried = text.and_then(|t| serde_json::from_str::<Value>(t.as_str()?).ok());
        if let Some(carried) = carried {
            object(value, part).insert(name.into(), carried);
        }
    }
    if annotations(value).is_empty() {
        object(value, "metadata").remove("annotations");
    }
    if let Some(percent) = object(value, "spec").remove("targetCPUUtilizationPercentage") {
        let goal = json!({"type": "Utilization", "averageUtilization": percent});
        prepend(object(value, "spec"), "metrics", cpu("target", goal));
    }
    let status = object(value, "status");
    if let Some(percent) = status.remove("currentCPUUtilizationPercentage") {
        let goal = json!({"averageUtilization": percent});
        prepend(status, "currentMetrics", cpu("current", goal));
    }
    status
        .entry("currentMetrics")
        .or_insert_with(|| Value::Null);
}

fn cpu(goal: &str, value: Value) -> Value {
    let mut resource = json!({"name": "cpu"});
    as_object(&mut resource).insert(goal.into(), value);
    json!({"type": "Resource", "resource": resource})
}

fn prepend(fields: &mut Fields, list: &str, item: Value) {
    let all = fields.entry(list).or_insert_with(|| json!([]));
    if let Some(all) = all.as_array_mut() {
        all.insert(0, item);
    }
}

fn annotations(value: &mut Value) -> &mut Fields {
    as_object(
        object(value, "metadata")
            .entry("annotations")
            .or_insert_with(empty),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_say_the_same() {
        let memory = json!({"type": "Resource", "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 70}}});
        let v2 = json!({"metadata": {"name": "h"},
            "spec": {"maxReplicas": 3, "metrics": [cpu("target", json!({"type": "Utilization", "averageUtilization": 80})), memory],
                "behavior": {"scaleDown": {"selectPolicy": "Max"}}},
            "status": {"desiredReplicas": 2, "currentReplicas": 1, "currentMetrics": [cpu("current", json!({"averageUtilization": 50}))],
                "conditions": [{"type": "AbleToScale", "status": "True"}]}});
        let mut value = v2.clone();
        to_v1(&mut value);
        assert_eq!(value["spec"]["targetCPUUtilizationPercentage"], 80);
        assert_eq!(value["status"]["currentCPUUtilizationPercentage"], 50);
        assert_eq!(value["spec"].get("metrics"), None);
        to_v2(&mut value);
        assert_eq!(value, v2);
    }
}
