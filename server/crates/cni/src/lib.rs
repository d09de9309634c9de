//! The pod network, as decisions without IO: addresses for pods, routes between nodes, names.
//!
//! What it decides is carried out elsewhere: `netstack` moves packets, `io-net` owns the sockets under the overlay and
//! encodes VXLAN frames and DNS messages.

pub mod dns;
pub mod flannel;
pub mod ipam;
pub mod prefix;
pub mod route;

pub use flannel::Flannel;
pub use ipam::{Ipam, IpamError};
pub use prefix::{Prefix, PrefixError};
pub use route::{Hop, Mac, Route};
