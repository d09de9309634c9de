//! Node lifecycle: notices nodes whose kubelet went silent, taints them by their conditions, and marks their pods
//! not ready (`pkg/controller/nodelifecycle`, `kubernetes.io/docs/concepts/architecture/nodes`).

use client::cache::Changed;
use client::{PatchKind, Request};
use serde_json::{Value, json};
use shared::{KindRef, Millis, Object, ObjectKey};

use crate::meta::{about, condition, is_ready, nodes, pods, text, time};
use crate::plan::{Plan, Said, Write, earlier};
use crate::view::{Item, View};

/// This loop's name.
pub const NAME: &str = "node-lifecycle";
/// `--node-monitor-grace-period`: silence after which a node is unknown, in milliseconds.
pub const GRACE_MS: u64 = 50_000;
/// `--node-startup-grace-period`: the same for a node that never reported, in milliseconds.
pub const STARTUP_GRACE_MS: u64 = 60_000;
/// Between two nodes of a zone that are tainted for eviction (`--node-eviction-rate` 0.1 per second).
const EVICTION_INTERVAL_MS: u64 = 10_000;
/// The same in a large zone of which most is down (`--secondary-node-eviction-rate` 0.01 per second).
const SLOW_INTERVAL_MS: u64 = 100_000;
/// A zone with at most so many nodes evicts none while most of it is down (`--large-cluster-size-threshold`).
const LARGE_ZONE: usize = 50;
/// `--unhealthy-zone-threshold`, in percent.
const UNHEALTHY_PERCENT: usize = 55;

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// Condition, the status that taints, and the taint (`nodeConditionToTaintKeyStatusMap`).
const BY_CONDITION: &[(&str, &str, &str)] = &[
    (
        "MemoryPressure",
        "True",
        "node.kubernetes.io/memory-pressure",
    ),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
    (
        "NetworkUnavailable",
        "True",
        "node.kubernetes.io/network-unavailable",
    ),
];

pub(crate) fn leases() -> KindRef {
    KindRef::new("coordination.k8s.io", "v1", "leases")
}

/// The nodes that a change concerns.
#[must_use]
pub fn keys(view: &View, change: &Changed) -> Vec<Item> {
    let Some(object) = change.object() else {
        return Vec::new();
    };
    let item = |name: &str| Item::new(nodes(), ObjectKey::new("", name));
    match change.kind.plural.as_str() {
        "nodes" => vec![item(object.name())],
        "leases" if object.namespace() == "kube-node-lease" => {
            // A renewal matters only to a node that was given up.
            let node = view.get(&nodes(), &ObjectKey::new("", object.name()));
            let given_up = node.is_some_and(|n| readiness(n) == "Unknown");
            let first = change.old.is_none() || change.new.is_none();
            (given_up || first)
                .then(|| item(object.name()))
                .into_iter()
                .collect()
        }
        _ => Vec::new(),
    }
}

/// The status of the `Ready` condition, `Unknown` without one.
fn readiness(node: &Object) -> &str {
    condition(node, "Ready").map_or("Unknown", |c| text(c, "status"))
}

/// When the node was last heard of, and how long after that it counts as silent.
fn last_heard(view: &View, node: &Object) -> (Millis, u64) {
    let lease = view.get(&leases(), &ObjectKey::new("kube-node-lease", node.name()));
    let renewed = lease.and_then(|l| Millis::parse_rfc3339(l.text("/spec/renewTime")));
    let beat = condition(node, "Ready").and_then(|c| time(c, "lastHeartbeatTime"));
    let created = node.created().unwrap_or_default();
    match renewed.max(beat) {
        Some(heard) => (heard, GRACE_MS),
        None => (created, STARTUP_GRACE_MS),
    }
}

