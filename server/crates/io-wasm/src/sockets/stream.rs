//! The two directions of a TCP connection as `wasi:io` streams.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{InputStream, OutputStream, StreamError, StreamResult};

use super::no_wait;
use crate::network::BoxStream;

/// Most bytes one read or write moves.
const CHUNK_MAX: usize = 64 * 1024;

/// A connection that both directions hold; it closes when both and the socket are gone.
pub(crate) struct Connection {
    stream: Mutex<BoxStream>,
    writing: Mutex<Writing>,
    written: Notify,
    reads_closed: std::sync::atomic::AtomicBool,
    tasks: TaskTracker,
}

/// What the sending direction is doing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Writing {
    Idle,
    /// A task is sending; `then_close` ends the direction after it.
    Busy {
        then_close: bool,
    },
    Failed(io::ErrorKind),
    Closed,
}

impl Connection {
    /// Shares `stream`; writes that outlive a call are tracked in `tasks`.
    pub(crate) fn new(stream: BoxStream, tasks: TaskTracker) -> Arc<Self> {
        Arc::new(Self {
            stream: Mutex::new(stream),
            writing: Mutex::new(Writing::Idle),
            written: Notify::new(),
            reads_closed: false.into(),
            tasks,
        })
    }

    /// The guest's ends of it.
    pub(crate) fn streams(self: &Arc<Self>) -> (Reader, Writer) {
        let reader = Reader {
            connection: Arc::clone(self),
            buffer: Bytes::new(),
            end: None,
        };
        (
            reader,
            Writer {
                connection: Arc::clone(self),
            },
        )
    }

    /// Ends reading: later reads find the end of the stream.
    pub(crate) fn close_reads(&self) {
        self.reads_closed
            .store(true, std::sync::atomic::Ordering::Relaxed);
    }

    /// Ends writing once what was written is sent.
    pub(crate) fn close_writes(self: &Arc<Self>) {
        let mut writing = self.writing.lock();
        match *writing {
            Writing::Idle => {
                *writing = Writing::Closed;
                drop(writing);
                if self.poll_shutdown(&mut no_wait()).is_pending() {
                    let connection = Arc::clone(self);
                    self.tasks.spawn(async move {
                        let _ = std::future::poll_fn(|cx| connection.poll_shutdown(cx)).await;
                    });
                }
            }
            Writing::Busy { .. } => *writing = Writing::Busy { then_close: true },
            Writing::Failed(_) | Writing::Closed => {}
        }
    }

    fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream.lock()).poll_shutdown(cx)
    }

    fn poll_read(&self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<Bytes>> {
        let mut memory = BytesMut::zeroed(most);
        let mut buffer = ReadBuf::new(&mut memory);
        std::task::ready!(Pin::new(&mut *self.stream.lock()).poll_read(cx, &mut buffer))?;
        let n = buffer.filled().len();
        memory.truncate(n);
        Poll::Ready(Ok(memory.freeze()))
    }

    /// Sends as much of `bytes` as goes.
    fn poll_write(&self, cx: &mut Context<'_>, bytes: &mut Bytes) -> Poll<io::Result<()>> {
        let mut stream = self.stream.lock();
        while !bytes.is_empty() {
            let n = std::task::ready!(Pin::new(&mut *stream).poll_write(cx, bytes))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            bytes.advance(n);
        }
        Pin::new(&mut *stream).poll_flush(cx)
    }

    fn finish_write(self: &Arc<Self>, result: io::Result<()>) {
        let close = {
            let mut writing = self.writing.lock();
            let close = *writing == Writing::Busy { then_close: true };
            *writing = match result {
                Ok(()) => Writing::Idle,
                Err(error) => Writing::Failed(error.kind()),
            };
            close
        };
        if close {
            self.close_writes();
        }
        self.written.notify_waiters();
    }
}

/// The receiving direction.
pub(crate) struct Reader {
    connection: Arc<Connection>,
    buffer: Bytes,
    end: Option<Option<io::ErrorKind>>,
}

