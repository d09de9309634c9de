//! Pod lifecycles, as transcripts: a kubelet between an API that says yes and an engine that does what images are
//! named after.

mod files;
mod harness;
mod hooks;
mod model;
mod volumes;

use expect_test::{Expect, expect};
use harness::Harness;
use serde_json::{Value, json};

/// Runs one pod for so many seconds and compares what users would see.
fn check(spec: Value, seconds: u64, want: Expect) {
    let mut harness = Harness::new();
    harness.pod("p", spec);
    harness.run(seconds);
    want.assert_eq(&harness.transcript());
}

fn container(image: &str) -> Value {
    json!({"name": "c", "image": image, "imagePullPolicy": "IfNotPresent"})
}

#[test]
fn a_pod_runs() {
    let spec = json!({"containers": [container("ok")]});
    check(
        spec,
        30,
        expect![[r#"
              0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Initialized]
              0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Network Initialized]
              0.01 Normal Pulled spec.containers{c} Container image "ok" already present on machine and can be accessed by the pod
              0.01 p: Running 10.244.1.2 c+=running(0) [Network Initialized Ready ContainersReady]
              0.01 Normal Created spec.containers{c} Container created
              0.01 Normal Started spec.containers{c} Container started
        "#]],
    );
}

#[test]
fn an_image_is_pulled_by_its_policy() {
    let with = |image: &str, policy: &str| json!({"name": image, "image": image, "imagePullPolicy": policy});
    let spec = json!({"containers": [with("ok", "Always"), with("remote", "IfNotPresent"), with("missing", "Never")]});
    check(
        spec,
        1,
        expect![[r#"
              0.00 p: Pending 10.244.1.2 missing=ContainerCreating(0) ok=ContainerCreating(0) remote=ContainerCreating(0) [Initialized]
              0.00 p: Pending 10.244.1.2 missing=ContainerCreating(0) ok=ContainerCreating(0) remote=ContainerCreating(0) [Network Initialized]
              0.00 Normal Pulling spec.containers{ok} Pulling image "ok"
              0.01 p: Pending 10.244.1.2 missing=ErrImageNeverPull(0) ok=ContainerCreating(0) remote=ContainerCreating(0) [Network Initialized]
              0.01 Normal Pulled spec.containers{ok} Successfully pulled image "ok"
              0.01 Normal Pulling spec.containers{remote} Pulling image "remote"
              0.01 Warning ErrImageNeverPull spec.containers{missing} Container image "missing" is not present with pull policy of Never
              0.01 Warning Failed spec.containers{missing} Error: ErrImageNeverPull
              0.01 p: Pending 10.244.1.2 missing=ErrImageNeverPull(0) ok+=running(0) remote=ContainerCreating(0) [Network Initialized]
              0.01 Normal Created spec.containers{ok} Container created
              0.01 Normal Started spec.containers{ok} Container started
              0.01 Normal Compiling spec.containers{remote} Compiling image "remote" (1 bytes)
              0.02 Normal Pulled spec.containers{remote} Successfully pulled image "remote"
              0.02 p: Pending 10.244.1.2 missing=ErrImageNeverPull(0) ok+=running(0) remote+=running(0) [Network Initialized]
              0.02 Normal Created spec.containers{remote} Container created
              0.02 Normal Started spec.containers{remote} Container started
        "#]],
    );
}

#[test]
fn an_unknown_image_backs_off() {
    let spec = json!({"containers": [container("missing")]});
    check(
        spec,
        80,
        expect![[r#"
            0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Initialized]
            0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Network Initialized]
            0.01 Normal Pulling spec.containers{c} Pulling image "missing"
            0.02 p: Pending 10.244.1.2 c=ErrImagePull(0) [Network Initialized]
            0.02 Warning Failed spec.containers{c} Failed to pull image "missing": no such image
            0.02 Warning Failed spec.containers{c} Error: ErrImagePull
            1.02 p: Pending 10.244.1.2 c=ImagePullBackOff(0) [Network Initialized]
            1.02 Normal BackOff spec.containers{c} Back-off pulling image "missing"
            1.02 Warning Failed spec.containers{c} Error: ImagePullBackOff
            10.03 Normal Pulling spec.containers{c} Pulling image "missing"
            10.04 p: Pending 10.244.1.2 c=ErrImagePull(0) [Network Initialized]
            10.04 Warning Failed spec.containers{c} Failed to pull image "missing": no such image
            10.04 Warning Failed spec.containers{c} Error: ErrImagePull
            11.04 p: Pending 10.244.1.2 c=ImagePullBackOff(0) [Network Initialized]
            11.04 Normal BackOff spec.containers{c} Back-off pulling image "missing"
            11.04 Warning Failed spec.containers{c} Error: ImagePullBackOff
            30.05 Normal Pulling spec.containers{c} Pulling image "missing"
            30.06 p: Pending 10.244.1.2 c=ErrImagePull(0) [Network Initialized]
            30.06 Warning Failed spec.containers{c} Failed to pull image "missing": no such image
            30.06 Warning Failed spec.containers{c} Error: ErrImagePull
            31.06 p: Pending 10.244.1.2 c=ImagePullBackOff(0) [Network Initialized]
            31.06 Normal BackOff spec.containers{c} Back-off pulling image "missing"
            31.06 Warning Failed spec.containers{c} Error: ImagePullBackOff
            70.07 Normal Pulling spec.containers{c} Pulling image "missing"
            70.08 p: Pending 10.244.1.2 c=ErrImagePull(0) [Network Initialized]
            70.08 Warning Failed spec.containers{c} Failed to pull image "missing": no such image
            70.08 Warning Failed spec.containers{c} Error: ErrImagePull
            71.08 p: Pending 10.244.1.2 c=ImagePullBackOff(0) [Network Initialized]
            71.08 Normal BackOff spec.containers{c} Back-off pulling image "missing"
            71.08 Warning Failed spec.containers{c} Error: ImagePullBackOff
        "#]],
    );
}

#[test]
fn a_crashing_container_backs_off() {
    let spec = json!({"containers": [container("crash")]});
    check(
        spec,
        75,
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
            11.03 Normal Pulled spec.containers{c} Container image "crash" already present on machine and can be accessed by the pod
            11.03 p: Running 10.244.1.2 c+=running(2) [Network Initialized Ready ContainersReady]
            11.03 Normal Created spec.containers{c} Container created
            11.03 Normal Started spec.containers{c} Container started
            11.53 p: Running 10.244.1.2 c=Error(2) [Network Initialized]
            12.53 p: Running 10.244.1.2 c=CrashLoopBackOff(2) [Network Initialized]
            12.53 Warning BackOff spec.containers{c} Back-off restarting failed container c in pod p_a(uid-p)
            31.54 Normal Pulled spec.containers{c} Container image "crash" already present on machine and can be accessed by the pod
            31.54 p: Running 10.244.1.2 c+=running(3) [Network Initialized Ready ContainersReady]
            31.54 Normal Created spec.containers{c} Container created
            31.54 Normal Started spec.containers{c} Container started
            32.04 p: Running 10.244.1.2 c=Error(3) [Network Initialized]
            33.04 p: Running 10.244.1.2 c=CrashLoopBackOff(3) [Network Initialized]
            33.04 Warning BackOff spec.containers{c} Back-off restarting failed container c in pod p_a(uid-p)
            72.05 Normal Pulled spec.containers{c} Container image "crash" already present on machine and can be accessed by the pod
            72.05 p: Running 10.244.1.2 c+=running(4) [Network Initialized Ready ContainersReady]
            72.05 Normal Created spec.containers{c} Container created
            72.05 Normal Started spec.containers{c} Container started
            72.55 p: Running 10.244.1.2 c=Error(4) [Network Initialized]
            73.55 p: Running 10.244.1.2 c=CrashLoopBackOff(4) [Network Initialized]
            73.55 Warning BackOff spec.containers{c} Back-off restarting failed container c in pod p_a(uid-p)
        "#]],
    );
}

#[test]
fn a_command_completes() {
    let spec = json!({"restartPolicy": "OnFailure", "containers": [container("exit")]});
    check(
        spec,
        10,
        expect![[r#"
            0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Initialized]
            0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Network Initialized]
            0.01 Normal Pulled spec.containers{c} Container image "exit" already present on machine and can be accessed by the pod
            0.01 p: Running 10.244.1.2 c+=running(0) [Network Initialized Ready ContainersReady]
            0.01 Normal Created spec.containers{c} Container created
            0.01 Normal Started spec.containers{c} Container started
            0.51 p: Succeeded 10.244.1.2 c=Completed(0) [Initialized]
            0.51 engine: free uid-p
        "#]],
    );
}

#[test]
fn a_failing_command_fails_the_pod() {
    let spec = json!({"restartPolicy": "Never", "containers": [container("crash")]});
    check(
        spec,
        10,
        expect![[r#"
            0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Initialized]
            0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Network Initialized]
            0.01 Normal Pulled spec.containers{c} Container image "crash" already present on machine and can be accessed by the pod
            0.01 p: Running 10.244.1.2 c+=running(0) [Network Initialized Ready ContainersReady]
            0.01 Normal Created spec.containers{c} Container created
            0.01 Normal Started spec.containers{c} Container started
            0.51 p: Failed 10.244.1.2 c=Error(0) [Initialized]
            0.51 engine: free uid-p
        "#]],
    );
}

#[test]
fn init_containers_run_in_order_and_sidecars_stay() {
    let init = |name: &str, image: &str| json!({"name": name, "image": image, "imagePullPolicy": "IfNotPresent"});
    let mut sidecar = init("side", "ok");
    sidecar["restartPolicy"] = json!("Always");
    let spec = json!({"restartPolicy": "Never", "initContainers": [init("i1", "exit"), sidecar, init("i2", "exit")],
        "containers": [container("exit")]});
    check(
        spec,
        20,
        expect![[r#"
            0.00 p: Pending 10.244.1.2 i1=PodInitializing(0) side=PodInitializing(0) i2=PodInitializing(0) c=PodInitializing(0) []
            0.00 p: Pending 10.244.1.2 i1=PodInitializing(0) side=PodInitializing(0) i2=PodInitializing(0) c=PodInitializing(0) [Network]
            0.01 Normal Pulled spec.initContainers{i1} Container image "exit" already present on machine and can be accessed by the pod
            0.01 p: Pending 10.244.1.2 i1=running(0) side=PodInitializing(0) i2=PodInitializing(0) c=PodInitializing(0) [Network]
            0.01 Normal Created spec.initContainers{i1} Container created
            0.01 Normal Started spec.initContainers{i1} Container started
            0.51 p: Pending 10.244.1.2 i1+=Completed(0) side=PodInitializing(0) i2=PodInitializing(0) c=PodInitializing(0) [Network]
            0.52 Normal Pulled spec.initContainers{side} Container image "ok" already present on machine and can be accessed by the pod
            0.52 p: Pending 10.244.1.2 i1+=Completed(0) side+=running(0) i2=PodInitializing(0) c=PodInitializing(0) [Network]
            0.52 Normal Created spec.initContainers{side} Container created
            0.52 Normal Started spec.initContainers{side} Container started
            0.53 Normal Pulled spec.initContainers{i2} Container image "exit" already present on machine and can be accessed by the pod
            0.53 p: Pending 10.244.1.2 i1+=Completed(0) side+=running(0) i2=running(0) c=PodInitializing(0) [Network]
            0.53 Normal Created spec.initContainers{i2} Container created
            0.53 Normal Started spec.initContainers{i2} Container started
            1.03 p: Pending 10.244.1.2 i1+=Completed(0) side+=running(0) i2+=Completed(0) c=PodInitializing(0) [Network Initialized]
            1.04 Normal Pulled spec.containers{c} Container image "exit" already present on machine and can be accessed by the pod
            1.04 p: Running 10.244.1.2 i1+=Completed(0) side+=running(0) i2+=Completed(0) c+=running(0) [Network Initialized Ready ContainersReady]
            1.04 Normal Created spec.containers{c} Container created
            1.04 Normal Started spec.containers{c} Container started
            1.54 p: Running 10.244.1.2 i1+=Completed(0) side+=running(0) i2+=Completed(0) c=Completed(0) [Network Initialized]
            1.54 Normal Killing spec.initContainers{side} Stopping container side
            1.54 engine: stop uid-p_side_0 within 30000
            1.64 p: Succeeded 10.244.1.2 i1+=Completed(0) side=Error(0) i2+=Completed(0) c=Completed(0) [Initialized]
            1.64 engine: free uid-p
        "#]],
    );
}

#[test]
fn a_failing_init_container_is_retried() {
    let init = json!({"name": "i", "image": "crash", "imagePullPolicy": "IfNotPresent"});
    let spec = json!({"initContainers": [init], "containers": [container("ok")]});
    check(
        spec,
        15,
        expect![[r#"
            0.00 p: Pending 10.244.1.2 i=PodInitializing(0) c=PodInitializing(0) []
            0.00 p: Pending 10.244.1.2 i=PodInitializing(0) c=PodInitializing(0) [Network]
            0.01 Normal Pulled spec.initContainers{i} Container image "crash" already present on machine and can be accessed by the pod
            0.01 p: Pending 10.244.1.2 i=running(0) c=PodInitializing(0) [Network]
            0.01 Normal Created spec.initContainers{i} Container created
            0.01 Normal Started spec.initContainers{i} Container started
            0.51 p: Pending 10.244.1.2 i=Error(0) c=PodInitializing(0) [Network]
            0.52 Normal Pulled spec.initContainers{i} Container image "crash" already present on machine and can be accessed by the pod
            0.52 p: Pending 10.244.1.2 i=running(1) c=PodInitializing(0) [Network]
            0.52 Normal Created spec.initContainers{i} Container created
            0.52 Normal Started spec.initContainers{i} Container started
            1.02 p: Pending 10.244.1.2 i=Error(1) c=PodInitializing(0) [Network]
            2.02 p: Pending 10.244.1.2 i=CrashLoopBackOff(1) c=PodInitializing(0) [Network]
            2.02 Warning BackOff spec.initContainers{i} Back-off restarting failed container i in pod p_a(uid-p)
            11.03 Normal Pulled spec.initContainers{i} Container image "crash" already present on machine and can be accessed by the pod
            11.03 p: Pending 10.244.1.2 i=running(2) c=PodInitializing(0) [Network]
            11.03 Normal Created spec.initContainers{i} Container created
            11.03 Normal Started spec.initContainers{i} Container started
            11.53 p: Pending 10.244.1.2 i=Error(2) c=PodInitializing(0) [Network]
            12.53 p: Pending 10.244.1.2 i=CrashLoopBackOff(2) c=PodInitializing(0) [Network]
            12.53 Warning BackOff spec.initContainers{i} Back-off restarting failed container i in pod p_a(uid-p)
        "#]],
    );
}

#[test]
fn a_missing_config_map_holds_the_container_until_it_is_there() {
    let mut spec = json!({"containers": [container("ok")]});
    spec["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "m"}}]);
    let mut harness = Harness::new();
    harness.pod("p", spec);
    harness.run(3);
    harness.put(
        "configmaps",
        json!({"metadata": {"name": "m", "namespace": "a"}, "data": {"A": "1"}}),
    );
    harness.run(1);
    expect![[r#"
          0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Initialized]
          0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Network Initialized]
          0.01 p: Pending 10.244.1.2 c=CreateContainerConfigError(0) [Network Initialized]
          0.01 Normal Pulled spec.containers{c} Container image "ok" already present on machine and can be accessed by the pod
          0.01 Warning Failed spec.containers{c} Error: configmap "m" not found
          3.00 p: Running 10.244.1.2 c+=running(0) [Network Initialized Ready ContainersReady]
          3.00 Normal Created spec.containers{c} Container created
          3.00 Normal Started spec.containers{c} Container started
    "#]].assert_eq(&harness.transcript());
}

#[test]
fn a_missing_volume_holds_the_pod() {
    let mut spec = json!({"containers": [container("ok")]});
    spec["volumes"] = json!([{"name": "v", "secret": {"secretName": "s"}}]);
    let mut harness = Harness::new();
    harness.pod("p", spec);
    harness.run(2);
    harness.put(
        "secrets",
        json!({"metadata": {"name": "s", "namespace": "a"}, "data": {}}),
    );
    harness.run(1);
    expect![[r#"
          0.00 p: Pending - c=ContainerCreating(0) [Initialized]
          0.00 Warning FailedMount  MountVolume.SetUp failed for volume "v" : secret "s" not found
          0.50 Warning FailedMount  MountVolume.SetUp failed for volume "v" : secret "s" not found
          1.50 Warning FailedMount  MountVolume.SetUp failed for volume "v" : secret "s" not found
          2.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Initialized]
          2.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Network Initialized]
          2.01 Normal Pulled spec.containers{c} Container image "ok" already present on machine and can be accessed by the pod
          2.01 p: Running 10.244.1.2 c+=running(0) [Network Initialized Ready ContainersReady]
          2.01 Normal Created spec.containers{c} Container created
          2.01 Normal Started spec.containers{c} Container started
    "#]].assert_eq(&harness.transcript());
}

#[test]
fn probes_restart_and_gate() {
    let mut spec = json!({"containers": [container("ok")]});
    let get = json!({"httpGet": {"port": 80}, "periodSeconds": 2, "failureThreshold": 2});
    spec["containers"][0]["readinessProbe"] = get.clone();
    spec["containers"][0]["livenessProbe"] = get;
    let mut harness = Harness::new();
    harness.pod("p", spec);
    harness.run(3);
    harness.unhealthy = true;
    harness.run(5);
    harness.unhealthy = false;
    harness.run(5);
    expect![[r#"
          0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Initialized]
          0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Network Initialized]
          0.01 Normal Pulled spec.containers{c} Container image "ok" already present on machine and can be accessed by the pod
          0.01 p: Running 10.244.1.2 c=running(0) [Network Initialized]
          0.01 Normal Created spec.containers{c} Container created
          0.01 Normal Started spec.containers{c} Container started
          0.01 p: Running 10.244.1.2 c+=running(0) [Network Initialized Ready ContainersReady]
          4.01 Warning Unhealthy spec.containers{c} Liveness probe failed: HTTP probe failed with statuscode: 500
          4.01 Warning Unhealthy spec.containers{c} Readiness probe failed: HTTP probe failed with statuscode: 500
          6.01 p: Running 10.244.1.2 c=running(0) [Network Initialized]
          6.01 Warning Unhealthy spec.containers{c} Liveness probe failed: HTTP probe failed with statuscode: 500
          6.01 Normal Killing spec.containers{c} Container c failed liveness probe, will be restarted
          6.01 Warning Unhealthy spec.containers{c} Readiness probe failed: HTTP probe failed with statuscode: 500
          6.01 engine: stop uid-p_c_0 within 30000
          6.11 p: Running 10.244.1.2 c=Error(0) [Network Initialized]
          6.12 Normal Pulled spec.containers{c} Container image "ok" already present on machine and can be accessed by the pod
          6.12 p: Running 10.244.1.2 c=running(1) [Network Initialized]
          6.12 Normal Created spec.containers{c} Container created
          6.12 Normal Started spec.containers{c} Container started
          6.12 Warning Unhealthy spec.containers{c} Liveness probe failed: HTTP probe failed with statuscode: 500
          6.12 Warning Unhealthy spec.containers{c} Readiness probe failed: HTTP probe failed with statuscode: 500
          8.12 p: Running 10.244.1.2 c+=running(1) [Network Initialized Ready ContainersReady]
    "#]].assert_eq(&harness.transcript());
}

#[test]
fn deletion_is_graceful() {
    let mut harness = Harness::new();
    harness.pod(
        "p",
        json!({"containers": [container("slow")], "terminationGracePeriodSeconds": 5}),
    );
    harness.run(1);
    harness.delete("p", 5);
    harness.run(10);
    expect![[r#"
          0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Initialized]
          0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Network Initialized]
          0.01 Normal Pulled spec.containers{c} Container image "slow" already present on machine and can be accessed by the pod
          0.01 p: Running 10.244.1.2 c+=running(0) [Network Initialized Ready ContainersReady]
          0.01 Normal Created spec.containers{c} Container created
          0.01 Normal Started spec.containers{c} Container started
          1.00 -- delete p
          1.00 Normal Killing spec.containers{c} Stopping container c
          1.00 engine: stop uid-p_c_0 within 5000
          6.00 p: Failed 10.244.1.2 c=Error(0) [Initialized]
          6.00 engine: remove uid-p
          6.00 DELETE p grace=Some(0)
    "#]].assert_eq(&harness.transcript());
}

#[test]
fn an_object_that_vanishes_takes_its_containers_with_it() {
    let mut harness = Harness::new();
    harness.pod("p", json!({"containers": [container("ok")]}));
    harness.run(1);
    harness.vanish("p");
    harness.run(1);
    expect![[r#"
          0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Initialized]
          0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Network Initialized]
          0.01 Normal Pulled spec.containers{c} Container image "ok" already present on machine and can be accessed by the pod
          0.01 p: Running 10.244.1.2 c+=running(0) [Network Initialized Ready ContainersReady]
          0.01 Normal Created spec.containers{c} Container created
          0.01 Normal Started spec.containers{c} Container started
          1.00 -- p vanishes
          1.00 Normal Killing spec.containers{c} Stopping container c
          1.00 engine: stop uid-p_c_0 within 30000
          1.10 engine: remove uid-p
    "#]].assert_eq(&harness.transcript());
}

#[test]
fn a_deadline_fails_the_pod() {
    check(
        json!({"containers": [container("ok")], "activeDeadlineSeconds": 4}),
        10,
        expect![[r#"
            0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Initialized]
            0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Network Initialized]
            0.01 Normal Pulled spec.containers{c} Container image "ok" already present on machine and can be accessed by the pod
            0.01 p: Running 10.244.1.2 c+=running(0) [Network Initialized Ready ContainersReady]
            0.01 Normal Created spec.containers{c} Container created
            0.01 Normal Started spec.containers{c} Container started
            4.00 Normal DeadlineExceeded  Pod was active on the node longer than the specified deadline
            4.00 Normal Killing spec.containers{c} Stopping container c
            4.00 engine: stop uid-p_c_0 within 30000
            4.10 p: Failed DeadlineExceeded 10.244.1.2 c=Error(0) [Initialized]
            4.10 engine: free uid-p
        "#]],
    );
}

#[test]
fn a_pod_that_does_not_fit_is_rejected() {
    let mut spec = json!({"containers": [container("ok")]});
    spec["containers"][0]["resources"] = json!({"requests": {"cpu": "5"}});
    check(
        spec,
        5,
        expect![[r#"
              0.00 p: Failed OutOfcpu -  [Initialized]
              0.00 Warning OutOfcpu  Node didn't have enough resource: cpu, requested: 5000, used: 0, capacity: 4000
        "#]],
    );
}

#[test]
fn a_restarted_kubelet_starts_its_pods_again() {
    let mut harness = Harness::new();
    harness.pod("p", json!({"containers": [container("ok")]}));
    harness.pod(
        "q",
        json!({"containers": [container("exit")], "restartPolicy": "Never"}),
    );
    harness.run(2);
    harness.restart();
    harness.run(2);
    expect![[r#"
        0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Initialized]
        0.00 q: Pending 10.244.1.3 c=ContainerCreating(0) [Initialized]
        0.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Network Initialized]
        0.00 q: Pending 10.244.1.3 c=ContainerCreating(0) [Network Initialized]
        0.01 Normal Pulled spec.containers{c} Container image "ok" already present on machine and can be accessed by the pod
        0.01 Normal Pulled spec.containers{c} Container image "exit" already present on machine and can be accessed by the pod
        0.01 p: Running 10.244.1.2 c+=running(0) [Network Initialized Ready ContainersReady]
        0.01 q: Running 10.244.1.3 c+=running(0) [Network Initialized Ready ContainersReady]
        0.01 Normal Created spec.containers{c} Container created
        0.01 Normal Started spec.containers{c} Container started
        0.01 Normal Created spec.containers{c} Container created
        0.01 Normal Started spec.containers{c} Container started
        0.51 q: Succeeded 10.244.1.3 c=Completed(0) [Initialized]
        0.51 engine: free uid-q
        2.00 -- kubelet restarts
        2.00 p: Running 10.244.1.3 c=ContainerStatusUnknown(0) [Initialized]
        2.00 Normal SandboxChanged  Pod sandbox changed, it will be killed and re-created.
        2.00 p: Running 10.244.1.3 c=ContainerStatusUnknown(0) [Network Initialized]
        2.01 Normal Pulled spec.containers{c} Container image "ok" already present on machine and can be accessed by the pod
        2.01 p: Running 10.244.1.3 c+=running(1) [Network Initialized Ready ContainersReady]
        2.01 Normal Created spec.containers{c} Container created
        2.01 Normal Started spec.containers{c} Container started
    "#]].assert_eq(&harness.transcript());
}

#[test]
fn nothing_starts_before_the_node_has_a_pod_range() {
    let mut harness = Harness::without_range();
    harness.pod("p", json!({"containers": [container("ok")]}));
    harness.run(3);
    harness.give_range();
    harness.run(1);
    expect![[r#"
          0.00 p: Pending - c=ContainerCreating(0) [Initialized]
          0.00 Warning NetworkNotReady  network is not ready: container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized
          3.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Initialized]
          3.00 p: Pending 10.244.1.2 c=ContainerCreating(0) [Network Initialized]
          3.01 Normal Pulled spec.containers{c} Container image "ok" already present on machine and can be accessed by the pod
          3.01 p: Running 10.244.1.2 c+=running(0) [Network Initialized Ready ContainersReady]
          3.01 Normal Created spec.containers{c} Container created
          3.01 Normal Started spec.containers{c} Container started
    "#]].assert_eq(&harness.transcript());
}

#[test]
fn a_quiet_pod_costs_nothing() {
    let mut harness = Harness::new();
    harness.pod("p", json!({"containers": [container("ok")]}));
    harness.run(2);
    let before = harness.writes();
    harness.run(600);
    let after: Vec<_> = harness
        .writes()
        .into_iter()
        .filter(|(k, n)| before.get(k) != Some(n))
        .collect();
    let names: Vec<_> = after
        .iter()
        .map(|(k, n)| format!("{k} {}", n - before.get(k).unwrap_or(&0)))
        .collect();
    assert_eq!(names, ["leases 60", "nodes/status 2"]);
}
