//! The kubelet by the book: hooks, sidecars, volumes that follow their sources, tokens, static pods.

use anyhow::Result;
use e2e::Cluster;

const HOOKED: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: conf}
data: {greeting: one}
---
apiVersion: v1
kind: Pod
metadata: {name: hooked}
spec:
  terminationGracePeriodSeconds: 20
  volumes: [{name: conf, configMap: {name: conf}}, {name: shared, emptyDir: {}}]
  initContainers:
  - {name: first, image: busybox, command: [sh, -c, 'echo ready > /s/ready'], volumeMounts: [{name: shared, mountPath: /s, subPath: a/b}]}
  - {name: side, image: busybox, restartPolicy: Always, command: [sh, -c, 'while true; do sleep 1; done']}
  containers:
  - name: main
    image: busybox
    command: [sh, -c, 'cat /s/a/b/ready /var/run/secrets/kubernetes.io/serviceaccount/namespace; while true; do cat /conf/greeting; echo; sleep 1; done']
    volumeMounts: [{name: conf, mountPath: /conf}, {name: shared, mountPath: /s}]
    lifecycle:
      postStart: {exec: {command: [sh, -c, 'echo started > /s/hook']}}
      preStop: {sleep: {seconds: 1}}
"#;

#[test]
fn hooks_sidecars_and_volumes_work_together() -> Result<()> {
    let cluster = Cluster::start(1)?;
    cluster.kubectl_with("apply -f -", HOOKED)?;
    cluster.wait("pod/hooked --for=condition=Ready")?;
    assert!(
        cluster
            .kubectl("get pod hooked --no-headers")?
            .contains("2/2")
    );
    let said = cluster.kubectl("exec hooked -c main -- cat /s/hook")?;
    assert_eq!(said.trim(), "started");
    let log = cluster.kubectl("logs hooked -c main")?;
    assert!(log.starts_with("ready\ndefault"), "{log}");

    // A changed pod is looked at in full at once, and with it the volumes.
    cluster.kubectl("patch configmap conf -p '{\"data\":{\"greeting\":\"two\"}}'")?;
    cluster.kubectl("annotate pod hooked look=again")?;
    cluster.kubectl(
        "exec hooked -c main -- sh -c 'until grep -q two /conf/greeting; do sleep 1; done'",
    )?;

    cluster.kubectl("delete pod hooked")?;
    let killed = cluster.kubectl("get events --field-selector reason=Killing")?;
    for container in ["main", "side"] {
        assert!(
            killed.contains(&format!("Stopping container {container}")),
            "{killed}"
        );
    }
    Ok(())
}
