//! The cluster clock: the one place that reads the host's time.
//!
//! Cluster time runs at a rate: 1 follows the host, 0 stands still, 60 makes an hour a minute. Everything in the
//! cluster that waits, waits here, so that pausing, stepping and speeding up act on every timer alike.

use std::sync::Arc;
use std::time::Duration;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use shared::Millis;
use tokio::sync::watch;

/// The fastest rate: a thousand cluster seconds a second.
pub const RATE_MAX: f64 = 1000.0;
/// The rate at which a step runs to its end. Fast enough to be felt as a jump, slow enough for node leases, which
/// last 40 cluster seconds, to be renewed on the way.
const STEP_RATE: f64 = 200.0;
/// Longest single wait on the host's timer; a change of rate is noticed at once in any case.
const NAP_MAX: Duration = Duration::from_secs(60);

/// A handle to the cluster clock. Clones share it.
#[derive(Clone, Debug)]
pub struct Clock {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    started: Instant,
    started_unix: Duration,
    pace: Mutex<Pace>,
    changed: watch::Sender<u64>,
}

/// Cluster time as a line through a point, and the line it returns to once a step has reached its end.
#[derive(Clone, Copy, Debug)]
struct Pace {
    host: Duration,
    cluster_ms: f64,
    rate: f64,
    step_end: Option<StepEnd>,
}

#[derive(Clone, Copy, Debug)]
struct StepEnd {
    cluster_ms: f64,
    then_rate: f64,
}

/// Why a change of the clock was refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateError(pub f64);

impl std::fmt::Display for RateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the clock's rate must be between 0 (paused) and {RATE_MAX}, not {}",
            self.0
        )
    }
}

impl std::error::Error for RateError {}

impl Clock {
    /// Starts at the host's time, or at `not_before` when that is later: a cluster whose clock ran fast must not see
    /// its own past as the future after a restart.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn start(not_before: Millis) -> Self {
        let started_unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let at_ms = (started_unix.as_millis() as u64).max(not_before.0);
        let pace = Pace {
            host: Duration::ZERO,
            cluster_ms: at_ms as f64,
            rate: 1.0,
            step_end: None,
        };
        let inner = Inner {
            started: Instant::now(),
            started_unix,
            pace: Mutex::new(pace),
            changed: watch::Sender::new(0),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Cluster time.
    #[must_use]
    pub fn now(&self) -> Millis {
        let host = self.inner.started.elapsed();
        Millis(self.inner.pace.lock().settle(host).at(host) as u64)
    }

    /// Host time in microseconds since the Unix epoch, monotonic: for durations in the flow log, never for decisions.
    #[must_use]
    pub fn host_us(&self) -> u64 {
        (self.inner.started_unix + self.inner.started.elapsed()).as_micros() as u64
    }

    /// How fast cluster time runs; 0 while paused. During a step it is the rate that the step returns to.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let pace = self.inner.pace.lock().settle(self.inner.started.elapsed());
        pace.step_end.map_or(pace.rate, |s| s.then_rate)
    }

    /// Sets the rate from this moment on; ends a step that is under way.
    ///
    /// # Errors
    /// When `rate` is not between 0 and [`RATE_MAX`].
    pub fn set_rate(&self, rate: f64) -> Result<(), RateError> {
        if !(0.0..=RATE_MAX).contains(&rate) {
            return Err(RateError(rate));
        }
        self.change(|pace| Pace {
            rate,
            step_end: None,
            ..pace
        });
        Ok(())
    }

    /// Moves ahead by `ms` as fast as the cluster can follow, then goes on at the rate it had: every timer on the way
    /// fires in order.
    pub fn step(&self, ms: u64) {
        self.change(|pace| {
            let then_rate = pace.step_end.map_or(pace.rate, |s| s.then_rate);
            let from = pace.step_end.map_or(pace.cluster_ms, |s| s.cluster_ms);
            let step_end = Some(StepEnd {
                cluster_ms: from + ms as f64,
                then_rate,
            });
            Pace {
                rate: STEP_RATE.max(then_rate),
                step_end,
                ..pace
            }
        });
    }

    /// Moves to `at` at once if it is earlier now; nothing fires on the way. For a start only, before anything waits.
    pub fn not_before(&self, at: Millis) {
        self.change(|pace| Pace {
            cluster_ms: pace.cluster_ms.max(at.0 as f64),
            ..pace
        });
    }

    fn change(&self, change: impl FnOnce(Pace) -> Pace) {
        {
            let host = self.inner.started.elapsed();
            let mut pace = self.inner.pace.lock();
            let settled = pace.settle(host);
            *pace = change(Pace {
                host,
                cluster_ms: settled.at(host),
                ..settled
            });
        }
        self.inner
            .changed
            .send_modify(|generation| *generation += 1);
    }

