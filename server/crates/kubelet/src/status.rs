//! The status of a pod as the kubelet reports it.
//!
//! Field by field as `generateAPIPodStatus` fills them; container statuses are sorted by name, those of init containers
//! stay in order.

use serde_json::{Map, Value, json};
use shared::Millis;

use crate::conditions;
use crate::config::KubeletConfig;
use crate::phase::phase;
use crate::spec::PodSpec;
use crate::unit::{Role, State, Terminated, Unit, container_id};
use crate::worker::Worker;

/// The phase of a worker's pod. It is over only when nothing of it runs any more, whatever its containers say
/// (`mergePodStatus` of the original).
pub(crate) fn phase_of(worker: &Worker) -> &'static str {
    if worker.failure.is_some() && worker.is_ended() {
        return "Failed";
    }
    let phase = phase(
        &worker.units,
        worker.spec.restart_policy,
        worker.initialized,
        worker.is_ended(),
    );
    let over = matches!(phase, "Succeeded" | "Failed");
    if over && worker.units.iter().any(Unit::is_active) {
        return match worker.pod.text("/status/phase") {
            "Running" => "Running",
            _ => "Pending",
        };
    }
    phase
}

/// The whole status that the kubelet wants the API to show; `before` are the conditions shown so far.
pub(crate) fn build(worker: &Worker, config: &KubeletConfig, now: Millis) -> Value {
    let phase = phase_of(worker);
    let before = worker.pod.items("/status/conditions");
    let generation = worker.pod.generation();
    let conditions: Vec<Value> = conditions::build(worker, phase)
        .iter()
        .map(|c| conditions::written(c, before, generation, now))
        .collect();
    let mut status = json!({
        "phase": phase,
        "conditions": conditions,
        "startTime": worker.start_time.rfc3339(),
        "hostIP": config.node_ip.to_string(),
        "hostIPs": [{"ip": config.node_ip.to_string()}],
        "qosClass": qos_class(&worker.spec),
    });
    let Some(map) = status.as_object_mut() else {
        return status;
    };
    if generation > 0 {
        map.insert("observedGeneration".into(), generation.into());
    }
    if let Some(ip) = worker.ip {
        map.insert("podIP".into(), ip.to_string().into());
        map.insert("podIPs".into(), json!([{"ip": ip.to_string()}]));
    }
    if let Some((reason, message)) = worker.failure.as_ref().filter(|_| phase == "Failed") {
        map.insert("reason".into(), reason.as_str().into());
        map.insert("message".into(), message.as_str().into());
    }
    let rejected = worker.failure.is_some() && worker.units.iter().all(|u| u.runs == 0);
    if !rejected {
        container_statuses(worker, map);
    }
    status
}

fn container_statuses(worker: &Worker, map: &mut Map<String, Value>) {
    let has_init = worker
        .units
        .iter()
        .any(|u| u.role.list() == "initContainers");
    for list in [Role::Init, Role::App, Role::Ephemeral].map(Role::status_list) {
        let mut units: Vec<&Unit> = worker.units.iter().collect();
        units.retain(|u| u.role.status_list() == list);
        if list != Role::Init.status_list() {
            units.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
        }
        let one = |u: &&Unit| container_status(u, worker.uid(), has_init);
        let statuses: Vec<Value> = units.iter().map(one).collect();
        if !statuses.is_empty() || list == Role::App.status_list() {
            map.insert(list.into(), statuses.into());
        }
    }
}

