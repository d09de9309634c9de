//! Row 9: one change seen by many watchers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::task::JoinSet;

use super::connection::{Call, Connection, pause};
use super::figures::Figure;
use super::objects::{self, LABEL, SENT};
use super::site::{Site, now};
use crate::measure::percentile;

/// Watchers, writers, and writes a second of all writers together; 0 is as fast as answers come.
const LOADS: [(usize, usize, u32); 5] = [
    (1, 1, 0),
    (10, 1, 0),
    (100, 4, 0),
    (1000, 4, 0),
    (1000, 1, 50),
];
/// How long the writers write.
const WRITE_FOR: Duration = Duration::from_secs(4);
/// How long the watchers may take to see the last write.
const DRAIN_MAX: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// One watcher in so many keeps times, so that keeping them costs the machine little.
const TIMED_EVERY: usize = 10;

const REFERENCES: &[(&str, f64)] = &[
    ("watch, 1 watcher, 1 writer: deliveries", 137.0),
    ("watch, 1 watcher, 1 writer: p50", 5.7),
    ("watch, 1 watcher, 1 writer: p99", 23.6),
    ("watch, 10 watchers, 1 writer: deliveries", 1404.0),
    ("watch, 10 watchers, 1 writer: p50", 6.6),
    ("watch, 10 watchers, 1 writer: p99", 16.0),
    ("watch, 100 watchers, 4 writers: deliveries", 14_431.0),
    ("watch, 100 watchers, 4 writers: p50", 32.0),
    ("watch, 100 watchers, 4 writers: p99", 77.0),
    ("watch, 1000 watchers, 4 writers: deliveries", 29_402.0),
    ("watch, 1000 watchers, 4 writers: p50", 164.0),
    ("watch, 1000 watchers, 4 writers: p99", 353.0),
];

/// What the watchers have seen.
#[derive(Default)]
struct Seen {
    events: AtomicU64,
    is_over: AtomicBool,
}

/// Deliveries a second and the time from a patch being sent to its event being seen.
///
/// # Errors
/// When a call fails, or an event is not delivered to every watcher.
pub async fn watches(site: &Site) -> Result<Vec<Figure>> {
    let pods = objects::pods(&site.namespace);
    let mut client = site.client().await?;
    for number in 0..4 {
        let call = Call::new("POST", pods.as_str());
        client
            .must(&call.with("application/json", objects::pod(&format!("w-{number}"))))
            .await?;
    }
    let mut figures = Vec::new();
    for load in LOADS {
        figures.extend(one(site, load).await?);
    }
    Ok(figures.into_iter().map(|f| f.beside(REFERENCES)).collect())
}

async fn one(site: &Site, (watchers, writers, pace): (usize, usize, u32)) -> Result<Vec<Figure>> {
    let seen = Arc::new(Seen::default());
    let mut watching = JoinSet::new();
    for (number, client) in site.clients(watchers).await?.into_iter().enumerate() {
        let (client, body) = watch(site, client).await?;
        let timed = (number % TIMED_EVERY == 0).then_some(site.begin);
        watching.spawn(follow(client, body, Arc::clone(&seen), timed));
    }
    let before = site.usage().await?;
    let begin = now();
    let mut writing = JoinSet::new();
    for (number, client) in site.clients(writers).await?.into_iter().enumerate() {
        let path = format!("{}/w-{number}", objects::pods(&site.namespace));
        let every =
            (pace > 0).then(|| Duration::from_secs(1) * u32::try_from(writers).unwrap_or(1) / pace);
        writing.spawn(write(client, path, site.begin, every));
    }
    let mut writes = 0;
    while let Some(count) = writing.join_next().await {
        writes += count??;
    }
    let want = writes * watchers as u64;
    while seen.events.load(Ordering::Relaxed) < want {
        ensure!(
            begin.elapsed() < WRITE_FOR + DRAIN_MAX,
            "of {want} deliveries only {} came",
            seen.events.load(Ordering::Relaxed)
        );
        pause(LOOK_EVERY).await;
    }
    let seconds = begin.elapsed().as_secs_f64();
    let cpu = site.usage().await?.cpu_seconds - before.cpu_seconds;
    seen.is_over.store(true, Ordering::Relaxed);
    // One more event, so that every watcher looks up and finds that it is over.
    let path = format!("{}/w-0", objects::pods(&site.namespace));
    let mut client = site.client().await?;
    client.must(&patch(&path, "over")).await?;
    let mut samples = Vec::new();
    while let Some(times) = watching.join_next().await {
        samples.extend(times??);
    }
    let delivered = want as f64;
    let many =
        |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let paced = if pace == 0 {
        String::new()
    } else {
        format!(" at {pace} writes/s")
    };
    let name = |what: &str| {
        format!(
            "watch, {}, {}{paced}: {what}",
            many(watchers, "watcher"),
            many(writers, "writer")
        )
    };
    Ok(vec![
        Figure::more(name("deliveries"), delivered / seconds, "1/s"),
        Figure::less(name("p50"), percentile(&mut samples, 0.5), "ms"),
        Figure::less(name("p99"), percentile(&mut samples, 0.99), "ms"),
        Figure::less(name("server CPU"), cpu / delivered * 1e6, "us"),
    ])
}

