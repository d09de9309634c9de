//! The connection table: which conversations a node has seen, and how their addresses are translated.
//!
//! Timeouts are Linux' nf_conntrack's, except that a closed TCP conversation leaves sooner; a full table makes room
//! by dropping conversations that are over or were never answered.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::{Ipv4Addr, SocketAddrV4};

use shared::Millis;

use crate::flow::{FiveTuple, Protocol, SeededHash};
use crate::packet::tcp_flags;
use crate::slab::{Key, Slab};

/// Conversations a node remembers.
pub const ENTRIES_MAX: usize = 65_536;
/// Ports that masqueraded conversations are given when their own is taken.
const MASQUERADE_FIRST: u16 = 1024;
/// A long-lived conversation is looked at this often, since its timeout may have become shorter meanwhile.
const LOOK_MS: u64 = 300_000;
/// Conversations looked at to make room for a new one.
const EVICT_LOOKS: usize = 8;

/// Which way a packet goes through an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// As the conversation began.
    Original,
    /// Back.
    Reply,
}

/// How far a conversation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing has come back.
    Unanswered,
    /// Packets went both ways.
    Answered,
    /// One side has finished.
    Closing,
    /// Both have, or it was reset.
    Closed,
}

/// A conversation.
#[derive(Debug)]
pub struct Entry {
    /// The first packet as it was sent.
    pub original: FiveTuple,
    /// An answer as its sender sends it.
    pub reply: FiveTuple,
    /// Which state of the rules decided.
    pub generation: u64,
    phase: Phase,
    finished: [bool; 2],
    expires: Millis,
}

impl Entry {
    /// Whether addresses change on the way.
    #[must_use]
    pub fn translates(&self) -> bool {
        self.reply != self.original.reversed()
    }

    /// The addresses a packet leaves with.
    #[must_use]
    pub fn outgoing(&self, direction: Direction) -> FiveTuple {
        match direction {
            Direction::Original => self.reply.reversed(),
            Direction::Reply => self.original.reversed(),
        }
    }

    /// nf_conntrack's timeouts in milliseconds.
    fn timeout_ms(&self) -> u64 {
        match (self.original.protocol, self.phase) {
            (Protocol::Tcp, Phase::Unanswered) => 120_000,
            (Protocol::Tcp, Phase::Answered) => 86_400_000,
            (Protocol::Tcp, Phase::Closing) => 120_000,
            (Protocol::Tcp, Phase::Closed) => 10_000,
            (Protocol::Udp, Phase::Answered) => 120_000,
            (Protocol::Udp, _) => 30_000,
        }
    }

    fn see(&mut self, direction: Direction, flags: u8, now: Millis) {
        let index = usize::from(direction == Direction::Reply);
        if flags & tcp_flags::RST != 0 {
            self.phase = Phase::Closed;
        } else {
            if flags & tcp_flags::FIN != 0
                && let Some(side) = self.finished.get_mut(index)
            {
                *side = true;
            }
            self.phase = match (self.finished, self.phase, direction) {
                ([true, true], _, _) | (_, Phase::Closed, _) => Phase::Closed,
                ([false, false], Phase::Unanswered, Direction::Original) => Phase::Unanswered,
                ([false, false], _, _) => Phase::Answered,
                _ => Phase::Closing,
            };
        }
        self.expires = now.plus_ms(self.timeout_ms());
    }

    /// Whether a SYN on the same ports begins something new.
    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }
}

/// The table.
#[derive(Debug)]
pub struct Conntrack {
    entries: Slab<Entry>,
    by_flow: HashMap<FiveTuple, (Key, Direction), SeededHash>,
    expiry: BinaryHeap<Reverse<(Millis, Key)>>,
    max: usize,
}

impl Conntrack {
    /// An empty table of at most `max` conversations.
    #[must_use]
    pub fn new(max: usize, seed: u64) -> Self {
        Self {
            entries: Slab::default(),
            by_flow: HashMap::with_hasher(SeededHash(seed)),
            expiry: BinaryHeap::new(),
            max,
        }
    }