fn container_status(unit: &Unit, pod: &str, has_init: bool) -> Value {
    let (state, id) = match unit.shown() {
        State::Waiting { reason, message } => (waiting(reason, message, has_init), last_id(unit)),
        State::Starting { .. } => (waiting("", "", has_init), last_id(unit)),
        State::Running { since } => {
            let state = json!({"running": {"startedAt": since.rfc3339()}});
            (state, container_id(&unit.id(pod)))
        }
        State::Exited(exit) => (
            json!({"terminated": terminated(exit)}),
            exit.container_id.clone(),
        ),
    };
    let last = unit
        .last
        .as_ref()
        .map_or_else(|| json!({}), |t| json!({"terminated": terminated(t)}));
    let starting = u32::from(matches!(unit.state, State::Starting { .. }));
    let runs = unit.runs.saturating_sub(starting);
    let mut status = json!({
        "name": unit.spec.name,
        "image": unit.spec.image,
        "imageID": if runs > 0 { unit.image_id.as_str() } else { "" },
        "ready": unit.is_ready(),
        "restartCount": runs.saturating_sub(1),
        "state": state,
        "lastState": last,
    });
    let Some(map) = status.as_object_mut() else {
        return status;
    };
    if !id.is_empty() {
        map.insert("containerID".into(), id.into());
    }
    if unit.role != Role::Ephemeral {
        map.insert("started".into(), unit.is_started().into());
    }
    if runs > 0 {
        given(unit, map);
    }
    status
}

/// What a container that has run was given: resources and mounts.
fn given(unit: &Unit, map: &mut Map<String, Value>) {
    let (resources, mut shown) = (&unit.spec.resources, Map::new());
    for (field, amounts) in [
        ("limits", &resources.limits),
        ("requests", &resources.requests),
    ] {
        if !amounts.is_empty() {
            shown.insert(field.into(), json!(amounts));
        }
    }
    map.insert("resources".into(), shown.into());
    if !resources.requests.is_empty() {
        map.insert("allocatedResources".into(), json!(resources.requests));
    }
    let mounts = unit.spec.volume_mounts.iter().map(|m| {
        let mut mount = json!({"name": m.name, "mountPath": m.mount_path});
        if let (true, Some(fields)) = (m.read_only, mount.as_object_mut()) {
            fields.insert("readOnly".into(), true.into());
            fields.insert("recursiveReadOnly".into(), "Disabled".into());
        }
        mount
    });
    let mounts: Vec<Value> = mounts.collect();
    if !mounts.is_empty() {
        map.insert("volumeMounts".into(), mounts.into());
    }
}

fn last_id(unit: &Unit) -> String {
    unit.last
        .as_ref()
        .map(|t| t.container_id.clone())
        .unwrap_or_default()
}

fn waiting(reason: &str, message: &str, has_init: bool) -> Value {
    let reason = match (reason, has_init) {
        ("", true) => "PodInitializing",
        ("", false) => "ContainerCreating",
        (given, _) => given,
    };
    let mut waiting = json!({"reason": reason});
    if let (false, Some(map)) = (message.is_empty(), waiting.as_object_mut()) {
        map.insert("message".into(), message.into());
    }
    json!({"waiting": waiting})
}

fn terminated(exit: &Terminated) -> Value {
    let mut value = json!({
        "exitCode": exit.exit_code,
        "reason": exit.reason,
        "startedAt": exit.started.unwrap_or(exit.finished).rfc3339(),
        "finishedAt": exit.finished.rfc3339(),
    });
    if let Some(map) = value.as_object_mut() {
        if !exit.message.is_empty() {
            map.insert("message".into(), exit.message.as_str().into());
        }
        if !exit.container_id.is_empty() {
            map.insert("containerID".into(), exit.container_id.as_str().into());
        }
    }
    value
}

/// Guaranteed when every container limits CPU and memory and requests as much, BestEffort when none says anything
/// (kubernetes.io/docs/concepts/workloads/pods/pod-qos).
pub(crate) fn qos_class(spec: &PodSpec) -> &'static str {
    const COUNTED: [&str; 2] = ["cpu", "memory"];
    let says = |c: &crate::spec::ContainerSpec| {
        COUNTED
            .iter()
            .any(|r| c.request(r).as_millis() > 0 || c.limit(r).is_some())
    };
    let full = |c: &crate::spec::ContainerSpec| {
        COUNTED
            .iter()
            .all(|r| c.limit(r).is_some_and(|l| l == c.request(r)))
    };
    if !spec.all().any(says) {
        "BestEffort"
    } else if spec.all().all(full) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

