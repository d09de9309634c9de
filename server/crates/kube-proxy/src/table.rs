//! The table that the router asks: address and port to rule, in constant time.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::net::SocketAddrV4;
use std::sync::Arc;

use client::Exhibit;
use shared::ObjectKey;
use shared::exhibit::ServiceRule;

use crate::rule::{Flow, Protocol, Rule, Verdict};

type Fixed = BuildHasherDefault<DefaultHasher>;

/// All rules of a node, as of one moment.
#[derive(Clone, Debug, Default)]
pub struct ServiceTable {
    seed: u64,
    by_address: HashMap<(Protocol, SocketAddrV4), Arc<Rule>, Fixed>,
    by_node_port: BTreeMap<(Protocol, u16), Arc<Rule>>,
    of_service: BTreeMap<ObjectKey, Entries>,
}

/// What one Service has in the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entries {
    pub(crate) addresses: Vec<(Protocol, SocketAddrV4, Arc<Rule>)>,
    pub(crate) node_ports: Vec<(Protocol, u16, Arc<Rule>)>,
}

/// A port that every node opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodePort {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// 30000 to 32767, unless the cluster is configured otherwise.
    pub port: u16,
}

impl Exhibit for ServiceTable {
    fn show(&self) -> serde_json::Value {
        let of_one = self.of_service.values().flat_map(|entries| {
            let addresses = entries.addresses.iter();
            let addresses = addresses.map(|(p, to, rule)| rule.shown(*p, to.to_string()));
            let ports = entries.node_ports.iter();
            let ports = ports.map(|(p, port, rule)| rule.shown(*p, format!("*:{port}")));
            addresses.chain(ports)
        });
        let rules: Vec<ServiceRule> = of_one.collect();
        serde_json::to_value(rules).unwrap_or_default()
    }
}

impl ServiceTable {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// Judges a connection to an address; `None` when it is no Service's.
    #[must_use]
    pub fn verdict(&self, flow: &Flow) -> Option<Verdict> {
        let rule = self.by_address.get(&(flow.protocol, flow.destination))?;
        Some(rule.verdict(flow, self.seed))
    }

    /// Judges a connection to a node port; `None` when no Service has it.
    #[must_use]
    pub fn node_port_verdict(&self, flow: &Flow) -> Option<Verdict> {
        let rule = self
            .by_node_port
            .get(&(flow.protocol, flow.destination.port()))?;
        Some(rule.verdict(flow, self.seed))
    }

    /// The ports to open on every node.
    pub fn node_ports(&self) -> impl Iterator<Item = NodePort> + '_ {
        self.by_node_port.keys().map(|(protocol, port)| NodePort {
            protocol: *protocol,
            port: *port,
        })
    }

    /// The rule of a Service address.
    #[must_use]
    pub fn rule(&self, protocol: Protocol, address: SocketAddrV4) -> Option<&Rule> {
        self.by_address.get(&(protocol, address)).map(Arc::as_ref)
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_address.len() + self.by_node_port.len()
    }

    /// True when there is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Replaces what one Service has; answers whether that changed anything. Costs what that Service has, not what
    /// the table has.
    pub(crate) fn replace(&mut self, service: &ObjectKey, entries: Entries) -> bool {
        if self.of_service.get(service).unwrap_or(&Entries::default()) == &entries {
            return false;
        }
        let old = self.of_service.remove(service).unwrap_or_default();
        for (protocol, address, rule) in &old.addresses {
            // Another Service may have taken the address since.
            if self
                .by_address
                .get(&(*protocol, *address))
                .is_some_and(|r| r.service == rule.service)
            {
                self.by_address.remove(&(*protocol, *address));
            }
        }
        for (protocol, port, rule) in &old.node_ports {
            if self
                .by_node_port
                .get(&(*protocol, *port))
                .is_some_and(|r| r.service == rule.service)
            {
                self.by_node_port.remove(&(*protocol, *port));
            }
        }
        for (protocol, address, rule) in &entries.addresses {
            self.by_address
                .insert((*protocol, *address), Arc::clone(rule));
        }
        for (protocol, port, rule) in &entries.node_ports {
            self.by_node_port
                .insert((*protocol, *port), Arc::clone(rule));
        }
        if entries != Entries::default() {
            self.of_service.insert(service.clone(), entries);
        }
        true
    }
}
