//! The bytes of records and images: exact round trips, cuts at every offset, single-bit flips, lost sectors.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are tests"
)]

use bytes::Bytes;
use shared::{Millis, Revision};
use store::frame::FrameError;
use store::{Body, LeaseId, Op, Record, RecordError, Store, Txn, decode, encode, image};

fn put(key: &str, value: impl Into<Bytes>, lease: Option<i64>) -> Op {
    Op::Put {
        key: key.into(),
        value: value.into(),
        lease: lease.map(LeaseId),
    }
}

fn batches() -> Vec<Vec<Record>> {
    let bodies = [
        vec![Body::Txn {
            revision: Revision(2),
            ops: vec![put("/a", "one", None)],
        }],
        vec![
            Body::LeaseGrant {
                id: LeaseId(-7),
                ttl_ms: u64::MAX,
            },
            Body::Txn {
                revision: Revision(3),
                ops: vec![
                    put("/ключ/🦀", vec![0, 255, 0xc5], Some(-7)),
                    Op::Delete { key: "/a".into() },
                ],
            },
            Body::Compact {
                at: Revision(u64::MAX),
            },
        ],
        vec![Body::LeaseRevoke {
            id: LeaseId(i64::MAX),
            revision: Revision(4),
        }],
        vec![Body::Txn {
            revision: Revision(5),
            ops: vec![put("/big", vec![b'x'; 3000], None)],
        }],
        vec![Body::Txn {
            revision: Revision(6),
            ops: vec![put("/empty", "", None)],
        }],
    ];
    let mut index = 0;
    let mut record = |body| {
        index += 1;
        Record {
            index,
            time: Millis(1_795_415_138_000 + index),
            body,
        }
    };
    bodies
        .into_iter()
        .map(|batch| batch.into_iter().map(&mut record).collect())
        .collect()
}

/// The file of all batches and the offset after each.
fn file() -> (Vec<u8>, Vec<usize>) {
    let mut bytes = Vec::new();
    let mut ends = Vec::new();
    for batch in batches() {
        encode(&batch, &mut bytes).unwrap();
        ends.push(bytes.len());
    }
    (bytes, ends)
}

/// How many batches come back, and what ended the reading.
fn read(file: &[u8]) -> (usize, Result<(), RecordError>) {
    let (mut offset, mut got) = (0, Vec::new());
    let end = loop {
        match decode(file, offset) {
            Ok(Some((records, end))) => {
                got.push(records);
                offset = end;
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    assert_eq!(
        got,
        batches()[..got.len()],
        "what comes back is what was written"
    );
    (got.len(), end)
}

#[test]
fn records_come_back_exactly() {
    let (mut bytes, _) = file();
    assert_eq!(read(&bytes), (batches().len(), Ok(())));
    bytes.resize(bytes.len() + 4096, 0);
    assert_eq!(
        read(&bytes),
        (batches().len(), Ok(())),
        "space reserved in advance is the end"
    );
}

#[test]
fn a_file_cut_at_any_byte_gives_the_batches_before() {
    let (bytes, ends) = file();
    let begins: Vec<usize> = std::iter::once(0).chain(ends.iter().copied()).collect();
    for cut in 0..=bytes.len() {
        for reserved in [false, true] {
            let mut torn = bytes[..cut].to_vec();
            if reserved {
                torn.resize(bytes.len() + 1024, 0);
            }
            let (got, end) = read(&torn);
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let padding = got == whole + 1 && ends[whole] - cut < 16;
            assert!(got == whole || padding, "cut at {cut}: {got} batches");
            match end {
                Ok(()) => {}
                Err(RecordError::Frame(FrameError::Torn { offset })) => {
                    assert_eq!(offset, begins[got], "cut at {cut}");
                }
                Err(error) => panic!("cut at {cut}, reserved {reserved}: {error}"),
            }
        }
    }
}

#[test]
fn a_flipped_bit_is_refused_with_its_offset_or_harmless() {
    let (bytes, ends) = file();
    for reserved in [0, 1024] {
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad.resize(bytes.len() + reserved, 0);
            bad[bit / 8] ^= 1 << (bit % 8);
            let (got, end) = read(&bad);
            let hit = ends.iter().filter(|end| **end <= bit / 8).count();
            match end {
                Ok(()) => assert_eq!(got, ends.len(), "bit {bit} lies in padding"),
                Err(RecordError::Frame(FrameError::Corrupt { offset, .. })) => {
                    let begin = if hit == 0 { 0 } else { ends[hit - 1] };
                    assert_eq!((got, offset), (hit, begin), "bit {bit}");
                }
                Err(error) => panic!("bit {bit}: {error}"),
            }
        }
    }
}

#[test]
fn a_last_batch_that_lost_sectors_is_torn_and_an_earlier_one_is_corrupt() {
    let (bytes, ends) = file();
    let big = ends[2]..ends[3];
    for sector in (0..bytes.len()).step_by(512).filter(|at| big.contains(at)) {
        let lose = |mut file: Vec<u8>| {
            let end = file.len().min(sector + 512);
            file[sector..end].fill(0);
            file
        };
        let (got, end) = read(&lose(bytes[..big.end].to_vec()));
        let torn = RecordError::Frame(FrameError::Torn { offset: big.start });
        assert_eq!((got, end), (3, Err(torn)), "sector {sector}");
        if sector + 512 < big.end {
            let (got, end) = read(&lose(bytes.clone()));
            let corrupt = matches!(end, Err(RecordError::Frame(FrameError::Corrupt { offset, .. })) if offset == big.start);
            assert!(got == 3 && corrupt, "sector {sector}");
        }
    }
}

#[test]
fn a_batch_beyond_the_limit_is_refused_whole() {
    let value = vec![0; store::frame::MAX_PAYLOAD];
    let body = Body::Txn {
        revision: Revision(2),
        ops: vec![put("/a", value, None)],
    };
    let mut out = vec![1, 2, 3];
    let refused = encode(
        &[Record {
            index: 1,
            time: Millis(0),
            body,
        }],
        &mut out,
    );
    assert!(matches!(refused, Err(FrameError::TooLarge { .. })));
    assert_eq!(out, [1, 2, 3]);
}

#[test]
fn an_image_with_a_flipped_bit_or_a_missing_end_is_refused() {
    let mut store = Store::new();
    store.lease_grant(LeaseId(3), 60_000, Millis(5)).unwrap();
    for n in 0..40 {
        let txn = Txn::put(format!("/registry/pods/{}", n % 9), format!("value {n}"));
        store.commit(txn.with_lease(LeaseId(3))).unwrap();
    }
    store.compact(Revision(20)).unwrap();
    let mut file = Vec::new();
    image::encode(&store.snapshot(), |part| -> Result<(), FrameError> {
        file.extend_from_slice(part);
        Ok(())
    })
    .unwrap();
    let whole = image::decode(&file).unwrap().snapshot();
    assert_eq!(whole.checksum(), store.snapshot().checksum());
    for bit in 0..file.len() * 8 {
        let mut bad = file.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        if let Ok(loaded) = image::decode(&bad) {
            assert_eq!(
                loaded.snapshot().checksum(),
                whole.checksum(),
                "bit {bit} in padding"
            );
        }
    }
    for cut in 0..file.len() - 16 {
        assert!(image::decode(&file[..cut]).is_err(), "cut at {cut}");
    }
}
