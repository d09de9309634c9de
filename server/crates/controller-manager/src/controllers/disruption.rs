//! PodDisruptionBudget: how many pods may be evicted right now (`pkg/controller/disruption`).

use std::collections::BTreeMap;

use client::Request;
use client::cache::Changed;
use serde_json::{Map, Value, json};
use shared::selector::Selector;
use shared::{KindRef, Millis, Object};

use super::daemonset::scaled;
use crate::meta::{condition, is_ready, pods, text, transition, with_status};
use crate::plan::{Plan, Write, earlier};
use crate::view::{Item, View};

/// This loop's name.
pub const NAME: &str = "disruption";
/// An eviction that has not led to a deletion after so long is forgotten, in seconds (`DeletionTimeout`).
const DISRUPTION_STAYS_S: u64 = 120;
/// Kinds whose replicas a budget may be a share of.
const SCALABLE: [&str; 4] = [
    "replicasets",
    "deployments",
    "statefulsets",
    "replicationcontrollers",
];

fn budgets() -> KindRef {
    KindRef::new("policy", "v1", "poddisruptionbudgets")
}

fn matches(budget: &Object, pod: &Object) -> bool {
    Selector::from_object(budget.at("/spec/selector")).is_some_and(|s| s.matches_object(pod))
}

/// The budgets that a change concerns.
#[must_use]
pub fn keys(view: &View, change: &Changed) -> Vec<Item> {
    let item = |o: &Object| Item::new(budgets(), o.key());
    let Some(object) = change.object() else {
        return Vec::new();
    };
    let all = view.namespace(&budgets(), object.namespace());
    if change.kind == budgets() {
        return vec![item(object)];
    }
    if change.kind == pods() {
        let both = || change.old.iter().chain(&change.new);
        return all
            .filter(|b| both().any(|p| matches(b, p)))
            .map(item)
            .collect();
    }
    let replicas = |o: &Option<Object>| o.as_ref().and_then(|o| o.int("/spec/replicas"));
    let scaled = SCALABLE.contains(&change.kind.plural.as_str())
        && replicas(&change.old) != replicas(&change.new);
    match scaled {
        true => all.map(item).collect(),
        false => Vec::new(),
    }
}

/// How many pods there should be, and how many of them healthy.
struct Expected {
    pods: i64,
    healthy: i64,
}

/// One look at a budget.
#[must_use]
pub fn reconcile(view: &View, item: &Item, now: Millis) -> Plan {
    let Some(budget) = view.get(&item.kind, &item.key) else {
        return Plan::default();
    };
    if budget.deletion().is_some() {
        return Plan::default();
    }
    let of_namespace = view.namespace(&pods(), budget.namespace());
    let selected: Vec<&Object> = of_namespace
        .filter(|p| matches(budget, p) && !crate::meta::has_ended(p))
        .collect();
    let (disrupted, next) = disrupted(budget, &selected, now);
    let status = match expected(view, budget, &selected) {
        Ok(expected) => status(budget, &selected, &expected, disrupted, now),
        Err(why) => failed(budget, &why, now),
    };
    let mut plan = Plan::default();
    if budget.at("/status") != Some(&status) {
        let text = format!("{}: status", budget.name());
        let update = Request::update_status(budgets(), with_status(budget, status));
        plan = Plan::of(text, vec![Write::new(update)]);
    }
    plan.again(next)
}

/// Evictions that the apiserver has admitted and that are not seen yet, and when the next of them is forgotten.
fn disrupted(
    budget: &Object,
    selected: &[&Object],
    now: Millis,
) -> (Map<String, Value>, Option<Millis>) {
    let mut next = None;
    let mut kept = Map::new();
    let noted = budget
        .at("/status/disruptedPods")
        .and_then(Value::as_object);
    for (name, since) in noted.into_iter().flatten() {
        let pod = selected.iter().find(|p| p.name() == name);
        let due = since.as_str().and_then(Millis::parse_rfc3339);
        let due = due.map(|at| at.plus_secs(DISRUPTION_STAYS_S));
        let waits = pod.is_some_and(|p| p.deletion().is_none());
        if waits && due.is_some_and(|at| at > now) {
            kept.insert(name.clone(), since.clone());
            next = earlier(next, due);
        }
    }
    (kept, next)
}

