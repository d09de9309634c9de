//! A Pod in kubectl's words: the status column, container by container, and how it is drawn.
//!
//! Follows `printPod` of `k8s.io/kubernetes/pkg/printers/internalversion`. Draws nothing itself.

use serde_json::Value;
use shared::quantity::Quantity;
use shared::{Object, ObjectKey, ObjectRef};

/// The five looks that a state can have; each has a colour and a glyph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Look {
    /// Does what it should.
    Ready,
    /// Being made or ended right now.
    Working,
    /// Waits for something else.
    #[default]
    Waiting,
    /// Went wrong.
    Failing,
    /// Over.
    Ended,
}

impl Look {
    /// The glyph that stands beside the colour.
    #[must_use]
    pub fn glyph(self) -> &'static str {
        match self {
            Self::Ready => "●",
            Self::Working => "◐",
            Self::Waiting => "◔",
            Self::Failing => "▲",
            Self::Ended => "○",
        }
    }

    /// The value of `data-look`, which the style sheet colours by.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Working => "working",
            Self::Waiting => "waiting",
            Self::Failing => "failing",
            Self::Ended => "ended",
        }
    }
}

/// What part a container plays in its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Runs to its end before the others start.
    Init,
    /// An init container with `restartPolicy: Always`.
    Sidecar,
    /// One of the pod's own.
    App,
}

/// One container of a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerView {
    /// Its name.
    pub name: String,
    /// Its image as written in the spec.
    pub image: String,
    /// Its part.
    pub part: Part,
    /// How it is drawn.
    pub look: Look,
    /// `Running`, `CrashLoopBackOff`, `Completed`, ...
    pub state: String,
    /// Restarts so far.
    pub restarts: i64,
}

/// One pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodView {
    /// Namespace and name.
    pub key: ObjectKey,
    /// `metadata.uid`.
    pub uid: String,
    /// The node it is bound to, empty while unscheduled.
    pub node: String,
    /// Its address, empty until it has one.
    pub ip: String,
    /// kubectl's STATUS word.
    pub status: String,
    /// How it is drawn.
    pub look: Look,
    /// kubectl's READY: ready and all containers.
    pub ready: (usize, usize),
    /// Restarts of all containers.
    pub restarts: i64,
    /// Init containers first, as they run.
    pub containers: Vec<ContainerView>,
    /// The few words at the right of the status line.
    pub note: String,
    /// CPU requests in thousandths of a core.
    pub cpu_m: i64,
    /// Memory requests in bytes.
    pub memory: i64,
    /// Its controller.
    pub owner: Option<ObjectRef>,
    /// Over for good: its requests no longer count.
    pub terminal: bool,
}

impl PodView {
    /// Reads a pod.
    #[must_use]
    pub fn of(pod: &Object) -> Self {
        let mut containers = parts(
            pod,
            "/spec/initContainers",
            "/status/initContainerStatuses",
            true,
        );
        containers.extend(parts(
            pod,
            "/spec/containers",
            "/status/containerStatuses",
            false,
        ));
        let counted = || containers.iter().filter(|c| c.part != Part::Init);
        let status = status_word(pod);
        let ready = ready_count(pod);
        let phase = pod.text("/status/phase");
        let (cpu_m, memory) = requests(pod);
        let mut view = Self {
            key: pod.key(),
            uid: pod.uid().into(),
            node: pod.text("/spec/nodeName").into(),
            ip: pod.text("/status/podIP").into(),
            look: look(pod, &status, ready == counted().count()),
            ready: (ready, counted().count()),
            restarts: containers.iter().map(|c| c.restarts).sum(),
            note: String::new(),
            cpu_m,
            memory,
            owner: pod.controller(),
            terminal: matches!(phase, "Succeeded" | "Failed"),
            status,
            containers,
        };
        view.note = note(pod, &view);
        view
    }

    /// `namespace/name`, or the bare name in the default namespace.
    #[must_use]
    pub fn label(&self) -> String {
        if self.key.namespace == "default" {
            self.key.name.clone()
        } else {
            self.key.to_string()
        }
    }
}

fn parts(pod: &Object, spec: &str, status: &str, init: bool) -> Vec<ContainerView> {
    let statuses = pod.items(status);
    pod.items(spec)
        .iter()
        .map(|c| {
            let name = text(c, "/name");
            let sidecar = init && text(c, "/restartPolicy") == "Always";
            let status = statuses.iter().find(|s| text(s, "/name") == name);
            let (state, look) =
                status.map_or_else(|| ("Waiting".into(), Look::Waiting), container_state);
            ContainerView {
                name: name.into(),
                image: text(c, "/image").into(),
                part: match (init, sidecar) {
                    (false, _) => Part::App,
                    (true, true) => Part::Sidecar,
                    (true, false) => Part::Init,
                },
                look,
                state,
                restarts: status
                    .and_then(|s| s.get("restartCount")?.as_i64())
                    .unwrap_or(0),
            }
        })
        .collect()
}

