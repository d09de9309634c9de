//! Pods that run, finish, crash and cannot be pulled.

use anyhow::Result;
use e2e::Cluster;

fn pod(name: &str, image: &str, more: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{containers: [{{name: main, image: {image}}}]{more}}}}}"
    )
}

#[test]
fn sample_workloads_live_as_documented() -> Result<()> {
    let cluster = Cluster::start(2)?;
    let manifests = [
        pod("web", "'glasshouse.dev/hello-http:latest'", ""),
        pod(
            "job",
            "'glasshouse.dev/counter-cli:latest'",
            ", restartPolicy: Never",
        ),
        pod("crash", "'glasshouse.dev/crash:latest'", ""),
        pod("stranger", "'registry.invalid/nobody/knows:v1'", ""),
    ];
    cluster.kubectl_with("apply -f -", &manifests.join("\n---\n"))?;

    cluster.wait("pod/web --for=condition=Ready")?;
    let ip = cluster.kubectl("get pod web -o 'jsonpath={.status.podIP}'")?;
    assert!(ip.starts_with("10.244."), "{ip}");

    cluster.wait("pod/job --for=jsonpath={.status.phase}=Succeeded")?;
    assert!(cluster.kubectl("get pod job")?.contains("Completed"));
    assert!(!cluster.kubectl("logs job")?.trim().is_empty());

    cluster.wait("pod/crash --for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=CrashLoopBackOff")?;
    let crash = cluster.kubectl("get pod crash -o 'jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode} {.status.containerStatuses[0].restartCount}'")?;
    let (code, restarts) = crash.split_once(' ').unwrap_or_default();
    assert_eq!(code, "1");
    assert_eq!(
        cluster
            .kubectl("get pod crash --no-headers")?
            .split_whitespace()
            .nth(3),
        Some(restarts)
    );

    cluster.wait("pod/stranger --for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=ImagePullBackOff")?;
    let told = cluster.kubectl("describe pod stranger")?;
    assert!(
        told.contains("ErrImagePull") || told.contains("Failed to pull image"),
        "{told}"
    );
    assert!(told.contains("registry.invalid/nobody/knows:v1"), "{told}");

    cluster.kubectl("delete pod web job crash stranger")?;
    assert_eq!(cluster.kubectl("get pods -o name")?, "");
    Ok(())
}

#[test]
fn busybox_runs_a_shell_and_is_shown_as_an_alias() -> Result<()> {
    let cluster = Cluster::start(1)?;
    cluster.kubectl("run shell --image=busybox --restart=Never --command -- sh -c 'for i in 1 2 3; do echo line $i; done; ls / | cat'")?;
    cluster.wait("pod/shell --for=jsonpath={.status.phase}=Succeeded")?;
    let log = cluster.kubectl("logs shell")?;
    assert!(log.contains("line 1\nline 2\nline 3\n"), "{log}");
    let aliases = cluster.kubectl("get configmap -n kube-system image-aliases -o yaml")?;
    assert!(
        aliases.contains("busybox") && aliases.contains("nginx"),
        "{aliases}"
    );
    let told = cluster.kubectl("describe pod shell")?;
    assert!(told.contains("glasshouse.dev/busybox"), "{told}");
    Ok(())
}
