//! The seam to kube-proxy: what becomes of the first packet of a conversation.

use std::fmt::Debug;
use std::net::SocketAddrV4;

use crate::flow::FiveTuple;

/// Where a packet entered the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A pod of this node.
    Pod,
    /// The node's own stack.
    Host,
    /// Another node.
    Link,
}

/// What to do with a new conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not a Service's: route as it is.
    Pass,
    /// Send it to this endpoint; answers come back under the Service's address.
    Translate {
        /// The endpoint.
        to: SocketAddrV4,
        /// Also put the node's address in place of the sender's (kube-proxy's KUBE-MARK-MASQ).
        masquerade: bool,
    },
    /// Refuse it so that the sender knows: RST or ICMP port unreachable (a Service without endpoints).
    Reject,
    /// Drop it silently.
    Drop,
}

/// The rules of a node's Services.
pub trait Services: Debug + Send + Sync {
    /// Asked for the first packet of every conversation.
    fn verdict(&self, flow: &FiveTuple, origin: Origin) -> Verdict;

    /// Whether a datagram conversation may stay with this endpoint after the rules have changed. TCP connections
    /// always stay, as with iptables.
    fn keeps(&self, flow: &FiveTuple, to: SocketAddrV4) -> bool {
        let _ = (flow, to);
        true
    }
}

/// No Services at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoServices;

impl Services for NoServices {
    fn verdict(&self, _: &FiveTuple, _: Origin) -> Verdict {
        Verdict::Pass
    }
}
