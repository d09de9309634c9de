//! What was acknowledged is there after `kill -9`, and Ctrl-C drains.

use anyhow::Result;
use e2e::Cluster;

#[test]
fn a_killed_cluster_comes_back_as_it_was() -> Result<()> {
    let cluster = Cluster::start(1)?;
    for i in 0..20 {
        cluster.kubectl(&format!("create configmap kept-{i} --from-literal=n={i}"))?;
    }
    cluster.kubectl("create deployment web --image=nginx")?;
    cluster.wait("deployment/web --for=condition=Available")?;
    let revision =
        cluster.kubectl("get configmap kept-19 -o 'jsonpath={.metadata.resourceVersion}'")?;
    let mut cluster = cluster.crash_and_restart()?;
    assert_eq!(
        cluster
            .kubectl("get configmaps -o name")?
            .matches("kept-")
            .count(),
        20
    );
    assert_eq!(
        cluster.kubectl("get configmap kept-19 -o 'jsonpath={.metadata.resourceVersion}'")?,
        revision
    );
    cluster.wait("deployment/web --for=condition=Available")?;
    assert!(cluster.terminate()?, "{}", cluster.log());
    Ok(())
}
