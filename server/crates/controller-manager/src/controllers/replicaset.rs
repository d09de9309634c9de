//! ReplicaSet: keeps so many pods of a template alive (`pkg/controller/replicaset`).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use client::Request;
use client::cache::Changed;
use serde_json::{Map, Value, json};
use shared::{Millis, Object};

use crate::claims::claims;
use crate::meta::{
    about, available_at, has_ended, is_active, is_ready, pod_from_template, pods, ready_since,
    replicasets, selector, text, transition, with_status,
};
use crate::plan::{Plan, Said, Write, earlier};
use crate::view::{Item, View};

/// This loop's name.
pub const NAME: &str = "replicaset";
/// At most so many pods are created or deleted at a time (`BurstReplicas`).
const BURST: usize = 500;

/// The ReplicaSets that a change concerns.
#[must_use]
pub fn keys(view: &View, change: &Changed) -> Vec<Item> {
    let Some(object) = change.object() else {
        return Vec::new();
    };
    if change.kind == replicasets() {
        return vec![Item::new(replicasets(), object.key())];
    }
    let mut items = Vec::new();
    for pod in change.old.iter().chain(&change.new) {
        match pod.controller() {
            Some(owner) if owner.kind == "ReplicaSet" => {
                items.push(Item::new(replicasets(), owner.key()));
            }
            Some(_) => {}
            None => {
                let sets = view.namespace(&replicasets(), pod.namespace());
                let matching =
                    sets.filter(|rs| selector(rs).is_some_and(|s| s.matches_object(pod)));
                items.extend(matching.map(|rs| Item::new(replicasets(), rs.key())));
            }
        }
    }
    items
}

/// One look at a ReplicaSet.
#[must_use]
pub fn reconcile(view: &View, item: &Item, now: Millis) -> Plan {
    let Some(rs) = view.get(&item.kind, &item.key) else {
        return Plan::default();
    };
    // Validation demands this; without it every pod made would be released and made again.
    let labels = rs.at("/spec/template/metadata/labels");
    if !selector(rs).is_some_and(|s| s.matches(labels)) {
        return Plan::default();
    }
    let owned = view.controlled(rs, &pods());
    let mut writes = match rs.deletion() {
        None => claims(view, rs, ("apps/v1", "ReplicaSet"), &owned),
        Some(_) => Vec::new(),
    };
    let active: Vec<&Object> = owned.iter().copied().filter(|p| is_active(p)).collect();
    let wanted = rs.int("/spec/replicas").unwrap_or(1).max(0);
    let have = i64::try_from(active.len()).unwrap_or(i64::MAX);
    let mut text = String::new();
    if writes.is_empty() && rs.deletion().is_none() && have != wanted {
        text = format!("{}: {have} -> {wanted} pods", rs.name());
        let missing = usize::try_from(wanted - have).unwrap_or(0).min(BURST);
        let surplus = usize::try_from(have - wanted).unwrap_or(0).min(BURST);
        writes.extend((0..missing).map(|_| create(rs)));
        let doomed = ranked_for_deletion(view, rs, active.clone());
        writes.extend(doomed.into_iter().take(surplus).map(|p| delete(rs, p)));
    }
    let (status, next) = status(view, item, rs, &owned, &active, now);
    if rs.at("/status") != Some(&status) {
        if text.is_empty() {
            text = format!("{}: status", rs.name());
        }
        let update = Request::update_status(replicasets(), with_status(rs, status));
        writes.push(Write::new(update));
    }
    Plan::of(text, writes).again(next)
}

fn create(rs: &Object) -> Write {
    let about = about(rs, "apps/v1", "ReplicaSet");
    let pod = pod_from_template(rs, "apps/v1", "ReplicaSet");
    Write::new(Request::create(pods(), pod))
        .saying(Said::normal(
            about.clone(),
            "SuccessfulCreate",
            "Created pod: {name}".into(),
        ))
        .saying_if_refused(Said::warning(
            about,
            "FailedCreate",
            "Error creating: {error}".into(),
        ))
}

fn delete(rs: &Object, pod: &Object) -> Write {
    let about = about(rs, "apps/v1", "ReplicaSet");
    let message = format!("Deleted pod: {}", pod.name());
    let refused = format!("Error deleting: {{error}} ({})", pod.name());
    Write::new(Request::delete(pods(), &pod.key(), pod.uid()))
        .saying(Said::normal(about.clone(), "SuccessfulDelete", message))
        .saying_if_refused(Said::warning(about, "FailedDelete", refused))
}