/// True when an observed status already shows everything of the wanted one: conditions by type, the rest by field.
pub(crate) fn shows(observed: Option<&Value>, wanted: &Value) -> bool {
    let (Some(observed), Some(wanted)) = (observed, wanted.as_object()) else {
        return false;
    };
    wanted.iter().all(|(field, value)| {
        let there = observed.get(field);
        if field != "conditions" {
            return there == Some(value);
        }
        let there = there
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        let each = value.as_array().map_or(&[][..], Vec::as_slice);
        each.iter().all(|c| {
            let kind = c.get("type").and_then(Value::as_str).unwrap_or_default();
            conditions::find(there, kind).is_some_and(|o| covers(o, c))
        })
    })
}

/// True when `there` has every field of `wanted`, and no reason or message beside it.
fn covers(there: &Value, wanted: &Value) -> bool {
    let fields = wanted.as_object().into_iter().flatten();
    let stale =
        |field: &str| wanted.get(field).is_none() && there.get(field).is_some_and(|v| !v.is_null());
    fields.into_iter().all(|(k, v)| there.get(k) == Some(v))
        && !stale("reason")
        && !stale("message")
}

/// The status patch. A strategic merge keeps what is not named: conditions that lost their reason or message say so,
/// and addresses replace those that were there.
pub(crate) fn patch(uid: &str, observed: Option<&Value>, mut wanted: Value) -> Value {
    if let Some(conditions) = wanted.get_mut("conditions").and_then(Value::as_array_mut) {
        for condition in conditions.iter_mut().filter_map(Value::as_object_mut) {
            for field in ["reason", "message"] {
                condition.entry(field).or_insert(Value::Null);
            }
        }
    }
    let stale = observed
        .and_then(|o| o.get("podIPs"))
        .is_some_and(|ips| Some(ips) != wanted.get("podIPs"));
    if let (true, Some(ips)) = (
        stale,
        wanted.get_mut("podIPs").and_then(Value::as_array_mut),
    ) {
        ips.insert(0, json!({"$patch": "replace"}));
    }
    json!({"metadata": {"uid": uid}, "status": wanted})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qos_follows_requests_and_limits() {
        let both = |v: &str| json!({"cpu": v, "memory": v});
        for (resources, want) in [
            (json!([{}]), "BestEffort"),
            (json!([{"limits": both("1")}]), "Guaranteed"),
            (
                json!([{"limits": both("1"), "requests": both("1")}]),
                "Guaranteed",
            ),
            (
                json!([{"limits": both("2"), "requests": both("1")}]),
                "Burstable",
            ),
            (json!([{"limits": both("1")}, {}]), "Burstable"),
            (json!([{"requests": {"cpu": "1"}}]), "Burstable"),
            (json!([{"limits": {"cpu": "1"}}]), "Burstable"),
        ] {
            let containers: Vec<Value> = resources
                .as_array()
                .unwrap()
                .iter()
                .map(|r| json!({"resources": r}))
                .collect();
            let spec = PodSpec::parse(Some(&json!({"containers": containers}))).unwrap();
            assert_eq!(qos_class(&spec), want, "{resources}");
        }
    }

    #[test]
    fn a_status_is_shown_when_all_of_it_is_there() {
        let wanted =
            json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
        for (observed, want) in [
            (
                json!({"phase": "Running", "conditions": [{"type": "X"}, {"type": "Ready", "status": "True"}]}),
                true,
            ),
            (
                json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}),
                false,
            ),
            (
                json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "reason": "old"}]}),
                false,
            ),
            (
                json!({"phase": "Pending", "conditions": [{"type": "Ready", "status": "True"}]}),
                false,
            ),
            (json!({}), false),
        ] {
            assert_eq!(shows(Some(&observed), &wanted), want, "{observed}");
        }
    }
}
