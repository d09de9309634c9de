//! What `kubectl get nodes` prints for a node.

use serde_json::Value;

use super::{condition, text};
use crate::Object;

/// The label prefix that gives a node a role: `node-role.kubernetes.io/control-plane`.
pub const ROLE_PREFIX: &str = "node-role.kubernetes.io/";

/// The STATUS column: `Ready`, `NotReady` or `Unknown`, with `,SchedulingDisabled` on a cordoned node.
#[must_use]
pub fn status(node: &Object) -> String {
    let ready = match condition(node, "Ready") {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    if node.at("/spec/unschedulable").and_then(Value::as_bool) == Some(true) {
        format!("{ready},SchedulingDisabled")
    } else {
        ready.into()
    }
}

/// The ROLES column: what follows [`ROLE_PREFIX`] and the value of `kubernetes.io/role`, sorted; `<none>` without.
#[must_use]
pub fn roles(node: &Object) -> String {
    let labels = node.at("/metadata/labels").and_then(Value::as_object);
    let mut roles: Vec<&str> = labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| match key.strip_prefix(ROLE_PREFIX) {
            Some(role) => Some(role),
            None if key == "kubernetes.io/role" => value.as_str(),
            None => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() {
        "<none>".into()
    } else {
        roles.join(",")
    }
}

/// The first address of a type (`InternalIP`, `ExternalIP`, `Hostname`).
#[must_use]
pub fn address<'a>(node: &'a Object, kind: &str) -> Option<&'a str> {
    let addresses = node.items("/status/addresses").iter();
    addresses
        .filter(|a| text(a, "type") == kind)
        .map(|a| text(a, "address"))
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nodes_read_as_kubectl_prints_them() {
        for (node, want) in [
            (json!({}), "Unknown <none> -"),
            (
                json!({"status": {"conditions": [{"type": "Ready", "status": "True"}],
                    "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}}),
                "Ready <none> 10.0.0.1",
            ),
            (
                json!({"metadata": {"labels": {"node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/control-plane": ""}},
                    "spec": {"unschedulable": true}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}),
                "NotReady,SchedulingDisabled control-plane,worker -",
            ),
        ] {
            let node = Object::new(node);
            let address = address(&node, "InternalIP").unwrap_or("-");
            let got = format!("{} {} {address}", status(&node), roles(&node));
            assert_eq!(got, want);
        }
    }
}
