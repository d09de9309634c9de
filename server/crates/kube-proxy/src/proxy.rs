//! The control loop of one node's kube-proxy.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use client::cache::Changed;
use client::{Answer, Cache, Call, CallId, Component, Done, Exhibit, Interest, Observed};
use serde_json::Value;
use shared::{KindRef, Millis, Object, ObjectKey, Revision, Status};

use crate::endpoints::{Endpoint, gather};
use crate::rule::{Policy, Protocol, Rule};
use crate::table::{Entries, ServiceTable};

const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Watches Services and EndpointSlices and keeps a node's [`ServiceTable`] up to date. It calls nobody.
#[derive(Debug)]
pub struct KubeProxy {
    name: String,
    node: String,
    cache: Cache,
    table: Arc<ServiceTable>,
    dirty: BTreeMap<ObjectKey, Revision>,
    fresh: bool,
    /// The table has changed since it was shown.
    unshown: bool,
    done: Vec<Done>,
}

fn services() -> KindRef {
    KindRef::new("", "v1", "services")
}

fn slices() -> KindRef {
    KindRef::new("discovery.k8s.io", "v1", "endpointslices")
}

impl KubeProxy {
    /// The proxy of a node. `seed` decides its random choices.
    #[must_use]
    pub fn new(node: &str, seed: u64) -> Self {
        Self {
            name: format!("kube-proxy {node}"),
            node: node.into(),
            cache: Cache::default(),
            table: Arc::new(ServiceTable::new(seed)),
            dirty: BTreeMap::new(),
            fresh: false,
            unshown: true,
            done: Vec::new(),
        }
    }

    /// The table as it is.
    #[must_use]
    pub fn table(&self) -> Arc<ServiceTable> {
        Arc::clone(&self.table)
    }

    /// The table if it has changed since the last time this was asked.
    pub fn take_changed(&mut self) -> Option<Arc<ServiceTable>> {
        std::mem::take(&mut self.fresh).then(|| self.table())
    }

    fn note(&mut self, changed: &Changed) {
        let Some(object) = changed.object() else {
            return;
        };
        let key = if changed.kind == services() {
            object.key()
        } else {
            let Some(service) = object.label(SERVICE_NAME) else {
                return;
            };
            ObjectKey::new(object.namespace(), service)
        };
        self.dirty.insert(key, changed.revision);
    }

    fn entries(&self, key: &ObjectKey) -> Entries {
        let Some(service) = self.cache.get(&services(), key) else {
            return Entries::default();
        };
        if service.text("/spec/type") == "ExternalName" || service.text("/spec/clusterIP") == "None"
        {
            return Entries::default();
        }
        let all_slices = slices();
        let own = self
            .cache
            .namespace(&all_slices, &key.namespace)
            .filter(|s| s.label(SERVICE_NAME) == Some(&key.name));
        let mut usable = gather(own, &self.node);
        let mut entries = Entries::default();
        for port in service.items("/spec/ports") {
            let text = |name: &str| port.get(name).and_then(Value::as_str);
            let Some(protocol) = Protocol::parse(text("protocol")) else {
                continue;
            };
            let name = text("name").unwrap_or_default().to_owned();
            let endpoints = usable
                .remove(&(name, protocol))
                .map(|u| u.choose())
                .unwrap_or_default();
            add(&mut entries, service, port, protocol, endpoints);
        }
        entries
    }
}

fn add(
    entries: &mut Entries,
    service: &Object,
    port: &Value,
    protocol: Protocol,
    endpoints: Vec<Endpoint>,
) {
    let number = |name: &str| {
        port.get(name)
            .and_then(Value::as_u64)
            .and_then(|n| u16::try_from(n).ok())
    };
    let Some(service_port) = number("port") else {
        return;
    };
    let rule = |policy| {
        Arc::new(Rule {
            service: format!("{}:{service_port}", service.key()),
            endpoints: endpoints.clone(),
            policy,
            is_sticky: service.text("/spec/sessionAffinity") == "ClientIP",
        })
    };
    let internal = rule(Policy::parse(service.text("/spec/internalTrafficPolicy")));
    let external = rule(Policy::parse(service.text("/spec/externalTrafficPolicy")));
    let texts = |pointer: &str| {
        service
            .items(pointer)
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
    };
    let mut cluster_ips: Vec<String> = texts("/spec/clusterIPs").collect();
    if cluster_ips.is_empty() {
        cluster_ips.push(service.text("/spec/clusterIP").to_owned());
    }
    let balancers = service.items("/status/loadBalancer/ingress").iter();
    let outside = texts("/spec/externalIPs")
        .chain(balancers.filter_map(|i| i.get("ip").and_then(Value::as_str).map(str::to_owned)));
    let addresses = cluster_ips
        .into_iter()
        .map(|ip| (ip, &internal))
        .chain(outside.map(|ip| (ip, &external)));
    for (ip, rule) in addresses.filter_map(|(ip, rule)| Some((ip.parse::<Ipv4Addr>().ok()?, rule)))
    {
        entries.addresses.push((
            protocol,
            SocketAddrV4::new(ip, service_port),
            Arc::clone(rule),
        ));
    }
    if let Some(node_port) = number("nodePort").filter(|p| *p > 0) {
        entries.node_ports.push((protocol, node_port, external));
    }
}

impl Component for KubeProxy {
    fn name(&self) -> &str {
        &self.name
    }

    fn interests(&self) -> Vec<Interest> {
        vec![Interest::all(services()), Interest::all(slices())]
    }

    fn observe(&mut self, observed: Observed, _now: Millis) {
        for changed in self.cache.apply(observed) {
            self.note(&changed);
        }
    }

    fn poll(&mut self, _now: Millis) -> Vec<Call> {
        // Endpoints without their Services, or the other way round, would refuse connections that have a server.
        if !(self.cache.has_synced(&services()) && self.cache.has_synced(&slices())) {
            return Vec::new();
        }
        for (key, revision) in std::mem::take(&mut self.dirty) {
            let entries = self.entries(&key);
            let count: usize = entries
                .addresses
                .first()
                .map_or(0, |(_, _, rule)| rule.endpoints().len());
            if Arc::make_mut(&mut self.table).replace(&key, entries) {
                (self.fresh, self.unshown) = (true, true);
                self.done.push(Done {
                    phase: "rules",
                    text: format!("{key}: {count} endpoints"),
                    object: self.cache.get(&services(), &key).map(Object::reference),
                    cause: Some(revision),
                    refused: None,
                });
            }
        }
        Vec::new()
    }

    fn answer(&mut self, _: CallId, _: Result<Answer, Status>, _: Millis) {}

    fn wake(&self) -> Option<(Millis, &'static str)> {
        None
    }

    fn done(&mut self) -> Vec<Done> {
        std::mem::take(&mut self.done)
    }

    fn queue_len(&self) -> usize {
        self.dirty.len()
    }

    fn exhibits(&mut self) -> Vec<(String, Arc<dyn Exhibit>)> {
        let unshown = std::mem::take(&mut self.unshown);
        let table = unshown.then(|| ("services".to_owned(), self.table() as Arc<dyn Exhibit>));
        table.into_iter().collect()
    }

    fn lines(&self) -> Vec<(String, String)> {
        vec![("rules".into(), self.table.len().to_string())]
    }
}

#[cfg(test)]
mod tests;
