//! The committer: what it acknowledges is durable, what it publishes is durable, and it says no in the right words.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are tests"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use io_disk::{CommitError, Committer, FaultDisk, LogOptions, Options, Refused};
use shared::{Millis, Revision};
use store::{LeaseId, Retention, Store, Txn, TxnError};

/// Options with a clock that the test moves.
fn options() -> (Options, Arc<AtomicU64>) {
    let now = Arc::new(AtomicU64::new(1_000_000));
    let clock = now.clone();
    let mut options = Options::new(Arc::new(move || Millis(clock.load(Ordering::Relaxed))));
    options.log = LogOptions {
        segment_bytes: 20_000,
        reserve_bytes: 5000,
    };
    options.image_after_bytes = 50_000;
    (options, now)
}

fn start(disk: &FaultDisk) -> Committer {
    Committer::start_on(Arc::new(disk.clone()), options().0).unwrap()
}

/// `writers` tasks put `each` keys of their own; returns what was acknowledged, with its revision.
async fn write(
    committer: &Committer,
    round: u64,
    writers: usize,
    each: usize,
) -> (BTreeSet<(u64, String)>, Vec<CommitError>) {
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..writers {
        let handle = committer.handle();
        tasks.spawn(async move {
            let (mut acknowledged, mut refused) = (Vec::new(), Vec::new());
            for n in 0..each {
                let key = format!("/r{round}/w{writer}/{n}");
                match handle
                    .commit(Txn::create(key.clone(), vec![b'v'; 100]))
                    .await
                {
                    Ok(committed) => {
                        assert!(handle.snapshot().revision() >= committed.revision);
                        assert!(handle.snapshot().get(&key).is_some(), "read your writes");
                        acknowledged.push((committed.revision.0, key));
                    }
                    Err(error) => refused.push(error),
                }
            }
            (acknowledged, refused)
        });
    }
    let (mut all, mut refused) = (BTreeSet::new(), Vec::new());
    while let Some(done) = tasks.join_next().await {
        let (acknowledged, errors) = done.unwrap();
        all.extend(acknowledged);
        refused.extend(errors);
    }
    (all, refused)
}

