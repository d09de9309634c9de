//! kube-proxy's table in the router's terms.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use kube_proxy::{Flow, ServiceTable};
use netstack::{FiveTuple, Origin, Protocol, Services, Verdict};

/// The rules of a node, which has these addresses for node ports.
#[derive(Debug)]
pub(crate) struct TableServices {
    pub(crate) table: Arc<ServiceTable>,
    pub(crate) node_addresses: Vec<Ipv4Addr>,
}

const fn protocol(protocol: Protocol) -> kube_proxy::Protocol {
    match protocol {
        Protocol::Tcp => kube_proxy::Protocol::Tcp,
        Protocol::Udp => kube_proxy::Protocol::Udp,
    }
}

impl TableServices {
    fn judge(&self, flow: &FiveTuple) -> Option<kube_proxy::Verdict> {
        let flow = Flow {
            protocol: protocol(flow.protocol),
            source: flow.source,
            destination: flow.destination,
        };
        self.table.verdict(&flow).or_else(|| {
            let own = self.node_addresses.contains(flow.destination.ip());
            own.then(|| self.table.node_port_verdict(&flow)).flatten()
        })
    }
}

impl Services for TableServices {
    fn verdict(&self, flow: &FiveTuple, origin: Origin) -> Verdict {
        match self.judge(flow) {
            None => Verdict::Pass,
            // A caller on another node would get the answer of an endpoint on a third one directly, and not know it.
            Some(kube_proxy::Verdict::To(endpoint)) => Verdict::Translate {
                to: endpoint.address,
                masquerade: origin == Origin::Link && !endpoint.is_local,
            },
            Some(kube_proxy::Verdict::Reject) => Verdict::Reject,
            Some(kube_proxy::Verdict::Drop) => Verdict::Drop,
        }
    }

    fn keeps(&self, flow: &FiveTuple, to: SocketAddrV4) -> bool {
        match self.table.rule(protocol(flow.protocol), flow.destination) {
            Some(rule) => rule.endpoints().iter().any(|e| e.address == to),
            None => matches!(self.judge(flow), Some(kube_proxy::Verdict::To(e)) if e.address == to),
        }
    }
}
