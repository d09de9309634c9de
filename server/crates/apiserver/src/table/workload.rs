//! Rows of what makes pods.

use serde_json::{Value, json};
use shared::time::human_duration;
use shared::view::{condition, since};
use shared::{Millis, Object};

use super::{age, containers, count, int_or_text, or_none, selector_text};
use crate::value::{field, int, text};

const POD_CONTAINERS: &str = "/spec/template/spec/containers";

fn selector(o: &Object) -> Value {
    selector_text(o.at("/spec/selector")).into()
}

pub(super) fn pod_template(o: &Object, _now: Millis) -> Vec<Value> {
    let (names, images) = containers(o, "/template/spec/containers");
    vec![
        names,
        images,
        selector_text(o.at("/template/metadata/labels")).into(),
    ]
}

pub(super) fn replicas(o: &Object, now: Millis) -> Vec<Value> {
    let (names, images) = containers(o, POD_CONTAINERS);
    vec![
        count(o, "/spec/replicas"),
        count(o, "/status/replicas"),
        count(o, "/status/readyReplicas"),
        age(o, now),
        names,
        images,
        selector(o),
    ]
}

pub(super) fn deployment(o: &Object, now: Millis) -> Vec<Value> {
    let (names, images) = containers(o, POD_CONTAINERS);
    vec![
        ready(o),
        count(o, "/status/updatedReplicas"),
        count(o, "/status/availableReplicas"),
        age(o, now),
        names,
        images,
        selector(o),
    ]
}

fn ready(o: &Object) -> Value {
    let number = |pointer: &str| o.int(pointer).unwrap_or(0);
    format!(
        "{}/{}",
        number("/status/readyReplicas"),
        number("/spec/replicas")
    )
    .into()
}

pub(super) fn stateful_set(o: &Object, now: Millis) -> Vec<Value> {
    let (names, images) = containers(o, POD_CONTAINERS);
    vec![ready(o), age(o, now), names, images]
}

pub(super) fn daemon_set(o: &Object, now: Millis) -> Vec<Value> {
    let (names, images) = containers(o, POD_CONTAINERS);
    let status = |name: &str| count(o, &format!("/status/{name}"));
    vec![
        status("desiredNumberScheduled"),
        status("currentNumberScheduled"),
        status("numberReady"),
        status("updatedNumberScheduled"),
        status("numberAvailable"),
        selector_text(o.at("/spec/template/spec/nodeSelector")).into(),
        age(o, now),
        names,
        images,
        selector(o),
    ]
}

pub(super) fn controller_revision(o: &Object, now: Millis) -> Vec<Value> {
    let owner = o.controller().map(|c| {
        let group = c
            .api_version
            .split_once('/')
            .map(|(group, _)| format!(".{group}"))
            .unwrap_or_default();
        format!("{}{group}/{}", c.kind.to_lowercase(), c.name)
    });
    vec![
        or_none(&owner.unwrap_or_default()),
        count(o, "/revision"),
        age(o, now),
    ]
}

pub(super) fn job(o: &Object, now: Millis) -> Vec<Value> {
    let (names, images) = containers(o, POD_CONTAINERS);
    let succeeded = o.int("/status/succeeded").unwrap_or(0);
    let completions = match (
        o.int("/spec/completions"),
        o.int("/spec/parallelism").unwrap_or(0),
    ) {
        (Some(wanted), _) => format!("{succeeded}/{wanted}"),
        (None, parallel) if parallel > 1 => format!("{succeeded}/1 of {parallel}"),
        (None, _) => format!("{succeeded}/1"),
    };
    let time = |pointer: &str| Millis::parse_rfc3339(o.text(pointer));
    let duration = match (time("/status/startTime"), time("/status/completionTime")) {
        (None, _) => String::new(),
        (Some(start), end) => human_duration(end.unwrap_or(now).since(start)),
    };
    vec![
        job_status(o).into(),
        completions.into(),
        duration.into(),
        age(o, now),
        names,
        images,
        selector(o),
    ]
}

fn job_status(o: &Object) -> &'static str {
    let is = |kind: &str| condition(o, kind) == Some("True");
    if is("Complete") {
        "Complete"
    } else if is("Failed") {
        "Failed"
    } else if o.deletion().is_some() {
        "Terminating"
    } else if is("Suspended") {
        "Suspended"
    } else if is("FailureTarget") {
        "FailureTarget"
    } else if is("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    }
}

pub(super) fn cron_job(o: &Object, now: Millis) -> Vec<Value> {
    let (names, images) = containers(o, "/spec/jobTemplate/spec/template/spec/containers");
    let suspended = o.at("/spec/suspend").and_then(Value::as_bool) == Some(true);
    let last = o.text("/status/lastScheduleTime");
    vec![
        o.text("/spec/schedule").into(),
        or_none(o.text("/spec/timeZone")),
        if suspended { "True" } else { "False" }.into(),
        o.items("/status/active").len().into(),
        if last.is_empty() {
            "<none>".into()
        } else {
            since(last, now).into()
        },
        age(o, now),
        names,
        images,
        selector_text(o.at("/spec/jobTemplate/spec/selector")).into(),
    ]
}

pub(super) fn autoscaler(o: &Object, now: Millis) -> Vec<Value> {
    let target = |name: &str| o.text(&format!("/spec/scaleTargetRef/{name}"));
    vec![
        format!("{}/{}", target("kind"), target("name")).into(),
        autoscaler_targets(o).into(),
        int_or_text(o.at("/spec/minReplicas"), "<unset>"),
        count(o, "/spec/maxReplicas"),
        count(o, "/status/currentReplicas"),
        age(o, now),
    ]
}

fn autoscaler_targets(o: &Object) -> String {
    let current = o.items("/status/currentMetrics");
    let each: Vec<String> = o
        .items("/spec/metrics")
        .iter()
        .enumerate()
        .map(|(i, metric)| {
            let name = text(metric, "/resource/name");
            let now = current.get(i);
            let value = now
                .and_then(|m| int(m, "/resource/current/averageUtilization"))
                .map(|n| format!("{n}%"));
            match int(metric, "/resource/target/averageUtilization") {
                Some(wanted) => format!(
                    "{name}: {}/{wanted}%",
                    value.unwrap_or_else(|| "<unknown>".into())
                ),
                None => {
                    let wanted = metric
                        .pointer("/resource/target/averageValue")
                        .and_then(Value::as_str)
                        .unwrap_or_default();
                    let value = now.map_or("", |m| text(m, "/resource/current/averageValue"));
                    let kind = if name.is_empty() {
                        field(metric, "type")
                    } else {
                        name
                    };
                    format!(
                        "{kind}: {}/{wanted}",
                        if value.is_empty() { "<unknown>" } else { value }
                    )
                }
            }
        })
        .collect();
    if each.is_empty() {
        "<none>".into()
    } else {
        each.join(", ")
    }
}

pub(super) fn disruption_budget(o: &Object, now: Millis) -> Vec<Value> {
    vec![
        int_or_text(o.at("/spec/minAvailable"), "N/A"),
        int_or_text(o.at("/spec/maxUnavailable"), "N/A"),
        json!(o.int("/status/disruptionsAllowed").unwrap_or(0)),
        age(o, now),
    ]
}

pub(super) fn scale(scale: &Object, now: Millis) -> Vec<Value> {
    vec![
        count(scale, "/spec/replicas"),
        count(scale, "/status/replicas"),
        age(scale, now),
    ]
}
