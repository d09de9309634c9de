//! EndpointSlices and the older Endpoints of each Service with a selector (`pkg/controller/endpointslice`,
//! `pkg/controller/endpoint`).

mod legacy;
mod slices;

use client::cache::Changed;
use serde_json::{Map, Value, json};
use shared::selector::Selector;
use shared::{Millis, Object, ObjectKey};

use crate::meta::{core, has_ended, is_ready, pods, services};
use crate::plan::Plan;
use crate::view::{Item, View};

/// The slices' loop.
pub const SLICES: &str = "endpointslice";
/// The loop of the older kind.
pub const LEGACY: &str = "endpoint";

const SERVICE_NAME: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const SLICE_MANAGER: &str = "endpointslice-controller.k8s.io";
const LEGACY_MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const LEGACY_MANAGER: &str = "endpoint-controller";
const TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";
const HEADLESS: &str = "service.kubernetes.io/headless";

/// The Services that a change concerns.
#[must_use]
pub fn keys(view: &View, change: &Changed) -> Vec<Item> {
    let item = |namespace: &str, name: &str| Item::new(services(), ObjectKey::new(namespace, name));
    let both = change.old.iter().chain(&change.new);
    match change.kind.plural.as_str() {
        "services" | "endpoints" => both.map(|o| item(o.namespace(), o.name())).collect(),
        "endpointslices" => both
            .filter_map(|o| Some(item(o.namespace(), o.label(SERVICE_NAME)?)))
            .collect(),
        "pods" if concerns_endpoints(change) => both
            .flat_map(|pod| {
                let all = view.namespace(&services(), pod.namespace());
                all.filter(|s| pod_selector(s).is_some_and(|sel| sel.matches_object(pod)))
                    .map(|s| item(s.namespace(), s.name()))
                    .collect::<Vec<_>>()
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// False for changes of a pod that no endpoint shows.
fn concerns_endpoints(change: &Changed) -> bool {
    let shown = |pod: &Object| {
        let part = |at: &str| pod.at(at).cloned();
        (
            (
                part("/metadata/labels"),
                part("/status/podIP"),
                pod.deletion(),
                pod.uid().to_owned(),
            ),
            (is_ready(pod), has_ended(pod), part("/spec/nodeName")),
        )
    };
    match (&change.old, &change.new) {
        (Some(old), Some(new)) => shown(old) != shown(new),
        _ => true,
    }
}

/// The pods a Service selects; `None` for one without a selector, whose endpoints are its owner's business.
fn pod_selector(service: &Object) -> Option<Selector> {
    if service.text("/spec/type") == "ExternalName" {
        return None;
    }
    Selector::from_map(service.at("/spec/selector"))
}

fn is_headless(service: &Object) -> bool {
    service.text("/spec/clusterIP") == "None"
}

/// A pod behind a Service, as endpoints show it.
struct Backend<'a> {
    pod: &'a Object,
    ip: &'a str,
    /// Passes its readiness probe.
    serving: bool,
    terminating: bool,
    /// May get traffic.
    ready: bool,
    /// The Service's ports, resolved for this pod.
    ports: Vec<Value>,
}

fn backends<'a>(view: &'a View, service: &'a Object) -> Vec<Backend<'a>> {
    let Some(selector) = pod_selector(service) else {
        return Vec::new();
    };
    let publish_all = service.at("/spec/publishNotReadyAddresses") == Some(&Value::Bool(true));
    view.namespace(&pods(), service.namespace())
        .filter(|pod| !has_ended(pod) && !pod.text("/status/podIP").is_empty())
        .filter(|pod| selector.matches_object(pod))
        .map(|pod| {
            let (serving, terminating) = (is_ready(pod), pod.deletion().is_some());
            Backend {
                pod,
                ip: pod.text("/status/podIP"),
                serving,
                terminating,
                ready: publish_all || (serving && !terminating),
                ports: ports(service, pod),
            }
        })
        .collect()
}

/// The Service's ports with target ports as numbers; a named port that the pod lacks is left out.
fn ports(service: &Object, pod: &Object) -> Vec<Value> {
    let each = service.items("/spec/ports").iter();
    each.filter_map(|port| {
        let protocol = port
            .get("protocol")
            .and_then(Value::as_str)
            .unwrap_or("TCP");
        let number = match port.get("targetPort") {
            Some(Value::String(name)) => named_port(pod, name, protocol)?,
            Some(number) => number.as_i64().filter(|n| *n > 0)?,
            None => port.get("port")?.as_i64()?,
        };
        let mut resolved = Map::new();
        let name = port.get("name").and_then(Value::as_str).unwrap_or_default();
        resolved.insert("name".into(), name.into());
        resolved.insert("port".into(), number.into());
        resolved.insert("protocol".into(), protocol.into());
        if let Some(app) = port.get("appProtocol") {
            resolved.insert("appProtocol".into(), app.clone());
        }
        Some(Value::Object(resolved))
    })
    .collect()
}

fn named_port(pod: &Object, name: &str, protocol: &str) -> Option<i64> {
    let containers = pod.items("/spec/containers").iter();
    let mut ports = containers
        .filter_map(|c| c.get("ports")?.as_array())
        .flatten();
    let found = ports.find(|p| {
        let text = |field: &str| p.get(field).and_then(Value::as_str);
        text("name") == Some(name) && text("protocol").unwrap_or("TCP") == protocol
    })?;
    found.get("containerPort")?.as_i64()
}

fn target(pod: &Object) -> Value {
    json!({"kind": "Pod", "namespace": pod.namespace(), "name": pod.name(), "uid": pod.uid()})
}

/// The Service's own labels with those that every managed object carries.
fn labels(service: &Object, own: &[(&str, &str)]) -> Map<String, Value> {
    let mut labels = crate::meta::map(service, "/metadata/labels");
    for (key, value) in own {
        labels.insert((*key).into(), (*value).into());
    }
    if is_headless(service) {
        labels.insert(HEADLESS.into(), "".into());
    }
    labels
}

/// One look at a Service's EndpointSlices.
#[must_use]
pub fn reconcile_slices(view: &View, item: &Item, now: Millis) -> Plan {
    slices::reconcile(view, item, now)
}

/// One look at a Service's Endpoints.
#[must_use]
pub fn reconcile_legacy(view: &View, item: &Item, now: Millis) -> Plan {
    legacy::reconcile(view, item, now)
}

fn endpoints_kind() -> shared::KindRef {
    core("endpoints")
}
