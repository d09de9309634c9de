//! Scenarios: every one that comes with the product is played from the shell, and one is followed in the browser.

use std::env;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::Cluster;
use e2e::browser::Theme;
use thirtyfour::By;

use super::{DESK, PHONE, open, send};

/// Plays a scenario in a cluster of its own; answers what was printed.
fn check(name: &str) -> Result<String> {
    let server = env::var_os("GLASSHOUSE").context("GLASSHOUSE names the built server")?;
    let out = Command::new(server)
        .args(["scenario", "check", name, "--timeout", "120"])
        .output()?;
    let printed = String::from_utf8_lossy(&out.stdout).into_owned();
    let said = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "{name} failed:\n{printed}\n{said}");
    Ok(printed)
}

macro_rules! scenarios {
    ($($test:ident $name:literal),+ $(,)?) => {
        $(#[test]
        fn $test() -> Result<()> {
            let printed = check($name)?;
            assert!(printed.contains('✓') && !printed.contains('✗'), "{printed}");
            Ok(())
        })+
    };
}

scenarios![
    a_pod_is_born "a-pod-is-born",
    the_scheduler_says_no "the-scheduler-says-no",
    two_writers_and_a_conflict "two-writers",
    a_replicaset_heals_itself "self-healing",
    a_rolling_update "rolling-update",
    an_init_container_waits "init-container",
    one_ip_two_containers "one-ip-two-containers",
    outside_to_container "outside-to-container",
    limits_bite "limits-that-bite",
    a_node_dies "a-node-dies",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_scenario_is_followed_reset_and_left() -> Result<()> {
    let cluster = Cluster::start(1)?;
    let browser = open(&cluster, Theme::Dusk, DESK).await?;
    browser
        .find("[data-kind=node][data-name='node-1'][data-phase='Ready']")
        .await?;
    browser.find("#open-library").await?.click().await?;
    browser.screenshot("scenarios-dusk").await?;
    browser
        .find("[data-scenario='two-writers']")
        .await?
        .click()
        .await?;
    browser.reads("#preview", "default/board").await?;
    assert_eq!(
        cluster.kubectl("get configmap board --ignore-not-found -o name")?,
        "",
        "nothing is sent before the click"
    );
    browser
        .find("#preview-apply:enabled")
        .await?
        .click()
        .await?;
    browser.reads("#guide", "Ann writes").await?;
    browser.find(".c-guide__act").await?.click().await?;
    send(&browser).await?;
    browser.find(".c-guide__checks [data-done=true]").await?;
    browser.screenshot("guide-dusk").await?;
    browser.find("#guide-next").await?.click().await?;
    browser.find(".c-guide__act").await?.click().await?;
    browser.reads("dialog[open]", "409").await?;
    send(&browser).await?;
    browser
        .reads("#notice", "409 Conflict, as it should be")
        .await?;
    browser.find("#guide-next").await?.click().await?;
    browser.find(".c-guide__act").await?.click().await?;
    send(&browser).await?;
    browser.reads("#guide-progress", "Complete").await?;
    let data = "get configmap board -o 'jsonpath={.data.monday} {.data.tuesday}'";
    assert_eq!(cluster.kubectl(data)?, "Ann Ben");

    browser.find("#guide-present").await?.click().await?;
    browser.screenshot("guide-present-dusk").await?;
    browser.find("#guide-present").await?.click().await?;
    browser.find("#guide-reset").await?.click().await?;
    browser.reads("#guide", "Ann writes").await?;
    assert_eq!(cluster.kubectl(data)?, "free free");
    browser.find("#guide-leave").await?.click().await?;
    cluster.wait("configmap/board --for=delete")?;
    ensure!(
        browser.page.find_all(By::Css("#guide")).await?.is_empty(),
        "the guide is closed"
    );
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_is_accessible_and_fits_a_phone() -> Result<()> {
    let cluster = Cluster::start(1)?;
    for (name, theme, size) in [
        ("guide-day", Theme::Day, DESK),
        ("guide-phone-dusk", Theme::Dusk, PHONE),
    ] {
        let browser = open(&cluster, theme, size).await?;
        browser
            .find("[data-kind=node][data-name='node-1'][data-phase='Ready']")
            .await?;
        browser.find("#open-library").await?.click().await?;
        let found = browser.accessibility().await?;
        assert!(found.is_empty(), "library, {name}: {}", found.join("\n"));
        browser
            .find("[data-scenario='a-pod-is-born']")
            .await?
            .click()
            .await?;
        browser
            .find("#preview-apply:enabled")
            .await?
            .click()
            .await?;
        browser.reads("#guide", "Ask for a Pod").await?;
        let found = browser.accessibility().await?;
        assert!(found.is_empty(), "{name}: {}", found.join("\n"));
        browser.screenshot(name).await?;
        browser.close().await?;
    }
    Ok(())
}
