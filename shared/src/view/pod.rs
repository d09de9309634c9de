//! What `kubectl get pods` prints for a pod: READY, STATUS and RESTARTS (`printPod` in Kubernetes' printers).

use serde_json::Value;

use super::{condition, since, text};
use crate::{Millis, Object};

/// A pod in a few words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Containers that are ready; restartable init containers count.
    pub ready: usize,
    /// Containers that should be.
    pub total: usize,
    /// The STATUS column: the phase, or the reason that says more.
    pub status: String,
    /// How often containers were restarted.
    pub restarts: i64,
    /// When the last restarted container ended.
    pub last_restart: Option<Millis>,
}

impl Summary {
    /// The READY column: `1/2`.
    #[must_use]
    pub fn ready_text(&self) -> String {
        format!("{}/{}", self.ready, self.total)
    }

    /// The RESTARTS column: `0`, or `3 (5m ago)`.
    #[must_use]
    pub fn restarts_text(&self, now: Millis) -> String {
        match self.last_restart {
            Some(at) if self.restarts != 0 => {
                format!("{} ({} ago)", self.restarts, since(&at.rfc3339(), now))
            }
            _ => self.restarts.to_string(),
        }
    }
}

/// Judges a pod.
#[must_use]
pub fn summary(pod: &Object) -> Summary {
    let mut tally = Tally::default();
    let mut status = phase_or_reason(pod);
    let sidecars: Vec<&str> = pod
        .items("/spec/initContainers")
        .iter()
        .filter(|c| text(c, "restartPolicy") == "Always")
        .map(|c| text(c, "name"))
        .collect();
    let initializing = init_containers(pod, &sidecars, &mut tally, &mut status);
    if !initializing || condition(pod, "Initialized") == Some("True") {
        tally.restarts = tally.sidecar_restarts;
        tally.last = tally.sidecar_last;
        containers(pod, &mut tally, &mut status);
    }
    if pod.deletion().is_some() {
        if pod.text("/status/reason") == "NodeLost" {
            status = "Unknown".into();
        } else if !is_terminal(pod) {
            status = "Terminating".into();
        }
    }
    Summary {
        ready: tally.ready,
        total: pod.items("/spec/containers").len() + sidecars.len(),
        status,
        restarts: tally.restarts,
        last_restart: tally.last,
    }
}

/// True once the pod has ended for good: phase `Succeeded` or `Failed`.
#[must_use]
pub fn is_terminal(pod: &Object) -> bool {
    matches!(pod.text("/status/phase"), "Succeeded" | "Failed")
}

/// True when the pod's `Ready` condition holds.
#[must_use]
pub fn is_ready(pod: &Object) -> bool {
    condition(pod, "Ready") == Some("True")
}

/// The pod's address, `None` while it has none.
#[must_use]
pub fn ip(pod: &Object) -> Option<&str> {
    let first = pod.items("/status/podIPs").first().map(|ip| text(ip, "ip"));
    first
        .or_else(|| pod.at("/status/podIP")?.as_str())
        .filter(|ip| !ip.is_empty())
}

#[derive(Default)]
struct Tally {
    ready: usize,
    restarts: i64,
    sidecar_restarts: i64,
    last: Option<Millis>,
    sidecar_last: Option<Millis>,
}

fn phase_or_reason(pod: &Object) -> String {
    let gated = pod
        .items("/status/conditions")
        .iter()
        .any(|c| text(c, "type") == "PodScheduled" && text(c, "reason") == "SchedulingGated");
    match (gated, pod.text("/status/reason"), pod.text("/status/phase")) {
        (true, ..) => "SchedulingGated".into(),
        (false, "", phase) => phase.into(),
        (false, reason, _) => reason.into(),
    }
}

/// Walks the init containers up to the first that is not through; true when there is such a one.
fn init_containers(
    pod: &Object,
    sidecars: &[&str],
    tally: &mut Tally,
    status: &mut String,
) -> bool {
    let total = pod.items("/spec/initContainers").len();
    for (i, container) in pod
        .items("/status/initContainerStatuses")
        .iter()
        .enumerate()
    {
        let is_sidecar = sidecars.contains(&text(container, "name"));
        let (count, ended) = (restart_count(container), last_end(container));
        tally.restarts += count;
        tally.last = tally.last.max(ended);
        if is_sidecar {
            tally.sidecar_restarts += count;
            tally.sidecar_last = tally.sidecar_last.max(ended);
        }
        let waiting = state(container, "waiting").map(|w| text(w, "reason"));
        if let Some(ended) = state(container, "terminated") {
            if ended.get("exitCode").and_then(Value::as_i64) == Some(0) {
                continue;
            }
            *status = format!("Init:{}", how_it_ended(ended));
        } else if is_sidecar && flag(container, "started") {
            tally.ready += usize::from(flag(container, "ready"));
            continue;
        } else {
            *status = match waiting {
                Some(reason) if !reason.is_empty() && reason != "PodInitializing" => {
                    format!("Init:{reason}")
                }
                _ => format!("Init:{i}/{total}"),
            };
        }
        return true;
    }
    false
}

fn containers(pod: &Object, tally: &mut Tally, status: &mut String) {
    let mut has_running = false;
    for container in pod.items("/status/containerStatuses").iter().rev() {
        tally.restarts += restart_count(container);
        tally.last = tally.last.max(last_end(container));
        let waiting = state(container, "waiting").map_or("", |w| text(w, "reason"));
        if !waiting.is_empty() {
            *status = waiting.into();
        } else if let Some(ended) = state(container, "terminated") {
            *status = how_it_ended(ended);
        } else if flag(container, "ready") && state(container, "running").is_some() {
            has_running = true;
            tally.ready += 1;
        }
    }
    if status == "Completed" && has_running {
        *status = if is_ready(pod) { "Running" } else { "NotReady" }.into();
    }
}

fn state<'a>(container: &'a Value, name: &str) -> Option<&'a Value> {
    container.get("state")?.get(name).filter(|s| !s.is_null())
}

fn flag(container: &Value, name: &str) -> bool {
    container.get(name).and_then(Value::as_bool) == Some(true)
}

fn restart_count(container: &Value) -> i64 {
    container
        .get("restartCount")
        .and_then(Value::as_i64)
        .unwrap_or(0)
}

fn last_end(container: &Value) -> Option<Millis> {
    let finished = container.pointer("/lastState/terminated/finishedAt")?;
    Millis::parse_rfc3339(finished.as_str()?)
}

fn how_it_ended(ended: &Value) -> String {
    let number = |field: &str| ended.get(field).and_then(Value::as_i64).unwrap_or(0);
    match (text(ended, "reason"), number("signal")) {
        ("", 0) => format!("ExitCode:{}", number("exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.into(),
    }
}

#[cfg(test)]
mod tests;
