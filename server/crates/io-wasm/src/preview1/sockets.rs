//! The sockets of a preview 1 program, by the number of their file.
//!
//! Numbers and layouts are those of `wasi_snapshot_preview1.witx` in the WASI repository.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use tokio_util::task::TaskTracker;
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{InputStream, OutputStream, StreamError};

use crate::network::{BoxListener, BoxStream};
use crate::sockets::no_wait;
use crate::sockets::stream::{Connection, Reader, Writer};

/// An error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub(super) i32);

pub(super) const SUCCESS: i32 = 0;
const AGAIN: Errno = Errno(6);
const CONNABORTED: Errno = Errno(13);
const CONNRESET: Errno = Errno(15);
const FAULT: Errno = Errno(21);
const INVAL: Errno = Errno(28);
const IO: Errno = Errno(29);
const NOTCONN: Errno = Errno(53);
const NOTSOCK: Errno = Errno(57);
const NOTSUP: Errno = Errno(58);
const PIPE: Errno = Errno(64);

const FILETYPE_SOCKET_STREAM: u8 = 6;
const FDFLAGS_NONBLOCK: i32 = 4;
const RIFLAGS_PEEK: i32 = 1;
const SDFLAGS_READ: i32 = 1;
const SDFLAGS_WRITE: i32 = 2;
/// `fd_read`, `fd_fdstat_set_flags`, `fd_write`, `fd_filestat_get`, `poll_fd_readwrite`, `sock_shutdown`, `sock_accept`.
const RIGHTS: u64 = 1 << 1 | 1 << 3 | 1 << 6 | 1 << 21 | 1 << 27 | 1 << 28 | 1 << 29;
/// Most bytes that one call moves.
const CHUNK_MAX: usize = 64 * 1024;
/// Most pieces that one call gathers.
const PIECES_MAX: u32 = 1024;

/// Where the pieces of a call's data are: address and count of the list.
type Pieces = (i32, i32);

/// A program's sockets.
pub(crate) struct Sockets {
    open: BTreeMap<i32, Socket>,
    tasks: TaskTracker,
}

struct Socket {
    nonblocking: bool,
    kind: Kind,
}

enum Kind {
    Listening {
        listener: BoxListener,
        waiting: Option<io::Result<BoxStream>>,
    },
    Connected {
        connection: Arc<Connection>,
        reader: Reader,
        writer: Writer,
    },
}

/// What somebody waits for at a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    Read,
    Write,
}

impl Socket {
    /// Waits until a call would not: a connection or bytes are there, or room for some.
    pub(super) async fn ready(&mut self, read: bool, write: bool) -> Interest {
        match &mut self.kind {
            Kind::Listening { listener, waiting } => {
                if !read {
                    std::future::pending::<()>().await;
                }
                poll_fn(|cx| poll_accept(listener, waiting, cx)).await;
                Interest::Read
            }
            Kind::Connected { reader, writer, .. } => {
                tokio::select! {
                    biased;
                    () = reader.ready(), if read => Interest::Read,
                    () = writer.ready(), if write => Interest::Write,
                }
            }
        }
    }
}

fn poll_accept(
    listener: &mut BoxListener,
    waiting: &mut Option<io::Result<BoxStream>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if waiting.is_none() {
        let accepted = std::task::ready!(listener.poll_accept(cx));
        *waiting = Some(accepted.map(|(stream, _)| stream));
    }
    Poll::Ready(())
}

impl Sockets {
    pub(super) fn new(tasks: TaskTracker) -> Self {
        Self {
            open: BTreeMap::new(),
            tasks,
        }
    }

    pub(super) fn has(&self, fd: i32) -> bool {
        self.open.contains_key(&fd)
    }

    /// Waits for the first of some sockets, each given with whether reading and writing is of interest.
    pub(super) async fn first_ready(
        &mut self,
        wanted: &BTreeMap<i32, (bool, bool)>,
    ) -> (i32, Interest) {
        let waiting = self.open.iter_mut().filter_map(|(fd, socket)| {
            let (read, write) = *wanted.get(fd)?;
            Some(Box::pin(
                async move { (*fd, socket.ready(read, write).await) },
            ))
        });
        let waiting: Vec<_> = waiting.collect();
        if waiting.is_empty() {
            return std::future::pending().await;
        }
        futures_util::future::select_all(waiting).await.0
    }

