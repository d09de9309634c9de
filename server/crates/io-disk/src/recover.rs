//! Recovery: the newest good image, and every whole batch after it.

use std::io;

use store::frame::{self, FrameError, Next};
use store::{RecordError, Store, decode};

use crate::disk::{Disk, Guard, TEMPORARY};
use crate::{image, log};

/// Why a directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system failed.
    #[error("cannot {action} {file}")]
    Io {
        /// The file or directory.
        file: String,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// Another process uses the directory.
    #[error("{dir} is in use by another process; stop it or choose another directory")]
    Locked {
        /// The directory.
        dir: String,
    },
    /// A file is damaged in a place that was durable once.
    #[error("{file}: {reason}; restore the directory from a backup")]
    Corrupt {
        /// The file.
        file: String,
        /// Where and how it shows.
        reason: String,
    },
    /// A file is missing.
    #[error(
        "the log after record {after} is missing: the next segment found is {found}; restore the directory from a backup"
    )]
    Missing {
        /// The last record that was found.
        after: u64,
        /// The segment that comes next, or `none`.
        found: String,
    },
}

pub(crate) struct Recovered {
    pub(crate) store: Store,
    pub(crate) segments: Vec<u64>,
    pub(crate) images: Vec<u64>,
    pub(crate) image_bytes: u64,
    /// The whole frames of the last segment.
    pub(crate) tail: Option<Vec<u8>>,
}

pub(crate) fn lock(disk: &dyn Disk) -> Result<Box<dyn Guard>, OpenError> {
    disk.lock().map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked { dir: disk.place() },
        _ => OpenError::Io {
            file: disk.place(),
            action: "lock",
            source,
        },
    })
}

pub(crate) fn recover(disk: &dyn Disk) -> Result<Recovered, OpenError> {
    let (segments, mut images) = list(disk)?;
    let mut damaged = Vec::new();
    let mut loaded = None;
    for index in images.iter().rev() {
        let name = image::name(*index);
        match image::read(disk, &name) {
            Ok(good) => {
                loaded = Some(good);
                break;
            }
            Err(reason) => {
                tracing::warn!(file = name, reason, "image is damaged, falling back");
                damaged.push((*index, name, reason));
            }
        }
    }
    if segments.is_empty() && !images.is_empty() {
        let after = loaded.map_or(0, |(store, _)| store.index());
        return Err(OpenError::Missing {
            after,
            found: "none".to_owned(),
        });
    }
    let (mut store, image_bytes) = loaded.unwrap_or_else(|| (Store::new(), 0));
    let tail = replay(disk, &segments, &mut store);
    // A damaged image is worth naming only if the log cannot replace it.
    if let Some((_, file, reason)) = damaged
        .iter()
        .find(|(index, ..)| tail.is_err() || *index > store.index())
    {
        return Err(OpenError::Corrupt {
            file: file.clone(),
            reason: reason.clone(),
        });
    }
    for (index, name, _) in &damaged {
        disk.remove(name)
            .map_err(|source| io_error(name, "remove", source))?;
        images.retain(|image| image != index);
    }
    Ok(Recovered {
        store,
        segments,
        images,
        image_bytes,
        tail: tail?,
    })
}

fn io_error(file: &str, action: &'static str, source: io::Error) -> OpenError {
    OpenError::Io {
        file: file.to_owned(),
        action,
        source,
    }
}

/// The segments and images of the directory, oldest first; what was never completed is removed.
fn list(disk: &dyn Disk) -> Result<(Vec<u64>, Vec<u64>), OpenError> {
    let names = disk
        .list()
        .map_err(|source| io_error(&disk.place(), "list", source))?;
    let (mut segments, mut images) = (Vec::new(), Vec::new());
    for name in names {
        let number = |suffix| name.strip_suffix(suffix).and_then(|stem| stem.parse().ok());
        if name.ends_with(TEMPORARY) {
            disk.remove(&name)
                .map_err(|source| io_error(&name, "remove", source))?;
        } else if let Some(first) = number(log::SUFFIX) {
            segments.push(first);
        } else if let Some(index) = number(image::SUFFIX) {
            images.push(index);
        }
    }
    segments.sort_unstable();
    images.sort_unstable();
    Ok((segments, images))
}

/// Repeats what the segments hold beyond `store`; returns the whole frames of the last one.
fn replay(
    disk: &dyn Disk,
    segments: &[u64],
    store: &mut Store,
) -> Result<Option<Vec<u8>>, OpenError> {
    let mut tail = None;
    for (at, first) in segments.iter().enumerate() {
        let next = segments.get(at + 1);
        if next.is_some_and(|next| *next <= store.index() + 1) {
            continue;
        }
        let name = log::segment_name(*first);
        if *first > store.index() + 1 {
            return Err(OpenError::Missing {
                after: store.index(),
                found: name,
            });
        }
        let mut file = disk
            .read(&name)
            .map_err(|source| io_error(&name, "read", source))?;
        let (end, torn) = replay_segment(&name, *first, &file, store)?;
        if let Some(next) = next {
            if torn {
                let reason = format!("at byte {end}: a batch is torn though a segment follows");
                return Err(OpenError::Corrupt { file: name, reason });
            }
            if *next > store.index() + 1 {
                let found = log::segment_name(*next);
                return Err(OpenError::Missing {
                    after: store.index(),
                    found,
                });
            }
        }
        if torn {
            tracing::warn!(
                file = name,
                offset = end,
                "dropped a batch that was never completed"
            );
        }
        file.truncate(end);
        tail = Some(file);
    }
    Ok(tail)
}

/// Repeats one segment; returns the offset after its last whole frame and whether a torn one follows.
fn replay_segment(
    name: &str,
    first: u64,
    file: &[u8],
    store: &mut Store,
) -> Result<(usize, bool), OpenError> {
    let corrupt = |reason: String| OpenError::Corrupt {
        file: name.to_owned(),
        reason,
    };
    let mut offset = match frame::read(file, 0).map_err(|error| corrupt(error.to_string()))? {
        Next::Payload { payload, end } if is_head(payload, first) => end,
        _ => {
            return Err(corrupt(
                "at byte 0: not a segment of this version".to_owned(),
            ));
        }
    };
    loop {
        match decode(file, offset) {
            Ok(Some((records, end))) => {
                for record in &records {
                    store
                        .apply_record(record)
                        .map_err(|error| corrupt(format!("at byte {offset}: {error}")))?;
                }
                offset = end;
            }
            Ok(None) => return Ok((offset, false)),
            Err(RecordError::Frame(FrameError::Torn { .. })) => return Ok((offset, true)),
            Err(error) => return Err(corrupt(error.to_string())),
        }
    }
}

fn is_head(payload: &[u8], first: u64) -> bool {
    payload.strip_prefix(log::MAGIC) == Some(&first.to_le_bytes())
}
