//! The manifests of docs/examples, as they are.

use anyhow::{Context, Result};
use e2e::Cluster;
use e2e::cluster::curl;

/// Applies a file of docs/examples, changed if need be.
fn apply(cluster: &Cluster, text: &str) -> Result<()> {
    cluster.kubectl_with("apply -f -", text).map(drop)
}

#[test]
fn the_database_waits_for_its_directory_as_written() -> Result<()> {
    let cluster = Cluster::start(1)?;
    apply(
        &cluster,
        include_str!("../../../docs/examples/wait-database.yaml"),
    )?;
    cluster.wait("pod/wait-database --for=jsonpath={.status.initContainerStatuses[0].state.running.startedAt}")?;
    let row = cluster.kubectl("get pod wait-database --no-headers")?;
    assert_eq!(row.split_whitespace().nth(2), Some("Init:0/1"), "{row}");
    let log = cluster.kubectl("logs wait-database -c wait-database")?;
    assert!(
        log.starts_with("ls: /db/dir: No such file or directory\n"),
        "{log}"
    );
    let pod = "get pod wait-database -o ";
    let resources = cluster.kubectl(&format!(
        "{pod}'jsonpath={{.spec.containers[0].resources}} {{.status.qosClass}}'"
    ))?;
    assert_eq!(
        resources,
        r#"{"limits":{"cpu":"1","memory":"4Gi"},"requests":{"cpu":"500m","memory":"500Mi"}} Burstable"#
    );
    Ok(())
}

#[test]
fn the_database_starts_when_its_directory_appears() -> Result<()> {
    let cluster = Cluster::start(1)?;
    // The pod's own pause of 5 s is the example's; the clock makes it short.
    cluster.post("/glasshouse/v1/clock", r#"{"rate": 20}"#)?;
    apply(
        &cluster,
        include_str!("../../../docs/examples/wait-database-volume.yaml"),
    )?;
    cluster.wait("pod/wait-database --for=jsonpath={.status.initContainerStatuses[0].state.running.startedAt}")?;
    cluster.kubectl("exec wait-database -c wait-database -- mkdir /db/dir")?;
    cluster.wait("pod/wait-database --for=condition=Ready")?;
    let told = cluster.kubectl("exec wait-database -c main-app -- redis-cli set a 1")?;
    assert_eq!(told.trim(), "OK");
    let files = cluster.kubectl("exec wait-database -c main-app -- ls /db")?;
    assert_eq!(files, "appendonly.aof\ndir\n");
    let image = cluster.kubectl("get pod wait-database -o 'jsonpath={.spec.containers[0].image} {.status.containerStatuses[0].imageID}'")?;
    assert!(
        image.starts_with("databaseD glasshouse.dev/kv-store@sha256:"),
        "{image}"
    );
    Ok(())
}

#[test]
fn a_database_has_metrics_and_sidecars_do_their_work() -> Result<()> {
    let cluster = Cluster::start(2)?;
    apply(
        &cluster,
        include_str!("../../../docs/examples/database.yaml"),
    )?;
    cluster.wait("pod/database --for=condition=Ready")?;
    let port = cluster.kubectl("get service database -o 'jsonpath={.spec.ports[1].nodePort}'")?;
    let metrics = curl(&[
        "--retry",
        "5",
        "--retry-connrefused",
        &format!("http://127.0.0.1:{port}/metrics"),
    ])?;
    assert!(
        metrics.contains("\nredis_up 1\n") && metrics.contains("\nredis_connected_clients "),
        "{metrics}"
    );

    apply(
        &cluster,
        include_str!("../../../docs/examples/sidecars.yaml"),
    )?;
    cluster.wait("pod/ambassador --for=jsonpath={.status.containerStatuses[?(@.name==\"app\")].state.terminated.exitCode}=0")?;
    assert_eq!(
        cluster.kubectl("logs ambassador -c app")?,
        "+OK\r\n$5\r\nhello\r\n+OK\r\n"
    );
    cluster.wait("pod/chatty --for=jsonpath={.status.containerStatuses[?(@.name==\"asker\")].state.terminated.exitCode}=0")?;
    let heard = cluster.kubectl("logs chatty -c asker")?;
    assert!(
        heard.ends_with("asked 1, heard: 1\nasked 2, heard: 4\nasked 3, heard: 9\n"),
        "{heard}"
    );
    cluster.wait("pod/log-shipping --for=condition=Ready")?;
    let shipped = cluster.kubectl("logs log-shipping -c shipper --follow --limit-bytes=90")?;
    let lines: Vec<&str> = shipped.lines().collect();
    assert_eq!(
        lines.first().context("a line")?,
        &"shipping /var/log/app.log to the own log"
    );
    assert_eq!(lines.get(1), Some(&"app line 1"));
    Ok(())
}

#[test]
fn a_load_generator_measures_a_service() -> Result<()> {
    let cluster = Cluster::start(2)?;
    cluster.kubectl("create deployment web --image=nginx --replicas=2")?;
    cluster.kubectl("expose deployment web --port=80")?;
    cluster.wait("deployment/web --for=condition=Available")?;
    let environment = "--env=TARGET=web:80/ --env=CONCURRENCY=4 --env=DURATION_S=2";
    cluster.kubectl(&format!(
        "run load --image=glasshouse.dev/load-generator --restart=Never {environment}"
    ))?;
    cluster.wait("pod/load --for=jsonpath={.status.phase}=Succeeded")?;
    let log = cluster.kubectl("logs load")?;
    let sum = log.lines().last().unwrap_or_default();
    assert!(
        sum.starts_with("in all: ") && sum.contains(" 0 failed, p50 "),
        "{log}"
    );
    Ok(())
}

#[test]
fn another_leads_when_the_leader_goes() -> Result<()> {
    let cluster = Cluster::start(2)?;
    apply(
        &cluster,
        include_str!("../../../docs/examples/leader-election.yaml"),
    )?;
    cluster.wait("deployment/elector --for=condition=Available")?;
    cluster.wait("lease/example --for=jsonpath={.spec.holderIdentity}")?;
    let leader = cluster.kubectl("get lease example -o 'jsonpath={.spec.holderIdentity}'")?;
    assert!(
        cluster
            .kubectl(&format!("logs {leader}"))?
            .ends_with(&format!("{leader} leads\n"))
    );
    cluster.kubectl(&format!("delete pod {leader} --force --grace-period=0"))?;
    cluster.wait("lease/example --for=jsonpath={.spec.leaseTransitions}=1")?;
    let next = cluster.kubectl("get lease example -o 'jsonpath={.spec.holderIdentity}'")?;
    assert_ne!(next, leader);
    Ok(())
}