impl Reader {
    fn closed(&self) -> bool {
        self.connection
            .reads_closed
            .load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Waits until something can be read or the end is known.
    fn poll_fill(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<()> {
        if !self.buffer.is_empty() || self.end.is_some() || self.closed() {
            return Poll::Ready(());
        }
        match std::task::ready!(self.connection.poll_read(cx, most.clamp(1, CHUNK_MAX))) {
            Ok(bytes) if bytes.is_empty() => self.end = Some(None),
            Ok(bytes) => self.buffer = bytes,
            Err(error) => self.end = Some(Some(error.kind())),
        }
        Poll::Ready(())
    }
}

impl Reader {
    /// As [`InputStream::read`], and leaves what it gives.
    pub(crate) fn peek(&mut self, size: usize) -> StreamResult<Bytes> {
        let read = self.read(size)?;
        if !read.is_empty() {
            let mut whole = BytesMut::from(&read[..]);
            whole.extend_from_slice(&self.buffer);
            self.buffer = whole.freeze();
        }
        Ok(read)
    }
}

impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.closed() {
            return Err(StreamError::Closed);
        }
        if size == 0 {
            return Ok(Bytes::new());
        }
        let _ = self.poll_fill(&mut no_wait(), size);
        if !self.buffer.is_empty() {
            return Ok(self.buffer.split_to(size.min(self.buffer.len())));
        }
        match &mut self.end {
            None => Ok(Bytes::new()),
            Some(error) => Err(match error.take() {
                Some(kind) => StreamError::LastOperationFailed(io::Error::from(kind).into()),
                None => StreamError::Closed,
            }),
        }
    }
}

#[async_trait::async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {
        std::future::poll_fn(|cx| self.poll_fill(cx, CHUNK_MAX)).await;
    }
}

/// The sending direction.
pub(crate) struct Writer {
    connection: Arc<Connection>,
}

impl OutputStream for Writer {
    fn write(&mut self, mut bytes: Bytes) -> StreamResult<()> {
        match *self.connection.writing.lock() {
            Writing::Idle => {}
            Writing::Busy { .. } => {
                return Err(StreamError::trap("write without a permit of check-write"));
            }
            Writing::Failed(kind) => {
                return Err(StreamError::LastOperationFailed(
                    io::Error::from(kind).into(),
                ));
            }
            Writing::Closed => return Err(StreamError::Closed),
        }
        if bytes.len() > CHUNK_MAX {
            return Err(StreamError::trap("write of more than check-write permits"));
        }
        match self.connection.poll_write(&mut no_wait(), &mut bytes) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => self.connection.finish_write(Err(error)),
            Poll::Pending => {
                *self.connection.writing.lock() = Writing::Busy { then_close: false };
                let connection = Arc::clone(&self.connection);
                self.connection.tasks.spawn(async move {
                    let sent =
                        std::future::poll_fn(|cx| connection.poll_write(cx, &mut bytes)).await;
                    connection.finish_write(sent);
                });
            }
        }
        Ok(())
    }

    /// Bytes are on their way as soon as they are written.
    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let mut writing = self.connection.writing.lock();
        match *writing {
            Writing::Idle => Ok(CHUNK_MAX),
            Writing::Busy { .. } => Ok(0),
            Writing::Closed => Err(StreamError::Closed),
            Writing::Failed(kind) => {
                *writing = Writing::Closed;
                if kind == io::ErrorKind::BrokenPipe {
                    return Err(StreamError::Closed);
                }
                Err(StreamError::LastOperationFailed(
                    io::Error::from(kind).into(),
                ))
            }
        }
    }
}

#[async_trait::async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {
        loop {
            let written = self.connection.written.notified();
            tokio::pin!(written);
            written.as_mut().enable();
            if !matches!(*self.connection.writing.lock(), Writing::Busy { .. }) {
                return;
            }
            written.await;
        }
    }
}
