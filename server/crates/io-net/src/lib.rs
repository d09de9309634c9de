//! The sockets under and beside the pod network: the tunnels between nodes, the ports of the host, the names.
//!
//! A [`NodeNetwork`] holds one [`netstack::Node`] behind a lock. An operation on a pod's socket takes the lock, acts
//! and carries packets inline, so that two pods of a node talk without a task between them. Packets for other nodes
//! leave as VXLAN over UDP, batched by segmentation offload. It decides nothing: routes come from the CNI plugin,
//! rules from kube-proxy, names from the cluster's zone.

mod cluster;
pub mod dns;
mod error;
mod forward;
mod network;
mod outside;
mod overlay;
mod pod;
mod ports;
mod services;
mod tcp;
mod udp;
mod underlay;
pub mod vxlan;

pub use error::io_error;
pub use forward::forward;
pub use network::{NodeConfig, NodeNetwork, Tunnel};
pub use overlay::{Hop, Mac, OverlayRoute};
pub use pod::PodNetwork;
pub use ports::{PortConflict, ServicePorts};
pub use tcp::{TcpListener, TcpStream};
pub use udp::UdpSocket;

#[cfg(test)]
mod tests;
