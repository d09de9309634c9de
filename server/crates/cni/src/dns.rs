//! The cluster's DNS zone: names of Services and their endpoints, made from the objects.
//!
//! The records are those of the DNS-Based Service Discovery specification (`kubernetes/dns`, 1.1.0): A and SRV for
//! Services, per-endpoint records for headless ones, CNAME for ExternalName, PTR for cluster addresses, and
//! `1-2-3-4.NAMESPACE.pod` as CoreDNS's `pods verified` has it. Messages are encoded elsewhere.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use client::cache::Changed;
use client::{Answer, Cache, Call, CallId, Component, Done, Interest, Observed};
use serde_json::Value;
use shared::{KindRef, Millis, Object, ObjectKey, Status};

/// The cluster's domain.
pub const DOMAIN: &str = "cluster.local";
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// A fact about a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Record {
    /// An address.
    A(Ipv4Addr),
    /// Another name for the same thing.
    Cname(String),
    /// A port and the name of the host that has it.
    Srv(u16, String),
    /// The name of an address.
    Ptr(String),
}

/// Everything that can be looked up, as of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    records: BTreeMap<String, Vec<Record>>,
}

/// What a look-up finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// The name exists and has these records, perhaps none.
    Records(&'a [Record]),
    /// A name of this zone that does not exist.
    NoName,
    /// A name of somebody else's zone.
    Foreign,
}

impl Zone {
    /// Looks up a complete name, lower case, without its final dot.
    #[must_use]
    pub fn lookup(&self, name: &str) -> Lookup<'_> {
        if let Some(records) = self.records.get(name) {
            return Lookup::Records(records);
        }
        let is_ours = name.ends_with(DOMAIN) || name.ends_with(".in-addr.arpa");
        if !is_ours {
            return Lookup::Foreign;
        }
        // An inner node of the tree exists without records of its own (RFC 8020).
        let below = format!(".{name}");
        let is_inner = name.ends_with(DOMAIN) && self.records.keys().any(|k| k.ends_with(&below));
        if is_inner {
            Lookup::Records(&[])
        } else {
            Lookup::NoName
        }
    }

    fn add(&mut self, name: String, record: Record) {
        let records = self.records.entry(name).or_default();
        if !records.contains(&record) {
            records.push(record);
        }
    }

    fn add_service<'a>(&mut self, service: &Object, slices: impl Iterator<Item = &'a Object>) {
        let base = format!("{}.{}.svc.{DOMAIN}", service.name(), service.namespace());
        if service.text("/spec/type") == "ExternalName" {
            let target = service
                .text("/spec/externalName")
                .trim_end_matches('.')
                .to_lowercase();
            self.add(base, Record::Cname(target));
            return;
        }
        match service.text("/spec/clusterIP").parse::<Ipv4Addr>() {
            Ok(ip) => {
                self.add(base.clone(), Record::A(ip));
                self.add(reverse(ip), Record::Ptr(base.clone()));
                for port in service.items("/spec/ports") {
                    self.add_port(&base, port, &base);
                }
            }
            Err(_) if service.text("/spec/clusterIP") == "None" => {
                let unready = service
                    .at("/spec/publishNotReadyAddresses")
                    .and_then(Value::as_bool)
                    == Some(true);
                for slice in slices {
                    self.add_headless(&base, slice, unready);
                }
            }
            Err(_) => {}
        }
    }

    fn add_headless(&mut self, base: &str, slice: &Object, unready: bool) {
        for endpoint in slice.items("/endpoints") {
            let ready = endpoint
                .pointer("/conditions/ready")
                .and_then(Value::as_bool)
                .unwrap_or(true);
            if !(ready || unready) {
                continue;
            }
            let addresses = endpoint
                .get("addresses")
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            for ip in addresses.filter_map(|a| a.as_str()?.parse::<Ipv4Addr>().ok()) {
                let host = endpoint.get("hostname").and_then(Value::as_str);
                let label = host.map_or_else(|| ip.to_string().replace('.', "-"), str::to_owned);
                let name = format!("{label}.{base}");
                self.add(base.to_owned(), Record::A(ip));
                self.add(name.clone(), Record::A(ip));
                for port in slice.items("/ports") {
                    self.add_port(base, port, &name);
                }
            }
        }
    }

    fn add_port(&mut self, base: &str, port: &Value, target: &str) {
        let text = |field: &str| {
            port.get(field)
                .and_then(Value::as_str)
                .filter(|t| !t.is_empty())
        };
        let number = port
            .get("port")
            .and_then(Value::as_u64)
            .and_then(|p| u16::try_from(p).ok());
        if let (Some(name), Some(number)) = (text("name"), number) {
            let protocol = text("protocol").unwrap_or("TCP").to_lowercase();
            self.add(
                format!("_{name}._{protocol}.{base}"),
                Record::Srv(number, target.to_owned()),
            );
        }
    }

    fn add_pod(&mut self, pod: &Object) {
        if let Ok(ip) = pod.text("/status/podIP").parse::<Ipv4Addr>() {
            let label = ip.to_string().replace('.', "-");
            self.add(
                format!("{label}.{}.pod.{DOMAIN}", pod.namespace()),
                Record::A(ip),
            );
        }
    }
}

