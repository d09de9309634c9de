//! Records: what a durable log holds of each change, and their bytes.
//!
//! The unit on disk is a batch of records in one [`frame`]: the records that one write and one sync made
//! durable. A batch that is not whole was never acknowledged, whichever of its sectors reached the disk; a damaged
//! batch before a whole one was.

use shared::{Millis, Revision};

use crate::codec::{Malformed, Reader, put_bytes, put_u64};
use crate::frame::{self, FrameError, Next};
use crate::kv::LeaseId;
use crate::txn::Op;

/// One change of the store, enough to repeat it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place: 1 for a store's first record, then without gaps.
    pub index: u64,
    /// The store's time when it was made.
    pub time: Millis,
    /// What changed.
    pub body: Body,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A transaction's writes, all of which took effect.
    Txn {
        /// The revision they made.
        revision: Revision,
        /// The writes.
        ops: Vec<Op>,
    },
    /// History up to and including a revision was dropped.
    Compact {
        /// The revision.
        at: Revision,
    },
    /// A lease began at the record's time.
    LeaseGrant {
        /// The lease.
        id: LeaseId,
        /// Its time to live in milliseconds.
        ttl_ms: u64,
    },
    /// A lease ended and its keys were deleted.
    LeaseRevoke {
        /// The lease.
        id: LeaseId,
        /// The revision after the deletes; the one before it when no key was attached.
        revision: Revision,
    },
}

const TXN: u8 = 1;
const COMPACT: u8 = 2;
const LEASE_GRANT: u8 = 3;
const LEASE_REVOKE: u8 = 4;
const PUT: u8 = 1;
const PUT_LEASED: u8 = 2;
const DELETE: u8 = 3;

/// Why bytes are not a batch of records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The frame around them is torn or damaged.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The checksum holds but the content is not what any version of this program wrote.
    #[error("at byte {offset}: not a batch of records: {reason}")]
    Malformed {
        /// Where the frame begins.
        offset: usize,
        /// What is wrong.
        reason: &'static str,
    },
}

/// Appends `records` to `out` as one frame: whole or torn together.
///
/// # Errors
/// [`FrameError::TooLarge`] when they exceed [`frame::MAX_PAYLOAD`]; `out` is then unchanged.
pub fn encode(records: &[Record], out: &mut Vec<u8>) -> Result<(), FrameError> {
    frame::write(out, |payload| {
        put_u64(payload, records.len() as u64);
        records
            .iter()
            .for_each(|record| put_record(payload, record));
    })
}

/// Reads the batch at `offset` of `file`; `None` at the end of what was written. Returns the records and the offset
/// after them.
///
/// # Errors
/// [`RecordError::Frame`] tells a torn tail, which was never acknowledged, from damage to what was.
pub fn decode(file: &[u8], offset: usize) -> Result<Option<(Vec<Record>, usize)>, RecordError> {
    match frame::read(file, offset)? {
        Next::End => Ok(None),
        Next::Payload { payload, end } => match read_batch(payload) {
            Ok(records) => Ok(Some((records, end))),
            Err(Malformed(reason)) => Err(RecordError::Malformed { offset, reason }),
        },
    }
}

fn read_batch(payload: &[u8]) -> Result<Vec<Record>, Malformed> {
    let mut reader = Reader(payload);
    let count = reader.u64()?;
    let records = (0..count)
        .map(|_| read_record(&mut reader))
        .collect::<Result<_, _>>()?;
    if reader.is_empty() {
        Ok(records)
    } else {
        Err(Malformed("bytes follow the last record"))
    }
}

pub(crate) fn put_record(out: &mut Vec<u8>, record: &Record) {
    put_u64(out, record.index);
    put_u64(out, record.time.0);
    match &record.body {
        Body::Txn { revision, ops } => {
            out.push(TXN);
            put_u64(out, revision.0);
            put_u64(out, ops.len() as u64);
            ops.iter().for_each(|op| put_op(out, op));
        }
        Body::Compact { at } => {
            out.push(COMPACT);
            put_u64(out, at.0);
        }
        Body::LeaseGrant { id, ttl_ms } => {
            out.push(LEASE_GRANT);
            put_u64(out, id.0.cast_unsigned());
            put_u64(out, *ttl_ms);
        }
        Body::LeaseRevoke { id, revision } => {
            out.push(LEASE_REVOKE);
            put_u64(out, id.0.cast_unsigned());
            put_u64(out, revision.0);
        }
    }
}

fn put_op(out: &mut Vec<u8>, op: &Op) {
    match op {
        Op::Put { key, value, lease } => {
            out.push(if lease.is_some() { PUT_LEASED } else { PUT });
            put_bytes(out, key.as_bytes());
            put_bytes(out, value);
            if let Some(id) = lease {
                put_u64(out, id.0.cast_unsigned());
            }
        }
        Op::Delete { key } => {
            out.push(DELETE);
            put_bytes(out, key.as_bytes());
        }
    }
}

pub(crate) fn read_record(reader: &mut Reader<'_>) -> Result<Record, Malformed> {
    let index = reader.u64()?;
    let time = Millis(reader.u64()?);
    let body = match reader.u8()? {
        TXN => {
            let revision = Revision(reader.u64()?);
            let count = reader.u64()?;
            let ops = (0..count)
                .map(|_| read_op(reader))
                .collect::<Result<_, _>>()?;
            Body::Txn { revision, ops }
        }
        COMPACT => Body::Compact {
            at: Revision(reader.u64()?),
        },
        LEASE_GRANT => Body::LeaseGrant {
            id: read_lease(reader)?,
            ttl_ms: reader.u64()?,
        },
        LEASE_REVOKE => Body::LeaseRevoke {
            id: read_lease(reader)?,
            revision: Revision(reader.u64()?),
        },
        _ => return Err(Malformed("a record of an unknown kind")),
    };
    Ok(Record { index, time, body })
}

fn read_op(reader: &mut Reader<'_>) -> Result<Op, Malformed> {
    let kind = reader.u8()?;
    let key = reader.text()?.into();
    match kind {
        PUT => Ok(Op::Put {
            key,
            value: reader.value()?,
            lease: None,
        }),
        PUT_LEASED => {
            let value = reader.value()?;
            Ok(Op::Put {
                key,
                value,
                lease: Some(read_lease(reader)?),
            })
        }
        DELETE => Ok(Op::Delete { key }),
        _ => Err(Malformed("a write of an unknown kind")),
    }
}

pub(crate) fn read_lease(reader: &mut Reader<'_>) -> Result<LeaseId, Malformed> {
    reader.u64().map(|id| LeaseId(id.cast_signed()))
}
