//! Hooks, ephemeral containers and the order of endings.

use expect_test::expect;
use serde_json::{Value, json};

use super::{check, container};
use crate::kubelet::tests::harness::Harness;

fn hooked(image: &str, post_start: Option<&str>, pre_stop: Option<&str>) -> Value {
    let hook = |name: Option<&str>| name.map(|n| json!({"exec": {"command": [n]}}));
    let mut container = container(image);
    container["lifecycle"] = json!({"postStart": hook(post_start), "preStop": hook(pre_stop)});
    container
}

#[test]
fn a_container_counts_as_running_after_its_post_start_hook() {
    let spec = json!({"containers": [hooked("ok", Some("ok"), None)]});
    check(
        spec,
        5,
        expect![[r#"
        0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Initialized]
        0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Network Initialized]
        0.01 Normal Pulled spec.containers{c} Container image "ok" already present on machine and can be accessed by the pod
        0.01 Normal Created spec.containers{c} Container created
        0.01 Normal Started spec.containers{c} Container started
        0.01 engine: PostStart of uid-p_c_0 within 86400000
        3.01 p: Running 10.244.1.2 c+=running(0) [Network Initialized Ready ContainersReady]
    "#]],
    );
}

#[test]
fn a_failing_post_start_hook_ends_the_container() {
    let spec = json!({"restartPolicy": "Never", "containers": [hooked("ok", Some("fail"), None)]});
    check(
        spec,
        5,
        expect![[r#"
        0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Initialized]
        0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Network Initialized]
        0.01 Normal Pulled spec.containers{c} Container image "ok" already present on machine and can be accessed by the pod
        0.01 Normal Created spec.containers{c} Container created
        0.01 Normal Started spec.containers{c} Container started
        0.01 engine: PostStart of uid-p_c_0 within 86400000
        0.01 Warning FailedPostStartHook spec.containers{c} PostStartHook failed
        0.01 Normal Killing spec.containers{c} FailedPostStartHook
        0.01 engine: stop uid-p_c_0 within 30000
        0.11 p: Failed 10.244.1.2 c=Error(0) [Initialized]
        0.11 engine: free uid-p
    "#]],
    );
}

fn deleted(spec: Value, grace: i64) -> String {
    let mut harness = Harness::new();
    harness.pod("p", spec);
    harness.run(2);
    harness.delete("p", grace);
    harness.run(60);
    let text = harness.transcript();
    let at = text.find("-- delete").unwrap();
    let line = text[..at].rfind('\n').map_or(0, |n| n + 1);
    text[line..].to_owned()
}

