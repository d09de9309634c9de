//! The log against disks that lose, tear, refuse and lie.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are tests"
)]

use std::sync::Arc;

use io_disk::{AppendError, Disk, FaultDisk, Log, LogOptions, OpenError};
use shared::{Millis, Revision};
use store::{LeaseId, Record, Store, Txn};

const SMALL: LogOptions = LogOptions {
    segment_bytes: 3000,
    reserve_bytes: 2000,
};

/// xorshift64*: the same on every machine.
struct Rng(u64);

impl Rng {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }
}

/// Everything a store ever recorded, and how much of it was acknowledged.
#[derive(Default)]
struct Ledger {
    records: Vec<Record>,
    acknowledged: usize,
}

impl Ledger {
    /// The store after the first `n` records.
    fn store_at(&self, n: u64) -> Store {
        let mut store = Store::new();
        for record in &self.records[..usize::try_from(n).unwrap()] {
            store.apply_record(record).unwrap();
        }
        store
    }

    /// What was recovered is a prefix of what was recorded and holds all that was acknowledged.
    fn check(&self, recovered: &Store, what: &str) {
        let index = recovered.index();
        assert!(
            index >= self.acknowledged as u64,
            "{what}: lost acknowledged records: {index}"
        );
        assert!(
            index <= self.records.len() as u64,
            "{what}: records from nowhere: {index}"
        );
        assert_same(&self.store_at(index), recovered, what);
    }
}

fn assert_same(want: &Store, got: &Store, what: &str) {
    let facts = |store: &Store| {
        let s = store.snapshot();
        let events = s.events_after("", s.compacted(), 0);
        (
            s.index(),
            s.revision(),
            s.compacted(),
            s.checksum(),
            s.size_bytes(),
            events,
        )
    };
    assert_eq!(facts(want), facts(got), "{what}");
}

/// One batch of random changes.
fn batch(store: &mut Store, rng: &mut Rng) -> Vec<Record> {
    let mut records = Vec::new();
    for _ in 0..=rng.below(3) {
        let now = Millis(store.index() * 10);
        store.set_time(now);
        let key = format!("/registry/pods/{}", rng.below(20));
        let made = match rng.below(12) {
            0 => store
                .compact(Revision(
                    store.revision().0 - rng.below(4).min(store.revision().0),
                ))
                .ok(),
            1 => store
                .lease_grant(LeaseId(1 + rng.below(3) as i64), 50, now)
                .ok(),
            2 => store
                .lease_revoke(LeaseId(1 + rng.below(3) as i64), now)
                .ok()
                .map(|(_, r)| r),
            _ => {
                let txn = Txn::put(key, vec![b'v'; rng.below(900) as usize]);
                let id = LeaseId(1 + rng.below(3) as i64);
                let leased = store.snapshot().lease(id).is_some() && rng.below(2) == 0;
                let txn = if leased { txn.with_lease(id) } else { txn };
                store.commit(txn).unwrap().record()
            }
        };
        records.extend(made);
    }
    records
}

/// Appends `batches` batches with an image now and then, until one fails.
fn work(
    log: &mut Log,
    store: &mut Store,
    ledger: &mut Ledger,
    rng: &mut Rng,
    batches: usize,
) -> Result<(), AppendError> {
    for _ in 0..batches {
        let before = store.clone();
        let records = batch(store, rng);
        ledger
            .records
            .truncate(usize::try_from(before.index()).unwrap());
        ledger.records.extend(records.clone());
        log.append(&records)?;
        ledger.acknowledged = ledger.records.len();
        if rng.below(15) == 0 {
            let _ = log.snapshot(&store.snapshot());
        }
    }
    Ok(())
}

fn open(disk: &FaultDisk) -> Result<(Log, Store), OpenError> {
    Log::open_on(Arc::new(disk.clone()), SMALL)
}

/// A disk with several segments and two images, its process ended, and what was recorded.
fn worked(seed: u64, batches: usize) -> (FaultDisk, Ledger) {
    let (disk, mut ledger, mut rng) = (FaultDisk::new(), Ledger::default(), Rng::new(seed));
    let (mut log, mut store) = open(&disk).unwrap();
    work(&mut log, &mut store, &mut ledger, &mut rng, batches).unwrap();
    drop(log);
    (disk, ledger)
}