fn expected(view: &View, budget: &Object, selected: &[&Object]) -> Result<Expected, String> {
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let (min, max) = (
        budget.at("/spec/minAvailable"),
        budget.at("/spec/maxUnavailable"),
    );
    if let Some(max) = max {
        let all = replicas(view, selected)?;
        let unavailable = count(scaled(Some(max), usize::try_from(all).unwrap_or(0)));
        return Ok(Expected {
            pods: all,
            healthy: (all - unavailable).max(0),
        });
    }
    match min {
        Some(Value::String(_)) => {
            let all = replicas(view, selected)?;
            let healthy = count(scaled(min, usize::try_from(all).unwrap_or(0)));
            Ok(Expected { pods: all, healthy })
        }
        _ => Ok(Expected {
            pods: count(selected.len()),
            healthy: min.and_then(Value::as_i64).unwrap_or(1),
        }),
    }
}

/// The sum of the replicas of everything that controls these pods.
fn replicas(view: &View, selected: &[&Object]) -> Result<i64, String> {
    let mut controllers = BTreeMap::new();
    for pod in selected {
        let owner = pod.controller();
        let owner =
            owner.ok_or_else(|| format!("found no controllers for pod \"{}\"", pod.name()))?;
        let Some((_, Some(mut found))) = view.owner(&owner) else {
            continue;
        };
        // A Deployment's count is the one meant, not that of one of its ReplicaSets.
        if let Some(above) = found.controller()
            && let Some((_, Some(deployment))) = view.owner(&above)
        {
            found = deployment;
        }
        let replicas = found.int("/spec/replicas").ok_or_else(|| {
            let (kind, name) = (owner.kind.to_lowercase(), &owner.name);
            format!("{kind}s.apps \"{name}\" does not implement the scale subresource")
        })?;
        controllers.insert(found.uid().to_owned(), replicas);
    }
    Ok(controllers.values().sum())
}

fn status(
    budget: &Object,
    selected: &[&Object],
    expected: &Expected,
    disrupted: Map<String, Value>,
    now: Millis,
) -> Value {
    let healthy = selected
        .iter()
        .filter(|p| is_ready(p) && p.deletion().is_none() && !disrupted.contains_key(p.name()));
    let healthy = i64::try_from(healthy.count()).unwrap_or(i64::MAX);
    let allowed = match expected.pods {
        0 => 0,
        _ => (healthy - expected.healthy).max(0),
    };
    let (state, reason) = match allowed {
        0 => ("False", "InsufficientPods"),
        _ => ("True", "SufficientPods"),
    };
    let mut status = json!({
        "observedGeneration": budget.generation(),
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": expected.healthy,
        "expectedPods": expected.pods,
        "conditions": [condition_of(budget, state, reason, "", now)],
    });
    if let Some(map) = status.as_object_mut()
        && !disrupted.is_empty()
    {
        map.insert("disruptedPods".into(), disrupted.into());
    }
    status
}

/// Nothing may be evicted while it is not known how many pods there should be.
fn failed(budget: &Object, why: &str, now: Millis) -> Value {
    let mut status = crate::meta::map(budget, "/status");
    status.insert("observedGeneration".into(), budget.generation().into());
    for field in [
        "disruptionsAllowed",
        "currentHealthy",
        "desiredHealthy",
        "expectedPods",
    ] {
        status.entry(field).or_insert(0.into());
    }
    status.insert("disruptionsAllowed".into(), 0.into());
    let condition = condition_of(budget, "False", "SyncFailed", why, now);
    status.insert("conditions".into(), json!([condition]));
    status.into()
}

fn condition_of(budget: &Object, state: &str, reason: &str, message: &str, now: Millis) -> Value {
    let old = condition(budget, "DisruptionAllowed");
    let same = old.filter(|c| text(c, "reason") == reason);
    json!({
        "type": "DisruptionAllowed", "status": state, "observedGeneration": budget.generation(),
        "lastTransitionTime": transition(same, state, now), "reason": reason, "message": message,
    })
}
