//! Endpoints, EndpointSlices, Ingresses and NetworkPolicies.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};
use shared::Millis;

use super::pod_check::containers::{port_name, validate_port};
use super::pod_check::validate_selector;
use crate::errors::{Errors, Path};
use crate::value::{as_object, default_text, default_to, each, empty, field, items, object, text};

/// The most endpoints in one slice (`discovery/validation`).
const MAX_SLICE_ENDPOINTS: usize = 1000;
/// The most ports in one slice.
const MAX_SLICE_PORTS: usize = 100;
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
                let item = here.index(j);
                check_ip(field(address, "ip"), &item.field("ip"), errors);
            }
        }
        let ports = at.field("ports");
        for (j, port) in items(subset, "/ports").iter().enumerate() {
            let item = ports.index(j);
            errors.port(
                &item.field("port"),
                port.get("port").and_then(Value::as_i64).unwrap_or(0),
            );
            errors.one_of(&item.field("protocol"), field(port, "protocol"), PROTOCOLS);
        }
    }
}

fn check_ip(ip: &str, path: &Path<'_>, errors: &mut Errors) {
    if ip.parse::<IpAddr>().is_err() {
        errors.invalid(
            path,
            ip,
            "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        );
    }
}

/// The name of an IPAddress is the address.
pub(super) fn ip_name(name: &str) -> Option<String> {
    let is_canonical = name
        .parse::<IpAddr>()
        .is_ok_and(|ip| ip.to_string() == name);
    (!is_canonical).then(|| "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".into())
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
    if kind.is_empty() {
        errors.required(&Path::new("addressType"), "");
    } else {
        errors.one_of(&Path::new("addressType"), kind, &["FQDN", "IPv4", "IPv6"]);
    }
    let (endpoints, ports) = (Path::new("endpoints"), Path::new("ports"));
    let list = items(slice, "/endpoints");
    if list.len() > MAX_SLICE_ENDPOINTS {
        errors.invalid(
            &endpoints,
            list.len(),
            &format!("must have at most {MAX_SLICE_ENDPOINTS} items"),
        );
    }
    for (i, endpoint) in list.iter().enumerate() {
        let at = endpoints.index(i);
        let at = at.field("addresses");
        let addresses = items(endpoint, "/addresses");
        if addresses.is_empty() {
            errors.required(&at, "must contain at least 1 address");
        }
        for (j, address) in addresses.iter().filter_map(Value::as_str).enumerate() {
            if kind == "IPv4" && address.parse::<Ipv4Addr>().is_err() {
                errors.invalid(&at.index(j), address, "must be a valid IPv4 address");
            }
        }
    }
    let list = items(slice, "/ports");
    if list.len() > MAX_SLICE_PORTS {
        errors.invalid(
            &ports,
            list.len(),
            &format!("must have at most {MAX_SLICE_PORTS} items"),
        );
    }
    let mut names = std::collections::BTreeSet::new();
    for (i, port) in list.iter().enumerate() {
        let (at, name) = (ports.index(i), field(port, "name"));
        if let Some(why) = Some(name)
            .filter(|n| !n.is_empty())
            .and_then(shared::name::dns_label)
        {
            errors.invalid(&at.field("name"), name, &why);
        }
        if !names.insert(name) {
            errors.duplicate(&at.field("name"), name);
        }
        errors.one_of(&at.field("protocol"), field(port, "protocol"), PROTOCOLS);
    }
}

pub(super) fn validate_slice_update(new: &Value, old: &Value, errors: &mut Errors) {
    errors.immutable(
        &Path::new("addressType"),
        new.get("addressType"),
        old.get("addressType"),
    );
}

pub(super) fn load_balancer_status(value: &mut Value, _now: Millis) {
    as_object(value).insert("status".into(), json!({"loadBalancer": {}}));
}

pub(super) fn validate_ingress(ingress: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let rules = items(ingress, "/spec/rules");
    let default = ingress.pointer("/spec/defaultBackend");
    if rules.is_empty() && default.is_none() {
        errors.invalid(
            &spec,
            Value::Null,
            "either `defaultBackend` or `rules` must be specified",
        );
    }
    if let Some(backend) = default {
        validate_backend(backend, &spec.field("defaultBackend"), errors);
    }
    let base = spec.field("rules");
    for (i, rule) in rules.iter().enumerate() {
        let at = base.index(i);
        let host = field(rule, "host");
        let bare = host.strip_prefix("*.").unwrap_or(host);
        if let Some(why) = Some(bare)
            .filter(|h| !h.is_empty())
            .and_then(shared::name::dns_subdomain)
        {
            errors.invalid(&at.field("host"), host, &why);
        }
        let http = at.field("http");
        let paths = http.field("paths");
        for (j, path) in items(rule, "/http/paths").iter().enumerate() {
            validate_path(path, &paths.index(j), errors);
        }
    }
}

fn validate_path(path: &Value, at: &Path<'_>, errors: &mut Errors) {
    let (kind, text) = (field(path, "pathType"), field(path, "path"));
    match kind {
        "Exact" | "Prefix" if !text.starts_with('/') => {
            errors.invalid(&at.field("path"), text, "must be an absolute path");
        }
        "Exact" | "Prefix" => {
            for bad in ["//", "/./", "/../", "%2f", "%2F"]
                .into_iter()
                .filter(|bad| text.contains(bad))
            {
                errors.invalid(
                    &at.field("path"),
                    text,
                    &format!("must not contain '{bad}'"),
                );
            }
        }
        "ImplementationSpecific" if !text.is_empty() && !text.starts_with('/') => {
            errors.invalid(&at.field("path"), text, "must be an absolute path");
        }
        "ImplementationSpecific" => {}
        "" => errors.required(&at.field("pathType"), "pathType must be specified"),
        other => errors.unsupported(
            &at.field("pathType"),
            other,
            &["Exact", "ImplementationSpecific", "Prefix"],
        ),
    }
    validate_backend(
        path.get("backend").unwrap_or(&Value::Null),
        &at.field("backend"),
        errors,
    );
}

fn validate_backend(backend: &Value, at: &Path<'_>, errors: &mut Errors) {
    match (backend.get("service"), backend.get("resource")) {
        (Some(_), Some(_)) => {
            errors.invalid(at, "", "cannot set both resource and service backends")
        }
        (Some(service), None) => {
            let here = at.field("service");
            if field(service, "name").is_empty() {
                errors.required(&here.field("name"), "");
            }
            let port = here.field("port");
            let (name, number) = (
                text(service, "/port/name"),
                service.pointer("/port/number").and_then(Value::as_i64),
            );
            match (name, number.unwrap_or(0)) {
                ("", 0) => errors.required(&port, "port name or number is required"),
                ("", number) => errors.port(&port.field("number"), number),
                (_, n) if n != 0 => {
                    errors.invalid(&port, "", "cannot set both port name & port number")
                }
                (name, _) => {
                    if let Some(why) = port_name(name) {
                        errors.invalid(&port.field("name"), name, &why);
                    }
                }
            }
        }
        (None, Some(_)) => {}
        (None, None) => errors.required(
            &at.field("service"),
            "either a service or a resource must be given",
        ),
    }
}

pub(super) fn validate_ingress_class(class: &Value, errors: &mut Errors) {
    if text(class, "/spec/controller").is_empty() {
        errors.required(&Path::new("spec").field("controller"), "");
    }
}

pub(super) fn policy_defaults(value: &mut Value) {
    let spec = object(value, "spec");
    default_to(spec, "podSelector", empty());
    for direction in ["ingress", "egress"] {
        each(spec, direction, |rule| {
            each(rule, "ports", |port| default_text(port, "protocol", "TCP"))
        });
    }
    if !spec.contains_key("policyTypes") {
        let has_egress = inside_list(spec.get("egress"));
        let types = if has_egress {
            json!(["Ingress", "Egress"])
        } else {
            json!(["Ingress"])
        };
        spec.insert("policyTypes".into(), types);
    }
}

fn inside_list(value: Option<&Value>) -> bool {
    value
        .and_then(Value::as_array)
        .is_some_and(|list| !list.is_empty())
}

pub(super) fn validate_policy(policy: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    validate_selector(
        policy.pointer("/spec/podSelector"),
        &spec.field("podSelector"),
        errors,
    );
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        let base = spec.field(direction);
        for (i, rule) in items(policy, &format!("/spec/{direction}"))
            .iter()
            .enumerate()
        {
            let at = base.index(i);
            let ports = at.field("ports");
            for (j, port) in items(rule, "/ports").iter().enumerate() {
                let here = ports.index(j);
                errors.one_of(&here.field("protocol"), field(port, "protocol"), PROTOCOLS);
                if port.get("port").is_some() {
                    validate_port(port.get("port"), &here.field("port"), errors);
                }
            }
            let list = at.field(peers);
            for (j, peer) in items(rule, &format!("/{peers}")).iter().enumerate() {
                validate_peer(peer, &list.index(j), errors);
            }
        }
    }
    let types = spec.field("policyTypes");
    for (i, kind) in items(policy, "/spec/policyTypes")
        .iter()
        .filter_map(Value::as_str)
        .enumerate()
    {
        errors.one_of(&types.index(i), kind, &["Egress", "Ingress"]);
    }
}

