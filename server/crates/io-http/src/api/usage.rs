//! What nodes and pods use: `metrics.k8s.io`, the kubelet's Summary API and its metrics.
//!
//! Nodes count since a container started; rates are made here, from samples. A node's own use is that of its pods:
//! nodes of one process share its kubelets' costs, and nobody could tell whose they are.

mod rates;
mod text;

pub(super) use rates::{Rates, keep_sampling};
pub(super) use text::{container_metrics, resource_metrics};

use std::collections::BTreeMap;
use std::sync::Arc;

use apiserver::{Connect, User};
use axum::body::Body;
use axum::http::Response;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use client::{Answer, Options, Request};
use io_driver::api::{Api, InProcess};
use io_driver::backstage::{ContainerUse, NetworkUse, NodeUse};
use io_driver::client::Client;
use serde_json::{Value, json};
use shared::{KindRef, Millis, Object, Status};

use super::ApiState;
use super::connect::all;

const API_VERSION: &str = "metrics.k8s.io/v1beta1";

/// A pod and what its containers use.
struct PodUse {
    pod: Object,
    containers: Vec<ContainerUse>,
    network: NetworkUse,
}

/// Lists a core kind in the apiserver's own name.
async fn list(
    api: &Arc<Api>,
    plural: &str,
    namespace: &str,
    options: Options,
) -> Result<Vec<Object>, Status> {
    let user = User::new("system:apiserver", &["system:masters"]);
    let client = InProcess::new(Arc::clone(api), user, "kube-apiserver");
    let request = Request::list(KindRef::new("", "v1", plural), namespace).with(options);
    match client.call(request, None).await? {
        Answer::List { items, .. } => Ok(items),
        _ => Err(Status::internal("a list was not answered with a list")),
    }
}

/// The pods that are placed on a node.
pub(super) async fn pods_of(state: &ApiState, node: &str) -> Result<Vec<Object>, Status> {
    let options = Options {
        field_selector: format!("spec.nodeName={node}"),
        ..Options::default()
    };
    list(&state.api, "pods", "", options).await
}

/// Joins pods with what nodes say of their containers; pods of which nothing runs are left out.
fn join(pods: Vec<Object>, mut used: NodeUse) -> Vec<PodUse> {
    let mut by_pod: BTreeMap<String, Vec<ContainerUse>> = BTreeMap::new();
    for container in used.containers {
        let of_pod = by_pod.entry(container.uid.clone()).or_default();
        of_pod.push(container);
    }
    pods.into_iter()
        .filter_map(|pod| {
            Some(PodUse {
                containers: by_pod.remove(pod.uid())?,
                network: used.networks.remove(pod.uid()).unwrap_or_default(),
                pod,
            })
        })
        .collect()
}

/// What a node's pods use, after a fresh sample when the last one is old enough.
async fn of_node(state: &ApiState, node: &str) -> Result<(NodeUse, Vec<PodUse>), Status> {
    let used = state.nodes.usage(node)?;
    state.rates.sample(state.api.clock().host_us(), &used);
    let pods = pods_of(state, node).await?;
    Ok((used.clone(), join(pods, used)))
}

