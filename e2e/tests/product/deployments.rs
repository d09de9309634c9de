//! Deployments: create, scale, roll, expose, delete.

use anyhow::Result;
use e2e::Cluster;

#[test]
fn a_deployment_is_created_scaled_rolled_exposed_and_deleted() -> Result<()> {
    let cluster = Cluster::start(3)?;
    cluster.kubectl("create deployment web --image=nginx --replicas=3")?;
    cluster.wait("deployment/web --for=condition=Available")?;
    cluster.kubectl("scale deployment web --replicas=5")?;
    cluster.wait("deployment/web --for=jsonpath={.status.readyReplicas}=5")?;
    cluster.kubectl("scale deployment web --replicas=2")?;
    cluster.wait("deployment/web --for=jsonpath={.status.replicas}=2")?;

    cluster.kubectl("set image deployment/web nginx=glasshouse.dev/hello-http:latest")?;
    cluster.kubectl("rollout status deployment/web --timeout=120s")?;
    let images = cluster
        .kubectl("get pods -l app=web -o 'jsonpath={.items[*].spec.containers[0].image}'")?;
    assert!(
        images
            .split(' ')
            .all(|i| i == "glasshouse.dev/hello-http:latest"),
        "{images}"
    );
    assert_eq!(
        cluster.kubectl("get replicasets -o name")?.lines().count(),
        2
    );

    cluster.kubectl("expose deployment web --type=NodePort --port=80")?;
    let port = cluster.kubectl("get service web -o 'jsonpath={.spec.ports[0].nodePort}'")?;
    cluster.wait("endpointslice -l kubernetes.io/service-name=web --for=jsonpath={.endpoints[1].conditions.ready}=true")?;
    let body = e2e::cluster::curl(&[
        "--retry",
        "20",
        "--retry-all-errors",
        "--retry-delay",
        "1",
        &format!("http://127.0.0.1:{port}/"),
    ])?;
    assert!(body.contains("web-"), "{body}");

    cluster.kubectl("delete deployment web")?;
    cluster.wait("pods -l app=web --for=delete")?;
    assert_eq!(cluster.kubectl("get replicasets,pods -o name")?, "");
    Ok(())
}
