//! Endpoints and EndpointSlices.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::Value;
use shared::name::{dns_label, dns_subdomain};

use crate::errors::{Errors, Path};
use crate::meta::{ip_address, label_value, qualified_name, validate_labels};
use crate::value::{as_object, default_text, default_to, each, empty, field, int, items};

/// The most endpoints in one slice (`discovery/validation`).
const MAX_SLICE_ENDPOINTS: usize = 1000;
/// The most ports in one slice.
const MAX_SLICE_PORTS: usize = 100;
/// The most addresses of one endpoint.
const MAX_ADDRESSES: usize = 100;
/// The most labels of one endpoint.
const MAX_TOPOLOGY: usize = 16;
/// The most zones that one endpoint is meant for.
const MAX_ZONES: usize = 8;
const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];

pub(super) fn endpoints_defaults(value: &mut Value) {
    each(as_object(value), "subsets", |subset| {
        each(subset, "ports", |port| {
            default_text(port, "protocol", "TCP")
        });
    });
}

pub(super) fn validate_endpoints(endpoints: &Value, errors: &mut Errors) {
    let subsets = Path::new("subsets");
    for (i, subset) in items(endpoints, "/subsets").iter().enumerate() {
        let at = subsets.index(i);
        if items(subset, "/addresses").is_empty() && items(subset, "/notReadyAddresses").is_empty()
        {
            errors.required(&at, "must specify `addresses` or `notReadyAddresses`");
        }
        for list in ["addresses", "notReadyAddresses"] {
            let here = at.field(list);
            for (j, address) in items(subset, &format!("/{list}")).iter().enumerate() {
                validate_address(address, &here.index(j), errors);
            }
        }
        let (path, ports) = (at.field("ports"), items(subset, "/ports"));
        for (j, port) in ports.iter().enumerate() {
            let item = path.index(j);
            let name = field(port, "name");
            if ports.len() > 1 && name.is_empty() {
                errors.required(&item.field("name"), "");
            } else if !name.is_empty() {
                errors.checked(&item.field("name"), name, dns_label);
            }
            errors.port(&item.field("port"), int(port, "/port").unwrap_or(0));
            errors.one_of(&item.field("protocol"), field(port, "protocol"), PROTOCOLS);
            validate_app_protocol(port, &item, errors);
        }
    }
}

fn validate_address(address: &Value, path: &Path<'_>, errors: &mut Errors) {
    let ip = field(address, "ip");
    errors.checked(&path.field("ip"), ip, ip_address);
    let hostname = field(address, "hostname");
    if !hostname.is_empty() {
        errors.checked(&path.field("hostname"), hostname, dns_label);
    }
    if let Some(node) = address.get("nodeName").and_then(Value::as_str) {
        errors.checked(&path.field("nodeName"), node, dns_subdomain);
    }
    check_not_special(ip, &path.field("ip"), errors);
}

/// Addresses that are nobody's. Loopback, which the original refuses too, is where this cluster's nodes are.
fn check_not_special(address: &str, path: &Path<'_>, errors: &mut Errors) {
    let (unspecified, link_local, multicast) = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => (
            ip.is_unspecified(),
            ip.is_link_local(),
            ip.octets().starts_with(&[224, 0, 0]),
        ),
        Ok(IpAddr::V6(ip)) => (
            ip.is_unspecified(),
            ip.is_unicast_link_local(),
            ip.segments()[0] & 0xff0f == 0xff02,
        ),
        Err(_) => return,
    };
    if unspecified {
        let why = format!("may not be unspecified ({address})");
        errors.invalid(path, address, &why);
    }
    if link_local {
        let why = "may not be in the link-local range (169.254.0.0/16, fe80::/10)";
        errors.invalid(path, address, why);
    }
    if multicast {
        let why = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)";
        errors.invalid(path, address, why);
    }
}

pub(super) fn validate_app_protocol(port: &Value, path: &Path<'_>, errors: &mut Errors) {
    if let Some(protocol) = port.get("appProtocol").and_then(Value::as_str) {
        errors.checked(&path.field("appProtocol"), protocol, qualified_name);
    }
}

