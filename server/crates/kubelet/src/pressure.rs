//! Whether the node is short of memory or storage: thresholds, and how long a pressure lasts once it was seen.
//!
//! Hard thresholds of the original: `memory.available<100Mi`, `nodefs.available<10%`; a condition stays for
//! `evictionPressureTransitionPeriod` after the last sight of it.

use shared::Millis;

use crate::config::KubeletConfig;

/// How long a pressure is told after it was last seen.
const TRANSITION_MS: u64 = 300_000;

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Memory,
    Storage,
}

impl Signal {
    /// Both, in the order in which they are acted upon.
    pub(crate) const ALL: [Self; 2] = [Self::Memory, Self::Storage];

    /// The resource concerned.
    pub(crate) const fn resource(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Storage => "ephemeral-storage",
        }
    }

    /// The node's condition for it.
    pub(crate) const fn condition(self) -> &'static str {
        match self {
            Self::Memory => "MemoryPressure",
            Self::Storage => "DiskPressure",
        }
    }

    /// Fewer available bytes than this are too few.
    pub(crate) fn threshold(self, config: &KubeletConfig) -> u64 {
        match self {
            Self::Memory => config.eviction_memory_bytes,
            Self::Storage => {
                config.ephemeral_storage_bytes / 100 * u64::from(config.eviction_storage_percent)
            }
        }
    }

    /// How much the node has.
    pub(crate) fn capacity(self, config: &KubeletConfig) -> u64 {
        match self {
            Self::Memory => config.memory_bytes,
            Self::Storage => config.ephemeral_storage_bytes,
        }
    }
}

/// The pressures of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pressure {
    memory: Option<Millis>,
    storage: Option<Millis>,
}

impl Pressure {
    fn slot(&mut self, signal: Signal) -> &mut Option<Millis> {
        match signal {
            Signal::Memory => &mut self.memory,
            Signal::Storage => &mut self.storage,
        }
    }

    /// Takes in how much is available; true when it is too little.
    pub(crate) fn seen(
        &mut self,
        signal: Signal,
        available: u64,
        config: &KubeletConfig,
        now: Millis,
    ) -> bool {
        let short = available < signal.threshold(config);
        let slot = self.slot(signal);
        if short {
            *slot = Some(now);
        } else if slot.is_some_and(|at| now.since(at) >= TRANSITION_MS) {
            *slot = None;
        }
        short
    }

    /// True while the pressure is told.
    pub(crate) fn is_on(&self, signal: Signal) -> bool {
        match signal {
            Signal::Memory => self.memory.is_some(),
            Signal::Storage => self.storage.is_some(),
        }
    }

    /// True while any is told: the node is measured though it runs nothing.
    pub(crate) fn any(&self) -> bool {
        Signal::ALL.iter().any(|s| self.is_on(*s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_pressure_lasts_five_minutes() {
        let config = KubeletConfig::new("n1", Ipv4Addr::LOCALHOST);
        let mut pressure = Pressure::default();
        for (now, available, short, on) in [
            (0, 200 << 20, false, false),
            (10_000, 99 << 20, true, true),
            (20_000, 200 << 20, false, true),
            (309_999, 200 << 20, false, true),
            (310_000, 200 << 20, false, false),
        ] {
            let seen = pressure.seen(Signal::Memory, available, &config, Millis(now));
            assert_eq!((seen, pressure.is_on(Signal::Memory)), (short, on), "{now}");
        }
        assert!(!pressure.any());
    }
}
