//! Services: defaults, what goes with their type, and their rules (`pkg/registry/core/service`, `ValidateService`).
//!
//! Addresses and node ports are given out by [`crate::allocate`]; here is only what can be judged without the store.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::Millis;
use shared::name::dns_subdomain;

use super::endpoints::validate_app_protocol;
use super::pod_check::containers;
use crate::errors::{Errors, Path};
use crate::meta::validate_labels;
use crate::value::{
    Fields, default_text, default_to, each, empty, field, int, items, object, put, text,
};

/// How long a client sticks to a backend when nothing else is said, in seconds.
const AFFINITY_TIMEOUT_S: i64 = 10_800;
const MAX_AFFINITY_TIMEOUT_S: i64 = 86_400;
const TYPES: &[&str] = &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];

pub(super) fn defaults(value: &mut Value) {
    let spec = object(value, "spec");
    default_text(spec, "sessionAffinity", "None");
    default_text(spec, "type", "ClusterIP");
    each(spec, "ports", |port| {
        default_text(port, "protocol", "TCP");
        let number = port.get("port").cloned().unwrap_or(Value::Null);
        let is_unset = port
            .get("targetPort")
            .is_none_or(|t| t == &json!(0) || t == &json!(""));
        if is_unset && !number.is_null() {
            port.insert("targetPort".into(), number);
        }
    });
    if spec.get("sessionAffinity").and_then(Value::as_str) == Some("ClientIP") {
        let config = spec.entry("sessionAffinityConfig").or_insert_with(empty);
        default_to(
            object(config, "clientIP"),
            "timeoutSeconds",
            AFFINITY_TIMEOUT_S,
        );
    }
    let kind = spec
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        default_text(spec, "externalTrafficPolicy", "Cluster");
    }
    if kind != "ExternalName" {
        default_text(spec, "internalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        default_to(spec, "allocateLoadBalancerNodePorts", true);
    }
}

pub(super) fn prepare_create(value: &mut Value, _now: Millis) {
    object(value, "status").clear();
    object(value, "status").insert("loadBalancer".into(), empty());
    complete(object(value, "spec"));
}

/// Fills in what follows from the type and the address.
fn complete(spec: &mut Fields) {
    if spec.get("type").and_then(Value::as_str) == Some("ExternalName") {
        for name in [
            "clusterIP",
            "clusterIPs",
            "ipFamilies",
            "ipFamilyPolicy",
            "internalTrafficPolicy",
        ] {
            spec.remove(name);
        }
        return;
    }
    let first = spec
        .get("clusterIPs")
        .and_then(|ips| ips.get(0))
        .and_then(Value::as_str)
        .map(str::to_owned);
    let address = spec
        .get("clusterIP")
        .and_then(Value::as_str)
        .filter(|ip| !ip.is_empty())
        .map(str::to_owned);
    if let Some(ip) = address.or(first) {
        spec.insert("clusterIPs".into(), json!([ip]));
        spec.insert("clusterIP".into(), ip.into());
    }
    default_to(spec, "ipFamilies", json!(["IPv4"]));
    default_text(spec, "ipFamilyPolicy", "SingleStack");
}

pub(super) fn prepare_update(new: &mut Value, old: &Value) {
    drop_what_the_type_had(new, old);
    keep_allocated(new, old);
    complete(object(new, "spec"));
}

/// A PUT that leaves out what was allocated keeps it (`patchAllocatedValues`).
fn keep_allocated(new: &mut Value, old: &Value) {
    let kind = text(new, "/spec/type").to_owned();
    if kind != "ExternalName" && text(old, "/spec/type") != "ExternalName" {
        let old_ip = text(old, "/spec/clusterIP");
        if text(new, "/spec/clusterIP").is_empty() && !old_ip.is_empty() {
            let spec = object(new, "spec");
            spec.insert("clusterIP".into(), old_ip.into());
            put(spec, "clusterIPs", old.pointer("/spec/clusterIPs").cloned());
        }
    }
    if !matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        return;
    }
    let old_ports = items(old, "/spec/ports").to_vec();
    each(object(new, "spec"), "ports", |port| {
        let same = |other: &&Value| {
            ["port", "protocol"]
                .iter()
                .all(|name| port.get(*name) == other.get(*name))
        };
        let kept = old_ports
            .iter()
            .find(same)
            .and_then(|o| o.get("nodePort"))
            .cloned();
        if let (None, Some(number)) = (
            port.get("nodePort")
                .and_then(Value::as_i64)
                .filter(|n| *n != 0),
            kept,
        ) {
            port.insert("nodePort".into(), number);
        }
    });
}

