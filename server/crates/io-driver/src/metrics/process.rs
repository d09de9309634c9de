//! What the process uses, under the names of Prometheus' client libraries
//! (`prometheus.io/docs/instrumenting/writing_clientlibs`, process metrics).

use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Clock ticks of `/proc` per second: fixed for user space on Linux.
const TICKS_PER_SECOND: f64 = 100.0;
/// Bytes of a page in `/proc/self/stat`.
const PAGE_BYTES: f64 = 4096.0;

/// Reads `/proc` whenever it is asked.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        // Where there is no `/proc`, there is nothing to tell.
        let Ok(stat) = fs::read_to_string("/proc/self/stat") else {
            return Ok(());
        };
        let cpu = ConstCounter::new((field(&stat, 14) + field(&stat, 15)) / TICKS_PER_SECOND);
        let mut tell = |name: &str, help: &str, metric: &dyn Fn() -> f64| {
            let gauge = ConstGauge::new(metric());
            let one = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(one)
        };
        tell(
            "process_resident_memory_bytes",
            "Resident memory size in bytes",
            &|| field(&stat, 24) * PAGE_BYTES,
        )?;
        tell(
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes",
            &|| field(&stat, 23),
        )?;
        tell(
            "process_open_fds",
            "Number of open file descriptors",
            &|| fs::read_dir("/proc/self/fd").map_or(0, Iterator::count) as f64,
        )?;
        let name = "process_cpu_seconds";
        let help = "Total user and system CPU time spent in seconds";
        let one = encoder.encode_descriptor(name, help, None, cpu.metric_type())?;
        cpu.encode(one)
    }
}

/// A field of `/proc/PID/stat`, counted from 1 as in proc(5). The second one, the name, may hold anything.
fn field(stat: &str, number: usize) -> f64 {
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let value = after_name.split_whitespace().nth(number - 3);
    value.and_then(|v| v.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn fields_are_counted_behind_the_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 0 0 0 0 0 250 50 0 0 20 0 4 0 9 4096 3";
        let got = [14, 15, 23, 24].map(|n| field(stat, n));
        assert_eq!(got, [250.0, 50.0, 4096.0, 3.0]);
    }
}