pub(super) fn slice_defaults(value: &mut Value) {
    each(as_object(value), "ports", |port| {
        default_to(port, "name", "");
        default_text(port, "protocol", "TCP");
    });
    each(as_object(value), "endpoints", |endpoint| {
        default_to(endpoint, "conditions", empty())
    });
}

pub(super) fn validate_slice(slice: &Value, errors: &mut Errors) {
    let kind = field(slice, "addressType");
    errors.chosen(&Path::new("addressType"), kind, &["FQDN", "IPv4", "IPv6"]);
    let (path, list) = (Path::new("endpoints"), items(slice, "/endpoints"));
    errors.too_many(&path, list.len(), MAX_SLICE_ENDPOINTS);
    for (i, endpoint) in list.iter().take(MAX_SLICE_ENDPOINTS).enumerate() {
        validate_endpoint(endpoint, kind, &path.index(i), errors);
    }
    let (path, list) = (Path::new("ports"), items(slice, "/ports"));
    errors.too_many(&path, list.len(), MAX_SLICE_PORTS);
    let mut names = BTreeSet::new();
    for (i, port) in list.iter().take(MAX_SLICE_PORTS).enumerate() {
        let (at, name) = (path.index(i), field(port, "name"));
        if !name.is_empty() {
            errors.checked(&at.field("name"), name, dns_label);
        }
        if !names.insert(name) {
            errors.duplicate(&at.field("name"), name);
        }
        errors.one_of(&at.field("protocol"), field(port, "protocol"), PROTOCOLS);
        validate_app_protocol(port, &at, errors);
    }
}

fn validate_endpoint(endpoint: &Value, kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let (at, addresses) = (path.field("addresses"), items(endpoint, "/addresses"));
    if addresses.is_empty() {
        errors.required(&at, "must contain at least 1 address");
    }
    errors.too_many(&at, addresses.len(), MAX_ADDRESSES);
    for (i, address) in addresses.iter().filter_map(Value::as_str).enumerate() {
        let at = at.index(i);
        match kind {
            "IPv4" if address.parse::<Ipv4Addr>().is_err() => {
                errors.invalid(&at, address, "must be a valid IPv4 address");
            }
            "IPv6" if address.parse::<Ipv6Addr>().is_err() => {
                errors.invalid(&at, address, "must be a valid IPv6 address");
            }
            "IPv4" | "IPv6" => check_not_special(address, &at, errors),
            "FQDN" => errors.named(&at, address, domain_name),
            _ => {}
        }
    }
    if let Some(node) = endpoint.get("nodeName").and_then(Value::as_str) {
        errors.checked(&path.field("nodeName"), node, dns_subdomain);
    }
    let (at, labels) = (
        path.field("deprecatedTopology"),
        endpoint.get("deprecatedTopology"),
    );
    let len = labels.and_then(Value::as_object).map_or(0, |l| l.len());
    errors.too_many(&at, len, MAX_TOPOLOGY);
    validate_labels(labels, &at, errors);
    if let Some(hostname) = endpoint.get("hostname").and_then(Value::as_str) {
        errors.checked(&path.field("hostname"), hostname, dns_label);
    }
    validate_zones(endpoint, &path.field("hints"), errors);
}

fn validate_zones(endpoint: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (path, zones) = (path.field("forZones"), items(endpoint, "/hints/forZones"));
    errors.too_many(&path, zones.len(), MAX_ZONES);
    let mut names = BTreeSet::new();
    for (i, zone) in zones.iter().take(MAX_ZONES).enumerate() {
        let (at, name) = (path.index(i), field(zone, "name"));
        if !names.insert(name) {
            errors.duplicate(&at.field("name"), name);
        }
        errors.checked(&at.field("name"), name, label_value);
    }
}

/// What is wrong with a name of at least two labels (`validation.IsFullyQualifiedDomainName`).
fn domain_name(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    dns_subdomain(name).or_else(|| {
        (!name.contains('.'))
            .then(|| "should be a domain with at least two segments separated by dots".into())
    })
}

pub(super) fn validate_slice_update(new: &Value, old: &Value, errors: &mut Errors) {
    errors.immutable(
        &Path::new("addressType"),
        new.get("addressType"),
        old.get("addressType"),
    );
}
