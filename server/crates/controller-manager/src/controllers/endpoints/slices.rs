//! EndpointSlices: at most 100 endpoints each, changed as little as possible
//! (`kubernetes.io/docs/concepts/services-networking/endpoint-slices`).

use std::collections::BTreeMap;

use client::Request;
use serde_json::{Map, Value, json};
use shared::{KindRef, Millis, Object};

use super::{
    Backend, MANAGED_BY, SERVICE_NAME, SLICE_MANAGER, TRIGGER_TIME, backends, labels, pod_selector,
    target,
};
use crate::meta::{controller_reference, nodes, services};
use crate::plan::{Plan, Write};
use crate::view::{Item, View};

/// `--max-endpoints-per-slice`.
const ENDPOINTS_MAX: usize = 100;

fn kind() -> KindRef {
    KindRef::new("discovery.k8s.io", "v1", "endpointslices")
}

/// Endpoints of one set of resolved ports, by pod uid.
type Group = BTreeMap<String, Value>;

/// A Service without endpoints keeps one empty slice.
pub(super) fn reconcile(view: &View, item: &Item, now: Millis) -> Plan {
    let Some(service) = view.get(&services(), &item.key) else {
        return Plan::default();
    };
    if service.deletion().is_some() || pod_selector(service).is_none() {
        return Plan::default();
    }
    let mut groups: BTreeMap<String, (Value, Group)> = BTreeMap::new();
    for backend in backends(view, service) {
        let ports = Value::from(backend.ports.clone());
        let group = groups
            .entry(ports.to_string())
            .or_insert_with(|| (ports, Group::new()));
        group
            .1
            .insert(backend.pod.uid().into(), endpoint(view, &backend));
    }
    let mut existing: Vec<&Object> = view
        .namespace(&kind(), service.namespace())
        .filter(|s| s.label(SERVICE_NAME) == Some(service.name()) && s.deletion().is_none())
        .filter(|s| s.label(MANAGED_BY) == Some(SLICE_MANAGER))
        .collect();
    existing.sort_by_key(|s| (s.created(), s.name().to_owned()));
    if groups.is_empty() {
        groups.insert(String::new(), (json!([]), Group::new()));
    }
    let mut writes = Vec::new();
    let mut placeholder = groups.len() == 1;
    for (ports, group) in groups.into_values() {
        let (same, others): (Vec<&Object>, Vec<&Object>) = existing
            .iter()
            .partition(|s| normal(s.at("/ports")) == ports);
        existing = others;
        placeholder &= group.is_empty();
        if placeholder {
            let kept = same.first().copied().or_else(|| existing.pop());
            writes.extend(match kept {
                Some(slice) => update(service, slice, &ports, Vec::new(), now),
                None => Some(create(service, Value::Null, Value::Null, now)),
            });
            writes.extend(same.iter().skip(1).map(|s| delete(s)));
        } else {
            writes.extend(fill(service, &ports, group, &same, &mut existing, now));
        }
    }
    writes.extend(existing.iter().map(|s| delete(s)));
    Plan::of(format!("{}: endpoints", service.name()), writes)
}

fn normal(list: Option<&Value>) -> Value {
    list.filter(|v| v.is_array())
        .cloned()
        .unwrap_or_else(|| json!([]))
}

/// Spreads a group over the slices that have its ports, then over slices that lost theirs, then over new ones.
fn fill(
    service: &Object,
    ports: &Value,
    mut group: Group,
    same: &[&Object],
    spare: &mut Vec<&Object>,
    now: Millis,
) -> Vec<Write> {
    let mut kept: Vec<(&Object, Vec<Value>)> = Vec::new();
    for slice in same {
        let endpoints = slice.items("/endpoints").iter();
        let uids = endpoints.filter_map(|e| e.pointer("/targetRef/uid")?.as_str());
        kept.push((slice, uids.filter_map(|uid| group.remove(uid)).collect()));
    }
    let mut rest = group.into_values();
    for (_, endpoints) in &mut kept {
        let room = ENDPOINTS_MAX.saturating_sub(endpoints.len());
        endpoints.extend(rest.by_ref().take(room));
    }
    let mut writes: Vec<Write> = kept
        .into_iter()
        .filter_map(|(slice, endpoints)| match endpoints.is_empty() {
            true => Some(delete(slice)),
            false => update(service, slice, ports, endpoints, now),
        })
        .collect();
    loop {
        let endpoints: Vec<Value> = rest.by_ref().take(ENDPOINTS_MAX).collect();
        if endpoints.is_empty() {
            return writes;
        }
        if spare.is_empty() {
            writes.push(create(service, ports.clone(), endpoints.into(), now));
        } else {
            writes.extend(update(service, spare.remove(0), ports, endpoints, now));
        }
    }
}

fn endpoint(view: &View, backend: &Backend<'_>) -> Value {
    let mut endpoint = Map::new();
    endpoint.insert("addresses".into(), json!([backend.ip]));
    let conditions = json!({
        "ready": backend.ready, "serving": backend.serving, "terminating": backend.terminating,
    });
    endpoint.insert("conditions".into(), conditions);
    endpoint.insert("targetRef".into(), target(backend.pod));
    let node = backend.pod.text("/spec/nodeName");
    if !node.is_empty() {
        endpoint.insert("nodeName".into(), node.into());
        let key = shared::ObjectKey::new("", node);
        let zone = view
            .get(&nodes(), &key)
            .and_then(|n| n.label("topology.kubernetes.io/zone"));
        if let Some(zone) = zone {
            endpoint.insert("zone".into(), zone.into());
        }
    }
    Value::Object(endpoint)
}

fn own_labels(service: &Object) -> Map<String, Value> {
    labels(
        service,
        &[(SERVICE_NAME, service.name()), (MANAGED_BY, SLICE_MANAGER)],
    )
}

fn create(service: &Object, ports: Value, endpoints: Value, now: Millis) -> Write {
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": format!("{}-", service.name()),
            "namespace": service.namespace(),
            "labels": own_labels(service),
            "annotations": {TRIGGER_TIME: now.rfc3339()},
            "ownerReferences": [controller_reference(service, "v1", "Service")],
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": ports,
    });
    Write::new(Request::create(kind(), slice))
}

fn delete(slice: &Object) -> Write {
    Write::new(Request::delete(kind(), &slice.key(), slice.uid()))
}

/// Replaces endpoints and ports of a slice; `None` when they and the labels are as they should be.
fn update(
    service: &Object,
    slice: &Object,
    ports: &Value,
    endpoints: Vec<Value>,
    now: Millis,
) -> Option<Write> {
    let endpoints = Value::from(endpoints);
    let labels = Value::from(own_labels(service));
    let same = normal(slice.at("/endpoints")) == endpoints
        && normal(slice.at("/ports")) == *ports
        && slice.at("/metadata/labels") == Some(&labels);
    if same {
        return None;
    }
    let mut value = slice.to_value();
    let map = value.as_object_mut()?;
    map.insert("endpoints".into(), endpoints);
    map.insert("ports".into(), ports.clone());
    if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("labels".into(), labels);
        metadata.insert("annotations".into(), json!({TRIGGER_TIME: now.rfc3339()}));
    }
    Some(Write::new(Request::update(kind(), value)))
}
