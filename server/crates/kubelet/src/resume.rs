//! Carrying on after the kubelet was restarted: the API remembers the pods, the engine begins empty.
//!
//! As in the original after a node's reboot: sandboxes are made anew, init containers run again, and what was running
//! counts as lost and is restarted by its policy.

use serde_json::Value;
use shared::Millis;

use crate::ending::Ending;
use crate::unit::{Role, State, Terminated, Unit};
use crate::worker::Worker;

/// Takes over what the pod's status says of earlier runs.
pub(crate) fn carry_on(worker: &mut Worker, now: Millis) {
    let pod = worker.pod.clone();
    let over = matches!(pod.text("/status/phase"), "Succeeded" | "Failed");
    for unit in &mut worker.units {
        let list = format!("/status/{}", unit.role.status_list());
        let name = Some(unit.spec.name.as_str());
        let statuses = pod.items(&list);
        if let Some(status) = statuses
            .iter()
            .find(|s| s.get("name").and_then(Value::as_str) == name)
        {
            worker.resumed |= one(unit, status, over, now);
        }
    }
    worker.stored = worker.resumed;
    if over {
        let (reason, message) = (pod.text("/status/reason"), pod.text("/status/message"));
        if !reason.is_empty() {
            worker.failure = Some((reason.into(), message.into()));
        }
        worker.initialized = true;
        worker.resumed = false;
        worker.ending = Some(Ending::finished(now));
    }
    if let Ok(ip) = pod.text("/status/podIP").parse() {
        worker.ip = Some(ip);
    }
}

/// Takes over one container's status; answers whether it had ever been begun.
fn one(unit: &mut Unit, status: &Value, over: bool, now: Millis) -> bool {
    let text = |field: &str| {
        status
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let id = text("containerID");
    let restarts = status
        .get("restartCount")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    let restarts = u32::try_from(restarts).unwrap_or(u32::MAX - 1);
    if id.is_empty() && restarts == 0 {
        return false;
    }
    unit.runs = restarts + 1;
    text("imageID").clone_into(&mut unit.image_id);
    unit.last = status.pointer("/lastState/terminated").map(terminated);
    if !over && unit.role == Role::Init {
        unit.last = None;
        return true;
    }
    if let Some(exit) = status.pointer("/state/terminated") {
        unit.state = State::Exited(terminated(exit));
    } else if let Some(running) = status.pointer("/state/running") {
        unit.state = State::Exited(Terminated {
            exit_code: 137,
            reason: "ContainerStatusUnknown".into(),
            message: "The container could not be located when the pod was terminated".into(),
            started: time(running, "startedAt"),
            finished: now,
            container_id: id.into(),
        });
    }
    true
}

fn time(value: &Value, field: &str) -> Option<Millis> {
    Millis::parse_rfc3339(value.get(field)?.as_str()?)
}

fn terminated(value: &Value) -> Terminated {
    let text = |field: &str| {
        value
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let code = value
        .get("exitCode")
        .and_then(Value::as_i64)
        .unwrap_or_default();
    Terminated {
        exit_code: i32::try_from(code).unwrap_or(-1),
        reason: text("reason"),
        message: text("message"),
        started: time(value, "startedAt"),
        finished: time(value, "finishedAt").unwrap_or_default(),
        container_id: text("containerID"),
    }
}
