//! DaemonSet: one pod on every node that suits (`pkg/controller/daemon`).
//!
//! One look makes sure of the template's revision, then creates and deletes pods node by node, then lets an update go
//! one step further, and writes the status.

mod placement;
mod pods;
mod update;

use std::collections::BTreeMap;

use client::Request;
use client::cache::Changed;
use serde_json::{Map, Value};
use shared::{Millis, Object};

use crate::claims::claims;
use crate::meta::{
    available_at, daemonsets, is_ready, map, nodes, pods as pod_kind, selector, with_status,
};
use crate::plan::{Plan, Write, earlier};
use crate::revisions::{History, Newest};
use crate::view::{Item, View};

use placement::{Place, judge, target};
pub(crate) use pods::scaled;

/// This loop's name.
pub const NAME: &str = "daemonset";
/// The label by which pods and revisions carry the hash of their template.
const HASH_LABEL: &str = "controller-revision-hash";
/// At most so many pods are created or deleted at a time (`BurstReplicas`).
const BURST: usize = 250;

/// The DaemonSets that a change concerns.
#[must_use]
pub fn keys(view: &View, change: &Changed) -> Vec<Item> {
    let item = |o: &Object| Item::new(daemonsets(), o.key());
    let both = change.old.iter().chain(&change.new);
    match change.kind.plural.as_str() {
        "daemonsets" => both.take(1).map(item).collect(),
        "nodes" if matters(change) => view.list(&daemonsets()).map(item).collect(),
        "controllerrevisions" => owners(both).collect(),
        "pods" => {
            let loose = both.clone().filter(|p| p.controller().is_none());
            let matching = loose.flat_map(|pod| {
                let all = view.namespace(&daemonsets(), pod.namespace());
                all.filter(|d| selector(d).is_some_and(|s| s.matches_object(pod)))
                    .map(item)
                    .collect::<Vec<_>>()
            });
            owners(both.clone()).chain(matching).collect()
        }
        _ => Vec::new(),
    }
}

fn owners<'a>(objects: impl Iterator<Item = &'a Object>) -> impl Iterator<Item = Item> {
    let owners = objects.filter_map(Object::controller);
    let sets = owners.filter(|o| o.kind == "DaemonSet");
    sets.map(|o| Item::new(daemonsets(), o.key()))
}

/// A node's heartbeat changes nothing for daemons.
fn matters(change: &Changed) -> bool {
    let (Some(old), Some(new)) = (&change.old, &change.new) else {
        return true;
    };
    ["/metadata/labels", "/spec/taints", "/spec/unschedulable"]
        .iter()
        .any(|at| old.at(at) != new.at(at))
}

/// A DaemonSet with its nodes and the pods on each.
struct Round<'a> {
    set: &'a Object,
    /// The hash of the template's revision.
    hash: String,
    nodes: BTreeMap<&'a str, Place>,
    /// Pods by the node that they are for, the oldest first.
    pods: BTreeMap<&'a str, Vec<&'a Object>>,
    now: Millis,
}

impl<'a> Round<'a> {
    fn of(view: &'a View, set: &'a Object, hash: String, now: Millis) -> Self {
        let nodes = view.list(&nodes()).map(|n| (n.name(), judge(set, n)));
        let mut pods: BTreeMap<&str, Vec<&Object>> = BTreeMap::new();
        for pod in view.controlled(set, &pod_kind()) {
            pods.entry(target(pod)).or_default().push(pod);
        }
        for of_node in pods.values_mut() {
            of_node.sort_by_key(|p| (p.created(), p.name().to_owned()));
        }
        Self {
            set,
            hash,
            nodes: nodes.collect(),
            pods,
            now,
        }
    }

    fn on(&self, node: &str) -> &[&'a Object] {
        self.pods.get(node).map(Vec::as_slice).unwrap_or_default()
    }

    /// Nodes on which a pod should run.
    fn wanted(&self) -> impl Iterator<Item = &'a str> {
        self.nodes
            .iter()
            .filter(|(_, p)| p.may_start)
            .map(|(n, _)| *n)
    }

    fn is_updated(&self, pod: &Object) -> bool {
        pod.label(HASH_LABEL) == Some(&self.hash)
    }

    fn available_at(&self, pod: &Object) -> Option<Millis> {
        let min_ready = self.set.int("/spec/minReadySeconds").unwrap_or(0);
        available_at(pod, min_ready).filter(|_| pod.deletion().is_none())
    }

    fn is_available(&self, pod: &Object) -> bool {
        self.available_at(pod).is_some_and(|at| at <= self.now)
    }
}

