//! The endpoints of a Service, gathered from its EndpointSlices.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use serde_json::Value;
use shared::Object;

use crate::rule::Protocol;

/// A backend of one Service port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddrV4,
    /// Whether it runs on the proxy's own node.
    pub is_local: bool,
}

/// Ready endpoints and, for when there are none, those that end but still serve (KEP-1669).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usable {
    ready: Vec<Endpoint>,
    ending: Vec<Endpoint>,
}

impl Usable {
    /// The endpoints to use, in address order.
    pub(crate) fn choose(mut self) -> Vec<Endpoint> {
        let chosen = if self.ready.is_empty() {
            &mut self.ending
        } else {
            &mut self.ready
        };
        chosen.sort_unstable();
        chosen.dedup();
        std::mem::take(chosen)
    }
}

/// The endpoints by port name and protocol, over all slices of a Service.
pub(crate) fn gather<'a>(
    slices: impl Iterator<Item = &'a Object>,
    node: &str,
) -> BTreeMap<(String, Protocol), Usable> {
    let mut found: BTreeMap<(String, Protocol), Usable> = BTreeMap::new();
    for slice in slices.filter(|s| s.text("/addressType") == "IPv4") {
        for port in slice.items("/ports") {
            let Some(number) = port
                .get("port")
                .and_then(Value::as_u64)
                .and_then(|p| u16::try_from(p).ok())
            else {
                continue;
            };
            let name = port
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            let Some(protocol) = Protocol::parse(port.get("protocol").and_then(Value::as_str))
            else {
                continue;
            };
            let usable = found.entry((name, protocol)).or_default();
            for endpoint in slice.items("/endpoints") {
                add(usable, endpoint, number, node);
            }
        }
    }
    found
}

fn add(usable: &mut Usable, endpoint: &Value, port: u16, node: &str) {
    let condition = |name: &str, unset: bool| {
        endpoint
            .pointer(&format!("/conditions/{name}"))
            .and_then(Value::as_bool)
            .unwrap_or(unset)
    };
    let ready = condition("ready", true);
    let list = match (
        ready,
        condition("serving", ready) && condition("terminating", false),
    ) {
        (true, _) => &mut usable.ready,
        (false, true) => &mut usable.ending,
        (false, false) => return,
    };
    let is_local = endpoint.get("nodeName").and_then(Value::as_str) == Some(node);
    let addresses = endpoint
        .get("addresses")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let parsed = addresses.filter_map(|a| a.as_str()?.parse::<Ipv4Addr>().ok());
    list.extend(parsed.map(|ip| Endpoint {
        address: SocketAddrV4::new(ip, port),
        is_local,
    }));
}