/// One look at a node: first its conditions, then its taints, then its pods.
#[must_use]
pub fn reconcile(view: &View, item: &Item, now: Millis) -> Plan {
    let Some(node) = view.get(&item.kind, &item.key) else {
        return Plan::default();
    };
    let (heard, grace) = last_heard(view, node);
    let silent_at = heard.plus_ms(grace);
    let silent = silent_at <= now;
    let again = (!silent).then_some(silent_at);
    if silent && let Some(write) = give_up(node, now) {
        let text = format!("{}: silent for {} s", node.name(), now.since(heard) / 1000);
        return Plan::of(text, vec![write]);
    }
    let (taints, later) = wanted_taints(view, node, now);
    let again = earlier(again, later);
    if node.items("/spec/taints") != taints.as_slice() {
        let patch = json!({
            "metadata": {"uid": node.uid(), "resourceVersion": node.text("/metadata/resourceVersion")},
            "spec": {"taints": if taints.is_empty() { Value::Null } else { taints.into() }},
        });
        let patch = Request::patch(nodes(), &node.key(), PatchKind::Merge, patch);
        let text = format!("{}: taints", node.name());
        return Plan::of(text, vec![Write::new(patch)]).again(again);
    }
    let writes = if readiness(node) == "True" {
        Vec::new()
    } else {
        unready_pods(view, node, now)
    };
    Plan::of(format!("{}: its pods are not ready", node.name()), writes).again(again)
}

/// Turns the conditions that a silent kubelet owned to `Unknown`; `None` when they are so already.
fn give_up(node: &Object, now: Millis) -> Option<Write> {
    let mut conditions = node.items("/status/conditions").to_vec();
    let mut changed = false;
    for kind in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] {
        let found = conditions.iter_mut().find(|c| text(c, "type") == kind);
        match found {
            Some(old) if text(old, "status") == "Unknown" => {}
            Some(old) => {
                changed = true;
                if let Some(map) = old.as_object_mut() {
                    map.insert("status".into(), "Unknown".into());
                    map.insert("reason".into(), "NodeStatusUnknown".into());
                    map.insert(
                        "message".into(),
                        "Kubelet stopped posting node status.".into(),
                    );
                    map.insert("lastTransitionTime".into(), now.rfc3339().into());
                }
            }
            None => {
                changed = true;
                conditions.push(json!({
                    "type": kind,
                    "status": "Unknown",
                    "reason": "NodeStatusNeverUpdated",
                    "message": "Kubelet never posted node status.",
                    "lastHeartbeatTime": node.text("/metadata/creationTimestamp"),
                    "lastTransitionTime": now.rfc3339(),
                }));
            }
        }
    }
    if !changed {
        return None;
    }
    let mut value = node.to_value();
    let status = value
        .as_object_mut()?
        .entry("status")
        .or_insert_with(|| json!({}));
    status
        .as_object_mut()?
        .insert("conditions".into(), conditions.into());
    let message = format!("Node {} status is now: NodeNotReady", node.name());
    let said = Said::normal(about(node, "v1", "Node"), "NodeNotReady", message);
    Some(Write::new(Request::update_status(nodes(), value)).saying(said))
}

/// Every taint that the node should have, its foreign ones first, and when an eviction held back by rate is due.
fn wanted_taints(view: &View, node: &Object, now: Millis) -> (Vec<Value>, Option<Millis>) {
    let mut wanted: Vec<(&str, &str)> = Vec::new();
    for (kind, status, key) in BY_CONDITION {
        if condition(node, kind).is_some_and(|c| text(c, "status") == *status) {
            wanted.push((key, "NoSchedule"));
        }
    }
    if node.at("/spec/unschedulable") == Some(&Value::Bool(true)) {
        wanted.push((UNSCHEDULABLE, "NoSchedule"));
    }
    let mut later = None;
    let down = match readiness(node) {
        "True" => None,
        "False" => Some(NOT_READY),
        _ => Some(UNREACHABLE),
    };
    if let Some(key) = down {
        wanted.push((key, "NoSchedule"));
        match may_evict(view, node, now) {
            Evict::Now => wanted.push((key, "NoExecute")),
            Evict::At(at) => later = Some(at),
            Evict::Never => {}
        }
    }
    let own: Vec<&str> = BY_CONDITION
        .iter()
        .map(|(_, _, key)| *key)
        .chain([NOT_READY, UNREACHABLE, UNSCHEDULABLE])
        .collect();
    let has = node.items("/spec/taints");
    let is =
        |t: &Value, key: &str, effect: &str| text(t, "key") == key && text(t, "effect") == effect;
    let mut taints: Vec<Value> = has
        .iter()
        .filter(|t| {
            let foreign = !own.contains(&text(t, "key"));
            foreign || wanted.iter().any(|(key, effect)| is(t, key, effect))
        })
        .map(|t| stamped(t, now))
        .collect();
    for (key, effect) in wanted {
        if !taints.iter().any(|t| is(t, key, effect)) {
            taints.push(json!({"key": key, "effect": effect, "timeAdded": now.rfc3339()}));
        }
    }
    (taints, later)
}

