//! What the log needs of a file system, and nothing more.

use std::io;

/// One directory of files.
///
/// Names are plain file names. Changes of the directory (create, rename, remove) are certain to survive a power cut
/// only after [`Disk::sync_dir`].
pub trait Disk: Send + Sync + 'static {
    /// What to call the directory in messages.
    fn place(&self) -> String;

    /// The names of all files, in no order.
    ///
    /// # Errors
    /// The operating system's.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Opens a file to read it from its beginning.
    ///
    /// # Errors
    /// The operating system's.
    fn open(&self, name: &str) -> io::Result<Box<dyn io::Read + Send>>;

    /// Creates a file that only the owner may read (mode 0600), empty even if it existed.
    ///
    /// # Errors
    /// The operating system's.
    fn create(&self, name: &str) -> io::Result<Box<dyn File>>;

    /// Renames a file, replacing the one at the new name at once or not at all.
    ///
    /// # Errors
    /// The operating system's.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// The operating system's.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes the directory's changes so far durable.
    ///
    /// # Errors
    /// The operating system's; what is durable is then unknown.
    fn sync_dir(&self) -> io::Result<()>;

    /// Takes the directory for this process until the guard is dropped.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another process has it.
    fn lock(&self) -> io::Result<Box<dyn Guard>>;

    /// The whole content of a file.
    ///
    /// # Errors
    /// The operating system's.
    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(name)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// A file being written. It keeps its identity when it is renamed.
pub trait File: Send {
    /// Writes all of `bytes` at `offset`, extending the file if need be.
    ///
    /// # Errors
    /// The operating system's; any part may then have been written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts or extends the file; what is added reads as zeros.
    ///
    /// # Errors
    /// The operating system's.
    fn set_len(&mut self, len: u64) -> io::Result<()>;

    /// Makes content and length durable.
    ///
    /// # Errors
    /// The operating system's; what is durable is then unknown, and syncing again proves nothing (Linux reports a
    /// lost page once and marks it clean).
    fn sync(&mut self) -> io::Result<()>;
}

/// A lock that ends when it is dropped.
pub trait Guard: Send + Sync {}

/// Writes `name` under a temporary name first, so that it is whole or absent after a crash. Returns the open file.
///
/// # Errors
/// The operating system's; the temporary file may then remain, and is removed when the directory is opened.
pub(crate) fn create_whole(
    disk: &dyn Disk,
    name: &str,
    fill: impl FnOnce(&mut dyn File) -> io::Result<()>,
) -> io::Result<Box<dyn File>> {
    let temporary = format!("{name}{TEMPORARY}");
    let mut file = disk.create(&temporary)?;
    let written = fill(&mut *file).and_then(|()| file.sync());
    if let Err(error) = written {
        let _ = disk.remove(&temporary);
        return Err(error);
    }
    disk.rename(&temporary, name)?;
    disk.sync_dir()?;
    Ok(file)
}

/// Ends the name of a file that is not whole yet.
pub(crate) const TEMPORARY: &str = ".tmp";
