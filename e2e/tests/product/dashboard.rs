//! The dashboard in a real browser: see, drag, upload, share; in dusk and day and on a phone.

mod accessible;
mod drag;
mod living;
mod scenarios;
mod see;
mod share;
mod upload;
mod write;

use std::path::PathBuf;
use std::{env, fs};

use anyhow::{Context, Result};
use e2e::Cluster;
use e2e::browser::{Browser, Theme};
use thirtyfour::Key;

const DESK: (u32, u32) = (1440, 900);
const PHONE: (u32, u32) = (390, 844);

async fn open(cluster: &Cluster, theme: Theme, (width, height): (u32, u32)) -> Result<Browser> {
    Browser::open(&cluster.ready.dashboard, theme, width, height).await
}

fn pod_css(name: &str, phase: &str) -> String {
    format!("[data-kind=pod][data-name='{name}'][data-phase='{phase}']")
}

/// Presses Send in the dialog that shows what will be sent.
async fn send(browser: &Browser) -> Result<()> {
    browser.find("#send").await?.click().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_house_shows_what_the_cluster_does() -> Result<()> {
    let cluster = Cluster::start(3)?;
    let browser = open(&cluster, Theme::Dusk, DESK).await?;
    for name in [
        "cloud-controller-manager",
        "kube-controller-manager",
        "kube-apiserver",
        "kube-scheduler",
        "etcd",
    ] {
        browser
            .find(&format!("[data-kind=component][data-name='{name}']"))
            .await?;
    }
    for node in ["node-1", "node-2", "node-3"] {
        browser
            .reads(&format!("[data-kind=node][data-name='{node}']"), "Ready")
            .await?;
    }
    cluster.kubectl("create deployment web --image=nginx --replicas=3")?;
    cluster.kubectl("expose deployment web --type=NodePort --port=80")?;
    cluster.kubectl("run job --image=glasshouse.dev/counter-cli:latest --restart=Never")?;
    cluster.wait("deployment/web --for=condition=Available")?;
    let pod = cluster.kubectl("get pods -l app=web -o 'jsonpath={.items[0].metadata.name}'")?;
    browser
        .find(&pod_css(&pod, "Running"))
        .await?
        .click()
        .await?;
    browser.reads("#panel-title", &pod).await?;
    browser.find("#tab-path").await?.click().await?;
    for component in [
        "kubectl",
        "kube-apiserver",
        "etcd",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
    ] {
        browser.reads("#tabpanel", component).await?;
    }
    browser.screenshot("panel-path-dusk").await?;
    for (tab, words) in [
        ("yaml", "nodeName"),
        ("events", "Successfully assigned"),
        ("now", "10.244."),
    ] {
        browser.find(&format!("#tab-{tab}")).await?.click().await?;
        browser.reads("#tabpanel", words).await?;
    }
    let picture = browser.screenshot("architecture-dusk").await?;
    if let Some(path) = env::var_os("GLASSHOUSE_README_PICTURE") {
        fs::copy(picture, path)?;
    }
    browser
        .find("[data-kind=component][data-name='etcd']")
        .await?
        .click()
        .await?;
    browser.reads("#panel-title", "etcd").await?;
    browser.find("#view-toggle").await?.click().await?;
    browser.reads("main", &pod).await?;
    browser.screenshot("tables-dusk").await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_is_accessible_in_dusk_and_day_and_on_a_phone() -> Result<()> {
    let cluster = Cluster::start(3)?;
    cluster.kubectl("create deployment web --image=nginx --replicas=4")?;
    cluster.kubectl("run job --image=glasshouse.dev/counter-cli:latest --restart=Never")?;
    cluster.wait("deployment/web --for=condition=Available")?;
    cluster.wait("pod/job --for=jsonpath={.status.phase}=Succeeded")?;
    for (name, theme, size) in [
        ("architecture-quiet-dusk", Theme::Dusk, DESK),
        ("architecture-quiet-day", Theme::Day, DESK),
        ("architecture-phone-dusk", Theme::Dusk, PHONE),
        ("architecture-phone-day", Theme::Day, PHONE),
    ] {
        let browser = open(&cluster, theme, size).await?;
        browser.find(&pod_css("job", "Completed")).await?;
        let violations = browser.accessibility().await?;
        assert!(violations.is_empty(), "{name}: {}", violations.join("\n"));
        browser.screenshot(name).await?;
        browser.close().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_is_placed_by_hand_with_pointer_and_with_keys() -> Result<()> {
    let cluster = Cluster::start(2)?;
    let browser = open(&cluster, Theme::Dusk, DESK).await?;
    browser
        .reads("[data-kind=node][data-name='node-2']", "Ready")
        .await?;

    let workload = browser
        .find("[data-kind=workload][data-image='glasshouse.dev/hello-http:latest']")
        .await?;
    let waiting_room = browser.find("[data-kind=waiting-room]").await?;
    browser.drag(&workload, &waiting_room).await?;
    send(&browser).await?;
    let pod = browser
        .find("[data-kind=waiting-room] [data-kind=pod]")
        .await?;
    let name = pod.attr("data-name").await?.context("a pod has a name")?;
    let scheduler = cluster.kubectl(&format!(
        "get pod {name} -o 'jsonpath={{.spec.schedulerName}} {{.spec.nodeName}}'"
    ))?;
    assert_eq!(scheduler.trim(), "by-hand");

    let node = browser.find("[data-kind=node][data-name='node-2']").await?;
    browser.drag(&pod, &node).await?;
    send(&browser).await?;
    cluster.wait(&format!("pod/{name} --for=condition=Ready"))?;
    assert_eq!(
        cluster.kubectl(&format!("get pod {name} -o 'jsonpath={{.spec.nodeName}}'"))?,
        "node-2"
    );

    let bound = browser.find(&pod_css(&name, "Running")).await?;
    let other = browser.find("[data-kind=node][data-name='node-1']").await?;
    browser.drag(&bound, &other).await?;
    browser.reads("dialog[open]", "Pods never move").await?;
    send(&browser).await?;
    browser
        .find(&format!(
            "[data-drop='node:node-1'] {}",
            pod_css(&name, "Running")
        ))
        .await?;
    assert_eq!(
        cluster.kubectl(&format!("get pod {name} -o 'jsonpath={{.spec.nodeName}}'"))?,
        "node-1"
    );

    cluster.kubectl_with(
        "apply -f -",
        "{apiVersion: v1, kind: Pod, metadata: {name: keys}, spec: {schedulerName: by-hand, containers: [{name: main, image: nginx}]}}",
    )?;
    browser
        .find("[data-kind=pod][data-name='keys']")
        .await?
        .send_keys(Key::Enter + "")
        .await?;
    browser.reads("#panel-title", "keys").await?;
    browser
        .find("#place")
        .await?
        .send_keys(Key::Enter + "")
        .await?;
    let first = browser.find("#place-menu [role=menuitem]").await?;
    first.send_keys(Key::Enter + "").await?;
    browser
        .find("#send")
        .await?
        .send_keys(Key::Enter + "")
        .await?;
    cluster.wait("pod/keys --for=condition=Ready")?;
    browser.close().await
}

fn workload(name: &str) -> Result<PathBuf> {
    let dir = env::var_os("GLASSHOUSE_WORKLOADS")
        .context("GLASSHOUSE_WORKLOADS names the built guests")?;
    Ok(PathBuf::from(dir).join(name))
}

/// A command whose only import is a function that no node offers: `missing.function`.
const STRANGE: &[u8] =
    b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x14\x01\x07missing\x08function\0\0\
    \x03\x02\x01\0\x07\x0a\x01\x06_start\0\x01\x0a\x04\x01\x02\0\x0b";

#[tokio::test(flavor = "multi_thread")]
async fn a_wasm_file_becomes_an_image_or_is_refused_precisely() -> Result<()> {
    let cluster = Cluster::start(1)?;
    let browser = open(&cluster, Theme::Day, DESK).await?;
    let images = || -> Result<String> {
        let bearer = format!("Authorization: Bearer {}", cluster.token()?);
        e2e::cluster::curl(&[
            "-f",
            "-H",
            &bearer,
            &format!("{}/glasshouse/v1/images", cluster.ready.dashboard),
        ])
    };
    let before = images()?;
    for (file, content, complaint) in [
        ("notes.wasm", &b"these are no modules"[..], "not"),
        ("strange.wasm", STRANGE, "missing"),
    ] {
        let path = cluster.data().join(file);
        fs::write(&path, content)?;
        browser
            .find("#upload-input")
            .await?
            .send_keys(path.display().to_string())
            .await?;
        browser.reads("#notice", file).await?;
        browser.reads("#notice", complaint).await?;
        assert_eq!(images()?, before, "{file} left something behind");
    }
    let mine = cluster.data().join("mine.wasm");
    fs::copy(workload("counter-cli.wasm")?, &mine)?;
    browser
        .find("#upload-input")
        .await?
        .send_keys(mine.display().to_string())
        .await?;
    browser
        .find("[data-kind=workload][data-uploaded=true]")
        .await?;
    let listed = images()?;
    assert!(listed.contains("mine"), "{listed}");
    let image: Vec<shared::live::Image> = serde_json::from_str(&listed)?;
    let name = &image
        .iter()
        .find(|i| i.uploaded)
        .context("an uploaded image")?
        .name;
    cluster.kubectl(&format!("run mine --image={name} --restart=Never"))?;
    cluster.wait("pod/mine --for=jsonpath={.status.phase}=Succeeded")?;
    browser.find(&pod_css("mine", "Completed")).await?;
    browser.screenshot("uploaded-day").await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_carries_the_scenario_to_another_cluster() -> Result<()> {
    let (here, there) = (Cluster::start(2)?, Cluster::start(2)?);
    here.kubectl("create deployment web --image=nginx --replicas=2")?;
    here.kubectl_with(
        "apply -f -",
        "{apiVersion: v1, kind: Pod, metadata: {name: placed}, spec: {nodeName: node-2, containers: [{name: main, image: nginx}]}}",
    )?;
    here.wait("deployment/web --for=condition=Available")?;
    here.wait("pod/placed --for=condition=Ready")?;
    let browser = open(&here, Theme::Dusk, DESK).await?;
    browser.find(&pod_css("placed", "Running")).await?;
    browser.find("#copy-link").await?.click().await?;
    let link = browser
        .find("#share-link")
        .await?
        .value()
        .await?
        .context("a link")?;
    browser.close().await?;
    let fragment = link
        .split_once('#')
        .context("the scenario is in the fragment")?
        .1;

    let other = Browser::open(
        &format!("{}/#{fragment}", there.ready.dashboard),
        Theme::Day,
        1440,
        900,
    )
    .await?;
    other.reads("#preview", "web").await?;
    other.reads("#preview", "placed").await?;
    other.screenshot("preview-day").await?;
    assert_eq!(
        there.kubectl("get deployments,pods -o name")?,
        "",
        "nothing is applied without a click"
    );
    other.find("#preview-apply").await?.click().await?;
    there.wait("deployment/web --for=condition=Available")?;
    there.wait("pod/placed --for=condition=Ready")?;
    assert_eq!(
        there.kubectl("get pod placed -o 'jsonpath={.spec.nodeName}'")?,
        "node-2"
    );
    other.close().await?;

    let damaged = format!(
        "{}/#{}",
        there.ready.dashboard,
        &fragment[..fragment.len() - 9]
    );
    let other = Browser::open(&damaged, Theme::Dusk, 1440, 900).await?;
    other.find("#link-error").await?;
    other.screenshot("damaged-link-dusk").await?;
    other.close().await
}
