//! A Deployment's status: counts, `Available`, `Progressing` and `ReplicaFailure`
//! (`pkg/controller/deployment/progress.go`).

use client::Request;
use serde_json::{Map, Value, json};
use shared::Millis;

use super::{Rollout, spec_replicas, status_count};
use crate::meta::{condition, deployments, text, time, transition, with_status};
use crate::plan::{Plan, Write};

/// The counts of the status that is to be written.
struct Counts {
    replicas: i64,
    updated: i64,
    ready: i64,
    available: i64,
    terminating: i64,
}

fn counts(rollout: &Rollout<'_>) -> Counts {
    let sum = |field: &str| rollout.all().map(|rs| status_count(rs, field)).sum();
    Counts {
        replicas: sum("replicas"),
        updated: rollout.new.map_or(0, |new| status_count(new, "replicas")),
        ready: sum("readyReplicas"),
        available: sum("availableReplicas"),
        terminating: sum("terminatingReplicas"),
    }
}

/// True when every pod is of the new template and available, and none else is left (`DeploymentComplete`).
pub(super) fn is_complete(rollout: &Rollout<'_>) -> bool {
    let (counts, wanted) = (counts(rollout), spec_replicas(rollout.deployment));
    rollout.new.is_some()
        && counts.updated == wanted
        && counts.replicas == wanted
        && counts.available == wanted
}

/// Writes the status if it differs, and looks again when the progress deadline may have passed.
pub(super) fn plan(rollout: &Rollout<'_>, now: Millis) -> Plan {
    let deployment = rollout.deployment;
    let counts = counts(rollout);
    let mut status = Map::new();
    status.insert("observedGeneration".into(), deployment.generation().into());
    let unavailable = (rollout.all().map(spec_replicas).sum::<i64>() - counts.available).max(0);
    for (field, number) in [
        ("replicas", counts.replicas),
        ("updatedReplicas", counts.updated),
        ("readyReplicas", counts.ready),
        ("availableReplicas", counts.available),
        ("unavailableReplicas", unavailable),
        ("collisionCount", status_count(deployment, "collisionCount")),
    ] {
        if number > 0 {
            status.insert(field.into(), number.into());
        }
    }
    status.insert("terminatingReplicas".into(), counts.terminating.into());
    let progress = progressing(rollout, &counts, now);
    let deadline = deadline(rollout, progress.as_ref());
    let conditions = [
        Some(available(rollout, &counts, now)),
        progress,
        replica_failure(rollout, now),
    ];
    let own = |kind: &str| matches!(kind, "Available" | "Progressing" | "ReplicaFailure");
    let others = deployment
        .items("/status/conditions")
        .iter()
        .filter(|c| !own(text(c, "type")));
    let all: Vec<Value> = others
        .cloned()
        .chain(conditions.into_iter().flatten())
        .collect();
    status.insert("conditions".into(), all.into());
    let status = Value::Object(status);
    let again = deadline.filter(|at| *at > now);
    if deployment
        .at("/status")
        .is_some_and(|old| same(old, &status))
    {
        return Plan::later(again);
    }
    let update = Request::update_status(deployments(), with_status(deployment, status));
    let text = format!(
        "{}: {} of {} available",
        deployment.name(),
        counts.available,
        spec_replicas(deployment)
    );
    Plan::of(text, vec![Write::new(update)]).again(again)
}

/// Compares two statuses without regard to the order of conditions.
fn same(a: &Value, b: &Value) -> bool {
    let sorted = |status: &Value| {
        let mut status = status.clone();
        if let Some(conditions) = status.get_mut("conditions").and_then(Value::as_array_mut) {
            conditions.sort_by(|a, b| text(a, "type").cmp(text(b, "type")));
        }
        status
    };
    sorted(a) == sorted(b)
}

fn make(
    rollout: &Rollout<'_>,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: Millis,
) -> Value {
    let old = condition(rollout.deployment, kind);
    let unchanged = old.is_some_and(|c| {
        text(c, "status") == status && text(c, "reason") == reason && text(c, "message") == message
    });
    let updated = match old {
        Some(old) if unchanged && time(old, "lastUpdateTime").is_some() => {
            text(old, "lastUpdateTime").to_owned()
        }
        _ => now.rfc3339(),
    };
    json!({
        "type": kind,
        "status": status,
        "lastUpdateTime": updated,
        "lastTransitionTime": transition(old, status, now),
        "reason": reason,
        "message": message,
    })
}

