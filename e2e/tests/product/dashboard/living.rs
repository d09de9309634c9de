//! The house as a living thing: one's own action is followed and played again, writes show what they changed, the
//! page goes back in time and compares, the drawing is zoomed.

use anyhow::{Context, Result};
use e2e::Cluster;
use e2e::browser::{Browser, Theme};
use thirtyfour::Key;

use super::{DESK, open, pod_css};

const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: told}, spec: {containers: [{name: main, image: nginx}]}}";

async fn press(browser: &Browser, css: &str) -> Result<()> {
    browser.find(css).await?.click().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_action_is_followed_and_played_step_by_step() -> Result<()> {
    let cluster = Cluster::start(2)?;
    let browser = open(&cluster, Theme::Dusk, DESK).await?;
    browser
        .reads("[data-kind=node][data-name='node-2']", "Ready")
        .await?;
    press(&browser, "#follow").await?;
    cluster.kubectl_with("apply -f -", POD)?;
    browser.reads("#panel-title", "One request").await?;
    browser
        .reads("#tabpanel", "kubectl asked to create")
        .await?;
    cluster.wait("pod/told --for=condition=Ready")?;

    press(&browser, "#replay-step").await?;
    press(&browser, "#replay-next").await?;
    browser
        .find(".c-steps li[aria-current=step][data-played=now]")
        .await?;
    browser.screenshot("replay-dusk").await?;
    press(&browser, "#replay-end").await?;

    press(&browser, ".c-steps [data-component=etcd] summary").await?;
    press(
        &browser,
        ".c-steps [data-component=etcd] details:last-of-type summary",
    )
    .await?;
    browser.find(".c-diff [data-line=added]").await?;
    let violations = browser.accessibility().await?;
    assert!(violations.is_empty(), "{}", violations.join("\n"));
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_applied_pods_story_begins_with_the_write() -> Result<()> {
    let cluster = Cluster::start(1)?;
    cluster.kubectl_with("apply -f -", POD)?;
    cluster.wait("pod/told --for=condition=Ready")?;
    let browser = open(&cluster, Theme::Day, DESK).await?;
    press(&browser, &pod_css("told", "Running")).await?;
    browser.reads("#tabpanel", "It was running").await?;
    let first = browser
        .find(".c-steps li:first-child .c-step__text")
        .await?;
    assert_eq!(first.text().await?, "POST pods/told");
    // What components lose to each other and try again is no failure.
    press(&browser, "#panel-close").await?;
    browser.find("#recent li").await?;
    let red = browser
        .run("return [...document.querySelectorAll('#recent [data-ending=refused]')].map(e => e.innerText)")
        .await?;
    assert_eq!(red, serde_json::json!([]));
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_goes_back_in_time_compares_and_returns() -> Result<()> {
    let cluster = Cluster::start(1)?;
    let browser = open(&cluster, Theme::Dusk, DESK).await?;
    cluster.kubectl_with("apply -f -", POD)?;
    browser.find(&pod_css("told", "Running")).await?;
    cluster.kubectl("delete pod told --now")?;
    let gone = "return document.querySelector(\"[data-kind=pod][data-name='told']\") === null";
    for _ in 0..40 {
        press(&browser, "#revision-back").await?;
        browser.reads(".c-ribbon", "As of revision").await?;
        if browser.run(gone).await? == false {
            break;
        }
    }
    assert_eq!(
        browser.run(gone).await?,
        false,
        "the deleted pod is seen in the past"
    );
    browser.screenshot("past-dusk").await?;
    press(&browser, "#compare").await?;
    browser.reads(".c-compare", "pods/told").await?;
    browser
        .find(".c-modal")
        .await?
        .send_keys(Key::Escape + "")
        .await?;
    press(&browser, "#present").await?;
    let ribbon = browser
        .run("return document.querySelector('.c-ribbon') === null")
        .await?;
    assert_eq!(ribbon, true);
    assert_eq!(browser.run(gone).await?, true);
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn zooming_moves_nothing_and_ends_where_it_began() -> Result<()> {
    let cluster = Cluster::start(3)?;
    let browser = open(&cluster, Theme::Dusk, DESK).await?;
    browser
        .reads("[data-kind=node][data-name='node-3']", "Ready")
        .await?;
    let places = "return [...document.querySelectorAll('[data-kind=node]')].map(e => e.offsetLeft + ' ' + e.offsetTop)";
    let before = browser.run(places).await?;
    browser.find("body").await?.send_keys("+").await?;
    browser.reads("#zoom-reset", "135 %").await?;
    assert_eq!(browser.run(places).await?, before);
    press(&browser, "#zoom-in").await?;
    browser.reads("#zoom-reset", "182 %").await?;
    browser.find("body").await?.send_keys("0").await?;
    browser.reads("#zoom-reset", "100 %").await?;
    press(
        &browser,
        "[data-kind=component][data-name='kube-scheduler'] button",
    )
    .await?;
    press(&browser, "#tab-now").await?;
    let home = browser.find("#lives-in").await?.text().await?;
    assert!(home.ends_with("scheduler"), "{home}");
    browser
        .find("[data-kind=namespace][data-name='default']")
        .await
        .context("the beam shows namespaces")?;
    browser.close().await
}
