//! What the network does with a connection: segments, timers, and the states they lead to.

use std::net::SocketAddrV4;

use smoltcp::iface::PollResult;
use smoltcp::socket::tcp::State;
use smoltcp::time::Duration;

use super::super::{SOCKETS_MAX, Socket, SocketId, Stack};
use super::{Connection, Role, endpoint};
use crate::counters::DropReason;
use crate::error::NetError;
use crate::icmp::{self, Refusal};
use crate::packet::{Packet, tcp_flags};

impl Stack {
    pub(in crate::stack) fn sort_tcp(&mut self, packet: Packet, listener: Option<SocketId>) {
        let Some(flow) = packet.flow() else {
            return;
        };
        let flags = packet.tcp_flags();
        let key = (flow.destination, flow.source);
        let id = match self.connections.get(&key) {
            Some(id) => Some(*id),
            None if flags & (tcp_flags::SYN | tcp_flags::ACK | tcp_flags::RST)
                == tcp_flags::SYN =>
            {
                match self.incoming(listener, key.0, key.1) {
                    Ok(id) => id,
                    Err(reason) => return self.dropped(reason),
                }
            }
            None => None,
        };
        let Some(id) = id else {
            self.dropped(DropReason::NoSocket);
            if let Some(reset) = icmp::reset(&packet) {
                self.send(reset);
            }
            return;
        };
        let Some(Socket::Connection(connection)) = self.sockets.get_mut(id) else {
            return;
        };
        let before = connection.state();
        let segments = usize::from(packet.joined());
        if let Some(set) = &mut connection.set {
            self.wire.incoming = Some(packet);
            self.iface
                .poll_ingress_single(self.now, &mut self.wire, set);
        }
        // An immediate answer to data is a duplicate acknowledgment. The sender counts them to tell loss from
        // disorder (RFC 5681 section 3.2), so there must be one for each segment that was on the wire.
        if segments > 1
            && let Some(duplicate) = self.wire.outgoing.last().cloned()
        {
            let more = std::iter::repeat_n(duplicate, segments - 1);
            self.wire.outgoing.extend(more);
        }
        if flags & tcp_flags::RST != 0
            && before != State::Closed
            && connection.state() == State::Closed
        {
            connection.error = Some(match before {
                State::SynSent => NetError::ConnectionRefused(connection.remote),
                _ => NetError::ConnectionReset(connection.remote),
            });
        }
        let outsider = connection.outsider;
        self.send_from_wire(outsider);
        self.touch(id);
    }

    /// A socket for a SYN; `None` when nobody listens.
    fn incoming(
        &mut self,
        listener: Option<SocketId>,
        local: SocketAddrV4,
        remote: SocketAddrV4,
    ) -> Result<Option<SocketId>, DropReason> {
        let Some(listener_id) = listener else {
            return Ok(None);
        };
        let full = self.sockets.len() >= SOCKETS_MAX;
        let Some(listener) = self.listener(listener_id) else {
            return Ok(None);
        };
        if full || listener.incoming + listener.ready.len() >= listener.backlog {
            return Err(DropReason::BacklogFull);
        }
        listener.incoming += 1;
        let mut connection =
            Connection::new(self.buffer, local, remote, Role::Incoming(listener_id));
        connection.outsider = self.outsiders == Some(listener_id);
        if let Some(socket) = connection.socket() {
            let _ = socket.listen(endpoint(local));
        }
        let id = self
            .sockets
            .insert(Socket::Connection(Box::new(connection)));
        self.connections.insert((local, remote), id);
        Ok(Some(id))
    }

