//! A network namespace: the addresses, sockets and loopback of one pod, or of the node itself.
//!
//! Packets that come in are sorted here: TCP to its connection by a hash of the conversation, UDP and ICMP by hand.
//! A connection that nobody has asked for exists only from its SYN on, so that a listener costs no buffers.
//! Addresses in 127.0.0.0/16 stay inside; the rest of 127.0.0.0/8 is routed, because nodes that share a machine have
//! addresses there.

mod ports;
mod tcp;
mod udp;
mod wire;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::task::Waker;

use shared::Millis;
use smoltcp::iface::{Config, Interface};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr};

use crate::counters::{DropReason, Traffic};
use crate::error::NetError;
use crate::flow::{Protocol, SeededHash};
use crate::icmp::{self, Refusal};
use crate::packet::{ICMP, Packet};
use crate::slab::{Key, Slab};
use ports::Ports;
use tcp::{Connection, Listener};
use udp::Datagrams;
use wire::Wire;

/// Sockets a stack may have.
pub const SOCKETS_MAX: usize = 16_384;
/// Addresses a stack may have; a bound of smoltcp's interface.
pub const ADDRESSES_MAX: usize = 7;
/// Packets handled in one call of [`Stack::run`] before it yields.
const RUN_MAX: usize = 1024;
/// Echo requests that may wait for their reply.
const PINGS_MAX: usize = 64;

/// Names a socket of a stack.
pub type SocketId = Key;

/// Which halves of a connection to shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// No more reading.
    Read,
    /// No more writing: the peer sees the end of the stream.
    Write,
    /// Neither.
    Both,
}

pub(crate) enum Socket {
    Connection(Box<Connection>),
    Listener(Listener),
    Datagrams(Datagrams),
}

/// Whether a packet to this address stays inside the namespace whatever addresses the namespace has.
#[must_use]
pub fn is_loopback(address: Ipv4Addr) -> bool {
    matches!(address.octets(), [127, 0, _, _])
}

/// A network namespace.
pub struct Stack {
    iface: Interface,
    wire: Wire,
    addresses: Vec<Ipv4Addr>,
    sockets: Slab<Socket>,
    connections: HashMap<(SocketAddrV4, SocketAddrV4), SocketId, SeededHash>,
    listeners: BTreeMap<(u16, Ipv4Addr), SocketId>,
    datagrams: BTreeMap<(u16, Ipv4Addr), SocketId>,
    /// Takes connections to any address, when the node's router sends some.
    outsiders: Option<SocketId>,
    ports: Ports,
    touched: VecDeque<SocketId>,
    timers: BTreeSet<(Instant, SocketId)>,
    /// Packets to itself.
    inside: VecDeque<Packet>,
    /// Packets for the router.
    outside: Vec<Packet>,
    pings: BTreeMap<(u16, u16), Option<Waker>>,
    traffic: Traffic,
    drops: BTreeMap<DropReason, u64>,
    buffer: usize,
    now: Instant,
}

impl std::fmt::Debug for Stack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stack")
            .field("addresses", &self.addresses)
            .field("sockets", &self.sockets.len())
            .finish_non_exhaustive()
    }
}

fn instant(now: Millis) -> Instant {
    Instant::from_millis(i64::try_from(now.0).unwrap_or(i64::MAX / 1000))
}

impl Stack {
    /// A namespace with these addresses besides loopback. `mtu` bytes is the largest packet that other nodes get,
    /// `buffer` the bytes of a connection's send and of its receive buffer.
    #[must_use]
    pub fn new(addresses: &[Ipv4Addr], mtu: usize, buffer: usize, seed: u64, now: Millis) -> Self {
        let mut wire = Wire {
            incoming: None,
            outgoing: Vec::new(),
            mtu,
        };
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let iface = Interface::new(config, &mut wire, instant(now));
        let mut stack = Self {
            iface,
            wire,
            addresses: Vec::new(),
            sockets: Slab::default(),
            connections: HashMap::with_hasher(SeededHash(seed)),
            listeners: BTreeMap::new(),
            datagrams: BTreeMap::new(),
            outsiders: None,
            ports: Ports::new(seed),
            touched: VecDeque::new(),
            timers: BTreeSet::new(),
            inside: VecDeque::new(),
            outside: Vec::new(),
            pings: BTreeMap::new(),
            traffic: Traffic::default(),
            drops: BTreeMap::new(),
            buffer: buffer.clamp(4096, 1 << 20),
            now: instant(now),
        };
        stack.set_addresses(addresses);
        stack
    }

