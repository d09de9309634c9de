//! Figures of the store: `cargo bench -p store`. Prints one JSON object a line and judges nothing.
//!
//! `GLASSHOUSE_BENCH_DIR` names the directory for durable scenarios, so that the disk measured is the one meant.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]
#![allow(clippy::disallowed_methods, reason = "a bench reads the host's clock")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot run should stop")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use io_disk::{Committer, Handle, Options};
use shared::{Millis, Revision};
use store::{Record, Store, Txn, image};

/// As etcd's own benchmark puts.
const SMALL: usize = 256;
/// A pod of the reference load, in bytes.
const POD: usize = 1600;

fn print(scenario: &str, value: f64, unit: &str) {
    println!(r#"{{"scenario":"{scenario}","value":{value:.3},"unit":"{unit}"}}"#);
}

fn key(n: usize) -> String {
    format!("/registry/pods/namespace-{}/pod-{n:08}", n % 100)
}

fn per_second(n: usize, took: Duration) -> f64 {
    n as f64 / took.as_secs_f64()
}

fn micros(took: Duration, n: usize) -> f64 {
    took.as_secs_f64() * 1e6 / n as f64
}

fn filled(keys: usize, value: usize) -> (Store, Vec<Record>) {
    let (mut store, mut records) = (Store::new(), Vec::new());
    for n in 0..keys {
        let made = store
            .commit(Txn::create(key(n), vec![b'v'; value]))
            .unwrap();
        records.extend(made.record());
    }
    (store, records)
}

fn puts_in_memory() {
    for (name, snapshots) in [
        ("alone", usize::MAX),
        ("snapshot each", 1),
        ("snapshot per 100", 100),
    ] {
        let (mut store, _) = filled(100_000, SMALL);
        let value = Bytes::from(vec![b'w'; SMALL]);
        let (n, mut held) = (200_000, store.snapshot());
        let began = Instant::now();
        for i in 0..n {
            store
                .commit(Txn::put(key(i * 7919 % 100_000), value.clone()))
                .unwrap();
            if i % snapshots == 0 {
                held = store.snapshot();
            }
        }
        let took = began.elapsed();
        assert!(held.revision() <= store.revision());
        print(
            &format!("put 256 B in memory, 100k keys, {name}"),
            micros(took, n),
            "us/put",
        );
    }
}

fn reads() {
    let (store, _) = filled(100_000, POD);
    let snapshot = store.snapshot();
    let n = 2000;
    let began = Instant::now();
    for i in 0..n {
        let page = snapshot.range(
            &format!("/registry/pods/namespace-{}/", i % 100),
            None,
            1000,
        );
        assert_eq!(page.items.len(), 1000);
    }
    print(
        "range 1000 of 100k keys",
        micros(began.elapsed(), n),
        "us/range",
    );
    let began = Instant::now();
    for i in 0..200_000 {
        assert!(snapshot.get(&key(i * 7919 % 100_000)).is_some());
    }
    print(
        "get of 100k keys",
        micros(began.elapsed(), 200_000),
        "us/get",
    );
    let began = Instant::now();
    for _ in 0..1_000_000 {
        std::hint::black_box(store.snapshot());
    }
    print(
        "snapshot",
        micros(began.elapsed(), 1_000_000) * 1000.0,
        "ns/snapshot",
    );
    let back = Revision(store.revision().0 - 10_000);
    let began = Instant::now();
    for _ in 0..50 {
        let page = snapshot
            .range_at("/registry/pods/namespace-1/", None, 500, back)
            .unwrap();
        assert_eq!(page.items.len(), 500);
    }
    print(
        "range 500 at 10k revisions ago",
        micros(began.elapsed(), 50),
        "us/range",
    );
    let began = Instant::now();
    for i in 0..10_000_u64 {
        let from = Revision(store.revision().0 - 10 - i % 10);
        assert!(
            !snapshot
                .events_after("/registry/pods/", from, 100)
                .unwrap()
                .is_empty()
        );
    }
    print(
        "events of the last 10-20 revisions",
        micros(began.elapsed(), 10_000),
        "us/read",
    );
}

fn recovery() {
    let (store, records) = filled(150_000, POD);
    let began = Instant::now();
    let mut copy = Store::new();
    for record in &records {
        copy.apply_record(record).unwrap();
    }
    print(
        "replay 150k records",
        began.elapsed().as_secs_f64() * 1e3,
        "ms",
    );
    let mut file = Vec::new();
    let began = Instant::now();
    image::encode(
        &store.snapshot(),
        |part| -> Result<(), store::frame::FrameError> {
            file.extend_from_slice(part);
            Ok(())
        },
    )
    .unwrap();
    print(
        "encode image of 150k pods",
        began.elapsed().as_secs_f64() * 1e3,
        "ms",
    );
    print("image of 150k pods", file.len() as f64 / 1e6, "MB");
    let began = Instant::now();
    assert_eq!(image::decode(&file).unwrap().revision(), store.revision());
    print(
        "decode image of 150k pods",
        began.elapsed().as_secs_f64() * 1e3,
        "ms",
    );
}

fn options() -> Options {
    let began = Instant::now();
    let now = move || Millis(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    Options::new(Arc::new(now))
}

/// `clients` tasks put for `span`; returns each put's latency.
async fn load(handle: &Handle, clients: usize, span: Duration) -> Vec<Duration> {
    let mut tasks = tokio::task::JoinSet::new();
    let end = Instant::now() + span;
    for client in 0..clients {
        let handle = handle.clone();
        tasks.spawn(async move {
            let value = Bytes::from(vec![b'v'; SMALL]);
            let mut took = Vec::new();
            while Instant::now() < end {
                let began = Instant::now();
                let n = client * 100_000 + took.len();
                handle
                    .commit(Txn::put(key(n), value.clone()))
                    .await
                    .unwrap();
                took.push(began.elapsed());
            }
            took
        });
    }
    let mut all = Vec::new();
    while let Some(done) = tasks.join_next().await {
        all.extend(done.unwrap());
    }
    all.sort_unstable();
    all
}

async fn group_commit(dir: Option<&Path>) {
    let kind = if dir.is_some() {
        "durable"
    } else {
        "committer without a disk"
    };
    for clients in [1, 100, 1000] {
        let committer = match dir {
            Some(dir) => {
                let _ = std::fs::remove_dir_all(dir);
                Committer::start(dir, options()).unwrap()
            }
            None => Committer::in_memory(options()).unwrap(),
        };
        let began = Instant::now();
        let took = load(&committer.handle(), clients, Duration::from_secs(3)).await;
        let rate = per_second(took.len(), began.elapsed());
        let scenario = format!("put 256 B, {kind}, {clients} clients");
        print(&scenario, rate, "put/s");
        let p99 = took.get(took.len() * 99 / 100).copied().unwrap_or_default();
        print(&format!("{scenario}, p99"), p99.as_secs_f64() * 1e3, "ms");
        committer.close().await;
    }
}

fn reopen(dir: &Path) {
    let began = Instant::now();
    let (log, store) = io_disk::Log::open(dir, options().log).unwrap();
    let took = began.elapsed().as_secs_f64();
    let thousands = store.index() as f64 / 1e5;
    print(
        "reopen after the load, per 100k records",
        took * 1e3 / thousands,
        "ms",
    );
    drop(log);
    let _ = std::fs::remove_dir_all(dir);
    let began = Instant::now();
    drop(io_disk::Log::open(dir, options().log).unwrap());
    print(
        "open an empty directory",
        began.elapsed().as_secs_f64() * 1e3,
        "ms",
    );
    let _ = std::fs::remove_dir_all(dir);
}

fn main() {
    let dir =
        std::env::var_os("GLASSHOUSE_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = dir.join(format!("glasshouse-store-bench-{}", std::process::id()));
    puts_in_memory();
    reads();
    recovery();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(group_commit(None));
    runtime.block_on(group_commit(Some(&dir)));
    reopen(&dir);
}
