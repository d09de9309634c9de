//! A node and what is placed on it, kept as running sums.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use shared::Object;

use crate::pod::{HostPort, PodInfo};
use crate::resources::{Resources, quantity};

/// A taint of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// A node with the sums over its pods.
#[derive(Clone, Debug, Default)]
pub struct NodeInfo {
    /// `metadata.name`.
    pub name: String,
    /// False while only pods bound to it are known, but not the node itself.
    pub known: bool,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) taints: Vec<Taint>,
    pub(crate) unschedulable: bool,
    /// `status.allocatable`.
    pub allocatable: Resources,
    /// `status.allocatable.pods`.
    pub allowed_pods: i64,
    pub(crate) images: BTreeMap<String, i64>,
    pub(crate) pods: BTreeMap<String, Arc<PodInfo>>,
    /// The sum of what its pods request.
    pub requested: Resources,
    pub(crate) assumed: (i64, i64),
    pub(crate) ports: Vec<HostPort>,
}

/// How an update of a node can help a pod that did not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeChange {
    pub(crate) room: bool,
    pub(crate) labels: bool,
    pub(crate) taints: bool,
}

impl NodeInfo {
    /// Takes in the node's object and answers what changed for the better or worse.
    pub(crate) fn set(&mut self, node: &Object) -> NodeChange {
        let labels: BTreeMap<String, String> = node
            .at("/metadata/labels")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned()))
            .collect();
        let taints: Vec<Taint> = node.items("/spec/taints").iter().map(taint).collect();
        let unschedulable = node.at("/spec/unschedulable") == Some(&Value::Bool(true));
        let list = node
            .at("/status/allocatable")
            .or_else(|| node.at("/status/capacity"));
        let allocatable = Resources::from_list(list);
        let pods = list
            .and_then(|l| l.get("pods"))
            .map(|p| quantity(p).as_units());
        let change = NodeChange {
            room: allocatable != self.allocatable || pods.unwrap_or(0) != self.allowed_pods,
            labels: labels != self.labels,
            taints: taints != self.taints || unschedulable != self.unschedulable,
        };
        self.name = node.name().into();
        self.known = true;
        self.labels = labels;
        self.taints = taints;
        self.unschedulable = unschedulable;
        self.allocatable = allocatable;
        self.allowed_pods = pods.unwrap_or(0);
        self.images = images(node);
        change
    }

    pub(crate) fn add(&mut self, pod: Arc<PodInfo>) {
        self.requested.add(&pod.requests);
        self.assumed.0 += pod.assumed.0;
        self.assumed.1 += pod.assumed.1;
        self.ports.extend(pod.host_ports.iter().cloned());
        self.pods.insert(pod.uid().to_owned(), pod);
    }

    pub(crate) fn remove(&mut self, uid: &str) -> Option<Arc<PodInfo>> {
        let pod = self.pods.remove(uid)?;
        self.requested.subtract(&pod.requests);
        self.assumed.0 -= pod.assumed.0;
        self.assumed.1 -= pod.assumed.1;
        for port in &pod.host_ports {
            if let Some(at) = self.ports.iter().position(|p| p == port) {
                self.ports.swap_remove(at);
            }
        }
        Some(pod)
    }

    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str)
    }

    pub(crate) fn zone(&self) -> &str {
        self.label("topology.kubernetes.io/zone")
            .unwrap_or_default()
    }
}

fn taint(value: &Value) -> Taint {
    let text = |field: &str| {
        let text = value.get(field).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    Taint {
        key: text("key"),
        value: text("value"),
        effect: text("effect"),
    }
}

fn images(node: &Object) -> BTreeMap<String, i64> {
    let mut images = BTreeMap::new();
    for image in node.items("/status/images") {
        let size = image.get("sizeBytes").and_then(Value::as_i64).unwrap_or(0);
        let names = image.get("names").and_then(Value::as_array);
        for name in names.into_iter().flatten().filter_map(Value::as_str) {
            images.insert(normalized_image(name), size);
        }
    }
    images
}

/// An image name with its tag: `nginx` is `nginx:latest`.
pub(crate) fn normalized_image(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') || last.contains('@') {
        name.to_owned()
    } else {
        format!("{name}:latest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sums_follow_pods_in_and_out() {
        let pod = |uid: &str| {
            let pod = json!({"metadata": {"uid": uid}, "spec": {"containers": [
                {"ports": [{"hostPort": 80}], "resources": {"requests": {"cpu": "1", "memory": "1Ki"}}}]}});
            Arc::new(PodInfo::parse(&Object::new(pod)))
        };
        let mut node = NodeInfo::default();
        node.add(pod("a"));
        node.add(pod("b"));
        assert_eq!((node.requested.milli_cpu, node.ports.len()), (2000, 2));
        assert!(node.remove("a").is_some());
        assert!(node.remove("a").is_none());
        assert_eq!(
            (node.requested.milli_cpu, node.assumed, node.ports.len()),
            (1000, (1000, 1024), 1)
        );
    }

    #[test]
    fn images_have_a_tag() {
        for (given, want) in [
            ("nginx", "nginx:latest"),
            ("reg:5000/a/b", "reg:5000/a/b:latest"),
            ("a:1", "a:1"),
            ("a@sha256:0", "a@sha256:0"),
        ] {
            assert_eq!(normalized_image(given), want);
        }
    }
}