/// The pods to delete first come first (`controller.ActivePodsWithRanks`): unassigned before assigned, Pending before
/// Unknown before Running, not ready before ready, low deletion cost, crowded nodes, ready for a shorter time, more
/// restarts, younger.
fn ranked_for_deletion<'a>(
    view: &View,
    rs: &Object,
    mut active: Vec<&'a Object>,
) -> Vec<&'a Object> {
    let mut crowd: BTreeMap<String, i64> = BTreeMap::new();
    let siblings = rs.controller().map(|owner| {
        let sets = view
            .dependents(&owner.uid)
            .filter(|(i, _)| i.kind == replicasets());
        sets.map(|(_, set)| set).collect::<Vec<_>>()
    });
    for set in siblings.unwrap_or_else(|| vec![rs]) {
        for pod in view
            .controlled(set, &pods())
            .into_iter()
            .filter(|p| is_active(p))
        {
            *crowd
                .entry(pod.text("/spec/nodeName").to_owned())
                .or_default() += 1;
        }
    }
    active.sort_by_cached_key(|pod| {
        let node = pod.text("/spec/nodeName");
        let phase = match pod.text("/status/phase") {
            "Pending" => 0,
            "Unknown" => 1,
            _ => 2,
        };
        let cost = pod.annotation("controller.kubernetes.io/pod-deletion-cost");
        let restarts = pod.items("/status/containerStatuses").iter();
        let restarts = restarts
            .filter_map(|c| c.get("restartCount")?.as_i64())
            .max()
            .unwrap_or(0);
        (
            !node.is_empty(),
            phase,
            is_ready(pod),
            cost.and_then(|c| c.parse::<i64>().ok()).unwrap_or(0),
            Reverse(crowd.get(node).copied().unwrap_or(0)),
            Reverse(ready_since(pod)),
            Reverse(restarts),
            Reverse(pod.created()),
            pod.name().to_owned(),
        )
    });
    active
}

fn status(
    view: &View,
    item: &Item,
    rs: &Object,
    owned: &[&Object],
    active: &[&Object],
    now: Millis,
) -> (Value, Option<Millis>) {
    let min_ready = rs.int("/spec/minReadySeconds").unwrap_or(0);
    let labels = rs.at("/spec/template/metadata/labels");
    let labelled = shared::selector::Selector::from_map(labels).unwrap_or_default();
    let count = |of: &dyn Fn(&Object) -> bool| active.iter().filter(|p| of(p)).count();
    let available = |p: &Object| available_at(p, min_ready).is_some_and(|at| at <= now);
    let terminating = owned
        .iter()
        .filter(|p| p.deletion().is_some() && !has_ended(p))
        .count();
    let mut status = Map::new();
    status.insert("replicas".into(), active.len().into());
    for (field, number) in [
        (
            "fullyLabeledReplicas",
            count(&|p| labelled.matches_object(p)),
        ),
        ("readyReplicas", count(&is_ready)),
        ("availableReplicas", count(&available)),
    ] {
        if number > 0 {
            status.insert(field.into(), number.into());
        }
    }
    status.insert("terminatingReplicas".into(), terminating.into());
    status.insert("observedGeneration".into(), rs.generation().into());
    let conditions = conditions(view, item, rs, now);
    if !conditions.is_empty() {
        status.insert("conditions".into(), conditions.into());
    }
    let next = active
        .iter()
        .filter_map(|p| available_at(p, min_ready))
        .filter(|at| *at > now)
        .fold(None, |first, at| earlier(first, Some(at)));
    (Value::Object(status), next)
}

/// `ReplicaFailure` while pods cannot be created.
fn conditions(view: &View, item: &Item, rs: &Object, now: Millis) -> Vec<Value> {
    let is_failure = |c: &&Value| text(c, "type") == "ReplicaFailure";
    let all = rs.items("/status/conditions");
    let old = all.iter().find(is_failure);
    let mut conditions: Vec<Value> = all.iter().filter(|c| !is_failure(c)).cloned().collect();
    if let Some(why) = view.refusal(NAME, item) {
        conditions.push(json!({
            "type": "ReplicaFailure",
            "status": "True",
            "lastTransitionTime": transition(old, "True", now),
            "reason": "FailedCreate",
            "message": why,
        }));
    }
    conditions
}
