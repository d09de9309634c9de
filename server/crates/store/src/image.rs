//! Images: a whole store as a file.
//!
//! An image is the key space as it was at the oldest readable revision, followed by the history since then as
//! transactions. Loading one repeats them, so that a restart loses neither versions nor the history watches resume
//! from. Frames are checked one by one; the last one counts the others.

use std::sync::Arc;

use shared::{Millis, Revision};

use crate::codec::{Malformed, Reader, put_bytes, put_u64};
use crate::frame::{self, FrameError, Next};
use crate::kv::{KeyValue, LeaseId};
use crate::lease::Lease;
use crate::record::{self, Body, Record};
use crate::snapshot::Snapshot;
use crate::state::{Commit, State};
use crate::txn::op_of;
use crate::writer::Store;

/// Names the format and its version.
const MAGIC: &[u8] = b"glasshouse image 1";
/// A frame is closed when its content reaches this, in bytes.
const CHUNK: usize = 256 << 10;

const HEAD: u8 = 1;
const KEYS: u8 = 2;
const COMMITS: u8 = 3;
const END: u8 = 4;

/// Why a file is not an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// A frame is damaged or missing.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A frame's checksum holds but its content does not fit.
    #[error("frame {frame} of the image is not valid: {reason}")]
    Malformed {
        /// Which frame, from 0.
        frame: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// The file ends before the closing frame.
    #[error("the image ends after frame {frames}, before its end was written")]
    Incomplete {
        /// How many frames there are.
        frames: u64,
    },
}

/// Writes `snapshot` to `sink`, a frame at a time; each call's bytes are valid until it returns.
///
/// # Errors
/// What `sink` returns; and [`FrameError::TooLarge`] is impossible, as no transaction reaches that size.
pub fn encode<E: From<FrameError>>(
    snapshot: &Snapshot,
    mut sink: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let state = snapshot.state();
    let mut out = Vec::with_capacity(2 * CHUNK);
    frame::write(&mut out, |payload| put_head(payload, state))?;
    sink(&out)?;
    let floor = Revision(state.floor());
    let past = snapshot.undone("", floor);
    let unchanged = snapshot.iter("").filter(|kv| !past.contains_key(&kv.key));
    let mut base = unchanged.chain(past.values().filter_map(|kv| *kv));
    let keys = frames(KEYS, &mut out, &mut sink, || base.next(), put_kv)?;
    let mut history = state.history.iter();
    let commits = frames(COMMITS, &mut out, &mut sink, || history.next(), put_commit)?;
    out.clear();
    frame::write(&mut out, |payload| {
        payload.push(END);
        put_u64(payload, keys);
        put_u64(payload, commits);
    })?;
    sink(&out)
}

/// Writes everything `next` yields as frames of about [`CHUNK`] bytes and returns how many things there were.
fn frames<T, E: From<FrameError>>(
    tag: u8,
    out: &mut Vec<u8>,
    sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
    mut next: impl FnMut() -> Option<T>,
    put: impl Fn(&mut Vec<u8>, T),
) -> Result<u64, E> {
    let mut count = 0;
    let mut item = next();
    while item.is_some() {
        out.clear();
        frame::write(out, |payload| {
            payload.push(tag);
            while payload.len() < CHUNK
                && let Some(thing) = item.take()
            {
                put(payload, thing);
                count += 1;
                item = next();
            }
        })?;
        sink(out)?;
    }
    Ok(count)
}

fn put_head(out: &mut Vec<u8>, state: &State) {
    out.push(HEAD);
    put_bytes(out, MAGIC);
    for n in [
        state.index,
        state.revision.0,
        state.compacted.0,
        state.time.0,
    ] {
        put_u64(out, n);
    }
    put_u64(out, state.leases.len() as u64);
    for (id, lease) in &state.leases {
        put_u64(out, id.0.cast_unsigned());
        put_u64(out, lease.ttl_ms);
        put_u64(out, lease.deadline.0);
    }
}

fn put_kv(out: &mut Vec<u8>, kv: &KeyValue) {
    put_bytes(out, kv.key.as_bytes());
    put_bytes(out, &kv.value);
    for n in [kv.create_revision.0, kv.mod_revision.0, kv.version] {
        put_u64(out, n);
    }
    put_u64(out, kv.lease.map_or(0, |id| id.0.cast_unsigned()));
}

fn put_commit(out: &mut Vec<u8>, commit: &Arc<Commit>) {
    let ops = commit.events.iter().map(op_of).collect();
    let body = Body::Txn {
        revision: commit.revision,
        ops,
    };
    record::put_record(
        out,
        &Record {
            index: commit.index,
            time: commit.time,
            body,
        },
    );
}

