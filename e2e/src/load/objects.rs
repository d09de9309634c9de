//! What the load writes: pods as the reference load has them, and their patches.

use hyper::body::Bytes;
use serde_json::{Value, json};

/// The label that the load's watches select.
pub(super) const LABEL: &str = "app";
/// The annotation that carries when a patch was sent, in microseconds since the load began.
pub(super) const SENT: &str = "bench-sent-us";

/// The collection of pods of a namespace.
pub(super) fn pods(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/pods")
}

/// One container with requests; about 1.6 KB once stored. The scheduler's name is nobody's, so that it stays pending.
pub(super) fn pod(name: &str) -> Bytes {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {LABEL: "bench", "tier": "load"},
            "annotations": {"example.com/owner": "bench"},
        },
        "spec": {
            "schedulerName": "nobody",
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "main",
                "image": "registry.example/app:1.0",
                "ports": [{"containerPort": 8080, "name": "http"}],
                "env": [{"name": "MODE", "value": "bench"}],
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
            }],
        },
    });
    bytes(&pod)
}

/// The same as a server-side apply by another manager, who owns one label and one annotation.
pub(super) fn applied(name: &str) -> Bytes {
    bytes(&json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {"applied": "yes"},
            "annotations": {"example.com/applied": "yes"},
        },
    }))
}

/// A patch of one annotation, as merge patch and as strategic merge patch.
pub(super) fn annotated(key: &str, value: &str) -> Bytes {
    bytes(&json!({"metadata": {"annotations": {key: value}}}))
}

/// A strategic merge patch that finds its container by name.
pub(super) fn new_image() -> Bytes {
    bytes(&json!({"spec": {"containers": [{"name": "main", "image": "registry.example/app:1.1"}]}}))
}

pub(super) fn bytes(value: &Value) -> Bytes {
    value.to_string().into()
}