    pub(super) fn listen(&mut self, fd: i32, listener: BoxListener) {
        let kind = Kind::Listening {
            listener,
            waiting: None,
        };
        let nonblocking = false;
        self.open.insert(fd, Socket { nonblocking, kind });
    }

    pub(super) fn connected(&mut self, fd: i32, stream: BoxStream, flags: i32) {
        let connection = Connection::new(stream, self.tasks.clone());
        let (reader, writer) = connection.streams();
        let kind = Kind::Connected {
            connection,
            reader,
            writer,
        };
        let nonblocking = flags & FDFLAGS_NONBLOCK != 0;
        self.open.insert(fd, Socket { nonblocking, kind });
    }

    pub(super) fn close(&mut self, fd: i32) {
        self.open.remove(&fd);
    }

    /// A file got another number; what had that number is closed.
    pub(super) fn renumber(&mut self, from: i32, to: i32) {
        if from == to {
            return;
        }
        self.open.remove(&to);
        if let Some(socket) = self.open.remove(&from) {
            self.open.insert(to, socket);
        }
    }

    fn socket(&mut self, fd: i32) -> Result<&mut Socket, Errno> {
        self.open.get_mut(&fd).ok_or(NOTSOCK)
    }

    pub(super) fn set_flags(&mut self, fd: i32, flags: i32) -> Result<(), Errno> {
        self.socket(fd)?.nonblocking = flags & FDFLAGS_NONBLOCK != 0;
        Ok(())
    }

    pub(super) fn stat(&mut self, memory: &mut [u8], fd: i32, out: i32) -> Result<(), Errno> {
        let flags = if self.socket(fd)?.nonblocking {
            FDFLAGS_NONBLOCK
        } else {
            0
        };
        let mut stat = [0; 24];
        stat[0] = FILETYPE_SOCKET_STREAM;
        stat[2] = flags as u8;
        stat[8..16].copy_from_slice(&RIGHTS.to_le_bytes());
        stat[16..].copy_from_slice(&RIGHTS.to_le_bytes());
        put(memory, out, &stat)
    }

    pub(super) fn file_stat(&self, memory: &mut [u8], out: i32) -> Result<(), Errno> {
        let mut stat = [0; 64];
        stat[16] = FILETYPE_SOCKET_STREAM;
        put(memory, out, &stat)
    }

    pub(super) async fn accept(&mut self, fd: i32) -> Result<BoxStream, Errno> {
        let socket = self.socket(fd)?;
        let Kind::Listening { listener, waiting } = &mut socket.kind else {
            return Err(INVAL);
        };
        if socket.nonblocking {
            let _ = poll_accept(listener, waiting, &mut no_wait());
        } else {
            poll_fn(|cx| poll_accept(listener, waiting, cx)).await;
        }
        waiting.take().ok_or(AGAIN)?.map_err(|_| CONNABORTED)
    }

    pub(super) async fn receive_flagged(
        &mut self,
        memory: &mut [u8],
        fd: i32,
        pieces: Pieces,
        flags: i32,
        (out, out_flags): (i32, i32),
    ) -> Result<(), Errno> {
        let peek = flags & RIFLAGS_PEEK != 0;
        self.receive(memory, fd, pieces, peek, out).await?;
        put(memory, out_flags, &[0, 0])
    }

    pub(super) async fn receive(
        &mut self,
        memory: &mut [u8],
        fd: i32,
        pieces: Pieces,
        peek: bool,
        out: i32,
    ) -> Result<(), Errno> {
        let socket = self.socket(fd)?;
        let Kind::Connected { reader, .. } = &mut socket.kind else {
            return Err(NOTCONN);
        };
        let pieces = read_pieces(memory, pieces)?;
        let room = pieces
            .iter()
            .map(|(_, len)| *len)
            .sum::<usize>()
            .min(CHUNK_MAX);
        let mut bytes = loop {
            let read = if peek {
                reader.peek(room)
            } else {
                reader.read(room)
            };
            match read {
                Ok(bytes) if bytes.is_empty() && room > 0 => {
                    if socket.nonblocking {
                        return Err(AGAIN);
                    }
                    reader.ready().await;
                }
                Ok(bytes) => break bytes,
                Err(StreamError::Closed) => break Bytes::new(),
                Err(error) => return Err(errno(&error)),
            }
        };
        let received = bytes.len() as u32;
        for (at, len) in pieces {
            let part = bytes.split_to(len.min(bytes.len()));
            memory
                .get_mut(at..at + part.len())
                .ok_or(FAULT)?
                .copy_from_slice(&part);
        }
        put(memory, out, &received.to_le_bytes())
    }

