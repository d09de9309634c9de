//! Figures of the built product: start to ready, pod create to Running, idle cost.
//!
//! Run by `cargo xtask bench`. One JSON line a figure; CPU-seconds beside wall time, because a busy machine stretches
//! only the latter.

#![expect(
    clippy::disallowed_methods,
    reason = "a bench reads the clock and waits for idle time to pass"
)]

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use client::{Interest, Request};
use e2e::Cluster;
use e2e::load::{Figure, report};
use e2e::measure::{figure, percentile};
use io_driver::client::{Client, WatchItem, WatchStream};
use serde_json::{Value, json};
use shared::{KindRef, Revision};
use tokio_util::task::TaskTracker;

const STARTS: usize = 5;
const PODS_ONE_BY_ONE: usize = 60;
const IDLE: Duration = Duration::from_secs(20);

fn main() -> Result<()> {
    let filter = std::env::var("GLASSHOUSE_BENCH").unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    for (name, run) in [
        ("start", start as fn(&tokio::runtime::Runtime) -> Result<()>),
        ("idle", idle),
        ("pods", pods),
    ] {
        if name.contains(&filter) {
            run(&runtime)?;
        }
    }
    Ok(())
}

/// What kube-apiserver 1.36.2 and etcd 3.6 need without scheduler and controllers.
const REFERENCES: &[(&str, f64)] = &[
    ("start to ready, 3 nodes, empty: p50", 3950.0),
    ("idle, 3 nodes: RSS", 312.0),
];

fn beside(figure: Figure) {
    report(&[vec![figure.beside(REFERENCES)]], &[]);
}

/// Row 22: from the process's start to the line that says ready, empty data directory, three nodes.
fn start(_: &tokio::runtime::Runtime) -> Result<()> {
    let mut samples = Vec::new();
    for _ in 0..STARTS {
        let begin = Instant::now();
        let _cluster = Cluster::start(3)?;
        samples.push(begin.elapsed().as_secs_f64() * 1000.0);
    }
    for (name, share) in [("p50", 0.5), ("max", 1.0)] {
        let scenario = format!("start to ready, 3 nodes, empty: {name}");
        beside(Figure::less(
            scenario,
            percentile(&mut samples, share),
            "ms",
        ));
    }
    Ok(())
}

/// Row 23: memory and CPU of a cluster that nobody uses.
fn idle(_: &tokio::runtime::Runtime) -> Result<()> {
    let cluster = Cluster::start(3)?;
    let before = cluster.usage()?;
    std::thread::sleep(IDLE);
    let after = cluster.usage()?;
    let share = (after.cpu_seconds - before.cpu_seconds) / IDLE.as_secs_f64() * 100.0;
    let rss = after.rss_bytes as f64 / 1e6;
    beside(Figure::less("idle, 3 nodes: RSS".into(), rss, "MB"));
    beside(Figure::less(
        "idle, 3 nodes: CPU".into(),
        share,
        "% of a core",
    ));
    Ok(())
}

fn pod(name: &str, image: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
           "spec": {"containers": [{"name": "main", "image": image}]}})
}

fn pods_kind() -> KindRef {
    KindRef::new("", "v1", "pods")
}

/// Row 13: from the create request to the watch event that says Running, cached image, one pod at a time.
fn pods(runtime: &tokio::runtime::Runtime) -> Result<()> {
    let cluster = Cluster::start(3)?;
    runtime.block_on(async {
        let client = cluster.client("bench", TaskTracker::new())?;
        let mut watch = client
            .watch(Interest::all(pods_kind()), Revision(1))
            .await?;
        let mut samples = Vec::new();
        let before = cluster.usage()?;
        for i in 0..=PODS_ONE_BY_ONE {
            let name = format!("p{i}");
            let begin = Instant::now();
            client
                .call(
                    Request::create(pods_kind(), pod(&name, "glasshouse.dev/hello-http:latest")),
                    None,
                )
                .await?;
            running(&mut watch, &name).await?;
            // The first one compiles the image.
            if i > 0 {
                samples.push(begin.elapsed().as_secs_f64() * 1000.0);
            }
        }
        let cpu = cluster.usage()?.cpu_seconds - before.cpu_seconds;
        figure(
            "pod create to Running, cached image: p50",
            percentile(&mut samples, 0.5),
            "ms",
        );
        figure(
            "pod create to Running, cached image: p99",
            percentile(&mut samples, 0.99),
            "ms",
        );
        figure(
            "pod create to Running: CPU a pod",
            cpu / PODS_ONE_BY_ONE as f64 * 1000.0,
            "ms",
        );
        let rss = cluster.usage()?.rss_bytes.saturating_sub(before.rss_bytes);
        figure(
            "RSS a running pod",
            rss as f64 / PODS_ONE_BY_ONE as f64 / 1e3,
            "kB",
        );
        Ok(())
    })
}

async fn running(watch: &mut WatchStream, name: &str) -> Result<()> {
    loop {
        let item = watch.recv().await.context("the watch ended")??;
        if let WatchItem::Event(event) = item
            && event.object.name() == name
            && event.object.text("/status/phase") == "Running"
        {
            return Ok(());
        }
    }
}
