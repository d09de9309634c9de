//! What a container may say: names, images, ports, environment, mounts, probes, resources.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::name::dns_label;
use shared::quantity::Quantity;

use super::uses_host_network;
use crate::errors::{Errors, Path};
use crate::meta::qualified_name;
use crate::value::{entries, field, int, items, text};

const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];
const PULL_POLICIES: &[&str] = &["Always", "IfNotPresent", "Never"];
/// Resources that need no domain in front.
const STANDARD_RESOURCES: &[&str] = &["cpu", "memory", "ephemeral-storage"];
/// What the downward API can show, besides single labels and annotations.
const FIELD_PATHS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// What has been seen of a pod's containers so far.
#[derive(Default)]
struct Seen<'a> {
    names: BTreeSet<&'a str>,
    host_ports: BTreeSet<String>,
}

pub(super) fn validate(
    spec: &Value,
    path: &Path<'_>,
    volumes: &BTreeSet<&str>,
    errors: &mut Errors,
) {
    let mut seen = Seen::default();
    if items(spec, "/containers").is_empty() {
        errors.required(&path.field("containers"), "");
    }
    for list in ["containers", "initContainers"] {
        let at = path.field(list);
        seen.host_ports.clear();
        for (i, container) in items(spec, &format!("/{list}")).iter().enumerate() {
            let how = (list == "initContainers", uses_host_network(spec));
            one(container, &at.index(i), how, volumes, &mut seen, errors);
        }
    }
}

fn one<'a>(
    container: &'a Value,
    path: &Path<'_>,
    (is_init, host_network): (bool, bool),
    volumes: &BTreeSet<&str>,
    seen: &mut Seen<'a>,
    errors: &mut Errors,
) {
    let name = field(container, "name");
    if name.is_empty() {
        errors.required(&path.field("name"), "");
    } else if let Some(why) = dns_label(name) {
        errors.invalid(&path.field("name"), name, &why);
    } else if !seen.names.insert(name) {
        errors.duplicate(&path.field("name"), name);
    }
    let image = field(container, "image");
    if image.is_empty() {
        errors.required(&path.field("image"), "");
    } else if image.trim() != image {
        errors.invalid(
            &path.field("image"),
            image,
            "must not have leading or trailing whitespace",
        );
    }
    errors.one_of(
        &path.field("imagePullPolicy"),
        field(container, "imagePullPolicy"),
        PULL_POLICIES,
    );
    let message = field(container, "terminationMessagePolicy");
    errors.one_of(
        &path.field("terminationMessagePolicy"),
        message,
        &["FallbackToLogsOnError", "File"],
    );
    validate_ports(
        items(container, "/ports"),
        &path.field("ports"),
        host_network,
        seen,
        errors,
    );
    validate_env(items(container, "/env"), &path.field("env"), errors);
    validate_mounts(
        items(container, "/volumeMounts"),
        &path.field("volumeMounts"),
        volumes,
        errors,
    );
    validate_devices(
        items(container, "/volumeDevices"),
        items(container, "/volumeMounts"),
        &path.field("volumeDevices"),
        volumes,
        errors,
    );
    if let Some(context) = container.get("securityContext") {
        super::security::validate_container(context, &path.field("securityContext"), errors);
    }
    let is_sidecar = is_init && field(container, "restartPolicy") == "Always";
    validate_probes(container, path, is_init && !is_sidecar, errors);
    if let Some(resources) = container.get("resources") {
        validate_resources(resources, &path.field("resources"), errors);
    }
}

fn validate_ports(
    ports: &[Value],
    path: &Path<'_>,
    host_network: bool,
    seen: &mut Seen<'_>,
    errors: &mut Errors,
) {
    let mut names = BTreeSet::new();
    for (i, port) in ports.iter().enumerate() {
        let at = path.index(i);
        let (name, protocol) = (field(port, "name"), field(port, "protocol"));
        if !name.is_empty() {
            if let Some(why) = port_name(name) {
                errors.invalid(&at.field("name"), name, &why);
            } else if !names.insert(name) {
                errors.duplicate(&at.field("name"), name);
            }
        }
        let number = int(port, "/containerPort").unwrap_or(0);
        if number == 0 {
            errors.required(&at.field("containerPort"), "");
        } else {
            errors.port(&at.field("containerPort"), number);
        }
        if let Some(host) = int(port, "/hostPort").filter(|p| *p != 0) {
            errors.port(&at.field("hostPort"), host);
            if host_network && host != number {
                errors.invalid(
                    &at.field("containerPort"),
                    number,
                    "must match `hostPort` when `hostNetwork` is true",
                );
            }
            let used = format!("{protocol}/{}/{host}", field(port, "hostIP"));
            if !seen.host_ports.insert(used.clone()) {
                errors.duplicate(&at.field("hostPort"), used);
            }
        }
        if protocol.is_empty() {
            errors.required(&at.field("protocol"), "");
        } else {
            errors.one_of(&at.field("protocol"), protocol, PROTOCOLS);
        }
    }
}

