//! Seeing further: rooms light up while they work, logs are followed, keys open and close, nodes stop and start.

use anyhow::{Context, Result};
use e2e::Cluster;
use e2e::browser::{Browser, Theme};
use thirtyfour::Key;

use super::{DESK, open, pod_css, send};

/// Remembers every component that ever worked: a room is lit for moments that polling would miss.
const WATCH_WORK: &str = "window.worked = new Set();
    const see = () => document.querySelectorAll('[data-kind=component][data-working=true]').forEach(e => window.worked.add(e.dataset.name));
    new MutationObserver(see).observe(document.body, {subtree: true, childList: true, attributeFilter: ['data-working']});";

async fn press(browser: &Browser, key: &str) -> Result<()> {
    browser.find("body").await?.send_keys(key).await?;
    Ok(())
}

/// Waits until JavaScript in the page says true.
async fn comes_true(browser: &Browser, expression: &str) -> Result<()> {
    let script = format!(
        "const done = arguments[0]; const end = performance.now() + 25000;
         const look = () => ({expression}) ? done(true) : performance.now() > end ? done(false) : setTimeout(look, 50); look();"
    );
    let came = browser.page.execute_async(script, vec![]).await?;
    let state = browser
        .run("return [...window.worked ?? []].sort()")
        .await?;
    anyhow::ensure!(
        came.json() == true,
        "{expression} did not come true; worked: {state}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_work_while_a_pod_is_made_and_its_panel_tells_the_truth() -> Result<()> {
    let cluster = Cluster::start(1)?;
    let browser = open(&cluster, Theme::Dusk, DESK).await?;
    browser
        .reads("[data-kind=node][data-name='node-1']", "Ready")
        .await?;
    browser.run(WATCH_WORK).await?;
    cluster.kubectl("run job --image=glasshouse.dev/counter-cli:latest --restart=Never")?;
    for part in ["kube-apiserver", "etcd", "kube-scheduler", "kubelet node-1"] {
        comes_true(&browser, &format!("window.worked.has('{part}')")).await?;
    }
    browser
        .find(&pod_css("job", "Completed"))
        .await?
        .click()
        .await?;
    browser.reads("#panel-title", "job").await?;
    press(&browser, "3").await?;
    let log = cluster.kubectl("logs job")?;
    for line in log.lines() {
        browser.reads("#log", line).await?;
    }
    let uid = cluster.kubectl("get pod job -o 'jsonpath={.metadata.uid}'")?;
    press(&browser, "5").await?;
    browser.reads("#yaml", &uid).await?;
    press(&browser, &String::from(char::from(Key::Escape))).await?;
    browser.reads("#panel", "What happens here").await?;

    for part in ["kube-apiserver", "kube-scheduler", "kubelet node-1"] {
        browser
            .find(&format!("[data-kind=component][data-name='{part}']"))
            .await?
            .click()
            .await?;
        browser.reads("#panel-title", part).await?;
        browser.reads("#tabpanel", "ms").await?;
    }
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_panel_offers_acts_on_the_cluster() -> Result<()> {
    let cluster = Cluster::start(2)?;
    cluster.kubectl("create deployment web --image=nginx --replicas=1")?;
    cluster.wait("deployment/web --for=condition=Available")?;
    let at = format!("{}/?at=deployments/default/web", cluster.ready.dashboard);
    let browser = Browser::open(&at, Theme::Day, DESK.0, DESK.1).await?;
    browser.reads("#replicas", "1").await?;
    browser.find("#scale-up").await?.click().await?;
    send(&browser).await?;
    browser.reads("#replicas", "2").await?;
    cluster.wait("deployment/web --for=jsonpath={.status.readyReplicas}=2")?;

    let pod = cluster.kubectl("get pods -l app=web -o 'jsonpath={.items[0].metadata.name}'")?;
    browser
        .find(&pod_css(&pod, "Running"))
        .await?
        .click()
        .await?;
    browser.reads("#panel-title", &pod).await?;
    browser.find("#delete").await?.click().await?;
    browser
        .reads("dialog[open]", "managed by ReplicaSet")
        .await?;
    send(&browser).await?;
    cluster.wait(&format!("pod/{pod} --for=delete"))?;
    cluster.wait("deployment/web --for=jsonpath={.status.readyReplicas}=2")?;

    browser
        .find("[data-kind=node][data-name='node-2'] .c-node__open")
        .await?
        .click()
        .await?;
    browser.find("#node-stop").await?.click().await?;
    browser.reads("dialog[open]", "40 seconds").await?;
    send(&browser).await?;
    browser.reads("#live-region", "node-2 is stopped").await?;
    for _ in 0..6 {
        browser.find("#clock-step").await?.click().await?;
    }
    browser
        .find("[data-kind=node][data-name='node-2'][data-phase='NotReady']")
        .await?;
    cluster.wait("node/node-2 --for=condition=Ready=Unknown")?;
    browser.find("#node-start").await?.click().await?;
    send(&browser).await?;
    cluster.wait("node/node-2 --for=condition=Ready")?;
    browser
        .find("[data-kind=node][data-name='node-2'][data-phase='Ready']")
        .await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_show_what_kubectl_shows() -> Result<()> {
    let cluster = Cluster::start(2)?;
    cluster.kubectl("create deployment web --image=nginx --replicas=2")?;
    cluster.kubectl("run other --image=busybox --command -- sleep 1000")?;
    cluster.wait("pod --all --for=condition=Ready")?;
    let at = format!("{}/?table=pods", cluster.ready.dashboard);
    let browser = Browser::open(&at, Theme::Day, DESK.0, DESK.1).await?;
    for line in cluster.kubectl("get pods --no-headers -o wide")?.lines() {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let [name, ready, status, restarts, _, ip, node, ..] = cells.as_slice() else {
            anyhow::bail!("kubectl printed {line:?}");
        };
        let row = format!("tr[data-name='{name}']");
        for cell in [ready, status, restarts, ip, node] {
            browser.reads(&row, cell).await?;
        }
    }
    browser
        .find("#table-filter")
        .await?
        .send_keys("other")
        .await?;
    comes_true(
        &browser,
        "document.querySelectorAll('tbody tr[data-name]').length === 1",
    )
    .await?;
    browser.reads("tbody tr[data-name]", "other").await?;
    // Ages go on in the row that somebody is at; the row itself stays.
    let same_row = "window.kept = document.querySelector('tbody tr th button'); window.kept.focus(); \
        window.told = window.kept.closest('tr').innerText; return true";
    browser.run(same_row).await?;
    comes_true(
        &browser,
        "document.querySelector('tbody tr[data-name]').innerText !== window.told \
         && document.activeElement === window.kept",
    )
    .await?;
    let row = browser.find("tbody tr th button").await?;
    row.click().await?;
    browser.reads("#panel-title", "other").await?;
    let address = browser.page.current_url().await?;
    let query = address.query().context("the address says what is open")?;
    assert!(
        query.contains("other") && query.contains("table=pods"),
        "{query}"
    );
    browser.close().await
}