#[test]
fn a_reopened_log_holds_what_was_appended_and_goes_on() {
    for seed in 0..20 {
        let (disk, mut ledger) = worked(seed, 30);
        for round in 0..5 {
            let (mut log, mut store) = open(&disk).unwrap();
            assert_eq!(store.index(), ledger.records.len() as u64);
            ledger.check(&store, &format!("seed {seed} round {round}"));
            work(
                &mut log,
                &mut store,
                &mut ledger,
                &mut Rng::new(seed + round),
                20,
            )
            .unwrap();
        }
    }
}

#[test]
fn superfluous_segments_and_images_are_removed() {
    let (disk, ledger) = worked(7, 400);
    let names = disk.list().unwrap();
    let images = names.iter().filter(|name| name.ends_with(".image")).count();
    assert_eq!(images, 2, "{names:?}");
    assert!(
        names.len() < 30,
        "of {} records: {names:?}",
        ledger.records.len()
    );
}

#[test]
fn a_process_that_dies_at_any_change_loses_nothing_acknowledged() {
    let (mut deaths, mut torn) = (0, 0);
    for seed in 0..4 {
        for at in 1.. {
            let (disk, mut ledger, mut rng) = (FaultDisk::new(), Ledger::default(), Rng::new(seed));
            disk.die_at(at);
            let died = match open(&disk) {
                Ok((mut log, mut store)) => {
                    work(&mut log, &mut store, &mut ledger, &mut rng, 60).is_err()
                }
                Err(_) => true,
            };
            for power_cut in [false, true] {
                let disk = disk.fork();
                if power_cut {
                    disk.crash(seed * 1000 + at)
                } else {
                    disk.kill()
                }
                let what = format!("seed {seed}, died at change {at}, power cut {power_cut}");
                let (log, store) = open(&disk).unwrap_or_else(|e| panic!("{what}: {e:?}"));
                ledger.check(&store, &what);
                torn += usize::from(store.index() < ledger.records.len() as u64);
                drop(log);
                disk.crash(at);
                let (_log, again) = open(&disk).unwrap_or_else(|e| panic!("{what}, again: {e:?}"));
                assert_same(
                    &store,
                    &again,
                    &format!("{what}: what was recovered is durable"),
                );
            }
            deaths += usize::from(died);
            if !died {
                break;
            }
        }
    }
    assert!(
        deaths > 400 && torn > 50,
        "{deaths} deaths, {torn} lost an unacknowledged batch"
    );
}

