//! Pods talk across nodes by address and by name.

use anyhow::Result;
use e2e::Cluster;

fn on_node(name: &str, node: &str, image: &str, command: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, labels: {{app: {name}}}}}, spec: {{nodeName: {node}, \
         restartPolicy: Never, containers: [{{name: main, image: '{image}'{command}}}]}}}}"
    )
}

#[test]
fn a_pod_reaches_a_pod_of_another_node() -> Result<()> {
    let cluster = Cluster::start(2)?;
    cluster.kubectl_with(
        "apply -f -",
        &on_node(
            "server",
            "node-2",
            "glasshouse.dev/hello-http:latest",
            ", ports: [{containerPort: 8080}]",
        ),
    )?;
    cluster.wait("pod/server --for=condition=Ready")?;
    cluster.kubectl("expose pod server --port=80 --target-port=8080")?;
    let ip = cluster.kubectl("get pod server -o 'jsonpath={.status.podIP}'")?;
    let script = format!(
        ", command: [sh, -c, 'wget -q -O - http://{ip}:8080/ && until nslookup server.default.svc.cluster.local; do sleep 1; done && until wget -q -O - http://server/; do sleep 1; done']"
    );
    cluster.kubectl_with(
        "apply -f -",
        &on_node("client", "node-1", "busybox", &script),
    )?;
    cluster.wait("pod/client --for=jsonpath={.status.phase}=Succeeded")?;
    let log = cluster.kubectl("logs client")?;
    assert_eq!(log.matches("server").count().min(2), 2, "{log}");
    Ok(())
}
