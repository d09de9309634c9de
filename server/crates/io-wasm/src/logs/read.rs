//! Reading container logs the way `kubectl logs` asks: tail, since, timestamps, a byte limit, the previous run, follow.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Logs, rotate};

/// Chunks that wait for a slow reader.
const QUEUE_MAX: usize = 16;
/// A chunk is sent when it has grown to this.
const CHUNK_BYTES: usize = 64 * 1024;

/// What to show of a log: `PodLogOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Only the last lines.
    pub tail_lines: Option<usize>,
    /// Only lines at or after this RFC 3339 time in UTC, such as [`shared::Millis::rfc3339_micro`] gives.
    pub since: Option<String>,
    /// Put the time before each line.
    pub timestamps: bool,
    /// The run before the current one.
    pub previous: bool,
    /// Stop after so many bytes.
    pub limit_bytes: Option<usize>,
    /// Go on with what is written later, until the run ends.
    pub follow: bool,
}

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogReadError {
    /// There is no such run.
    #[error("{}container \"{container}\" in pod \"{pod}\" not found", if *.previous { "previous terminated " } else { "" })]
    NotFound {
        /// The pod's uid.
        pod: String,
        /// The container's name.
        container: String,
        /// Whether the previous run was asked for.
        previous: bool,
    },
    /// The disk refuses.
    #[error("the log of container \"{container}\" in pod \"{pod}\" cannot be read: {source}")]
    Io {
        /// The pod's uid.
        pod: String,
        /// The container's name.
        container: String,
        /// Why.
        source: io::Error,
    },
}

impl Logs {
    /// Streams a container's log in chunks; the stream ends with the log, or with the run when following.
    ///
    /// # Errors
    /// When there is no such run or its folder cannot be read.
    pub fn read(
        &self,
        pod: &str,
        container: &str,
        options: LogOptions,
        tasks: &TaskTracker,
        cancel: CancellationToken,
    ) -> Result<mpsc::Receiver<Bytes>, LogReadError> {
        let path = self
            .run_path(pod, container, options.previous)
            .map_err(|source| LogReadError::Io {
                pod: pod.to_owned(),
                container: container.to_owned(),
                source,
            })?
            .ok_or_else(|| LogReadError::NotFound {
                pod: pod.to_owned(),
                container: container.to_owned(),
                previous: options.previous,
            })?;
        let grown = options.follow.then(|| self.watch(&path)).flatten();
        let (chunks, receiver) = mpsc::channel(QUEUE_MAX);
        tasks.spawn(async move {
            let reader = Reader {
                path,
                filter: Filter::new(options),
                chunks,
            };
            tokio::select! {
                () = cancel.cancelled() => {}
                result = reader.run(grown) => {
                    if let Err(error) = result {
                        tracing::debug!(%error, "reading a log ended early");
                    }
                }
            }
        });
        Ok(receiver)
    }

    fn run_path(&self, pod: &str, container: &str, previous: bool) -> io::Result<Option<PathBuf>> {
        let plain = |name: &str| !name.is_empty() && !name.contains('/') && !name.starts_with('.');
        if !plain(pod) || !plain(container) {
            return Ok(None);
        }
        let folder = self.folder(pod, container);
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            entries => entries?,
        };
        let mut attempts: Vec<u32> = entries
            .filter_map(|entry| rotate::attempt_of(&entry.ok()?.file_name().to_string_lossy()))
            .collect();
        attempts.sort_unstable();
        attempts.dedup();
        let latest = attempts.pop();
        let wanted = if previous { attempts.pop() } else { latest };
        Ok(wanted.map(|attempt| folder.join(format!("{attempt}.log"))))
    }
}

/// Selects and formats entries.
struct Filter {
    options: LogOptions,
    left: usize,
    out: Vec<u8>,
    /// The last entry was a partial one: the next continues its line.
    in_line: bool,
}

impl Filter {
    fn new(options: LogOptions) -> Self {
        let left = options.limit_bytes.unwrap_or(usize::MAX);
        Self {
            options,
            left,
            out: Vec::new(),
            in_line: false,
        }
    }

