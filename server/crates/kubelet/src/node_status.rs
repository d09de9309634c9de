//! The Node object of this kubelet: registration, and its status every 10 s when something changed and every 5 minutes
//! anyway (`nodeStatusUpdateFrequency`, `nodeStatusReportFrequency`).

use client::{Answer, PatchKind, Request};
use serde_json::{Value, json};
use shared::{KindRef, Millis, Object, ObjectKey, Status};

use crate::conditions::find;
use crate::config::KubeletConfig;
use crate::pressure::{Pressure, Signal};

/// How often the status is looked at.
const UPDATE_MS: u64 = 10_000;
/// How often it is written though nothing changed.
const REPORT_MS: u64 = 300_000;
/// How soon a failed write is tried again.
const RETRY_MS: u64 = 1000;
/// The Kubernetes version this kubelet behaves as.
const KUBELET_VERSION: &str = "v1.36.0";
/// The original's words for a node whose pod network is not up.
pub(crate) const NETWORK_NOT_READY: &str = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized";

/// `nodes`.
pub(crate) fn nodes() -> KindRef {
    KindRef::new("", "v1", "nodes")
}

/// How the node is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Health<'a> {
    /// Why the pod network is not up.
    pub(crate) network: Result<(), &'a str>,
    pub(crate) pressure: Pressure,
}

/// Keeps the Node up to date.
#[derive(Debug, Default)]
pub(crate) struct NodeStatus {
    due: Millis,
    reported: Option<Millis>,
    in_flight: bool,
}

impl NodeStatus {
    /// When to look next.
    pub(crate) fn wake(&self) -> Option<Millis> {
        (!self.in_flight).then_some(self.due)
    }

    /// Something of the node changed: look now.
    pub(crate) fn touch(&mut self) {
        self.due = Millis(0);
    }

    /// The request to send, if it is time and there is something to say: registration, labels, or status.
    pub(crate) fn request(
        &mut self,
        node: Option<&Object>,
        config: &KubeletConfig,
        health: Health<'_>,
        now: Millis,
    ) -> Option<Request> {
        if self.in_flight || self.due > now {
            return None;
        }
        self.due = now.plus_ms(UPDATE_MS);
        let request = match node {
            None => Request::create(nodes(), registration(config, health, now)),
            Some(node) => {
                let key = node.key();
                if let Some(labels) = missing_labels(node, config) {
                    let patch = json!({"metadata": {"labels": labels}});
                    self.due = now;
                    Request::patch(nodes(), &key, PatchKind::Strategic, patch)
                } else {
                    let status = status(config, health, node.items("/status/conditions"), now);
                    let fresh = self.reported.is_some_and(|at| now.since(at) < REPORT_MS);
                    if fresh && same(node.at("/status"), &status) {
                        return None;
                    }
                    self.reported = Some(now);
                    let patch = json!({"status": status});
                    Request::patch(nodes(), &key, PatchKind::Strategic, patch).on("status")
                }
            }
        };
        self.in_flight = true;
        Some(request)
    }

    /// Takes in the answer.
    pub(crate) fn answered(&mut self, answer: &Result<Answer, Status>, now: Millis) {
        self.in_flight = false;
        if answer.is_err() {
            self.reported = None;
            self.due = now.plus_ms(RETRY_MS);
        }
    }
}

fn labels(config: &KubeletConfig) -> Vec<(&str, &str)> {
    let standard = [
        ("kubernetes.io/hostname", config.node_name.as_str()),
        ("kubernetes.io/os", "wasi"),
        ("kubernetes.io/arch", "wasm32"),
    ];
    let own = config.labels.iter().map(|(k, v)| (k.as_str(), v.as_str()));
    standard.into_iter().chain(own).collect()
}

/// The labels the node should have and has not: those of the kubelet's own domain only, as on a restart of the
/// original (`updateDefaultLabels`).
fn missing_labels(node: &Object, config: &KubeletConfig) -> Option<Value> {
    let missing = labels(config)
        .into_iter()
        .take(3)
        .filter(|(k, v)| node.label(k) != Some(*v));
    let missing: serde_json::Map<String, Value> = missing
        .map(|(k, v)| (k.to_owned(), Value::from(v)))
        .collect();
    (!missing.is_empty()).then_some(Value::Object(missing))
}

