//! The store against a naive model that keeps every revision as a whole map: random operations, every answer compared.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are tests"
)]

use std::collections::BTreeMap;

use shared::{Millis, Revision};
use store::{
    CompactError, Compare, Event, EventKind, KeyValue, LeaseId, Op, ReadError, Record, Snapshot,
    Store, Txn, TxnError, image,
};

/// xorshift64*: small, and the same on every machine.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }
}

type World = BTreeMap<String, KeyValue>;

/// Every revision as a whole world, from revision 1.
struct Model {
    worlds: Vec<World>,
    compacted: u64,
    leases: BTreeMap<i64, u64>,
}

impl Model {
    fn new() -> Self {
        Self {
            worlds: vec![World::new()],
            compacted: 0,
            leases: BTreeMap::new(),
        }
    }

    fn revision(&self) -> u64 {
        self.worlds.len() as u64
    }

    fn now(&self) -> &World {
        self.worlds.last().unwrap()
    }

    fn at(&self, revision: u64) -> &World {
        &self.worlds[usize::try_from(revision).unwrap() - 1]
    }

    fn commit(&mut self, txn: &Txn) -> Result<u64, usize> {
        for (index, compare) in txn.compares.iter().enumerate() {
            let current = self.now().get(&**compare.key());
            let holds = match compare {
                Compare::Absent { .. } => current.is_none(),
                Compare::Exists { .. } => current.is_some(),
                Compare::ModRevision { revision, .. } => {
                    current.is_some_and(|kv| kv.mod_revision == *revision)
                }
            };
            if !holds {
                return Err(index);
            }
        }
        let next = Revision(self.revision() + 1);
        let mut world = self.now().clone();
        for op in &txn.ops {
            match op {
                Op::Delete { key } => drop(world.remove(&**key)),
                Op::Put { key, value, lease } => {
                    let old = world.get(&**key);
                    let kv = KeyValue {
                        key: key.clone(),
                        value: value.clone(),
                        create_revision: old.map_or(next, |kv| kv.create_revision),
                        mod_revision: next,
                        version: old.map_or(0, |kv| kv.version) + 1,
                        lease: *lease,
                    };
                    world.insert(key.to_string(), kv);
                }
            }
        }
        if &world != self.now() {
            self.worlds.push(world);
        }
        Ok(self.revision())
    }

    /// The events between two revisions next to each other, by key.
    fn events(
        &self,
        revision: u64,
        prefix: &str,
    ) -> BTreeMap<String, (EventKind, Option<KeyValue>)> {
        let (old, new) = (self.at(revision - 1), self.at(revision));
        let gone = old.keys().filter(|key| !new.contains_key(*key));
        let written = new.iter().filter(|(_, kv)| kv.mod_revision.0 == revision);
        gone.map(|key| (key, EventKind::Delete))
            .chain(written.map(|(key, _)| (key, EventKind::Put)))
            .filter(|(key, _)| key.starts_with(prefix))
            .map(|(key, kind)| (key.clone(), (kind, old.get(key).cloned())))
            .collect()
    }
}

fn random_key(rng: &mut Rng) -> String {
    let kind = ["pods", "podsets", "nodes"][rng.below(3) as usize];
    format!("/registry/{kind}/ns{}/{}", rng.below(2), rng.below(6))
}

fn random_txn(rng: &mut Rng, model: &Model) -> Txn {
    let mut txn = Txn::default();
    for _ in 0..=rng.below(3) {
        let key = random_key(rng);
        if txn.ops.iter().any(|op| **op.key() == *key) {
            continue;
        }
        let value = vec![b'v'; rng.below(40) as usize];
        let known = model
            .now()
            .get(&key)
            .map_or(Revision(rng.below(9)), |kv| kv.mod_revision);
        let mut one = match rng.below(6) {
            0 => Txn::create(key, value),
            1 => Txn::update(key, value, known),
            2 => Txn::delete(key, known),
            3 => Txn {
                compares: vec![],
                ops: vec![Op::Delete { key: key.into() }],
            },
            4 => {
                let compares = vec![Compare::Exists {
                    key: random_key(rng).into(),
                }];
                Txn {
                    compares,
                    ..Txn::put(key, value)
                }
            }
            _ => Txn::put(key, value),
        };
        if rng.below(4) == 0 && !model.leases.is_empty() {
            let nth = rng.below(model.leases.len() as u64) as usize;
            one = one.with_lease(LeaseId(*model.leases.keys().nth(nth).unwrap()));
        }
        txn = txn.and(one);
    }
    txn
}

fn check_events(model: &Model, revision: u64, events: &[Event], prefix: &str) {
    let want = model.events(revision, prefix);
    assert_eq!(events.len(), want.len(), "revision {revision}");
    for event in events {
        let key = event.kv.key.to_string();
        let (kind, previous) = &want[&key];
        assert_eq!(
            (event.kind, &event.previous),
            (*kind, previous),
            "{key} at {revision}"
        );
        assert_eq!(event.kv.mod_revision.0, revision);
        if event.kind == EventKind::Put {
            assert_eq!(Some(&event.kv), model.at(revision).get(&key));
        }
    }
}