fn container_state(status: &Value) -> (String, Look) {
    if let Some(done) = status.pointer("/state/terminated") {
        let clean = done.get("exitCode").and_then(Value::as_i64) == Some(0);
        let look = if clean { Look::Ended } else { Look::Failing };
        return (ended_word(done), look);
    }
    if status.pointer("/state/running").is_some() {
        let ready = status.get("ready").and_then(Value::as_bool) == Some(true);
        return (
            "Running".into(),
            if ready { Look::Ready } else { Look::Waiting },
        );
    }
    let reason = text(status, "/state/waiting/reason");
    let look = match reason {
        "ContainerCreating" | "PodInitializing" => Look::Working,
        "" => Look::Waiting,
        r if is_failure(r) => Look::Failing,
        _ => Look::Waiting,
    };
    (
        if reason.is_empty() { "Waiting" } else { reason }.into(),
        look,
    )
}

fn ended_word(terminated: &Value) -> String {
    let reason = text(terminated, "/reason");
    if !reason.is_empty() {
        return reason.into();
    }
    let number = |f: &str| terminated.get(f).and_then(Value::as_i64).unwrap_or(0);
    match number("signal") {
        0 => format!("ExitCode:{}", number("exitCode")),
        signal => format!("Signal:{signal}"),
    }
}

/// kubectl's STATUS column.
#[must_use]
pub fn status_word(pod: &Object) -> String {
    let phase = pod.text("/status/phase");
    let mut reason = if phase.is_empty() { "Pending" } else { phase }.to_owned();
    if !pod.text("/status/reason").is_empty() {
        reason = pod.text("/status/reason").into();
    }
    if condition(pod, "PodScheduled").is_some_and(|c| text(c, "/reason") == "SchedulingGated") {
        reason = "SchedulingGated".into();
    }
    let init = init_word(pod);
    let initialized = condition(pod, "Initialized").is_some_and(is_true);
    if let Some(word) = &init {
        reason.clone_from(word);
    }
    if init.is_none() || initialized {
        reason = app_word(pod, reason);
    }
    if pod.deletion().is_some() {
        if pod.text("/status/reason") == "NodeLost" {
            reason = "Unknown".into();
        } else if !matches!(phase, "Succeeded" | "Failed") {
            reason = "Terminating".into();
        }
    }
    reason
}

/// `Init:0/2` and its relatives while an init container is not done.
fn init_word(pod: &Object) -> Option<String> {
    let specs = pod.items("/spec/initContainers");
    let statuses = pod.items("/status/initContainerStatuses");
    for (i, status) in statuses.iter().enumerate() {
        let sidecar = specs.iter().any(|c| {
            text(c, "/name") == text(status, "/name") && text(c, "/restartPolicy") == "Always"
        });
        let started = status.get("started").and_then(Value::as_bool) == Some(true);
        if let Some(done) = status.pointer("/state/terminated") {
            if done.get("exitCode").and_then(Value::as_i64) == Some(0) {
                continue;
            }
            return Some(format!("Init:{}", ended_word(done)));
        }
        if sidecar && started {
            continue;
        }
        return Some(match text(status, "/state/waiting/reason") {
            "" | "PodInitializing" => format!("Init:{i}/{}", specs.len()),
            why => format!("Init:{why}"),
        });
    }
    None
}

fn app_word(pod: &Object, mut reason: String) -> String {
    let mut running = false;
    for status in pod.items("/status/containerStatuses").iter().rev() {
        let waiting = text(status, "/state/waiting/reason");
        if !waiting.is_empty() {
            reason = waiting.into();
        } else if let Some(done) = status.pointer("/state/terminated") {
            reason = ended_word(done);
        } else if status.pointer("/state/running").is_some()
            && status.get("ready").and_then(Value::as_bool) == Some(true)
        {
            running = true;
        }
    }
    if reason == "Completed" && running {
        let ready = condition(pod, "Ready").is_some_and(is_true);
        reason = if ready { "Running" } else { "NotReady" }.into();
    }
    reason
}

