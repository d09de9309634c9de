//! The log: segments of frames, appended and synced a batch at a time.

use std::io;
use std::path::Path;
use std::sync::Arc;

use store::{Record, Snapshot, Store, encode, frame};

use crate::disk::{Disk, File, Guard, create_whole};
use crate::image;
use crate::real::RealDisk;
use crate::recover::{self, OpenError, Recovered};

/// Ends the name of a segment; before it stands the index of its first record.
pub(crate) const SUFFIX: &str = ".wal";
/// Begins a segment's first frame; the first record's index follows in eight bytes.
pub(crate) const MAGIC: &[u8] = b"glasshouse log 1";
/// How many images are kept: if the newest is damaged, the one before and the log since then replace it.
const IMAGES: usize = 2;

pub(crate) fn segment_name(first: u64) -> String {
    format!("{first:020}{SUFFIX}")
}

/// Sizes of the log.
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    /// A segment that has reached this many bytes is closed and another begun.
    pub segment_bytes: u64,
    /// Space is added to a segment in such steps: a sync that need not store a new length takes two thirds of the
    /// time (ext4).
    pub reserve_bytes: u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 32 << 20,
            reserve_bytes: 4 << 20,
        }
    }
}

/// The open log of a directory that this process alone uses.
pub struct Log {
    disk: Arc<dyn Disk>,
    options: LogOptions,
    file: Box<dyn File>,
    /// The first record's index of each segment, oldest first; the last one is `file`.
    segments: Vec<u64>,
    /// The index of each image, oldest first.
    images: Vec<u64>,
    image_bytes: u64,
    /// Where the next frame goes.
    offset: u64,
    /// The length of `file`.
    reserved: u64,
    /// The index of the next record.
    next: u64,
    appended: u64,
    poison: Option<String>,
    buffer: Vec<u8>,
    _lock: Box<dyn Guard>,
}

impl Log {
    /// Opens the log in `dir` and rebuilds its store; an absent directory is created with mode 0700.
    ///
    /// A last batch that was never completed is dropped; anything else that is not whole is refused.
    ///
    /// # Errors
    /// [`OpenError`], which names the file and the offset.
    pub fn open(dir: &Path, options: LogOptions) -> Result<(Self, Store), OpenError> {
        let disk = RealDisk::new(dir).map_err(|source| {
            let file = dir.display().to_string();
            OpenError::Io {
                file,
                action: "create",
                source,
            }
        })?;
        Self::open_on(Arc::new(disk), options)
    }

