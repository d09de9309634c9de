//! Opening links carefully: what exists stays, cancelling changes nothing, rubbish is explained.

use anyhow::{Context, Result};
use e2e::Cluster;
use e2e::browser::{Browser, Theme};

use super::{DESK, open};

#[tokio::test(flavor = "multi_thread")]
async fn a_link_adds_only_what_is_missing_and_cancel_adds_nothing() -> Result<()> {
    let (here, there) = (Cluster::start(1)?, Cluster::start(1)?);
    let browser = open(&here, Theme::Day, DESK).await?;
    browser
        .find("[data-kind=node][data-name='node-1'][data-phase='Ready']")
        .await?;
    browser.find("#copy-link").await?.click().await?;
    browser.reads("#share-empty", "nothing of yours").await?;
    browser.close().await?;

    here.kubectl("create namespace shop")?;
    here.kubectl("create configmap colours -n shop --from-literal=sky=blue")?;
    here.kubectl("create secret generic key -n shop --from-literal=password=hidden")?;
    here.kubectl("create deployment web -n shop --image=nginx")?;
    here.wait("deployment/web -n shop --for=condition=Available")?;
    let browser = open(&here, Theme::Day, DESK).await?;
    browser
        .find("[data-kind=pod][data-namespace='shop'][data-phase='Running']")
        .await?;
    browser.find("#copy-link").await?.click().await?;
    let link = browser
        .find("#share-link")
        .await?
        .value()
        .await?
        .context("a link")?;
    browser.close().await?;
    let fragment = link.split_once('#').context("a fragment")?.1;

    there.kubectl("create namespace shop")?;
    there.kubectl("create configmap colours -n shop --from-literal=sky=red")?;
    let at = format!("{}/#{fragment}", there.ready.dashboard);
    let other = Browser::open(&at, Theme::Dusk, DESK.0, DESK.1).await?;
    other.reads("#preview", "shop/web").await?;
    other
        .reads("#preview", "exists here already and stays as it is")
        .await?;
    let preview = other.find("#preview").await?.text().await?;
    assert!(
        !preview.contains("Secret") && !preview.contains("ReplicaSet"),
        "{preview}"
    );
    other.find("#preview-cancel").await?.click().await?;
    assert_eq!(there.kubectl("get deployments,pods -A -o name")?, "");
    other.close().await?;

    let other = Browser::open(&at, Theme::Dusk, DESK.0, DESK.1).await?;
    other.find("#preview-apply:enabled").await?.click().await?;
    there.wait("deployment/web -n shop --for=condition=Available")?;
    assert_eq!(
        there.kubectl("get configmap colours -n shop -o 'jsonpath={.data.sky}'")?,
        "red"
    );
    other.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_in_a_link_is_explained() -> Result<()> {
    let cluster = Cluster::start(1)?;
    for (fragment, says) in [
        ("s=", "no scenario"),
        ("s=%%%", "damaged"),
        ("s=bm90IGEgc2NlbmFyaW8", "format version 110"),
    ] {
        let at = format!("{}/#{fragment}", cluster.ready.dashboard);
        let browser = Browser::open(&at, Theme::Day, DESK.0, DESK.1).await?;
        browser.reads("#link-error", says).await?;
        browser.reads("dialog[open]", "Nothing was changed").await?;
        browser.close().await?;
    }
    Ok(())
}
