//! Figures of the built product: start to ready, pod create to Running, API rates, idle cost.
//!
//! Run by `cargo xtask bench`. One JSON line a figure; CPU-seconds beside wall time, because a busy machine stretches
//! only the latter.

#![expect(
    clippy::disallowed_methods,
    reason = "a bench reads the clock and waits for idle time to pass"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use client::{Interest, Request};
use e2e::Cluster;
use e2e::measure::{figure, percentile};
use io_driver::client::{Client, WatchItem, WatchStream};
use serde_json::{Value, json};
use shared::{KindRef, Revision};
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

const STARTS: usize = 5;
const PODS_ONE_BY_ONE: usize = 60;
const CREATES_PER_CLIENT: usize = 60;
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
        ("creates", creates),
    ] {
        if name.contains(&filter) {
            run(&runtime)?;
        }
    }
    Ok(())
}

/// Row 22: from the process's start to the line that says ready, empty data directory, three nodes.
fn start(_: &tokio::runtime::Runtime) -> Result<()> {
    let mut samples = Vec::new();
    for _ in 0..STARTS {
        let begin = Instant::now();
        let _cluster = Cluster::start(3)?;
        samples.push(begin.elapsed().as_secs_f64() * 1000.0);
    }
    figure(
        "start to ready, 3 nodes, empty: p50",
        percentile(&mut samples, 0.5),
        "ms",
    );
    figure(
        "start to ready, 3 nodes, empty: max",
        percentile(&mut samples, 1.0),
        "ms",
    );
    Ok(())
}

/// Row 23: memory and CPU of a cluster that nobody uses.
fn idle(_: &tokio::runtime::Runtime) -> Result<()> {
    let cluster = Cluster::start(3)?;
    let before = cluster.usage()?;
    std::thread::sleep(IDLE);
    let after = cluster.usage()?;
    let share = (after.cpu_seconds - before.cpu_seconds) / IDLE.as_secs_f64() * 100.0;
    figure("idle, 3 nodes: RSS", after.rss_bytes as f64 / 1e6, "MB");
    figure("idle, 3 nodes: CPU", share, "% of a core");
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

/// Row 5: creates of ConfigMaps and of Pods that nobody schedules, 1, 10 and 100 clients, HTTPS, durable.
fn creates(runtime: &tokio::runtime::Runtime) -> Result<()> {
    let cluster = Cluster::start(1)?;
    for clients in [1, 10, 100] {
        let before = cluster.usage()?;
        let begin = Instant::now();
        let mut samples = runtime.block_on(create_all(&cluster, clients))?;
        let seconds = begin.elapsed().as_secs_f64();
        let count = samples.len() as f64;
        let cpu = cluster.usage()?.cpu_seconds - before.cpu_seconds;
        figure(
            &format!("create pod, {clients} clients: rate"),
            count / seconds,
            "1/s",
        );
        figure(
            &format!("create pod, {clients} clients: p50"),
            percentile(&mut samples, 0.5),
            "ms",
        );
        figure(
            &format!("create pod, {clients} clients: p99"),
            percentile(&mut samples, 0.99),
            "ms",
        );
        figure(
            &format!("create pod, {clients} clients: CPU a write"),
            cpu / count * 1000.0,
            "ms",
        );
    }
    Ok(())
}

async fn create_all(cluster: &Cluster, clients: usize) -> Result<Vec<f64>> {
    let mut tasks = JoinSet::new();
    for number in 0..clients {
        let client = Arc::new(cluster.client("bench", TaskTracker::new())?);
        tasks.spawn(async move {
            let mut samples = Vec::with_capacity(CREATES_PER_CLIENT);
            for i in 0..CREATES_PER_CLIENT {
                let mut body = pod(
                    &format!("c{clients}-{number}-{i}"),
                    "glasshouse.dev/hello-http:latest",
                );
                body["spec"]["schedulerName"] = "nobody".into();
                let begin = Instant::now();
                client
                    .call(Request::create(pods_kind(), body), None)
                    .await?;
                samples.push(begin.elapsed().as_secs_f64() * 1000.0);
            }
            anyhow::Ok(samples)
        });
    }
    let mut all = Vec::new();
    while let Some(samples) = tasks.join_next().await {
        all.extend(samples??);
    }
    Ok(all)
}
