//! What an application does with a connection: the calls of POSIX, as polls.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::task::{Poll, Waker};

use smoltcp::socket::tcp::{RecvError, State};
use smoltcp::time::Duration;
use smoltcp::wire::IpAddress;

use super::super::ports::Ports;
use super::super::{Shutdown, Socket, SocketId, Stack, is_loopback};
use super::{Connection, LINGER_MS, Role, endpoint};
use crate::error::NetError;

impl Stack {
    /// Begins a connection. Without `from`, or with its port 0, a free port is taken.
    ///
    /// # Errors
    /// `InvalidAddress`, `AddressNotAvailable`, `AddressInUse`, `HostUnreachable`, `TooManySockets`.
    pub fn tcp_connect(
        &mut self,
        to: SocketAddrV4,
        from: Option<SocketAddrV4>,
    ) -> Result<SocketId, NetError> {
        self.check_room()?;
        if to.port() == 0
            || to.ip().is_unspecified()
            || to.ip().is_multicast()
            || to.ip().is_broadcast()
        {
            return Err(NetError::InvalidAddress(to));
        }
        let bound = from.filter(|f| !f.ip().is_unspecified());
        if let Some(bound) = bound {
            self.check_bindable(bound)?;
        }
        let ip = bound.map(|b| *b.ip()).or_else(|| self.source_for(*to.ip()));
        let ip = ip.ok_or(NetError::HostUnreachable(to))?;
        // smoltcp knows one loopback address; the others are the same place.
        let loopback = is_loopback(*to.ip());
        let ip = if loopback { Ipv4Addr::LOCALHOST } else { ip };
        let to = if loopback {
            SocketAddrV4::new(ip, to.port())
        } else {
            to
        };
        let free = |port| {
            !self
                .connections
                .contains_key(&(SocketAddrV4::new(ip, port), to))
        };
        let wanted = from.map_or(0, |f| f.port());
        let port = if wanted == 0 {
            let mut ports = std::mem::replace(&mut self.ports, Ports::new(0));
            let port = ports.take(|port| {
                !self
                    .connections
                    .contains_key(&(SocketAddrV4::new(ip, port), to))
                    && !self.listens(port, ip)
            });
            self.ports = ports;
            port
        } else {
            free(wanted).then_some(wanted)
        };
        let port = port.ok_or(NetError::AddressInUse(SocketAddrV4::new(ip, wanted)))?;
        let local = SocketAddrV4::new(ip, port);
        let mut connection = Connection::new(self.buffer, local, to, Role::Connecting);
        let context = self.iface.context();
        let remote = (IpAddress::Ipv4(*to.ip()), to.port());
        if let Some(socket) = connection.socket() {
            socket
                .connect(context, remote, endpoint(local))
                .map_err(|_| NetError::InvalidAddress(to))?;
        }
        let id = self
            .sockets
            .insert(Socket::Connection(Box::new(connection)));
        self.connections.insert((local, to), id);
        self.touch(id);
        Ok(id)
    }

