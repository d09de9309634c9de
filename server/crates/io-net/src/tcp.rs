//! A pod's TCP sockets, as tokio has them.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use netstack::{NetError, Shutdown, SocketId, Stack};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::error::io_error;
use crate::pod::PodNetwork;

fn flatten<T>(result: Result<Poll<Result<T, NetError>>, NetError>) -> Poll<io::Result<T>> {
    match result {
        Ok(poll) => poll.map_err(io_error),
        Err(error) => Poll::Ready(Err(io_error(error))),
    }
}

/// A listening socket. Dropping it refuses those who wait.
#[derive(Debug)]
pub struct TcpListener {
    pod: PodNetwork,
    id: SocketId,
    local: SocketAddrV4,
}

impl TcpListener {
    pub(crate) fn new(pod: PodNetwork, id: SocketId, local: SocketAddrV4) -> Self {
        Self { pod, id, local }
    }

    /// The bound address.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local.into()
    }

    /// The next connection and its peer.
    ///
    /// # Errors
    /// When the pod's network is gone.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// As [`TcpListener::accept`].
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let accepted = self.pod.with(|stack, _| {
            let (id, peer) = match ready!(stack.tcp_poll_accept(self.id, cx.waker())) {
                Ok(accepted) => accepted,
                Err(error) => return Poll::Ready(Err(error)),
            };
            let local = stack
                .tcp_addresses(id)
                .map_or(self.local, |(local, _)| local);
            Poll::Ready(Ok((id, local, peer)))
        });
        let (id, local, peer) = ready!(flatten(accepted))?;
        let stream = TcpStream::new(self.pod.clone(), id, local, peer);
        Poll::Ready(Ok((stream, peer.into())))
    }

    /// Whether [`TcpListener::poll_accept`] would give something.
    pub fn poll_acceptable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let polled = self
            .pod
            .with(|s, _| s.tcp_poll_acceptable(self.id, cx.waker()));
        polled.unwrap_or(Poll::Ready(()))
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        let _ = self.pod.with(|stack, _| stack.tcp_close(self.id));
    }
}

/// A connection. Dropping it closes it as close(2) does: what was written still arrives.
#[derive(Debug)]
pub struct TcpStream {
    pod: PodNetwork,
    id: SocketId,
    local: SocketAddrV4,
    peer: SocketAddrV4,
}

impl TcpStream {
    pub(crate) fn new(
        pod: PodNetwork,
        id: SocketId,
        local: SocketAddrV4,
        peer: SocketAddrV4,
    ) -> Self {
        Self {
            pod,
            id,
            local,
            peer,
        }
    }

    fn ask<T>(
        &self,
        ask: impl FnOnce(&mut Stack) -> Poll<Result<T, NetError>>,
    ) -> Poll<io::Result<T>> {
        flatten(self.pod.with(|stack, _| ask(stack)))
    }

    fn readiness(&self, ask: impl FnOnce(&mut Stack) -> Poll<()>) -> Poll<()> {
        self.pod
            .with(|stack, _| ask(stack))
            .unwrap_or(Poll::Ready(()))
    }

    /// The own address.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local.into()
    }

    /// The peer's address.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer.into()
    }

    /// Waits for the handshake.
    ///
    /// # Errors
    /// Why it failed.
    pub async fn connected(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_connected(cx)).await
    }

    /// As [`TcpStream::connected`].
    pub fn poll_connected(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ask(|stack| stack.tcp_poll_connected(self.id, cx.waker()))
    }

    /// Reads through a shared reference; 0 is the end.
    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.ask(|stack| stack.tcp_poll_read(self.id, buf, cx.waker()))
    }

    /// Writes through a shared reference.
    pub fn poll_send(&self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.ask(|stack| stack.tcp_poll_write(self.id, data, cx.waker()))
    }

    /// Whether a read would not wait.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.readiness(|stack| stack.tcp_poll_readable(self.id, cx.waker()))
    }

    /// Whether a write would not wait.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.readiness(|stack| stack.tcp_poll_writable(self.id, cx.waker()))
    }

    /// Breaks the connection off: the peer sees a reset.
    pub fn abort(&self) {
        let _ = self.pod.with(|stack, _| stack.tcp_abort(self.id));
    }

    /// Shuts halves down; the peer sees the end of the stream after what was written.
    ///
    /// # Errors
    /// When the pod's network is gone.
    pub fn shutdown(&self, how: std::net::Shutdown) -> io::Result<()> {
        let how = match how {
            std::net::Shutdown::Read => Shutdown::Read,
            std::net::Shutdown::Write => Shutdown::Write,
            std::net::Shutdown::Both => Shutdown::Both,
        };
        let shut = self.pod.with(|stack, _| stack.tcp_shutdown(self.id, how));
        shut.and_then(|s| s).map_err(io_error)
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(self.poll_recv(cx, buf.initialize_unfilled()))?;
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, data)
    }

    /// The stack sends at once; there is nothing to flush.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shutdown(std::net::Shutdown::Write))
    }
}

impl Drop for TcpStream {
    fn drop(&mut self) {
        let _ = self.pod.with(|stack, _| stack.tcp_close(self.id));
    }
}
