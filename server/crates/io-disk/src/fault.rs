//! A directory in memory that loses, tears and refuses on demand.
//!
//! It models what Linux does to a careless program: what was not synced may vanish sector by sector in a power cut,
//! directory changes may vanish from the newest back, and a failed sync drops the data while the page cache goes on
//! showing it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::disk::{Disk, File, Guard};

const SECTOR: usize = 512;

/// A directory in memory with faults. Clones are the same directory.
#[derive(Clone, Default)]
pub struct FaultDisk {
    inner: Arc<Mutex<Inner>>,
}

type Names = BTreeMap<String, u64>;

#[derive(Default)]
struct Inner {
    files: BTreeMap<u64, Content>,
    names: Names,
    /// The directory after each change that is not synced, behind the last synced one.
    durable_names: Vec<Names>,
    next_id: u64,
    /// Grows with every crash; files opened before are dead.
    life: u64,
    locked: bool,
    syncs: u64,
    writes: u64,
    /// Counts everything that changes the directory or a file.
    changes: u64,
    die_at: Option<u64>,
    fail_sync: Option<u64>,
    fail_write: Option<u64>,
    capacity: Option<u64>,
}

#[derive(Clone, Default)]
struct Content {
    /// What readers see.
    current: Vec<u8>,
    /// What a power cut leaves for certain.
    durable: Vec<u8>,
    /// Sectors whose current content a sync would make durable.
    dirty: BTreeSet<usize>,
}

impl Content {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.current.len() < end {
            self.set_len(end);
        }
        if let Some(place) = self.current.get_mut(offset..end) {
            place.copy_from_slice(bytes);
        }
        self.dirty.extend(offset / SECTOR..end.div_ceil(SECTOR));
    }

    fn set_len(&mut self, len: usize) {
        let touched = len.min(self.current.len());
        let last = len.max(self.current.len()).div_ceil(SECTOR);
        self.current.resize(len, 0);
        self.dirty.extend(touched / SECTOR..last);
    }

    /// Makes the sectors in `which` durable.
    fn persist(&mut self, which: &BTreeSet<usize>, len: usize) {
        self.durable.resize(len, 0);
        for sector in which {
            let start = (sector * SECTOR).min(len);
            let end = (start + SECTOR).min(len).min(self.current.len());
            if let (Some(to), Some(from)) = (
                self.durable.get_mut(start..end),
                self.current.get(start..end),
            ) {
                to.copy_from_slice(from);
            }
        }
    }

    fn sync(&mut self) {
        let dirty = std::mem::take(&mut self.dirty);
        self.persist(&dirty, self.current.len());
    }

    /// What a power cut leaves: any of the unsynced sectors, at any length on the way.
    fn crash(&mut self, rng: &mut Rng) {
        let (old, new) = (self.durable.len(), self.current.len());
        let len = if rng.below(2) == 0 { old } else { new };
        let kept = std::mem::take(&mut self.dirty);
        let share = rng.below(5);
        let kept = kept.into_iter().filter(|_| rng.below(4) < share).collect();
        self.persist(&kept, len);
        self.current.clone_from(&self.durable);
    }
}

/// xorshift64*, as the faults must be the same for the same seed.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n.max(1)
    }
}

impl FaultDisk {
    /// An empty directory without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cuts the power: unsynced changes survive or not by `seed`, open files and the lock are dead.
    pub fn crash(&self, seed: u64) {
        let mut inner = self.inner.lock();
        let mut rng = Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let pick = rng.below(inner.durable_names.len() as u64) as usize;
        inner.names = inner.durable_names.get(pick).cloned().unwrap_or_default();
        inner.durable_names = vec![inner.names.clone()];
        let alive: BTreeSet<u64> = inner.names.values().copied().collect();
        inner.files.retain(|id, _| alive.contains(id));
        inner
            .files
            .values_mut()
            .for_each(|content| content.crash(&mut rng));
        inner.end_process();
    }

    /// Ends the process but not the machine: everything written is still there to read.
    pub fn kill(&self) {
        self.inner.lock().end_process();
    }

    /// Makes the `n`th sync from here on, of a file or the directory, fail once and lose what it was to save.
    pub fn fail_sync(&self, n: u64) {
        let mut inner = self.inner.lock();
        inner.fail_sync = Some(inner.syncs + n);
    }

    /// Makes the `n`th write from here on fail once, half done.
    pub fn fail_write(&self, n: u64) {
        let mut inner = self.inner.lock();
        inner.fail_write = Some(inner.writes + n);
    }

    /// Lets the process die at the `n`th change from here on: a write is half done, anything else is not, and nothing
    /// works until [`FaultDisk::crash`] or [`FaultDisk::kill`].
    pub fn die_at(&self, n: u64) {
        let mut inner = self.inner.lock();
        inner.die_at = Some(inner.changes + n);
    }

