//! Cluster addresses and node ports of Services: each is a key of its own in the store, claimed in the transaction
//! that writes the Service, so that no two Services can get the same.
//!
//! Addresses are `IPAddress` objects as in Kubernetes since 1.33 (KEP-1880).

use std::net::Ipv4Addr;

use serde_json::{Value, json};
use shared::{Kind, Status, kind};
use store::Txn;

use crate::errors::{Errors, Path};
use crate::item::encode;
use crate::random::Random;
use crate::server::{ApiServer, Context, Target};
use crate::value::{int, items, object, text};

/// How often a free address or port is guessed before the range is searched in order.
const GUESSES: u64 = 64;
/// Addresses at the start of the range that are only given to who asks for them (KEP-3070 has the band at most so
/// long), such as the cluster DNS's.
const STATIC_BAND: u64 = 256;
const PORTS: &str = "/registry/ranges/servicenodeports/";

/// Claims what a new state of an object needs and releases what it no longer does; writes what was given out into
/// the object.
pub(crate) fn on_write(
    server: &ApiServer,
    target: &Target<'_>,
    new: &mut Value,
    old: Option<&Value>,
    ctx: &Context<'_>,
) -> Result<Txn, Status> {
    if !is_service(target.kind) {
        return Ok(Txn::default());
    }
    let mut errors = Errors::default();
    let mut claims = Claims {
        server,
        ctx,
        random: Random::new(ctx.seed, "service"),
        txn: Txn::default(),
    };
    claims.address(new, old, &mut errors)?;
    claims.ports(new, old, &mut errors);
    if errors.is_empty() {
        Ok(claims.txn)
    } else {
        let name = text(new, "/metadata/name");
        Err(Status::invalid(
            target.kind.kind,
            target.kind.group,
            name,
            errors.into_causes(),
        ))
    }
}

/// Releases everything that an object holds.
pub(crate) fn release(target: &Target<'_>, old: &Value) -> Txn {
    let mut txn = Txn::default();
    if is_service(target.kind) {
        let keys = address_of(old)
            .map(address_key)
            .into_iter()
            .chain(ports_of(old).into_iter().map(port_key));
        txn.ops
            .extend(keys.map(|key| store::Op::Delete { key: key.into() }));
    }
    txn
}

fn is_service(kind: &Kind) -> bool {
    kind.group.is_empty() && kind.plural == "services"
}

fn address_key(ip: &str) -> String {
    format!("/registry/ipaddresses/{ip}")
}

fn port_key(port: i64) -> String {
    format!("{PORTS}{port}")
}

/// The address that a Service holds.
fn address_of(service: &Value) -> Option<&str> {
    Some(text(service, "/spec/clusterIP")).filter(|ip| !ip.is_empty() && *ip != "None")
}

/// The node ports that a Service holds, each once.
fn ports_of(service: &Value) -> Vec<i64> {
    let numbers = items(service, "/spec/ports")
        .iter()
        .filter_map(|p| int(p, "/nodePort"));
    let health = int(service, "/spec/healthCheckNodePort");
    let mut all: Vec<i64> = numbers.chain(health).filter(|n| *n != 0).collect();
    all.sort_unstable();
    all.dedup();
    all
}

struct Claims<'a, 'c> {
    server: &'a ApiServer,
    ctx: &'a Context<'c>,
    random: Random,
    txn: Txn,
}

impl Claims<'_, '_> {
    fn is_free(&self, key: &str) -> bool {
        self.ctx.snapshot.get(key).is_none() && !self.txn.ops.iter().any(|op| &**op.key() == key)
    }

    fn free(&mut self, key: String) {
        self.txn.ops.push(store::Op::Delete { key: key.into() });
    }

    fn address(
        &mut self,
        new: &mut Value,
        old: Option<&Value>,
        errors: &mut Errors,
    ) -> Result<(), Status> {
        let before = old.and_then(address_of).map(str::to_owned);
        let is_external = text(new, "/spec/type") == "ExternalName";
        let asked = text(new, "/spec/clusterIP").to_owned();
        if is_external || asked == "None" {
            if let Some(ip) = before {
                self.free(address_key(&ip));
            }
            return Ok(());
        }
        if before.as_deref() == Some(asked.as_str()) {
            return Ok(());
        }
        let at = Path::new("spec.clusterIPs");
        let ip = if asked.is_empty() {
            self.pick_address()
                .ok_or_else(|| Status::internal("failed to allocate a serviceIP: range is full"))?
        } else {
            let why = self.judge_address(&asked);
            if let Some(why) = why {
                errors.invalid(
                    &at,
                    json!([asked]),
                    &format!("failed to allocate IP {asked}: {why}"),
                );
                return Ok(());
            }
            asked
        };
        let bytes = self.address_object(&ip, new)?;
        self.txn = std::mem::take(&mut self.txn).and(Txn::create(address_key(&ip), bytes));
        if let Some(old) = before {
            self.free(address_key(&old));
        }
        let spec = object(new, "spec");
        spec.insert("clusterIPs".into(), json!([ip]));
        spec.insert("clusterIP".into(), ip.into());
        Ok(())
    }

    /// First address of the range and how many follow it.
    fn range(&self) -> (u64, u64) {
        let (base, bits) = self.server.config.service_cidr;
        let size = 1_u64 << (32 - u64::from(bits.min(32)));
        (u64::from(u32::from(base)) & !(size - 1), size)
    }