    /// Replaces the addresses; the first one is the source of what is sent without a bound address. At most
    /// [`ADDRESSES_MAX`] count. Connections from an address that is gone are closed.
    pub fn set_addresses(&mut self, addresses: &[Ipv4Addr]) {
        self.addresses = addresses
            .iter()
            .copied()
            .filter(|a| !(a.is_unspecified() || a.is_broadcast() || a.is_multicast()))
            .take(ADDRESSES_MAX)
            .collect();
        let own = self.addresses.clone();
        self.iface.update_ip_addrs(|list| {
            list.clear();
            for address in own.iter().chain([&Ipv4Addr::LOCALHOST]) {
                let _ = list.push(IpCidr::new((*address).into(), 32));
            }
        });
        // Everything is reachable through the veth: the router decides, not the stack.
        let gateway = Ipv4Addr::new(169, 254, 1, 1);
        let _ = self.iface.routes_mut().add_default_ipv4_route(gateway);
        for id in self.sockets.keys().collect::<Vec<_>>() {
            self.touch(id);
        }
    }

    /// The addresses besides loopback.
    #[must_use]
    pub fn addresses(&self) -> &[Ipv4Addr] {
        &self.addresses
    }

    /// Whether a packet to `address` stays inside.
    #[must_use]
    pub fn is_own(&self, address: Ipv4Addr) -> bool {
        is_loopback(address) || self.addresses.contains(&address)
    }

    /// Packets to and from the router.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Packets dropped here, by reason.
    #[must_use]
    pub fn drops(&self) -> &BTreeMap<DropReason, u64> {
        &self.drops
    }

    /// Sockets in use, those included that are only finishing their close.
    #[must_use]
    pub fn socket_count(&self) -> usize {
        self.sockets.len()
    }

    fn dropped(&mut self, reason: DropReason) {
        *self.drops.entry(reason).or_default() += 1;
    }

    fn source_for(&self, destination: Ipv4Addr) -> Option<Ipv4Addr> {
        if is_loopback(destination) {
            // Every address of 127.0.0.0/16 is the sender's own as well, as on Linux.
            return Some(Ipv4Addr::LOCALHOST);
        }
        if self.addresses.contains(&destination) {
            return Some(destination);
        }
        self.addresses.first().copied()
    }

    fn check_room(&self) -> Result<(), NetError> {
        if self.sockets.len() >= SOCKETS_MAX {
            return Err(NetError::TooManySockets(SOCKETS_MAX));
        }
        Ok(())
    }

    fn check_bindable(&self, address: SocketAddrV4) -> Result<(), NetError> {
        if address.ip().is_unspecified() || self.is_own(*address.ip()) {
            return Ok(());
        }
        Err(NetError::AddressNotAvailable(address))
    }

    fn touch(&mut self, id: SocketId) {
        let waiting = match self.sockets.get_mut(id) {
            Some(Socket::Connection(connection)) => {
                std::mem::replace(&mut connection.touched, true)
            }
            _ => true,
        };
        if !waiting {
            self.touched.push_back(id);
        }
    }

    /// Takes a packet from the router.
    pub fn receive(&mut self, packet: Packet, now: Millis) {
        self.now = self.now.max(instant(now));
        self.traffic.received(packet.len());
        self.sort(packet);
    }

    /// Takes a packet from the router that is for somebody outside the cluster.
    pub(crate) fn receive_outside(&mut self, packet: Packet, now: Millis) {
        self.now = self.now.max(instant(now));
        self.traffic.received(packet.len());
        if packet.protocol() == Protocol::Tcp.number() {
            self.sort_tcp(packet, self.outsiders);
        }
    }

    fn sort(&mut self, packet: Packet) {
        if !self.is_own(packet.destination()) {
            self.dropped(DropReason::NotForUs);
            return;
        }
        match Protocol::from_number(packet.protocol()) {
            Some(Protocol::Tcp) => {
                let listener = packet.flow().and_then(|f| self.listener_at(f.destination));
                self.sort_tcp(packet, listener);
            }
            Some(Protocol::Udp) => self.sort_udp(packet),
            None if packet.protocol() == ICMP => self.sort_icmp(&packet),
            None => self.dropped(DropReason::NoSocket),
        }
    }

    fn sort_icmp(&mut self, packet: &Packet) {
        if let Some(reply) = icmp::echo_reply(packet) {
            self.send(reply);
        } else if let Some(id) = icmp::echo_replied(packet) {
            if let Some(Some(waker)) = self.pings.remove(&id) {
                waker.wake();
            }
        } else if let Some((why, flow)) = icmp::refused(packet) {
            if flow.protocol == Protocol::Tcp {
                self.connection_refused(why, (flow.source, flow.destination));
            } else if why == Refusal::PortUnreachable {
                self.datagram_refused(flow.source, flow.destination);
            }
        }
    }

