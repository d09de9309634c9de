//! The router of a node: for each packet, where it goes and under which addresses.
//!
//! The order is Linux': conversation known? translate. New? ask the Services' rules, then the routes. It keeps no
//! queue and copies no packet.

use std::collections::{BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use shared::Millis;

use crate::conntrack::{Conntrack, Direction, ENTRIES_MAX};
use crate::counters::{Counters, DropReason};
use crate::flow::{FiveTuple, Protocol, SeededHash};
use crate::icmp::{self, Refusal};
use crate::node::StackId;
use crate::packet::Packet;
use crate::route::{LinkId, Next, Route, RouteTable};
use crate::service::{NoServices, Origin, Services, Verdict};

/// ICMP errors a node sends in a second (Linux: `net.ipv4.icmp_msgs_per_sec`).
const REFUSALS_PER_SECOND: u32 = 1000;

/// Where a packet came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// A stack of this node.
    Stack(StackId),
    /// Another node.
    Link,
}

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// A stack of this node.
    Stack(StackId),
    /// Another node.
    Link(LinkId),
    /// Outside the cluster: an address that the host reaches, taken over by the node's own stack.
    Outside,
}

/// What became of a packet.
#[derive(Debug)]
pub enum Routed {
    /// It goes on, perhaps under other addresses.
    Forward(To, Packet),
    /// It was dropped; this answer is to be routed in its place.
    Answer(Packet),
    /// It was dropped and counted.
    Dropped,
}

/// A node's routes, rules and connection table.
#[derive(Debug)]
pub struct Router {
    host: StackId,
    host_addresses: BTreeSet<Ipv4Addr>,
    /// Addresses of the host's that win over the Services' rules (the node's DNS answers on the Service's address).
    claimed: BTreeSet<Ipv4Addr>,
    pods: HashMap<Ipv4Addr, StackId, SeededHash>,
    routes: RouteTable,
    outside: BTreeSet<SocketAddrV4>,
    services: Arc<dyn Services>,
    generation: u64,
    conntrack: Conntrack,
    /// Counts what passes.
    pub counters: Counters,
    refusals: (u64, u32),
}

enum Decision {
    Go(To, FiveTuple),
    Refuse(Option<Refusal>, DropReason),
    Drop(DropReason),
}

impl Router {
    /// A router without routes, for a node whose own stack is `host`.
    #[must_use]
    pub fn new(host: StackId, seed: u64) -> Self {
        Self {
            host,
            host_addresses: BTreeSet::new(),
            claimed: BTreeSet::new(),
            pods: HashMap::with_hasher(SeededHash(seed)),
            routes: RouteTable::default(),
            outside: BTreeSet::new(),
            services: Arc::new(NoServices),
            generation: 0,
            conntrack: Conntrack::new(ENTRIES_MAX, seed.rotate_left(17)),
            counters: Counters::default(),
            refusals: (0, 0),
        }
    }

    /// Replaces the node's own addresses; `claimed` ones are its own even when a Service has them.
    pub fn set_host_addresses(
        &mut self,
        addresses: impl IntoIterator<Item = Ipv4Addr>,
        claimed: impl IntoIterator<Item = Ipv4Addr>,
    ) {
        self.claimed = claimed.into_iter().collect();
        self.host_addresses = addresses
            .into_iter()
            .chain(self.claimed.iter().copied())
            .collect();
    }

    /// Replaces the routes.
    pub fn set_routes(&mut self, routes: impl IntoIterator<Item = Route>) {
        self.routes = RouteTable::new(routes);
    }

    /// Replaces the TCP addresses that lie outside the cluster and are reached through the host all the same, such as
    /// the apiserver's.
    pub fn set_outside(&mut self, addresses: BTreeSet<SocketAddrV4>) {
        self.outside = addresses;
    }

    /// Replaces the rules. Datagram conversations that the new rules do not keep are decided anew.
    pub fn set_services(&mut self, services: Arc<dyn Services>) {
        self.services = services;
        self.generation += 1;
    }

    /// Puts a pod at an address; false when another one is there.
    pub fn add_pod(&mut self, address: Ipv4Addr, stack: StackId) -> bool {
        if self.host_addresses.contains(&address) || self.pods.contains_key(&address) {
            return false;
        }
        self.pods.insert(address, stack);
        true
    }

    /// Takes a pod away.
    pub fn remove_pod(&mut self, address: Ipv4Addr) {
        self.pods.remove(&address);
    }

    /// The connection table.
    #[must_use]
    pub fn conntrack(&self) -> &Conntrack {
        &self.conntrack
    }