fn available(rollout: &Rollout<'_>, counts: &Counts, now: Millis) -> Value {
    let least = spec_replicas(rollout.deployment) - rollout.limits.unavailable;
    let (status, reason, message) = if counts.available >= least {
        (
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
        )
    } else {
        (
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        )
    };
    make(rollout, "Available", status, reason, message, now)
}

fn progress_seconds(rollout: &Rollout<'_>) -> Option<u64> {
    let seconds = rollout.deployment.int("/spec/progressDeadlineSeconds");
    u64::try_from(seconds.unwrap_or(600))
        .ok()
        .filter(|s| *s < i32::MAX as u64)
}

fn deadline(rollout: &Rollout<'_>, progress: Option<&Value>) -> Option<Millis> {
    let progress = progress.filter(|c| {
        !matches!(
            text(c, "reason"),
            "NewReplicaSetAvailable" | "ProgressDeadlineExceeded" | "DeploymentPaused"
        )
    })?;
    Some(time(progress, "lastUpdateTime")?.plus_secs(progress_seconds(rollout)?))
}

fn progressing(rollout: &Rollout<'_>, counts: &Counts, now: Millis) -> Option<Value> {
    progress_seconds(rollout)?;
    let deployment = rollout.deployment;
    let old = condition(deployment, "Progressing");
    let reason = old.map_or("", |c| text(c, "reason"));
    let make = |status, reason, message: &str| {
        Some(make(rollout, "Progressing", status, reason, message, now))
    };
    if rollout.is_paused() {
        return make("Unknown", "DeploymentPaused", "Deployment is paused");
    }
    if reason == "DeploymentPaused" {
        return make("Unknown", "DeploymentResumed", "Deployment is resumed");
    }
    let Some(new) = rollout.new else {
        return old.cloned();
    };
    let quoted = format!("\"{}\"", new.name());
    let names_new = old.is_some_and(|c| text(c, "message").contains(&quoted));
    if reason == "NewReplicaSetAvailable" && names_new && counts.replicas == counts.updated {
        return old.cloned();
    }
    if is_complete(rollout) {
        let message = format!("ReplicaSet {quoted} has successfully progressed.");
        return make("True", "NewReplicaSetAvailable", &message);
    }
    if !names_new {
        let since = old
            .and_then(|c| time(c, "lastUpdateTime"))
            .unwrap_or_default();
        return if new.created().is_none_or(|created| created >= since) {
            make(
                "True",
                "NewReplicaSetCreated",
                &format!("Created new replica set {quoted}"),
            )
        } else {
            make(
                "True",
                "FoundNewReplicaSet",
                &format!("Found new replica set {quoted}"),
            )
        };
    }
    if has_progressed(rollout, counts) {
        let message = format!("ReplicaSet {quoted} is progressing.");
        let mut fresh = make("True", "ReplicaSetUpdated", &message)?;
        if let Some(map) = fresh.as_object_mut() {
            map.insert("lastUpdateTime".into(), now.rfc3339().into());
        }
        return Some(fresh);
    }
    let running = reason != "ProgressDeadlineExceeded" && reason != "NewReplicaSetAvailable";
    if running && deadline(rollout, old).is_some_and(|at| at <= now) {
        let message = format!("ReplicaSet {quoted} has timed out progressing.");
        return make("False", "ProgressDeadlineExceeded", &message);
    }
    old.cloned()
}

/// True when more pods are updated, ready or available, or fewer old ones are left, than the last status said
/// (`DeploymentProgressing`).
fn has_progressed(rollout: &Rollout<'_>, counts: &Counts) -> bool {
    let was = |field| status_count(rollout.deployment, field);
    let old_left = was("replicas") - was("updatedReplicas");
    counts.updated > was("updatedReplicas")
        || counts.replicas - counts.updated < old_left
        || counts.ready > was("readyReplicas")
        || counts.available > was("availableReplicas")
}

fn replica_failure(rollout: &Rollout<'_>, now: Millis) -> Option<Value> {
    let failed = rollout.new.into_iter().chain(rollout.old.iter().copied());
    let failure = failed
        .filter_map(|rs| condition(rs, "ReplicaFailure"))
        .next()?;
    let (status, reason) = (text(failure, "status"), text(failure, "reason"));
    Some(make(
        rollout,
        "ReplicaFailure",
        status,
        reason,
        text(failure, "message"),
        now,
    ))
}
