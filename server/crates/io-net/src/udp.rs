//! A pod's datagram sockets.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use netstack::SocketId;

use crate::error::{io_error, v4};
use crate::pod::PodNetwork;

/// A datagram socket. Datagrams are as large as one packet at most: 1422 bytes with the usual MTU.
#[derive(Debug)]
pub struct UdpSocket {
    pod: PodNetwork,
    id: SocketId,
    local: SocketAddrV4,
}

impl UdpSocket {
    pub(crate) fn new(pod: PodNetwork, id: SocketId, local: SocketAddrV4) -> Self {
        Self { pod, id, local }
    }

    /// The bound address.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local.into()
    }

    /// Sends a datagram. It never waits: what does not fit is dropped on the way, as datagrams are.
    ///
    /// # Errors
    /// `InvalidInput` when it is too large for a packet or the address is none.
    pub fn try_send_to(&self, data: &[u8], to: SocketAddr) -> io::Result<usize> {
        let to = v4(to)?;
        let sent = self.pod.with(|stack, _| stack.udp_send(self.id, to, data));
        sent.and_then(|s| s).map_err(io_error)?;
        Ok(data.len())
    }

    /// As [`UdpSocket::try_send_to`].
    ///
    /// # Errors
    /// The same.
    #[expect(
        clippy::unused_async,
        reason = "the shape of every other socket library"
    )]
    pub async fn send_to(&self, data: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.try_send_to(data, to)
    }

    /// Receives a datagram; what does not fit `buf` is cut off.
    ///
    /// # Errors
    /// When the pod's network is gone.
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (data, from) = poll_fn(|cx| self.poll_recv(cx)).await?;
        let len = data.len().min(buf.len());
        if let (Some(to), Some(data)) = (buf.get_mut(..len), data.get(..len)) {
            to.copy_from_slice(data);
        }
        Ok((len, from))
    }

    /// The next datagram, whole.
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Bytes, SocketAddr)>> {
        let polled = self
            .pod
            .with(|stack, _| stack.udp_poll_recv(self.id, cx.waker()));
        match polled {
            Ok(poll) => {
                let (from, data) = ready!(poll).map_err(io_error)?;
                Poll::Ready(Ok((data, from.into())))
            }
            Err(error) => Poll::Ready(Err(io_error(error))),
        }
    }

    /// Whether a datagram waits.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let polled = self
            .pod
            .with(|stack, _| stack.udp_poll_ready(self.id, cx.waker()));
        polled.unwrap_or(Poll::Ready(()))
    }

    /// The last peer that answered "port unreachable", once: ECONNREFUSED of a connected socket.
    pub fn take_refused(&self) -> Option<SocketAddr> {
        let refused = self.pod.with(|stack, _| stack.udp_take_refused(self.id));
        refused.ok().flatten().map(Into::into)
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        let _ = self.pod.with(|stack, _| stack.udp_close(self.id));
    }
}