/// Builds a store from an image's frames, given in order.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    frames: u64,
    keys: u64,
    commits: u64,
    /// What the head promised: index, revision, time.
    goal: Option<(u64, Revision, Millis)>,
    ended: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// Before the first frame.
    #[must_use]
    pub fn new() -> Self {
        let state = State::new();
        Self {
            state,
            frames: 0,
            keys: 0,
            commits: 0,
            goal: None,
            ended: false,
        }
    }

    /// Takes the payload of the next frame.
    ///
    /// # Errors
    /// [`ImageError::Malformed`]; the decoder is then of no use.
    pub fn push(&mut self, payload: &[u8]) -> Result<(), ImageError> {
        let frame = self.frames;
        self.frames += 1;
        self.take(payload)
            .map_err(|Malformed(reason)| ImageError::Malformed { frame, reason })
    }

    /// Whether the closing frame has been taken: nothing may follow.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.ended
    }

    /// The store, once the closing frame has been taken.
    ///
    /// # Errors
    /// [`ImageError::Incomplete`] before that.
    pub fn finish(self) -> Result<Store, ImageError> {
        if self.ended {
            Ok(Store::from_state(self.state))
        } else {
            Err(ImageError::Incomplete {
                frames: self.frames,
            })
        }
    }

    fn take(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        if self.ended {
            return Err(Malformed("it follows the closing frame"));
        }
        let mut reader = Reader(payload);
        match (reader.u8()?, self.goal) {
            (HEAD, None) => self.take_head(&mut reader)?,
            (KEYS, Some(_)) if self.commits == 0 => {
                while !reader.is_empty() {
                    self.state.insert(read_kv(&mut reader)?);
                    self.keys += 1;
                }
            }
            (COMMITS, Some(_)) => {
                while !reader.is_empty() {
                    self.take_commit(record::read_record(&mut reader)?)?;
                }
            }
            (END, Some(goal)) => self.take_end(&mut reader, goal)?,
            _ => return Err(Malformed("it is out of place")),
        }
        if reader.is_empty() {
            Ok(())
        } else {
            Err(Malformed("it is too long"))
        }
    }

    fn take_head(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        if reader.bytes()? != MAGIC {
            return Err(Malformed("it is of another format or version"));
        }
        let (index, revision) = (reader.u64()?, Revision(reader.u64()?));
        self.state.compacted = Revision(reader.u64()?);
        self.state.revision = Revision(self.state.floor());
        self.goal = Some((index, revision, Millis(reader.u64()?)));
        for _ in 0..reader.u64()? {
            let id = record::read_lease(reader)?;
            let (ttl_ms, deadline) = (reader.u64()?, Millis(reader.u64()?));
            self.state.set_lease(id, Lease { ttl_ms, deadline });
        }
        Ok(())
    }

    fn take_commit(&mut self, record: Record) -> Result<(), Malformed> {
        let Body::Txn { revision, ops } = record.body else {
            return Err(Malformed("its history holds more than transactions"));
        };
        let Some(before) = record
            .index
            .checked_sub(1)
            .filter(|at| *at >= self.state.index)
        else {
            return Err(Malformed("its history goes back"));
        };
        self.state.index = before;
        self.state.time = record.time;
        self.state.apply(ops);
        self.commits += 1;
        if self.state.revision == revision {
            Ok(())
        } else {
            Err(Malformed("its history has a gap"))
        }
    }

    fn take_end(
        &mut self,
        reader: &mut Reader<'_>,
        (index, revision, time): (u64, Revision, Millis),
    ) -> Result<(), Malformed> {
        let whole = reader.u64()? == self.keys && reader.u64()? == self.commits;
        if !whole || self.state.revision != revision || self.state.index > index {
            return Err(Malformed("frames before it are missing"));
        }
        (self.state.index, self.state.time) = (index, time);
        self.ended = true;
        Ok(())
    }
}

/// Reads a whole image.
///
/// # Errors
/// [`ImageError`]; an image has no torn tail: one that is not whole is of no use.
pub fn decode(file: &[u8]) -> Result<Store, ImageError> {
    let mut decoder = Decoder::new();
    let mut offset = 0;
    while let Next::Payload { payload, end } = frame::read(file, offset)? {
        decoder.push(payload)?;
        offset = end;
    }
    decoder.finish()
}

fn read_kv(reader: &mut Reader<'_>) -> Result<KeyValue, Malformed> {
    let key = reader.text()?.into();
    let value = reader.value()?;
    let create_revision = Revision(reader.u64()?);
    let mod_revision = Revision(reader.u64()?);
    let version = reader.u64()?;
    let lease = Some(record::read_lease(reader)?).filter(|id| *id != LeaseId(0));
    Ok(KeyValue {
        key,
        value,
        create_revision,
        mod_revision,
        version,
        lease,
    })
}
