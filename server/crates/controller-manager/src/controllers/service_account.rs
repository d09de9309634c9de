//! ServiceAccounts and the root CA bundle: every namespace gets `default` and `kube-root-ca.crt`
//! (`pkg/controller/serviceaccount`, `pkg/controller/certificates/rootcacertpublisher`).

use client::Request;
use client::cache::Changed;
use serde_json::json;
use shared::{Millis, ObjectKey};

use crate::meta::{core, namespaces};
use crate::plan::{Plan, Write};
use crate::view::{Item, View};

/// The loop for accounts.
pub const NAME: &str = "serviceaccount";
/// The loop for the CA bundle.
pub const ROOT_CA: &str = "root-ca-certificate-publisher";
const CONFIG_MAP: &str = "kube-root-ca.crt";
const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal \
    endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across \
    distributions of Kubernetes clusters.";

/// The namespaces that a change concerns.
#[must_use]
pub fn keys(_view: &View, change: &Changed) -> Vec<Item> {
    let Some(object) = change.object() else {
        return Vec::new();
    };
    let named = |name: &str| vec![Item::new(namespaces(), ObjectKey::new("", name))];
    match (change.kind.plural.as_str(), object.name()) {
        ("namespaces", name) => named(name),
        ("serviceaccounts", "default") | ("configmaps", CONFIG_MAP) => named(object.namespace()),
        _ => Vec::new(),
    }
}

fn lives(view: &View, item: &Item) -> bool {
    view.get(&item.kind, &item.key)
        .is_some_and(|n| n.deletion().is_none())
}

/// One look at a namespace's account.
#[must_use]
pub fn reconcile(view: &View, item: &Item, _now: Millis) -> Plan {
    let namespace = &item.key.name;
    let kind = core("serviceaccounts");
    let exists = view
        .get(&kind, &ObjectKey::new(namespace, "default"))
        .is_some();
    if exists || !lives(view, item) {
        return Plan::default();
    }
    let account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": namespace},
    });
    Plan::of(
        format!("{namespace}: default account"),
        vec![Write::new(Request::create(kind, account))],
    )
}

/// One look at a namespace's CA bundle.
#[must_use]
pub fn reconcile_root_ca(view: &View, item: &Item, _now: Millis) -> Plan {
    let namespace = &item.key.name;
    if !lives(view, item) || view.config.root_ca_pem.is_empty() {
        return Plan::default();
    }
    let kind = core("configmaps");
    let data = json!({"ca.crt": view.config.root_ca_pem});
    let text = format!("{namespace}: {CONFIG_MAP}");
    let Some(existing) = view.get(&kind, &ObjectKey::new(namespace, CONFIG_MAP)) else {
        let map = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": CONFIG_MAP,
                "namespace": namespace,
                "annotations": {"kubernetes.io/description": DESCRIPTION},
            },
            "data": data,
        });
        return Plan::of(text, vec![Write::new(Request::create(kind, map))]);
    };
    if existing.at("/data") == Some(&data) {
        return Plan::default();
    }
    let mut value = existing.to_value();
    if let Some(map) = value.as_object_mut() {
        map.insert("data".into(), data);
        map.remove("binaryData");
    }
    Plan::of(text, vec![Write::new(Request::update(kind, value))])
}
