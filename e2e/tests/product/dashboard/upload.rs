//! Uploading as people do it: a file dropped on the page becomes an image and, with one click, a running pod.

use std::fs;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::Cluster;
use e2e::browser::{Browser, Theme};

use super::{DESK, open, pod_css, send, workload};

/// Drops a file on the middle of the page, as the browser reports it.
async fn drop_file(browser: &Browser, name: &str, content: &[u8]) -> Result<()> {
    let encoded = STANDARD.encode(content);
    browser
        .run(&format!(
            "const bytes = Uint8Array.from(atob('{encoded}'), c => c.charCodeAt(0));
             const data = new DataTransfer(); data.items.add(new File([bytes], '{name}'));
             for (const type of ['dragover', 'drop'])
                document.querySelector('main').dispatchEvent(new DragEvent(type, {{dataTransfer: data, bubbles: true, cancelable: true, clientX: 500, clientY: 500}}));"
        ))
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_file_runs_as_a_pod() -> Result<()> {
    let cluster = Cluster::start(1)?;
    let browser = open(&cluster, Theme::Dusk, DESK).await?;
    browser
        .find("[data-kind=node][data-name='node-1'][data-phase='Ready']")
        .await?;
    drop_file(&browser, "broken.wasm", b"\0asm\x01\0\0\0\xff").await?;
    browser.reads("#notice", "broken.wasm").await?;
    assert!(
        browser
            .page
            .find_all(thirtyfour::By::Css("[data-uploaded=true]"))
            .await?
            .is_empty()
    );

    drop_file(
        &browser,
        "My Counter.wasm",
        &fs::read(workload("counter-cli.wasm")?)?,
    )
    .await?;
    browser
        .find("[data-kind=workload][data-uploaded=true]")
        .await?;
    browser.find("#new-create").await?.click().await?;
    send(&browser).await?;
    let pod = "my-counter";
    cluster.wait(&format!(
        "pod/{pod} --for=jsonpath={{.status.phase}}=Succeeded"
    ))?;
    browser.find(&pod_css(pod, "Completed")).await?;
    assert!(
        cluster
            .kubectl(&format!("logs {pod}"))?
            .contains("counted to 5")
    );
    browser.close().await
}
