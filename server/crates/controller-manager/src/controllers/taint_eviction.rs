//! Taint eviction: deletes pods that do not tolerate a `NoExecute` taint of their node, or not for longer
//! (`pkg/controller/tainteviction`).

use client::cache::Changed;
use client::{PatchKind, Request};
use serde_json::{Value, json};
use shared::{Millis, Object, ObjectKey};

use crate::meta::{about, has_ended, nodes, pods, text, time};
use crate::plan::{Plan, Said, Write};
use crate::view::{Item, View};

/// This loop's name.
pub const NAME: &str = "taint-eviction";

fn taints(node: &Object) -> impl Iterator<Item = &Value> {
    let taints = node.items("/spec/taints").iter();
    taints.filter(|t| text(t, "effect") == "NoExecute")
}

/// The pods that a change concerns.
#[must_use]
pub fn keys(view: &View, change: &Changed) -> Vec<Item> {
    let item = |pod: &Object| Item::new(pods(), pod.key());
    match (change.kind.plural.as_str(), &change.new) {
        ("nodes", Some(node)) => {
            let all = |n: &Object| taints(n).cloned().collect::<Vec<_>>();
            if change.old.as_ref().map(all).unwrap_or_default() == all(node) {
                return Vec::new();
            }
            view.pods_on(node.name()).map(item).collect()
        }
        ("pods", Some(pod)) => {
            let key = ObjectKey::new("", pod.text("/spec/nodeName"));
            let tainted = view
                .get(&nodes(), &key)
                .is_some_and(|n| taints(n).next().is_some());
            tainted.then(|| item(pod)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let (key, effect) = (text(toleration, "key"), text(toleration, "effect"));
    let exists = text(toleration, "operator") == "Exists";
    (effect.is_empty() || effect == text(taint, "effect"))
        && (key == text(taint, "key") || (key.is_empty() && exists))
        && (exists || text(toleration, "value") == text(taint, "value"))
}

/// When the pod has to go: `None` never, a time in the past now.
fn due(pod: &Object, node: &Object) -> Option<Millis> {
    let mut first: Option<Millis> = None;
    for taint in taints(node) {
        let tolerations = pod.items("/spec/tolerations").iter();
        let matching: Vec<&Value> = tolerations.filter(|t| tolerates(t, taint)).collect();
        let limits = matching
            .iter()
            .filter_map(|t| t.get("tolerationSeconds")?.as_i64());
        let added = time(taint, "timeAdded");
        let due = match (matching.is_empty(), limits.min(), added) {
            (true, _, _) => Some(Millis(0)),
            (false, Some(seconds), Some(added)) => {
                Some(added.plus_secs(u64::try_from(seconds).unwrap_or(0)))
            }
            // Without a time the wait cannot be counted; the node lifecycle loop adds it.
            (false, _, _) => None,
        };
        first = crate::plan::earlier(first, due);
    }
    first
}

/// One look at a pod.
#[must_use]
pub fn reconcile(view: &View, item: &Item, now: Millis) -> Plan {
    let Some(pod) = view.get(&item.kind, &item.key) else {
        return Plan::default();
    };
    if pod.deletion().is_some() || has_ended(pod) {
        return Plan::default();
    }
    let key = ObjectKey::new("", pod.text("/spec/nodeName"));
    let Some(due) = view.get(&nodes(), &key).and_then(|node| due(pod, node)) else {
        return Plan::default();
    };
    if due > now {
        return Plan::later(Some(due));
    }
    let message = "Taint manager: deleting due to NoExecute taint";
    let mark = disruption_target(pod, "DeletionByTaintManager", message, now);
    let said = Said::normal(
        about(pod, "v1", "Pod"),
        "TaintManagerEviction",
        format!("Marking for deletion Pod {}", item.key),
    );
    let delete = Write::new(Request::delete(pods(), &item.key, pod.uid())).saying(said);
    Plan::staged(
        format!("{}: evict from {}", item.key, key.name),
        vec![vec![mark], vec![delete]],
    )
}

/// The status patch that tells why a pod is about to be deleted (KEP-3329).
pub(crate) fn disruption_target(pod: &Object, reason: &str, message: &str, now: Millis) -> Write {
    let condition = json!({
        "type": "DisruptionTarget",
        "observedGeneration": pod.generation(),
        "status": "True",
        "lastProbeTime": null,
        "lastTransitionTime": now.rfc3339(),
        "reason": reason,
        "message": message,
    });
    let patch = json!({"metadata": {"uid": pod.uid()}, "status": {"conditions": [condition]}});
    Write::new(Request::patch(pods(), &pod.key(), PatchKind::Strategic, patch).on("status"))
}