    fn judge_address(&self, ip: &str) -> Option<String> {
        let (first, size) = self.range();
        let (base, bits) = self.server.config.service_cidr;
        let inside = ip.parse::<Ipv4Addr>().is_ok_and(|ip| {
            let offset = u64::from(u32::from(ip)).wrapping_sub(first);
            offset > 0 && offset + 1 < size
        });
        if !inside {
            return Some(format!(
                "provided IP is not in the valid range. The range of valid IPs is {base}/{bits}"
            ));
        }
        (!self.is_free(&address_key(ip))).then(|| "provided IP is already allocated".into())
    }

    fn pick_address(&mut self) -> Option<String> {
        let (first, size) = self.range();
        // The network's own address and its broadcast address are nobody's.
        let usable = size.saturating_sub(2);
        let band = if usable > 2 * STATIC_BAND {
            STATIC_BAND
        } else {
            0
        };
        let name = |offset: u64| {
            u32::try_from(first + 1 + offset)
                .ok()
                .map(|n| Ipv4Addr::from(n).to_string())
        };
        for _ in 0..GUESSES.min(usable) {
            let guess = name(band + self.random.below(usable - band));
            if let Some(ip) = guess.filter(|ip| self.is_free(&address_key(ip))) {
                return Some(ip);
            }
        }
        (band..usable)
            .chain(0..band)
            .filter_map(name)
            .find(|ip| self.is_free(&address_key(ip)))
    }

    fn address_object(&mut self, ip: &str, service: &Value) -> Result<bytes::Bytes, Status> {
        let row = kind::find("networking.k8s.io", "v1", "ipaddresses")
            .ok_or_else(|| Status::internal("IPAddress is not served"))?;
        let object = json!({
            "metadata": {
                "name": ip,
                "uid": self.random.uid(),
                "creationTimestamp": self.ctx.now.rfc3339(),
                "labels": {
                    "ipaddress.kubernetes.io/ip-family": "IPv4",
                    "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
                },
            },
            "spec": {"parentRef": {
                "resource": "services",
                "namespace": text(service, "/metadata/namespace"),
                "name": text(service, "/metadata/name"),
            }},
        });
        encode(row, &object)
    }

    fn ports(&mut self, new: &mut Value, old: Option<&Value>, errors: &mut Errors) {
        let before = old.map(ports_of).unwrap_or_default();
        let wants_ports = match text(new, "/spec/type") {
            "NodePort" => true,
            "LoadBalancer" => {
                new.pointer("/spec/allocateLoadBalancerNodePorts") != Some(&Value::Bool(false))
            }
            _ => false,
        };
        let owner = json!({"service": format!("{}/{}", text(new, "/metadata/namespace"), text(new, "/metadata/name"))}).to_string();
        let count = items(new, "/spec/ports").len();
        let path = Path::new("spec.ports");
        for i in 0..count {
            let pointer = format!("/spec/ports/{i}/nodePort");
            let asked = int(new, &pointer).filter(|n| *n != 0);
            let number = match asked {
                Some(number) if before.contains(&number) || self.holds(number) => continue,
                Some(number) => match self.judge_port(number) {
                    None => number,
                    Some(why) => {
                        errors.invalid(&path.index(i).field("nodePort"), number, &why);
                        continue;
                    }
                },
                None if !wants_ports => continue,
                None => match self.pick_port() {
                    Some(number) => number,
                    None => {
                        errors.invalid(
                            &path.index(i).field("nodePort"),
                            0,
                            "failed to allocate a nodePort: range is full",
                        );
                        continue;
                    }
                },
            };
            self.txn =
                std::mem::take(&mut self.txn).and(Txn::create(port_key(number), owner.clone()));
            let port = object(new, "spec")
                .get_mut("ports")
                .and_then(|p| p.get_mut(i))
                .and_then(Value::as_object_mut);
            if let Some(port) = port {
                port.insert("nodePort".into(), number.into());
            }
        }
        let after = ports_of(new);
        for gone in before.into_iter().filter(|n| !after.contains(n)) {
            self.free(port_key(gone));
        }
    }

    /// True when this transaction claims the port already, for another protocol of the same Service.
    fn holds(&self, number: i64) -> bool {
        let key = port_key(number);
        self.txn.ops.iter().any(|op| **op.key() == *key)
    }

    fn judge_port(&self, number: i64) -> Option<String> {
        let (first, last) = self.server.config.node_ports;
        if !(i64::from(first)..=i64::from(last)).contains(&number) {
            return Some(format!(
                "provided port is not in the valid range. The range of valid ports is {first}-{last}"
            ));
        }
        (!self.is_free(&port_key(number))).then(|| "provided port is already allocated".into())
    }

    fn pick_port(&mut self) -> Option<i64> {
        let (first, last) = self.server.config.node_ports;
        let (first, size) = (i64::from(first), u64::from(last.saturating_sub(first)) + 1);
        for _ in 0..GUESSES {
            let guess = first + i64::try_from(self.random.below(size)).unwrap_or(0);
            if self.is_free(&port_key(guess)) {
                return Some(guess);
            }
        }
        (first..=i64::from(last)).find(|port| self.is_free(&port_key(*port)))
    }
}