    /// Does what is due.
    pub fn expire(&mut self, now: Millis) {
        self.conntrack.expire(now);
    }

    fn drop(&mut self, reason: DropReason) -> Routed {
        self.counters.drop(reason);
        Routed::Dropped
    }

    /// Decides about a packet.
    pub fn route(&mut self, from: From, mut packet: Packet, now: Millis) -> Routed {
        if let Some(reason) = self.misplaced(from, &packet) {
            return self.drop(reason);
        }
        let decision = match packet.flow() {
            Some(flow) => self.decide(from, &flow, packet.tcp_flags(), now),
            None => self.decide_portless(from, &mut packet),
        };
        match decision {
            Decision::Go(to, flow) => self.forward(from, to, &flow, packet),
            Decision::Refuse(why, reason) => self.refuse(&packet, why, reason, now),
            Decision::Drop(reason) => self.drop(reason),
        }
    }

    /// A sender under an address that is not its own.
    fn misplaced(&self, from: From, packet: &Packet) -> Option<DropReason> {
        let source = packet.source();
        let wrong = match from {
            From::Stack(id) if id == self.host => false,
            From::Stack(id) => self.pods.get(&source) != Some(&id),
            From::Link => self.pods.contains_key(&source) || self.host_addresses.contains(&source),
        };
        wrong.then_some(DropReason::SpoofedSource)
    }

    fn forward(&mut self, from: From, to: To, flow: &FiveTuple, mut packet: Packet) -> Routed {
        let routed = from != From::Stack(self.host) && to != To::Stack(self.host);
        if routed && !packet.hop() {
            let Some(error) = self.tell(&packet, Refusal::TimeExceeded) else {
                return self.drop(DropReason::TtlExceeded);
            };
            self.counters.drop(DropReason::TtlExceeded);
            return Routed::Answer(error);
        }
        if let Some(before) = packet.flow()
            && before != *flow
        {
            packet.set_flow(flow);
            self.counters.translated += 1;
        }
        self.counters.forwarded += 1;
        if let To::Link(link) = to {
            self.counters
                .links
                .entry(link)
                .or_default()
                .sent(packet.len());
        }
        Routed::Forward(to, packet)
    }

    fn origin(&self, from: From) -> Origin {
        match from {
            From::Stack(id) if id == self.host => Origin::Host,
            From::Stack(_) => Origin::Pod,
            From::Link => Origin::Link,
        }
    }

    fn decide(&mut self, from: From, flow: &FiveTuple, flags: u8, now: Millis) -> Decision {
        let mut known = self.conntrack.find(flow, flags);
        if let Some((key, Direction::Original)) = known
            && self.outdated(key, flow)
        {
            self.conntrack.remove(key);
            known = None;
        }
        let (key, direction) = match known {
            Some(known) => known,
            None => match self.begin(from, flow, now) {
                Ok(key) => (key, Direction::Original),
                Err(decision) => return decision,
            },
        };
        let Some(entry) = self.conntrack.get(key) else {
            return Decision::Drop(DropReason::ConntrackFull);
        };
        let outgoing = entry.outgoing(direction);
        let decision = match self.next_of(&outgoing) {
            Ok(to) => Decision::Go(to, outgoing),
            Err(why) => Decision::Refuse(Some(why), DropReason::NoRoute),
        };
        if matches!(decision, Decision::Go(..)) {
            self.conntrack.see(key, direction, flags, now);
        }
        decision
    }

    /// Whether the rules have changed so that a datagram conversation must be decided anew.
    fn outdated(&mut self, key: crate::slab::Key, flow: &FiveTuple) -> bool {
        let Some(entry) = self.conntrack.get(key) else {
            return false;
        };
        if flow.protocol != Protocol::Udp || entry.generation == self.generation {
            return false;
        }
        let keep = if entry.reply.source == entry.original.destination {
            self.services.verdict(flow, Origin::Pod) == Verdict::Pass
        } else {
            self.services.keeps(flow, entry.reply.source)
        };
        if keep {
            self.conntrack.set_generation(key, self.generation);
        }
        !keep
    }

