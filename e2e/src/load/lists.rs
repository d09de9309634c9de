//! Row 8: lists of 10,000 pods; row 20's unit: the memory that a stored pod takes, watch cache included.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, ensure};
use tokio::task::JoinSet;

use super::connection::Call;
use super::figures::Figure;
use super::objects;
use super::site::{Site, now};
use crate::measure::percentile;

const PODS: usize = 10_000;
const CLIENTS: usize = 50;
const SAMPLES: usize = 11;
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

const REFERENCES: &[(&str, f64)] = &[
    ("list 10,000 pods, JSON, consistent: p50", 495.0),
    ("list 10,000 pods, JSON, resourceVersion=0: p50", 389.0),
    ("list 10,000 pods, protobuf: p50", 171.0),
    ("list 10,000 pods, first page of 500: p50", 45.0),
];

/// Fills two namespaces with 10,000 pods each, and lists one of them.
///
/// # Errors
/// When a call fails.
pub async fn lists(site: &Site, other: &Site) -> Result<Vec<Figure>> {
    let before = site.usage().await?;
    for namespace in [&site.namespace, &other.namespace] {
        fill(site, namespace).await?;
    }
    let grown = site
        .usage()
        .await?
        .rss_bytes
        .saturating_sub(before.rss_bytes);
    let a_pod = grown as f64 / (2 * PODS) as f64 / 1000.0;
    let mut figures = vec![Figure::less("memory a stored pod, RSS".into(), a_pod, "kB")];
    let all = objects::pods(&site.namespace);
    for (what, path, accept) in [
        ("JSON, consistent", all.clone(), "application/json"),
        (
            "JSON, resourceVersion=0",
            format!("{all}?resourceVersion=0"),
            "application/json",
        ),
        ("protobuf", all.clone(), PROTOBUF),
        (
            "first page of 500",
            format!("{all}?limit=500"),
            "application/json",
        ),
        (
            "Table",
            all.clone(),
            "application/json;as=Table;g=meta.k8s.io;v=v1",
        ),
        (
            "field selector",
            format!("{all}?fieldSelector=spec.nodeName%3Dnone"),
            "application/json",
        ),
    ] {
        let call = Call {
            accept,
            ..Call::new("GET", path)
        };
        let (mut samples, size, cpu) = sample(site, &call).await?;
        let name = |figure: &str| format!("list 10,000 pods, {what}: {figure}");
        figures.extend([
            Figure::less(name("p50"), percentile(&mut samples, 0.5), "ms"),
            Figure::less(name("server CPU"), cpu, "ms"),
            Figure::less(name("bytes"), size / 1e6, "MB"),
        ]);
    }
    Ok(figures.into_iter().map(|f| f.beside(REFERENCES)).collect())
}

/// Times in milliseconds, bytes of an answer, CPU milliseconds an answer.
async fn sample(site: &Site, call: &Call) -> Result<(Vec<f64>, f64, f64)> {
    let mut client = site.client().await?;
    let first = client.must(call).await?;
    let before = site.usage().await?;
    let mut samples = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        let begin = now();
        let body = client.must(call).await?;
        samples.push(begin.elapsed().as_secs_f64() * 1000.0);
        // The revision that a list is of may have grown by a digit.
        ensure!(
            body.len().abs_diff(first.len()) < 8,
            "two lists of the same differ"
        );
    }
    let cpu = site.usage().await?.cpu_seconds - before.cpu_seconds;
    Ok((samples, first.len() as f64, cpu / SAMPLES as f64 * 1000.0))
}

async fn fill(site: &Site, namespace: &str) -> Result<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for mut client in site.clients(CLIENTS).await? {
        let (next, pods) = (Arc::clone(&next), objects::pods(namespace));
        tasks.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= PODS {
                    return anyhow::Ok(());
                }
                let body = objects::pod(&format!("p-{number:05}"));
                client
                    .must(&Call::new("POST", pods.as_str()).with("application/json", body))
                    .await?;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}
