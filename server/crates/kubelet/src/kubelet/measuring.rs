//! Watching what the pods use, and evicting who has to go.

use std::collections::BTreeMap;

use shared::Millis;

use super::Kubelet;
use crate::eviction::{self, Candidate};
use crate::pressure::{Pressure, Signal};
use crate::runtime::{PodUid, PodUsage, RuntimeCommand};

/// How often memory is measured while pods run (`housekeeping` of the eviction manager).
const MEASURE_MS: u64 = 10_000;
/// How often storage is measured unless a pod has a limit there (`volumeStatsAggPeriod`).
const STORAGE_MS: u64 = 60_000;
/// What an evicted pod's containers get (`immediateEvictionGracePeriodSeconds`).
const GRACE_MS: u64 = 1000;

/// When to measure, and what was found.
#[derive(Debug, Default)]
pub(super) struct Monitor {
    due: Millis,
    storage_due: Millis,
    in_flight: bool,
    pressure: Pressure,
    usage: BTreeMap<PodUid, PodUsage>,
}

impl Monitor {
    pub(super) fn pressure(&self) -> Pressure {
        self.pressure
    }

    /// Takes in a measurement; without storage, what was known of it stays.
    fn take(&mut self, mut pods: BTreeMap<PodUid, PodUsage>, storage: bool) {
        if !storage {
            for (uid, usage) in &mut pods {
                let Some(known) = self.usage.remove(uid) else {
                    continue;
                };
                usage.volumes = known.volumes;
                for (name, container) in &mut usage.containers {
                    let old = known.containers.get(name);
                    container.storage_bytes = old.map_or(0, |o| o.storage_bytes);
                }
            }
        }
        self.usage = pods;
    }
}

impl Kubelet {
    fn has_active(&self) -> bool {
        self.pods.values().any(|k| !k.worker.is_ended())
    }

    pub(super) fn measuring_wake(&self) -> Option<Millis> {
        let wanted = self.has_active() || self.monitor.pressure.any();
        (wanted && !self.monitor.in_flight).then_some(self.monitor.due)
    }

    /// Asks for a measurement when it is time.
    pub(super) fn keep_measuring(&mut self, now: Millis) {
        if self.measuring_wake().is_none_or(|at| at > now) {
            return;
        }
        let limited = self.pods.values().any(|k| k.worker.spec.limits_storage());
        let storage = limited || self.monitor.storage_due <= now;
        if storage {
            self.monitor.storage_due = now.plus_ms(STORAGE_MS);
        }
        self.monitor.due = now.plus_ms(MEASURE_MS);
        self.monitor.in_flight = true;
        self.out
            .commands
            .push_back(RuntimeCommand::Measure { storage });
    }

    /// The engine measured: conditions follow, and pods are evicted.
    pub(super) fn measured(
        &mut self,
        pods: BTreeMap<PodUid, PodUsage>,
        storage: bool,
        now: Millis,
    ) {
        self.monitor.in_flight = false;
        self.monitor.take(pods, storage);
        let before = self.monitor.pressure;
        let evicted = self.evict_over_limits(now);
        let mut short = None;
        for signal in Signal::ALL {
            let left = self.available(signal);
            let pressure = &mut self.monitor.pressure;
            if pressure.seen(signal, left, &self.config, now) && short.is_none() {
                short = Some((signal, left));
            }
        }
        // One pod a time: what it frees is seen at the next measurement.
        if let (Some((signal, available)), false) = (short, evicted) {
            self.evict_one(signal, available, now);
        }
        let on = |p: Pressure| Signal::ALL.map(|s| p.is_on(s));
        if on(before) != on(self.monitor.pressure) {
            self.node.touch();
        }
    }

    fn available(&self, signal: Signal) -> u64 {
        let used = self.monitor.usage.iter().filter_map(|(uid, usage)| {
            let kept = self.pods.get(uid)?;
            Some(eviction::used(&kept.worker.spec, usage, signal))
        });
        let used = used.fold(0, u64::saturating_add);
        signal.capacity(&self.config).saturating_sub(used)
    }

    /// Pods that store more than they may go, whatever room there is.
    fn evict_over_limits(&mut self, now: Millis) -> bool {
        let over = self.monitor.usage.iter().filter_map(|(uid, usage)| {
            let worker = &self.pods.get(uid)?.worker;
            let message = eviction::over_its_limits(&worker.spec, usage)?;
            worker.ending.is_none().then_some((uid.clone(), message))
        });
        let over: Vec<_> = over.collect();
        for (uid, message) in &over {
            self.evict(uid, message, now);
        }
        !over.is_empty()
    }

    fn evict_one(&mut self, signal: Signal, available: u64, now: Millis) {
        let candidates = self.monitor.usage.iter().filter_map(|(uid, usage)| {
            let kept = self.pods.get(uid)?;
            let may = kept.worker.ending.is_none() && kept.mirror.is_none();
            may.then_some(Candidate {
                uid,
                spec: &kept.worker.spec,
                usage,
            })
        });
        let candidates: Vec<_> = candidates.collect();
        if let Some((uid, message)) = eviction::choose(&candidates, signal, available, &self.config)
        {
            self.evict(&uid, &message, now);
        }
    }

    fn evict(&mut self, uid: &str, message: &str, now: Millis) {
        self.with(uid, now, |w, ctx| w.evict(message, GRACE_MS, ctx));
    }
}