fn validate_peer(peer: &Value, at: &Path<'_>, errors: &mut Errors) {
    let block = peer.get("ipBlock");
    let by_selector = peer.get("podSelector").is_some() || peer.get("namespaceSelector").is_some();
    match (block, by_selector) {
        (None, false) => errors.required(at, "must specify a peer"),
        (Some(_), true) => errors.forbidden(at, "may not specify both ipBlock and another peer"),
        (Some(block), false) => {
            let here = at.field("ipBlock");
            check_cidr(field(block, "cidr"), &here.field("cidr"), errors);
            let except = here.field("except");
            for (i, cidr) in items(block, "/except")
                .iter()
                .filter_map(Value::as_str)
                .enumerate()
            {
                check_cidr(cidr, &except.index(i), errors);
            }
        }
        (None, true) => {
            for name in ["podSelector", "namespaceSelector"] {
                validate_selector(peer.get(name), &at.field(name), errors);
            }
        }
    }
}

fn check_cidr(cidr: &str, path: &Path<'_>, errors: &mut Errors) {
    let is_cidr = cidr.split_once('/').is_some_and(|(ip, bits)| {
        match (ip.parse::<IpAddr>(), bits.parse::<u8>()) {
            (Ok(IpAddr::V4(_)), Ok(bits)) => bits <= 32,
            (Ok(IpAddr::V6(_)), Ok(bits)) => bits <= 128,
            _ => false,
        }
    });
    if !is_cidr {
        errors.invalid(
            path,
            cidr,
            "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
        );
    }
}

