//! When a cluster counts as ready: as many kubelets as it should have are alive, and pods can come to their nodes.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use client::{Answer, Interest, Request};
use io_driver::client::{Client, WatchItem};
use serde_json::Value;
use shared::live::Change;
use shared::{KindRef, Millis, Object};

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Whether pods can come: a node that has just become Ready is kept free by its taint until that has been seen.
fn is_ready(node: &Object) -> bool {
    let says_so = |c: &Value| text(c, "type") == "Ready" && text(c, "status") == "True";
    let is_kept_free = |t: &Value| text(t, "key") == "node.kubernetes.io/not-ready";
    node.items("/status/conditions").iter().any(says_so)
        && !node.items("/spec/taints").iter().any(is_kept_free)
}

/// Waits until `wanted` kubelets have renewed their leases since `start` and as many nodes are Ready. The lease comes
/// first, because after a restart the store still holds what nodes said before.
pub(crate) async fn nodes_ready(client: &dyn Client, wanted: usize, start: Millis) -> Result<()> {
    let mut leases = Interest::all(KindRef::new("coordination.k8s.io", "v1", "leases"));
    leases.namespace = "kube-node-lease".into();
    let is_alive = |lease: &Object| {
        // Renewal times have whole microseconds, the start has milliseconds: equal counts as since.
        Millis::parse_rfc3339(lease.text("/spec/renewTime")).is_some_and(|at| at >= start)
    };
    until(client, &leases, wanted, is_alive).await?;
    until(
        client,
        &Interest::all(KindRef::new("", "v1", "nodes")),
        wanted,
        is_ready,
    )
    .await
}

/// Waits until `wanted` objects are as they should be.
async fn until(
    client: &dyn Client,
    what: &Interest,
    wanted: usize,
    is_good: impl Fn(&Object) -> bool,
) -> Result<()> {
    loop {
        let answer = client
            .call(Request::list(what.kind.clone(), &what.namespace), None)
            .await?;
        let Answer::List {
            revision, items, ..
        } = answer
        else {
            continue;
        };
        let mut good: BTreeSet<String> = items
            .iter()
            .filter(|o| is_good(o))
            .map(|o| o.name().to_owned())
            .collect();
        let mut watch = client
            .watch(what.clone(), revision)
            .await
            .with_context(|| format!("cannot watch {}", what.kind))?;
        while good.len() < wanted {
            match watch.recv().await {
                Some(Ok(WatchItem::Event(event))) => {
                    let name = event.object.name().to_owned();
                    if event.change != Change::Deleted && is_good(&event.object) {
                        good.insert(name);
                    } else {
                        good.remove(&name);
                    }
                }
                Some(Ok(WatchItem::Bookmark(_))) => {}
                Some(Err(_)) | None => break,
            }
        }
        if good.len() >= wanted {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_node_is_ready_when_pods_can_come() {
        for (status, taints, want) in [
            ("True", json!([]), true),
            (
                "True",
                json!([{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]),
                true,
            ),
            (
                "True",
                json!([{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]),
                false,
            ),
            ("False", json!([]), false),
        ] {
            let node = json!({"spec": {"taints": taints}, "status": {"conditions": [{"type": "Ready", "status": status}]}});
            assert_eq!(is_ready(&Object::new(node.clone())), want, "{node}");
        }
    }
}