    /// Takes one entry with its line end; whether more may follow.
    fn take(&mut self, entry: &[u8]) -> bool {
        let mut parts = entry.splitn(4, |b| *b == b' ');
        let (Some(time), Some(_stream), Some(tag), Some(line)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return true;
        };
        if let Some(since) = &self.options.since
            && time < since.as_bytes()
        {
            return true;
        }
        if self.options.timestamps && !self.in_line {
            self.put(time);
            self.put(b" ");
        }
        let partial = tag == b"P";
        self.in_line = partial;
        let line = if partial {
            line.strip_suffix(b"\n").unwrap_or(line)
        } else {
            line
        };
        self.put(line);
        self.left > 0
    }

    fn put(&mut self, bytes: &[u8]) {
        let n = bytes.len().min(self.left);
        self.out.extend_from_slice(&bytes[..n]);
        self.left -= n;
    }
}

struct Reader {
    path: PathBuf,
    filter: Filter,
    chunks: mpsc::Sender<Bytes>,
}

impl Reader {
    async fn run(mut self, mut grown: Option<watch::Receiver<u64>>) -> io::Result<()> {
        if let Some(grown) = &mut grown {
            grown.mark_unchanged();
        }
        let mut file = BufReader::new(File::open(&self.path)?);
        if !self.backlog(&mut file).await? {
            return Ok(());
        }
        let Some(mut grown) = grown else {
            return Ok(());
        };
        loop {
            let ended = grown.changed().await.is_err();
            // The file may have been rotated away: what is left of it comes first.
            if !self.copy(&mut file).await? {
                return Ok(());
            }
            if let Some(next) = newer(&file, &self.path)? {
                file = next;
                if !self.copy(&mut file).await? {
                    return Ok(());
                }
            }
            if ended {
                return Ok(());
            }
        }
    }

    /// What is there already; leaves `file` at its end.
    async fn backlog(&mut self, file: &mut BufReader<File>) -> io::Result<bool> {
        let tail = self.filter.options.tail_lines;
        let mut last: VecDeque<Vec<u8>> = VecDeque::new();
        for path in rotate::files(&self.path) {
            let mut older;
            let reader: &mut BufReader<File> = if path == self.path {
                &mut *file
            } else {
                older = BufReader::new(File::open(&path)?);
                &mut older
            };
            match tail {
                None => {
                    if !self.copy(reader).await? {
                        return Ok(false);
                    }
                }
                Some(lines) => {
                    let mut entry = Vec::new();
                    while next_entry(reader, &mut entry)? {
                        last.push_back(std::mem::take(&mut entry));
                        if last.len() > lines {
                            last.pop_front();
                        }
                    }
                }
            }
        }
        for entry in last {
            if !self.filter.take(&entry) {
                break;
            }
        }
        Ok(self.send().await && self.filter.left > 0)
    }

    /// Copies to the end of the file; whether more is wanted.
    async fn copy(&mut self, file: &mut BufReader<File>) -> io::Result<bool> {
        let mut entry = Vec::new();
        while next_entry(file, &mut entry)? {
            let more = self.filter.take(&entry);
            entry.clear();
            if (!more || self.filter.out.len() >= CHUNK_BYTES) && !self.send().await {
                return Ok(false);
            }
            if !more {
                return Ok(false);
            }
        }
        Ok(self.send().await)
    }

    /// Hands on what is formatted; whether anybody listens.
    async fn send(&mut self) -> bool {
        if self.filter.out.is_empty() {
            return !self.chunks.is_closed();
        }
        let chunk = Bytes::from(std::mem::take(&mut self.filter.out));
        self.chunks.send(chunk).await.is_ok()
    }
}

/// Reads one entry; a half-written one is left for later.
fn next_entry(file: &mut BufReader<File>, entry: &mut Vec<u8>) -> io::Result<bool> {
    let n = file.by_ref().read_until(b'\n', entry)?;
    if n == 0 || entry.ends_with(b"\n") {
        return Ok(n > 0);
    }
    file.seek_relative(-i64::try_from(n).unwrap_or(0))?;
    entry.clear();
    Ok(false)
}

/// The file at `path` when it is another one than the open one.
fn newer(file: &BufReader<File>, path: &Path) -> io::Result<Option<BufReader<File>>> {
    use std::os::unix::fs::MetadataExt;
    let at_path = File::open(path)?;
    let same = at_path.metadata()?.ino() == file.get_ref().metadata()?.ino();
    Ok((!same).then(|| BufReader::new(at_path)))
}