/// The range that the server itself was started with is ready at once, and is not deleted while it is in use.
pub(super) fn service_cidr_prepare(value: &mut Value, now: Millis) {
    let is_own = text(value, "/metadata/name") == "kubernetes";
    let status = if is_own {
        json!({"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now.rfc3339(),
            "reason": "", "message": "Kubernetes Service CIDR is ready"}]})
    } else {
        json!({})
    };
    as_object(value).insert("status".into(), status);
    if is_own {
        object(value, "metadata").insert(
            "finalizers".into(),
            json!(["networking.k8s.io/service-cidr-finalizer"]),
        );
    }
}

pub(super) fn validate_ingress_class_update(new: &Value, old: &Value, errors: &mut Errors) {
    let controller = |class: &Value| class.pointer("/spec/controller").cloned();
    errors.immutable(
        &Path::new("spec").field("controller"),
        controller(new).as_ref(),
        controller(old).as_ref(),
    );
}

/// The most ranges of one ServiceCIDR: one of each family.
const MAX_SERVICE_CIDRS: usize = 2;

pub(super) fn validate_service_cidr(range: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let path = spec.field("cidrs");
    let cidrs = items(range, "/spec/cidrs");
    if cidrs.is_empty() {
        return errors.required(&path, "at least one CIDR required");
    }
    if cidrs.len() > MAX_SERVICE_CIDRS {
        let why = "may only hold up to 2 values";
        return errors.invalid(&path, cidrs.to_vec(), why);
    }
    for (i, cidr) in cidrs.iter().filter_map(Value::as_str).enumerate() {
        check_cidr(cidr, &path.index(i), errors);
    }
}

pub(super) fn validate_service_cidr_update(new: &Value, old: &Value, errors: &mut Errors) {
    let cidrs = |range: &Value| range.pointer("/spec/cidrs").cloned();
    errors.immutable(
        &Path::new("spec").field("cidrs"),
        cidrs(new).as_ref(),
        cidrs(old).as_ref(),
    );
}

pub(super) fn validate_ip_address(address: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let parent = spec.field("parentRef");
    match address.pointer("/spec/parentRef") {
        None => errors.required(&parent, ""),
        Some(reference) => {
            for name in ["resource", "name"] {
                if field(reference, name).is_empty() {
                    errors.required(&parent.field(name), "");
                }
            }
        }
    }
}

pub(super) fn validate_ip_address_update(new: &Value, old: &Value, errors: &mut Errors) {
    let parent = |address: &Value| address.pointer("/spec/parentRef").cloned();
    errors.immutable(
        &Path::new("spec").field("parentRef"),
        parent(new).as_ref(),
        parent(old).as_ref(),
    );
}
