//! kubectl's status words, row by row.

use serde_json::json;

use super::*;

fn pod(spec: Value, status: Value) -> Object {
    Object::new(json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default"}, "spec": spec, "status": status}))
}

fn app(state: Value, ready: bool) -> Value {
    json!({"phase": "Running", "containerStatuses": [{"name": "c", "ready": ready, "restartCount": 2, "state": state}]})
}

fn check(spec: Value, status: Value, want: &str) {
    let v = PodView::of(&pod(spec, status));
    let got = format!(
        "{} {} {}/{} {}",
        v.look.glyph(),
        v.status,
        v.ready.0,
        v.ready.1,
        v.note
    );
    assert_eq!(got.trim_end(), want);
}

#[test]
fn words_and_looks_are_kubectls() {
    let on_node = || json!({"nodeName": "n", "containers": [{"name": "c"}]});
    let terminated = |code: i64, reason: &str| {
        app(
            json!({"terminated": {"exitCode": code, "reason": reason}}),
            false,
        )
    };
    let waiting = |reason: &str| app(json!({"waiting": {"reason": reason}}), false);
    for (status, want) in [
        (json!({}), "◔ Pending 0/1"),
        (json!({"phase": "Pending"}), "◔ Pending 0/1"),
        (
            waiting("ContainerCreating"),
            "◐ ContainerCreating 0/1 2 restarts",
        ),
        (
            app(json!({"running": {}}), true),
            "● Running 1/1 2 restarts",
        ),
        (
            app(json!({"running": {}}), false),
            "◔ Running 0/1 2 restarts",
        ),
        (
            waiting("CrashLoopBackOff"),
            "▲ CrashLoopBackOff 0/1 2 restarts",
        ),
        (
            waiting("ImagePullBackOff"),
            "▲ ImagePullBackOff 0/1 2 restarts",
        ),
        (waiting("ErrImagePull"), "▲ ErrImagePull 0/1 2 restarts"),
        (
            waiting("CreateContainerConfigError"),
            "▲ CreateContainerConfigError 0/1 2 restarts",
        ),
        (terminated(0, "Completed"), "○ Completed 0/1 2 restarts"),
        (terminated(1, "Error"), "▲ Error 0/1 2 restarts"),
        (terminated(137, "OOMKilled"), "▲ OOMKilled 0/1 2 restarts"),
        (terminated(3, ""), "▲ ExitCode:3 0/1 2 restarts"),
        (
            json!({"phase": "Failed", "reason": "Evicted"}),
            "▲ Evicted 0/1",
        ),
        (
            json!({"phase": "Failed", "reason": "OutOfcpu"}),
            "▲ OutOfcpu 0/1",
        ),
    ] {
        check(on_node(), status, want);
    }
}

#[test]
fn init_containers_and_sidecars_count_as_kubectl_counts_them() {
    let spec = || {
        json!({"nodeName": "n", "containers": [{"name": "c"}],
            "initContainers": [{"name": "wait-database"}, {"name": "proxy", "restartPolicy": "Always"}]})
    };
    let done = json!({"name": "wait-database", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}});
    let proxy = json!({"name": "proxy", "started": true, "ready": true, "state": {"running": {}}});
    for (init, apps, want) in [
        (
            json!([{"name": "wait-database", "state": {"running": {}}}]),
            json!([]),
            "◔ Init:0/2 0/2 until wait-database",
        ),
        (
            json!([{"name": "wait-database", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}]),
            json!([]),
            "▲ Init:Error 0/2 until wait-database",
        ),
        (
            json!([{"name": "wait-database", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]),
            json!([]),
            "▲ Init:CrashLoopBackOff 0/2 until wait-database",
        ),
        (
            json!([done, proxy]),
            json!([{"name": "c", "ready": true, "state": {"running": {}}}]),
            "● Running 2/2",
        ),
    ] {
        check(
            spec(),
            json!({"phase": if want.contains("Running") {"Running"} else {"Pending"},
                "initContainerStatuses": init, "containerStatuses": apps}),
            want,
        );
    }
}

#[test]
fn a_pod_without_a_node_says_what_it_waits_for() {
    let unscheduled =
        |scheduler: &str| json!({"schedulerName": scheduler, "containers": [{"name": "c"}]});
    check(
        unscheduled("by-hand"),
        json!({"phase": "Pending"}),
        "◔ Pending 0/1 place me",
    );
    check(
        unscheduled("default-scheduler"),
        json!({"phase": "Pending"}),
        "◔ Pending 0/1 no node yet",
    );
    let refused = json!({"phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]});
    check(
        unscheduled("default-scheduler"),
        refused,
        "◔ Pending 0/1 no node fits",
    );
}

#[test]
fn deletion_shows_until_the_pod_is_gone() {
    let mut value = pod(json!({"containers": []}), app(json!({"running": {}}), true)).to_value();
    value["metadata"]["deletionTimestamp"] = json!("2026-11-23T06:25:38Z");
    assert_eq!(status_word(&Object::new(value)), "Terminating");
}

#[test]
fn requests_are_the_larger_of_the_sum_and_the_largest_init() {
    let ask = |cpu: &str, memory: &str| json!({"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}}});
    let v = PodView::of(&pod(
        json!({"containers": [ask("100m", "1Mi"), ask("0.2", "1Mi")], "initContainers": [ask("50m", "8Mi"), ask("nonsense", "")]}),
        json!({}),
    ));
    assert_eq!((v.cpu_m, v.memory), (300, 8 << 20));
}

#[test]
fn hostile_shapes_read_as_absent() {
    for value in [
        json!(null),
        json!([]),
        json!({"spec": 7, "status": "x"}),
        json!({"spec": {"containers": [1, null]}}),
    ] {
        let v = PodView::of(&Object::new(value));
        assert_eq!(v.status, "Pending");
    }
}
