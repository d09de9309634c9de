//! Clients of other languages and tools: what they print must be what they print against the original.

use std::path::Path;

use anyhow::{Context, Result};
use e2e::Cluster;
use e2e::peer::{finish, tool};

/// Where a client's script lies.
macro_rules! script {
    ($name:literal) => {
        Path::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/product/clients/",
            $name
        ))
    };
}

#[test]
fn the_rust_client_discovers_applies_and_watches() -> Result<()> {
    let cluster = Cluster::start(1)?;
    let told = finish(cluster.peer(&tool("kube-client")?))?;
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            "version 1 36",
            "discovered deployments v1 watch true",
            "dynamic 0",
            "created a",
            "refused 409 AlreadyExists",
            "stale true",
            "listed 1",
            "gone true",
            "conflict true",
            "managers mine others",
            "initial list is over",
            "added w",
            "changed w",
            "deleted w",
            "running",
            "ended",
        ],
        "{}",
        cluster.log()
    );
    Ok(())
}

#[test]
fn the_python_client_reads_writes_and_watches() -> Result<()> {
    let cluster = Cluster::start(1)?;
    let mut python = cluster.peer(&tool("python/bin/python")?);
    python.arg(script!("client.py"));
    let told = finish(python)?;
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            "version 1 36",
            "created a 1",
            "patched a 2",
            "conflict 409 Conflict",
            "missing 404 NotFound",
            "listed a b",
            "pages 1 1",
            "applied 3 replicas",
            "from yaml ConfigMap Service Deployment",
            "watched ADDED MODIFIED DELETED",
            "log 1",
            "deleted 0",
        ],
        "{}",
        cluster.log()
    );
    Ok(())
}

#[test]
fn the_javascript_informer_catches_up_after_its_connection_broke() -> Result<()> {
    let cluster = Cluster::start(1)?;
    tool("node_modules/@kubernetes/client-node")?;
    // Modules find their packages beside the script: it runs from the folder that has them.
    let script = e2e::peer::tools().join("informer.mjs");
    std::fs::copy(script!("informer.mjs"), &script)?;
    let mut node = cluster.peer(Path::new("node"));
    node.arg(&script);
    let told = finish(node)?;
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            "add first",
            "connected",
            "add second",
            "update first",
            "broken",
            "caught up: first gone, third there",
            "delete first",
        ],
        "{}",
        cluster.log()
    );
    Ok(())
}

#[test]
fn helm_installs_upgrades_rolls_back_and_uninstalls() -> Result<()> {
    let cluster = Cluster::start(1)?;
    let program = tool("helm-1.36")?;
    let chart = script!("chart").to_str().context("a path")?.to_owned();
    let helm = |arguments: &[&str]| {
        let mut command = cluster.peer(&program);
        command.args(arguments);
        finish(command)
    };
    let replicas = || cluster.kubectl("get deployment front -o 'jsonpath={.spec.replicas}'");
    let wait = ["--wait", "--timeout", "90s"];
    helm(&[&["install", "front", &chart][..], &wait].concat())?;
    assert_eq!(replicas()?, "1");
    let greeting = cluster.kubectl("get configmap front -o 'jsonpath={.data.greeting}'")?;
    assert_eq!(greeting, "hello from front");
    helm(
        &[
            &["upgrade", "front", &chart, "--set", "replicas=2"][..],
            &wait,
        ]
        .concat(),
    )?;
    assert_eq!(replicas()?, "2");
    helm(&["rollback", "front", "1"])?;
    assert_eq!(replicas()?, "1");
    let history = helm(&["history", "front", "-o", "json"])?;
    let history: serde_json::Value = serde_json::from_str(&history)?;
    let states: Vec<&str> = history
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|r| r.get("status")?.as_str())
        .collect();
    assert_eq!(states, ["superseded", "superseded", "deployed"]);
    helm(&["uninstall", "front", "--wait"])?;
    assert_eq!(
        cluster.kubectl("get deployments,configmaps,services -l app=front -o name")?,
        ""
    );
    Ok(())
}
