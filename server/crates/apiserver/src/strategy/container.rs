//! Defaults of containers: pull policy, probes, ports (`pkg/apis/core/v1/defaults.go`).

use serde_json::Value;

use crate::value::{Fields, default_text, default_to, each, inside};

pub(super) fn defaults(container: &mut Fields, host_network: bool) {
    let image = container
        .get("image")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let policy = if is_latest(image) {
        "Always"
    } else {
        "IfNotPresent"
    };
    default_text(container, "imagePullPolicy", policy);
    default_text(container, "terminationMessagePath", "/dev/termination-log");
    default_text(container, "terminationMessagePolicy", "File");
    default_to(container, "resources", crate::value::empty());
    each(container, "ports", |port| {
        default_text(port, "protocol", "TCP");
        if host_network && let Some(number) = port.get("containerPort").cloned() {
            default_to(port, "hostPort", number);
        }
    });
    each(container, "env", |env| {
        if let Some(field) = inside(env, "valueFrom").and_then(|from| inside(from, "fieldRef")) {
            default_text(field, "apiVersion", "v1");
        }
    });
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = inside(container, name) {
            probe_defaults(probe);
        }
    }
    for name in ["postStart", "preStop"] {
        let handler = inside(container, "lifecycle").and_then(|l| inside(l, name));
        if let Some(http) = handler.and_then(|h| inside(h, "httpGet")) {
            http_defaults(http);
        }
    }
}

fn probe_defaults(probe: &mut Fields) {
    for (name, value) in [
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ] {
        if probe.get(name).is_none_or(|v| v.as_i64() == Some(0)) {
            probe.insert(name.into(), value.into());
        }
    }
    if let Some(http) = inside(probe, "httpGet") {
        http_defaults(http);
    }
    if let Some(grpc) = inside(probe, "grpc") {
        default_to(grpc, "service", "");
    }
}

fn http_defaults(http: &mut Fields) {
    default_text(http, "path", "/");
    default_text(http, "scheme", "HTTP");
}

/// True for an image that names no version: tag `latest`, or neither tag nor digest.
fn is_latest(image: &str) -> bool {
    let (name, digest) = image
        .split_once('@')
        .map_or((image, ""), |(name, digest)| (name, digest));
    let last = name.rsplit('/').next().unwrap_or(name);
    match last.split_once(':') {
        Some((_, tag)) => tag == "latest",
        None => digest.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_without_a_version_are_always_pulled() {
        for (image, want) in [
            ("nginx", true),
            ("nginx:latest", true),
            ("nginx:1.25", false),
            ("host:5000/nginx", true),
            ("host:5000/nginx:1", false),
            ("nginx@sha256:abc", false),
            ("nginx:latest@sha256:abc", true),
        ] {
            assert_eq!(is_latest(image), want, "{image}");
        }
    }
}
