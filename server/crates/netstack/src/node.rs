//! A node's network: its pods' stacks and its own around one router.
//!
//! Everything happens inside calls: an operation on a socket leaves work behind, [`Node::poll`] carries packets
//! until nothing moves. Wakers are woken on the way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use shared::Millis;

use crate::counters::{Counters, DropReason};
use crate::packet::Packet;
use crate::route::{LinkId, Route};
use crate::router::{From, Routed, Router, To};
use crate::service::Services;
use crate::stack::Stack;

/// Packets that may wait for a link of the shell's.
pub const OUTBOUND_MAX: usize = 4096;
/// Packets carried in one [`Node::poll`] before it yields.
const POLL_MAX: usize = 4096;
/// Pods a node may have (the kubelet's default is 110).
pub const PODS_MAX: usize = 4096;

/// Names a stack of a node; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackId(u32);

/// The node's own stack.
pub const HOST: StackId = StackId(0);

/// What a node is made with.
#[derive(Clone, Copy, Debug)]
pub struct NodeConfig {
    /// The largest packet that other nodes get, in bytes: the underlay's MTU less the encapsulation's 50.
    pub mtu: usize,
    /// Bytes of a connection's send buffer, and of its receive buffer.
    pub buffer: usize,
    /// Seeds hashes, sequence numbers and the first ephemeral ports.
    pub seed: u64,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            mtu: 1450,
            buffer: 65_536,
            seed: 0,
        }
    }
}

/// A packet for another node.
#[derive(Debug)]
pub struct Outbound {
    /// Over which link.
    pub link: LinkId,
    /// What: not sealed and perhaps to be cut, see [`crate::segment::seal_segments`].
    pub packet: Packet,
}

/// Why a pod got no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddPodError {
    /// Two pods with one address.
    #[error("address {0} belongs to another pod or to the node itself")]
    AddressTaken(Ipv4Addr),
    /// Too many pods.
    #[error("the node has {PODS_MAX} pod networks, which is the most it may have")]
    Full,
}

/// A node's network.
#[derive(Debug)]
pub struct Node {
    config: NodeConfig,
    router: Router,
    stacks: BTreeMap<StackId, Stack>,
    next_id: u32,
    touched: BTreeSet<StackId>,
    timers: BTreeMap<StackId, Millis>,
    moving: VecDeque<(From, Packet)>,
    outbound: VecDeque<Outbound>,
    scratch: Vec<Packet>,
}

impl Node {
    /// A node without pods.
    #[must_use]
    pub fn new(config: NodeConfig, now: Millis) -> Self {
        let host = Stack::new(&[], config.mtu, config.buffer, config.seed, now);
        Self {
            config,
            router: Router::new(HOST, config.seed),
            stacks: BTreeMap::from([(HOST, host)]),
            next_id: 1,
            touched: BTreeSet::new(),
            timers: BTreeMap::new(),
            moving: VecDeque::new(),
            outbound: VecDeque::new(),
            scratch: Vec::new(),
        }
    }

    /// Replaces the addresses of the node's own stack, the preferred source first; `claimed` ones win over Services.
    pub fn set_host_addresses(&mut self, addresses: &[Ipv4Addr], claimed: &[Ipv4Addr]) {
        self.router
            .set_host_addresses(addresses.iter().copied(), claimed.iter().copied());
        let all: Vec<_> = addresses.iter().chain(claimed).copied().collect();
        if let Some(host) = self.stacks.get_mut(&HOST) {
            host.set_addresses(&all);
        }
        self.touched.insert(HOST);
    }

    /// Replaces the routes.
    pub fn set_routes(&mut self, routes: impl IntoIterator<Item = Route>) {
        self.router.set_routes(routes);
    }

    /// Replaces the TCP addresses outside the cluster that the host's stack takes over, see
    /// [`Stack::tcp_listen_outside`].
    pub fn set_outside(&mut self, addresses: BTreeSet<SocketAddrV4>) {
        self.router.set_outside(addresses);
    }

    /// Replaces the Services' rules.
    pub fn set_services(&mut self, services: Arc<dyn Services>) {
        self.router.set_services(services);
    }