    /// Conversations in the table.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The conversation of a packet; `None` when it is new, or when a SYN reuses the ports of one that is over.
    pub fn find(&mut self, flow: &FiveTuple, flags: u8) -> Option<(Key, Direction)> {
        let (key, direction) = *self.by_flow.get(flow)?;
        let begins = flags & (tcp_flags::SYN | tcp_flags::ACK) == tcp_flags::SYN;
        if begins && self.entries.get(key).is_some_and(Entry::is_over) {
            self.remove(key);
            return None;
        }
        Some((key, direction))
    }

    /// The conversation under a key.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Records that the rules of `generation` left a conversation as it is.
    pub fn set_generation(&mut self, key: Key, generation: u64) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.generation = generation;
        }
    }

    /// Notes a packet of a conversation.
    pub fn see(&mut self, key: Key, direction: Direction, flags: u8, now: Millis) {
        if let Some(entry) = self.entries.get_mut(key) {
            let was_over = entry.is_over();
            entry.see(direction, flags, now);
            if entry.is_over() && !was_over {
                self.expiry.push(Reverse((entry.expires, key)));
            }
        }
    }

    /// Begins a conversation that goes to `to`, with `masquerade` as the sender's address if given (its port too,
    /// when that is free). `None` when the table is full or no port is left.
    pub fn begin(
        &mut self,
        original: FiveTuple,
        to: SocketAddrV4,
        masquerade: Option<Ipv4Addr>,
        generation: u64,
        now: Millis,
    ) -> Option<Key> {
        self.expire(now);
        if self.entries.len() >= self.max && !self.evict(now) {
            return None;
        }
        let source = masquerade.map_or(original.source, |ip| {
            SocketAddrV4::new(ip, original.source.port())
        });
        let mut reply = FiveTuple {
            protocol: original.protocol,
            source: to,
            destination: source,
        };
        if self.by_flow.contains_key(&reply) {
            // Two senders would be indistinguishable to the endpoint: the later one gets another port.
            let span = u32::from(u16::MAX - MASQUERADE_FIRST) + 1;
            let start = u32::from(source.port());
            reply.destination = (0..span)
                .map(|i| MASQUERADE_FIRST + ((start + i) % span) as u16)
                .map(|port| SocketAddrV4::new(*source.ip(), port))
                .find(|destination| {
                    let reply = FiveTuple {
                        destination: *destination,
                        ..reply
                    };
                    !self.by_flow.contains_key(&reply)
                })?;
        }
        let mut entry = Entry {
            original,
            reply,
            generation,
            phase: Phase::Unanswered,
            finished: [false; 2],
            expires: now,
        };
        entry.expires = now.plus_ms(entry.timeout_ms());
        let expires = entry.expires;
        let key = self.entries.insert(entry);
        self.by_flow.insert(original, (key, Direction::Original));
        self.by_flow.insert(reply, (key, Direction::Reply));
        self.expiry.push(Reverse((expires, key)));
        Some(key)
    }

    /// Forgets a conversation.
    pub fn remove(&mut self, key: Key) {
        if let Some(entry) = self.entries.remove(key) {
            for flow in [entry.original, entry.reply] {
                if self.by_flow.get(&flow).is_some_and(|(k, _)| *k == key) {
                    self.by_flow.remove(&flow);
                }
            }
        }
    }

    /// Forgets what has expired.
    pub fn expire(&mut self, now: Millis) {
        while let Some(&Reverse((at, key))) = self.expiry.peek()
            && at <= now
        {
            self.expiry.pop();
            match self.entries.get(key).map(|e| e.expires) {
                Some(expires) if expires > now => {
                    let look = expires.min(now.plus_ms(LOOK_MS));
                    self.expiry.push(Reverse((look, key)));
                }
                Some(_) => self.remove(key),
                None => {}
            }
        }
    }

    /// Makes room by the conversation next to expire that is over or unanswered.
    fn evict(&mut self, now: Millis) -> bool {
        let mut kept = Vec::new();
        let mut made_room = false;
        for _ in 0..EVICT_LOOKS {
            let Some(Reverse((at, key))) = self.expiry.pop() else {
                break;
            };
            match self.entries.get(key).map(|e| e.phase) {
                Some(Phase::Answered) => kept.push(Reverse((at.max(now), key))),
                Some(_) => {
                    self.remove(key);
                    made_room = true;
                    break;
                }
                None => {}
            }
        }
        self.expiry.extend(kept);
        made_room
    }

    /// When the next conversation may expire.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Millis> {
        self.expiry.peek().map(|Reverse((at, _))| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(source: &str, destination: &str) -> FiveTuple {
        FiveTuple {
            protocol: Protocol::Tcp,
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
        }
    }

    const NOW: Millis = Millis(1_000_000);

    #[test]
    fn answers_come_back_under_the_address_that_was_called() {
        let mut table = Conntrack::new(10, 1);
        let call = flow("10.244.0.2:4000", "10.96.0.1:80");
        let to: SocketAddrV4 = "10.244.1.3:8080".parse().unwrap();
        let key = table.begin(call, to, None, 0, NOW).unwrap();
        let there = table.get(key).unwrap().outgoing(Direction::Original);
        assert_eq!(there, flow("10.244.0.2:4000", "10.244.1.3:8080"));
        let found = table.find(&there.reversed(), 0);
        assert_eq!(found, Some((key, Direction::Reply)));
        let back = table.get(key).unwrap().outgoing(Direction::Reply);
        assert_eq!(back, call.reversed());
    }

    #[test]
    fn masqueraded_callers_with_one_port_stay_apart() {
        let mut table = Conntrack::new(10, 1);
        let to: SocketAddrV4 = "10.244.0.9:80".parse().unwrap();
        let host = Some(Ipv4Addr::new(10, 244, 0, 1));
        let mut seen = Vec::new();
        for source in ["10.244.0.2:4000", "10.244.0.3:4000", "10.244.0.4:4000"] {
            let key = table.begin(flow(source, "10.96.0.1:80"), to, host, 0, NOW);
            seen.push(table.get(key.unwrap()).unwrap().reply.destination.port());
        }
        assert_eq!(seen, [4000, 5024, 5025]);
    }

    #[test]
    fn conversations_leave_when_their_time_is_over() {
        let mut table = Conntrack::new(10, 1);
        let call = flow("10.0.0.1:1", "10.0.0.2:2");
        let key = table.begin(call, call.destination, None, 0, NOW).unwrap();
        table.see(key, Direction::Reply, tcp_flags::ACK, NOW);
        table.expire(NOW.plus_secs(3600));
        assert_eq!(table.len(), 1, "established stays");
        let later = NOW.plus_secs(3600);
        for direction in [Direction::Original, Direction::Reply] {
            table.see(key, direction, tcp_flags::FIN | tcp_flags::ACK, later);
        }
        assert_eq!(
            table.find(&call, tcp_flags::ACK),
            Some((key, Direction::Original))
        );
        assert_eq!(table.find(&call, tcp_flags::SYN), None, "a SYN begins anew");
        let call2 = flow("10.0.0.1:5", "10.0.0.2:2");
        table.begin(call2, call2.destination, None, 0, NOW);
        table.expire(NOW.plus_secs(121));
        assert!(table.is_empty());
    }

    #[test]
    fn a_full_table_keeps_what_is_alive() {
        let mut table = Conntrack::new(3, 1);
        let begin = |table: &mut Conntrack, port: u16| {
            let call = flow(&format!("10.0.0.1:{port}"), "10.0.0.2:2");
            table.begin(call, call.destination, None, 0, NOW)
        };
        let alive = begin(&mut table, 1).unwrap();
        table.see(alive, Direction::Reply, tcp_flags::ACK, NOW);
        begin(&mut table, 2).unwrap();
        begin(&mut table, 3).unwrap();
        let fourth = begin(&mut table, 4).unwrap();
        assert_eq!((table.len(), table.get(alive).is_some()), (3, true));
        for key in table.entries.keys().collect::<Vec<_>>() {
            table.see(key, Direction::Reply, tcp_flags::ACK, NOW);
        }
        assert_eq!(begin(&mut table, 5), None);
        assert!(table.get(fourth).is_some());
    }
}