#[tokio::test]
async fn writers_share_syncs_and_every_write_has_its_own_revision() {
    let disk = FaultDisk::new();
    let committer = start(&disk);
    let before = disk.syncs();
    let (acknowledged, refused) = write(&committer, 0, 50, 20).await;
    assert_eq!((acknowledged.len(), refused.len()), (1000, 0));
    let revisions: BTreeSet<u64> = acknowledged.iter().map(|(revision, _)| *revision).collect();
    assert_eq!(revisions, (2..=1001).collect());
    let syncs = disk.syncs() - before;
    assert!(syncs < 700, "{syncs} syncs for 1000 writes");
    committer.close().await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_power_cuts() {
    let disk = FaultDisk::new();
    let mut expected = BTreeSet::<(u64, String)>::new();
    for round in 0..12 {
        let committer = start(&disk);
        let snapshot = committer.handle().snapshot();
        for (revision, key) in &expected {
            let kv = snapshot.get(key).unwrap_or_else(|| panic!("{key} is lost"));
            assert_eq!(kv.mod_revision.0, *revision);
        }
        // The process dies somewhere in the middle of the load.
        disk.die_at(20 + round * 37);
        let (acknowledged, _) = write(&committer, round, 8, 40).await;
        expected.extend(acknowledged);
        disk.crash(round);
        committer.close().await;
    }
    assert!(expected.len() > 500, "{}", expected.len());
}

#[tokio::test]
async fn a_failed_sync_leaves_the_outcome_unknown_and_the_store_read_only() {
    let disk = FaultDisk::new();
    let committer = start(&disk);
    let handle = committer.handle();
    handle.commit(Txn::create("/a", "1")).await.unwrap();
    disk.fail_sync(1);
    let unknown = handle.commit(Txn::create("/b", "1")).await.unwrap_err();
    assert!(matches!(unknown, Refused::Unknown { .. }), "{unknown}");
    for _ in 0..3 {
        let refused = handle.commit(Txn::create("/c", "1")).await.unwrap_err();
        assert!(matches!(refused, Refused::ReadOnly { .. }), "{refused}");
    }
    assert!(handle.fault().is_some());
    assert_eq!(
        handle.snapshot().revision(),
        Revision(2),
        "reads go on, without the write"
    );
    assert!(handle.snapshot().get("/b").is_none());
    committer.close().await;
}

#[tokio::test]
async fn a_full_disk_changes_nothing_and_is_over_when_there_is_space() {
    let disk = FaultDisk::new();
    let committer = start(&disk);
    let handle = committer.handle();
    handle.commit(Txn::create("/a", "1")).await.unwrap();
    disk.fail_write(1);
    let refused = handle.commit(Txn::create("/b", "1")).await.unwrap_err();
    assert!(matches!(refused, Refused::Storage { .. }), "{refused}");
    assert_eq!(
        (handle.snapshot().revision(), handle.fault()),
        (Revision(2), None)
    );
    let committed = handle.commit(Txn::create("/b", "2")).await.unwrap();
    assert_eq!(
        committed.revision,
        Revision(3),
        "the refused write left no revision"
    );
    committer.close().await;
    let again = start(&disk);
    assert_eq!(&*again.handle().snapshot().get("/b").unwrap().value, b"2");
    again.close().await;
}

#[tokio::test]
async fn subscribers_see_every_event_once_and_in_order() {
    let committer = Committer::in_memory(options().0).unwrap();
    let mut subscription = committer.handle().subscribe();
    let mut watchers = tokio::task::JoinSet::new();
    watchers.spawn(async move {
        let (mut seen, mut from) = (Vec::new(), Revision(1));
        while seen.len() < 400 {
            subscription.changed().await.unwrap();
            let snapshot = subscription.borrow_and_update().clone();
            let events = snapshot.events_after("/r0/", from, 0).unwrap();
            from = snapshot.revision();
            seen.extend(
                events
                    .into_iter()
                    .map(|e| (e.kv.mod_revision.0, e.kv.key.to_string())),
            );
        }
        seen
    });
    let (acknowledged, _) = write(&committer, 0, 20, 20).await;
    assert_eq!(
        watchers.join_next().await.unwrap().unwrap(),
        acknowledged.into_iter().collect::<Vec<_>>()
    );
    committer.close().await;
}

#[tokio::test]
async fn refusals_of_the_store_come_through_and_a_closed_one_says_so() {
    let committer = Committer::in_memory(options().0).unwrap();
    let handle = committer.handle();
    handle.commit(Txn::create("/a", "1")).await.unwrap();
    let conflict = handle.commit(Txn::create("/a", "2")).await.unwrap_err();
    assert!(
        matches!(&conflict, Refused::Rejected(TxnError::CompareFailed { current: Some(kv), .. }) if &*kv.value == b"1"),
        "{conflict}"
    );
    assert!(matches!(
        handle.compact(Revision(9)).await,
        Err(Refused::Rejected(_))
    ));
    handle.compact(Revision(2)).await.unwrap();
    assert_eq!(handle.snapshot().compacted(), Revision(2));
    committer.close().await;
    assert_eq!(
        handle.commit(Txn::create("/b", "1")).await,
        Err(Refused::Closed)
    );
    assert!(
        handle.snapshot().get("/a").is_some(),
        "reads of the last state go on"
    );
}

#[tokio::test]
async fn leases_expire_by_the_clock_and_start_anew_after_a_restart() {
    let disk = FaultDisk::new();
    let (options, now) = options();
    let committer = Committer::start_on(Arc::new(disk.clone()), options.clone()).unwrap();
    let handle = committer.handle();
    handle.lease_grant(LeaseId(7), 1000).await.unwrap();
    handle
        .commit(Txn::create("/event", "1").with_lease(LeaseId(7)))
        .await
        .unwrap();
    assert_eq!(handle.expire_leases().await, Ok(Some(Millis(1_001_000))));
    now.store(1_000_900, Ordering::Relaxed);
    assert_eq!(
        handle.lease_keep_alive(LeaseId(7)).await,
        Ok(Millis(1_001_900))
    );
    committer.close().await;
    now.store(1_050_000, Ordering::Relaxed);
    let committer = Committer::start_on(Arc::new(disk), options).unwrap();
    let handle = committer.handle();
    assert_eq!(handle.expire_leases().await, Ok(Some(Millis(1_051_000))));
    assert!(handle.snapshot().get("/event").is_some());
    now.store(1_051_000, Ordering::Relaxed);
    assert_eq!(handle.expire_leases().await, Ok(None));
    assert!(handle.snapshot().get("/event").is_none());
    assert!(matches!(
        handle.lease_revoke(LeaseId(7)).await,
        Err(Refused::Rejected(_))
    ));
    committer.close().await;
}

#[tokio::test]
async fn history_is_compacted_by_the_retention_and_images_follow_the_load() {
    let disk = FaultDisk::new();
    let (mut options, _) = options();
    options.retention = Some(Retention {
        keep_revisions: 200,
        ..Retention::default()
    });
    let committer = Committer::start_on(Arc::new(disk.clone()), options.clone()).unwrap();
    let handle = committer.handle();
    for n in 0..3000_u32 {
        handle
            .commit(Txn::put(format!("/k{}", n % 50), vec![b'v'; 100]))
            .await
            .unwrap();
    }
    let last = handle.snapshot();
    assert!(
        last.history_len() <= 220,
        "{} revisions of history",
        last.history_len()
    );
    assert!(last.compacted().0 > 2000);
    committer.close().await;
    let images = io_disk::Disk::list(&disk).unwrap();
    let images = images
        .iter()
        .filter(|name| name.ends_with(".image"))
        .count();
    assert!(images > 0, "no image was written");
    let committer = Committer::start_on(Arc::new(disk), options).unwrap();
    let again = committer.handle().snapshot();
    assert_eq!(
        (again.checksum(), again.compacted(), again.history_len()),
        (last.checksum(), last.compacted(), last.history_len())
    );
    committer.close().await;
}

#[tokio::test]
async fn a_store_at_its_quota_refuses_puts_and_takes_deletes() {
    let (mut options, _) = options();
    (options.quota_bytes, options.retention) = (5000, None);
    assert!(options.quota_bytes < Store::QUOTA_BYTES);
    let committer = Committer::in_memory(options).unwrap();
    let (acknowledged, refused) = write(&committer, 0, 4, 30).await;
    let full = |e: &CommitError| matches!(e, Refused::Rejected(TxnError::NoSpace { .. }));
    assert!(!refused.is_empty() && refused.iter().all(full));
    let handle = committer.handle();
    for (revision, key) in acknowledged {
        handle
            .commit(Txn::delete(key, Revision(revision)))
            .await
            .unwrap();
    }
    handle.compact(handle.snapshot().revision()).await.unwrap();
    handle.commit(Txn::create("/new", "1")).await.unwrap();
    committer.close().await;
}