    /// Waits until cluster time has reached `at`; for ever while the clock is paused before it.
    pub async fn sleep_until(&self, at: Millis) {
        let mut changed = self.inner.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let host = self.inner.started.elapsed();
            let pace = self.inner.pace.lock().settle(host);
            let Some(nap) = pace.until(at, host) else {
                if changed.changed().await.is_err() {
                    return;
                }
                continue;
            };
            if nap.is_zero() {
                return;
            }
            tokio::select! {
                biased;
                _ = changed.changed() => {}
                () = nap_for(nap.min(NAP_MAX)) => {}
            }
        }
    }

    /// Waits for `ms` of cluster time.
    pub async fn sleep_ms(&self, ms: u64) {
        self.sleep_until(self.now().plus_ms(ms)).await;
    }

    /// Told whenever the rate changes or a step begins.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
async fn nap_for(nap: Duration) {
    tokio::time::sleep(nap).await;
}

impl Pace {
    fn at(self, host: Duration) -> f64 {
        self.cluster_ms + host.saturating_sub(self.host).as_secs_f64() * 1000.0 * self.rate
    }

    /// The pace in force at `host`: a step that has reached its end continues as the line behind it.
    fn settle(self, host: Duration) -> Self {
        match self.step_end {
            Some(end) if self.at(host) >= end.cluster_ms => {
                let ran_ms = (end.cluster_ms - self.cluster_ms) / self.rate;
                let ended = self.host + Duration::from_secs_f64((ran_ms / 1000.0).max(0.0));
                Self {
                    host: ended,
                    cluster_ms: end.cluster_ms,
                    rate: end.then_rate,
                    step_end: None,
                }
            }
            _ => self,
        }
    }

    /// How long the host must wait for cluster time `at`; `None` when it never comes at this pace.
    fn until(self, at: Millis, host: Duration) -> Option<Duration> {
        let missing_ms = at.0 as f64 - self.at(host);
        if missing_ms <= 0.0 {
            return Some(Duration::ZERO);
        }
        if self.rate <= 0.0 {
            return None;
        }
        let until_step_end = self
            .step_end
            .map_or(f64::INFINITY, |s| s.cluster_ms - self.at(host));
        let wait_ms = missing_ms.min(until_step_end).max(0.0) / self.rate;
        Some(Duration::from_secs_f64(
            (wait_ms / 1000.0).clamp(0.000_1, 1e6),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(rate: f64) -> Pace {
        Pace {
            host: Duration::ZERO,
            cluster_ms: 1000.0,
            rate,
            step_end: None,
        }
    }

    #[test]
    fn time_runs_at_its_rate() {
        let second = Duration::from_secs(1);
        for (rate, at) in [(1.0, 2000.0), (0.0, 1000.0), (60.0, 61_000.0)] {
            assert_eq!(pace(rate).at(second), at);
        }
    }

    #[test]
    fn a_step_ends_and_goes_on_at_the_old_rate() {
        let step_end = Some(StepEnd {
            cluster_ms: 11_000.0,
            then_rate: 0.0,
        });
        let stepping = Pace {
            rate: 200.0,
            step_end,
            ..pace(1.0)
        };
        assert_eq!(
            stepping
                .settle(Duration::from_millis(25))
                .at(Duration::from_millis(25)),
            6000.0
        );
        let after = stepping.settle(Duration::from_secs(9));
        assert_eq!(
            (after.at(Duration::from_secs(9)), after.rate),
            (11_000.0, 0.0)
        );
    }

    #[test]
    fn waits_are_as_long_as_the_rate_makes_them() {
        let zero = Duration::ZERO;
        assert_eq!(
            pace(10.0).until(Millis(2000), zero),
            Some(Duration::from_millis(100))
        );
        assert_eq!(pace(0.0).until(Millis(2000), zero), None);
        assert_eq!(pace(0.0).until(Millis(1000), zero), Some(zero));
    }

    #[tokio::test]
    async fn a_paused_clock_is_woken_by_a_step() {
        let clock = Clock::start(Millis(0));
        assert!(clock.set_rate(0.0).is_ok());
        let at = clock.now().plus_secs(20);
        clock.step(20_000);
        clock.sleep_until(at).await;
        assert!(clock.now() >= at);
        assert_eq!(clock.rate(), 0.0);
    }

    #[test]
    fn rates_out_of_bounds_are_refused() {
        let clock = Clock::start(Millis(0));
        for rate in [-1.0, f64::NAN, 1e9] {
            assert!(clock.set_rate(rate).is_err());
        }
    }
}