    /// Gives a pod its network.
    ///
    /// # Errors
    /// When the address is taken or there are too many pods; nothing has changed then.
    pub fn add_pod(&mut self, address: Ipv4Addr, now: Millis) -> Result<StackId, AddPodError> {
        if self.stacks.len() > PODS_MAX {
            return Err(AddPodError::Full);
        }
        let id = StackId(self.next_id);
        if !self.router.add_pod(address, id) {
            return Err(AddPodError::AddressTaken(address));
        }
        self.next_id += 1;
        let NodeConfig { mtu, buffer, seed } = self.config;
        let seed = seed ^ u64::from(id.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.stacks
            .insert(id, Stack::new(&[address], mtu, buffer, seed, now));
        Ok(id)
    }

    /// Takes a pod's network away: its connections are reset, its sockets are gone.
    pub fn remove_pod(&mut self, id: StackId, now: Millis) {
        if id == HOST {
            return;
        }
        if let Some(stack) = self.stacks.get_mut(&id) {
            let mut last = Vec::new();
            stack.shut(&mut last);
            let last = last.into_iter().map(|packet| (From::Stack(id), packet));
            self.moving.extend(last);
            // Its last packets leave while its address is still its own.
            self.poll(now);
        }
        if let Some(stack) = self.stacks.remove(&id) {
            for address in stack.addresses() {
                self.router.remove_pod(*address);
            }
        }
        self.touched.remove(&id);
        self.timers.remove(&id);
    }

    /// A stack, to use its sockets; call [`Node::poll`] afterwards.
    pub fn stack(&mut self, id: StackId) -> Option<&mut Stack> {
        let stack = self.stacks.get_mut(&id)?;
        self.touched.insert(id);
        Some(stack)
    }

    /// A stack, to look at.
    #[must_use]
    pub fn peek(&self, id: StackId) -> Option<&Stack> {
        self.stacks.get(&id)
    }

    /// The stacks, the node's own first.
    pub fn stacks(&self) -> impl Iterator<Item = (StackId, &Stack)> {
        self.stacks.iter().map(|(id, stack)| (*id, stack))
    }

    /// The router, to look at.
    #[must_use]
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// What the node counted.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.router.counters
    }

    /// Takes a packet from another node as it came from the tunnel. It moves at the next [`Node::poll`].
    ///
    /// # Errors
    /// Why it was dropped; counted.
    pub fn inject(&mut self, link: LinkId, packet: Vec<u8>) -> Result<(), DropReason> {
        let len = packet.len();
        match Packet::from_wire(packet) {
            Ok(packet) => {
                self.router
                    .counters
                    .links
                    .entry(link)
                    .or_default()
                    .received(len);
                if let Some((From::Link, last)) = self.moving.back_mut()
                    && last.absorb(&packet)
                {
                    return Ok(());
                }
                self.moving.push_back((From::Link, packet));
                Ok(())
            }
            Err(reason) => {
                self.router.counters.drop(reason);
                Err(reason)
            }
        }
    }

    /// Carries packets until nothing moves. True when it stopped early and must be called again.
    pub fn poll(&mut self, now: Millis) -> bool {
        let due: Vec<_> = self
            .timers
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(id, _)| *id)
            .collect();
        self.touched.extend(due);
        self.router.expire(now);
        let mut budget = POLL_MAX;
        loop {
            while let Some((from, packet)) = self.moving.pop_front() {
                if budget == 0 {
                    self.moving.push_front((from, packet));
                    return true;
                }
                budget -= 1;
                self.carry(from, packet, now);
            }
            let Some(id) = self.touched.pop_first() else {
                return false;
            };
            self.run_stack(id, now);
        }
    }

    fn run_stack(&mut self, id: StackId, now: Millis) {
        let Some(stack) = self.stacks.get_mut(&id) else {
            return;
        };
        if stack.run(now, &mut self.scratch) {
            self.touched.insert(id);
        }
        match stack.next_timeout() {
            Some(at) => self.timers.insert(id, at),
            None => self.timers.remove(&id),
        };
        let sent = self.scratch.drain(..);
        self.moving
            .extend(sent.map(|packet| (From::Stack(id), packet)));
    }

    fn carry(&mut self, from: From, packet: Packet, now: Millis) {
        match self.router.route(from, packet, now) {
            Routed::Forward(to, packet) => self.deliver(to, packet, now),
            Routed::Answer(answer) => {
                if let Some(to) = self.router.route_answer(&answer) {
                    self.deliver(to, answer, now);
                }
            }
            Routed::Dropped => {}
        }
    }

    fn deliver(&mut self, to: To, packet: Packet, now: Millis) {
        match to {
            To::Stack(id) => {
                if let Some(stack) = self.stacks.get_mut(&id) {
                    stack.receive(packet, now);
                    self.touched.insert(id);
                }
            }
            To::Link(link) if self.outbound.len() < OUTBOUND_MAX => {
                self.outbound.push_back(Outbound { link, packet });
            }
            To::Outside => {
                if let Some(host) = self.stacks.get_mut(&HOST) {
                    host.receive_outside(packet, now);
                    self.touched.insert(HOST);
                }
            }
            To::Link(_) => self.router.counters.drop(DropReason::QueueFull),
        }
    }

    /// The next packet for another node.
    pub fn pop_outbound(&mut self) -> Option<Outbound> {
        self.outbound.pop_front()
    }

    /// Puts a packet back that the link had no room for.
    pub fn unpop_outbound(&mut self, outbound: Outbound) {
        self.outbound.push_front(outbound);
    }

    /// Packets that wait for a link.
    #[must_use]
    pub fn outbound_len(&self) -> usize {
        self.outbound.len()
    }

    /// When [`Node::poll`] is to be called though nothing happens. The connection table's timeouts do not count:
    /// they are looked at whenever something moves.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Millis> {
        self.timers.values().min().copied()
    }
}