    pub(super) async fn send(
        &mut self,
        memory: &mut [u8],
        fd: i32,
        pieces: Pieces,
        out: i32,
    ) -> Result<(), Errno> {
        let socket = self.socket(fd)?;
        let Kind::Connected { writer, .. } = &mut socket.kind else {
            return Err(NOTCONN);
        };
        let mut bytes = BytesMut::new();
        for (at, len) in read_pieces(memory, pieces)? {
            let len = len.min(CHUNK_MAX - bytes.len());
            bytes.extend_from_slice(memory.get(at..at + len).ok_or(FAULT)?);
        }
        loop {
            match writer.check_write() {
                Ok(0) if socket.nonblocking => return Err(AGAIN),
                Ok(0) => writer.ready().await,
                Ok(room) => {
                    bytes.truncate(room);
                    break;
                }
                Err(error) => return Err(errno(&error)),
            }
        }
        let sent = bytes.len() as u32;
        writer
            .write(bytes.freeze())
            .map_err(|error| errno(&error))?;
        put(memory, out, &sent.to_le_bytes())
    }

    pub(super) fn shut_down(&mut self, fd: i32, how: i32) -> Result<(), Errno> {
        let Kind::Connected { connection, .. } = &self.socket(fd)?.kind else {
            return Err(NOTCONN);
        };
        if how & !(SDFLAGS_READ | SDFLAGS_WRITE) != 0 || how == 0 {
            return Err(INVAL);
        }
        if how & SDFLAGS_READ != 0 {
            connection.close_reads();
        }
        if how & SDFLAGS_WRITE != 0 {
            connection.close_writes();
        }
        Ok(())
    }
}

/// Address and length of each piece.
fn read_pieces(memory: &[u8], (at, count): Pieces) -> Result<Vec<(usize, usize)>, Errno> {
    let count = count.cast_unsigned();
    if count > PIECES_MAX {
        return Err(INVAL);
    }
    let mut pieces = Vec::new();
    for i in 0..u64::from(count) {
        let at = u64::from(at.cast_unsigned()) + i * 8;
        let word = |offset: u64| {
            let at = usize::try_from(at + offset).map_err(|_| FAULT)?;
            let bytes = memory.get(at..at + 4).ok_or(FAULT)?;
            Ok(u32::from_le_bytes(bytes.try_into().map_err(|_| FAULT)?) as usize)
        };
        pieces.push((word(0)?, word(4)?));
    }
    Ok(pieces)
}

/// Writes into the guest's memory.
pub(super) fn put(memory: &mut [u8], at: i32, bytes: &[u8]) -> Result<(), Errno> {
    let at = at.cast_unsigned() as usize;
    memory
        .get_mut(at..at + bytes.len())
        .ok_or(FAULT)?
        .copy_from_slice(bytes);
    Ok(())
}

fn errno(error: &StreamError) -> Errno {
    let kind = match error {
        StreamError::Closed => return PIPE,
        StreamError::LastOperationFailed(error) => {
            error.downcast_ref::<io::Error>().map(io::Error::kind)
        }
        StreamError::Trap(_) => None,
    };
    match kind {
        Some(io::ErrorKind::ConnectionReset) => CONNRESET,
        Some(io::ErrorKind::ConnectionAborted) => CONNABORTED,
        Some(io::ErrorKind::BrokenPipe) => PIPE,
        Some(io::ErrorKind::NotConnected) => NOTCONN,
        Some(io::ErrorKind::Unsupported) => NOTSUP,
        _ => IO,
    }
}