/// One look at a DaemonSet.
#[must_use]
pub fn reconcile(view: &View, item: &Item, now: Millis) -> Plan {
    let Some(set) = view.get(&item.kind, &item.key) else {
        return Plan::default();
    };
    let labels = set.at("/spec/template/metadata/labels");
    if set.deletion().is_some() || !selector(set).is_some_and(|s| s.matches(labels)) {
        return Plan::default();
    }
    let owned = view.controlled(set, &pod_kind());
    let adopted = claims(view, set, ("apps/v1", "DaemonSet"), &owned);
    if !adopted.is_empty() {
        return Plan::of(format!("{}: adopt", set.name()), adopted);
    }
    let history = History::of(view, set);
    let newest = match history.newest(view, "DaemonSet", HASH_LABEL) {
        Newest::Is(revision) => revision,
        Newest::Needs(write) => {
            return Plan::of(format!("{}: new revision", set.name()), vec![*write]);
        }
        Newest::Collides => return collided(set),
    };
    let hash = newest.label(HASH_LABEL).unwrap_or_default().to_owned();
    let round = Round::of(view, set, hash, now);
    let (mut writes, mut again) = pods::steps(&round);
    if writes.is_empty() {
        writes = update::steps(&round);
    }
    let text = match writes.len() {
        0 => format!("{}: status", set.name()),
        n => format!("{}: {n} pods to create or delete", set.name()),
    };
    let is_used = |r: &Object| {
        let hash = r.label(HASH_LABEL);
        r.uid() == newest.uid() || owned.iter().any(|p| p.label(HASH_LABEL) == hash)
    };
    if writes.is_empty() {
        writes.extend(history.clean_up(is_used));
    }
    let (status, next) = status(&round);
    again = earlier(again, next);
    if set.at("/status") != Some(&status) {
        let update = Request::update_status(daemonsets(), with_status(set, status));
        writes.push(Write::new(update));
    }
    Plan::of(text, writes).again(again)
}

/// The name of the new revision is taken: another hash.
fn collided(set: &Object) -> Plan {
    let mut status = map(set, "/status");
    let count = set.int("/status/collisionCount").unwrap_or(0) + 1;
    status.insert("collisionCount".into(), count.into());
    let update = Request::update_status(daemonsets(), with_status(set, Value::Object(status)));
    Plan::of(
        format!("{}: another hash", set.name()),
        vec![Write::new(update)],
    )
}

fn status(round: &Round<'_>) -> (Value, Option<Millis>) {
    let [
        mut desired,
        mut current,
        mut misplaced,
        mut ready,
        mut updated,
        mut available,
    ] = [0_i64; 6];
    let mut next = None;
    for (node, place) in &round.nodes {
        let pods = round.on(node);
        if !place.may_start {
            misplaced += i64::from(!place.may_stay && !pods.is_empty());
            continue;
        }
        desired += 1;
        // The oldest of the pods that are up to date tells for its node, else the oldest of all.
        let newest = pods
            .iter()
            .find(|p| round.is_updated(p) && round.is_available(p));
        let Some(pod) = newest.or_else(|| pods.first()) else {
            continue;
        };
        current += 1;
        ready += i64::from(is_ready(pod) && pod.deletion().is_none());
        available += i64::from(round.is_available(pod));
        updated += i64::from(pods.iter().any(|p| round.is_updated(p)));
        let due = round.available_at(pod).filter(|at| *at > round.now);
        next = earlier(next, due);
    }
    let mut status = Map::new();
    for (field, count, always) in [
        ("currentNumberScheduled", current, true),
        ("numberMisscheduled", misplaced, true),
        ("desiredNumberScheduled", desired, true),
        ("numberReady", ready, true),
        ("observedGeneration", round.set.generation(), true),
        ("updatedNumberScheduled", updated, false),
        ("numberAvailable", available, false),
        ("numberUnavailable", desired - available, false),
    ] {
        if always || count > 0 {
            status.insert(field.into(), count.into());
        }
    }
    for kept in ["collisionCount", "conditions"] {
        if let Some(value) = round.set.at(&format!("/status/{kept}")) {
            status.insert(kept.into(), value.clone());
        }
    }
    (Value::Object(status), next)
}
