//! What the preview says, line by line.

use serde_json::json;
use shared::live::Message;
use shared::{KindRef, Revision};

use super::*;

/// A cluster with one node, one namespace and a few objects.
fn cluster() -> Cluster {
    let mut cluster = Cluster::default();
    let node = json!({"metadata": {"name": "node-1", "labels": {"disk": "hdd", "zone": "a"}},
        "spec": {"taints": [{"key": "own", "effect": "NoSchedule"}]}});
    let old = json!({"metadata": {"name": "old", "namespace": "default"}, "spec": {"nodeName": "node-1"}});
    let web = json!({"metadata": {"name": "web", "namespace": "default", "labels": {"a": "1"}},
        "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "c", "image": "i", "extra": 1}]}}}});
    for (group, plural, items) in [
        ("", "nodes", vec![node]),
        (
            "",
            "namespaces",
            vec![json!({"metadata": {"name": "default"}})],
        ),
        ("", "pods", vec![old]),
        ("apps", "deployments", vec![web]),
    ] {
        cluster.apply(Message::Snapshot {
            kind: KindRef::new(group, "v1", plural),
            revision: Revision(1),
            items: items.into_iter().map(Object::new).collect(),
        });
    }
    cluster
}

fn check(scenario: Value, want: &expect_test::Expect) {
    let scenario: Scenario = serde_json::from_value(scenario).unwrap();
    let read = Read::from([(
        "jobs".to_owned(),
        vec![Object::new(
            json!({"metadata": {"name": "j", "namespace": "default"}}),
        )],
    )]);
    let cluster = cluster();
    let here = Here {
        cluster: &cluster,
        read: &read,
    };
    let lines: Vec<String> = effects(&scenario, here)
        .into_iter()
        .map(|e| {
            let when = if e.when.is_empty() {
                String::new()
            } else {
                format!("[{}] ", e.when)
            };
            format!(
                "{when}{} | {}{}",
                e.line,
                e.what,
                if e.skip { " (skip)" } else { "" }
            )
        })
        .collect();
    want.assert_eq(&lines.join("\n"));
}

#[test]
fn each_object_says_what_it_will_do() {
    let object = |api: &str, kind: &str, ns: &str, name: &str, spec: Value| json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": ns}, "spec": spec});
    let container = json!({"spec": {"containers": [{"name": "c", "image": "j"}]}});
    check(
        json!({"nodes": 1, "objects": [
            object("v1", "Namespace", "", "shop", json!({})),
            object("v1", "Service", "lost", "s", json!({})),
            object("apps/v1", "Deployment", "shop", "web", json!({"replicas": 3})),
            object("apps/v1", "Deployment", "default", "web", json!({"replicas": 3, "template": container})),
            object("v1", "Pod", "default", "old", json!({})),
            object("v1", "Pod", "", "old", json!({})),
            object("batch/v1", "Job", "default", "j", json!({})),
            object("v1", "Pod", "default", "a", json!({"nodeName": "node-1"})),
            object("v1", "Pod", "default", "b", json!({"nodeName": "node-9"}))]}),
        &expect_test::expect![[r#"
            create Namespace shop | will be created
            create Service lost/s | needs the namespace lost, which is not here
            create Deployment shop/web | will be created with 3 replicas
            create Deployment default/web | exists here already and stays as it is, though the scenario wants spec.replicas: 2 → 3, spec.template.spec.containers[0].image: i → j (skip)
            create Pod default/old | exists here already and stays as it is (skip)
            create Pod old | exists here already and stays as it is (skip)
            create Job default/j | exists here already and stays as it is (skip)
            create Pod default/a | will be created on node-1
            create Pod default/b | will be created for node-9, which is not here: it will wait until such a node joins"#]],
    );
}

#[test]
fn places_and_the_timeline_are_told_too() {
    check(
        json!({"places": [
            {"node": "node-1", "labels": {"disk": "ssd", "zone": "a", "new": "x"}, "taints": [
                {"key": "own", "effect": "NoSchedule"}, {"key": "gpu", "value": "yes", "effect": "NoExecute"}]},
            {"node": "node-9", "labels": {"a": "b"}}],
        "timeline": [
            {"afterSeconds": 20, "label": "later", "do": [
                {"stopNode": "node-1"}, {"startNode": "node-9"}, {"clock": {"rate": 60.0, "stepMs": 9000}}]},
            {"afterSeconds": 5, "label": "soon", "do": [
                {"delete": "pods/default/old"}, {"delete": "pods/default/new"},
                {"patch": {"on": "deployments/default/web", "patch": {"spec": {"replicas": 9}}}},
                {"replace": {"apiVersion": "apps/v1", "kind": "Deployment",
                    "metadata": {"name": "web", "namespace": "default", "labels": {"a": "2"}}}}]}]}),
        &expect_test::expect![[r#"
            kubectl label node node-1 disk=ssd --overwrite | changes the label from hdd
            kubectl label node node-1 new=x --overwrite | adds the label
            kubectl label node node-1 zone=a --overwrite | it has this label (skip)
            kubectl taint node node-1 own:NoSchedule | it has this taint (skip)
            kubectl taint node node-1 gpu=yes:NoExecute | evicts every pod from it that does not tolerate this
            kubectl label node node-9 a=b --overwrite | node-9 is not here: nothing is sent (skip)
            [after 5 s: soon] kubectl delete pods old -n default | exists here: it will be deleted
            [after 5 s: soon] kubectl delete pods new -n default | not here yet
            [after 5 s: soon] kubectl patch deployments web -n default -p '{"spec":{"replicas":9}}' | spec.replicas: 2 → 9
            [after 5 s: soon] replace Deployment default/web | metadata.labels.a: 1 → 2
            [after 20 s: later] stop node node-1 | its pods stop without a word
            [after 20 s: later] start node node-9 | node-9 is not here
            [after 20 s: later] clock ×60, clock +9 s | for the whole cluster"#]],
    );
}

#[test]
fn what_the_stream_lacks_is_named() {
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}});
    let claim = "persistentvolumeclaims/default/data";
    let scenario = json!({"objects": [job], "timeline": [{"afterSeconds": 1, "label": "", "do": [{"delete": claim}]}]});
    let scenario: Scenario = serde_json::from_value(scenario).unwrap();
    let unseen = unseen(&scenario, &cluster());
    assert_eq!(
        unseen.into_iter().collect::<Vec<_>>(),
        ["jobs", "persistentvolumeclaims"]
    );
}