    fn begin(
        &mut self,
        from: From,
        flow: &FiveTuple,
        now: Millis,
    ) -> Result<crate::slab::Key, Decision> {
        let destination = *flow.destination.ip();
        let verdict = if self.claimed.contains(&destination) {
            Verdict::Pass
        } else {
            self.services.verdict(flow, self.origin(from))
        };
        let (to, masquerade) = match verdict {
            Verdict::Pass => (flow.destination, false),
            Verdict::Translate { to, masquerade } => (to, masquerade),
            Verdict::Reject => return Err(Decision::Refuse(None, DropReason::Rejected)),
            Verdict::Drop => return Err(Decision::Drop(DropReason::Policy)),
        };
        // A pod that reaches itself through a Service would answer itself directly and never know the answer.
        let hairpin = to != flow.destination && to.ip() == flow.source.ip();
        let masquerade = (masquerade || hairpin)
            .then(|| self.masquerade_address())
            .flatten();
        let onward = FiveTuple {
            destination: to,
            ..*flow
        };
        if let Err(why) = self.next_of(&onward) {
            return Err(Decision::Refuse(Some(why), DropReason::NoRoute));
        }
        self.conntrack
            .begin(*flow, to, masquerade, self.generation, now)
            .ok_or(Decision::Drop(DropReason::ConntrackFull))
    }

    /// The node's address among its pods.
    fn masquerade_address(&self) -> Option<Ipv4Addr> {
        let own = |a: &&Ipv4Addr| !self.claimed.contains(a);
        let among_pods = |a: &&Ipv4Addr| self.routes.lookup(**a) == Some(Next::Local);
        let mut addresses = self.host_addresses.iter().filter(own);
        addresses
            .clone()
            .find(among_pods)
            .or_else(|| addresses.next())
            .copied()
    }

    /// ICMP: only errors about translated conversations need their addresses changed.
    fn decide_portless(&mut self, from: From, packet: &mut Packet) -> Decision {
        if let Some((_, sent)) = icmp::refused(packet)
            && let Some((key, direction)) = self.conntrack.find(&sent.reversed(), 0)
            && let Some(entry) = self.conntrack.get(key)
            && entry.translates()
        {
            let seen = entry.outgoing(direction).reversed();
            let source = if packet.source() == *sent.destination.ip() {
                *seen.destination.ip()
            } else {
                packet.source()
            };
            icmp::set_refused_flow(packet, &seen);
            packet.set_addresses(source, *seen.source.ip());
        }
        let _ = from;
        match self.next(packet.destination()) {
            // The flow of a packet without ports is not written.
            Ok(to) => Decision::Go(
                to,
                FiveTuple {
                    protocol: Protocol::Udp,
                    source: SocketAddrV4::new(packet.source(), 0),
                    destination: SocketAddrV4::new(packet.destination(), 0),
                },
            ),
            Err(why) => Decision::Refuse(Some(why), DropReason::NoRoute),
        }
    }

    fn next_of(&self, flow: &FiveTuple) -> Result<To, Refusal> {
        if flow.protocol == Protocol::Tcp && self.outside.contains(&flow.destination) {
            return Ok(To::Outside);
        }
        self.next(*flow.destination.ip())
    }

    fn next(&self, destination: Ipv4Addr) -> Result<To, Refusal> {
        if let Some(pod) = self.pods.get(&destination) {
            return Ok(To::Stack(*pod));
        }
        if self.host_addresses.contains(&destination) {
            return Ok(To::Stack(self.host));
        }
        match self.routes.lookup(destination) {
            Some(Next::Link(link)) => Ok(To::Link(link)),
            Some(Next::Local | Next::Unreachable) => Err(Refusal::HostUnreachable),
            None => Err(Refusal::NetUnreachable),
        }
    }

    fn tell(&mut self, packet: &Packet, why: Refusal) -> Option<Packet> {
        let from = self
            .masquerade_address()
            .unwrap_or_else(|| packet.destination());
        icmp::refuse(packet, why, from)
    }

    /// Drops a packet and makes the answer that says so: `why`, or as a closed port would.
    fn refuse(
        &mut self,
        packet: &Packet,
        why: Option<Refusal>,
        reason: DropReason,
        now: Millis,
    ) -> Routed {
        self.counters.drop(reason);
        let second = now.0 / 1000;
        if self.refusals.0 != second {
            self.refusals = (second, 0);
        }
        self.refusals.1 += 1;
        let answer = match why {
            None if packet.tcp_flags() != 0 => icmp::reset(packet),
            _ if self.refusals.1 > REFUSALS_PER_SECOND => None,
            None => icmp::refuse(packet, Refusal::PortUnreachable, packet.destination()),
            Some(why) => self.tell(packet, why),
        };
        answer.map_or(Routed::Dropped, Routed::Answer)
    }

    /// Where an answer that the router made itself goes: by its destination alone.
    #[must_use]
    pub fn route_answer(&mut self, packet: &Packet) -> Option<To> {
        let to = self.next(packet.destination()).ok()?;
        if let To::Link(link) = to {
            self.counters
                .links
                .entry(link)
                .or_default()
                .sent(packet.len());
        }
        Some(to)
    }
}