/// Reads everything that can be read and compares it.
fn check_reads(rng: &mut Rng, model: &Model, snapshot: &Snapshot) {
    let prefix = [
        "",
        "/registry/pods/",
        "/registry/pods",
        "/registry/nodes/ns1/",
        "/zzz",
    ][rng.below(5) as usize];
    let revision = rng.below(model.revision() + 2);
    let range = snapshot.range_at(prefix, None, 0, Revision(revision));
    let events = snapshot.events_after(prefix, Revision(revision), 0);
    if revision < model.compacted {
        let error = ReadError::Compacted {
            requested: Revision(revision),
            compacted: Revision(model.compacted),
        };
        assert_eq!(range, Err(error));
        assert_eq!(events, Err(error));
        assert_eq!(snapshot.get_at("/a", Revision(revision)), Err(error));
        return;
    }
    if revision > model.revision() {
        assert!(matches!(range, Err(ReadError::Future { .. })));
        return;
    }
    let empty = World::new();
    let world = if revision == 0 {
        &empty
    } else {
        model.at(revision)
    };
    let want: Vec<_> = world
        .values()
        .filter(|kv| kv.key.starts_with(prefix))
        .cloned()
        .collect();
    assert_eq!(range.unwrap().items, want, "{prefix} at {revision}");
    let key = random_key(rng);
    assert_eq!(
        snapshot.get_at(&key, Revision(revision)).unwrap().as_ref(),
        world.get(&key)
    );
    check_pages(rng, snapshot, prefix, revision, &want);
    let events = events.unwrap();
    for later in revision.max(1) + 1..=model.revision() {
        let of: Vec<_> = events
            .iter()
            .filter(|e| e.kv.mod_revision.0 == later)
            .cloned()
            .collect();
        check_events(model, later, &of, prefix);
    }
    assert!(events.is_sorted_by_key(|e| e.kv.mod_revision), "in order");
    let limit = 1 + rng.below(4) as usize;
    let mut paged: Vec<Event> = Vec::new();
    loop {
        let after = paged
            .last()
            .map_or(Revision(revision), |e| e.kv.mod_revision);
        let page = snapshot.events_after(prefix, after, limit).unwrap();
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, events, "pages of {limit}");
}

fn check_pages(rng: &mut Rng, snapshot: &Snapshot, prefix: &str, at: u64, want: &[KeyValue]) {
    let limit = 1 + rng.below(4) as usize;
    let mut got: Vec<KeyValue> = Vec::new();
    loop {
        let after = got.last().map(|kv| kv.key.clone());
        let page = snapshot
            .range_at(prefix, after.as_deref(), limit, Revision(at))
            .unwrap();
        assert!(page.items.len() <= limit);
        got.extend(page.items);
        assert_eq!(page.remaining, (want.len() - got.len()) as u64);
        assert_eq!(page.more, page.remaining > 0);
        if !page.more {
            break;
        }
    }
    assert_eq!(got, want);
}

fn check_leases(model: &Model, snapshot: &Snapshot) {
    for id in model.leases.keys() {
        let want: Vec<&str> = model
            .now()
            .values()
            .filter(|kv| kv.lease == Some(LeaseId(*id)))
            .map(|kv| &*kv.key)
            .collect();
        let got: Vec<&str> = snapshot
            .lease_keys(LeaseId(*id))
            .map(|key| &**key)
            .collect();
        assert_eq!(got, want, "lease {id}");
    }
    let bytes: u64 = model.now().values().map(KeyValue::size).sum();
    assert!(snapshot.size_bytes() >= bytes);
    assert_eq!(snapshot.len(), model.now().len());
}

struct Run {
    rng: Rng,
    model: Model,
    store: Store,
    records: Vec<Record>,
    now: u64,
}

impl Run {
    fn step(&mut self) {
        self.now += self.rng.below(50);
        let now = Millis(self.now);
        self.store.set_time(now);
        match self.rng.below(20) {
            0 => self.compact(),
            1 => {
                let id = 1 + self.rng.below(5) as i64;
                let fresh = !self.model.leases.contains_key(&id);
                let granted = self.store.lease_grant(LeaseId(id), 100, now);
                assert_eq!(granted.is_ok(), fresh);
                self.records.extend(granted);
                self.model.leases.entry(id).or_insert(self.now + 100);
            }
            2 => self.expire(),
            _ => self.commit(),
        }
    }

