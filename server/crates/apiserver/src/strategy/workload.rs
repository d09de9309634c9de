//! What makes pods: defaults and starting states of Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs and
//! their kin (`pkg/apis/apps/v1/defaults.go`, `pkg/apis/batch/v1/defaults.go`). Their rules are in [`check`].

mod check;

pub(super) use check::{
    cron_job_name, selector_is_immutable, validate_controller_revision,
    validate_controller_revision_update, validate_cron_job, validate_daemon_set,
    validate_deployment, validate_job, validate_job_update, validate_pod_template,
    validate_replica_set, validate_replication_controller, validate_stateful_set,
    validate_stateful_set_update,
};

use serde_json::{Value, json};
use shared::Millis;

use super::{persistent, pod, set_status};
use crate::value::{
    Fields, as_object, default_text, default_to, each, empty, flag, int, object, text,
};

const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// Defaults of the pod template below `spec`.
fn template(spec: &mut Fields) {
    let template = spec.entry("template").or_insert_with(empty);
    object(template, "metadata");
    pod::spec_defaults(object(template, "spec"));
}

pub(super) fn pod_template_defaults(value: &mut Value) {
    template(as_object(value));
}

pub(super) fn deployment_defaults(value: &mut Value) {
    let spec = object(value, "spec");
    default_to(spec, "replicas", 1);
    let strategy = as_object(spec.entry("strategy").or_insert_with(empty));
    default_text(strategy, "type", "RollingUpdate");
    if strategy.get("type").and_then(Value::as_str) == Some("RollingUpdate") {
        let rolling = as_object(strategy.entry("rollingUpdate").or_insert_with(empty));
        default_to(rolling, "maxUnavailable", "25%");
        default_to(rolling, "maxSurge", "25%");
    }
    default_to(spec, "revisionHistoryLimit", 10);
    default_to(spec, "progressDeadlineSeconds", 600);
    template(spec);
}

pub(super) fn replica_set_defaults(value: &mut Value) {
    let spec = object(value, "spec");
    default_to(spec, "replicas", 1);
    template(spec);
}

pub(super) fn replicas_status(value: &mut Value, _now: Millis) {
    set_status(
        value,
        Fields::from_iter([("replicas".to_owned(), json!(0))]),
    );
}

/// A ReplicationController without selector or labels has those of its template.
pub(super) fn replication_controller_defaults(value: &mut Value) {
    replica_set_defaults(value);
    let labels = value.pointer("/spec/template/metadata/labels").cloned();
    if let Some(labels) = labels.filter(|l| l.as_object().is_some_and(|l| !l.is_empty())) {
        default_to(object(value, "spec"), "selector", labels.clone());
        default_to(object(value, "metadata"), "labels", labels);
    }
}

pub(super) fn stateful_set_defaults(value: &mut Value) {
    let spec = object(value, "spec");
    default_to(spec, "replicas", 1);
    default_text(spec, "podManagementPolicy", "OrderedReady");
    let strategy = as_object(spec.entry("updateStrategy").or_insert_with(empty));
    default_text(strategy, "type", "RollingUpdate");
    if strategy.get("type").and_then(Value::as_str) == Some("RollingUpdate") {
        let rolling = as_object(strategy.entry("rollingUpdate").or_insert_with(empty));
        default_to(rolling, "partition", 0);
    }
    default_to(spec, "revisionHistoryLimit", 10);
    let policy = as_object(
        spec.entry("persistentVolumeClaimRetentionPolicy")
            .or_insert_with(empty),
    );
    default_text(policy, "whenDeleted", "Retain");
    default_text(policy, "whenScaled", "Retain");
    each(spec, "volumeClaimTemplates", |claim| {
        default_text(claim, "kind", "PersistentVolumeClaim");
        default_text(claim, "apiVersion", "v1");
        persistent::claim_spec_defaults(as_object(claim.entry("spec").or_insert_with(empty)));
        let status = as_object(claim.entry("status").or_insert_with(empty));
        default_text(status, "phase", "Pending");
    });
    template(spec);
}

pub(super) fn stateful_set_status(value: &mut Value, _now: Millis) {
    let zero = |name: &str| (name.to_owned(), json!(0));
    set_status(
        value,
        Fields::from_iter([zero("replicas"), zero("availableReplicas")]),
    );
}

pub(super) fn daemon_set_defaults(value: &mut Value) {
    let spec = object(value, "spec");
    let strategy = as_object(spec.entry("updateStrategy").or_insert_with(empty));
    default_text(strategy, "type", "RollingUpdate");
    if strategy.get("type").and_then(Value::as_str) == Some("RollingUpdate") {
        let rolling = as_object(strategy.entry("rollingUpdate").or_insert_with(empty));
        default_to(rolling, "maxUnavailable", 1);
        default_to(rolling, "maxSurge", 0);
    }
    default_to(spec, "revisionHistoryLimit", 10);
    template(spec);
    let metadata = object(value, "metadata");
    let annotations = as_object(metadata.entry("annotations").or_insert_with(empty));
    default_to(annotations, TEMPLATE_GENERATION, "1");
}

pub(super) fn daemon_set_status(value: &mut Value, _now: Millis) {
    let names = [
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
    ];
    set_status(
        value,
        names
            .into_iter()
            .map(|n| (n.to_owned(), json!(0)))
            .collect(),
    );
}

