//! What a node counts about its packets, and the names for why one was dropped.

use std::collections::BTreeMap;

use crate::route::LinkId;

/// Why a packet went no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// Not a whole IPv4 packet.
    Malformed,
    /// A checksum is wrong.
    BadChecksum,
    /// A fragment; reassembly is not offered.
    Fragment,
    /// The source address is not the sender's.
    SpoofedSource,
    /// No hop left.
    TtlExceeded,
    /// No route, or nobody at the end of it.
    NoRoute,
    /// A rule says so without an answer.
    Policy,
    /// A rule refuses: no endpoints, or a policy that answers.
    Rejected,
    /// The connection table is full.
    ConntrackFull,
    /// A queue is full.
    QueueFull,
    /// The listener's backlog is full.
    BacklogFull,
    /// A datagram socket's buffer is full.
    BufferFull,
    /// No socket for it; a refusal was sent.
    NoSocket,
    /// The address belongs to nobody in this namespace.
    NotForUs,
}

impl DropReason {
    /// The name shown to people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::BadChecksum => "bad checksum",
            Self::Fragment => "fragment",
            Self::SpoofedSource => "spoofed source",
            Self::TtlExceeded => "ttl exceeded",
            Self::NoRoute => "no route",
            Self::Policy => "policy",
            Self::Rejected => "rejected",
            Self::ConntrackFull => "connection table full",
            Self::QueueFull => "queue full",
            Self::BacklogFull => "backlog full",
            Self::BufferFull => "socket buffer full",
            Self::NoSocket => "no socket",
            Self::NotForUs => "not for us",
        }
    }
}

/// Packets and bytes in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets sent.
    pub sent_packets: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Packets received.
    pub received_packets: u64,
    /// Bytes received.
    pub received_bytes: u64,
}

impl Traffic {
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent_packets += 1;
        self.sent_bytes += bytes as u64;
    }

    pub(crate) fn received(&mut self, bytes: usize) {
        self.received_packets += 1;
        self.received_bytes += bytes as u64;
    }
}

/// A node's counters since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets that went from one stack or link to another.
    pub forwarded: u64,
    /// Packets whose addresses were translated.
    pub translated: u64,
    /// Packets dropped, by reason.
    pub dropped: BTreeMap<DropReason, u64>,
    /// Traffic of the links to other nodes.
    pub links: BTreeMap<LinkId, Traffic>,
}

impl Counters {
    pub(crate) fn drop(&mut self, reason: DropReason) {
        *self.dropped.entry(reason).or_default() += 1;
    }

    /// How many packets were dropped for this reason.
    #[must_use]
    pub fn dropped_for(&self, reason: DropReason) -> u64 {
        self.dropped.get(&reason).copied().unwrap_or(0)
    }
}
