//! Which node is behind which link, and how packets are wrapped for it.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use netstack::{LinkId, Next, Prefix, Route};

/// An Ethernet address.
pub type Mac = [u8; 6];

/// Where an overlay route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// The pods of this node.
    Local,
    /// Another node, by VXLAN (RFC 7348).
    Vxlan {
        /// VXLAN network identifier, 24 bits.
        vni: u32,
        /// The node's address.
        remote: Ipv4Addr,
        /// Its UDP port.
        port: u16,
        /// The Ethernet address of its tunnel end.
        mac: Mac,
    },
    /// Another node without encapsulation. Between processes there is no shared Ethernet segment, so the packet goes
    /// alone in a UDP datagram, as flannel's `udp` backend does it.
    Direct {
        /// The node's address.
        remote: Ipv4Addr,
        /// Its UDP port.
        port: u16,
    },
    /// Nowhere; the sender is told.
    Unreachable,
}

/// A line of a node's routing table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverlayRoute {
    /// The addresses it is for.
    pub prefix: Prefix,
    /// Where they are.
    pub hop: Hop,
}

/// How packets are wrapped for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrap {
    Vxlan { vni: u32, mac: Mac },
    Plain,
}

/// The other end of a link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) at: SocketAddrV4,
    pub(crate) wrap: Wrap,
}

/// The links of a node. A peer keeps its link, and so its counters, for as long as the node lives.
#[derive(Debug, Default)]
pub(crate) struct Links {
    peers: BTreeMap<LinkId, Peer>,
    by_address: HashMap<Ipv4Addr, LinkId>,
}

impl Links {
    /// Takes the peers of `routes` and gives the routes in the router's terms. A peer's own address leads to it as
    /// well, so that pods reach other nodes.
    pub(crate) fn set(&mut self, routes: &[OverlayRoute]) -> Vec<Route> {
        let mut table = Vec::with_capacity(routes.len() * 2);
        for OverlayRoute { prefix, hop } in routes {
            let (remote, port, wrap) = match *hop {
                Hop::Local => {
                    table.push(Route {
                        prefix: *prefix,
                        next: Next::Local,
                    });
                    continue;
                }
                Hop::Unreachable => {
                    table.push(Route {
                        prefix: *prefix,
                        next: Next::Unreachable,
                    });
                    continue;
                }
                Hop::Vxlan {
                    vni,
                    remote,
                    port,
                    mac,
                } => (remote, port, Wrap::Vxlan { vni, mac }),
                Hop::Direct { remote, port } => (remote, port, Wrap::Plain),
            };
            let fresh = LinkId(self.by_address.len() as u32);
            let link = *self.by_address.entry(remote).or_insert(fresh);
            let at = SocketAddrV4::new(remote, port);
            self.peers.insert(link, Peer { at, wrap });
            let next = Next::Link(link);
            table.push(Route {
                prefix: *prefix,
                next,
            });
            table.push(Route {
                prefix: Prefix::new(remote, 32),
                next,
            });
        }
        table
    }

    pub(crate) fn peer(&self, link: LinkId) -> Option<Peer> {
        self.peers.get(&link).copied()
    }

    /// The link that a datagram came over; `None` for a stranger.
    pub(crate) fn from(&self, source: SocketAddr) -> Option<LinkId> {
        match source {
            SocketAddr::V4(v4) => self.by_address.get(v4.ip()).copied(),
            SocketAddr::V6(_) => None,
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (LinkId, Peer)> + '_ {
        self.peers.iter().map(|(link, peer)| (*link, *peer))
    }
}

/// A tunnel end's Ethernet address for a node that was given none: locally administered, from the node's name.
pub(crate) fn mac_of(node: &str) -> Mac {
    let hash = node.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    let [a, b, c, d, e, ..] = hash.to_be_bytes();
    [0x02, a, b, c, d, e]
}
