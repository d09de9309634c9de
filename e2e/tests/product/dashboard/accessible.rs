//! The checker on what opens over and beside the main view: panels, tables, dialogs, menus, notices.

use anyhow::Result;
use e2e::Cluster;
use e2e::browser::{Browser, Theme};

use super::DESK;

#[tokio::test(flavor = "multi_thread")]
async fn panels_tables_and_dialogs_are_accessible() -> Result<()> {
    let cluster = Cluster::start(2)?;
    cluster.kubectl("run job --image=glasshouse.dev/counter-cli:latest --restart=Never")?;
    cluster.kubectl("run crash --image=glasshouse.dev/crash:latest")?;
    cluster.kubectl_with(
        "apply -f -",
        "{apiVersion: v1, kind: Pod, metadata: {name: waits}, spec: {schedulerName: by-hand, containers: [{name: main, image: nginx}]}}",
    )?;
    cluster.wait("pod/job --for=jsonpath={.status.phase}=Succeeded")?;
    cluster.wait("pod/crash --for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=CrashLoopBackOff")?;
    let mut wrong = Vec::new();
    for theme in [Theme::Dusk, Theme::Day] {
        for (query, ready, click) in [
            ("at=pods/default/job&tab=path", "#tabpanel li", ""),
            ("at=pods/default/crash&tab=now", "#tabpanel dl", ""),
            ("at=pods/default/job&tab=logs", "#log", ""),
            ("at=pods/default/job&tab=events", "#events", ""),
            ("at=pods/default/job&tab=yaml", "#yaml", ""),
            ("at=nodes/node-1&tab=now", "#node-stop", "#node-stop"),
            ("at=pods/default/waits", "#place", "#place"),
            ("component=kube-apiserver&tab=now", "#tabpanel", ""),
            ("table=pods", "tr[data-name='job']", ""),
            ("", "#help", "#help"),
            ("", "#copy-link", "#copy-link"),
            (
                "",
                "[data-kind=object][data-name='Service']",
                "[data-kind=object][data-name='Service']",
            ),
            ("", "[data-kind=workload]", "[data-kind=workload]"),
        ] {
            let at = format!("{}/?{query}", cluster.ready.dashboard);
            let browser = Browser::open(&at, theme, DESK.0, DESK.1).await?;
            browser.find(ready).await?;
            if !click.is_empty() {
                browser.find(click).await?.click().await?;
                browser.find("dialog[open], [role=menu]").await?;
            }
            let found = browser.accessibility().await?;
            wrong.extend(
                found
                    .into_iter()
                    .map(|v| format!("{theme:?} {query} {click}: {v}")),
            );
            browser.close().await?;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
