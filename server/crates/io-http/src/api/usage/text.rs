//! The kubelet's metrics in Prometheus' text format, under their original names.

use std::fmt::Write;

use io_driver::backstage::ContainerUse;
use shared::Status;

use super::{PodUse, of_node};
use crate::api::ApiState;

type Value = fn(&ContainerUse) -> f64;

/// Name, type, help, value.
type Row = (&'static str, &'static str, &'static str, Value);

const CPU: Value = |c| c.cpu_ns as f64 / 1e9;
const MEMORY: Value = |c| c.memory_bytes as f64;

/// `/metrics/resource`.
const RESOURCE: [Row; 2] = [
    (
        "container_cpu_usage_seconds_total",
        "counter",
        "Cumulative cpu time consumed by the container in core-seconds",
        CPU,
    ),
    (
        "container_memory_working_set_bytes",
        "gauge",
        "Current working set of the container in bytes",
        MEMORY,
    ),
];

/// `/metrics/cadvisor`.
const CONTAINER: [Row; 5] = [
    RESOURCE[0],
    RESOURCE[1],
    (
        "container_memory_max_usage_bytes",
        "gauge",
        "Maximum memory usage recorded in bytes",
        |c| c.memory_peak_bytes as f64,
    ),
    (
        "container_cpu_cfs_throttled_periods_total",
        "counter",
        "Number of throttled period intervals.",
        |c| c.throttled_times as f64,
    ),
    (
        "container_cpu_cfs_throttled_seconds_total",
        "counter",
        "Total time duration the container has been throttled.",
        |c| c.throttled_ns as f64 / 1e9,
    ),
];

pub(in crate::api) async fn resource_metrics(
    state: &ApiState,
    node: &str,
) -> Result<String, Status> {
    let (used, pods) = of_node(state, node).await?;
    let mut out = String::new();
    write_containers(&mut out, &RESOURCE, &pods);
    let all = |value: Value| used.containers.iter().map(value).sum::<f64>();
    head(
        &mut out,
        "node_cpu_usage_seconds_total",
        "counter",
        "Cumulative cpu time consumed by the node in core-seconds",
    );
    let _ = writeln!(out, "node_cpu_usage_seconds_total {}", all(CPU));
    head(
        &mut out,
        "node_memory_working_set_bytes",
        "gauge",
        "Current working set of the node in bytes",
    );
    let _ = writeln!(out, "node_memory_working_set_bytes {}", all(MEMORY));
    Ok(out)
}

pub(in crate::api) async fn container_metrics(
    state: &ApiState,
    node: &str,
) -> Result<String, Status> {
    let (_, pods) = of_node(state, node).await?;
    let mut out = String::new();
    write_containers(&mut out, &CONTAINER, &pods);
    for (name, help, is_received) in [
        (
            "container_network_receive_bytes_total",
            "Cumulative count of bytes received",
            true,
        ),
        (
            "container_network_transmit_bytes_total",
            "Cumulative count of bytes transmitted",
            false,
        ),
    ] {
        head(&mut out, name, "counter", help);
        for of in &pods {
            let bytes = if is_received {
                of.network.received_bytes
            } else {
                of.network.sent_bytes
            };
            let (namespace, pod) = (of.pod.namespace(), of.pod.name());
            let _ = writeln!(
                out,
                "{name}{{interface=\"eth0\",namespace=\"{namespace}\",pod=\"{pod}\"}} {bytes}"
            );
        }
    }
    Ok(out)
}

fn write_containers(out: &mut String, rows: &[Row], pods: &[PodUse]) {
    for (name, kind, help, value) in rows {
        head(out, name, kind, help);
        for of in pods {
            let (namespace, pod) = (of.pod.namespace(), of.pod.name());
            for container in &of.containers {
                let called = &container.container;
                // Names are DNS labels: nothing in them needs escaping.
                let _ = writeln!(
                    out,
                    "{name}{{container=\"{called}\",namespace=\"{namespace}\",pod=\"{pod}\"}} {}",
                    value(container)
                );
            }
        }
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}
