//! Volumes of running pods: new content, tokens, and pods that store or use too much.

use std::collections::BTreeMap;

use expect_test::expect;
use serde_json::{Value, json};

use super::container;
use crate::kubelet::tests::harness::Harness;
use crate::runtime::{PodUsage, Usage};

fn with_volume(source: Value) -> Value {
    let mut spec = json!({"containers": [container("ok")], "volumes": [source]});
    spec["volumes"][0]["name"] = json!("v");
    spec["containers"][0]["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
    spec
}

fn map(value: &str) -> Value {
    json!({"metadata": {"name": "m", "namespace": "a"}, "data": {"key": value}})
}

#[test]
fn a_config_map_is_renewed_within_a_minute() {
    let mut harness = Harness::new();
    harness.put("configmaps", map("one"));
    harness.pod("p", with_volume(json!({"configMap": {"name": "m"}})));
    harness.run(70);
    harness.put("configmaps", map("two"));
    harness.run(20);
    harness.put("configmaps", map("three"));
    harness.run(200);
    expect![[r#"
        0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Initialized]
        0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Network Initialized]
        0.01 Normal Pulled spec.containers{c} Container image "ok" already present on machine and can be accessed by the pod
        engine: mount v: key=one
        0.01 p: Running 10.244.1.2 c+=running(0) [Network Initialized Ready ContainersReady]
        0.01 Normal Created spec.containers{c} Container created
        0.01 Normal Started spec.containers{c} Container started
        120.00 engine: update v: key=three
    "#]].assert_eq(&harness.transcript());
}

#[test]
fn labels_are_renewed_at_once() {
    let mut harness = Harness::new();
    let items = json!([{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]);
    harness.pod("p", with_volume(json!({"downwardAPI": {"items": items}})));
    harness.run(5);
    harness.label("p", "web");
    harness.run(1);
    assert!(
        harness
            .transcript()
            .contains("5.00 engine: update v: labels=app=\"web\""),
        "{}",
        harness.transcript()
    );
}

fn token_pod() -> Value {
    let token = json!({"serviceAccountToken": {"path": "token", "expirationSeconds": 1000}});
    with_volume(json!({"projected": {"sources": [token]}}))
}

#[test]
fn tokens_are_asked_for_and_renewed() {
    let mut harness = Harness::new();
    harness.pod("p", token_pod());
    harness.run(1700);
    expect![[r#"
        0.00 p: Pending - c=ContainerCreating(0) [Initialized]
        0.00 TOKEN for a/default
        0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Initialized]
        0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Network Initialized]
        0.01 Normal Pulled spec.containers{c} Container image "ok" already present on machine and can be accessed by the pod
        engine: mount v: token=token-1
        0.01 p: Running 10.244.1.2 c+=running(0) [Network Initialized Ready ContainersReady]
        0.01 Normal Created spec.containers{c} Container created
        0.01 Normal Started spec.containers{c} Container started
        800.00 TOKEN for a/default
        800.00 engine: update v: token=token-2
        1600.00 TOKEN for a/default
        1600.00 engine: update v: token=token-3
    "#]].assert_eq(&harness.transcript());
}

#[test]
fn a_pod_waits_for_its_token() {
    let mut harness = Harness::new();
    harness.no_tokens = true;
    harness.pod("p", token_pod());
    harness.run(1);
    harness.no_tokens = false;
    harness.run(2);
    expect![[r#"
        0.00 p: Pending - c=ContainerCreating(0) [Initialized]
        0.00 TOKEN for a/default
        0.00 Warning FailedMount  MountVolume.SetUp failed for volume "v" : failed to fetch token: no tokens today
        0.50 TOKEN for a/default
        0.50 Warning FailedMount  MountVolume.SetUp failed for volume "v" : failed to fetch token: no tokens today
        1.50 TOKEN for a/default
        1.50 p: Pending 10.244.1.2 c=ContainerCreating(0) [Initialized]
        1.50 p: Pending 10.244.1.2 c=ContainerCreating(0) [Network Initialized]
        1.51 Normal Pulled spec.containers{c} Container image "ok" already present on machine and can be accessed by the pod
        engine: mount v: token=token-1
        1.51 p: Running 10.244.1.2 c+=running(0) [Network Initialized Ready ContainersReady]
        1.51 Normal Created spec.containers{c} Container created
        1.51 Normal Started spec.containers{c} Container started
    "#]].assert_eq(&harness.transcript());
}

fn usage(memory_mi: u64, volume_mi: u64) -> PodUsage {
    let usage = Usage {
        memory_bytes: memory_mi << 20,
        storage_bytes: 0,
    };
    PodUsage {
        containers: BTreeMap::from([("c".to_owned(), usage)]),
        volumes: BTreeMap::from([("v".to_owned(), volume_mi << 20)]),
    }
}

#[test]
fn a_node_short_of_memory_evicts_and_says_so() {
    let mut harness = Harness::new();
    for (name, mi) in [("small", 100), ("big", 8000)] {
        harness.pod(name, json!({"containers": [container("ok")]}));
        harness.usage.insert(format!("uid-{name}"), usage(mi, 0));
    }
    harness.run(15);
    harness.usage.remove("uid-big");
    let node = harness.object("nodes", "", "n1").clone();
    let pressure = &node["status"]["conditions"][0];
    assert_eq!(
        (pressure["type"].as_str(), pressure["status"].as_str()),
        (Some("MemoryPressure"), Some("True"))
    );
    harness.pod("late", json!({"containers": [container("ok")]}));
    harness.run(400);
    let node = harness.object("nodes", "", "n1").clone();
    assert_eq!(node["status"]["conditions"][0]["status"], "False");
    let text = harness.transcript();
    let at = text.find("Evicted").unwrap();
    let line = text[..at].rfind('\n').map_or(0, |n| n + 1);
    expect![[r#"
        0.00 big: Failed Evicted 10.244.1.2 c=ContainerCreating(0) [Initialized DisruptionTarget]
        0.00 small: Pending 10.244.1.3 c=ContainerCreating(0) [Network Initialized]
        0.00 Warning Evicted  The node was low on resource: memory. Threshold quantity: 100Mi, available: 92Mi. Container c was using 8000Mi, request is 0, has larger consumption of memory. 
        0.00 engine: free uid-big
        0.01 Normal Pulled spec.containers{c} Container image "ok" already present on machine and can be accessed by the pod
        0.01 small: Running 10.244.1.3 c+=running(0) [Network Initialized Ready ContainersReady]
        0.01 Normal Created spec.containers{c} Container created
        0.01 Normal Started spec.containers{c} Container started
        10.00 small: Running 10.244.1.3 c+=running(0) [Network Initialized Ready ContainersReady DisruptionTarget]
        10.00 Warning Evicted  The node was low on resource: memory. Threshold quantity: 100Mi, available: 92Mi. Container c was using 100Mi, request is 0, has larger consumption of memory. 
        10.00 Normal Killing spec.containers{c} Stopping container c
        10.00 engine: stop uid-small_c_0 within 2000
        10.10 small: Failed Evicted 10.244.1.3 c=Error(0) [Initialized DisruptionTarget]
        10.10 engine: free uid-small
        15.00 late: Failed Evicted -  [Initialized DisruptionTarget]
        15.00 Warning Evicted  The node had condition: [MemoryPressure]. 
    "#]].assert_eq(&text[line..]);
    let conditions = &harness.object("pods", "a", "big")["status"]["conditions"];
    let target = conditions.as_array().unwrap().last().unwrap();
    assert_eq!(target["type"], "DisruptionTarget");
    assert_eq!(target["reason"], "TerminationByKubelet");
}

#[test]
fn an_empty_dir_over_its_limit_evicts_its_pod() {
    let mut harness = Harness::new();
    harness.pod("p", with_volume(json!({"emptyDir": {"sizeLimit": "1Mi"}})));
    harness.run(15);
    harness.usage.insert("uid-p".into(), usage(1, 2));
    harness.run(10);
    let text = harness.transcript();
    assert!(
        text.contains(
            "Warning Evicted  Usage of EmptyDir volume \"v\" exceeds the limit \"1Mi\". "
        ),
        "{text}"
    );
    assert!(text.contains("p: Failed Evicted"), "{text}");
}
