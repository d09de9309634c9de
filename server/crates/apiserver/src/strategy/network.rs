//! Ingresses, NetworkPolicies and the cluster's address ranges.

use std::net::IpAddr;

use serde_json::{Value, json};
use shared::Millis;
use shared::name::{dns_label, dns_subdomain};

use super::pod_check::containers::{port_name, validate_port};
use super::pod_check::validate_selector;
use crate::errors::{Errors, Path};
use crate::meta::{NO_ADDRESS, domain_prefixed_path, path_segment};
use crate::value::{
    as_object, default_text, default_to, each, empty, field, int, items, object, text,
};

/// The name of an IPAddress is the address.
pub(super) fn ip_name(name: &str) -> Option<String> {
    let is_canonical = name
        .parse::<IpAddr>()
        .is_ok_and(|ip| ip.to_string() == name);
    (!is_canonical).then(|| NO_ADDRESS.into())
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
        check_host(field(rule, "host"), &at.field("host"), errors);
        let http = at.field("http");
        let paths = http.field("paths");
        if rule.get("http").is_some() && items(rule, "/http/paths").is_empty() {
            errors.required(&paths, "");
        }
        for (j, path) in items(rule, "/http/paths").iter().enumerate() {
            validate_path(path, &paths.index(j), errors);
        }
    }
    validate_tls(ingress, &spec.field("tls"), errors);
    if let Some(class) = ingress.pointer("/spec/ingressClassName") {
        let class = class.as_str().unwrap_or_default();
        errors.checked(&spec.field("ingressClassName"), class, dns_subdomain);
    }
}

/// A name, or one with a star in place of its first label; none when it is empty.
fn check_host(host: &str, path: &Path<'_>, errors: &mut Errors) {
    if host.is_empty() {
        return;
    }
    if host.parse::<IpAddr>().is_ok() {
        errors.invalid(path, host, "must be a DNS name, not an IP address");
    }
    if !host.contains('*') {
        return errors.checked(path, host, dns_subdomain);
    }
    let tail = host.strip_prefix("*.");
    if tail.is_none_or(|tail| dns_subdomain(tail).is_some()) {
        let why = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
        errors.invalid(path, host, why);
    }
}

fn validate_tls(ingress: &Value, path: &Path<'_>, errors: &mut Errors) {
    for (i, tls) in items(ingress, "/spec/tls").iter().enumerate() {
        let at = path.index(i);
        let hosts = at.field("hosts");
        for (j, host) in items(tls, "/hosts").iter().enumerate() {
            let host = host.as_str().unwrap_or_default();
            if host.contains('*') {
                check_host(host, &hosts.index(j), errors);
            } else {
                errors.checked(&hosts.index(j), host, dns_subdomain);
            }
        }
        let secret = field(tls, "secretName");
        if !secret.is_empty() {
            errors.checked(&at.field("secretName"), secret, dns_subdomain);
        }
    }
}

/// A new Ingress names its class once.
pub(super) fn validate_new_ingress(ingress: &Value, errors: &mut Errors) {
    const ANNOTATION: &str = "kubernetes.io/ingress.class";
    let annotation = ingress.pointer("/metadata/annotations/kubernetes.io~1ingress.class");
    let class = ingress.pointer("/spec/ingressClassName");
    if let (Some(old), Some(new)) = (annotation.and_then(Value::as_str), class)
        && new != old
    {
        let annotations = Path::new("annotations");
        let why = "must match `ingressClassName` when both are specified";
        errors.invalid(&annotations.field(ANNOTATION), old, why);
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
            for bad in ["/..", "/."].into_iter().filter(|bad| text.ends_with(bad)) {
                let why = format!("cannot end with '{bad}'");
                errors.invalid(&at.field("path"), text, &why);
            }
        }
        "ImplementationSpecific" if !text.is_empty() && !text.starts_with('/') => {
            errors.invalid(&at.field("path"), text, "must be an absolute path");
        }
        "ImplementationSpecific" => {}
        "" => return errors.required(&at.field("pathType"), "pathType must be specified"),
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
            errors.named(&here.field("name"), field(service, "name"), dns_label);
            let port = here.field("port");
            let (name, number) = (
                text(service, "/port/name"),
                service.pointer("/port/number").and_then(Value::as_i64),
            );
            match (name, number.unwrap_or(0)) {
                ("", 0) => errors.required(at, "port name or number is required"),
                ("", number) => errors.port(&port.field("number"), number),
                (_, n) if n != 0 => {
                    errors.invalid(at, "", "cannot set both port name & port number")
                }
                (name, _) => {
                    if let Some(why) = port_name(name) {
                        errors.invalid(&port.field("name"), name, &why);
                    }
                }
            }
        }
        (None, Some(resource)) => validate_reference(resource, &at.field("resource"), errors),
        (None, None) => errors.invalid(at, "", "resource or service backend is required"),
    }
}