#[test]
fn a_power_cut_after_any_batch_loses_nothing_acknowledged() {
    for seed in 0..150 {
        let (disk, mut ledger) = worked(seed, 5 + usize::try_from(seed % 40).unwrap());
        for round in 0..3 {
            disk.crash(seed * 7 + round);
            let (mut log, mut store) = open(&disk).unwrap();
            ledger.check(&store, &format!("seed {seed} round {round}"));
            work(
                &mut log,
                &mut store,
                &mut ledger,
                &mut Rng::new(seed ^ round),
                10,
            )
            .unwrap();
        }
    }
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_and_nothing_served_is_lost() {
    let mut poisoned = 0;
    for nth in 1..=120 {
        let (disk, mut ledger, mut rng) = (FaultDisk::new(), Ledger::default(), Rng::new(nth));
        let (mut log, mut store) = open(&disk).unwrap();
        disk.fail_sync(nth);
        let result = work(&mut log, &mut store, &mut ledger, &mut rng, 80);
        if let Err(AppendError::Poisoned { reason }) = &result {
            poisoned += 1;
            assert!(reason.contains("injected: sync failed"), "{reason}");
            let next = ledger
                .store_at(ledger.acknowledged as u64)
                .commit(Txn::put("/a", "b"));
            let again = log.append(&[next.unwrap().record().unwrap()]);
            assert_eq!(
                again, result,
                "a second try is refused for the first reason"
            );
        }
        drop(log);
        disk.kill();
        let (log, served) = open(&disk).unwrap();
        ledger.check(&served, &format!("sync {nth} failed"));
        drop(log);
        disk.crash(nth);
        let (_log, left) = open(&disk).unwrap();
        assert_same(&served, &left, "what a restart served survives a power cut");
    }
    assert!(poisoned > 80, "only {poisoned} syncs of the log failed");
}

#[test]
fn a_failed_write_is_taken_back_and_the_log_goes_on() {
    for nth in 1..=80 {
        let (disk, mut ledger, mut rng) = (FaultDisk::new(), Ledger::default(), Rng::new(nth));
        let (mut log, mut store) = open(&disk).unwrap();
        disk.fail_write(nth);
        if let Err(error) = work(&mut log, &mut store, &mut ledger, &mut rng, 60) {
            let refused = matches!(&error, AppendError::Refused { .. });
            let begins_segment = error.to_string().contains("begin a segment");
            assert!(refused || begins_segment, "{error}");
            if refused {
                ledger.records.truncate(ledger.acknowledged);
                store = ledger.store_at(ledger.acknowledged as u64);
                work(&mut log, &mut store, &mut ledger, &mut rng, 10).unwrap();
            }
        }
        drop(log);
        disk.crash(nth);
        ledger.check(&open(&disk).unwrap().1, &format!("write {nth} failed"));
    }
}

#[test]
fn a_full_disk_refuses_batches_until_there_is_space() {
    let (disk, mut ledger, mut rng) = (FaultDisk::new(), Ledger::default(), Rng::new(3));
    let (mut log, mut store) = open(&disk).unwrap();
    disk.set_capacity(Some(30_000));
    let error = work(&mut log, &mut store, &mut ledger, &mut rng, 500).unwrap_err();
    assert!(matches!(error, AppendError::Refused { .. }), "{error}");
    ledger.records.truncate(ledger.acknowledged);
    store = ledger.store_at(ledger.acknowledged as u64);
    let large = store
        .clone()
        .commit(Txn::put("/large", vec![b'v'; 30_000]))
        .unwrap();
    let refused = log.append(&[large.record().unwrap()]).unwrap_err();
    assert!(
        matches!(refused, AppendError::Refused { .. }),
        "still full: {refused}"
    );
    disk.set_capacity(None);
    work(&mut log, &mut store, &mut ledger, &mut rng, 20).unwrap();
    drop(log);
    disk.crash(1);
    ledger.check(&open(&disk).unwrap().1, "after the disk was full");
}

#[test]
fn the_last_segment_cut_at_any_byte_gives_a_prefix() {
    let disk = FaultDisk::new();
    let (mut log, mut store) = Log::open_on(
        Arc::new(disk.clone()),
        LogOptions {
            segment_bytes: 1 << 20,
            ..SMALL
        },
    )
    .unwrap();
    let (mut ledger, mut ends) = (Ledger::default(), Vec::new());
    for n in 0..25 {
        let made = store
            .commit(Txn::put(format!("/k{n}"), vec![b'v'; 150]))
            .unwrap();
        ledger.records.extend(made.record());
        log.append(&ledger.records[n..]).unwrap();
        ends.push(ledger.records.len());
    }
    drop(log);
    let name = disk
        .list()
        .unwrap()
        .into_iter()
        .find(|n| n.ends_with(".wal"))
        .unwrap();
    let len = disk
        .read(&name)
        .unwrap()
        .iter()
        .rposition(|byte| *byte != 0)
        .unwrap()
        + 1;
    let mut before = 0;
    for cut in 48..=len {
        let torn = disk.fork();
        torn.tamper(&name, |file| file.truncate(cut));
        let (_log, store) = open(&torn).unwrap_or_else(|e| panic!("cut at {cut}: {e:?}"));
        ledger.check(&store, &format!("cut at {cut}"));
        assert!(store.index() >= before, "a longer file holds more");
        before = store.index();
    }
    assert_eq!(before, 25);
}

/// Every file of a working directory, one bit at a time: refused with the file's name, or recovered in full.
#[test]
fn a_flipped_bit_is_refused_by_name_or_repaired() {
    let (disk, ledger) = worked(11, 60);
    let (mut refused, mut repaired) = (0, 0);
    let mut rng = Rng::new(1);
    for name in disk.list().unwrap() {
        let content = disk.read(&name).unwrap();
        let len = content.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        for _ in 0..200 {
            let bit = rng.below(len as u64 * 8) as usize;
            let bad = disk.fork();
            bad.tamper(&name, |file| file[bit / 8] ^= 1 << (bit % 8));
            match open(&bad) {
                Ok((_log, store)) => {
                    repaired += 1;
                    assert_eq!(
                        store.index(),
                        ledger.records.len() as u64,
                        "{name} bit {bit}"
                    );
                    ledger.check(&store, &format!("{name} bit {bit}"));
                }
                Err(error) => {
                    refused += 1;
                    let text = error.to_string();
                    assert!(
                        text.contains(&name) && text.contains("at byte"),
                        "{bit}: {text}"
                    );
                }
            }
        }
    }
    assert!(
        refused > 100 && repaired > 100,
        "{refused} refused, {repaired} repaired"
    );
}

#[test]
fn the_log_since_the_image_before_replaces_a_damaged_image() {
    let mut replaced = 0;
    for seed in 0..60 {
        let (disk, ledger) = worked(seed, 60);
        let names = disk.list().unwrap();
        if let Some(newest) = names.iter().rfind(|name| name.ends_with(".image")) {
            disk.tamper(newest, |file| file[40] ^= 1);
            let (_log, store) = open(&disk).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            assert_eq!(store.index(), ledger.records.len() as u64, "seed {seed}");
            ledger.check(&store, &format!("seed {seed}"));
            assert!(
                !disk.list().unwrap().contains(newest),
                "the damaged one is removed"
            );
            replaced += 1;
        }
    }
    assert!(replaced > 40, "{replaced}");
}

#[test]
fn a_missing_segment_is_refused() {
    let (disk, _) = worked(5, 150);
    let names = disk.list().unwrap();
    let segments: Vec<_> = names.iter().filter(|name| name.ends_with(".wal")).collect();
    let newest_image = names.iter().rfind(|name| name.ends_with(".image")).unwrap();
    let index: u64 = newest_image.trim_end_matches(".image").parse().unwrap();
    let needed: Vec<_> = segments
        .iter()
        .filter(|name| name.trim_end_matches(".wal").parse::<u64>().unwrap() > index)
        .collect();
    assert!(
        needed.len() >= 2,
        "the case needs segments after the image: {names:?}"
    );
    disk.remove(needed[0]).unwrap();
    let error = open(&disk).err().unwrap();
    assert!(matches!(error, OpenError::Missing { .. }), "{error}");
    for segment in disk
        .list()
        .unwrap()
        .iter()
        .filter(|name| name.ends_with(".wal"))
    {
        disk.remove(segment).unwrap();
    }
    assert!(matches!(
        open(&disk).err().unwrap(),
        OpenError::Missing { .. }
    ));
}

#[test]
fn records_out_of_order_are_refused() {
    let (disk, ledger) = worked(1, 5);
    let (mut log, _) = open(&disk).unwrap();
    let error = log.append(&ledger.records[..1]).unwrap_err();
    assert!(
        error.to_string().contains("record 1 cannot follow"),
        "{error}"
    );
}

#[test]
fn a_real_directory_is_private_locked_and_durable() {
    let dir = std::env::temp_dir().join(format!("glasshouse-log-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let mut ledger = Ledger::default();
    for round in 0..4 {
        let (mut log, mut store) = Log::open(&dir, SMALL).unwrap();
        ledger.check(&store, "reopened");
        let second = Log::open(&dir, SMALL).err().unwrap();
        assert!(matches!(second, OpenError::Locked { .. }), "{second}");
        work(&mut log, &mut store, &mut ledger, &mut Rng::new(round), 40).unwrap();
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir), 0o700);
        for entry in std::fs::read_dir(&dir).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
    }
    std::fs::remove_dir_all(&dir).unwrap();
}