fn reverse(ip: Ipv4Addr) -> String {
    let [a, b, c, d] = ip.octets();
    format!("{d}.{c}.{b}.{a}.in-addr.arpa")
}

/// The search domains of a pod with `dnsPolicy: ClusterFirst`.
#[must_use]
pub fn search_domains(namespace: &str) -> Vec<String> {
    vec![
        format!("{namespace}.svc.{DOMAIN}"),
        format!("svc.{DOMAIN}"),
        DOMAIN.to_owned(),
    ]
}

/// Keeps a [`Zone`] up to date. It calls nobody.
#[derive(Debug, Default)]
pub struct Dns {
    cache: Cache,
    zone: Arc<Zone>,
    is_dirty: bool,
    fresh: bool,
}

fn kinds() -> [KindRef; 3] {
    [
        KindRef::new("", "v1", "services"),
        KindRef::new("discovery.k8s.io", "v1", "endpointslices"),
        KindRef::new("", "v1", "pods"),
    ]
}

impl Dns {
    /// The zone, if it has changed since the last time this was asked.
    pub fn take_changed(&mut self) -> Option<Arc<Zone>> {
        std::mem::take(&mut self.fresh).then(|| Arc::clone(&self.zone))
    }

    fn rebuild(&self) -> Zone {
        let [services, slices, pods] = kinds();
        let mut by_service: BTreeMap<ObjectKey, Vec<&Object>> = BTreeMap::new();
        for slice in self
            .cache
            .list(&slices)
            .filter(|s| s.text("/addressType") == "IPv4")
        {
            if let Some(service) = slice.label(SERVICE_NAME) {
                by_service
                    .entry(ObjectKey::new(slice.namespace(), service))
                    .or_default()
                    .push(slice);
            }
        }
        let mut zone = Zone::default();
        for service in self.cache.list(&services) {
            let own = by_service.remove(&service.key()).unwrap_or_default();
            zone.add_service(service, own.into_iter());
        }
        for pod in self.cache.list(&pods) {
            zone.add_pod(pod);
        }
        zone
    }

    /// True when the change can show in a name: most pod updates are about status and cannot.
    fn matters(changed: &Changed) -> bool {
        let [_, _, pods] = kinds();
        let ip = |o: &Option<Object>| {
            o.as_ref()
                .map(|o| o.text("/status/podIP").to_owned())
                .unwrap_or_default()
        };
        changed.kind != pods || ip(&changed.old) != ip(&changed.new)
    }
}

impl Component for Dns {
    fn name(&self) -> &str {
        "kube-dns"
    }

    fn interests(&self) -> Vec<Interest> {
        kinds().into_iter().map(Interest::all).collect()
    }

    fn observe(&mut self, observed: Observed, _now: Millis) {
        let changes = self.cache.apply(observed);
        self.is_dirty |= changes.iter().any(Self::matters);
    }

    fn poll(&mut self, _now: Millis) -> Vec<Call> {
        if std::mem::take(&mut self.is_dirty) {
            let zone = self.rebuild();
            if zone != *self.zone {
                self.zone = Arc::new(zone);
                self.fresh = true;
            }
        }
        Vec::new()
    }

    fn answer(&mut self, _: CallId, _: Result<Answer, Status>, _: Millis) {}

    fn wake(&self) -> Option<(Millis, &'static str)> {
        None
    }

    fn done(&mut self) -> Vec<Done> {
        Vec::new()
    }

    fn lines(&self) -> Vec<(String, String)> {
        vec![("names".into(), self.zone.records.len().to_string())]
    }
}

#[cfg(test)]
mod tests;