/// The longest name of an ingress controller, in bytes.
const MAX_CONTROLLER_BYTES: usize = 250;

pub(super) fn ingress_class_defaults(value: &mut Value) {
    if let Some(parameters) = object(value, "spec").get_mut("parameters") {
        default_text(as_object(parameters), "scope", "Cluster");
    }
}

pub(super) fn validate_ingress_class(class: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let (path, controller) = (spec.field("controller"), text(class, "/spec/controller"));
    if controller.len() > MAX_CONTROLLER_BYTES {
        errors.too_long(&path, MAX_CONTROLLER_BYTES);
    }
    errors.named(&path, controller, domain_prefixed_path);
    let Some(parameters) = class.pointer("/spec/parameters") else {
        return;
    };
    let path = spec.field("parameters");
    validate_reference(parameters, &path, errors);
    let (namespace, at) = (parameters.get("namespace"), path.field("namespace"));
    match (field(parameters, "scope"), namespace) {
        ("Namespace", None) => {
            errors.required(&at, "`parameters.scope` is set to 'Namespace'");
        }
        ("Namespace", Some(name)) => {
            errors.checked(&at, name.as_str().unwrap_or_default(), dns_label);
        }
        ("Cluster", Some(_)) => {
            errors.forbidden(&at, "`parameters.scope` is set to 'Cluster'");
        }
        ("Cluster", None) => {}
        (other, _) => errors.one_of(&path.field("scope"), other, &["Cluster", "Namespace"]),
    }
}

/// `apiGroup`, `kind` and `name` of an object in the same namespace.
fn validate_reference(reference: &Value, path: &Path<'_>, errors: &mut Errors) {
    if let Some(group) = reference.get("apiGroup").and_then(Value::as_str) {
        errors.checked(&path.field("apiGroup"), group, dns_subdomain);
    }
    for name in ["kind", "name"] {
        let (at, value) = (path.field(name), field(reference, name));
        if value.is_empty() {
            errors.required(&at, &format!("{name} is required"));
        } else {
            errors.checked(&at, value, path_segment);
        }
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
                validate_policy_port(port, &here, errors);
            }
            let list = at.field(peers);
            for (j, peer) in items(rule, &format!("/{peers}")).iter().enumerate() {
                validate_peer(peer, &list.index(j), errors);
            }
        }
    }
    let path = spec.field("policyTypes");
    let types = items(policy, "/spec/policyTypes");
    if types.len() > 2 {
        let why = "may not specify more than two policyTypes";
        return errors.invalid(&path, types.to_vec(), why);
    }
    for (i, kind) in types.iter().filter_map(Value::as_str).enumerate() {
        errors.one_of(&path.index(i), kind, &["Ingress", "Egress"]);
    }
}

fn validate_policy_port(port: &Value, path: &Path<'_>, errors: &mut Errors) {
    errors.one_of(
        &path.field("protocol"),
        field(port, "protocol"),
        &["TCP", "UDP", "SCTP"],
    );
    let (end, at) = (int(port, "/endPort"), path.field("endPort"));
    match (port.get("port"), end) {
        (None, Some(end)) => errors.invalid(
            &at,
            end,
            "may not be specified when `port` is not specified",
        ),
        (Some(Value::String(_)), Some(end)) => {
            errors.invalid(&at, end, "may not be specified when `port` is non-numeric")
        }
        _ => {}
    }
    if port.get("port").is_some() {
        validate_port(port.get("port"), &path.field("port"), errors);
    }
    if let (Some(first), Some(end)) = (int(port, "/port"), end) {
        if end < first {
            errors.invalid(&at, end, "must be greater than or equal to `port`");
        }
        errors.port(&at, end);
    }
}

