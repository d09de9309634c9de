//! StatefulSet: pods with names, an order and storage of their own (`pkg/controller/statefulset`).
//!
//! Ordered sets take one step a look and wait for the pod before; with `podManagementPolicy: Parallel` all pods that
//! are missing or surplus are dealt with at once. Updates replace one pod at a time, the highest ordinal first.

mod identity;
mod status;

use std::collections::BTreeMap;

use client::Request;
use client::cache::Changed;
use serde_json::Value;
use shared::{Millis, Object};

use crate::claims::claims;
use crate::meta::{
    available_at, has_ended, is_ready, map, pods as pod_kind, selector, statefulsets, with_status,
};
use crate::plan::{Plan, Write, earlier};
use crate::revisions::{History, Newest};
use crate::view::{Item, View};

/// This loop's name.
pub const NAME: &str = "statefulset";
/// The label by which a pod names its revision.
const REVISION_LABEL: &str = "controller-revision-hash";
/// The label by which a revision carries its hash.
const HASH_LABEL: &str = "controller.kubernetes.io/hash";
/// At most so many pods are created or deleted at a time.
const BURST: usize = 500;

/// The StatefulSets that a change concerns.
#[must_use]
pub fn keys(view: &View, change: &Changed) -> Vec<Item> {
    let item = |o: &Object| Item::new(statefulsets(), o.key());
    let both = change.old.iter().chain(&change.new);
    let owners = both.clone().filter_map(Object::controller);
    let owners = owners.filter(|o| o.kind == "StatefulSet");
    let owners = owners.map(|o| Item::new(statefulsets(), o.key()));
    match change.kind.plural.as_str() {
        "statefulsets" => both.take(1).map(item).collect(),
        "controllerrevisions" => owners.collect(),
        "pods" => {
            let loose = both.filter(|p| p.controller().is_none());
            let matching = loose.flat_map(|pod| {
                let all = view.namespace(&statefulsets(), pod.namespace());
                all.filter(|s| selector(s).is_some_and(|s| s.matches_object(pod)))
                    .map(item)
                    .collect::<Vec<_>>()
            });
            owners.chain(matching).collect()
        }
        "persistentvolumeclaims" if change.new.is_none() => {
            let namespace = change.object().map_or("", Object::namespace);
            view.namespace(&statefulsets(), namespace)
                .map(item)
                .collect()
        }
        _ => Vec::new(),
    }
}

/// A StatefulSet with its pods and the two revisions that they may be of.
struct Round<'a> {
    view: &'a View,
    set: &'a Object,
    /// The revision that pods were brought to last.
    current: &'a Object,
    /// The revision of the template.
    update: &'a Object,
    first: i64,
    replicas: i64,
    pods: BTreeMap<i64, &'a Object>,
    now: Millis,
}

impl<'a> Round<'a> {
    fn wanted(&self) -> std::ops::Range<i64> {
        self.first..self.first.saturating_add(self.replicas)
    }

    fn is_parallel(&self) -> bool {
        self.set.text("/spec/podManagementPolicy") == "Parallel"
    }

    fn is_rolling(&self) -> bool {
        self.set.text("/spec/updateStrategy/type") != "OnDelete"
    }

    /// Pods below this ordinal keep the current revision.
    fn partition(&self) -> i64 {
        let partition = self.set.int("/spec/updateStrategy/rollingUpdate/partition");
        self.first + partition.unwrap_or(0).max(0)
    }

    fn revision_for(&self, ordinal: i64) -> &'a Object {
        let kept = match self.is_rolling() {
            true => ordinal < self.partition(),
            false => {
                let current = self.set.int("/status/currentReplicas").unwrap_or(0);
                ordinal < self.first + current
            }
        };
        if kept { self.current } else { self.update }
    }

    fn available_at(&self, pod: &Object) -> Option<Millis> {
        let min_ready = self.set.int("/spec/minReadySeconds").unwrap_or(0);
        available_at(pod, min_ready)
    }

    fn is_healthy(&self, pod: &Object) -> bool {
        is_ready(pod) && pod.deletion().is_none()
    }

    fn is_available(&self, pod: &Object) -> bool {
        self.is_healthy(pod) && self.available_at(pod).is_some_and(|at| at <= self.now)
    }

    fn is_updated(&self, pod: &Object) -> bool {
        pod.label(REVISION_LABEL) == Some(self.update.name())
    }
}

