//! A guest's standard streams: its log, or the pipes of an exec.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use wasmtime_wasi::cli::{AsyncStdinStream, IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{InputStream, OutputStream, StreamError, StreamResult};

use crate::logs::{LogWriter, Output};

/// Most bytes one write takes.
const CHUNK_MAX: usize = 64 * 1024;

/// One output of a container, into its log.
#[derive(Clone)]
pub(crate) struct LogOutput {
    pub(crate) log: Arc<LogWriter>,
    pub(crate) output: Output,
}

impl LogOutput {
    fn put(&self, data: &[u8]) -> io::Result<()> {
        self.log.write(self.output, data)
    }
}

impl IsTerminal for LogOutput {
    fn is_terminal(&self) -> bool {
        false
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
        self.put(&bytes)
            .map_err(|error| StreamError::LastOperationFailed(error.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(CHUNK_MAX)
    }
}

#[async_trait::async_trait]
impl Pollable for LogOutput {
    async fn ready(&mut self) {}
}

impl AsyncWrite for LogOutput {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.put(data).map(|()| data.len()))
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
}

impl AsyncWrite for AsyncPipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let closed = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        std::task::ready!(self.sender.poll_reserve(cx)).map_err(closed)?;
        self.sender
            .send_item(Bytes::copy_from_slice(data))
            .map_err(closed)?;
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

/// The standard input of an exec.
pub(crate) struct PipeInput {
    inner: AsyncStdinStream,
    tty: bool,
}

impl PipeInput {
    pub(crate) fn new(input: impl AsyncRead + Send + Sync + 'static, tty: bool) -> Self {
        Self {
            inner: AsyncStdinStream::new(input),
            tty,
        }
    }
}

impl IsTerminal for PipeInput {
    fn is_terminal(&self) -> bool {
        self.tty
    }
}

impl StdinStream for PipeInput {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        self.inner.async_stream()
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        self.inner.p2_stream()
    }
}
