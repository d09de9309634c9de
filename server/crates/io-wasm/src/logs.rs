//! Container logs in the CRI's format: one file per run, `TIME STREAM TAG LINE`, rotated at 10 MiB, five files kept.
//!
//! The format and the numbers are the kubelet's (`containerLogMaxSize`, `containerLogMaxFiles`). Times are the cluster
//! clock's. [`read`] selects and follows.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use io_clock::Clock;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

mod attached;
mod last;
pub mod read;
mod rotate;

pub use read::{LogOptions, LogReadError};

/// A file is rotated when it has grown past this: `containerLogMaxSize`.
pub const FILE_BYTES_MAX: u64 = 10 * 1024 * 1024;
/// Files kept per run, the one in use included: `containerLogMaxFiles`.
pub const FILES_MAX: usize = 5;
/// A longer line is split into partial entries, as containerd does.
const LINE_MAX: usize = 16 * 1024;

/// Which of a program's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Output {
    /// The CRI's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// One node's logs on disk, and who writes at the moment.
#[derive(Clone)]
pub struct Logs {
    root: PathBuf,
    clock: Clock,
    open: Arc<Mutex<BTreeMap<PathBuf, watch::Receiver<u64>>>>,
    file_bytes_max: u64,
}

impl Logs {
    /// Logs below `root`.
    #[must_use]
    pub fn new(root: PathBuf, clock: Clock) -> Self {
        Self {
            root,
            clock,
            open: Arc::default(),
            file_bytes_max: FILE_BYTES_MAX,
        }
    }

    /// Rotates at another size: for tests.
    #[must_use]
    pub fn rotating_at(mut self, bytes: u64) -> Self {
        self.file_bytes_max = bytes;
        self
    }

    /// The folder of one container's runs.
    fn folder(&self, pod: &str, container: &str) -> PathBuf {
        self.root.join(pod).join(container)
    }

    /// Begins the log of one run.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(&self, pod: &str, container: &str, attempt: u32) -> io::Result<Arc<LogWriter>> {
        let folder = self.folder(pod, container);
        std::fs::create_dir_all(&folder)?;
        rotate::remove_old_runs(&folder, attempt)?;
        let path = folder.join(format!("{attempt}.log"));
        let (grown, watcher) = watch::channel(0);
        let (file, bytes) = {
            // Whoever sees the file waits here until its growth can be watched: a reader that came in between would
            // take the run for over.
            let mut open = self.open.lock();
            let file = OpenOptions::new().create(true).append(true).open(&path)?;
            let bytes = file.metadata()?.len();
            open.insert(path.clone(), watcher);
            (file, bytes)
        };
        Ok(Arc::new(LogWriter {
            clock: self.clock.clone(),
            open: Arc::clone(&self.open),
            grown,
            file_bytes_max: self.file_bytes_max,
            attached: attached::Attached::default(),
            state: Mutex::new(State {
                path,
                file,
                bytes,
                stdout: Vec::new(),
                stderr: Vec::new(),
            }),
        }))
    }

    /// Removes all logs of a pod.
    ///
    /// # Errors
    /// When the folder is there and cannot be removed.
    pub fn remove_pod(&self, pod: &str) -> io::Result<()> {
        match std::fs::remove_dir_all(self.root.join(pod)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Tells of growth of a file that is being written.
    fn watch(&self, path: &Path) -> Option<watch::Receiver<u64>> {
        self.open.lock().get(path).cloned()
    }
}

/// Writes the log of one run. Its readers know the run is over when it is dropped.
pub struct LogWriter {
    clock: Clock,
    open: Arc<Mutex<BTreeMap<PathBuf, watch::Receiver<u64>>>>,
    grown: watch::Sender<u64>,
    file_bytes_max: u64,
    attached: attached::Attached,
    state: Mutex<State>,
}

struct State {
    path: PathBuf,
    file: File,
    bytes: u64,
    /// What each output has said since its last line end.
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl LogWriter {
    /// Takes output; whole lines reach the file before it returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, output: Output, data: &[u8]) -> io::Result<()> {
        self.attached.send(output, data);
        let mut state = self.state.lock();
        let mut rest = match output {
            Output::Stdout => std::mem::take(&mut state.stdout),
            Output::Stderr => std::mem::take(&mut state.stderr),
        };
        rest.extend_from_slice(data);
        let prefix = self.prefix(output);
        let mut entries = Vec::with_capacity(rest.len() + prefix.len() + 3);
        let mut start = 0;
        while start < rest.len() {
            let window = &rest[start..rest.len().min(start + LINE_MAX + 1)];
            match window.iter().position(|b| *b == b'\n') {
                Some(end) => {
                    entry(&mut entries, &prefix, b'F', &window[..end]);
                    start += end + 1;
                }
                None if window.len() > LINE_MAX => {
                    entry(&mut entries, &prefix, b'P', &window[..LINE_MAX]);
                    start += LINE_MAX;
                }
                None => break,
            }
        }
        rest.drain(..start);
        match output {
            Output::Stdout => state.stdout = rest,
            Output::Stderr => state.stderr = rest,
        }
        self.append(&mut state, &entries)
    }

    /// What is written from here on, until the run is over. Writers wait for whoever reads it.
    pub(crate) fn attach(&self) -> mpsc::Receiver<(Output, Bytes)> {
        self.attached.add()
    }

    /// Whether nobody who is attached has to be waited for.
    pub(crate) fn has_room(&self) -> bool {
        self.attached.has_room()
    }

    /// Waits for whoever is attached.
    pub(crate) async fn room(&self) {
        self.attached.room().await;
    }

    /// Writes what was said without a line end, at the end of the run.
    pub fn finish(&self) {
        let mut state = self.state.lock();
        for output in [Output::Stdout, Output::Stderr] {
            let rest = match output {
                Output::Stdout => std::mem::take(&mut state.stdout),
                Output::Stderr => std::mem::take(&mut state.stderr),
            };
            if !rest.is_empty() {
                let mut entries = Vec::new();
                entry(&mut entries, &self.prefix(output), b'P', &rest);
                if let Err(error) = self.append(&mut state, &entries) {
                    tracing::warn!(path = %state.path.display(), %error, "the end of a log is lost");
                }
            }
        }
    }

    fn prefix(&self, output: Output) -> Vec<u8> {
        format!("{} {} ", self.clock.now().rfc3339_micro(), output.name()).into_bytes()
    }

    fn append(&self, state: &mut State, entries: &[u8]) -> io::Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        if state.bytes > 0 && state.bytes + entries.len() as u64 > self.file_bytes_max {
            state.file = rotate::rotate(&state.path)?;
            state.bytes = 0;
        }
        state.file.write_all(entries)?;
        state.bytes += entries.len() as u64;
        self.grown.send_modify(|times| *times += 1);
        Ok(())
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.finish();
        let path = &self.state.get_mut().path;
        self.open.lock().remove(path);
    }
}

fn entry(out: &mut Vec<u8>, prefix: &[u8], tag: u8, line: &[u8]) {
    out.extend_from_slice(prefix);
    out.push(tag);
    out.push(b' ');
    out.extend_from_slice(line);
    out.push(b'\n');
}