#[test]
fn the_pre_stop_hook_runs_within_the_grace() {
    let spec = json!({"containers": [hooked("ok", None, Some("ok"))]});
    expect![[r#"
        2.00 -- delete p
        2.00 Normal Killing spec.containers{c} Stopping container c
        2.00 engine: PreStop of uid-p_c_0 within 30000
        5.00 engine: stop uid-p_c_0 within 27000
        5.10 p: Failed 10.244.1.2 c=Error(0) [Initialized]
        5.10 engine: remove uid-p
        5.10 DELETE p grace=Some(0)
    "#]]
    .assert_eq(&deleted(spec, 30));
}

#[test]
fn a_hook_that_hangs_leaves_two_seconds() {
    let mut spec = json!({"containers": [hooked("slow", None, Some("hang"))]});
    spec["terminationGracePeriodSeconds"] = json!(5);
    expect![[r#"
        2.00 -- delete p
        2.00 Normal Killing spec.containers{c} Stopping container c
        2.00 engine: PreStop of uid-p_c_0 within 5000
        7.00 Warning FailedPreStopHook spec.containers{c} PreStopHook failed
        7.00 engine: stop uid-p_c_0 within 2000
        9.00 p: Failed 10.244.1.2 c=Error(0) [Initialized]
        9.00 engine: remove uid-p
        9.00 DELETE p grace=Some(0)
    "#]]
    .assert_eq(&deleted(spec, 5));
}

#[test]
fn a_sleeping_hook_and_a_failing_one() {
    let mut sleeper = container("ok");
    sleeper["lifecycle"] = json!({"preStop": {"sleep": {"seconds": 4}}});
    let mut other = hooked("ok", None, Some("fail"));
    other["name"] = json!("d");
    let spec = json!({"containers": [sleeper, other]});
    expect![[r#"
        2.00 -- delete p
        2.00 Normal Killing spec.containers{c} Stopping container c
        2.00 Normal Killing spec.containers{d} Stopping container d
        2.00 engine: PreStop of uid-p_c_0 within 30000
        2.00 engine: PreStop of uid-p_d_0 within 30000
        2.00 Warning FailedPreStopHook spec.containers{d} PreStopHook failed
        2.00 engine: stop uid-p_d_0 within 30000
        2.10 p: Running 10.244.1.2 c+=running(0) d=Error(0) [Network Initialized]
        6.00 engine: stop uid-p_c_0 within 26000
        6.10 p: Failed 10.244.1.2 c=Error(0) d=Error(0) [Initialized]
        6.10 engine: remove uid-p
        6.10 DELETE p grace=Some(0)
    "#]]
    .assert_eq(&deleted(spec, 30));
}

#[test]
fn sidecars_end_last_in_reverse_order() {
    let sidecar = |name: &str| json!({"name": name, "image": "ok", "imagePullPolicy": "IfNotPresent", "restartPolicy": "Always"});
    let mut last = sidecar("s2");
    last["lifecycle"] = json!({"preStop": {"sleep": {"seconds": 1}}});
    let spec = json!({"initContainers": [sidecar("s1"), last], "containers": [container("slow")],
        "terminationGracePeriodSeconds": 10});
    expect![[r#"
        2.00 -- delete p
        2.00 Normal Killing spec.initContainers{s1} Stopping container s1
        2.00 Normal Killing spec.initContainers{s2} Stopping container s2
        2.00 Normal Killing spec.containers{c} Stopping container c
        2.00 engine: PreStop of uid-p_s2_0 within 10000
        2.00 engine: stop uid-p_c_0 within 10000
        12.00 p: Running 10.244.1.2 s1+=running(0) s2+=running(0) c=Error(0) [Network Initialized]
        12.00 engine: stop uid-p_s1_0 within 2000
        12.00 engine: stop uid-p_s2_0 within 2000
        14.00 p: Failed 10.244.1.2 s1=Error(0) s2=Error(0) c=Error(0) [Initialized]
        14.00 engine: remove uid-p
        14.00 DELETE p grace=Some(0)
    "#]]
    .assert_eq(&deleted(spec.clone(), 10));
}

#[test]
fn an_ephemeral_container_joins_a_running_pod() {
    let mut harness = Harness::new();
    harness.pod("p", json!({"containers": [container("ok")]}));
    harness.run(2);
    harness.debug(
        "p",
        json!({"name": "look", "image": "exit", "imagePullPolicy": "IfNotPresent"}),
    );
    harness.run(10);
    let text = harness.transcript();
    let at = text.find("2.00 -- debug").unwrap();
    expect![[r#"
        2.00 -- debug p
        2.00 p: Running 10.244.1.2 c+=running(0) look=ContainerCreating(0) [Network Initialized Ready ContainersReady]
        2.01 Normal Pulled spec.ephemeralContainers{look} Container image "exit" already present on machine and can be accessed by the pod
        2.01 p: Running 10.244.1.2 c+=running(0) look=running(0) [Network Initialized Ready ContainersReady]
        2.01 Normal Created spec.ephemeralContainers{look} Container created
        2.01 Normal Started spec.ephemeralContainers{look} Container started
        2.51 p: Running 10.244.1.2 c+=running(0) look=Completed(0) [Network Initialized Ready ContainersReady]
    "#]].assert_eq(&text[at..]);
    let status = &harness.object("pods", "a", "p")["status"]["ephemeralContainerStatuses"][0];
    assert_eq!(status["state"]["terminated"]["exitCode"], 0);
    assert_eq!(status.get("started"), None);
}

#[test]
fn a_rule_of_the_container_overrides_the_pods_policy() {
    let mut spec = json!({"restartPolicy": "Never", "containers": [container("crash")]});
    spec["containers"][0]["restartPolicy"] = json!("Never");
    spec["containers"][0]["restartPolicyRules"] =
        json!([{"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}]);
    check(
        spec,
        3,
        expect![[r#"
        0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Initialized]
        0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Network Initialized]
        0.01 Normal Pulled spec.containers{c} Container image "crash" already present on machine and can be accessed by the pod
        0.01 p: Running 10.244.1.2 c+=running(0) [Network Initialized Ready ContainersReady]
        0.01 Normal Created spec.containers{c} Container created
        0.01 Normal Started spec.containers{c} Container started
        0.51 p: Running 10.244.1.2 c=Error(0) [Network Initialized]
        0.52 Normal Pulled spec.containers{c} Container image "crash" already present on machine and can be accessed by the pod
        0.52 p: Running 10.244.1.2 c+=running(1) [Network Initialized Ready ContainersReady]
        0.52 Normal Created spec.containers{c} Container created
        0.52 Normal Started spec.containers{c} Container started
        1.02 p: Running 10.244.1.2 c=Error(1) [Network Initialized]
        2.02 p: Running 10.244.1.2 c=CrashLoopBackOff(1) [Network Initialized]
        2.02 Warning BackOff spec.containers{c} Back-off restarting failed container c in pod p_a(uid-p)
    "#]],
    );
}