    /// Whether the handshake has ended, and how; wakes `waker` when it does.
    pub fn tcp_poll_connected(
        &mut self,
        id: SocketId,
        waker: &Waker,
    ) -> Poll<Result<(), NetError>> {
        let Some(connection) = self.connection(id) else {
            return Poll::Ready(Err(NetError::Gone));
        };
        match connection.role {
            Role::Connecting if connection.error.is_none() && !connection.aborted => {
                connection.established.add(waker);
                Poll::Pending
            }
            Role::Connecting => Poll::Ready(Err(connection.failure())),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Both ends of a connection: own address, then the peer's.
    #[must_use]
    pub fn tcp_addresses(&self, id: SocketId) -> Option<(SocketAddrV4, SocketAddrV4)> {
        match self.sockets.get(id) {
            Some(Socket::Connection(c)) => Some((c.local, c.remote)),
            _ => None,
        }
    }

    /// Reads what has come, 0 at the end of the stream; wakes `waker` when there is something.
    pub fn tcp_poll_read(
        &mut self,
        id: SocketId,
        buf: &mut [u8],
        waker: &Waker,
    ) -> Poll<Result<usize, NetError>> {
        let Some(connection) = self.connection(id) else {
            return Poll::Ready(Err(NetError::Gone));
        };
        if connection.reading_shut || buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let failure = connection.failure();
        let error = connection.error;
        let aborted = connection.aborted;
        let Some(socket) = connection.socket() else {
            return Poll::Ready(error.map_or(Ok(0), Err));
        };
        match socket.recv_slice(buf) {
            Ok(0) if socket.may_recv() => {
                socket.register_recv_waker(waker);
                Poll::Pending
            }
            Ok(read) => {
                if read > 0 {
                    self.touch(id);
                }
                Poll::Ready(Ok(read))
            }
            Err(RecvError::Finished) => Poll::Ready(Ok(0)),
            Err(RecvError::InvalidState) if error.is_some() || aborted => Poll::Ready(Err(failure)),
            Err(RecvError::InvalidState)
                if matches!(socket.state(), State::SynSent | State::SynReceived) =>
            {
                socket.register_recv_waker(waker);
                Poll::Pending
            }
            Err(RecvError::InvalidState) => Poll::Ready(Ok(0)),
        }
    }

    /// Whether a read would give something at once, be it the end or an error; wakes `waker` when it would.
    pub fn tcp_poll_readable(&mut self, id: SocketId, waker: &Waker) -> Poll<()> {
        match self.connection(id) {
            Some(c) if !c.reading_shut => match c.socket() {
                Some(s) if !s.can_recv() && (s.may_recv() || s.state() == State::SynSent) => {
                    s.register_recv_waker(waker);
                    Poll::Pending
                }
                _ => Poll::Ready(()),
            },
            _ => Poll::Ready(()),
        }
    }

    /// Takes as much of `data` as the send buffer has room for; wakes `waker` when there is room.
    pub fn tcp_poll_write(
        &mut self,
        id: SocketId,
        data: &[u8],
        waker: &Waker,
    ) -> Poll<Result<usize, NetError>> {
        let Some(connection) = self.connection(id) else {
            return Poll::Ready(Err(NetError::Gone));
        };
        let (failure, failed) = (connection.failure(), connection.error.is_some());
        let broken = NetError::BrokenPipe(connection.remote);
        let error = if failed { failure } else { broken };
        let Some(socket) = connection.socket() else {
            return Poll::Ready(Err(error));
        };
        match socket.send_slice(data) {
            Ok(0) if !data.is_empty() => {
                socket.register_send_waker(waker);
                Poll::Pending
            }
            Ok(written) => {
                connection.set_timeout();
                self.touch(id);
                Poll::Ready(Ok(written))
            }
            Err(_) => Poll::Ready(Err(error)),
        }
    }

    /// Whether a write would take something at once, or fail; wakes `waker` when it would.
    pub fn tcp_poll_writable(&mut self, id: SocketId, waker: &Waker) -> Poll<()> {
        match self.connection(id).and_then(Connection::socket) {
            Some(s) if (s.may_send() && !s.can_send()) || s.state() == State::SynSent => {
                s.register_send_waker(waker);
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    /// Whether the peer has everything that was written; wakes `waker` when it does.
    pub fn tcp_poll_flushed(&mut self, id: SocketId, waker: &Waker) -> Poll<()> {
        match self.connection(id).and_then(Connection::socket) {
            Some(s) if s.send_queue() > 0 && s.is_active() => {
                s.register_send_waker(waker);
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    /// Shuts halves of a connection down.
    ///
    /// # Errors
    /// `Gone`.
    pub fn tcp_shutdown(&mut self, id: SocketId, how: Shutdown) -> Result<(), NetError> {
        let connection = self.connection(id).ok_or(NetError::Gone)?;
        if how != Shutdown::Write {
            connection.reading_shut = true;
        }
        if how != Shutdown::Read
            && let Some(socket) = connection.socket()
        {
            socket.close();
            connection.set_timeout();
        }
        self.touch(id);
        Ok(())
    }

    /// Lets go of a connection or listener, as close(2) does: what was written still arrives; unread data makes it
    /// a reset (RFC 1122 section 4.2.2.13).
    pub fn tcp_close(&mut self, id: SocketId) {
        match self.sockets.get_mut(id) {
            Some(Socket::Connection(connection)) => {
                connection.role = Role::Orphan;
                connection.linger_until = Some(self.now + Duration::from_millis(LINGER_MS));
                match connection.socket() {
                    Some(socket) if socket.recv_queue() > 0 => connection.abort(),
                    Some(socket) => socket.close(),
                    None => {}
                }
                self.touch(id);
            }
            Some(Socket::Listener(_)) => self.close_listener(id),
            _ => {}
        }
    }

    /// Breaks a connection off: the peer sees a reset.
    pub fn tcp_abort(&mut self, id: SocketId) {
        if let Some(connection) = self.connection(id) {
            connection.abort();
            self.touch(id);
        }
    }
}
