//! From create to delete: status and spec apart, generations, finalizers, grace, namespaces, binding, scale, eviction.

use crate::harness::Cluster;
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/rec/pods";
const MAPS: &str = "/api/v1/namespaces/rec/configmaps";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/rec/deployments";

fn with_pod(node: &str, more: Value) -> Cluster {
    let mut cluster = Cluster::new();
    let mut pod = json!({"metadata": {"name": "p", "labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    for (name, value) in more.as_object().into_iter().flatten() {
        pod["metadata"][name] = value.clone();
    }
    assert_eq!(cluster.send("POST", PODS, &pod.to_string()).code, 201);
    if !node.is_empty() {
        let binding = json!({"metadata": {"name": "p"}, "target": {"kind": "Node", "name": node}});
        let bound = cluster.send("POST", &format!("{PODS}/p/binding"), &binding.to_string());
        assert_eq!((bound.code, bound.at("/status")), (201, json!("Success")));
    }
    cluster
}

fn with_deployment() -> Cluster {
    let mut cluster = Cluster::new();
    let body = json!({"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template":
        {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    assert_eq!(
        cluster.send("POST", DEPLOYMENTS, &body.to_string()).code,
        201
    );
    cluster
}

#[test]
fn binding_places_a_pod() {
    let mut cluster = with_pod("n1", json!({}));
    let pod = cluster.get(&format!("{PODS}/p"), "");
    assert_eq!(pod.at("/spec/nodeName"), json!("n1"));
    assert_eq!(pod.at("/status/conditions/0/type"), json!("PodScheduled"));
    let body = r#"{"metadata":{"name":"q"},"spec":{"containers":[{"name":"c","image":"i"}],"schedulingGates":[{"name":"x.y/z"}]}}"#;
    let gated = cluster.send("POST", PODS, body);
    assert_eq!(
        gated.at("/status/conditions/0/reason"),
        json!("SchedulingGated")
    );
    let refused = cluster.send(
        "POST",
        "/api/v1/namespaces/rec/bindings",
        r#"{"metadata":{"name":"q"},"target":{"kind":"Node","name":"n"}}"#,
    );
    assert_eq!(
        refused.summary(),
        "409 Operation cannot be fulfilled on pods/binding \"q\": pod q has non-empty .spec.schedulingGates"
    );
}

#[test]
fn status_and_spec_are_written_apart() {
    let mut cluster = with_deployment();
    let url = format!("{DEPLOYMENTS}/d");
    let both =
        r#"{"metadata":{"annotations":{"x":"y"}},"spec":{"replicas":5},"status":{"replicas":3}}"#;
    let after = cluster.patch("merge", &format!("{url}/status"), both);
    assert_eq!(
        (after.at("/spec/replicas"), after.at("/status/replicas")),
        (json!(1), json!(3))
    );
    assert_eq!(
        (
            after.at("/metadata/generation"),
            after.at("/metadata/annotations/x")
        ),
        (json!(1), json!("y"))
    );
    let after = cluster.patch(
        "merge",
        &url,
        r#"{"spec":{"replicas":5},"status":{"replicas":9}}"#,
    );
    assert_eq!(
        (after.at("/spec/replicas"), after.at("/status/replicas")),
        (json!(5), json!(3))
    );
    assert_eq!(after.at("/metadata/generation"), json!(2));
    let same = cluster.patch("merge", &url, r#"{"metadata":{"labels":{"l":"1"}}}"#);
    assert_eq!(same.at("/metadata/generation"), json!(2));
}

#[test]
fn an_update_that_changes_nothing_is_not_written() {
    let mut cluster = with_deployment();
    let before = cluster.get(&format!("{DEPLOYMENTS}/d"), "");
    let revision = cluster.store.revision();
    let after = cluster.send("PUT", &format!("{DEPLOYMENTS}/d"), &before.text);
    assert_eq!((after.code, after.json), (200, before.json));
    assert_eq!(cluster.store.revision(), revision);
}

#[test]
fn dry_runs_answer_but_do_not_write() {
    let mut cluster = with_deployment();
    let revision = cluster.store.revision();
    for (method, url, body, code) in [
        (
            "POST",
            format!("{MAPS}?dryRun=All"),
            r#"{"metadata":{"name":"x"}}"#,
            201,
        ),
        (
            "PATCH",
            format!("{DEPLOYMENTS}/d?dryRun=All"),
            r#"{"spec":{"replicas":9}}"#,
            200,
        ),
        (
            "PUT",
            format!("{DEPLOYMENTS}/d/scale?dryRun=All"),
            r#"{"metadata":{"name":"d"},"spec":{"replicas":9}}"#,
            200,
        ),
        ("DELETE", format!("{DEPLOYMENTS}/d?dryRun=All"), "", 200),
    ] {
        assert_eq!(
            cluster.send(method, &url, body).code,
            code,
            "{method} {url}"
        );
    }
    assert_eq!(cluster.store.revision(), revision);
}

#[test]
fn scale_reads_and_writes_the_replicas() {
    let mut cluster = with_deployment();
    let url = format!("{DEPLOYMENTS}/d/scale");
    let scale = cluster.get(&url, "");
    assert_eq!(
        (
            scale.at("/kind"),
            scale.at("/spec/replicas"),
            scale.at("/status/selector")
        ),
        (json!("Scale"), json!(1), json!("a=b"))
    );
    let after = cluster.patch("merge", &url, r#"{"spec":{"replicas":3}}"#);
    assert_eq!(
        (after.code, after.at("/kind"), after.at("/spec/replicas")),
        (200, json!("Scale"), json!(3))
    );
    let mut put = after.json.clone();
    put["spec"]["replicas"] = json!(0);
    let after = cluster.send("PUT", &url, &put.to_string());
    assert_eq!((after.code, after.at("/spec")), (200, json!({})));
    put["metadata"]["resourceVersion"] = json!("1");
    assert_eq!(cluster.send("PUT", &url, &put.to_string()).code, 409);
    let negative = cluster.patch("merge", &url, r#"{"spec":{"replicas":-1}}"#);
    assert_eq!(
        negative.summary(),
        "422 Scale.autoscaling \"d\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"
    );
    assert_eq!(
        cluster
            .get(&format!("{DEPLOYMENTS}/d"), "")
            .at("/metadata/generation"),
        json!(3)
    );
}

#[test]
fn pods_that_run_get_time_to_stop() {
    let mut cluster = with_pod("n1", json!({}));
    let url = format!("{PODS}/p");
    let first = cluster.send("DELETE", &url, "");
    assert_eq!(
        first.at("/metadata/deletionTimestamp"),
        json!("2026-01-01T00:00:30Z")
    );
    assert_eq!(first.at("/metadata/deletionGracePeriodSeconds"), json!(30));
    let longer = cluster.send("DELETE", &format!("{url}?gracePeriodSeconds=60"), "");
    assert_eq!(longer.at("/metadata/deletionGracePeriodSeconds"), json!(30));
    let sooner = cluster.send("DELETE", &format!("{url}?gracePeriodSeconds=5"), "");
    assert_eq!(
        sooner.at("/metadata/deletionTimestamp"),
        json!("2026-01-01T00:00:05Z")
    );
    let now = cluster.send("DELETE", &url, r#"{"gracePeriodSeconds":0}"#);
    assert_eq!((now.code, now.at("/kind")), (200, json!("Pod")));
    assert_eq!(cluster.get(&url, "").code, 404);
}

#[test]
fn pods_that_run_nowhere_go_at_once() {
    let mut cluster = with_pod("", json!({}));
    assert_eq!(cluster.send("DELETE", &format!("{PODS}/p"), "").code, 200);
    assert_eq!(cluster.get(&format!("{PODS}/p"), "").code, 404);
}

#[test]
fn finalizers_hold_an_object_until_they_are_gone() {
    let mut cluster = Cluster::new();
    cluster.send(
        "POST",
        MAPS,
        r#"{"metadata":{"name":"f","finalizers":["x.y/z"]}}"#,
    );
    let url = format!("{MAPS}/f");
    let held = cluster.send("DELETE", &url, "");
    assert_eq!(
        held.at("/metadata/deletionTimestamp"),
        json!("2026-01-01T00:00:00Z")
    );
    let added = cluster.patch(
        "merge",
        &url,
        r#"{"metadata":{"finalizers":["x.y/z","a.b/c"]}}"#,
    );
    assert!(
        added.summary().starts_with(
            "422 ConfigMap \"f\" is invalid: metadata.finalizers: Forbidden: no new finalizers"
        ),
        "{}",
        added.text
    );
    let gone = cluster.patch("merge", &url, r#"{"metadata":{"finalizers":null}}"#);
    assert_eq!(gone.code, 200);
    assert_eq!(cluster.get(&url, "").code, 404);
}

#[test]
fn propagation_policies_become_finalizers() {
    for (policy, want) in [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")] {
        let mut cluster = with_deployment();
        let url = format!("{DEPLOYMENTS}/d");
        let held = cluster.send("DELETE", &format!("{url}?propagationPolicy={policy}"), "");
        assert_eq!(held.at("/metadata/finalizers"), json!([want]));
        assert_eq!(held.at("/metadata/generation"), json!(2));
    }
    let mut cluster = with_deployment();
    let gone = cluster.send(
        "DELETE",
        &format!("{DEPLOYMENTS}/d"),
        r#"{"propagationPolicy":"Background"}"#,
    );
    assert_eq!(
        (
            gone.at("/status"),
            gone.at("/details/kind"),
            gone.at("/details/group")
        ),
        (json!("Success"), json!("deployments"), json!("apps"))
    );
}

#[test]
fn namespaces_end_when_they_are_finalized() {
    let mut cluster = Cluster::new();
    let url = "/api/v1/namespaces/rec";
    let ending = cluster.send("DELETE", url, "");
    assert_eq!(
        (ending.code, ending.at("/status/phase")),
        (200, json!("Terminating"))
    );
    let refused = cluster.send("POST", MAPS, r#"{"metadata":{"name":"x"}}"#);
    assert_eq!(
        refused.summary(),
        "403 configmaps \"x\" is forbidden: unable to create new content in namespace rec because it is being terminated"
    );
    assert_eq!(
        refused.at("/details/causes/0/reason"),
        json!("NamespaceTerminating")
    );
    let ignored = cluster.patch("merge", url, r#"{"spec":{"finalizers":[]}}"#);
    assert_eq!(ignored.at("/spec/finalizers"), json!(["kubernetes"]));
    let mut body = ending.json.clone();
    body["spec"]["finalizers"] = json!([]);
    body["metadata"]["resourceVersion"] = Value::Null;
    assert_eq!(
        cluster
            .send("PUT", &format!("{url}/finalize"), &body.to_string())
            .code,
        200
    );
    assert_eq!(cluster.get(url, "").code, 404);
}

#[test]
fn collections_are_deleted_one_by_one() {
    let mut cluster = Cluster::new();
    for i in 0..3 {
        cluster.send(
            "POST",
            MAPS,
            &json!({"metadata": {"name": format!("c{i}"), "labels": {"x": (i % 2).to_string()}}})
                .to_string(),
        );
    }
    let before = cluster.store.revision();
    let gone = cluster.send("DELETE", &format!("{MAPS}?labelSelector=x%3D0"), "");
    assert_eq!((gone.code, gone.at("/kind")), (200, json!("ConfigMapList")));
    assert_eq!(cluster.store.revision().0 - before.0, 2);
    let left = cluster.get(MAPS, "");
    assert_eq!(
        (left.at("/items/0/metadata/name"), left.at("/items/1")),
        (json!("c1"), Value::Null)
    );
}

#[test]
fn a_generated_name_that_is_taken_is_drawn_again() {
    let create = |cluster: &mut Cluster, body: &str| cluster.send("POST", MAPS, body);
    let mut cluster = Cluster::new();
    let first = create(&mut cluster, r#"{"metadata":{"generateName":"g-"}}"#);
    let name = first.at("/metadata/name");
    // The same seed draws the same name first.
    let mut again = Cluster::new();
    let taken = create(&mut again, &json!({"metadata": {"name": name}}).to_string());
    assert_eq!(taken.code, 201);
    again.rewind();
    let second = create(&mut again, r#"{"metadata":{"generateName":"g-"}}"#);
    assert_eq!(second.code, 201);
    assert_ne!(second.at("/metadata/name"), name);
}

#[test]
fn evictions_respect_budgets() {
    let mut cluster = with_pod("n1", json!({}));
    cluster.patch(
        "merge",
        &format!("{PODS}/p/status"),
        r#"{"status":{"phase":"Running"}}"#,
    );
    let budgets = "/apis/policy/v1/namespaces/rec/poddisruptionbudgets";
    cluster.send("POST", budgets, r#"{"metadata":{"name":"b"},"spec":{"minAvailable":1,"selector":{"matchLabels":{"app":"web"}}}}"#);
    let eviction = r#"{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"p"}}"#;
    let refused = cluster.send("POST", &format!("{PODS}/p/eviction"), eviction);
    assert_eq!(
        refused.summary(),
        "429 Cannot evict pod as it would violate the pod's disruption budget."
    );
    cluster.patch(
        "merge",
        &format!("{budgets}/b/status"),
        r#"{"status":{"disruptionsAllowed":1,"observedGeneration":1}}"#,
    );
    assert_eq!(
        cluster
            .send("POST", &format!("{PODS}/p/eviction"), eviction)
            .summary(),
        "201"
    );
    let budget = cluster.get(&format!("{budgets}/b"), "");
    assert_eq!(budget.at("/status/disruptionsAllowed"), json!(0));
    assert_eq!(
        cluster
            .get(&format!("{PODS}/p"), "")
            .at("/metadata/deletionGracePeriodSeconds"),
        json!(30)
    );
}

#[test]
fn logs_are_asked_of_the_pods_node() {
    let mut cluster = with_pod("n1", json!({}));
    let log = cluster.get(&format!("{PODS}/p/log?follow=true"), "");
    assert!(
        log.text.contains("node: \\\"n1\\\"") && log.text.contains("container: \\\"c\\\""),
        "{}",
        log.text
    );
    let wrong = cluster.get(&format!("{PODS}/p/log?container=nope"), "");
    assert_eq!(wrong.summary(), "400 container nope is not valid for pod p");
    let mut cluster = with_pod("", json!({}));
    assert_eq!(cluster.get(&format!("{PODS}/p/log"), "").code, 204);
}

#[test]
fn events_are_one_under_both_names_and_expire() {
    let mut cluster = Cluster::new();
    let body = r#"{"metadata":{"name":"e","namespace":"rec"},"involvedObject":{"kind":"Pod","name":"p","namespace":"rec"},"reason":"R","message":"hello","lastTimestamp":"2026-01-01T00:00:00Z"}"#;
    assert_eq!(
        cluster
            .send("POST", "/api/v1/namespaces/rec/events", body)
            .summary(),
        "201"
    );
    let other = cluster.get("/apis/events.k8s.io/v1/namespaces/rec/events/e", "");
    assert_eq!(
        (
            other.at("/note"),
            other.at("/regarding/name"),
            other.at("/apiVersion")
        ),
        (json!("hello"), json!("p"), json!("events.k8s.io/v1"))
    );
    let snapshot = cluster.store.snapshot();
    assert!(
        cluster
            .server
            .sweep(&snapshot, cluster.now.plus_secs(3599))
            .is_empty()
    );
    for txn in cluster.server.sweep(&snapshot, cluster.now.plus_secs(3600)) {
        cluster.store.commit(txn).expect("swept");
    }
    assert_eq!(cluster.get("/api/v1/namespaces/rec/events/e", "").code, 404);
}
