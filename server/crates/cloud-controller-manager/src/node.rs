//! cloud-node and cloud-node-lifecycle: initialises nodes that ask for it, deletes those whose machine is gone
//! (`k8s.io/cloud-provider/controllers/{node,nodelifecycle}`).

use client::{PatchKind, Request};
use serde_json::{Map, Value, json};
use shared::{KindRef, Object};

use crate::cloud::CloudProvider;
use crate::manager::{Said, Step};

/// The taint that a kubelet started for an external cloud puts on its node.
pub(crate) const UNINITIALIZED: &str = "node.cloudprovider.kubernetes.io/uninitialized";

pub(crate) fn kind() -> KindRef {
    KindRef::new("", "v1", "nodes")
}

fn is_ready(node: &Object) -> bool {
    let text = |c: &Value, field: &str| c.get(field).and_then(Value::as_str).map(str::to_owned);
    node.items("/status/conditions").iter().any(|c| {
        text(c, "type").as_deref() == Some("Ready") && text(c, "status").as_deref() == Some("True")
    })
}

/// One look at a node.
pub(crate) fn step(node: &Object, cloud: &dyn CloudProvider) -> Option<Step> {
    if node.deletion().is_some() {
        return None;
    }
    let Some(instance) = cloud.instance(node) else {
        if is_ready(node) {
            return None;
        }
        let request = Request::delete(kind(), &node.key(), node.uid());
        let message = format!(
            "Deleting node {} because it does not exist in the cloud provider",
            node.name()
        );
        let text = format!("{}: its machine is gone", node.name());
        return Some(Step::new(text, request).saying(Said::normal("DeletingNode", message)));
    };
    let taints = node.items("/spec/taints");
    let is_ours = |t: &&Value| t.get("key").and_then(Value::as_str) == Some(UNINITIALIZED);
    if !taints.iter().any(|t| is_ours(&t)) {
        return None;
    }
    let left: Vec<&Value> = taints.iter().filter(|t| !is_ours(t)).collect();
    let mut labels = Map::new();
    for (key, value) in [
        ("node.kubernetes.io/instance-type", instance.instance_type),
        ("topology.kubernetes.io/region", instance.region),
        ("topology.kubernetes.io/zone", instance.zone),
    ] {
        if !value.is_empty() {
            labels.insert(key.into(), value.into());
        }
    }
    let mut spec = json!({"taints": if left.is_empty() { Value::Null } else { json!(left) }});
    if let (true, Some(spec)) = (
        node.text("/spec/providerID").is_empty(),
        spec.as_object_mut(),
    ) {
        spec.insert("providerID".into(), instance.provider_id.into());
    }
    let patch = json!({
        "metadata": {
            "uid": node.uid(),
            "resourceVersion": node.text("/metadata/resourceVersion"),
            "labels": labels,
        },
        "spec": spec,
    });
    let request = Request::patch(kind(), &node.key(), PatchKind::Merge, patch);
    let said = Said::normal("Synced", "Node synced successfully".into());
    Some(Step::new(format!("{}: initialise", node.name()), request).saying(said))
}
