//! A Node as the drawing shows it: readiness, zone, addresses, and what its pods asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::quantity::Quantity;
use shared::{Object, ObjectKey};

use super::cluster::Cluster;
use super::namespace::{self, NamespaceView};
use super::pod::{Look, PodView, condition, is_true, text};

/// One node with its pods.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// kubectl's STATUS: `Ready`, `NotReady`, `Unknown`, with `,SchedulingDisabled`.
    pub status: String,
    /// How it is drawn.
    pub look: Look,
    /// `topology.kubernetes.io/zone`.
    pub zone: String,
    /// The addresses of its pods: `10.244.1.0/24`.
    pub pod_cidr: String,
    /// `InternalIP`.
    pub ip: String,
    /// Requested CPU in thousandths of a core, and what is allocatable.
    pub cpu_m: (i64, i64),
    /// Requested memory in bytes, and what is allocatable.
    pub memory: (i64, i64),
    /// Its pods by key.
    pub pods: Vec<Arc<PodView>>,
    /// What it was read from.
    source: Source,
}

/// The object behind a view. It says nothing that the view does not, so it does not count when views are compared.
#[derive(Clone, Debug, Default)]
struct Source(Option<Object>);

impl PartialEq for Source {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl NodeView {
    /// Whether it was made of these very objects.
    fn is_of(&self, object: &Object, pods: &[Arc<PodView>]) -> bool {
        let same = |source: &Object| std::ptr::eq(source.value(), object.value());
        self.source.0.as_ref().is_some_and(same)
            && self.pods.len() == pods.len()
            && self.pods.iter().zip(pods).all(|(a, b)| Arc::ptr_eq(a, b))
    }

    /// One of its pods.
    #[must_use]
    pub fn pod(&self, key: &ObjectKey) -> Option<&Arc<PodView>> {
        let at = self.pods.binary_search_by(|p| p.key.cmp(key)).ok()?;
        self.pods.get(at)
    }
}

/// All that the drawing is made of.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// Nodes in the order people count.
    pub nodes: Vec<Arc<NodeView>>,
    /// Where each of them is in that order.
    places: Arc<BTreeMap<String, usize>>,
    /// Pods without a node.
    pub waiting: Vec<Arc<PodView>>,
    /// Services that are open to the outside.
    pub gates: Vec<Gate>,
    /// All Services.
    pub services: Vec<ServiceView>,
    /// Namespaces with something to show: pods, a quota, or somebody's own.
    pub namespaces: Vec<NamespaceView>,
}

/// A node port in the wall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The Service.
    pub service: ObjectKey,
    /// The port on every node.
    pub port: i64,
}

/// A Service on the beam.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceView {
    /// Namespace and name.
    pub key: ObjectKey,
    /// `10.96.0.7:80`, `headless`, ...
    pub address: String,
    /// Ready endpoints.
    pub ready: usize,
    /// Names of the pods behind it.
    pub pods: Vec<ObjectKey>,
}

/// Views are shared as long as they say the same, so that identity tells of thousands what equality would.
impl PartialEq for Scene {
    fn eq(&self, other: &Self) -> bool {
        fn same<T>(a: &[Arc<T>], b: &[Arc<T>]) -> bool {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| Arc::ptr_eq(a, b))
        }
        same(&self.nodes, &other.nodes)
            && same(&self.waiting, &other.waiting)
            && self.gates == other.gates
            && self.services == other.services
            && self.namespaces == other.namespaces
    }
}

impl Scene {
    /// Derives the drawing from what is known.
    #[must_use]
    pub fn of(cluster: &Cluster) -> Self {
        Self::after(&Self::default(), cluster)
    }

    /// A node by name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Arc<NodeView>> {
        self.nodes.get(*self.places.get(name)?)
    }

    /// Derives the drawing anew; of nodes that are as they were, the views are kept, because there may be thousands
    /// and a change concerns few.
    #[must_use]
    pub fn after(before: &Self, cluster: &Cluster) -> Self {
        let mut by_node: BTreeMap<&str, Vec<Arc<PodView>>> = BTreeMap::new();
        for pod in cluster.pods.values() {
            by_node.entry(&pod.node).or_default().push(Arc::clone(pod));
        }
        let waiting = by_node.remove("").unwrap_or_default();
        let view = |object: &Object| {
            let pods = by_node.remove(object.name()).unwrap_or_default();
            match before.node(object.name()) {
                Some(view) if view.is_of(object, &pods) => Arc::clone(view),
                _ => Arc::new(node(object, pods)),
            }
        };
        let mut nodes: Vec<Arc<NodeView>> = cluster.shelf("nodes").values().map(view).collect();
        let known = |n: &Arc<NodeView>| before.places.get(&n.name).copied();
        let same = nodes.len() == before.nodes.len() && nodes.iter().all(|n| known(n).is_some());
        let places = if same {
            nodes.sort_by_cached_key(known);
            before.places.clone()
        } else {
            nodes.sort_by_cached_key(|n| natural(&n.name));
            let names = nodes.iter().enumerate();
            Arc::new(names.map(|(i, n)| (n.name.clone(), i)).collect())
        };
        let services = cluster.shelf("services");
        Self {
            nodes,
            places,
            waiting: waiting.into_iter().filter(|p| !p.terminal).collect(),
            gates: services.values().flat_map(gates).collect(),
            services: services.values().map(|s| service(cluster, s)).collect(),
            namespaces: namespace::all(cluster),
        }
    }
}