/// What only the old type needed goes when it was not set anew (`dropTypeDependentFields`).
fn drop_what_the_type_had(new: &mut Value, old: &Value) {
    let needs_node_port = |v: &Value| matches!(text(v, "/spec/type"), "NodePort" | "LoadBalancer");
    let had_node_ports = needs_node_port(old) && !needs_node_port(new);
    let had_balancer =
        text(old, "/spec/type") == "LoadBalancer" && text(new, "/spec/type") != "LoadBalancer";
    let was_internal =
        text(old, "/spec/type") != "ExternalName" && text(new, "/spec/type") == "ExternalName";
    let old_ports = items(old, "/spec/ports").to_vec();
    let spec = object(new, "spec");
    if had_node_ports {
        each(spec, "ports", |port| {
            let number = port.get("nodePort");
            if old_ports.iter().any(|o| o.get("nodePort") == number) {
                port.remove("nodePort");
            }
        });
        spec.remove("externalTrafficPolicy");
    }
    if had_balancer {
        spec.remove("allocateLoadBalancerNodePorts");
        spec.remove("loadBalancerClass");
        object(new, "status").insert("loadBalancer".into(), empty());
    }
    if was_internal {
        let spec = object(new, "spec");
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
}

pub(super) fn validate(service: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let kind = text(service, "/spec/type");
    let is_headless = text(service, "/spec/clusterIP") == "None";
    errors.one_of(&spec.field("type"), kind, TYPES);
    let ports = items(service, "/spec/ports");
    if ports.is_empty() && !is_headless && kind != "ExternalName" {
        errors.required(&spec.field("ports"), "");
    }
    match kind {
        "ExternalName" => {
            let name = text(service, "/spec/externalName");
            if name.is_empty() {
                errors.required(&spec.field("externalName"), "");
            } else if let Some(why) = dns_subdomain(&name.trim_end_matches('.').to_lowercase()) {
                errors.invalid(&spec.field("externalName"), name, &why);
            }
        }
        "NodePort" | "LoadBalancer" if is_headless => {
            errors.invalid(
                &spec.field("clusterIPs").index(0),
                "None",
                &format!("may not be set to 'None' for {kind} services"),
            );
        }
        _ => {}
    }
    validate_affinity(service, &spec, errors);
    validate_labels(
        service.pointer("/spec/selector"),
        &spec.field("selector"),
        errors,
    );
    validate_ports(ports, kind, &spec.field("ports"), errors);
    let policy = text(service, "/spec/externalTrafficPolicy");
    if !policy.is_empty() {
        if matches!(kind, "NodePort" | "LoadBalancer") {
            errors.one_of(
                &spec.field("externalTrafficPolicy"),
                policy,
                &["Cluster", "Local"],
            );
        } else {
            let why = "may only be set for externally-accessible services";
            errors.invalid(&spec.field("externalTrafficPolicy"), policy, why);
        }
    }
}

fn validate_affinity(service: &Value, spec: &Path<'_>, errors: &mut Errors) {
    let affinity = text(service, "/spec/sessionAffinity");
    errors.one_of(
        &spec.field("sessionAffinity"),
        affinity,
        &["ClientIP", "None"],
    );
    let timeout = int(
        service,
        "/spec/sessionAffinityConfig/clientIP/timeoutSeconds",
    );
    let at = spec.field("sessionAffinityConfig");
    if affinity == "None" && service.pointer("/spec/sessionAffinityConfig").is_some() {
        errors.forbidden(&at, "must not be set when session affinity is None");
    } else if let Some(seconds) = timeout.filter(|s| !(1..=MAX_AFFINITY_TIMEOUT_S).contains(s)) {
        let at = at.field("clientIP");
        errors.invalid(
            &at.field("timeoutSeconds"),
            seconds,
            "must be greater than 0 and less than 86400",
        );
    }
}

fn validate_ports(ports: &[Value], kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let (mut names, mut numbers, mut node_ports) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (i, port) in ports.iter().enumerate() {
        let at = path.index(i);
        let (name, protocol) = (field(port, "name"), field(port, "protocol"));
        if name.is_empty() {
            if ports.len() > 1 {
                errors.required(&at.field("name"), "");
            }
        } else if let Some(why) = shared::name::dns_label(name) {
            errors.invalid(&at.field("name"), name, &why);
        } else if !names.insert(name) {
            errors.duplicate(&at.field("name"), name);
        }
        errors.port(&at.field("port"), int(port, "/port").unwrap_or(0));
        errors.one_of(&at.field("protocol"), protocol, &["SCTP", "TCP", "UDP"]);
        validate_app_protocol(port, &at, errors);
        containers::validate_port(port.get("targetPort"), &at.field("targetPort"), errors);
        if !numbers.insert((protocol, int(port, "/port"))) {
            let number = int(port, "/port").unwrap_or(0);
            errors.duplicate_text(
                &at,
                &format!("{{\"Name\":\"\",\"Protocol\":\"{protocol}\",\"AppProtocol\":null,\"Port\":{number},\"TargetPort\":0,\"NodePort\":0}}"),
            );
        }
        if let Some(number) = int(port, "/nodePort").filter(|n| *n != 0) {
            if !matches!(kind, "NodePort" | "LoadBalancer") {
                errors.forbidden(
                    &at.field("nodePort"),
                    &format!("may not be used when `type` is '{kind}'"),
                );
            } else if !node_ports.insert((protocol, number)) {
                errors.duplicate(&at.field("nodePort"), number);
            }
        }
    }
}

pub(super) fn validate_update(new: &Value, old: &Value, errors: &mut Errors) {
    let is_external = |v: &Value| text(v, "/spec/type") == "ExternalName";
    let (before, after) = (text(old, "/spec/clusterIP"), text(new, "/spec/clusterIP"));
    if !is_external(old) && !is_external(new) && !before.is_empty() && before != after {
        let ips = new
            .pointer("/spec/clusterIPs")
            .cloned()
            .unwrap_or_else(|| json!([after]));
        errors.invalid(
            &Path::new("spec.clusterIPs[0]"),
            ips,
            "may not change once set",
        );
    }
}