/// What is wrong with a port's name (RFC 6335 section 5.1).
pub(crate) fn port_name(name: &str) -> Option<String> {
    let b = name.as_bytes();
    if b.len() > 15 {
        Some("must be no more than 15 characters".into())
    } else if !b
        .iter()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == b'-')
    {
        Some("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".into())
    } else if !b.iter().any(u8::is_ascii_lowercase) {
        Some("must contain at least one letter (a-z)".into())
    } else if name.contains("--") {
        Some("must not contain consecutive hyphens".into())
    } else {
        (name.starts_with('-') || name.ends_with('-'))
            .then(|| "must not begin or end with a hyphen".into())
    }
}

fn validate_env(env: &[Value], path: &Path<'_>, errors: &mut Errors) {
    for (i, variable) in env.iter().enumerate() {
        let (at, name) = (path.index(i), field(variable, "name"));
        if name.is_empty() {
            errors.required(&at.field("name"), "");
        } else if name
            .bytes()
            .any(|c| c == b'=' || !(c == b' ' || c.is_ascii_graphic()))
        {
            errors.invalid(
                &at.field("name"),
                name,
                "a valid environment variable name must consist only of printable ASCII characters other than '='",
            );
        }
        if let Some(from) = variable.get("valueFrom") {
            let here = at.field("valueFrom");
            if !field(variable, "value").is_empty() {
                errors.invalid(&here, "", "may not be specified when `value` is not empty");
            }
            validate_source(from, &here, errors);
        }
    }
}

fn validate_source(from: &Value, path: &Path<'_>, errors: &mut Errors) {
    let count = from.as_object().map_or(0, serde_json::Map::len);
    if count != 1 {
        let why = if count == 0 {
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        } else {
            "may not have more than one field specified at a time"
        };
        errors.invalid(path, "", why);
    }
    if let Some(reference) = from.get("fieldRef") {
        let (at, asked) = (path.field("fieldRef"), field(reference, "fieldPath"));
        if asked.is_empty() {
            errors.required(&at.field("fieldPath"), "");
        } else if !is_field_path(asked) {
            let why = format!("error converting fieldPath: field label not supported: {asked}");
            errors.invalid(&at.field("fieldPath"), asked, &why);
        }
    }
    for source in ["configMapKeyRef", "secretKeyRef"] {
        if let Some(reference) = from.get(source) {
            let at = path.field(source);
            for name in ["name", "key"]
                .into_iter()
                .filter(|n| field(reference, n).is_empty())
            {
                errors.required(&at.field(name), "");
            }
        }
    }
    if from
        .get("resourceFieldRef")
        .is_some_and(|r| field(r, "resource").is_empty())
    {
        errors.required(&path.field("resourceFieldRef").field("resource"), "");
    }
}

fn is_field_path(path: &str) -> bool {
    let keyed = |prefix: &str| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with("['") && rest.ends_with("']"))
    };
    FIELD_PATHS.contains(&path) || keyed("metadata.labels") || keyed("metadata.annotations")
}

fn validate_mounts(
    mounts: &[Value],
    path: &Path<'_>,
    volumes: &BTreeSet<&str>,
    errors: &mut Errors,
) {
    let mut places = BTreeSet::new();
    for (i, mount) in mounts.iter().enumerate() {
        let at = path.index(i);
        let (name, place) = (field(mount, "name"), field(mount, "mountPath"));
        if name.is_empty() {
            errors.required(&at.field("name"), "");
        } else if !volumes.contains(name) {
            errors.not_found(&at.field("name"), name);
        }
        if place.is_empty() {
            errors.required(&at.field("mountPath"), "");
        } else if !places.insert(place) {
            errors.invalid(&at.field("mountPath"), place, "must be unique");
        }
        let sub_path = field(mount, "subPath");
        if sub_path.starts_with('/') {
            errors.invalid(&at.field("subPath"), sub_path, "must be a relative path");
        } else if sub_path.split('/').any(|part| part == "..") {
            errors.invalid(&at.field("subPath"), sub_path, "must not contain '..'");
        }
    }
}