/// A name as a sequence in which numbers count as numbers: `node-2` comes before `node-10`.
fn natural(name: &str) -> Vec<(u64, String)> {
    let mut out = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let text = after.bytes().take_while(|b| !b.is_ascii_digit()).count();
        let (word, next) = after.split_at(text);
        out.push((number.parse().unwrap_or(0), word.to_owned()));
        rest = next;
    }
    out
}

/// kubectl's STATUS of a node (`printNode`).
#[must_use]
pub fn status_word(node: &Object) -> String {
    let mut word = match condition(node, "Ready") {
        Some(c) if is_true(c) => "Ready".to_owned(),
        Some(_) => "NotReady".into(),
        None => "Unknown".into(),
    };
    if node
        .at("/spec/unschedulable")
        .and_then(serde_json::Value::as_bool)
        == Some(true)
    {
        word.push_str(",SchedulingDisabled");
    }
    word
}

fn node(node: &Object, pods: Vec<Arc<PodView>>) -> NodeView {
    let status = status_word(node);
    let allocatable =
        |resource: &str| Quantity::parse(node.text(&format!("/status/allocatable/{resource}")));
    let asked = |of: fn(&PodView) -> i64| {
        let live = pods.iter().filter(|p| !p.terminal);
        live.fold(0i64, |sum, p| sum.saturating_add(of(p)))
    };
    NodeView {
        name: node.name().into(),
        look: match status.as_str() {
            "Ready" => Look::Ready,
            s if s.starts_with("Ready,") => Look::Waiting,
            _ => Look::Failing,
        },
        status,
        zone: node
            .label("topology.kubernetes.io/zone")
            .unwrap_or_default()
            .into(),
        pod_cidr: node.text("/spec/podCIDR").into(),
        ip: node
            .items("/status/addresses")
            .iter()
            .find(|a| text(a, "/type") == "InternalIP")
            .map_or("", |a| text(a, "/address"))
            .into(),
        cpu_m: (
            asked(|p| p.cpu_m),
            allocatable("cpu").map_or(0, Quantity::as_millis),
        ),
        memory: (
            asked(|p| p.memory),
            allocatable("memory").map_or(0, Quantity::as_units),
        ),
        pods,
        source: Source(Some(node.clone())),
    }
}

fn gates(service: &Object) -> Vec<Gate> {
    service
        .items("/spec/ports")
        .iter()
        .filter_map(|p| p.get("nodePort")?.as_i64())
        .filter(|port| *port > 0)
        .map(|port| Gate {
            service: service.key(),
            port,
        })
        .collect()
}