/// Serves `metrics.k8s.io`.
pub(super) async fn respond(state: &ApiState, connect: &Connect) -> Result<Response<Body>, Status> {
    let now = state.api.clock().now();
    let (kind, items) = if connect.subresource == "metrics/nodes" {
        ("NodeMetrics", nodes(state, connect, now).await?)
    } else {
        ("PodMetrics", pods(state, connect, now).await?)
    };
    let document = if connect.pod.is_empty() {
        json!({"kind": format!("{kind}List"), "apiVersion": API_VERSION, "metadata": {}, "items": items})
    } else {
        let mut items = items;
        let mut one = items.pop().ok_or_else(|| not_found(kind, connect))?;
        one["kind"] = kind.into();
        one["apiVersion"] = API_VERSION.into();
        one
    };
    let mut response = Response::new(Body::from(document.to_string()));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// In metrics-server's words.
fn not_found(kind: &str, connect: &Connect) -> Status {
    let name = if connect.namespace.is_empty() {
        connect.pod.clone()
    } else {
        format!("{}/{}", connect.namespace, connect.pod)
    };
    Status::not_found(&kind.to_lowercase(), "metrics.k8s.io", &name)
}

/// The selection of the request, on the objects that the metrics are about.
fn options(connect: &Connect) -> Options {
    let text = |name: &str| all(connect, name).next().unwrap_or_default().to_owned();
    let mut fields = text("fieldSelector");
    if !connect.pod.is_empty() {
        fields = format!("metadata.name={}", connect.pod);
    }
    Options {
        label_selector: text("labelSelector"),
        field_selector: fields,
        ..Options::default()
    }
}

async fn nodes(state: &ApiState, connect: &Connect, now: Millis) -> Result<Vec<Value>, Status> {
    let mut items = Vec::new();
    for node in list(&state.api, "nodes", "", options(connect)).await? {
        // A stopped node says nothing, as in a real cluster.
        let Ok((used, _)) = of_node(state, node.name()).await else {
            continue;
        };
        let cores = used.containers.iter().map(|c| state.rates.nanocores(c));
        let memory: u64 = used.containers.iter().map(|c| c.memory_bytes).sum();
        items.push(json!({
            "metadata": metadata(&node, now),
            "timestamp": now.rfc3339(),
            "window": state.rates.window(used.containers.iter()),
            "usage": usage(cores.sum(), memory),
        }));
    }
    Ok(items)
}

async fn pods(state: &ApiState, connect: &Connect, now: Millis) -> Result<Vec<Value>, Status> {
    let selected = list(&state.api, "pods", &connect.namespace, options(connect)).await?;
    let mut by_node: BTreeMap<String, Vec<Object>> = BTreeMap::new();
    for pod in selected {
        let node = pod.text("/spec/nodeName").to_owned();
        by_node.entry(node).or_default().push(pod);
    }
    let mut items = Vec::new();
    for (node, pods) in by_node {
        let Ok(used) = state.nodes.usage(&node) else {
            continue;
        };
        state.rates.sample(state.api.clock().host_us(), &used);
        for used in join(pods, used) {
            let containers: Vec<Value> = used
                .containers
                .iter()
                .map(|c| json!({"name": c.container, "usage": usage(state.rates.nanocores(c), c.memory_bytes)}))
                .collect();
            items.push(json!({
                "metadata": metadata(&used.pod, now),
                "timestamp": now.rfc3339(),
                "window": state.rates.window(used.containers.iter()),
                "containers": containers,
            }));
        }
    }
    items.sort_by_key(|item| {
        let text = |p: &str| {
            item.pointer(p)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        (text("/metadata/namespace"), text("/metadata/name"))
    });
    Ok(items)
}

fn metadata(of: &Object, now: Millis) -> Value {
    let mut metadata = json!({"name": of.name(), "creationTimestamp": now.rfc3339()});
    if !of.namespace().is_empty() {
        metadata["namespace"] = of.namespace().into();
    }
    if let Some(labels) = of.at("/metadata/labels") {
        metadata["labels"] = labels.clone();
    }
    metadata
}

fn usage(nanocores: u64, memory_bytes: u64) -> Value {
    json!({"cpu": format!("{nanocores}n"), "memory": format!("{}Ki", memory_bytes / 1024)})
}

/// The Summary API (`k8s.io/kubelet/pkg/apis/stats/v1alpha1`).
pub(super) async fn summary(state: &ApiState, node: &str) -> Result<Value, Status> {
    let (used, pods) = of_node(state, node).await?;
    let now = state.api.clock().now();
    let all = || used.containers.iter();
    let networks = used.networks.values();
    let total = networks.fold(NetworkUse::default(), |sum, one| NetworkUse {
        received_bytes: sum.received_bytes + one.received_bytes,
        sent_bytes: sum.sent_bytes + one.sent_bytes,
    });
    let started = Millis(now.0.saturating_sub(used.age_us / 1000));
    let mut node_stats = stats(state, all(), now);
    node_stats["nodeName"] = node.into();
    node_stats["startTime"] = started.rfc3339().into();
    node_stats["network"] = network(total, now);
    let pods: Vec<Value> = pods
        .iter()
        .map(|of| {
            let containers: Vec<Value> = of
                .containers
                .iter()
                .map(|c| {
                    let mut one = stats(state, std::iter::once(c), now);
                    one["name"] = c.container.as_str().into();
                    one["startTime"] = started_at(&of.pod, &c.container).into();
                    one
                })
                .collect();
            let mut one = stats(state, of.containers.iter(), now);
            one["podRef"] = json!({"name": of.pod.name(), "namespace": of.pod.namespace(), "uid": of.pod.uid()});
            one["startTime"] = of.pod.text("/status/startTime").into();
            one["containers"] = containers.into();
            one["network"] = network(of.network, now);
            one
        })
        .collect();
    Ok(json!({"node": node_stats, "pods": pods}))
}

fn stats<'a>(
    state: &ApiState,
    containers: impl Iterator<Item = &'a ContainerUse> + Clone,
    now: Millis,
) -> Value {
    let time = now.rfc3339();
    let nanocores: u64 = containers.clone().map(|c| state.rates.nanocores(c)).sum();
    let cpu_ns: u64 = containers.clone().map(|c| c.cpu_ns).sum();
    let memory: u64 = containers.map(|c| c.memory_bytes).sum();
    json!({
        "cpu": {"time": time, "usageNanoCores": nanocores, "usageCoreNanoSeconds": cpu_ns},
        "memory": {"time": time, "usageBytes": memory, "workingSetBytes": memory, "rssBytes": memory,
            "pageFaults": 0, "majorPageFaults": 0},
    })
}

fn network(used: NetworkUse, now: Millis) -> Value {
    let interface = json!({"name": "eth0", "rxBytes": used.received_bytes, "rxErrors": 0,
        "txBytes": used.sent_bytes, "txErrors": 0});
    let mut all = interface.clone();
    all["time"] = now.rfc3339().into();
    all["interfaces"] = json!([interface]);
    all
}

fn started_at(pod: &Object, container: &str) -> String {
    [
        "containerStatuses",
        "initContainerStatuses",
        "ephemeralContainerStatuses",
    ]
    .iter()
    .flat_map(|list| pod.items(&format!("/status/{list}")))
    .find(|status| status.get("name").and_then(Value::as_str) == Some(container))
    .and_then(|status| status.pointer("/state/running/startedAt")?.as_str())
    .unwrap_or_default()
    .to_owned()
}
