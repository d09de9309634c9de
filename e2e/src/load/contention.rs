//! Row 10: many writers count on one object. Every success must be in the final count.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::connection::{Call, Connection};
use super::figures::Figure;
use super::objects;
use super::site::{Site, now};

/// Successes to reach.
const SUCCESSES: usize = 300;
const WRITERS: [usize; 3] = [1, 10, 50];

const REFERENCES: &[(&str, f64)] = &[
    ("read, add one, update; 1 writer: successes", 115.0),
    ("read, add one, update; 10 writers: successes", 51.0),
    ("read, add one, update; 50 writers: successes", 18.0),
    ("read, add one, update; 10 writers: refused with 409", 83.1),
    ("read, add one, update; 50 writers: refused with 409", 95.6),
];

/// Successes a second and the share of conflicts.
///
/// # Errors
/// When a call fails, and when an update was lost.
pub async fn contention(site: &Site) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for writers in WRITERS {
        let name = format!("count-{writers}");
        let all = format!("/api/v1/namespaces/{}/configmaps", site.namespace);
        let path: Arc<str> = format!("{all}/{name}").into();
        let made = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"count": "0"}});
        let mut client = site.client().await?;
        client
            .must(&Call::new("POST", all).with("application/json", objects::bytes(&made)))
            .await?;
        let (done, begin) = (Arc::new(AtomicUsize::new(0)), now());
        let mut tasks = JoinSet::new();
        for client in site.clients(writers).await? {
            tasks.spawn(write(client, Arc::clone(&path), Arc::clone(&done)));
        }
        let (mut successes, mut conflicts) = (0, 0);
        while let Some(counts) = tasks.join_next().await {
            let (good, bad) = counts??;
            (successes, conflicts) = (successes + good, conflicts + bad);
        }
        let seconds = begin.elapsed().as_secs_f64();
        let count = counted(&read(&mut client, &path).await?)?;
        ensure!(
            count == successes,
            "{successes} updates succeeded, but the count says {count}"
        );
        let plural = if writers == 1 { "" } else { "s" };
        let name = |what: &str| format!("read, add one, update; {writers} writer{plural}: {what}");
        let share = conflicts as f64 / (successes + conflicts) as f64 * 100.0;
        figures.extend([
            Figure::more(name("successes"), successes as f64 / seconds, "1/s"),
            Figure::less(name("refused with 409"), share, "%"),
        ]);
    }
    Ok(figures.into_iter().map(|f| f.beside(REFERENCES)).collect())
}

/// Counts up until all together have reached the goal; answers own successes and conflicts.
async fn write(
    mut client: Connection,
    path: Arc<str>,
    done: Arc<AtomicUsize>,
) -> Result<(usize, usize)> {
    let (mut good, mut bad) = (0, 0);
    while done.load(Ordering::Relaxed) < SUCCESSES {
        let mut object = read(&mut client, &path).await?;
        let next = counted(&object)? + 1;
        object["data"]["count"] = next.to_string().into();
        let call = Call::new("PUT", &*path).with("application/json", objects::bytes(&object));
        match client.call(&call).await? {
            (200, _) => {
                good += 1;
                done.fetch_add(1, Ordering::Relaxed);
            }
            (409, _) => bad += 1,
            (code, body) => bail!("PUT {path}: {code} {}", String::from_utf8_lossy(&body)),
        }
    }
    Ok((good, bad))
}

async fn read(client: &mut Connection, path: &str) -> Result<Value> {
    let body = client.must(&Call::new("GET", path)).await?;
    Ok(serde_json::from_slice(&body)?)
}

fn counted(object: &Value) -> Result<usize> {
    let count = object.pointer("/data/count").and_then(Value::as_str);
    Ok(count.context("the object has lost its count")?.parse()?)
}
