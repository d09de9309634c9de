//! Processor time used per second, from samples of counters.

use std::collections::BTreeMap;
use std::sync::Arc;

use io_driver::api::Api;
use io_driver::backstage::{ContainerUse, NodeUse, Nodes};
use parking_lot::Mutex;

use super::list;
use client::Options;

/// Samples are taken this often while the cluster clock runs: metrics-server's `--metric-resolution`.
const EVERY_MS: u64 = 15_000;
/// A sample that somebody asks for is taken when the last one is so old, in microseconds of the host's time.
const FRESH_US: u64 = 1_000_000;
/// A sample that is older than this says nothing about now.
const STALE_US: u64 = 60_000_000;
/// Containers that are remembered.
const CONTAINERS_MAX: usize = 200_000;

/// One container's last two samples, and the rate between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sampled {
    at_us: u64,
    cpu_ns: u64,
    nanocores: u64,
    span_us: u64,
}

/// The rates of all containers, by pod and name.
#[derive(Debug, Default)]
pub(in crate::api) struct Rates {
    containers: Mutex<BTreeMap<(String, String), Sampled>>,
}

impl Rates {
    /// Takes a sample of a node's containers at a time of the host.
    pub(super) fn sample(&self, now_us: u64, used: &NodeUse) {
        let mut containers = self.containers.lock();
        for container in &used.containers {
            let key = (container.uid.clone(), container.container.clone());
            let last = containers.get(&key).copied();
            if let Some(next) = next(last, now_us, container) {
                containers.insert(key, next);
            }
        }
        if containers.len() > CONTAINERS_MAX {
            containers.retain(|_, sampled| sampled.at_us + STALE_US > now_us);
        }
    }

    /// A container's rate, in billionths of a processor.
    pub(super) fn nanocores(&self, container: &ContainerUse) -> u64 {
        self.get(container).nanocores
    }

    /// The longest time over which the rates of containers were made, as a Go duration.
    pub(super) fn window<'a>(&self, containers: impl Iterator<Item = &'a ContainerUse>) -> String {
        let span_us = containers.map(|c| self.get(c).span_us).max().unwrap_or(0);
        format!("{:.3}s", span_us as f64 / 1e6)
    }

    fn get(&self, container: &ContainerUse) -> Sampled {
        let key = (container.uid.clone(), container.container.clone());
        self.containers
            .lock()
            .get(&key)
            .copied()
            .unwrap_or_default()
    }
}

/// The sample after `last`; `None` while that one is fresh. A container that is new, or that began again, has used what
/// it has used since its start.
fn next(last: Option<Sampled>, now_us: u64, used: &ContainerUse) -> Option<Sampled> {
    let began_us = now_us.saturating_sub(used.age_us);
    let since = last.filter(|last| {
        last.at_us >= began_us && last.cpu_ns <= used.cpu_ns && last.at_us + STALE_US > now_us
    });
    let (from_us, from_ns) = since.map_or((began_us, 0), |last| (last.at_us, last.cpu_ns));
    let span_us = now_us.saturating_sub(from_us);
    if since.is_some() && span_us < FRESH_US {
        return None;
    }
    let spent_ns = u128::from(used.cpu_ns - from_ns);
    let nanocores = spent_ns * 1_000_000 / u128::from(span_us.max(1));
    Some(Sampled {
        at_us: now_us,
        cpu_ns: used.cpu_ns,
        nanocores: u64::try_from(nanocores).unwrap_or(u64::MAX),
        span_us,
    })
}

/// Takes samples for ever.
pub(in crate::api) async fn keep_sampling(api: Arc<Api>, nodes: Arc<dyn Nodes>, rates: Arc<Rates>) {
    loop {
        api.clock().sleep_ms(EVERY_MS).await;
        let Ok(all) = list(&api, "nodes", "", Options::default()).await else {
            continue;
        };
        for node in all {
            if let Ok(used) = nodes.usage(node.name()) {
                rates.sample(api.clock().host_us(), &used);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_made_between_samples() {
        let used = |age_s: u64, cpu_ms: u64| ContainerUse {
            age_us: age_s * 1_000_000,
            cpu_ns: cpu_ms * 1_000_000,
            ..ContainerUse::default()
        };
        let second = 1_000_000;
        let mut last = None;
        for (now_s, container, millicores) in [
            // New: what it has used since its start.
            (100, used(10, 1000), Some(100)),
            (105, used(15, 3500), Some(500)),
            // Half a second later the rate stands.
            (105, used(15, 3500), None),
            // It began again.
            (110, used(2, 500), Some(250)),
            // The last sample is too old to say what it uses now, but nothing else is known.
            (300, used(192, 19_200), Some(100)),
        ] {
            let sampled = next(last, now_s * second, &container);
            assert_eq!(
                sampled.map(|s| s.nanocores / 1_000_000),
                millicores,
                "{now_s}"
            );
            last = sampled.or(last);
        }
    }
}
