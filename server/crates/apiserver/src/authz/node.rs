//! The node authorizer: a kubelet may do what the role `system:node` says, and only about its own node and the pods
//! there (`plugin/pkg/auth/authorizer/node`, `plugin/pkg/admission/noderestriction`).
//!
//! The role is not bound to the group `system:nodes`, as in the original; its stored rules are the base here. Lists and
//! watches are not narrowed to the node's own objects: informers of kubelets follow whole kinds.

use serde::Deserialize;
use serde_json::Value;
use store::Snapshot;

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
    node: &str,
    rules: &[Rule],
    asked: &Attributes<'_>,
    snapshot: &Snapshot,
) -> Decision {
    if !rules.iter().any(|rule| rule.allows(asked)) {
        return Decision::Deny(String::new());
    }
    match refusal(node, asked, snapshot) {
        None => Decision::Allow,
        Some(why) => Decision::Deny(why),
    }
}

/// Why a node may not do something though its role allows the kind of thing.
fn refusal(node: &str, asked: &Attributes<'_>, snapshot: &Snapshot) -> Option<String> {
    let reads = READS.contains(&asked.verb);
    let unrelated = || {
        Some(format!(
            "no relationship found between node '{node}' and this object"
        ))
    };
    match (asked.group, asked.resource) {
        ("", "secrets" | "configmaps") if !asked.name.is_empty() => {
            let is_used = pods_of(node, asked.namespace, snapshot)
                .any(|pod| refers_to(&pod, asked.resource, asked.name));
            if is_used { None } else { unrelated() }
        }
        ("", "serviceaccounts") if asked.subresource == "token" || !asked.name.is_empty() => {
            let is_used = pods_of(node, asked.namespace, snapshot)
                .any(|pod| text(&pod, "/spec/serviceAccountName") == asked.name);
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

fn pods_of<'a>(
    node: &'a str,
    namespace: &str,
    snapshot: &'a Snapshot,
) -> impl Iterator<Item = Value> + use<'a> {
    let prefix = format!("/registry/pods/{namespace}/");
    let here: Vec<Value> = snapshot
        .iter(&prefix)
        .filter(|kv| Place::of(&kv.value).spec.node_name == node)
        .filter_map(|kv| parse(&kv.value).ok())
        .collect();
    here.into_iter()
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
