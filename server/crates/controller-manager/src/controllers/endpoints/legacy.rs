//! Endpoints, the kind before EndpointSlices: one object per Service, at most 1000 addresses.

use std::collections::BTreeMap;

use client::Request;
use serde_json::{Map, Value, json};
use shared::{Millis, Object};

use super::{
    Backend, LEGACY_MANAGED_BY, LEGACY_MANAGER, TRIGGER_TIME, backends, endpoints_kind, labels,
    pod_selector, target,
};
use crate::meta::services;
use crate::plan::{Plan, Write};
use crate::view::{Item, View};

/// How many addresses one object lists (`maxCapacity`).
const ADDRESSES_MAX: usize = 1000;

pub(super) fn reconcile(view: &View, item: &Item, now: Millis) -> Plan {
    let existing = view.get(&endpoints_kind(), &item.key);
    let service = view.get(&services(), &item.key);
    let Some(service) = service.filter(|s| s.deletion().is_none()) else {
        let orphan = existing.filter(|e| e.label(LEGACY_MANAGED_BY) == Some(LEGACY_MANAGER));
        let delete = |e: &Object| Write::new(Request::delete(endpoints_kind(), &item.key, e.uid()));
        let text = format!("{}: its Service is gone", item.key);
        return Plan::of(text, orphan.map(delete).into_iter().collect());
    };
    if pod_selector(service).is_none() {
        return Plan::default();
    }
    let subsets = subsets(&backends(view, service));
    let labels = Value::from(labels(service, &[(LEGACY_MANAGED_BY, LEGACY_MANAGER)]));
    let text = format!("{}: legacy endpoints", service.name());
    let Some(existing) = existing else {
        let mut endpoints = json!({
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {
                "name": service.name(),
                "namespace": service.namespace(),
                "labels": labels,
                "annotations": {TRIGGER_TIME: now.rfc3339()},
            },
        });
        put_subsets(&mut endpoints, subsets);
        return Plan::of(
            text,
            vec![Write::new(Request::create(endpoints_kind(), endpoints))],
        );
    };
    let same = existing.items("/subsets") == subsets.as_slice()
        && existing.at("/metadata/labels") == Some(&labels);
    if same {
        return Plan::default();
    }
    let mut value = existing.to_value();
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("labels".into(), labels);
        metadata.insert("annotations".into(), json!({TRIGGER_TIME: now.rfc3339()}));
    }
    put_subsets(&mut value, subsets);
    Plan::of(
        text,
        vec![Write::new(Request::update(endpoints_kind(), value))],
    )
}

fn put_subsets(endpoints: &mut Value, subsets: Vec<Value>) {
    if let Some(map) = endpoints.as_object_mut() {
        map.remove("subsets");
        if !subsets.is_empty() {
            map.insert("subsets".into(), subsets.into());
        }
    }
}

/// One subset per set of ports, addresses by IP; terminating pods are left out.
fn subsets(backends: &[Backend<'_>]) -> Vec<Value> {
    let mut groups: BTreeMap<String, (Vec<Value>, Vec<&Backend<'_>>)> = BTreeMap::new();
    for backend in backends
        .iter()
        .filter(|b| !b.terminating)
        .take(ADDRESSES_MAX)
    {
        let ports = without_empty_names(&backend.ports);
        let key = Value::from(ports.clone()).to_string();
        groups
            .entry(key)
            .or_insert_with(|| (ports, Vec::new()))
            .1
            .push(backend);
    }
    let subset = |(ports, mut members): (Vec<Value>, Vec<&Backend<'_>>)| {
        members.sort_by(|a, b| (a.ip, a.pod.uid()).cmp(&(b.ip, b.pod.uid())));
        let (ready, other): (Vec<_>, Vec<_>) = members.into_iter().partition(|b| b.ready);
        let mut subset = Map::new();
        for (field, of) in [("addresses", ready), ("notReadyAddresses", other)] {
            if !of.is_empty() {
                let list: Vec<Value> = of.into_iter().map(address).collect();
                subset.insert(field.into(), list.into());
            }
        }
        if !ports.is_empty() {
            subset.insert("ports".into(), ports.into());
        }
        Value::Object(subset)
    };
    groups.into_values().map(subset).collect()
}

fn without_empty_names(ports: &[Value]) -> Vec<Value> {
    let named = |port: &Value| {
        let mut port = port.clone();
        if let Some(map) = port.as_object_mut() {
            map.retain(|key, value| key != "name" || value != "");
        }
        port
    };
    ports.iter().map(named).collect()
}

fn address(backend: &Backend<'_>) -> Value {
    let mut address = json!({"ip": backend.ip, "targetRef": target(backend.pod)});
    let node = backend.pod.text("/spec/nodeName");
    if let (false, Some(map)) = (node.is_empty(), address.as_object_mut()) {
        map.insert("nodeName".into(), node.into());
    }
    address
}
