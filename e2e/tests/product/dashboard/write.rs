//! Writing by hand: YAML that is judged while one types, undo, three versions at a conflict, marked rows, a console,
//! a shell.

use anyhow::Result;
use e2e::Cluster;
use e2e::browser::{Browser, Theme};
use thirtyfour::Key;

use super::{DESK, open, pod_css, send};

/// Replaces the text of an editor as a paste does.
async fn paste(browser: &Browser, css: &str, text: &str) -> Result<()> {
    browser.find(css).await?;
    let script = format!(
        "const area = document.querySelector({css:?}); area.focus(); area.select();
         document.execCommand('insertText', false, {text:?});"
    );
    browser.run(&script).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn yaml_is_judged_before_it_is_sent_and_a_write_is_taken_back() -> Result<()> {
    let cluster = Cluster::start(1)?;
    let browser = open(&cluster, Theme::Dusk, DESK).await?;
    browser
        .find("[data-name='node-1'][data-phase='Ready']")
        .await?;
    browser.find("#open-paste").await?.click().await?;
    let bad = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: Bad\nspec:\n  containers:\n  - name: web\n    image: nginx\n";
    paste(&browser, "#paste-yaml", bad).await?;
    browser.find("#paste-check").await?.click().await?;
    browser.reads("#paste-yaml-complaints", "line 4").await?;
    browser.screenshot("paste-dusk").await?;
    let found = browser.accessibility().await?;
    assert!(found.is_empty(), "{}", found.join("\n"));
    paste(&browser, "#paste-yaml", &bad.replace("Bad", "good")).await?;
    browser.find("#paste-create").await?.click().await?;
    cluster.wait("pod/good --for=condition=Ready")?;
    browser.find("#undo").await?.click().await?;
    cluster.wait("pod/good --for=delete")?;

    browser
        .find("[data-kind=node][data-name='node-1'] .c-node__open")
        .await?
        .click()
        .await?;
    browser.find("#node-taint").await?.click().await?;
    browser.find("#mark-apply").await?.click().await?;
    send(&browser).await?;
    cluster.wait("node/node-1 --for=jsonpath={.spec.taints[0].key}=dedicated")?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn three_versions_are_shown_when_somebody_else_was_faster() -> Result<()> {
    let cluster = Cluster::start(1)?;
    cluster.kubectl("create configmap board --from-literal=day=free")?;
    let at = format!(
        "{}/?at=configmaps/default/board&tab=yaml",
        cluster.ready.dashboard
    );
    let browser = Browser::open(&at, Theme::Day, DESK.0, DESK.1).await?;
    browser.reads("#yaml", "free").await?;
    browser.find("#yaml-edit").await?.click().await?;
    cluster.kubectl("patch configmap board -p '{\"data\":{\"night\":\"Ann\"}}'")?;
    browser.find("#yaml-text").await?;
    let text = browser
        .run("return document.querySelector('#yaml-text').value")
        .await?;
    let mine = text.as_str().unwrap_or_default().replace("free", "Ben");
    paste(&browser, "#yaml-text", &mine).await?;
    browser.find("#yaml-save").await?.click().await?;
    browser.reads("#yaml-conflict", "What they changed").await?;
    browser.reads("#yaml-conflict", "Ann").await?;
    browser.screenshot("conflict-day").await?;
    let found = browser.accessibility().await?;
    assert!(found.is_empty(), "{}", found.join("\n"));
    browser.find("#yaml-merge").await?.click().await?;
    browser.find("#yaml-save").await?.click().await?;
    browser.reads("#yaml", "Ben").await?;
    assert_eq!(
        cluster.kubectl("get configmap board -o 'jsonpath={.data.day} {.data.night}'")?,
        "Ben Ann",
        "both changes are kept"
    );
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_filtered_marked_and_deleted_and_any_kind_has_a_table() -> Result<()> {
    let cluster = Cluster::start(1)?;
    for name in ["a", "b", "c"] {
        cluster.kubectl(&format!("create configmap map-{name} --from-literal=k=v"))?;
        cluster.kubectl(&format!("label configmap map-{name} tier={name}"))?;
    }
    let at = format!("{}/?table=configmaps", cluster.ready.dashboard);
    let browser = Browser::open(&at, Theme::Dusk, DESK.0, DESK.1).await?;
    browser.find("tr[data-name='map-a']").await?;
    browser
        .find("#table-filter")
        .await?
        .send_keys("map- tier!=c")
        .await?;
    browser.reads("#table-count", "2 rows").await?;
    for name in ["map-a", "map-b"] {
        let css = format!("tr[data-name='{name}'] th button");
        browser.find(&css).await?.focus().await?;
        browser.find(&css).await?.send_keys(" ").await?;
    }
    browser.screenshot("table-marked-dusk").await?;
    let found = browser.accessibility().await?;
    assert!(found.is_empty(), "{}", found.join("\n"));
    browser.find("#delete-marked").await?.click().await?;
    send(&browser).await?;
    cluster.wait("configmap/map-a configmap/map-b --for=delete")?;
    assert!(
        cluster
            .kubectl("get configmap map-c -o name")?
            .contains("map-c")
    );

    let at = format!("{}/?table=clusterroles", cluster.ready.dashboard);
    browser.page.goto(&at).await?;
    browser.find("tr[data-name='cluster-admin']").await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_shows_each_request_and_a_shell_runs_in_a_container() -> Result<()> {
    let cluster = Cluster::start(1)?;
    cluster.kubectl("run box --image=busybox --command -- sleep 10000")?;
    cluster.wait("pod/box --for=condition=Ready")?;
    let browser = open(&cluster, Theme::Day, DESK).await?;
    browser.find("body").await?.send_keys(":").await?;
    let line = browser.find("#console-line").await?;
    line.send_keys("get pods" + Key::Enter).await?;
    browser
        .reads("#console", "/api/v1/namespaces/default/pods")
        .await?;
    browser.reads("#console", "box").await?;
    line.send_keys("get unicorns" + Key::Enter).await?;
    browser
        .reads("#console", "doesn't have a resource type")
        .await?;
    browser.screenshot("console-day").await?;
    let found = browser.accessibility().await?;
    assert!(found.is_empty(), "{}", found.join("\n"));
    line.send_keys(Key::Escape + "").await?;

    browser
        .find(&pod_css("box", "Running"))
        .await?
        .click()
        .await?;
    browser.find("#tab-shell").await?.click().await?;
    browser.find("#shell-start").await?.click().await?;
    let line = browser.find("#shell-line").await?;
    line.send_keys("echo hello from $HOSTNAME" + Key::Enter)
        .await?;
    browser.reads("#shell", "hello from box").await?;
    browser.screenshot("shell-day").await?;
    browser.close().await
}
