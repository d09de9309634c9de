//! Datagram sockets: a bounded queue of datagrams each.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::task::{Poll, Waker};

use bytes::Bytes;

use super::{Socket, SocketId, Stack, Wakers};
use crate::counters::DropReason;
use crate::error::NetError;
use crate::flow::{FiveTuple, Protocol};
use crate::icmp::{self, Refusal};
use crate::packet::{IPV4_HEADER, Packet, UDP_HEADER};

/// Bytes a datagram socket holds before it drops (`net.core.rmem_default`).
const RECEIVE_MAX: usize = 212_992;
/// What one datagram costs of that besides its data.
const OVERHEAD: usize = 64;

pub(crate) struct Datagrams {
    local: SocketAddrV4,
    queue: VecDeque<(SocketAddrV4, Bytes)>,
    queued: usize,
    /// The last peer that turned out not to listen.
    refused: Option<SocketAddrV4>,
    pub(super) wakers: Wakers,
}

impl Stack {
    /// Opens a datagram socket; port 0 takes a free one. Gives the bound address.
    ///
    /// # Errors
    /// `AddressInUse`, `AddressNotAvailable`, `TooManySockets`.
    pub fn udp_bind(&mut self, local: SocketAddrV4) -> Result<(SocketId, SocketAddrV4), NetError> {
        self.check_room()?;
        self.check_bindable(local)?;
        let taken = |port: u16, ip: Ipv4Addr, all: &Self| {
            let any = Ipv4Addr::UNSPECIFIED;
            all.datagrams.contains_key(&(port, ip))
                || all.datagrams.contains_key(&(port, any))
                || (ip == any
                    && all
                        .datagrams
                        .range((port, any)..=(port, Ipv4Addr::BROADCAST))
                        .next()
                        .is_some())
        };
        let ip = *local.ip();
        let port = if local.port() == 0 {
            let mut ports = std::mem::replace(&mut self.ports, super::Ports::new(0));
            let port = ports.take(|port| !taken(port, ip, self));
            self.ports = ports;
            port.ok_or(NetError::AddressInUse(local))?
        } else if taken(local.port(), ip, self) {
            return Err(NetError::AddressInUse(local));
        } else {
            local.port()
        };
        let local = SocketAddrV4::new(ip, port);
        let id = self.sockets.insert(Socket::Datagrams(Datagrams {
            local,
            queue: VecDeque::new(),
            queued: 0,
            refused: None,
            wakers: Wakers::default(),
        }));
        self.datagrams.insert((port, ip), id);
        Ok((id, local))
    }

    fn datagrams(&mut self, id: SocketId) -> Result<&mut Datagrams, NetError> {
        match self.sockets.get_mut(id) {
            Some(Socket::Datagrams(datagrams)) => Ok(datagrams),
            _ => Err(NetError::Gone),
        }
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// `MessageSize` when it does not fit one packet, `InvalidAddress`, `Gone`.
    pub fn udp_send(
        &mut self,
        id: SocketId,
        to: SocketAddrV4,
        data: &[u8],
    ) -> Result<(), NetError> {
        let local = self.datagrams(id)?.local;
        if to.port() == 0 || to.ip().is_unspecified() {
            return Err(NetError::InvalidAddress(to));
        }
        let max = self.wire.mtu - IPV4_HEADER - UDP_HEADER;
        if data.len() > max {
            let size = data.len();
            return Err(NetError::MessageSize { size, max });
        }
        let from = if local.ip().is_unspecified() {
            self.source_for(*to.ip())
                .ok_or(NetError::HostUnreachable(to))?
        } else {
            *local.ip()
        };
        self.send(Packet::udp(SocketAddrV4::new(from, local.port()), to, data));
        Ok(())
    }

    /// The next datagram and who sent it; wakes `waker` when there is one.
    pub fn udp_poll_recv(
        &mut self,
        id: SocketId,
        waker: &Waker,
    ) -> Poll<Result<(SocketAddrV4, Bytes), NetError>> {
        let datagrams = match self.datagrams(id) {
            Ok(datagrams) => datagrams,
            Err(error) => return Poll::Ready(Err(error)),
        };
        if let Some((from, data)) = datagrams.queue.pop_front() {
            datagrams.queued -= data.len() + OVERHEAD;
            return Poll::Ready(Ok((from, data)));
        }
        datagrams.wakers.add(waker);
        Poll::Pending
    }

    /// Whether a datagram waits; wakes `waker` when one comes.
    pub fn udp_poll_ready(&mut self, id: SocketId, waker: &Waker) -> Poll<()> {
        match self.datagrams(id) {
            Ok(d) if d.queue.is_empty() => {
                d.wakers.add(waker);
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    /// The last peer that answered "port unreachable", once.
    pub fn udp_take_refused(&mut self, id: SocketId) -> Option<SocketAddrV4> {
        self.datagrams(id).ok()?.refused.take()
    }

    /// Closes a datagram socket.
    pub fn udp_close(&mut self, id: SocketId) {
        if !matches!(self.sockets.get(id), Some(Socket::Datagrams(_))) {
            return;
        }
        if let Some(Socket::Datagrams(mut datagrams)) = self.sockets.remove(id) {
            let local = datagrams.local;
            self.datagrams.remove(&(local.port(), *local.ip()));
            datagrams.wakers.wake();
        }
    }

    fn datagrams_at(&self, local: SocketAddrV4) -> Option<SocketId> {
        let exact = self.datagrams.get(&(local.port(), *local.ip()));
        exact
            .or_else(|| self.datagrams.get(&(local.port(), Ipv4Addr::UNSPECIFIED)))
            .copied()
    }

    pub(super) fn sort_udp(&mut self, packet: Packet) {
        let Some(FiveTuple {
            source,
            destination,
            ..
        }) = packet.flow().filter(|f| f.protocol == Protocol::Udp)
        else {
            return;
        };
        let Some(id) = self.datagrams_at(destination) else {
            self.dropped(DropReason::NoSocket);
            if let Some(error) =
                icmp::refuse(&packet, Refusal::PortUnreachable, packet.destination())
            {
                self.send(error);
            }
            return;
        };
        let Ok(datagrams) = self.datagrams(id) else {
            return;
        };
        let data = Bytes::copy_from_slice(packet.udp_data());
        if datagrams.queued + data.len() + OVERHEAD > RECEIVE_MAX {
            self.dropped(DropReason::BufferFull);
            return;
        }
        datagrams.queued += data.len() + OVERHEAD;
        datagrams.queue.push_back((source, data));
        datagrams.wakers.wake();
    }

    pub(super) fn datagram_refused(&mut self, local: SocketAddrV4, peer: SocketAddrV4) {
        if let Some(id) = self.datagrams_at(local)
            && let Ok(datagrams) = self.datagrams(id)
        {
            datagrams.refused = Some(peer);
            datagrams.wakers.wake();
        }
    }
}
