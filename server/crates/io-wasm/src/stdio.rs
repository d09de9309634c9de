//! A guest's standard streams: its log and who is attached to it, or the pipes of an exec.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{InputStream, OutputStream, StreamError, StreamResult};

use crate::logs::{LogWriter, Output};
use crate::terminal::to_screen;

/// Most bytes one write takes.
const CHUNK_MAX: usize = 64 * 1024;

/// One output of a container, into its log.
#[derive(Clone)]
pub(crate) struct LogOutput {
    pub(crate) log: Arc<LogWriter>,
    pub(crate) output: Output,
    pub(crate) tty: bool,
}

impl LogOutput {
    fn put(&self, data: Bytes) -> io::Result<()> {
        if self.tty {
            self.log.write(Output::Stdout, &to_screen(data))
        } else {
            self.log.write(self.output, &data)
        }
    }
}

impl IsTerminal for LogOutput {
    fn is_terminal(&self) -> bool {
        self.tty
    }
}

impl StdoutStream for LogOutput {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for LogOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.put(bytes)
            .map_err(|error| StreamError::LastOperationFailed(error.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(if self.log.has_room() { CHUNK_MAX } else { 0 })
    }
}

#[async_trait::async_trait]
impl Pollable for LogOutput {
    async fn ready(&mut self) {
        self.log.room().await;
    }
}

impl AsyncWrite for LogOutput {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.put(Bytes::copy_from_slice(data)).map(|()| data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// One output of an exec, into a bounded channel: a slow reader holds the guest up.
pub(crate) struct PipeOutput {
    chunks: mpsc::Sender<Bytes>,
    tty: bool,
    /// Written, and waiting for room in the channel.
    held: Option<Bytes>,
}

impl PipeOutput {
    pub(crate) fn new(chunks: mpsc::Sender<Bytes>, tty: bool) -> Self {
        Self {
            chunks,
            tty,
            held: None,
        }
    }

    fn share(&self) -> Self {
        Self::new(self.chunks.clone(), self.tty)
    }
}

impl IsTerminal for PipeOutput {
    fn is_terminal(&self) -> bool {
        self.tty
    }
}

impl StdoutStream for PipeOutput {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(AsyncPipe {
            sender: tokio_util::sync::PollSender::new(self.chunks.clone()),
            tty: self.tty,
        })
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.share())
    }
}

impl OutputStream for PipeOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if self.held.is_some() {
            return Err(StreamError::trap("write without a permit of check-write"));
        }
        let bytes = if self.tty { to_screen(bytes) } else { bytes };
        match self.chunks.try_send(bytes) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(bytes)) => {
                self.held = Some(bytes);
                Ok(())
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(StreamError::Closed),
        }
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        if self.chunks.is_closed() {
            return Err(StreamError::Closed);
        }
        Ok(if self.held.is_none() { CHUNK_MAX } else { 0 })
    }
}

#[async_trait::async_trait]
impl Pollable for PipeOutput {
    async fn ready(&mut self) {
        if self.held.is_none() {
            return;
        }
        if let Ok(permit) = self.chunks.reserve().await
            && let Some(bytes) = self.held.take()
        {
            permit.send(bytes);
        } else {
            self.held = None;
        }
    }
}

/// A [`PipeOutput`] for whoever wants an `AsyncWrite`.
struct AsyncPipe {
    sender: tokio_util::sync::PollSender<Bytes>,
    tty: bool,
}

impl AsyncWrite for AsyncPipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let closed = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        std::task::ready!(self.sender.poll_reserve(cx)).map_err(closed)?;
        let chunk = Bytes::copy_from_slice(data);
        let chunk = if self.tty { to_screen(chunk) } else { chunk };
        self.sender.send_item(chunk).map_err(closed)?;
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sender.close();
        Poll::Ready(Ok(()))
    }
}

/// A standard input that comes in chunks; the sender's end is the end of input.
pub(crate) struct PipeInput {
    chunks: Arc<Mutex<Chunks>>,
    tty: bool,
}

struct Chunks {
    receiver: mpsc::Receiver<Bytes>,
    /// Received and not read yet.
    rest: Bytes,
    is_over: bool,
}

impl PipeInput {
    pub(crate) fn new(receiver: mpsc::Receiver<Bytes>, tty: bool) -> Self {
        let chunks = Chunks {
            receiver,
            rest: Bytes::new(),
            is_over: false,
        };
        Self {
            chunks: Arc::new(Mutex::new(chunks)),
            tty,
        }
    }
}

impl Chunks {
    /// Ready when there is something to read, or never will be.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.rest.is_empty() && !self.is_over {
            match std::task::ready!(self.receiver.poll_recv(cx)) {
                Some(chunk) => self.rest = chunk,
                None => self.is_over = true,
            }
        }
        Poll::Ready(())
    }

    fn take(&mut self, size: usize) -> Bytes {
        self.rest.split_to(size.min(self.rest.len()))
    }
}

impl IsTerminal for PipeInput {
    fn is_terminal(&self) -> bool {
        self.tty
    }
}

impl StdinStream for PipeInput {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(InputHandle(Arc::clone(&self.chunks)))
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(InputHandle(Arc::clone(&self.chunks)))
    }
}

/// One of a guest's handles to its standard input; all read from the same chunks.
struct InputHandle(Arc<Mutex<Chunks>>);

impl InputStream for InputHandle {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let mut chunks = self.0.lock();
        if chunks.rest.is_empty() && !chunks.is_over {
            match chunks.receiver.try_recv() {
                Ok(chunk) => chunks.rest = chunk,
                Err(mpsc::error::TryRecvError::Empty) => {}
                Err(mpsc::error::TryRecvError::Disconnected) => chunks.is_over = true,
            }
        }
        if chunks.rest.is_empty() && chunks.is_over {
            return Err(StreamError::Closed);
        }
        Ok(chunks.take(size))
    }
}

#[async_trait::async_trait]
impl Pollable for InputHandle {
    async fn ready(&mut self) {
        std::future::poll_fn(|cx| self.0.lock().poll_fill(cx)).await;
    }
}

impl AsyncRead for InputHandle {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut chunks = self.0.lock();
        std::task::ready!(chunks.poll_fill(cx));
        buffer.put_slice(&chunks.take(buffer.remaining()));
        Poll::Ready(Ok(()))
    }
}
