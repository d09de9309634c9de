//! The node authorizer: a kubelet may do what the role `system:node` says, and only about its own node and the pods
//! there (`plugin/pkg/auth/authorizer/node`, `plugin/pkg/admission/noderestriction`).
//!
//! The role is not bound to the group `system:nodes`, as in the original; its stored rules are the base here. Lists and
//! watches are not narrowed to the node's own objects: informers of kubelets follow whole kinds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use serde_json::Value;
use shared::Revision;
use store::{EventKind, Key, Snapshot};

use super::rule::Rule;
use super::{Attributes, Decision};
use crate::item::parse;
use crate::server::User;
use crate::value::{items, text};

/// The cluster role that holds what every node may do.
pub(crate) const ROLE: &str = "system:node";
/// The namespace of node leases.
const LEASES: &str = "kube-node-lease";
const READS: &[&str] = &["get", "list", "watch"];
const PODS: &str = "/registry/pods/";

/// Which pods are on which node, kept up with the history between two questions.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    checked: Revision,
    node_of: BTreeMap<Key, String>,
    pods_on: BTreeMap<String, BTreeSet<Key>>,
}

impl Graph {
    /// The pods of a namespace on a node, as stored.
    fn pods(&self, node: &str, namespace: &str, snapshot: &Snapshot) -> Vec<Value> {
        let prefix = format!("{PODS}{namespace}/");
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.catch_up(snapshot);
        let keys = known.pods_on.get(node).into_iter().flatten();
        keys.filter(|key| key.starts_with(&prefix))
            .filter_map(|key| parse(&snapshot.get(key)?.value).ok())
            .collect()
    }
}

impl Known {
    fn catch_up(&mut self, snapshot: &Snapshot) {
        let now = snapshot.revision();
        if self.checked >= now {
            return;
        }
        let is_known = self.checked > Revision(0);
        match snapshot.history(self.checked) {
            Ok(commits) if is_known => {
                let events = commits.flatten().filter(|e| e.kv.key.starts_with(PODS));
                for event in events {
                    match event.kind {
                        EventKind::Put => self.place(&event.kv.key, &event.kv.value),
                        EventKind::Delete => self.remove(&event.kv.key),
                    }
                }
            }
            _ => {
                *self = Self::default();
                for kv in snapshot.iter(PODS) {
                    self.place(&kv.key, &kv.value);
                }
            }
        }
        self.checked = now;
    }

    fn place(&mut self, pod: &Key, bytes: &[u8]) {
        let node = Place::of(bytes).spec.node_name;
        if self.node_of.get(pod) == Some(&node) {
            return;
        }
        self.remove(pod);
        if !node.is_empty() {
            let here = self.pods_on.entry(node.clone()).or_default();
            here.insert(pod.clone());
            self.node_of.insert(pod.clone(), node);
        }
    }

    fn remove(&mut self, pod: &str) {
        let Some(node) = self.node_of.remove(pod) else {
            return;
        };
        if let Some(here) = self.pods_on.get_mut(&node) {
            here.remove(pod);
            if here.is_empty() {
                self.pods_on.remove(&node);
            }
        }
    }
}

/// The name of the node that a user is; `None` for everybody else.
pub(crate) fn node_of(user: &User) -> Option<&str> {
    let name = user.name.strip_prefix("system:node:")?;
    user.groups
        .iter()
        .any(|g| g == "system:nodes")
        .then_some(name)
}

/// Judges what a node asks by the rules of [`ROLE`]; an empty denial leaves it to others.
pub(crate) fn authorize(
    graph: &Graph,
    node: &str,
    rules: &[Rule],
    asked: &Attributes<'_>,
    snapshot: &Snapshot,
) -> Decision {
    if !rules.iter().any(|rule| rule.allows(asked)) {
        return Decision::Deny(String::new());
    }
    match refusal(graph, node, asked, snapshot) {
        None => Decision::Allow,
        Some(why) => Decision::Deny(why),
    }
}

