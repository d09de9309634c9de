//! kube-proxy: turns Services and EndpointSlices into rules, and rules into a verdict for a connection.
//!
//! [`KubeProxy`] is the control loop of one node; [`ServiceTable`] is what it makes, an immutable table that the node's
//! router asks for the first packet of every conversation. It moves no packets and translates none: connection
//! tracking and rewriting are the router's.
//!
//! The rules are those of kube-proxy's iptables mode (`kubernetes.io/docs/reference/networking/virtual-ips`): a ready
//! endpoint at random, no retry, local endpoints only where a traffic policy says so.

mod endpoints;
mod proxy;
mod rule;
mod table;

pub use endpoints::Endpoint;
pub use proxy::KubeProxy;
pub use rule::{Flow, Protocol, Rule, Verdict};
pub use table::{NodePort, ServiceTable};
