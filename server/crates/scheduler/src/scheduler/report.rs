//! What the scheduler tells about its decisions: conditions, events, and the pods it evicts.

use std::sync::Arc;

use client::{Body, Done, PatchKind, Request};
use serde_json::{Value, json};
use shared::{Millis, Object, Revision};

use super::{Purpose, Scheduler, core};
use crate::pod::PodInfo;
use crate::queue::Waiting;

impl Scheduler {
    /// Writes the `PodScheduled` condition and the event that explain why a pod waits.
    pub(super) fn report(
        &mut self,
        waiting: &Waiting,
        reason: &str,
        message: &str,
        nominated: Option<&str>,
        now: Millis,
    ) {
        let pod = &waiting.pod.object;
        let event = self
            .events
            .warning(&pod.reference(), "FailedScheduling", message, now);
        self.send_event(event, "Scheduling", pod, waiting.cause);
        if let Some(patch) = waiting_patch(pod, reason, message, nominated, now) {
            let patch = Request::patch(core("pods"), &pod.key(), PatchKind::Strategic, patch);
            self.calls
                .send(patch.on("status"), waiting.cause, Purpose::Other);
        }
    }

    pub(super) fn evict(
        &mut self,
        victim: &Arc<PodInfo>,
        by: &Arc<PodInfo>,
        node: &str,
        cause: Option<Revision>,
        now: Millis,
    ) {
        let object = &victim.object;
        if object.deletion().is_some() {
            return;
        }
        let condition = json!({
            "type": "DisruptionTarget",
            "observedGeneration": object.generation(),
            "status": "True",
            "lastProbeTime": null,
            "lastTransitionTime": now.rfc3339(),
            "reason": "PreemptionByScheduler",
            "message": format!("{}: preempting to accommodate a higher priority pod", self.name),
        });
        let patch =
            json!({"metadata": {"uid": object.uid()}, "status": {"conditions": [condition]}});
        let patch = Request::patch(core("pods"), &object.key(), PatchKind::Strategic, patch);
        self.calls.send(patch.on("status"), cause, Purpose::Other);
        let delete = Request::delete(core("pods"), &object.key(), object.uid());
        self.calls.send(delete, cause, Purpose::Other);
        let message = format!("Preempted by pod {} on node {node}", by.uid());
        let event = self
            .events
            .normal(&object.reference(), "Preempted", &message, now);
        self.send_event(event, "Preempting", object, cause);
        self.done.push(Done {
            phase: "preempt",
            text: format!(
                "{} makes room for {} on {node}",
                object.key(),
                by.object.key()
            ),
            object: Some(object.reference()),
            cause,
            refused: None,
        });
    }

    pub(super) fn send_event(
        &mut self,
        mut request: Request,
        action: &str,
        about: &Object,
        cause: Option<Revision>,
    ) {
        if let Body::Object(Value::Object(event)) = &mut request.body {
            event.insert("action".into(), action.into());
        }
        self.calls
            .send(request, cause, Purpose::Event(about.clone()));
    }
}

/// The status patch that says why a pod waits; `None` when its status says so already.
fn waiting_patch(
    pod: &Object,
    reason: &str,
    message: &str,
    nominated: Option<&str>,
    now: Millis,
) -> Option<Value> {
    let conditions = pod.items("/status/conditions").iter();
    let old = conditions
        .clone()
        .find(|c| c.get("type") == Some(&json!("PodScheduled")));
    let text = |field: &str| old.and_then(|c| c.get(field)?.as_str()).unwrap_or_default();
    let same = text("status") == "False" && text("reason") == reason && text("message") == message;
    let renominated = nominated.is_some_and(|n| n != pod.text("/status/nominatedNodeName"));
    if same && !renominated {
        return None;
    }
    let since = match (text("status"), text("lastTransitionTime")) {
        ("False", since) if !since.is_empty() => since.to_owned(),
        _ => now.rfc3339(),
    };
    let mut status = json!({"conditions": [{
        "type": "PodScheduled",
        "observedGeneration": pod.generation(),
        "status": "False",
        "lastProbeTime": null,
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }]});
    if let (Some(node), Some(status)) = (nominated, status.as_object_mut()) {
        status.insert("nominatedNodeName".into(), node.into());
    }
    Some(json!({"metadata": {"uid": pod.uid()}, "status": status}))
}