/// Opens a watch by label from now on.
async fn watch(site: &Site, mut client: Connection) -> Result<(Connection, Incoming)> {
    let pods = objects::pods(&site.namespace);
    let page = client
        .must(&Call::new("GET", format!("{pods}?limit=1")))
        .await?;
    let list: serde_json::Value = serde_json::from_slice(&page)?;
    let revision = list
        .pointer("/metadata/resourceVersion")
        .and_then(|v| v.as_str())
        .context("a list without resourceVersion")?;
    let path = format!("{pods}?watch=1&labelSelector={LABEL}%3Dbench&resourceVersion={revision}");
    let response = client.send(&Call::new("GET", path)).await?;
    ensure!(
        response.status() == 200,
        "a watch was refused: {}",
        response.status()
    );
    Ok((client, response.into_body()))
}

/// Counts events until it is over; the times are from the patch being sent to the event being seen.
async fn follow(
    client: Connection,
    mut body: Incoming,
    seen: Arc<Seen>,
    timed: Option<Instant>,
) -> Result<Vec<f64>> {
    let (mut line, mut times) = (Vec::new(), Vec::new());
    while !seen.is_over.load(Ordering::Relaxed) {
        let frame = body.frame().await.context("a watch ended")??;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let ends = memchr::memchr_iter(b'\n', &data).count();
        let Some(begin) = timed else {
            seen.events.fetch_add(ends as u64, Ordering::Relaxed);
            continue;
        };
        let at = begin.elapsed();
        for piece in data.split_inclusive(|b| *b == b'\n') {
            line.extend_from_slice(piece);
            if line.ends_with(b"\n") {
                if let Some(sent) = sent_us(&line) {
                    times.push(at.as_secs_f64() * 1000.0 - sent / 1000.0);
                }
                line.clear();
            }
        }
        seen.events.fetch_add(ends as u64, Ordering::Relaxed);
    }
    drop(client);
    Ok(times)
}

/// When the event's patch was sent, in microseconds.
fn sent_us(line: &[u8]) -> Option<f64> {
    let key = format!("\"{SENT}\":\"");
    let at = memchr::memmem::find(line, key.as_bytes())? + key.len();
    let rest = line.get(at..)?;
    let end = memchr::memchr(b'"', rest)?;
    std::str::from_utf8(rest.get(..end)?).ok()?.parse().ok()
}

fn patch(path: &str, sent: &str) -> Call {
    Call::new("PATCH", path).with(
        "application/merge-patch+json",
        objects::annotated(SENT, sent),
    )
}

/// Patches one pod for a while; answers how often.
async fn write(
    mut client: Connection,
    path: String,
    zero: Instant,
    every: Option<Duration>,
) -> Result<u64> {
    let (begin, mut count) = (now(), 0);
    while begin.elapsed() < WRITE_FOR {
        let sent = zero.elapsed().as_micros().to_string();
        client.must(&patch(&path, &sent)).await?;
        count += 1;
        if let Some(every) = every {
            let due = every * count;
            pause(due.saturating_sub(begin.elapsed())).await;
        }
    }
    Ok(u64::from(count))
}

#[cfg(test)]
mod tests {
    use super::sent_us;

    #[test]
    fn an_event_tells_when_its_patch_was_sent() {
        for (line, want) in [
            (
                r#"{"annotations":{"bench-sent-us":"120"},"m":{"f:bench-sent-us":{}}}"#,
                Some(120.0),
            ),
            (r#"{"f:bench-sent-us":{}}"#, None),
            (r#"{"bench-sent-us":"x"}"#, None),
        ] {
            assert_eq!(sent_us(line.as_bytes()), want, "{line}");
        }
    }
}
