//! A node's network without IO: one TCP/IP stack per pod, one for the node itself, and a router between them.
//!
//! Packets, time and a seed go in; packets for other nodes, wakers and counters come out. It opens no socket of the
//! operating system, knows no encapsulation (the links to other nodes are numbers here) and carries IPv4 only.
//!
//! The layers, from the inside out:
//! - [`Stack`]: a network namespace. TCP by smoltcp, one socket set per connection, so that a packet finds its
//!   socket by a hash and not by a scan; UDP and ICMP are small enough to live here.
//! - [`Router`]: longest-prefix routes, connection tracking, address translation for Services, refusals.
//! - [`Node`]: the stacks of a node around its router, with one `poll`.

pub mod conntrack;
pub mod counters;
pub mod error;
pub mod flow;
pub mod icmp;
pub mod node;
pub mod packet;
pub mod route;
pub mod router;
pub mod segment;
pub mod service;
pub mod slab;
pub mod stack;

pub use counters::{Counters, DropReason, Traffic};
pub use error::NetError;
pub use flow::{FiveTuple, Protocol};
pub use node::{Node, NodeConfig, Outbound, StackId};
pub use packet::Packet;
pub use route::{LinkId, Next, Prefix, Route};
pub use router::Router;
pub use service::{NoServices, Origin, Services, Verdict};
pub use stack::{Shutdown, SocketId, Stack};

#[cfg(test)]
mod tests;
