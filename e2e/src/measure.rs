//! What the benches measure with: the process's own counters, percentiles, and a line per figure.

use std::fs;

use anyhow::{Context, Result};

use crate::Cluster;

/// Clock ticks of `/proc/PID/stat` per second; fixed at 100 for user space on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process has used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// CPU seconds, user and system.
    pub cpu_seconds: f64,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
}

impl Cluster {
    /// What the server process has used so far.
    ///
    /// # Errors
    /// When `/proc` does not tell.
    pub fn usage(&self) -> Result<Usage> {
        let pid = self.pid();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let ticks = |i: usize| {
            fields
                .get(i)
                .and_then(|f| f.parse::<f64>().ok())
                .unwrap_or(0.0)
        };
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let rss = status
            .lines()
            .find_map(|l| l.strip_prefix("VmRSS:"))
            .context("no VmRSS")?;
        let kib: u64 = rss.trim().trim_end_matches("kB").trim().parse()?;
        Ok(Usage {
            cpu_seconds: (ticks(11) + ticks(12)) / TICKS_PER_SECOND,
            rss_bytes: kib * 1024,
        })
    }
}

/// The value below which `share` (0 to 1) of the samples lie.
#[must_use]
pub fn percentile(samples: &mut [f64], share: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let last = samples.len().saturating_sub(1);
    samples
        .get((last as f64 * share).round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}

/// One figure, for people and for machines.
#[expect(clippy::print_stdout, reason = "the figures are what a bench is for")]
pub fn figure(scenario: &str, value: f64, unit: &str) {
    println!(
        "{}",
        serde_json::json!({"scenario": scenario, "value": (value * 1000.0).round() / 1000.0, "unit": unit})
    );
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_samples() {
        let mut samples: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&mut samples, 0.5), 50.0);
        assert_eq!(percentile(&mut samples, 0.99), 99.0);
        assert!(percentile(&mut [], 0.5).is_nan());
    }
}