/// One look at a StatefulSet.
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
    let adopted = claims(view, set, ("apps/v1", "StatefulSet"), &owned);
    if !adopted.is_empty() {
        return Plan::of(format!("{}: adopt", set.name()), adopted);
    }
    let history = History::of(view, set);
    let update = match history.newest(view, "StatefulSet", HASH_LABEL) {
        Newest::Is(revision) => revision,
        Newest::Needs(write) => {
            return Plan::of(format!("{}: new revision", set.name()), vec![*write]);
        }
        Newest::Collides => return collided(set),
    };
    let current = history.named(set.text("/status/currentRevision"));
    let by_ordinal = owned
        .iter()
        .copied()
        .filter_map(|p| Some((identity::ordinal(set, p)?, p)));
    let round = Round {
        view,
        set,
        current: current.unwrap_or(update),
        update,
        first: set.int("/spec/ordinals/start").unwrap_or(0).max(0),
        replicas: set.int("/spec/replicas").unwrap_or(1).max(0),
        pods: by_ordinal.collect(),
        now,
    };
    let stages = steps(&round);
    let text = match stages.iter().map(Vec::len).sum::<usize>() {
        0 => format!("{}: status", set.name()),
        _ => format!(
            "{}: {} of {} pods",
            set.name(),
            round.pods.len(),
            round.replicas
        ),
    };
    finish(&round, stages, text, &history, &owned)
}

/// Adds the status, and with nothing else to do forgets old revisions.
fn finish(
    round: &Round<'_>,
    mut stages: Vec<Vec<Write>>,
    text: String,
    history: &History<'_>,
    owned: &[&Object],
) -> Plan {
    let mut last = Vec::new();
    if stages.iter().all(Vec::is_empty) {
        let is_used = |r: &Object| {
            let by_pod = owned
                .iter()
                .any(|p| p.label(REVISION_LABEL) == Some(r.name()));
            by_pod || r.uid() == round.current.uid() || r.uid() == round.update.uid()
        };
        last = history.clean_up(is_used);
    }
    let status = status::status(round);
    if round.set.at("/status") != Some(&status) {
        let value = with_status(round.set, status);
        last.push(Write::new(Request::update_status(statefulsets(), value)));
    }
    match stages.last_mut() {
        Some(stage) => stage.extend(last),
        None => stages.push(last),
    }
    let due = round.pods.values().filter_map(|p| round.available_at(p));
    let next = due
        .filter(|at| *at > round.now)
        .fold(None, |next, at| earlier(next, Some(at)));
    Plan::staged(text, stages).again(next)
}

fn collided(set: &Object) -> Plan {
    let mut status = map(set, "/status");
    let count = set.int("/status/collisionCount").unwrap_or(0) + 1;
    status.insert("collisionCount".into(), count.into());
    let value = with_status(set, Value::Object(status));
    let update = Request::update_status(statefulsets(), value);
    Plan::of(
        format!("{}: another hash", set.name()),
        vec![Write::new(update)],
    )
}

/// What to do now: claims first, then pods.
fn steps(round: &Round<'_>) -> Vec<Vec<Write>> {
    let (mut claims, mut pods) = (Vec::new(), Vec::new());
    let mut waits = false;
    for ordinal in round.wanted() {
        if pods.len() >= BURST || (waits && !round.is_parallel()) {
            break;
        }
        match round.pods.get(&ordinal) {
            None => {
                claims.extend(identity::missing_claims(round.view, round.set, ordinal));
                pods.push(identity::create(
                    round.set,
                    round.revision_for(ordinal),
                    ordinal,
                ));
                waits = true;
            }
            Some(pod) if has_ended(pod) && pod.deletion().is_none() => {
                pods.push(identity::delete(round.set, pod));
                waits = true;
            }
            Some(pod) => {
                claims.extend(identity::missing_claims(round.view, round.set, ordinal));
                waits |= !round.is_available(pod);
            }
        }
    }
    if waits && !round.is_parallel() {
        return vec![claims, pods];
    }
    let (heirs, condemned) = condemned(round);
    claims.extend(heirs);
    let idle = pods.is_empty() && condemned.is_empty();
    pods.extend(condemned);
    if idle && round.is_rolling() && !has_surplus(round) {
        pods.extend(next_update(round));
    }
    vec![claims, pods]
}

fn has_surplus(round: &Round<'_>) -> bool {
    round
        .pods
        .keys()
        .any(|ordinal| !round.wanted().contains(ordinal))
}

/// Pods beyond the replicas, the highest first; in order, one at a time, and only while all others are well.
fn condemned(round: &Round<'_>) -> (Vec<Write>, Vec<Write>) {
    let (mut heirs, mut deletes) = (Vec::new(), Vec::new());
    let surplus = round.pods.iter().rev();
    let surplus = surplus.filter(|(ordinal, _)| !round.wanted().contains(ordinal));
    for (ordinal, pod) in surplus {
        if pod.deletion().is_none() {
            heirs.extend(identity::bequeath_claims(
                round.view, round.set, pod, *ordinal,
            ));
            deletes.push(identity::delete(round.set, pod));
        }
        if !round.is_parallel() || deletes.len() >= BURST {
            break;
        }
    }
    (heirs, deletes)
}

/// The next pod to replace by one of the template's revision: the highest ordinal that is not, while all above it are
/// well.
fn next_update(round: &Round<'_>) -> Option<Write> {
    let from_above = round.pods.iter().rev();
    let due = from_above.filter(|(ordinal, _)| **ordinal >= round.partition());
    for (_, pod) in due {
        if !round.is_updated(pod) {
            return (pod.deletion().is_none()).then(|| identity::delete(round.set, pod));
        }
        if !round.is_available(pod) {
            return None;
        }
    }
    None
}
