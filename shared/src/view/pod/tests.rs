//! Pods in many states, each with the READY, STATUS and RESTARTS that kubectl prints.

use super::*;
use serde_json::json;

/// Judges a pod with containers `c` (and `d`), init containers as named and the given status.
fn check(name: &str, containers: usize, init: Value, status: Value, want: &str) {
    let names = ["c", "d"].into_iter().take(containers);
    let pod = Object::new(json!({
        "metadata": if status.get("DEL").is_some() { json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}) } else { json!({}) },
        "spec": {"containers": names.map(|n| json!({"name": n})).collect::<Vec<_>>(), "initContainers": init},
        "status": status,
    }));
    let now = Millis::parse_rfc3339("2026-01-01T01:00:00Z").unwrap_or_default();
    let it = summary(&pod);
    let got = format!(
        "{} {} {}",
        it.ready_text(),
        it.status,
        it.restarts_text(now)
    );
    assert_eq!(got, want, "{name}");
}

fn waiting(name: &str, reason: &str, restarts: i64) -> Value {
    json!({"name": name, "restartCount": restarts, "state": {"waiting": {"reason": reason}}})
}

fn running(name: &str, ready: bool, restarts: i64) -> Value {
    json!({"name": name, "ready": ready, "started": true, "restartCount": restarts,
        "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}})
}

fn ended(name: &str, reason: &str, code: i64, restarts: i64) -> Value {
    json!({"name": name, "restartCount": restarts, "state": {"terminated": {"reason": reason, "exitCode": code}}})
}

#[test]
fn phases_and_reasons() {
    let none = || json!([]);
    let reason = |r: &str| json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": r}]});
    check(
        "unschedulable",
        1,
        none(),
        reason("Unschedulable"),
        "0/1 Pending 0",
    );
    check(
        "gated",
        1,
        none(),
        reason("SchedulingGated"),
        "0/1 SchedulingGated 0",
    );
    check(
        "evicted",
        1,
        none(),
        json!({"phase": "Failed", "reason": "Evicted"}),
        "0/1 Evicted 0",
    );
    check(
        "unknown",
        1,
        none(),
        json!({"phase": "Unknown"}),
        "0/1 Unknown 0",
    );
    check(
        "deleted",
        1,
        none(),
        json!({"DEL": 1, "phase": "Running"}),
        "0/1 Terminating 0",
    );
    check(
        "deleted and lost",
        1,
        none(),
        json!({"DEL": 1, "reason": "NodeLost"}),
        "0/1 Unknown 0",
    );
    check(
        "deleted and done",
        1,
        none(),
        json!({"DEL": 1, "phase": "Succeeded"}),
        "0/1 Succeeded 0",
    );
}

#[test]
fn containers_tell_more_than_the_phase() {
    let of = |phase: &str, statuses: Value| json!({"phase": phase, "containerStatuses": statuses});
    let one = |phase: &str, status: Value, want: &str| {
        check(want, 1, json!([]), of(phase, json!([status])), want);
    };
    one(
        "Pending",
        waiting("c", "ErrImagePull", 0),
        "0/1 ErrImagePull 0",
    );
    one("Running", running("c", false, 0), "0/1 Running 0");
    one("Running", running("c", true, 0), "1/1 Running 0");
    one(
        "Running",
        ended("c", "OOMKilled", 137, 1),
        "0/1 OOMKilled 1",
    );
    one("Running", ended("c", "", 3, 0), "0/1 ExitCode:3 0");
    one(
        "Succeeded",
        ended("c", "Completed", 0, 0),
        "0/1 Completed 0",
    );
    let mut looping = waiting("c", "CrashLoopBackOff", 3);
    looping["lastState"] =
        json!({"terminated": {"exitCode": 1, "finishedAt": "2026-01-01T00:55:00Z"}});
    one("Running", looping, "0/1 CrashLoopBackOff 3 (5m ago)");
    let mut signalled = ended("c", "", 0, 0);
    signalled["state"]["terminated"]["signal"] = json!(9);
    one("Running", signalled, "0/1 Signal:9 0");
    let two = json!([ended("c", "Completed", 0, 0), running("d", true, 0)]);
    check(
        "half done",
        2,
        json!([]),
        of("Running", two.clone()),
        "1/2 NotReady 0",
    );
    let mut ready = of("Running", two);
    ready["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    check("half done, ready", 2, json!([]), ready, "1/2 Running 0");
}

#[test]
fn init_containers_come_first() {
    let two = json!([{"name": "i"}, {"name": "j"}]);
    let of = |statuses: Value| json!({"phase": "Pending", "initContainerStatuses": statuses});
    let first = json!([
        waiting("i", "PodInitializing", 0),
        waiting("j", "PodInitializing", 0)
    ]);
    check("waiting", 1, two.clone(), of(first), "0/1 Init:0/2 0");
    let second = json!([ended("i", "Completed", 0, 0), running("j", true, 0)]);
    check("one done", 1, two.clone(), of(second), "0/1 Init:1/2 0");
    check(
        "error",
        1,
        two.clone(),
        of(json!([ended("i", "Error", 1, 1)])),
        "0/1 Init:Error 1",
    );
    check(
        "exit code",
        1,
        two.clone(),
        of(json!([ended("i", "", 4, 0)])),
        "0/1 Init:ExitCode:4 0",
    );
    check(
        "loop",
        1,
        two,
        of(json!([waiting("i", "CrashLoopBackOff", 2)])),
        "0/1 Init:CrashLoopBackOff 2",
    );
}

#[test]
fn sidecars_count_as_containers() {
    let sidecar = json!([{"name": "s", "restartPolicy": "Always"}]);
    let of = |init: Value, main: Value| {
        json!({"phase": "Running", "conditions": [{"type": "Initialized", "status": "True"}],
            "initContainerStatuses": [init], "containerStatuses": [main]})
    };
    check(
        "both",
        1,
        sidecar.clone(),
        of(running("s", true, 1), running("c", true, 0)),
        "2/2 Running 1",
    );
    let broken = of(waiting("s", "CrashLoopBackOff", 5), running("c", true, 0));
    check(
        "crash",
        1,
        sidecar.clone(),
        broken,
        "1/2 Init:CrashLoopBackOff 5",
    );
    let mut starting = running("s", false, 0);
    starting["started"] = json!(false);
    let status = json!({"phase": "Pending", "initContainerStatuses": [starting]});
    check("starting", 1, sidecar, status, "0/2 Init:0/1 0");
}
