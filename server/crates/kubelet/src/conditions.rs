//! The conditions of a pod that its kubelet owns.
//!
//! Reasons and messages: `pkg/kubelet/status/generate.go`. Conditions of others stay as they are.

use serde_json::{Value, json};
use shared::{Millis, Object};

use crate::unit::{Role, Unit};
use crate::worker::{Sandbox, Worker};

/// A condition before it has a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) kind: &'static str,
    pub(crate) status: bool,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Condition {
    fn yes(kind: &'static str) -> Self {
        Self {
            kind,
            status: true,
            reason: "",
            message: String::new(),
        }
    }

    fn no(kind: &'static str, reason: &'static str, message: String) -> Self {
        Self {
            kind,
            status: false,
            reason,
            message,
        }
    }
}

/// The kubelet's conditions in the order that the original writes them.
pub(crate) fn build(worker: &Worker, phase: &str) -> Vec<Condition> {
    let sandbox = worker.sandbox == Sandbox::Ready && !worker.is_ended();
    let network = if sandbox {
        Condition::yes("PodReadyToStartContainers")
    } else {
        Condition::no("PodReadyToStartContainers", "", String::new())
    };
    let containers = containers_ready(&worker.units, phase);
    let mut all = vec![
        network,
        initialized(worker, phase),
        ready(worker, &containers),
        containers,
        Condition::yes("PodScheduled"),
    ];
    let evicted = |(reason, _): &&(String, String)| reason == "Evicted";
    if let Some((_, message)) = worker.failure.as_ref().filter(evicted) {
        all.push(Condition {
            reason: "TerminationByKubelet",
            message: message.clone(),
            ..Condition::yes("DisruptionTarget")
        });
    }
    all
}

fn names(units: &[Unit], which: impl Fn(&Unit) -> bool) -> String {
    let names: Vec<&str> = units
        .iter()
        .filter(|u| which(u))
        .map(|u| u.spec.name.as_str())
        .collect();
    format!("[{}]", names.join(" "))
}

fn initialized(worker: &Worker, phase: &str) -> Condition {
    let incomplete = |u: &Unit| match u.role {
        Role::Init => !u.is_ready(),
        Role::Sidecar => !u.is_started(),
        Role::App | Role::Ephemeral => false,
    };
    if phase == "Succeeded" {
        return Condition {
            reason: "PodCompleted",
            ..Condition::yes("Initialized")
        };
    }
    if worker.initialized || !worker.units.iter().any(incomplete) {
        return Condition::yes("Initialized");
    }
    let message = format!(
        "containers with incomplete status: {}",
        names(&worker.units, incomplete)
    );
    Condition::no("Initialized", "ContainersNotInitialized", message)
}

fn containers_ready(units: &[Unit], phase: &str) -> Condition {
    let unready = |u: &Unit| u.role.counts() && !u.is_ready();
    match phase {
        "Succeeded" => Condition::no("ContainersReady", "PodCompleted", String::new()),
        "Failed" => Condition::no("ContainersReady", "PodFailed", String::new()),
        _ if units.iter().any(unready) => {
            let message = format!("containers with unready status: {}", names(units, unready));
            Condition::no("ContainersReady", "ContainersNotReady", message)
        }
        _ => Condition::yes("ContainersReady"),
    }
}

/// Containers are ready and every readiness gate is open (KEP-580).
fn ready(worker: &Worker, containers: &Condition) -> Condition {
    if !containers.status {
        return Condition {
            kind: "Ready",
            ..containers.clone()
        };
    }
    let closed = worker.spec.readiness_gates.iter().filter_map(|gate| {
        let kind = gate.condition_type.as_str();
        match status_of(&worker.pod, kind) {
            None => Some(format!(
                "corresponding condition of pod readiness gate \"{kind}\" does not exist."
            )),
            Some("True") => None,
            Some(other) => Some(format!(
                "the status of pod readiness gate \"{kind}\" is not \"True\", but {other}"
            )),
        }
    });
    let closed: Vec<String> = closed.collect();
    if closed.is_empty() {
        Condition::yes("Ready")
    } else {
        Condition::no("Ready", "ReadinessGatesNotReady", closed.join(", "))
    }
}

fn status_of<'a>(pod: &'a Object, kind: &str) -> Option<&'a str> {
    find(pod.items("/status/conditions"), kind)?
        .get("status")?
        .as_str()
}

/// The condition of a type.
pub(crate) fn find<'a>(conditions: &'a [Value], kind: &str) -> Option<&'a Value> {
    conditions
        .iter()
        .find(|c| c.get("type").and_then(Value::as_str) == Some(kind))
}

/// A condition as it is written; the transition time stays while the status does.
pub(crate) fn written(
    condition: &Condition,
    before: &[Value],
    generation: i64,
    now: Millis,
) -> Value {
    let status = if condition.status { "True" } else { "False" };
    let old = find(before, condition.kind).filter(|c| c.get("status") == Some(&json!(status)));
    let since = old.and_then(|c| c.get("lastTransitionTime")).cloned();
    let mut value = json!({
        "type": condition.kind,
        "status": status,
        "lastTransitionTime": since.unwrap_or_else(|| now.rfc3339().into()),
    });
    if let Some(map) = value.as_object_mut() {
        if !condition.reason.is_empty() {
            map.insert("reason".into(), condition.reason.into());
        }
        if !condition.message.is_empty() {
            map.insert("message".into(), condition.message.as_str().into());
        }
        if generation > 0 {
            map.insert("observedGeneration".into(), generation.into());
        }
    }
    value
}
