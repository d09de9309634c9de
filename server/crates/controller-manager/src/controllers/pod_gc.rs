//! Pod garbage collector: removes pods that no kubelet will ever remove (`pkg/controller/podgc`): those of nodes that
//! are gone, those deleted before they had a node, and terminating ones on nodes declared out of service.

use client::Request;
use client::cache::Changed;
use shared::{Millis, Object, ObjectKey};

use super::taint_eviction::disruption_target;
use crate::meta::{condition, has_ended, nodes, pods, text};
use crate::plan::{Plan, Write};
use crate::view::{Item, View};

/// This loop's name.
pub const NAME: &str = "pod-garbage-collector";
/// A pod this young may name a node that is still registering (`quarantineTime`), in milliseconds.
const QUARANTINE_MS: u64 = 40_000;

/// The pods that a change concerns.
#[must_use]
pub fn keys(view: &View, change: &Changed) -> Vec<Item> {
    let item = |pod: &Object| Item::new(pods(), pod.key());
    match (change.kind.plural.as_str(), change.object()) {
        ("nodes", Some(node)) => view.pods_on(node.name()).map(item).collect(),
        ("pods", Some(pod)) if change.new.is_some() => {
            let key = ObjectKey::new("", pod.text("/spec/nodeName"));
            let lost = pod.deletion().is_some() || view.get(&nodes(), &key).is_none();
            lost.then(|| item(pod)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// One look at a pod.
#[must_use]
pub fn reconcile(view: &View, item: &Item, now: Millis) -> Plan {
    let Some(pod) = view.get(&item.kind, &item.key) else {
        return Plan::default();
    };
    let node = pod.text("/spec/nodeName");
    if node.is_empty() {
        let text = format!("{}: deleted before it had a node", item.key);
        let gone = pod.deletion().is_some() && pod.items("/metadata/finalizers").is_empty();
        return if gone {
            Plan::of(text, vec![force_delete(pod)])
        } else {
            Plan::default()
        };
    }
    let node_key = ObjectKey::new("", node);
    let Some(found) = view.get(&nodes(), &node_key) else {
        let settled = pod.created().unwrap_or_default().plus_ms(QUARANTINE_MS);
        if settled > now {
            return Plan::later(Some(settled));
        }
        let read = Write::absent(Request::get(nodes(), &node_key), "");
        let mut stages = vec![vec![read]];
        if !has_ended(pod) && pod.deletion().is_none() {
            let message = "PodGC: node no longer exists";
            stages.push(vec![disruption_target(
                pod,
                "DeletionByPodGC",
                message,
                now,
            )]);
        }
        stages.push(vec![force_delete(pod)]);
        return Plan::staged(format!("{}: {node} is gone", item.key), stages);
    };
    let ready = condition(found, "Ready").is_some_and(|c| text(c, "status") == "True");
    let taints = found.items("/spec/taints").iter();
    let out = taints
        .clone()
        .any(|t| text(t, "key") == "node.kubernetes.io/out-of-service");
    if out && !ready && pod.deletion().is_some() {
        let text = format!("{}: {node} is out of service", item.key);
        return Plan::of(text, vec![force_delete(pod)]);
    }
    Plan::default()
}

fn force_delete(pod: &Object) -> Write {
    Write::new(Request::delete(pods(), &pod.key(), pod.uid()).with_grace(0))
}
