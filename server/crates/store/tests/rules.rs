//! Rules of etcd that a model does not show: limits, lease errors, quota, what a transaction without effect does.

use shared::{Millis, Revision};
use store::{
    Compare, LeaseError, LeaseId, MAX_REQUEST_BYTES, MAX_TXN_OPS, Op, Store, Txn, TxnError,
};

fn many(n: usize) -> Txn {
    (0..n).fold(Txn::default(), |txn, n| {
        txn.and(Txn::put(format!("/k{n}"), "v"))
    })
}

#[test]
fn a_refused_transaction_says_why_and_changes_nothing() {
    let big = |len: usize| Txn::put("/big", vec![b'x'; len]);
    for (what, txn, want) in [
        ("just fits", big(MAX_REQUEST_BYTES - 4), None),
        (
            "one byte more",
            big(MAX_REQUEST_BYTES - 3),
            Some(
                "etcdserver: request is too large: 1572865 bytes, mostly /big; the limit is 1572864 bytes",
            ),
        ),
        ("all operations allowed", many(MAX_TXN_OPS), None),
        (
            "one operation more",
            many(MAX_TXN_OPS + 1),
            Some("etcdserver: too many operations in txn request: 129; the limit is 128"),
        ),
        (
            "a key twice",
            Txn::put("/a", "1").and(Txn::put("/a", "2")),
            Some("etcdserver: duplicate key given in txn request: /a"),
        ),
        (
            "no key",
            Txn::put("", "1"),
            Some("a key of 0 bytes cannot be stored: keys have 1 to 4096 bytes"),
        ),
        (
            "exists already",
            Txn::create("/here", "1"),
            Some("compare 0 of the transaction failed: /here is at revision 2"),
        ),
        (
            "second compare",
            Txn::put("/a", "1")
                .and(Txn::create("/b", ""))
                .and(Txn::update("/none", "1", Revision(1))),
            Some("compare 1 of the transaction failed: /none does not exist"),
        ),
        (
            "stale",
            Txn::delete("/here", Revision(1)),
            Some("compare 0 of the transaction failed: /here is at revision 2"),
        ),
        (
            "no such lease",
            Txn::put("/a", "1").with_lease(LeaseId(255)),
            Some("etcdserver: requested lease not found: ff; grant it before attaching /a"),
        ),
    ] {
        let mut store = Store::new();
        store.commit(Txn::create("/here", "x")).unwrap();
        let before = store.snapshot();
        let got = store.commit(txn).map_err(|error| error.to_string());
        assert_eq!(got.as_ref().err().map(String::as_str), want, "{what}");
        let unchanged = store.snapshot().checksum() == before.checksum();
        assert_eq!(unchanged, want.is_some(), "{what}");
    }
}

#[test]
fn a_transaction_without_effect_keeps_the_revision() {
    let mut store = Store::new();
    for txn in [
        Txn::default(),
        Txn {
            compares: vec![],
            ops: vec![Op::Delete {
                key: "/none".into(),
            }],
        },
        Txn {
            compares: vec![Compare::Absent { key: "/a".into() }],
            ops: vec![],
        },
    ] {
        let committed = store.commit(txn).unwrap();
        assert_eq!(
            (committed.revision, committed.record()),
            (Revision(1), None)
        );
        assert_eq!(store.index(), 0);
    }
}

#[test]
fn a_full_store_takes_deletes_and_recovers_by_compaction() {
    let mut store = Store::new().with_quota(10_000);
    let mut written = 0;
    let full = loop {
        match store.commit(Txn::create(format!("/k{written}"), vec![b'x'; 500])) {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(full, TxnError::NoSpace { quota: 10_000, .. }),
        "{full}"
    );
    assert!((15..20).contains(&written));
    for n in 0..written {
        let delete = Op::Delete {
            key: format!("/k{n}").into(),
        };
        store
            .commit(Txn {
                compares: vec![],
                ops: vec![delete],
            })
            .unwrap();
    }
    assert!(
        store.commit(Txn::put("/new", vec![b'x'; 500])).is_err(),
        "history holds the values"
    );
    store.compact(store.revision()).unwrap();
    assert_eq!(store.snapshot().size_bytes(), 0, "compaction frees them");
    store.commit(Txn::put("/new", vec![b'x'; 500])).unwrap();
}

#[test]
fn compaction_frees_memory_once_no_snapshot_holds_it() {
    let mut store = Store::new();
    let value = bytes::Bytes::from(vec![1_u8; 100]);
    store.commit(Txn::put("/a", value.clone())).unwrap();
    store.commit(Txn::put("/a", "next")).unwrap();
    let held = store.snapshot();
    store.compact(Revision(3)).unwrap();
    assert!(!value.is_unique(), "the snapshot still reads it");
    assert_eq!(
        held.get_at("/a", Revision(2)).unwrap().unwrap().value,
        value
    );
    drop(held);
    assert!(value.is_unique(), "nothing else does");
}

#[test]
fn leases_end_when_nobody_keeps_them_alive() {
    let mut store = Store::new();
    let id = LeaseId(9);
    for (what, id, ttl, want) in [
        (
            "no id",
            LeaseId(0),
            1,
            Err(LeaseError::Invalid {
                id: LeaseId(0),
                ttl_ms: 1,
            }),
        ),
        ("no time", id, 0, Err(LeaseError::Invalid { id, ttl_ms: 0 })),
        ("good", id, 1000, Ok(())),
        ("taken", id, 1000, Err(LeaseError::Exists { id })),
    ] {
        assert_eq!(
            store.lease_grant(id, ttl, Millis(0)).map(drop),
            want,
            "{what}"
        );
    }
    store
        .commit(Txn::put("/a", "1").and(Txn::put("/b", "2")).with_lease(id))
        .unwrap();
    store.commit(Txn::put("/b", "stays")).unwrap();
    assert_eq!(store.lease_next_deadline(), Some(Millis(1000)));
    assert_eq!(store.lease_expired(Millis(999)), []);
    assert_eq!(store.lease_keep_alive(id, Millis(900)), Ok(Millis(1900)));
    assert_eq!(store.lease_expired(Millis(1899)), []);
    store.lease_renew_all(Millis(1500));
    assert_eq!(store.lease_expired(Millis(2500)), [id]);
    let (committed, _) = store.lease_revoke(id, Millis(2500)).unwrap();
    let gone: Vec<_> = committed
        .events
        .iter()
        .map(|event| &*event.kv.key)
        .collect();
    assert_eq!(gone, ["/a"], "a put without the lease detaches its key");
    assert_eq!(store.lease_expired(Millis(9999)), []);
    assert_eq!(
        store.lease_revoke(id, Millis(1)).map(drop),
        Err(LeaseError::NotFound { id })
    );
    assert_eq!(
        store.lease_keep_alive(id, Millis(1)),
        Err(LeaseError::NotFound { id })
    );
}