    /// Sends an echo request; [`Stack::ping_answered`] tells of the reply.
    ///
    /// # Errors
    /// `InvalidAddress`, or `TooManySockets` when too many are waiting already.
    pub fn ping(&mut self, to: Ipv4Addr, ident: u16, sequence: u16) -> Result<(), NetError> {
        let target = SocketAddrV4::new(to, 0);
        let from = self.source_for(to).filter(|_| !to.is_unspecified());
        let from = from.ok_or(NetError::InvalidAddress(target))?;
        if self.pings.len() >= PINGS_MAX {
            return Err(NetError::TooManySockets(PINGS_MAX));
        }
        self.pings.insert((ident, sequence), None);
        self.send(icmp::echo_request(from, to, ident, sequence));
        Ok(())
    }

    /// Whether an echo request has been answered; wakes `waker` when that happens.
    pub fn ping_answered(&mut self, ident: u16, sequence: u16, waker: &Waker) -> bool {
        match self.pings.get_mut(&(ident, sequence)) {
            Some(place) => {
                *place = Some(waker.clone());
                false
            }
            None => true,
        }
    }

    /// Stops waiting for an echo reply.
    pub fn ping_forget(&mut self, ident: u16, sequence: u16) {
        self.pings.remove(&(ident, sequence));
    }

    fn send(&mut self, packet: Packet) {
        if self.is_own(packet.destination()) {
            self.inside.push_back(packet);
        } else {
            self.traffic.sent(packet.len());
            self.outside.push(packet);
        }
    }

    /// Sends what smoltcp made. An `outsider` speaks under an address that is not the node's, so that even its answers
    /// to the node itself go back through the router.
    fn send_from_wire(&mut self, outsider: bool) {
        let mut sent = std::mem::take(&mut self.wire.outgoing);
        for packet in sent.drain(..) {
            if outsider {
                self.traffic.sent(packet.len());
                self.outside.push(packet);
            } else {
                self.send(packet);
            }
        }
        self.wire.outgoing = sent;
    }

    /// Does all work that is due: timers, sending, loopback. Moves the packets for the router into `out`. True when
    /// it stopped early and must be run again.
    pub fn run(&mut self, now: Millis, out: &mut Vec<Packet>) -> bool {
        self.now = self.now.max(instant(now));
        while let Some(&(at, id)) = self.timers.first()
            && at <= self.now
        {
            self.timers.pop_first();
            if let Some(Socket::Connection(connection)) = self.sockets.get_mut(id) {
                connection.timer = None;
            }
            self.touch(id);
        }
        let mut budget = RUN_MAX;
        while budget > 0 {
            budget -= 1;
            if let Some(packet) = self.inside.pop_front() {
                self.sort(packet);
            } else if let Some(id) = self.touched.pop_front() {
                self.run_connection(id);
            } else {
                break;
            }
        }
        out.append(&mut self.outside);
        !(self.inside.is_empty() && self.touched.is_empty())
    }

    /// When [`Stack::run`] is to be called though nothing comes in.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Millis> {
        let (at, _) = self.timers.first()?;
        // Rounded up: a timer must be due when its time has come.
        let ms = at.total_micros().max(0) as u64;
        Some(Millis(ms.div_ceil(1000)))
    }

    /// Resets every connection and wakes everybody who waits, before the namespace goes away.
    pub fn shut(&mut self, out: &mut Vec<Packet>) {
        let now = Millis(self.now.total_millis().max(0) as u64);
        for id in self.sockets.keys().collect::<Vec<_>>() {
            match self.sockets.get_mut(id) {
                Some(Socket::Connection(connection)) => connection.abort(),
                Some(Socket::Listener(listener)) => listener.wakers.wake(),
                Some(Socket::Datagrams(datagrams)) => datagrams.wakers.wake(),
                None => {}
            }
            self.touch(id);
        }
        for waker in std::mem::take(&mut self.pings).into_values().flatten() {
            waker.wake();
        }
        while self.run(now, out) {}
    }
}

/// The tasks that wait for a socket; each is kept once.
#[derive(Debug, Default)]
pub(crate) struct Wakers(Vec<Waker>);

impl Wakers {
    pub(crate) fn add(&mut self, waker: &Waker) {
        if !self.0.iter().any(|w| w.will_wake(waker)) {
            self.0.push(waker.clone());
        }
    }

    pub(crate) fn wake(&mut self) {
        for waker in self.0.drain(..) {
            waker.wake();
        }
    }
}
