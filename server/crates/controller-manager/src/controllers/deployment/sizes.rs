//! How large each ReplicaSet of a Deployment should be (`pkg/controller/deployment/{rolling,sync}.go`).

use std::cmp::Reverse;

use client::Request;
use serde_json::Value;
use shared::Object;

use super::{Rollout, set, size_annotations, spec_replicas, status_count};
use crate::meta::{about, replicasets};
use crate::plan::{Plan, Said, Write};

/// `maxSurge` and `maxUnavailable` in pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) surge: i64,
    pub(crate) unavailable: i64,
}

/// Resolves percentages: surge rounds up, unavailable down, and both zero becomes one unavailable
/// (`deploymentutil.ResolveFenceposts`).
pub(crate) fn limits(deployment: &Object) -> Limits {
    if deployment.text("/spec/strategy/type") == "Recreate" {
        return Limits::default();
    }
    let replicas = spec_replicas(deployment);
    let read = |field: &str, round_up: bool| {
        let value = deployment.at(&format!("/spec/strategy/rollingUpdate/{field}"));
        let quarter = Value::from("25%");
        int_or_percent(value.unwrap_or(&quarter), replicas, round_up)
    };
    let (surge, unavailable) = (read("maxSurge", true), read("maxUnavailable", false));
    match (surge, unavailable) {
        (0, 0) => Limits {
            surge: 0,
            unavailable: 1,
        },
        _ => Limits {
            surge,
            unavailable: unavailable.min(replicas),
        },
    }
}

fn int_or_percent(value: &Value, of: i64, round_up: bool) -> i64 {
    let percent = value
        .as_str()
        .and_then(|t| t.strip_suffix('%')?.parse::<i64>().ok());
    match (percent, value.as_i64()) {
        (Some(percent), _) => {
            let scaled = of.saturating_mul(percent);
            (if round_up {
                scaled.saturating_add(99)
            } else {
                scaled
            }) / 100
        }
        (None, Some(number)) => number.max(0),
        (None, None) => 0,
    }
}

pub(super) fn plan(rollout: &Rollout<'_>, writes: Vec<Write>) -> Plan {
    Plan::of(format!("{}: resize", rollout.deployment.name()), writes)
}

/// Gives a ReplicaSet another size and the annotations that record what it was sized for. `None` when it has both.
pub(super) fn resize(rollout: &Rollout<'_>, rs: &Object, to: i64) -> Option<Write> {
    let from = spec_replicas(rs);
    let annotations = size_annotations(rollout);
    let noted = annotations
        .iter()
        .all(|(k, v)| rs.annotation(k) == v.as_str());
    if from == to && noted {
        return None;
    }
    let mut value = rs.to_value();
    set(&mut value, &["spec", "replicas"], to.into());
    for (key, note) in annotations {
        set(&mut value, &["metadata", "annotations", &key], note);
    }
    let write = Write::new(Request::update(replicasets(), value));
    if from == to {
        return Some(write);
    }
    let way = if to > from { "up" } else { "down" };
    let message = format!("Scaled {way} replica set {} from {from} to {to}", rs.name());
    let about = about(rollout.deployment, "apps/v1", "Deployment");
    Some(write.saying(Said::normal(about, "ScalingReplicaSet", message)))
}

fn total(rollout: &Rollout<'_>) -> i64 {
    rollout.all().map(spec_replicas).sum()
}

/// The size with which a new ReplicaSet starts.
pub(super) fn first_size(rollout: &Rollout<'_>) -> i64 {
    grown(rollout, 0)
}

/// The new ReplicaSet's next size: as far as the surge allows (`NewRSNewReplicas`).
fn grown(rollout: &Rollout<'_>, size: i64) -> i64 {
    let wanted = spec_replicas(rollout.deployment);
    if rollout.is_recreate() {
        return wanted;
    }
    let room = wanted + rollout.limits.surge - total(rollout);
    if room <= 0 {
        size
    } else {
        size + room.min(wanted - size)
    }
}

/// One step of a rolling update: first the new ReplicaSet, then the old ones.
pub(super) fn rolling_update(rollout: &Rollout<'_>) -> Option<Plan> {
    let new = rollout.new?;
    let (size, wanted) = (spec_replicas(new), spec_replicas(rollout.deployment));
    let next = if size > wanted {
        wanted
    } else {
        grown(rollout, size)
    };
    if size != next {
        return resize(rollout, new, next).map(|w| plan(rollout, vec![w]));
    }
    let shrunk = shrink_old(rollout, new);
    (!shrunk.is_empty()).then(|| plan(rollout, shrunk))
}