/// Ready containers: the app's, and sidecars that started.
fn ready_count(pod: &Object) -> usize {
    let is_ready = |s: &&Value| {
        s.get("ready").and_then(Value::as_bool) == Some(true)
            && s.pointer("/state/running").is_some()
    };
    let sidecars = pod.items("/spec/initContainers").iter().filter(|c| {
        text(c, "/restartPolicy") == "Always"
            && pod
                .items("/status/initContainerStatuses")
                .iter()
                .any(|s| text(s, "/name") == text(c, "/name") && is_ready(&s))
    });
    pod.items("/status/containerStatuses")
        .iter()
        .filter(is_ready)
        .count()
        + sidecars.count()
}

fn is_failure(word: &str) -> bool {
    let word = word.strip_prefix("Init:").unwrap_or(word);
    matches!(
        word,
        "Failed"
            | "Unknown"
            | "Evicted"
            | "NodeLost"
            | "OOMKilled"
            | "DeadlineExceeded"
            | "NodeAffinity"
            | "UnexpectedAdmissionError"
            | "InvalidImageName"
            | "Preempting"
    ) || word.contains("Err")
        || word.contains("BackOff")
        || word.starts_with("OutOf")
        || word.starts_with("ExitCode:")
        || word.starts_with("Signal:")
}

fn look(pod: &Object, status: &str, all_ready: bool) -> Look {
    match status {
        "Running" if all_ready => Look::Ready,
        "Completed" | "Succeeded" => Look::Ended,
        "Terminating" | "ContainerCreating" | "PodInitializing" => Look::Working,
        s if is_failure(s) || pod.text("/status/phase") == "Failed" => Look::Failing,
        _ => Look::Waiting,
    }
}

fn note(pod: &Object, view: &PodView) -> String {
    let limit = pod
        .items("/spec/containers")
        .iter()
        .map(|c| text(c, "/resources/limits/memory"))
        .find(|l| !l.is_empty());
    let waiting_init = view
        .containers
        .iter()
        .find(|c| c.part == Part::Init && c.look != Look::Ended);
    match (view.status.as_str(), limit) {
        ("OOMKilled", Some(limit)) => format!("limit {limit}"),
        (s, _) if s.starts_with("Init:") => {
            waiting_init.map_or_else(String::new, |c| format!("until {}", c.name))
        }
        _ if view.node.is_empty() => waiting_reason(pod),
        _ if view.restarts == 1 => "1 restart".into(),
        _ if view.restarts > 1 => format!("{} restarts", view.restarts),
        ("Running", _) if view.look != Look::Ready => {
            format!("ready {}/{}", view.ready.0, view.ready.1)
        }
        ("Running", _) => volumes(pod),
        _ => String::new(),
    }
}

/// The volumes that somebody asked for; tokens and the like are everywhere and say nothing.
fn volumes(pod: &Object) -> String {
    let own = |v: &&Value| v.get("projected").is_none();
    let names: Vec<&str> = pod
        .items("/spec/volumes")
        .iter()
        .filter(own)
        .map(|v| text(v, "/name"))
        .collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => format!("volume {one}"),
        many => format!("{} volumes", many.len()),
    }
}

fn waiting_reason(pod: &Object) -> String {
    match condition(pod, "PodScheduled") {
        Some(c) if text(c, "/reason") == "Unschedulable" => "no node fits".into(),
        _ if pod.text("/spec/schedulerName") == super::samples::BY_HAND => "place me".into(),
        _ => "no node yet".into(),
    }
}

/// Requests of a pod: the larger of its app containers' sum and its largest init container, per resource
/// (<https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers>).
fn requests(pod: &Object) -> (i64, i64) {
    let of = |list: &str, resource: &str| -> Vec<i64> {
        pod.items(list)
            .iter()
            .map(|c| {
                let asked = text(c, &format!("/resources/requests/{resource}"));
                let quantity = Quantity::parse(asked);
                quantity.map_or(0, |q| {
                    if resource == "cpu" {
                        q.as_millis()
                    } else {
                        q.as_units()
                    }
                })
            })
            .collect()
    };
    let need = |resource: &str| {
        let app: i64 = of("/spec/containers", resource)
            .iter()
            .fold(0, |a, b| a.saturating_add(*b));
        let init = of("/spec/initContainers", resource)
            .into_iter()
            .max()
            .unwrap_or(0);
        app.max(init)
    };
    (need("cpu"), need("memory"))
}

/// A condition by type.
#[must_use]
pub fn condition<'a>(object: &'a Object, kind: &str) -> Option<&'a Value> {
    object
        .items("/status/conditions")
        .iter()
        .find(|c| text(c, "/type") == kind)
}

/// Whether a condition holds.
#[must_use]
pub fn is_true(condition: &Value) -> bool {
    text(condition, "/status") == "True"
}

/// The string at a pointer of a plain value.
#[must_use]
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
