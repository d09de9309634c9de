//! TCP sockets: listeners, and connections that are one smoltcp socket each.
//!
//! A connection whose application has closed it lives on until the peer has everything, as long as that takes less
//! than [`LINGER_MS`]. It does not keep its buffers through TIME-WAIT: ephemeral ports come back late enough.

mod calls;
mod segments;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::task::{Poll, Waker};

use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp::{self, CongestionControl, SocketBuffer, State};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpListenEndpoint};

use super::{Socket, SocketId, Stack, Wakers};
use crate::error::NetError;

/// How long a connection attempt may take: Linux' 6 retries of the SYN (tcp(7), `tcp_syn_retries`).
pub(super) const CONNECT_TIMEOUT_MS: u64 = 127_000;
/// How long unacknowledged data is retried: Linux' 15 retries (tcp(7), `tcp_retries2`).
pub(super) const RETRY_TIMEOUT_MS: u64 = 924_600;
/// How long a closed connection may take to finish (tcp(7), `tcp_fin_timeout`).
pub(super) const LINGER_MS: u64 = 60_000;
/// The largest backlog (`net.core.somaxconn`).
pub(super) const BACKLOG_MAX: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// The application waits for the handshake.
    Connecting,
    /// The handshake is under way for a listener.
    Incoming(SocketId),
    /// In the hands of the application, or waiting to be accepted.
    Open,
    /// The application has let go of it.
    Orphan,
}

pub(crate) struct Connection {
    /// Holds this one socket. `None` once it is over and has nothing left to read.
    set: Option<SocketSet<'static>>,
    handle: SocketHandle,
    local: SocketAddrV4,
    remote: SocketAddrV4,
    role: Role,
    error: Option<NetError>,
    aborted: bool,
    reading_shut: bool,
    linger_until: Option<Instant>,
    /// Its own address is somebody's outside the cluster.
    outsider: bool,
    established: Wakers,
    pub(super) timer: Option<Instant>,
    pub(super) touched: bool,
}

pub(crate) struct Listener {
    local: SocketAddrV4,
    backlog: usize,
    /// Handshakes under way.
    incoming: usize,
    ready: VecDeque<SocketId>,
    pub(super) wakers: Wakers,
}

impl Connection {
    fn new(buffer: usize, local: SocketAddrV4, remote: SocketAddrV4, role: Role) -> Self {
        let room = || SocketBuffer::new(vec![0; buffer]);
        let mut socket = tcp::Socket::new(room(), room());
        socket.set_ack_delay(None);
        socket.set_nagle_enabled(false);
        socket.set_congestion_control(CongestionControl::Cubic);
        socket.set_timeout(Some(Duration::from_millis(CONNECT_TIMEOUT_MS)));
        let mut set = SocketSet::new(Vec::with_capacity(1));
        let handle = set.add(socket);
        Self {
            set: Some(set),
            handle,
            local,
            remote,
            role,
            error: None,
            aborted: false,
            reading_shut: false,
            linger_until: None,
            outsider: false,
            established: Wakers::default(),
            timer: None,
            touched: false,
        }
    }

    fn socket(&mut self) -> Option<&mut tcp::Socket<'static>> {
        let handle = self.handle;
        self.set.as_mut().map(|set| set.get_mut(handle))
    }

    fn state(&self) -> State {
        self.set.as_ref().map_or(State::Closed, |set| {
            set.get::<tcp::Socket<'_>>(self.handle).state()
        })
    }

    /// Sends a reset instead of finishing.
    pub(super) fn abort(&mut self) {
        self.aborted = true;
        self.established.wake();
        if let Some(socket) = self.socket() {
            socket.abort();
        }
    }

    /// The error that ended it, in place of "end of stream".
    fn failure(&self) -> NetError {
        self.error
            .unwrap_or(NetError::ConnectionAborted(self.remote))
    }

    /// Waits at most as long as the phase it is in allows. Idle connections wait for ever.
    fn set_timeout(&mut self) {
        let timeout = match self.state() {
            State::SynSent | State::SynReceived => Some(CONNECT_TIMEOUT_MS),
            _ => Some(RETRY_TIMEOUT_MS),
        };
        if let Some(socket) = self.socket() {
            let waits = !socket.may_send() || socket.send_queue() > 0;
            socket.set_timeout(timeout.filter(|_| waits).map(Duration::from_millis));
        }
    }
}

fn endpoint(address: SocketAddrV4) -> IpListenEndpoint {
    IpListenEndpoint {
        addr: Some(IpAddress::Ipv4(*address.ip())),
        port: address.port(),
    }
}

