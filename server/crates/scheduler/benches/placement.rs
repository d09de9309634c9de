//! How many pods a second the scheduler places on a large cluster, its own time only: `cargo bench -p scheduler`.
//! Prints one JSON line per case.
#![expect(clippy::print_stdout, reason = "the figures are its output")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures host time")]

use std::time::Instant;

use client::{Answer, Component, Observed, WatchEvent};
use scheduler::Scheduler;
use serde_json::{Value, json};
use shared::live::Change;
use shared::{KindRef, Millis, Object, Revision};

const NODES: usize = 5_000;
const PODS: usize = 3_000;

fn node(i: usize) -> Object {
    let labels = json!({"kubernetes.io/hostname": format!("n{i}"), "topology.kubernetes.io/zone": format!("z{}", i % 3)});
    Object::new(json!({
        "metadata": {"name": format!("n{i}"), "uid": format!("n{i}"), "labels": labels, "resourceVersion": "1"},
        "status": {"allocatable": {"cpu": "16", "memory": "64Gi", "pods": "110"}},
    }))
}

fn pod(i: usize, spec: &Value) -> Object {
    let mut pod = json!({
        "metadata": {"name": format!("p{i}"), "namespace": "d", "uid": format!("uid-{i}"), "labels": {"app": "w"},
            "resourceVersion": (i + 2).to_string()},
        "spec": spec.clone(),
    });
    pod["spec"]["containers"] = json!([{"name": "c", "image": "i", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]);
    Object::new(pod)
}

fn run(case: &str, spec: &Value) {
    let mut scheduler = Scheduler::new(1);
    let now = Millis(1_795_415_138_000);
    for interest in scheduler.interests() {
        let objects = if interest.kind.plural == "nodes" {
            (0..NODES).map(node).collect()
        } else {
            Vec::new()
        };
        let kind = interest.kind;
        scheduler.observe(
            Observed::Replaced {
                kind,
                revision: Revision(1),
                objects,
            },
            now,
        );
    }
    let pods: Vec<Object> = (0..PODS).map(|i| pod(i, spec)).collect();
    let begin = Instant::now();
    for object in pods {
        let event = WatchEvent {
            change: Change::Added,
            object,
        };
        scheduler.observe(
            Observed::Event {
                kind: KindRef::new("", "v1", "pods"),
                event,
            },
            now,
        );
    }
    let mut bound = 0;
    loop {
        let calls = scheduler.poll(now);
        if calls.is_empty() {
            break;
        }
        for call in calls {
            bound += usize::from(call.request.subresource == "binding");
            scheduler.answer(call.id, Ok(Answer::Object(Object::new(Value::Null))), now);
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    let per_second = (bound as f64 / seconds).round();
    println!(
        "{}",
        json!({"bench": "scheduler", "case": case, "nodes": NODES, "bound": bound, "pods_per_second": per_second})
    );
}

fn main() {
    let spread = |when: &str| {
        json!({"topologySpreadConstraints": [{"maxSkew": 5, "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": when, "labelSelector": {"matchLabels": {"app": "w"}}}]})
    };
    run("plain", &json!({}));
    run("soft spread", &spread("ScheduleAnyway"));
    run("hard spread", &spread("DoNotSchedule"));
}