/// Why a node may not do something though its role allows the kind of thing.
fn refusal(
    graph: &Graph,
    node: &str,
    asked: &Attributes<'_>,
    snapshot: &Snapshot,
) -> Option<String> {
    let reads = READS.contains(&asked.verb);
    let unrelated = || {
        Some(format!(
            "no relationship found between node '{node}' and this object"
        ))
    };
    match (asked.group, asked.resource) {
        ("", "secrets" | "configmaps") if !asked.name.is_empty() => {
            let pods = graph.pods(node, asked.namespace, snapshot);
            let is_used = pods
                .iter()
                .any(|pod| refers_to(pod, asked.resource, asked.name));
            if is_used { None } else { unrelated() }
        }
        ("", "serviceaccounts") if asked.subresource == "token" || !asked.name.is_empty() => {
            let pods = graph.pods(node, asked.namespace, snapshot);
            let is_used = pods
                .iter()
                .any(|pod| text(pod, "/spec/serviceAccountName") == asked.name);
            if is_used { None } else { unrelated() }
        }
        ("", "nodes") if !reads && !asked.name.is_empty() && asked.name != node => Some(format!(
            "node \"{node}\" is not allowed to modify node \"{}\"",
            asked.name
        )),
        ("", "pods") if !reads && !asked.name.is_empty() => {
            let key = format!("/registry/pods/{}/{}", asked.namespace, asked.name);
            let pod = snapshot.get(&key)?;
            let place = Place::of(&pod.value);
            (place.spec.node_name != node).then(|| {
                format!("node \"{node}\" can only change pods with spec.nodeName set to itself")
            })
        }
        ("coordination.k8s.io", "leases") => {
            let is_own = asked.name == node || (asked.verb == "create" && asked.name.is_empty());
            if asked.namespace != LEASES {
                Some(format!(
                    "can only access leases in the \"{LEASES}\" system namespace"
                ))
            } else if is_own {
                None
            } else {
                Some("can only access node lease with the same name as the requesting node".into())
            }
        }
        ("storage.k8s.io", "csinodes") if !asked.name.is_empty() && asked.name != node => {
            Some("can only access CSINode with the same name as the requesting node".into())
        }
        _ => None,
    }
}

/// The part of a pod that says where it is: reading only that is much cheaper than reading the pod.
#[derive(Debug, Default, Deserialize)]
struct Place {
    #[serde(default)]
    spec: PlaceSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PlaceSpec {
    #[serde(default)]
    node_name: String,
}

impl Place {
    fn of(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }
}

/// Whether a pod mounts, reads or pulls with a Secret or a ConfigMap.
fn refers_to(pod: &Value, resource: &str, name: &str) -> bool {
    let is_secret = resource == "secrets";
    let (key, volume, source) = if is_secret {
        ("secretKeyRef", "secret", "secretRef")
    } else {
        ("configMapKeyRef", "configMap", "configMapRef")
    };
    let volume_name = if is_secret { "secretName" } else { "name" };
    let at = |value: &Value, pointer: &str| text(value, pointer) == name;
    let in_volume = items(pod, "/spec/volumes").iter().any(|v| {
        at(v, &format!("/{volume}/{volume_name}"))
            || items(v, "/projected/sources")
                .iter()
                .any(|s| at(s, &format!("/{volume}/name")))
    });
    let lists = ["containers", "initContainers", "ephemeralContainers"];
    let in_environment = lists.iter().any(|list| {
        items(pod, &format!("/spec/{list}")).iter().any(|c| {
            items(c, "/env")
                .iter()
                .any(|e| at(e, &format!("/valueFrom/{key}/name")))
                || items(c, "/envFrom")
                    .iter()
                    .any(|e| at(e, &format!("/{source}/name")))
        })
    });
    let pulls = is_secret
        && items(pod, "/spec/imagePullSecrets")
            .iter()
            .any(|s| at(s, "/name"));
    in_volume || in_environment || pulls
}

#[cfg(test)]
mod tests {
    use store::{Store, Txn};

    use super::*;

    /// Writes pods one after the other (`NAME NODE`, or `NAME` for a delete) and asks after each.
    #[test]
    fn pods_are_found_on_the_node_they_are_on() {
        let (graph, mut store) = (Graph::default(), Store::new());
        for (line, want) in [
            ("a n1", "a"),
            ("b n2", "a"),
            ("c -", "a"),
            ("c n1", "a c"),
            ("a", "c"),
            ("c", ""),
        ] {
            let (name, node) = line.split_once(' ').unwrap_or((line, ""));
            let key = format!("{PODS}rec/{name}");
            let node_name = if node == "-" { "" } else { node };
            let pod =
                serde_json::json!({"metadata": {"name": name}, "spec": {"nodeName": node_name}});
            let txn = match store.snapshot().get(&key) {
                Some(kv) if node.is_empty() => Txn::delete(key, kv.mod_revision),
                _ => Txn::put(key, pod.to_string()),
            };
            store.commit(txn).expect("commits");
            let found = graph.pods("n1", "rec", &store.snapshot());
            let names: Vec<&str> = found.iter().map(|p| text(p, "/metadata/name")).collect();
            assert_eq!(names.join(" "), want, "after {line}");
            let anew = Graph::default().pods("n1", "rec", &store.snapshot());
            assert_eq!(anew, found, "after {line}, without what was known");
        }
    }
}