impl Stack {
    /// Listens; port 0 takes a free one. Gives the bound address. `backlog` connections may wait to be accepted,
    /// at least 1 and at most [`BACKLOG_MAX`].
    ///
    /// # Errors
    /// `AddressInUse`, `AddressNotAvailable`, `TooManySockets`.
    pub fn tcp_listen(
        &mut self,
        local: SocketAddrV4,
        backlog: usize,
    ) -> Result<(SocketId, SocketAddrV4), NetError> {
        self.check_room()?;
        self.check_bindable(local)?;
        let ip = *local.ip();
        let port = if local.port() == 0 {
            let mut ports = std::mem::replace(&mut self.ports, super::Ports::new(0));
            let port = ports.take(|port| !self.listens(port, ip));
            self.ports = ports;
            port.ok_or(NetError::AddressInUse(local))?
        } else if self.listens(local.port(), ip) {
            return Err(NetError::AddressInUse(local));
        } else {
            local.port()
        };
        let local = SocketAddrV4::new(ip, port);
        let id = self.sockets.insert(Socket::Listener(Listener {
            local,
            backlog: backlog.clamp(1, BACKLOG_MAX),
            incoming: 0,
            ready: VecDeque::new(),
            wakers: Wakers::default(),
        }));
        self.listeners.insert((port, ip), id);
        Ok((id, local))
    }

    /// Listens for connections to whatever address outside the cluster the router hands over; each connection's own
    /// address is the one that was called. There is one such listener.
    ///
    /// # Errors
    /// `TooManySockets`, or `AddressInUse` when there is one already.
    pub fn tcp_listen_outside(&mut self, backlog: usize) -> Result<SocketId, NetError> {
        self.check_room()?;
        let local = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
        if self.outsiders.is_some() {
            return Err(NetError::AddressInUse(local));
        }
        self.iface.set_any_ip(true);
        let id = self.sockets.insert(Socket::Listener(Listener {
            local,
            backlog: backlog.clamp(1, BACKLOG_MAX),
            incoming: 0,
            ready: VecDeque::new(),
            wakers: Wakers::default(),
        }));
        self.outsiders = Some(id);
        Ok(id)
    }

    pub(super) fn listener_at(&self, local: SocketAddrV4) -> Option<SocketId> {
        let exact = self.listeners.get(&(local.port(), *local.ip()));
        exact
            .or_else(|| self.listeners.get(&(local.port(), Ipv4Addr::UNSPECIFIED)))
            .copied()
    }

    /// Whether a listener on this port stands in the way of one on `ip`.
    fn listens(&self, port: u16, ip: Ipv4Addr) -> bool {
        let any = Ipv4Addr::UNSPECIFIED;
        let mut on_port = self
            .listeners
            .range((port, any)..=(port, Ipv4Addr::BROADCAST));
        on_port.any(|((_, other), _)| ip == any || *other == any || *other == ip)
    }

    fn listener(&mut self, id: SocketId) -> Option<&mut Listener> {
        match self.sockets.get_mut(id) {
            Some(Socket::Listener(listener)) => Some(listener),
            _ => None,
        }
    }

    fn connection(&mut self, id: SocketId) -> Option<&mut Connection> {
        match self.sockets.get_mut(id) {
            Some(Socket::Connection(connection)) => Some(connection),
            _ => None,
        }
    }

    /// The next connection that has finished its handshake, and its peer; wakes `waker` when there is one.
    pub fn tcp_poll_accept(
        &mut self,
        id: SocketId,
        waker: &Waker,
    ) -> Poll<Result<(SocketId, SocketAddrV4), NetError>> {
        loop {
            let Some(listener) = self.listener(id) else {
                return Poll::Ready(Err(NetError::Gone));
            };
            let Some(connection) = listener.ready.pop_front() else {
                listener.wakers.add(waker);
                return Poll::Pending;
            };
            if let Some(remote) = self.connection(connection).map(|c| c.remote) {
                return Poll::Ready(Ok((connection, remote)));
            }
        }
    }

    /// Whether a connection waits to be accepted; wakes `waker` when one does.
    pub fn tcp_poll_acceptable(&mut self, id: SocketId, waker: &Waker) -> Poll<()> {
        match self.listener(id) {
            Some(listener) if listener.ready.is_empty() => {
                listener.wakers.add(waker);
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    fn close_listener(&mut self, id: SocketId) {
        let Some(Socket::Listener(mut listener)) = self.sockets.remove(id) else {
            return;
        };
        self.listeners
            .remove(&(listener.local.port(), *listener.local.ip()));
        listener.wakers.wake();
        if self.outsiders == Some(id) {
            self.outsiders = None;
        }
        for waiting in listener.ready {
            if let Some(connection) = self.connection(waiting) {
                connection.role = Role::Orphan;
                connection.abort();
            }
            self.touch(waiting);
        }
    }
}