fn validate_peer(peer: &Value, at: &Path<'_>, errors: &mut Errors) {
    let block = peer.get("ipBlock");
    let by_selector = peer.get("podSelector").is_some() || peer.get("namespaceSelector").is_some();
    match (block, by_selector) {
        (None, false) => errors.required(at, "must specify a peer"),
        (Some(_), true) => errors.forbidden(at, "may not specify both ipBlock and another peer"),
        (Some(block), false) => {
            validate_block(block, &at.field("ipBlock"), errors);
        }
        (None, true) => {
            for name in ["podSelector", "namespaceSelector"] {
                validate_selector(peer.get(name), &at.field(name), errors);
            }
        }
    }
}

fn validate_block(block: &Value, path: &Path<'_>, errors: &mut Errors) {
    let cidr = field(block, "cidr");
    if cidr.is_empty() {
        return errors.required(&path.field("cidr"), "");
    }
    check_cidr(cidr, &path.field("cidr"), errors);
    let Some(whole) = parse_cidr(cidr) else {
        return;
    };
    let list = path.field("except");
    let excepted = items(block, "/except").iter().filter_map(Value::as_str);
    for (i, except) in excepted.enumerate() {
        let at = list.index(i);
        check_cidr(except, &at, errors);
        if parse_cidr(except).is_some_and(|part| !is_strict_subset(part, whole)) {
            errors.invalid(&at, except, "must be a strict subset of `cidr`");
        }
    }
}

fn is_strict_subset((part, longer): (IpAddr, u32), (whole, shorter): (IpAddr, u32)) -> bool {
    let same = match (part, whole) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let differing = a.to_bits() ^ b.to_bits();
            differing.checked_shr(32 - shorter).unwrap_or(0) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let differing = a.to_bits() ^ b.to_bits();
            differing.checked_shr(128 - shorter).unwrap_or(0) == 0
        }
        _ => false,
    };
    same && longer > shorter
}

/// The address and the length of the prefix; `None` for what is no range.
fn parse_cidr(cidr: &str) -> Option<(IpAddr, u32)> {
    let (ip, bits) = cidr.split_once('/')?;
    let (ip, bits) = (ip.parse::<IpAddr>().ok()?, bits.parse::<u32>().ok()?);
    (bits <= if ip.is_ipv4() { 32 } else { 128 }).then_some((ip, bits))
}

fn check_cidr(cidr: &str, path: &Path<'_>, errors: &mut Errors) {
    if parse_cidr(cidr).is_none() {
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
    let family = |cidr: &Value| {
        cidr.as_str()
            .and_then(parse_cidr)
            .map(|(ip, _)| ip.is_ipv4())
    };
    if let [first, second] = cidrs
        && family(first).is_some()
        && family(first) == family(second)
    {
        let why = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
        errors.invalid(&path, cidrs.to_vec(), why);
    }
}

/// Ranges stay; one of the other family may be added.
pub(super) fn validate_service_cidr_update(new: &Value, old: &Value, errors: &mut Errors) {
    const WHY: &str = "field is immutable";
    let spec = Path::new("spec");
    let path = spec.field("cidrs");
    let (before, after) = (items(old, "/spec/cidrs"), items(new, "/spec/cidrs"));
    if after.len() != before.len() && (before.len(), after.len()) != (1, 2) {
        return errors.invalid(&path, after.to_vec(), WHY);
    }
    for (i, (was, is)) in before.iter().zip(after).enumerate() {
        if was != is {
            errors.invalid(&path.index(i), is.clone(), WHY);
        }
    }
}

pub(super) fn validate_ip_address(address: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let parent = spec.field("parentRef");
    match address.pointer("/spec/parentRef") {
        None => errors.required(&parent, ""),
        Some(reference) => {
            let group = field(reference, "group");
            if !group.is_empty() {
                errors.checked(&parent.field("group"), group, dns_subdomain);
            }
            for name in ["resource", "name"] {
                errors.named(&parent.field(name), field(reference, name), path_segment);
            }
            let namespace = field(reference, "namespace");
            errors.checked(&parent.field("namespace"), namespace, path_segment);
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
