//! What the loops need from a cloud, and the local model of one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shared::Object;

/// A cloud, as far as a cluster sees it. Answers come from what the provider knows; it does no IO of its own here.
pub trait CloudProvider {
    /// Its name, the scheme of provider ids: `aws`, `local`.
    fn name(&self) -> &str;

    /// The machine behind a node, `None` when there is none any more.
    fn instance(&self, node: &Object) -> Option<Instance>;

    /// Gives a Service a load balancer in front of `nodes`. `others` are the other Services that have one.
    ///
    /// # Errors
    /// Why it cannot, in words for the Service's owner.
    fn ensure_load_balancer(
        &self,
        service: &Object,
        nodes: &[&Object],
        others: &[&Object],
    ) -> Result<Vec<Ingress>, String>;
}

/// A machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// `spec.providerID`.
    pub provider_id: String,
    /// The label `node.kubernetes.io/instance-type`.
    pub instance_type: String,
    /// The label `topology.kubernetes.io/region`.
    pub region: String,
    /// The label `topology.kubernetes.io/zone`.
    pub zone: String,
}

/// One address of a load balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ingress {
    /// An IP address.
    pub ip: String,
}

/// A cloud that is this host: every node that was not declared terminated has a machine, and load balancers are
/// addresses of the host.
#[derive(Clone, Debug, Default)]
pub struct LocalCloud {
    /// `topology.kubernetes.io/region` of every node.
    pub region: String,
    /// The zones over which nodes without a zone label are spread by the number that ends their name.
    pub zones: Vec<String>,
    /// Addresses for load balancers. A port of an address serves one Service; the next Service that wants the port
    /// gets the next address.
    pub addresses: Vec<String>,
    /// Names of nodes whose machine was taken away.
    pub terminated: BTreeSet<String>,
}

impl LocalCloud {
    fn zone(&self, node: &Object) -> String {
        if let Some(zone) = node.label("topology.kubernetes.io/zone") {
            return zone.to_owned();
        }
        let name = node.name();
        let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
        let number: usize = digits.parse().unwrap_or(name.len());
        let at = number.saturating_sub(1).checked_rem(self.zones.len());
        at.and_then(|at| self.zones.get(at))
            .cloned()
            .unwrap_or_default()
    }
}

/// Port and protocol pairs of a Service.
fn ports(service: &Object) -> impl Iterator<Item = (i64, &str)> {
    service.items("/spec/ports").iter().filter_map(|p| {
        let protocol = p.get("protocol").and_then(Value::as_str).unwrap_or("TCP");
        Some((p.get("port")?.as_i64()?, protocol))
    })
}

impl CloudProvider for LocalCloud {
    fn name(&self) -> &str {
        "local"
    }

    fn instance(&self, node: &Object) -> Option<Instance> {
        (!self.terminated.contains(node.name())).then(|| Instance {
            provider_id: format!("local:///{}", node.name()),
            instance_type: "local".into(),
            region: self.region.clone(),
            zone: self.zone(node),
        })
    }

    fn ensure_load_balancer(
        &self,
        service: &Object,
        _nodes: &[&Object],
        others: &[&Object],
    ) -> Result<Vec<Ingress>, String> {
        let mut taken: BTreeMap<(String, i64, String), String> = BTreeMap::new();
        for other in others {
            for ingress in other.items("/status/loadBalancer/ingress") {
                let ip = ingress
                    .get("ip")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                for (port, protocol) in ports(other) {
                    taken.insert((ip.into(), port, protocol.into()), other.key().to_string());
                }
            }
        }
        let blocker = |ip: &String| {
            let mut wanted = ports(service);
            wanted.find_map(|(port, protocol)| {
                let holder = taken.get(&(ip.clone(), port, protocol.to_owned()))?;
                Some(format!(
                    "{protocol} port {port} of {ip} belongs to Service {holder}"
                ))
            })
        };
        let current = service.items("/status/loadBalancer/ingress").iter();
        let current = current
            .filter_map(|i| i.get("ip")?.as_str())
            .filter(|ip| self.addresses.iter().any(|a| a == ip));
        let asked = service.text("/spec/loadBalancerIP");
        let asked = (!asked.is_empty()).then_some(asked);
        let preferred = asked.into_iter().chain(current).map(str::to_owned);
        let mut candidates: Vec<String> = preferred.collect();
        candidates.extend(self.addresses.iter().cloned());
        let free = candidates
            .iter()
            .find(|ip| self.addresses.contains(ip) && blocker(ip).is_none());
        match free {
            Some(ip) => Ok(vec![Ingress { ip: ip.clone() }]),
            None => {
                let why: Vec<String> = self.addresses.iter().filter_map(blocker).collect();
                match why.is_empty() {
                    true => Err("no address is configured for load balancers".into()),
                    false => Err(why.join("; ")),
                }
            }
        }
    }
}