    /// Limits the bytes of all files together; `None` is no limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.inner.lock().capacity = bytes;
    }

    /// How often anything was synced.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.inner.lock().syncs
    }

    /// Changes a file behind the program's back, durably.
    pub fn tamper(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut inner = self.inner.lock();
        let id = inner.names.get(name).copied();
        if let Some(content) = id.and_then(|id| inner.files.get_mut(&id)) {
            change(&mut content.current);
            content.durable.clone_from(&content.current);
        }
    }

    /// An independent copy of everything that can be read.
    #[must_use]
    pub fn fork(&self) -> Self {
        let copy = Self::new();
        {
            let (from, mut to) = (self.inner.lock(), copy.inner.lock());
            to.files.clone_from(&from.files);
            to.names.clone_from(&from.names);
            to.durable_names.clone_from(&from.durable_names);
            to.next_id = from.next_id;
        }
        copy
    }
}

impl Inner {
    fn end_process(&mut self) {
        self.life += 1;
        self.locked = false;
        (self.fail_sync, self.fail_write, self.die_at) = (None, None, None);
    }

    /// Counts a change and says whether the process lives to make it.
    fn change(&mut self) -> io::Result<()> {
        self.changes += 1;
        match self.die_at {
            Some(at) if at <= self.changes => Err(io::Error::other("injected: the process died")),
            _ => Ok(()),
        }
    }

    fn names_changed(&mut self) {
        if self.durable_names.is_empty() {
            self.durable_names.push(Names::new());
        }
        self.durable_names.push(self.names.clone());
    }

    /// Counts a sync and says whether it works.
    fn count_sync(&mut self) -> io::Result<()> {
        self.syncs += 1;
        if self.fail_sync == Some(self.syncs) {
            return Err(io::Error::other("injected: sync failed"));
        }
        Ok(())
    }

    fn used(&self) -> u64 {
        self.files
            .values()
            .map(|content| content.current.len() as u64)
            .sum()
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Disk for FaultDisk {
    fn place(&self) -> String {
        "memory".to_owned()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.inner.lock().names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn io::Read + Send>> {
        let inner = self.inner.lock();
        let content = inner.names.get(name).and_then(|id| inner.files.get(id));
        let bytes = content.ok_or_else(not_found)?.current.clone();
        Ok(Box::new(io::Cursor::new(bytes)))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        let mut inner = self.inner.lock();
        inner.change()?;
        let id = inner.next_id;
        inner.next_id += 1;
        inner.files.insert(id, Content::default());
        inner.names.insert(name.to_owned(), id);
        inner.names_changed();
        Ok(Box::new(FaultFile {
            disk: self.clone(),
            id,
            life: inner.life,
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.inner.lock();
        inner.change()?;
        let id = inner.names.remove(from).ok_or_else(not_found)?;
        inner.names.insert(to.to_owned(), id);
        inner.names_changed();
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut inner = self.inner.lock();
        inner.change()?;
        inner.names.remove(name).ok_or_else(not_found)?;
        inner.names_changed();
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut inner = self.inner.lock();
        inner.change()?;
        inner.count_sync()?;
        inner.durable_names = vec![inner.names.clone()];
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn Guard>> {
        let mut inner = self.inner.lock();
        if inner.locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        inner.locked = true;
        Ok(Box::new(Locked {
            disk: self.clone(),
            life: inner.life,
        }))
    }
}

struct Locked {
    disk: FaultDisk,
    life: u64,
}

impl Guard for Locked {}

impl Drop for Locked {
    fn drop(&mut self) {
        let mut inner = self.disk.inner.lock();
        if inner.life == self.life {
            inner.locked = false;
        }
    }
}

struct FaultFile {
    disk: FaultDisk,
    id: u64,
    life: u64,
}

impl FaultFile {
    fn with<T>(
        &self,
        act: impl FnOnce(&mut Inner, &mut Content) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut inner = self.disk.inner.lock();
        if inner.life != self.life {
            return Err(io::Error::other("injected: the process has ended"));
        }
        let mut content = inner.files.remove(&self.id).ok_or_else(not_found)?;
        let result = act(&mut inner, &mut content);
        inner.files.insert(self.id, content);
        result
    }
}

impl File for FaultFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.with(|inner, content| {
            let offset = usize::try_from(offset).map_err(io::Error::other)?;
            inner.writes += 1;
            let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
            if let Err(error) = inner.change() {
                if inner.die_at == Some(inner.changes) {
                    content.write(offset, half);
                }
                return Err(error);
            }
            if inner.fail_write == Some(inner.writes) {
                content.write(offset, half);
                return Err(io::Error::other("injected: write failed"));
            }
            let grown = (offset + bytes.len()).max(content.current.len()) as u64;
            if inner
                .capacity
                .is_some_and(|capacity| inner.used() + grown > capacity)
            {
                content.write(offset, half);
                return Err(io::ErrorKind::StorageFull.into());
            }
            content.write(offset, bytes);
            Ok(())
        })
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.with(|inner, content| {
            inner.change()?;
            let grows = len > content.current.len() as u64;
            if grows
                && inner
                    .capacity
                    .is_some_and(|capacity| inner.used() + len > capacity)
            {
                return Err(io::ErrorKind::StorageFull.into());
            }
            content.set_len(usize::try_from(len).map_err(io::Error::other)?);
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.with(|inner, content| {
            inner.change()?;
            if let Err(error) = inner.count_sync() {
                content.dirty.clear();
                return Err(error);
            }
            content.sync();
            Ok(())
        })
    }
}
