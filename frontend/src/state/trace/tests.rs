//! Stories told from a flow log.

use serde_json::json;
use shared::live::Message;
use shared::{KindRef, ObjectRef, Revision};

use super::*;
use crate::state::samples;

fn snapshot(group: &str, plural: &str, items: Vec<serde_json::Value>) -> Message {
    Message::Snapshot {
        kind: KindRef::new(group, "v1", plural),
        revision: Revision(1),
        items: items.into_iter().map(Object::new).collect(),
    }
}

fn hop(seq: u64, trace: u128, component: &str, text: &str, about: (&str, &str)) -> Message {
    Message::Hop(Hop {
        seq,
        trace: TraceId(trace),
        component: component.into(),
        phase: if text.starts_with('P') {
            "request"
        } else {
            "work"
        }
        .into(),
        text: text.into(),
        object: (!about.0.is_empty()).then(|| ObjectRef {
            kind: about.0.into(),
            namespace: "default".into(),
            name: about.1.into(),
            ..ObjectRef::default()
        }),
        cause: None,
        revision: None,
        start_us: 1_000_000 + seq * 1000,
        duration_us: 500,
        outcome: Outcome::Done,
    })
}

fn owned(kind: &str, name: &str, owner: (&str, &str)) -> serde_json::Value {
    json!({"apiVersion": if kind == "Pod" {"v1"} else {"apps/v1"}, "kind": kind,
        "metadata": {"name": name, "namespace": "default",
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": owner.0, "name": owner.1, "controller": true}]},
        "spec": {"nodeName": "node-2"}, "status": {"phase": "Running"}})
}

fn cluster() -> Cluster {
    let mut c = Cluster::default();
    c.apply(snapshot(
        "apps",
        "replicasets",
        vec![owned("ReplicaSet", "web-1", ("Deployment", "web"))],
    ));
    c.apply(snapshot("", "pods", vec![
        owned("Pod", "web-1-a", ("ReplicaSet", "web-1")),
        owned("Pod", "web-1-b", ("ReplicaSet", "web-1")),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "old", "namespace": "default",
            "creationTimestamp": "2026-11-23T06:25:38Z"},
            "status": {"conditions": [
                {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-23T06:25:40Z"},
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-23T06:25:39Z"}]}}),
    ]));
    for message in [
        hop(
            1,
            7,
            "kubectl",
            "POST deployments/web",
            ("Deployment", "web"),
        ),
        hop(
            2,
            7,
            "kube-controller-manager",
            "deployment → web-1",
            ("ReplicaSet", "web-1"),
        ),
        hop(
            3,
            7,
            "kube-scheduler",
            "node-2 scored 83",
            ("Pod", "web-1-a"),
        ),
        hop(
            4,
            7,
            "kube-scheduler",
            "node-1 scored 61",
            ("Pod", "web-1-b"),
        ),
        hop(
            5,
            9,
            "kubelet node-1",
            "renewed its lease",
            ("Lease", "node-1"),
        ),
        hop(6, 7, "kubelet node-2", "started web", ("Pod", "web-1-a")),
    ] {
        c.apply(message);
    }
    c
}

fn show(journey: &Journey) -> String {
    let steps: Vec<String> = journey
        .steps
        .iter()
        .map(|s| {
            format!(
                "{:>3.0} {:.0} {}: {} {}",
                s.from, s.width, s.component, s.text, s.duration
            )
        })
        .collect();
    format!("{}\n{}", journey.sentence, steps.join("\n"))
}

#[test]
fn a_pods_story_is_its_own_and_its_owners() {
    let journey = of_object(&cluster(), "pods", &ObjectKey::new("default", "web-1-a"));
    expect_test::expect![[r#"
        It began with kubectl: POST deployments/web. The scheduler chose node-2: node-2 scored 83. It was running 5.50 ms after it was asked for.
          0 9 kubectl: POST deployments/web 0.50 ms
         18 9 kube-controller-manager: deployment → web-1 0.50 ms
         36 9 kube-scheduler: node-2 scored 83 0.50 ms
         91 9 kubelet node-2: started web 0.50 ms"#]]
    .assert_eq(&show(&journey));
}

#[test]
fn an_old_pods_story_comes_from_its_conditions_and_says_so() {
    let journey = of_object(&cluster(), "pods", &ObjectKey::new("default", "old"));
    assert!(journey.from_conditions);
    let lines: Vec<&str> = journey.steps.iter().map(|s| s.text.as_str()).collect();
    assert_eq!(
        lines,
        [
            "created at 06:25:38",
            "PodScheduled at 06:25:39",
            "Ready at 06:25:40"
        ]
    );
}

#[test]
fn housekeeping_is_not_news() {
    let recent = recent(&cluster(), 10);
    let lines: Vec<String> = recent
        .iter()
        .map(|r| format!("{} {} {}", r.who, r.text, r.hops))
        .collect();
    assert_eq!(lines, ["kubectl POST deployments/web 5"]);
}

#[test]
fn what_is_not_there_has_no_story() {
    assert_eq!(
        of_object(&cluster(), "pods", &ObjectKey::new("default", "gone")),
        Journey::default()
    );
    assert_eq!(
        of_trace(&cluster(), TraceId(404)),
        Journey {
            total: "0 µs".into(),
            ..Journey::default()
        }
    );
}

#[test]
fn a_pod_placed_by_hand_has_the_placing_in_its_story() {
    let mut c = cluster();
    c.apply(snapshot("", "pods", vec![json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "mine", "namespace": "default"},
        "spec": {"nodeName": "node-1", "schedulerName": samples::BY_HAND}, "status": {"phase": "Running"}})]));
    for message in [
        hop(10, 20, "dashboard", "POST pods/mine", ("Pod", "mine")),
        hop(
            11,
            21,
            "dashboard",
            "POST pods/mine/binding",
            ("Pod", "mine"),
        ),
        hop(12, 21, "kubelet node-1", "started", ("Pod", "mine")),
        hop(13, 22, "kubectl", "PATCH pods/mine", ("Pod", "mine")),
    ] {
        c.apply(message);
    }
    let journey = of_object(&c, "pods", &ObjectKey::new("default", "mine"));
    let texts: Vec<&str> = journey.steps.iter().map(|s| s.text.as_str()).collect();
    assert_eq!(
        texts,
        ["POST pods/mine", "POST pods/mine/binding", "started"]
    );
    assert!(
        journey.sentence.contains("A hand placed it on node-1"),
        "{}",
        journey.sentence
    );
}