/// A `NoExecute` taint with the time from which `tolerationSeconds` count.
fn stamped(taint: &Value, now: Millis) -> Value {
    let mut taint = taint.clone();
    if text(&taint, "effect") == "NoExecute"
        && time(&taint, "timeAdded").is_none()
        && let Some(map) = taint.as_object_mut()
    {
        map.insert("timeAdded".into(), now.rfc3339().into());
    }
    taint
}

fn down_since(node: &Object) -> Option<Millis> {
    time(condition(node, "Ready")?, "lastTransitionTime")
}

enum Evict {
    Now,
    At(Millis),
    Never,
}

fn zone(node: &Object) -> (Option<&str>, Option<&str>) {
    (
        node.label("topology.kubernetes.io/region"),
        node.label("topology.kubernetes.io/zone"),
    )
}

/// When the node was tainted so that its pods are evicted.
fn evicting_since(node: &Object) -> Option<Millis> {
    let taints = node.items("/spec/taints").iter();
    let own = |t: &&Value| {
        matches!(text(t, "key"), NOT_READY | UNREACHABLE) && text(t, "effect") == "NoExecute"
    };
    taints
        .filter(own)
        .filter_map(|t| time(t, "timeAdded"))
        .min()
}

/// How many nodes there are and how many of them are down.
fn health<'a>(nodes: impl Iterator<Item = &'a Object>) -> (usize, usize) {
    nodes.fold((0, 0), |(all, down), n| {
        (all + 1, down + usize::from(readiness(n) != "True"))
    })
}

/// Whether the node's pods may be evicted: at a rate per zone, slower or not at all while most of a zone is down, and
/// not at all while every zone is down (`docs/concepts/architecture/nodes#rate-limits-on-eviction`).
fn may_evict(view: &View, node: &Object, now: Millis) -> Evict {
    if evicting_since(node).is_some() {
        return Evict::Now;
    }
    let everywhere = health(view.list(&nodes()));
    if everywhere.0 == everywhere.1 && everywhere.0 > 1 {
        return Evict::Never;
    }
    let in_zone = || view.list(&nodes()).filter(|n| zone(n) == zone(node));
    let (all, down) = health(in_zone());
    let mostly_down = down < all && down > 2 && down * 100 >= all * UNHEALTHY_PERCENT;
    let interval = match (mostly_down, all > LARGE_ZONE) {
        (false, _) => EVICTION_INTERVAL_MS,
        (true, true) => SLOW_INTERVAL_MS,
        (true, false) => return Evict::Never,
    };
    let last = in_zone().filter_map(evicting_since).max();
    let next = last.map_or(now, |at| at.plus_ms(interval));
    // Plans for several nodes can be under way at once, so only the one that is next in line may go.
    let waiting = in_zone().filter(|n| readiness(n) != "True" && evicting_since(n).is_none());
    let first = waiting.min_by_key(|n| (down_since(n), n.name()));
    match first.is_some_and(|n| n.name() == node.name()) {
        _ if next > now => Evict::At(next),
        true => Evict::Now,
        false => Evict::At(now.plus_ms(interval)),
    }
}

/// The pods of a node that is not ready are not ready either, so that they get no traffic.
fn unready_pods(view: &View, node: &Object, now: Millis) -> Vec<Write> {
    let ready = view.pods_on(node.name()).filter(|p| is_ready(p));
    ready
        .map(|pod| {
            let patch = json!({
                "metadata": {"uid": pod.uid(), "resourceVersion": pod.text("/metadata/resourceVersion")},
                "status": {"conditions": [
                    {"type": "Ready", "status": "False", "lastTransitionTime": now.rfc3339()},
                ]},
            });
            let request = Request::patch(pods(), &pod.key(), PatchKind::Strategic, patch).on("status");
            let said = Said::warning(about(pod, "v1", "Pod"), "NodeNotReady", "Node is not ready".into());
            Write::new(request).saying(said)
        })
        .collect()
}