/// Takes pods from old ReplicaSets, unhealthy ones first, never below the least that must be available
/// (`reconcileOldReplicaSets`).
fn shrink_old(rollout: &Rollout<'_>, new: &Object) -> Vec<Write> {
    let least = spec_replicas(rollout.deployment) - rollout.limits.unavailable;
    let new_unavailable = spec_replicas(new) - status_count(new, "availableReplicas");
    let mut to_clean = total(rollout) - least - new_unavailable;
    if to_clean <= 0 {
        return Vec::new();
    }
    let mut sizes: Vec<i64> = rollout.old.iter().map(|rs| spec_replicas(rs)).collect();
    for (size, rs) in sizes.iter_mut().zip(&rollout.old) {
        let unhealthy = *size - status_count(rs, "availableReplicas");
        let cleaned = unhealthy.min(to_clean).max(0);
        *size -= cleaned;
        to_clean -= cleaned;
    }
    let available: i64 = rollout
        .all()
        .map(|rs| status_count(rs, "availableReplicas"))
        .sum();
    let mut spare = available - least;
    for size in &mut sizes {
        let taken = (*size).min(spare).max(0);
        *size -= taken;
        spare -= taken;
    }
    let changed = rollout
        .old
        .iter()
        .zip(sizes)
        .filter(|(rs, size)| spec_replicas(rs) != *size);
    changed
        .filter_map(|(rs, size)| resize(rollout, rs, size))
        .collect()
}

/// What a changed `spec.replicas` asks for: each ReplicaSet keeps its share (`sync.go`, `scale`). `None` when the
/// size did not change.
pub(super) fn scaling(rollout: &Rollout<'_>) -> Option<Plan> {
    let wanted = spec_replicas(rollout.deployment);
    let mut active: Vec<&Object> = rollout.all().filter(|rs| spec_replicas(rs) > 0).collect();
    let stale = |rs: &&Object| {
        rs.annotation(super::DESIRED)
            .and_then(|d| d.parse::<i64>().ok())
            .is_some_and(|d| d != wanted)
    };
    let newest_alone = if active.is_empty() { rollout.new } else { None };
    if !active.iter().chain(&newest_alone).any(stale) {
        return None;
    }
    if active.len() <= 1 {
        let only = active.first().copied().or(newest_alone)?;
        return resize(rollout, only, wanted).map(|w| plan(rollout, vec![w]));
    }
    if rollout.is_recreate() || rollout.new.is_some_and(|new| is_saturated(rollout, new)) {
        let old = active
            .into_iter()
            .filter(|rs| rollout.new.is_none_or(|n| n.uid() != rs.uid()));
        let mut writes: Vec<Write> = old.filter_map(|rs| resize(rollout, rs, 0)).collect();
        writes.extend(rollout.new.and_then(|new| resize(rollout, new, wanted)));
        return Some(plan(rollout, writes));
    }
    let allowed = if wanted > 0 {
        wanted + rollout.limits.surge
    } else {
        0
    };
    let to_add = allowed - total(rollout);
    active.sort_by_key(|rs| (Reverse(spec_replicas(rs)), rs.created()));
    if to_add > 0 {
        active.sort_by_key(|rs| (Reverse(spec_replicas(rs)), Reverse(rs.created())));
    }
    Some(plan(rollout, shares(rollout, &active, to_add)))
}

/// True when the new ReplicaSet has all the pods it was sized for, and all are available.
fn is_saturated(rollout: &Rollout<'_>, new: &Object) -> bool {
    let wanted = spec_replicas(rollout.deployment);
    let noted = new
        .annotation(super::DESIRED)
        .and_then(|d| d.parse::<i64>().ok());
    spec_replicas(new) == wanted
        && noted == Some(wanted)
        && status_count(new, "availableReplicas") == wanted
}

fn shares(rollout: &Rollout<'_>, active: &[&Object], to_add: i64) -> Vec<Write> {
    let wanted = spec_replicas(rollout.deployment);
    let max = wanted + rollout.limits.surge;
    let mut added = 0;
    let mut sizes: Vec<i64> = Vec::new();
    for rs in active {
        let size = spec_replicas(rs);
        let noted = rs
            .annotation(super::MAX)
            .and_then(|m| m.parse::<i64>().ok());
        let before = noted
            .unwrap_or_else(|| status_count(rollout.deployment, "replicas"))
            .max(1);
        let fraction = match wanted {
            0 => -size,
            _ => (size * max + before / 2) / before - size,
        };
        let left = to_add - added;
        let share = if to_add > 0 {
            fraction.clamp(0, left.max(0))
        } else {
            fraction.clamp(left.min(0), 0)
        };
        added += share;
        sizes.push(size + share);
    }
    if let Some(largest) = sizes.first_mut() {
        *largest = (*largest + to_add - added).max(0);
    }
    let each = active.iter().zip(sizes);
    each.filter_map(|(rs, size)| resize(rollout, rs, size))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn limits_round_as_documented() {
        for (replicas, surge, unavailable, want) in [
            (2, json!("25%"), json!("25%"), (1, 0)),
            (4, json!("25%"), json!("25%"), (1, 1)),
            (10, json!("25%"), json!("25%"), (3, 2)),
            (3, json!(0), json!(1), (0, 1)),
            (3, json!(0), json!("10%"), (0, 1)),
            (1, json!(5), json!(9), (5, 1)),
            (0, json!("25%"), json!("25%"), (0, 1)),
        ] {
            let spec = json!({"replicas": replicas, "strategy": {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}});
            let got = limits(&Object::new(json!({"spec": spec})));
            assert_eq!((got.surge, got.unavailable), want, "{spec}");
        }
    }
}
