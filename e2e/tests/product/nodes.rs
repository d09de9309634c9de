//! Nodes come, stop and are missed.

use anyhow::Result;
use e2e::Cluster;

#[test]
fn pods_of_a_stopped_node_are_replaced_after_the_documented_grace() -> Result<()> {
    let cluster = Cluster::start(3)?;
    let nodes = cluster.kubectl("get nodes -o wide")?;
    assert_eq!(nodes.matches(" Ready ").count(), 3, "{nodes}");
    cluster.kubectl("create deployment web --image=nginx --replicas=3")?;
    cluster.wait("deployment/web --for=condition=Available")?;
    cluster.post("/glasshouse/v1/clock", r#"{"rate":60}"#)?;
    cluster.post("/glasshouse/v1/nodes/node-2/stop", "")?;
    cluster.wait("node/node-2 --for=condition=Ready=Unknown")?;
    cluster.wait("deployment/web --for=jsonpath={.status.availableReplicas}=3")?;
    cluster.wait("pods -l app=web --field-selector=spec.nodeName=node-2 --for=jsonpath={.metadata.deletionTimestamp}")?;
    let events = cluster.kubectl("get events -A")?;
    assert!(events.contains("NodeNotReady"), "{events}");
    cluster.post("/glasshouse/v1/nodes/node-2/start", "")?;
    cluster.wait("node/node-2 --for=condition=Ready")?;
    Ok(())
}
