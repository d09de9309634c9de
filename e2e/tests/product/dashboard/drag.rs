//! Dragging further: straight from the palette onto a node, where a pod cannot run, outside, and with the arrow keys.

use anyhow::{Context, Result};
use e2e::Cluster;
use e2e::browser::Theme;
use thirtyfour::Key;

use super::{DESK, open, pod_css, send};

fn by_hand(name: &str, cpu: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{schedulerName: by-hand, containers: [{{name: main, image: nginx, resources: {{requests: {{cpu: '{cpu}'}}}}}}]}}}}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_dropped_on_a_node_runs_there() -> Result<()> {
    let cluster = Cluster::start(2)?;
    let browser = open(&cluster, Theme::Day, DESK).await?;
    let node = browser
        .find("[data-kind=node][data-name='node-2'][data-phase='Ready']")
        .await?;
    let workload = browser
        .find("[data-image='glasshouse.dev/counter-cli:latest']")
        .await?;
    browser.drag(&workload, &node).await?;
    browser.reads("dialog[open]", "kubectl").await?;
    assert_eq!(
        cluster.kubectl("get pods -o name")?,
        "",
        "nothing is sent unseen"
    );
    send(&browser).await?;
    cluster.wait("pod/counter-cli --for=jsonpath={.status.phase}=Succeeded")?;
    browser.find(&pod_css("counter-cli", "Completed")).await?;
    assert_eq!(
        cluster.kubectl("get pod counter-cli -o 'jsonpath={.spec.nodeName}'")?,
        "node-2"
    );

    let header = browser.find("header").await?;
    browser.drag(&workload, &header).await?;
    browser.reads("#live-region", "nothing was sent").await?;
    assert_eq!(cluster.kubectl("get pods -o name")?.lines().count(), 1);
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_too_large_for_its_node_is_refused_by_its_kubelet() -> Result<()> {
    let cluster = Cluster::start(1)?;
    cluster.kubectl_with("apply -f -", &by_hand("giant", "64"))?;
    let browser = open(&cluster, Theme::Dusk, DESK).await?;
    let pod = browser
        .find("[data-kind=waiting-room] [data-name='giant']")
        .await?;
    let node = browser
        .find("[data-kind=node][data-name='node-1'][data-phase='Ready']")
        .await?;
    browser.drag(&pod, &node).await?;
    send(&browser).await?;
    browser
        .find("[data-kind=node] [data-name='giant'][data-look='failing']")
        .await?;
    browser
        .reads("[data-kind=node] [data-name='giant']", "OutOfcpu")
        .await?;
    cluster.wait("pod/giant --for=jsonpath={.status.reason}=OutOfcpu")?;
    browser.screenshot("refused-dusk").await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn arrow_keys_choose_the_node() -> Result<()> {
    let cluster = Cluster::start(3)?;
    cluster.kubectl_with("apply -f -", &by_hand("keys", "100m"))?;
    let browser = open(&cluster, Theme::Dusk, DESK).await?;
    browser
        .find("[data-name='node-3'][data-phase='Ready']")
        .await?;
    browser
        .find("[data-kind=waiting-room] [data-name='keys']")
        .await?
        .send_keys(Key::Enter + "")
        .await?;
    browser.reads("#panel-title", "keys").await?;
    browser
        .find("#place")
        .await?
        .send_keys(Key::Enter + "")
        .await?;
    let first = browser.find("#place-menu [role=menuitem]:focus").await?;
    first.send_keys(Key::Escape + "").await?;
    browser
        .find("#place:focus")
        .await?
        .send_keys(Key::Enter + "")
        .await?;
    let mut item = browser.find("#place-menu [role=menuitem]:focus").await?;
    for want in ["node-2", "node-3", "node-1", "node-2"] {
        item.send_keys(Key::Down + "").await?;
        item = browser.find("#place-menu [role=menuitem]:focus").await?;
        assert_eq!(item.attr("data-node").await?.context("a node")?, want);
        browser
            .find(&format!(
                "[data-kind=node][data-name='{want}'][data-target=true]"
            ))
            .await?;
    }
    item.send_keys(Key::Enter + "").await?;
    browser
        .find("#send:focus")
        .await?
        .send_keys(Key::Enter + "")
        .await?;
    browser
        .find(&format!(
            "[data-drop='node:node-2'] {}",
            pod_css("keys", "Running")
        ))
        .await?;
    assert_eq!(
        cluster.kubectl("get pod keys -o 'jsonpath={.spec.nodeName}'")?,
        "node-2"
    );
    browser.close().await
}
