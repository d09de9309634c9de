//! Content by digest on disk: `blobs/sha256/HEX`, each file written whole and then renamed into place.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::Digest;

/// The blobs of a store. Which of them are needed is the index's affair.
#[derive(Debug)]
pub(crate) struct Blobs {
    folder: PathBuf,
    /// What is there, with its size in bytes.
    sizes: BTreeMap<Digest, u64>,
}

impl Blobs {
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let mut sizes = BTreeMap::new();
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let name = format!("sha256:{}", entry.file_name().to_string_lossy());
            match Digest::parse(&name) {
                Some(digest) => {
                    sizes.insert(digest, entry.metadata()?.len());
                }
                // Left behind by a process that was killed while it wrote.
                None => std::fs::remove_file(entry.path())?,
            }
        }
        Ok(Self { folder, sizes })
    }

    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(digest.hex())
    }

    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.sizes.contains_key(digest)
    }

    /// Its size in bytes, if it is there.
    pub(crate) fn size(&self, digest: &Digest) -> Option<u64> {
        self.sizes.get(digest).copied()
    }

    /// All blobs together, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.sizes.values().sum()
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) -> io::Result<Digest> {
        let digest = Digest::of(bytes);
        if !self.has(&digest) {
            write_whole(&self.path(&digest), bytes)?;
            self.sizes.insert(digest, bytes.len() as u64);
        }
        Ok(digest)
    }

    /// Removes what is not wanted; a file that cannot be removed is told of and tried again at the next start.
    pub(crate) fn retain(&mut self, wanted: impl Fn(&Digest) -> bool) {
        let folder = &self.folder;
        self.sizes.retain(|digest, _| {
            let keep = wanted(digest);
            if !keep && let Err(error) = std::fs::remove_file(folder.join(digest.hex())) {
                tracing::warn!(%digest, %error, "an unused blob cannot be removed");
            }
            keep
        });
    }
}

/// Reads and checks a blob: damage on the disk must not become another program.
pub(crate) fn read(path: &Path, digest: &Digest) -> io::Result<Bytes> {
    let bytes = std::fs::read(path)?;
    if Digest::of(&bytes) == *digest {
        return Ok(bytes.into());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the stored bytes of {digest} are damaged: upload the image again"),
    ))
}

/// Writes a file whole or not at all, even when the power goes.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static COUNTER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let n = COUNTER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let partial = path.with_extension(format!("partial-{}-{n}", std::process::id()));
    let written = std::fs::File::create(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| std::fs::rename(&partial, path));
    if renamed.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    renamed
}