/// Counts changes of the template in an annotation that old clients read.
pub(super) fn daemon_set_prepare_update(new: &mut Value, old: &Value) {
    let pointer = format!("/metadata/annotations/{TEMPLATE_GENERATION}");
    let before: i64 = text(old, &pointer).parse().unwrap_or(1);
    let changed = new.pointer("/spec/template") != old.pointer("/spec/template");
    let annotations = as_object(
        object(new, "metadata")
            .entry("annotations")
            .or_insert_with(empty),
    );
    annotations.insert(
        TEMPLATE_GENERATION.into(),
        (before + i64::from(changed)).to_string().into(),
    );
}

pub(super) fn job_defaults(value: &mut Value) {
    job_spec_defaults(object(value, "spec"));
    let labels = value.pointer("/spec/template/metadata/labels").cloned();
    if let Some(labels) = labels.filter(|l| l.as_object().is_some_and(|l| !l.is_empty())) {
        default_to(object(value, "metadata"), "labels", labels);
    }
}

fn job_spec_defaults(spec: &mut Fields) {
    if !spec.contains_key("completions") && !spec.contains_key("parallelism") {
        spec.insert("completions".into(), json!(1));
    }
    default_to(spec, "parallelism", 1);
    let per_index = spec.contains_key("backoffLimitPerIndex");
    default_to(
        spec,
        "backoffLimit",
        if per_index { i64::from(i32::MAX) } else { 6 },
    );
    default_text(spec, "completionMode", "NonIndexed");
    default_to(spec, "suspend", false);
    default_to(spec, "manualSelector", false);
    let policy = if spec.contains_key("podFailurePolicy") {
        "Failed"
    } else {
        "TerminatingOrFailed"
    };
    default_text(spec, "podReplacementPolicy", policy);
    template(spec);
}

/// A Job without a selector of its own gets one by its uid (`generateSelector`).
pub(super) fn job_prepare(value: &mut Value, _now: Millis) {
    set_status(value, Fields::new());
    if flag(value, "/spec/manualSelector") {
        return;
    }
    let (uid, name) = (
        text(value, "/metadata/uid").to_owned(),
        text(value, "/metadata/name").to_owned(),
    );
    let spec = object(value, "spec");
    let template = spec.entry("template").or_insert_with(empty);
    let labels = as_object(
        object(template, "metadata")
            .entry("labels")
            .or_insert_with(empty),
    );
    for (key, label) in [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("controller-uid", &uid),
        ("job-name", &name),
    ] {
        labels.insert(key.into(), label.as_str().into());
    }
    let labels = Value::Object(labels.clone());
    spec.insert(
        "selector".into(),
        json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}),
    );
    default_to(object(value, "metadata"), "labels", labels);
}

pub(super) fn cron_job_defaults(value: &mut Value) {
    let spec = object(value, "spec");
    default_text(spec, "concurrencyPolicy", "Allow");
    default_to(spec, "suspend", false);
    default_to(spec, "successfulJobsHistoryLimit", 3);
    default_to(spec, "failedJobsHistoryLimit", 1);
    let job = spec.entry("jobTemplate").or_insert_with(empty);
    object(job, "metadata");
    // The Job's own defaults come when the Job is made; only its pods have theirs already.
    template(object(job, "spec"));
}

pub(super) fn autoscaler_defaults(value: &mut Value) {
    let spec = object(value, "spec");
    default_to(spec, "minReplicas", 1);
    let has_metrics = spec
        .get("metrics")
        .and_then(Value::as_array)
        .is_some_and(|m| !m.is_empty());
    if !has_metrics {
        spec.insert(
            "metrics".into(),
            json!([{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]),
        );
    }
    if let Some(behavior) = spec.get_mut("behavior").filter(|b| b.is_object()) {
        behavior_defaults(as_object(behavior));
    }
}

/// What an autoscaler does in a direction about which it says nothing (`autoscaling/v2/defaults.go`).
fn behavior_defaults(behavior: &mut Fields) {
    let all = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
    let four = json!({"type": "Pods", "value": 4, "periodSeconds": 15});
    for (direction, policies) in [
        ("scaleUp", json!([four, all.clone()])),
        ("scaleDown", json!([all])),
    ] {
        let rules = as_object(behavior.entry(direction).or_insert_with(empty));
        default_text(rules, "selectPolicy", "Max");
        default_to(rules, "policies", policies);
        if direction == "scaleUp" {
            default_to(rules, "stabilizationWindowSeconds", 0);
        }
    }
}

pub(super) fn autoscaler_status(value: &mut Value, _now: Millis) {
    as_object(value).insert(
        "status".into(),
        json!({"desiredReplicas": 0, "currentMetrics": null}),
    );
}

/// Defaults of `autoscaling/v1`, which knows no metrics but the CPU.
pub(super) fn old_autoscaler_defaults(value: &mut Value) {
    default_to(object(value, "spec"), "minReplicas", 1);
}

pub(super) fn old_autoscaler_status(value: &mut Value, _now: Millis) {
    as_object(value).insert(
        "status".into(),
        json!({"currentReplicas": 0, "desiredReplicas": 0}),
    );
}

pub(super) fn disruption_budget_status(value: &mut Value, _now: Millis) {
    let names = [
        "disruptionsAllowed",
        "currentHealthy",
        "desiredHealthy",
        "expectedPods",
    ];
    set_status(
        value,
        names
            .into_iter()
            .map(|n| (n.to_owned(), json!(0)))
            .collect(),
    );
}

/// How many replicas a workload asks for.
fn replicas(value: &Value) -> Option<i64> {
    int(value, "/spec/replicas")
}