    /// Opens the log on any disk.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn open_on(disk: Arc<dyn Disk>, options: LogOptions) -> Result<(Self, Store), OpenError> {
        let lock = recover::lock(&*disk)?;
        let Recovered {
            store,
            segments,
            images,
            image_bytes,
            tail,
        } = recover::recover(&*disk)?;
        let mut segments = segments;
        // The tail is written anew even when nothing was torn: bytes that can be read after a failed sync may
        // exist in the page cache only, and syncing that file again would not store them.
        let (first, content) = match (segments.last(), tail) {
            (Some(first), Some(content)) => (*first, content),
            _ => {
                let first = store.index() + 1;
                segments.push(first);
                (first, head(first)?)
            }
        };
        let name = segment_name(first);
        let reserved = content.len() as u64 + options.reserve_bytes;
        let file =
            create_segment(&*disk, &name, &content, reserved).map_err(|source| OpenError::Io {
                file: name,
                action: "write",
                source,
            })?;
        let next = store.index() + 1;
        let log = Self {
            disk,
            options,
            file,
            segments,
            images,
            image_bytes,
            offset: content.len() as u64,
            reserved,
            next,
            appended: content.len() as u64,
            poison: None,
            buffer: Vec::new(),
            _lock: lock,
        };
        Ok((log, store))
    }

    /// Makes `records` durable with one write and one sync; after a power cut all of them are there or none.
    ///
    /// # Errors
    /// [`AppendError::Refused`]: nothing was written, and a later append may work. [`AppendError::Poisoned`]: a sync
    /// failed, what is on disk is unknown, and this log acknowledges nothing again.
    pub fn append(&mut self, records: &[Record]) -> Result<(), AppendError> {
        if let Some(reason) = &self.poison {
            return Err(AppendError::Poisoned {
                reason: reason.clone(),
            });
        }
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            return Ok(());
        };
        if first.index != self.next {
            let reason = format!(
                "record {} cannot follow record {}",
                first.index,
                self.next - 1
            );
            return Err(AppendError::Refused { reason });
        }
        if self.offset >= self.options.segment_bytes {
            self.rotate()?;
        }
        self.buffer.clear();
        encode(records, &mut self.buffer).map_err(|error| AppendError::Refused {
            reason: error.to_string(),
        })?;
        let end = self.offset + self.buffer.len() as u64;
        if end > self.reserved {
            // Only a matter of speed: without reserved space the write itself extends the file, or fails.
            self.reserved = match self.file.set_len(end + self.options.reserve_bytes) {
                Ok(()) => end + self.options.reserve_bytes,
                Err(_) => end,
            };
        }
        if let Err(error) = self.file.write_at(self.offset, &self.buffer) {
            return Err(self.undo(&error));
        }
        if let Err(error) = self.file.sync() {
            return Err(self.poison("sync", &error));
        }
        self.appended += self.buffer.len() as u64;
        self.offset = end;
        self.next = last.index + 1;
        Ok(())
    }

    /// Takes back a write that failed part-way, so that no trace of it can follow a later frame.
    fn undo(&mut self, error: &io::Error) -> AppendError {
        let undone = self
            .file
            .set_len(self.offset)
            .and_then(|()| self.file.sync());
        self.reserved = self.offset;
        match undone {
            Ok(()) => {
                let place = self.disk.place();
                AppendError::Refused {
                    reason: format!("writing to {place}: {error}"),
                }
            }
            Err(error) => self.poison("take back a failed write", &error),
        }
    }

    fn poison(&mut self, action: &str, error: &io::Error) -> AppendError {
        let segment = self.segments.last().copied().unwrap_or_default();
        let reason = format!(
            "{action} {}/{}: {error}",
            self.disk.place(),
            segment_name(segment)
        );
        self.poison = Some(reason.clone());
        AppendError::Poisoned { reason }
    }

    fn rotate(&mut self) -> Result<(), AppendError> {
        let first = self.next;
        let content = head(first).map_err(|error| refused(&error))?;
        // Gives back the unused reserve. Only space is lost if it fails; the zeros read as the end all the same.
        let _ = self.file.set_len(self.offset);
        self.reserved = self.offset;
        let reserved = content.len() as u64 + self.options.reserve_bytes;
        match create_segment(&*self.disk, &segment_name(first), &content, reserved) {
            Ok(file) => self.file = file,
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                return Err(refused(&error));
            }
            // The new segment may or may not be in the directory: appending to the old one could hide records.
            Err(error) => return Err(self.poison("begin a segment after", &error)),
        }
        self.segments.push(first);
        (self.offset, self.reserved) = (content.len() as u64, reserved);
        Ok(())
    }

    /// Writes an image of `snapshot`, then removes what it makes superfluous.
    ///
    /// # Errors
    /// The operating system's; the log is as good as before.
    pub fn snapshot(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        let bytes = image::write(&*self.disk, snapshot)?;
        self.image_written(snapshot.index(), bytes)
    }

    /// Takes note of an image that was written beside the log and removes what it makes superfluous.
    pub(crate) fn image_written(&mut self, index: u64, bytes: u64) -> io::Result<()> {
        if self.images.last().is_none_or(|last| *last < index) {
            self.images.push(index);
        }
        (self.image_bytes, self.appended) = (bytes, 0);
        while self.images.len() > IMAGES {
            let oldest = self.images.remove(0);
            self.disk.remove(&image::name(oldest))?;
        }
        let base = if self.images.len() < IMAGES {
            0
        } else {
            self.images.first().copied().unwrap_or(0)
        };
        while self
            .segments
            .get(1)
            .is_some_and(|second| *second <= base + 1)
        {
            let oldest = self.segments.remove(0);
            self.disk.remove(&segment_name(oldest))?;
        }
        self.disk.sync_dir()
    }

    /// Whether replaying the log would take longer than loading an image, and at least `floor` bytes.
    pub(crate) fn wants_image(&self, floor: u64) -> bool {
        self.appended >= self.image_bytes.max(floor)
    }

    /// Forgets that an image is due, after writing one failed: the next one is tried as much log later.
    pub(crate) fn postpone_image(&mut self) {
        self.appended = 0;
    }

    pub(crate) fn disk(&self) -> Arc<dyn Disk> {
        self.disk.clone()
    }
}

fn refused(error: &dyn std::error::Error) -> AppendError {
    AppendError::Refused {
        reason: format!("beginning a segment: {error}"),
    }
}

/// The first frame of a segment.
fn head(first: u64) -> Result<Vec<u8>, OpenError> {
    let mut bytes = Vec::new();
    frame::write(&mut bytes, |payload| {
        payload.extend_from_slice(MAGIC);
        payload.extend_from_slice(&first.to_le_bytes());
    })
    .map_err(|error| OpenError::Corrupt {
        file: segment_name(first),
        reason: error.to_string(),
    })?;
    Ok(bytes)
}

fn create_segment(
    disk: &dyn Disk,
    name: &str,
    content: &[u8],
    reserved: u64,
) -> io::Result<Box<dyn File>> {
    create_whole(disk, name, |file| {
        file.write_at(0, content)?;
        file.set_len(reserved)
    })
}

/// Why records are not durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Nothing was written; free space or repair the disk and try again.
    #[error("the log refused a batch, nothing was written: {reason}")]
    Refused {
        /// What failed.
        reason: String,
    },
    /// What is on disk is unknown; restart to recover what is.
    #[error("the log stopped, restart to recover: {reason}")]
    Poisoned {
        /// What failed first.
        reason: String,
    },
}