fn registration(config: &KubeletConfig, health: Health<'_>, now: Millis) -> Value {
    let labels: serde_json::Map<String, Value> = labels(config)
        .into_iter()
        .map(|(k, v)| (k.to_owned(), Value::from(v)))
        .collect();
    let taint = |(key, value, effect): &(String, String, String)| {
        let mut taint = json!({"key": key, "effect": effect});
        if let (false, Some(map)) = (value.is_empty(), taint.as_object_mut()) {
            map.insert("value".into(), value.as_str().into());
        }
        taint
    };
    let mut spec = json!({});
    if let (false, Some(map)) = (config.taints.is_empty(), spec.as_object_mut()) {
        map.insert("taints".into(), config.taints.iter().map(taint).collect());
    }
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": config.node_name, "labels": labels},
        "spec": spec,
        "status": status(config, health, &[], now),
    })
}

/// `status` as it should be; a condition's transition time stays while its status does.
fn status(config: &KubeletConfig, health: Health<'_>, before: &[Value], now: Millis) -> Value {
    let amounts = |memory: u64, storage: u64| {
        json!({
            "cpu": cpu(config.cpu_millis),
            "memory": binary(memory),
            "ephemeral-storage": binary(storage),
            "pods": config.max_pods.to_string(),
        })
    };
    let allocatable = |resource: &str| config.allocatable(resource).unwrap_or(0);
    let pressure = |signal, bad: [&str; 2], good: [&str; 2]| {
        let on = health.pressure.is_on(signal);
        let (status, [reason, message]) = if on { ("True", bad) } else { ("False", good) };
        condition(signal.condition(), status, reason, message, before, now)
    };
    let ready = match health.network {
        Ok(()) => condition(
            "Ready",
            "True",
            "KubeletReady",
            "kubelet is posting ready status",
            before,
            now,
        ),
        Err(why) => condition("Ready", "False", "KubeletNotReady", why, before, now),
    };
    json!({
        "addresses": [
            {"type": "InternalIP", "address": config.node_ip.to_string()},
            {"type": "Hostname", "address": config.node_name},
        ],
        "capacity": amounts(config.memory_bytes, config.ephemeral_storage_bytes),
        "allocatable": amounts(allocatable("memory"), allocatable("ephemeral-storage")),
        "conditions": [
            pressure(
                Signal::Memory,
                ["KubeletHasInsufficientMemory", "kubelet has insufficient memory available"],
                ["KubeletHasSufficientMemory", "kubelet has sufficient memory available"],
            ),
            pressure(
                Signal::Storage,
                ["KubeletHasDiskPressure", "kubelet has disk pressure"],
                ["KubeletHasNoDiskPressure", "kubelet has no disk pressure"],
            ),
            condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available", before, now),
            ready,
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": config.port}},
        "nodeInfo": {
            "machineID": config.machine_id,
            "systemUUID": config.machine_id,
            "bootID": config.machine_id,
            "kernelVersion": "wasi-0.2",
            "osImage": "Glasshouse (wasm32-wasi)",
            "containerRuntimeVersion": config.container_runtime_version,
            "kubeletVersion": KUBELET_VERSION,
            "kubeProxyVersion": "",
            "operatingSystem": "wasi",
            "architecture": "wasm32",
        },
    })
}

/// Whole cores as a number, others in millicores: the canonical form of the quantity.
fn cpu(millis: u64) -> String {
    if millis.is_multiple_of(1000) {
        (millis / 1000).to_string()
    } else {
        format!("{millis}m")
    }
}

/// Bytes with the largest binary suffix that leaves them whole: the canonical form of the quantity, which is how the
/// API shows them again.
pub(crate) fn binary(bytes: u64) -> String {
    const SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let (mut amount, mut suffix) = (bytes, 0);
    while amount > 0 && amount.is_multiple_of(1024) && suffix + 1 < SUFFIXES.len() {
        (amount, suffix) = (amount / 1024, suffix + 1);
    }
    format!(
        "{amount}{}",
        SUFFIXES.get(suffix).copied().unwrap_or_default()
    )
}

fn condition(
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    before: &[Value],
    now: Millis,
) -> Value {
    let old =
        find(before, kind).filter(|c| c.get("status").and_then(Value::as_str) == Some(status));
    let since = old.and_then(|c| c.get("lastTransitionTime")).cloned();
    json!({
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": now.rfc3339(),
        "lastTransitionTime": since.unwrap_or_else(|| now.rfc3339().into()),
    })
}

/// True when the two say the same, heartbeat times aside.
fn same(there: Option<&Value>, wanted: &Value) -> bool {
    let Some(there) = there else { return false };
    let fields = [
        "addresses",
        "capacity",
        "allocatable",
        "nodeInfo",
        "daemonEndpoints",
    ];
    let at = |v: &Value| {
        v.get("conditions")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let (old, new) = (at(there), at(wanted));
    fields.iter().all(|f| there.get(f) == wanted.get(f))
        && new.iter().all(|c| {
            let kind = c.get("type").and_then(Value::as_str).unwrap_or_default();
            find(&old, kind).is_some_and(|o| {
                ["status", "reason", "message"]
                    .iter()
                    .all(|f| o.get(f) == c.get(f))
            })
        })
}

/// The node's key.
pub(crate) fn key(config: &KubeletConfig) -> ObjectKey {
    ObjectKey::new("", &config.node_name)
}

/// The node as events point at it: the original uses the name for the uid, so that events from before registration are
/// found as well.
pub(crate) fn reference(config: &KubeletConfig) -> shared::ObjectRef {
    shared::ObjectRef {
        api_version: "v1".into(),
        kind: "Node".into(),
        namespace: String::new(),
        name: config.node_name.clone(),
        uid: config.node_name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn ok() -> Result<Answer, Status> {
        Ok(Answer::Object(Object::new(json!({}))))
    }

    #[test]
    fn the_node_is_registered_and_then_reported_on_change() {
        let config = KubeletConfig::new("n1", Ipv4Addr::new(10, 0, 0, 1));
        let mut kept = NodeStatus::default();
        let not_ready = Err(NETWORK_NOT_READY);
        let health = |network| Health {
            network,
            pressure: Pressure::default(),
        };
        let create = kept
            .request(None, &config, health(not_ready), Millis(0))
            .unwrap();
        let client::Body::Object(mut node) = create.body else {
            panic!("a create")
        };
        kept.answered(&ok(), Millis(0));
        let mut log = Vec::new();
        for (now, network) in [
            (5_000, not_ready),
            (10_000, not_ready),
            (20_000, not_ready),
            (30_000, Ok(())),
            (310_000, Ok(())),
            (330_000, Ok(())),
        ] {
            let object = Object::new(node.clone());
            let request = kept.request(Some(&object), &config, health(network), Millis(now));
            kept.answered(&ok(), Millis(now));
            if let Some(client::Body::Patch(_, patch)) = request.map(|r| r.body) {
                node["status"] = patch["status"].clone();
                let ready = find(patch["status"]["conditions"].as_array().unwrap(), "Ready")
                    .cloned()
                    .unwrap();
                log.push(format!(
                    "{now} {} since {}",
                    ready["status"], ready["lastTransitionTime"]
                ));
            }
        }
        assert_eq!(
            log,
            [
                "10000 \"False\" since \"1970-01-01T00:00:00Z\"",
                "30000 \"True\" since \"1970-01-01T00:00:30Z\"",
                "330000 \"True\" since \"1970-01-01T00:00:30Z\"",
            ]
        );
        assert_eq!(node["metadata"]["labels"]["kubernetes.io/arch"], "wasm32");
    }

    #[test]
    fn amounts_are_written_canonically() {
        let bytes = [8 << 30, 1 << 10, 1500, 3 << 19, 0];
        assert_eq!(bytes.map(binary), ["8Gi", "1Ki", "1500", "1536Ki", "0"]);
        assert_eq!([cpu(4000), cpu(1500), cpu(0)], ["4", "1500m", "0"]);
    }
}