    pub(in crate::stack) fn connection_refused(
        &mut self,
        why: Refusal,
        key: (SocketAddrV4, SocketAddrV4),
    ) {
        let Some(id) = self.connections.get(&key).copied() else {
            return;
        };
        let Some(connection) = self.connection(id) else {
            return;
        };
        // An established connection takes such an error for transient (RFC 1122 section 4.2.3.9).
        if connection.state() != State::SynSent {
            return;
        }
        connection.error = Some(match why {
            Refusal::PortUnreachable => NetError::ConnectionRefused(key.1),
            _ => NetError::HostUnreachable(key.1),
        });
        connection.set = None;
        connection.established.wake();
        self.touch(id);
    }

    /// Sends what a connection has to send, then follows its state.
    pub(in crate::stack) fn run_connection(&mut self, id: SocketId) {
        let Some(Socket::Connection(connection)) = self.sockets.get_mut(id) else {
            return;
        };
        connection.touched = false;
        if connection
            .linger_until
            .is_some_and(|until| until <= self.now)
        {
            connection.abort();
        }
        if let Some(set) = &mut connection.set {
            while self.iface.poll_egress(self.now, &mut self.wire, set)
                == PollResult::SocketStateChanged
            {}
        }
        let outsider = connection.outsider;
        self.send_from_wire(outsider);
        self.follow(id);
        self.set_timer(id);
    }

    fn set_timer(&mut self, id: SocketId) {
        let Some(Socket::Connection(connection)) = self.sockets.get_mut(id) else {
            return;
        };
        let due = connection
            .set
            .as_ref()
            .and_then(|set| self.iface.poll_at(self.now, set));
        let due = match (due, connection.linger_until) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        // A timer that fires early costs one look; moving it at every packet would cost more.
        if let Some(due) = due
            && connection.timer.is_none_or(|set| due < set)
        {
            if let Some(old) = connection.timer {
                self.timers.remove(&(old, id));
            }
            // Due at once means that the device was full: next round.
            let due = due.max(self.now + Duration::from_millis(1));
            connection.timer = Some(due);
            self.timers.insert((due, id));
        }
    }

    fn follow(&mut self, id: SocketId) {
        let Some(Socket::Connection(connection)) = self.sockets.get_mut(id) else {
            return;
        };
        let state = connection.state();
        let over = matches!(state, State::Closed | State::Listen);
        let shaking = matches!(state, State::SynSent | State::SynReceived);
        if over && connection.error.is_none() && !connection.aborted && state == State::Closed {
            let finished = matches!(connection.role, Role::Open | Role::Orphan)
                && connection.socket().is_some_and(|s| s.send_queue() == 0);
            if !finished {
                connection.error = Some(NetError::TimedOut(connection.remote));
            }
        }
        if !shaking && !over {
            connection.set_timeout();
        }
        let key = (connection.local, connection.remote);
        match connection.role {
            Role::Connecting if over => connection.established.wake(),
            Role::Connecting if !shaking => {
                connection.role = Role::Open;
                connection.established.wake();
            }
            Role::Incoming(listener) if over => {
                self.forget(id);
                if let Some(listener) = self.listener(listener) {
                    listener.incoming = listener.incoming.saturating_sub(1);
                }
                return;
            }
            Role::Incoming(listener_id) if !shaking => {
                connection.role = Role::Open;
                match self.listener(listener_id) {
                    Some(listener) => {
                        listener.incoming = listener.incoming.saturating_sub(1);
                        listener.ready.push_back(id);
                        listener.wakers.wake();
                    }
                    None => self.tcp_close(id),
                }
            }
            Role::Orphan if over || state == State::TimeWait => {
                self.forget(id);
                return;
            }
            _ => {}
        }
        if over && self.connections.get(&key) == Some(&id) {
            self.connections.remove(&key);
        }
    }

    fn forget(&mut self, id: SocketId) {
        if let Some(Socket::Connection(connection)) = self.sockets.remove(id) {
            let key = (connection.local, connection.remote);
            if self.connections.get(&key) == Some(&id) {
                self.connections.remove(&key);
            }
            if let Some(at) = connection.timer {
                self.timers.remove(&(at, id));
            }
        }
    }
}