fn service(cluster: &Cluster, service: &Object) -> ServiceView {
    let key = service.key();
    let slices = cluster.shelf("endpointslices").values().filter(|s| {
        s.namespace() == key.namespace && s.label("kubernetes.io/service-name") == Some(&key.name)
    });
    let (mut ready, mut pods) = (0, Vec::new());
    for endpoint in slices.flat_map(|s| s.items("/endpoints")) {
        ready += usize::from(endpoint.pointer("/conditions/ready") != Some(&false.into()));
        if text(endpoint, "/targetRef/kind") == "Pod" {
            pods.push(ObjectKey::new(
                &key.namespace,
                text(endpoint, "/targetRef/name"),
            ));
        }
    }
    let port = service.int("/spec/ports/0/port");
    let address = match (
        service.text("/spec/type"),
        service.text("/spec/clusterIP"),
        port,
    ) {
        ("ExternalName", _, _) => service.text("/spec/externalName").into(),
        (_, "None" | "", _) => "headless".into(),
        (_, ip, Some(port)) => format!("{ip}:{port}"),
        (_, ip, None) => ip.into(),
    };
    ServiceView {
        key,
        address,
        ready,
        pods,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use shared::live::Message;
    use shared::{KindRef, Revision};

    use super::*;

    fn cluster(shelves: Vec<(&str, Vec<Value>)>) -> Cluster {
        let mut c = Cluster::default();
        for (plural, items) in shelves {
            c.apply(Message::Snapshot {
                kind: KindRef::new("", "v1", plural),
                revision: Revision(1),
                items: items.into_iter().map(Object::new).collect(),
            });
        }
        c
    }

    fn pod(name: &str, node: &str, cpu: &str, phase: &str) -> Value {
        json!({"kind": "Pod", "metadata": {"name": name, "namespace": "default"},
            "spec": {"nodeName": node, "containers": [{"name": "c", "resources": {"requests": {"cpu": cpu, "memory": "32Mi"}}}]},
            "status": {"phase": phase}})
    }

    #[test]
    fn a_node_counts_the_requests_of_pods_that_still_count() {
        let n = json!({"kind": "Node", "metadata": {"name": "n", "labels": {"topology.kubernetes.io/zone": "a"}},
            "spec": {"podCIDR": "10.244.1.0/24"},
            "status": {"allocatable": {"cpu": "1", "memory": "64Mi"},
                "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
                "conditions": [{"type": "Ready", "status": "True"}]}});
        let scene = Scene::of(&cluster(vec![
            ("nodes", vec![n]),
            (
                "pods",
                vec![
                    pod("a", "n", "250m", "Running"),
                    pod("b", "n", "500m", "Succeeded"),
                    pod("c", "", "1", "Pending"),
                    pod("d", "gone", "1", "Running"),
                ],
            ),
        ]));
        let node = &scene.nodes[0];
        assert_eq!(
            (node.cpu_m, node.memory),
            ((250, 1000), (32 << 20, 64 << 20))
        );
        assert_eq!(
            (node.status.as_str(), node.zone.as_str(), node.ip.as_str()),
            ("Ready", "a", "10.0.0.1")
        );
        assert_eq!(node.pods.len(), 2);
        assert_eq!(
            scene
                .waiting
                .iter()
                .map(|p| p.key.name.as_str())
                .collect::<Vec<_>>(),
            ["c"]
        );
    }

    #[test]
    fn views_of_what_did_not_change_are_kept() {
        let named = |n: &&str| json!({"kind": "Node", "metadata": {"name": n}});
        let mut c = cluster(vec![
            ("nodes", ["a", "b"].iter().map(named).collect()),
            ("pods", vec![pod("p", "a", "1", "Running")]),
        ]);
        let before = Scene::of(&c);
        c.apply(Message::Change {
            kind: KindRef::new("", "v1", "pods"),
            change: shared::live::Change::Modified,
            object: Object::new(pod("p", "a", "2", "Running")),
        });
        let after = Scene::after(&before, &c);
        let kept: Vec<bool> = before
            .nodes
            .iter()
            .zip(&after.nodes)
            .map(|(x, y)| Arc::ptr_eq(x, y))
            .collect();
        assert_eq!(kept, [false, true]);
        assert_ne!(after, before);
        assert_eq!(after, Scene::after(&after, &c));
        assert_eq!(after.node("a").map(|n| n.cpu_m.0), Some(2000));
    }

    #[test]
    fn nodes_stand_in_the_order_people_count() {
        let named = |n: &&str| json!({"kind": "Node", "metadata": {"name": n}});
        let names = ["edge", "node-10", "node-2", "node-1", "é7", "node-1b", "9"];
        let scene = Scene::of(&cluster(vec![("nodes", names.iter().map(named).collect())]));
        let order: Vec<&str> = scene.nodes.iter().map(|n| n.name.as_str()).collect();
        assert_eq!(
            order,
            ["edge", "node-1", "node-1b", "node-2", "node-10", "é7", "9"]
        );
    }

    #[test]
    fn node_words_are_kubectls() {
        for (conditions, unschedulable, want) in [
            (json!([{"type": "Ready", "status": "True"}]), false, "Ready"),
            (
                json!([{"type": "Ready", "status": "True"}]),
                true,
                "Ready,SchedulingDisabled",
            ),
            (
                json!([{"type": "Ready", "status": "Unknown"}]),
                false,
                "NotReady",
            ),
            (json!([]), false, "Unknown"),
        ] {
            let n = json!({"spec": {"unschedulable": unschedulable}, "status": {"conditions": conditions}});
            assert_eq!(status_word(&Object::new(n)), want);
        }
    }

    #[test]
    fn services_show_their_address_gates_and_ready_endpoints() {
        let scene = Scene::of(&cluster(vec![
            (
                "services",
                vec![
                    json!({"kind": "Service", "metadata": {"name": "web", "namespace": "default"},
                "spec": {"type": "NodePort", "clusterIP": "10.96.0.7", "ports": [{"port": 80, "nodePort": 30080}]}}),
                ],
            ),
            (
                "endpointslices",
                vec![json!({"metadata": {"name": "web-1", "namespace": "default",
                "labels": {"kubernetes.io/service-name": "web"}},
                "endpoints": [
                    {"conditions": {"ready": true}, "targetRef": {"kind": "Pod", "name": "a"}},
                    {"conditions": {"ready": false}, "targetRef": {"kind": "Pod", "name": "b"}}]})],
            ),
        ]));
        assert_eq!(
            scene.gates,
            [Gate {
                service: ObjectKey::new("default", "web"),
                port: 30080
            }]
        );
        let web = &scene.services[0];
        assert_eq!(
            (web.address.as_str(), web.ready, web.pods.len()),
            ("10.96.0.7:80", 1, 2)
        );
    }
}
