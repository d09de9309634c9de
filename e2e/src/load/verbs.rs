//! Rows 5 to 7: create, get, patch, apply and delete of pods by 1 to 1,000 clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use tokio::task::JoinSet;

use super::connection::{Call, Connection};
use super::figures::Figure;
use super::objects;
use super::site::{Site, now};
use crate::measure::percentile;

/// How many clients there are, and how many pods they share.
const LOADS: [(usize, usize); 4] = [(1, 300), (10, 2000), (100, 4000), (1000, 6000)];

/// What kube-apiserver 1.36.2 with etcd 3.6 did (TLS, HTTP/2, RBAC, JSON).
const REFERENCES: &[(&str, f64)] = &[
    ("create pod, 1 client: rate", 119.0),
    ("create pod, 1 client: p50", 7.2),
    ("create pod, 1 client: p99", 28.5),
    ("create pod, 10 clients: rate", 334.0),
    ("create pod, 10 clients: p50", 26.9),
    ("create pod, 10 clients: p99", 102.0),
    ("create pod, 100 clients: rate", 622.0),
    ("create pod, 100 clients: p50", 159.0),
    ("create pod, 100 clients: p99", 415.0),
    ("create pod, 100 clients: server CPU", 2.7),
    ("get pod, 1 client: rate", 334.0),
    ("get pod, 1 client: p50", 2.9),
    ("get pod, 1 client: p99", 5.7),
    ("get pod, 100 clients: rate", 1451.0),
    ("get pod, 100 clients: p50", 65.0),
    ("get pod, 100 clients: p99", 178.0),
    ("merge patch pod, 1 client: rate", 119.0),
    ("merge patch pod, 1 client: p99", 20.0),
    ("merge patch pod, 100 clients: rate", 464.0),
    ("merge patch pod, 100 clients: p99", 509.0),
    ("apply pod, 10 clients: rate", 281.0),
    ("apply pod, 10 clients: p50", 32.0),
    ("apply pod, 10 clients: p99", 105.0),
    ("delete pod, 1 client: rate", 79.0),
    ("delete pod, 1 client: p99", 45.0),
    ("delete pod, 100 clients: rate", 427.0),
    ("delete pod, 100 clients: p99", 454.0),
];

type Make = fn(&str, &str) -> Call;

const VERBS: [(&str, Make); 6] = [
    ("create pod", |pods, name| {
        Call::new("POST", pods).with("application/json", objects::pod(name))
    }),
    ("get pod", |pods, name| {
        Call::new("GET", format!("{pods}/{name}"))
    }),
    ("merge patch pod", |pods, name| {
        Call::new("PATCH", format!("{pods}/{name}")).with(
            "application/merge-patch+json",
            objects::annotated("example.com/merged", "yes"),
        )
    }),
    ("strategic patch pod", |pods, name| {
        Call::new("PATCH", format!("{pods}/{name}")).with(
            "application/strategic-merge-patch+json",
            objects::new_image(),
        )
    }),
    ("apply pod", |pods, name| {
        Call::new("PATCH", format!("{pods}/{name}?fieldManager=applier"))
            .with("application/apply-patch+yaml", objects::applied(name))
    }),
    ("delete pod", |pods, name| {
        Call::new("DELETE", format!("{pods}/{name}?gracePeriodSeconds=0"))
    }),
];

/// Rates, times and CPU of every verb at every number of clients. Each call is about a pod of its own.
///
/// # Errors
/// When a call fails.
pub async fn verbs(site: &Site) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (count, pods) in LOADS {
        let mut clients = site.clients(count).await?;
        for (verb, make) in VERBS {
            let before = site.usage().await?;
            let begin = now();
            let (back, mut samples) = together(site, clients, pods, make).await?;
            let seconds = begin.elapsed().as_secs_f64();
            let cpu = site.usage().await?.cpu_seconds - before.cpu_seconds;
            clients = back;
            let plural = if count == 1 { "" } else { "s" };
            let name = |what: &str| format!("{verb}, {count} client{plural}: {what}");
            let calls = samples.len() as f64;
            let again: usize = clients
                .iter_mut()
                .map(|c| std::mem::take(&mut c.again))
                .sum();
            figures.extend([
                Figure::more(name("rate"), calls / seconds, "1/s"),
                Figure::less(name("p50"), percentile(&mut samples, 0.5), "ms"),
                Figure::less(name("p99"), percentile(&mut samples, 0.99), "ms"),
                Figure::less(name("server CPU"), cpu / calls * 1000.0, "ms"),
            ]);
            if again > 0 {
                let share = again as f64 / calls * 100.0;
                figures.push(Figure::less(name("refused with 429"), share, "%"));
            }
        }
    }
    Ok(figures.into_iter().map(|f| f.beside(REFERENCES)).collect())
}

/// All clients take the next pod until there are none; answers the clients and each call's time in milliseconds.
async fn together(
    site: &Site,
    clients: Vec<Connection>,
    pods: usize,
    make: Make,
) -> Result<(Vec<Connection>, Vec<f64>)> {
    let (next, count) = (Arc::new(AtomicUsize::new(0)), clients.len());
    let collection: Arc<str> = objects::pods(&site.namespace).into();
    let mut tasks = JoinSet::new();
    for mut client in clients {
        let (next, collection) = (Arc::clone(&next), Arc::clone(&collection));
        tasks.spawn(async move {
            let mut samples = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= pods {
                    return anyhow::Ok((client, samples));
                }
                let call = make(&collection, &format!("c{count}-{number:05}"));
                let begin = now();
                client.must(&call).await?;
                samples.push(begin.elapsed().as_secs_f64() * 1000.0);
            }
        });
    }
    let (mut clients, mut samples) = (Vec::new(), Vec::new());
    while let Some(done) = tasks.join_next().await {
        let (client, more) = done??;
        clients.push(client);
        samples.extend(more);
    }
    Ok((clients, samples))
}