/// Block devices of claims: each at a path of its own, and not mounted as well.
fn validate_devices(
    devices: &[Value],
    mounts: &[Value],
    path: &Path<'_>,
    volumes: &BTreeSet<&str>,
    errors: &mut Errors,
) {
    let (mut places, mut names) = (BTreeSet::new(), BTreeSet::new());
    for (i, device) in devices.iter().enumerate() {
        let at = path.index(i);
        let (name, place) = (field(device, "name"), field(device, "devicePath"));
        if name.is_empty() {
            errors.required(&at.field("name"), "");
        } else if !volumes.contains(name) {
            errors.not_found(&at.field("name"), name);
        }
        if place.is_empty() {
            errors.required(&at.field("devicePath"), "");
        } else if place.split('/').any(|part| part == "..") {
            errors.invalid(&at.field("devicePath"), place, "must not contain '..'");
        } else if !places.insert(place) {
            errors.invalid(&at.field("devicePath"), place, "must be unique");
        }
        if mounts
            .iter()
            .any(|m| field(m, "name") == name && !name.is_empty())
        {
            let why = "must not already exist in volumeMounts";
            errors.invalid(&at.field("name"), name, why);
        }
        if !names.insert(name) && !name.is_empty() {
            errors.invalid(&at.field("name"), name, "must be unique");
        }
    }
}

fn validate_probes(container: &Value, path: &Path<'_>, forbidden: bool, errors: &mut Errors) {
    for (name, once) in [
        ("livenessProbe", true),
        ("readinessProbe", false),
        ("startupProbe", true),
    ] {
        let Some(probe) = container.get(name) else {
            continue;
        };
        let at = path.field(name);
        if forbidden {
            errors.forbidden(
                &at,
                "may not be set for init containers without restartPolicy=Always",
            );
            continue;
        }
        validate_handler(probe, &at, errors);
        for number in [
            "initialDelaySeconds",
            "timeoutSeconds",
            "periodSeconds",
            "successThreshold",
            "failureThreshold",
        ] {
            errors.at_least(
                &at.field(number),
                probe.get(number).and_then(Value::as_i64),
                0,
            );
        }
        let successes = int(probe, "/successThreshold").unwrap_or(1);
        if once && successes != 1 {
            errors.invalid(&at.field("successThreshold"), successes, "must be 1");
        }
    }
    for name in ["postStart", "preStop"] {
        if let Some(handler) = container.pointer(&format!("/lifecycle/{name}")) {
            validate_handler(handler, &path.field("lifecycle").field(name), errors);
        }
    }
}

fn validate_handler(handler: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut count = 0;
    for name in ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] {
        let Some(action) = handler.get(name) else {
            continue;
        };
        count += 1;
        let at = path.field(name);
        if count > 1 {
            errors.forbidden(&at, "may not specify more than 1 handler type");
        } else if name == "exec" {
            if items(action, "/command").is_empty() {
                errors.required(&at.field("command"), "");
            }
        } else if name != "sleep" {
            validate_port(action.get("port"), &at.field("port"), errors);
        }
        if name == "httpGet" {
            if field(action, "path").is_empty() {
                errors.required(&at.field("path"), "");
            }
            errors.one_of(
                &at.field("scheme"),
                field(action, "scheme"),
                &["HTTP", "HTTPS"],
            );
        }
    }
    if count == 0 {
        errors.required(path, "must specify a handler type");
    }
}

/// A port by number or by name.
pub(crate) fn validate_port(port: Option<&Value>, path: &Path<'_>, errors: &mut Errors) {
    match port {
        Some(Value::String(name)) => {
            if let Some(why) = port_name(name) {
                errors.invalid(path, name.as_str(), &why);
            }
        }
        other => errors.port(path, other.and_then(Value::as_i64).unwrap_or(0)),
    }
}

pub(in crate::strategy) fn validate_resources(
    resources: &Value,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    for list in ["limits", "requests"] {
        let base = path.field(list);
        for (name, value) in entries(resources, &format!("/{list}")) {
            let at = base.key(name);
            validate_resource_name(name, &at, errors);
            let amount = crate::strategy::quantity(Some(value));
            if amount.is_some_and(|q| q < Quantity::default()) {
                errors.invalid(&at, value.clone(), "must be greater than or equal to 0");
            }
        }
    }
    let quantity = |list: &str, name: &str| {
        crate::strategy::quantity(resources.get(list).and_then(|l| l.get(name)))
    };
    for (name, request) in entries(resources, "/requests") {
        if let (Some(asked), Some(limit)) = (quantity("requests", name), quantity("limits", name))
            && asked > limit
        {
            let shown = text(
                resources,
                &format!("/limits/{}", name.replace('~', "~0").replace('/', "~1")),
            );
            let why = format!("must be less than or equal to {name} limit of {shown}");
            errors.invalid(&path.field("requests"), json!(request), &why);
        }
    }
}

pub(super) fn validate_resource_name(name: &str, path: &Path<'_>, errors: &mut Errors) {
    if let Some(why) = qualified_name(name) {
        errors.invalid(path, name, &why);
    } else if !name.contains('/')
        && !STANDARD_RESOURCES.contains(&name)
        && !name.starts_with("hugepages-")
    {
        errors.invalid(
            path,
            name,
            "must be a standard resource type or fully qualified",
        );
        errors.invalid(path, name, "must be a standard resource for containers");
    }
}