    fn commit(&mut self) {
        let txn = random_txn(&mut self.rng, &self.model);
        let before = self.model.revision();
        match (self.store.commit(txn.clone()), self.model.commit(&txn)) {
            (Ok(committed), Ok(revision)) => {
                assert_eq!(committed.revision.0, revision);
                if revision > before {
                    check_events(&self.model, revision, &committed.events, "");
                }
                assert_eq!(committed.events.is_empty(), revision == before);
                self.records.extend(committed.record());
            }
            (
                Err(TxnError::CompareFailed {
                    index,
                    key,
                    current,
                }),
                Err(want),
            ) => {
                assert_eq!(index, want);
                assert_eq!(current.as_ref(), self.model.now().get(&*key));
            }
            (got, want) => panic!("{txn:?}: {got:?} instead of {want:?}"),
        }
    }

    fn compact(&mut self) {
        let at = self.rng.below(self.model.revision() + 2);
        match self.store.compact(Revision(at)) {
            Ok(record) => {
                assert!(at > self.model.compacted && at <= self.model.revision());
                self.model.compacted = at;
                self.records.push(record);
            }
            Err(CompactError::Compacted { .. }) => assert!(at <= self.model.compacted),
            Err(CompactError::Future { .. }) => assert!(at > self.model.revision()),
        }
    }

    fn expire(&mut self) {
        let now = self.now;
        let over: Vec<i64> = self
            .model
            .leases
            .iter()
            .filter(|(_, end)| **end <= now)
            .map(|(id, _)| *id)
            .collect();
        let mut got = self.store.lease_expired(Millis(now));
        got.sort();
        assert_eq!(got, over.iter().map(|id| LeaseId(*id)).collect::<Vec<_>>());
        for id in over {
            let keys: Vec<_> = self.store.lease_keys(LeaseId(id)).cloned().collect();
            let ops = keys.into_iter().map(|key| Op::Delete { key }).collect();
            let (committed, record) = self.store.lease_revoke(LeaseId(id), Millis(now)).unwrap();
            let revision = self
                .model
                .commit(&Txn {
                    compares: vec![],
                    ops,
                })
                .unwrap();
            assert_eq!(committed.revision.0, revision);
            self.model.leases.remove(&id);
            self.records.push(record);
        }
    }
}

#[test]
fn the_store_agrees_with_a_naive_model() {
    for seed in 1..=60_u64 {
        let mut run = Run {
            rng: Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            model: Model::new(),
            store: Store::new(),
            records: Vec::new(),
            now: 1,
        };
        let mut old: Vec<(u64, Snapshot)> = Vec::new();
        for step in 0..250 {
            run.step();
            check_reads(&mut run.rng, &run.model, &run.store.snapshot());
            check_leases(&run.model, &run.store.snapshot());
            if step % 50 == 0 {
                old.push((run.model.revision(), run.store.snapshot()));
            }
        }
        for (revision, snapshot) in &old {
            let got: Vec<_> = snapshot.iter("").cloned().collect();
            let want: Vec<_> = run.model.at(*revision).values().cloned().collect();
            assert_eq!(got, want, "a snapshot never changes");
        }
        check_replay(&mut run);
        check_image(&mut run);
    }
}

/// Repeating the records, each twice, leads to the same store.
fn check_replay(run: &mut Run) {
    let mut copy = Store::new();
    for record in &run.records {
        assert_eq!(copy.apply_record(record), Ok(true));
        assert_eq!(
            copy.apply_record(record),
            Ok(false),
            "a known record is skipped"
        );
    }
    assert_same(run, &copy);
    if run.records.len() > 2 {
        let mut gap = Store::new();
        gap.apply_record(&run.records[0]).unwrap();
        assert!(gap.apply_record(&run.records[2]).is_err());
    }
}

/// An image leads to the same store, and that one goes on with the records that come after it.
fn check_image(run: &mut Run) {
    let write = |store: &Store| {
        let mut file = Vec::new();
        image::encode(
            &store.snapshot(),
            |part| -> Result<(), store::frame::FrameError> {
                file.extend_from_slice(part);
                Ok(())
            },
        )
        .unwrap();
        file
    };
    let copy = image::decode(&write(&run.store)).unwrap();
    assert_same(run, &copy);
    let half = run.records.len() / 2;
    let mut early = Store::new();
    for record in &run.records[..half] {
        early.apply_record(record).unwrap();
    }
    let mut late = image::decode(&write(&early)).unwrap();
    for record in &run.records {
        late.apply_record(record).unwrap();
    }
    assert_same(run, &late);
}

fn assert_same(run: &mut Run, copy: &Store) {
    let (a, b) = (run.store.snapshot(), copy.snapshot());
    let facts = |s: &Snapshot| {
        (
            s.revision(),
            s.compacted(),
            s.index(),
            s.size_bytes(),
            s.history_len(),
            s.checksum(),
        )
    };
    assert_eq!(facts(&a), facts(&b));
    assert!(a.iter("").eq(b.iter("")));
    assert!(a.leases().eq(b.leases()));
    let from = a.compacted();
    assert_eq!(a.events_after("", from, 0), b.events_after("", from, 0));
    for _ in 0..20 {
        check_reads(&mut run.rng, &run.model, &b);
    }
    check_leases(&run.model, &b);
}
