//! A container's processor time: counted whenever one of its instances runs, and held to its limit.
//!
//! A limit of N millicores is N x 100 us in every period of 100 ms, as the CFS quota of a Linux container is. A guest
//! is interrupted at every tick of the epoch ([`Ticker`]); what it used beyond its quota is a debt that it waits off.
//! It is never killed. Periods are the host's time: the cluster clock's rate does not make processors faster. Host
//! calls that run on the guest's thread are charged to the guest. CPU requests (weights) are not enforced.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use io_clock::Clock;
use parking_lot::Mutex;

/// A quota is per this period: CFS' default.
const PERIOD_US: u64 = 100_000;
/// How often a running guest is interrupted.
const TICK: Duration = Duration::from_millis(5);
/// Ticks without a running guest after which the ticker sleeps.
const IDLE_TICKS: u32 = 200;

/// What one container may use and has used.
#[derive(Debug)]
pub struct CpuAccount {
    clock: Clock,
    limit_millis: Option<u64>,
    bucket: Mutex<Bucket>,
    used_ns: AtomicU64,
    throttled_us: AtomicU64,
    throttled_times: AtomicU64,
}

#[derive(Debug)]
struct Bucket {
    period_us: u64,
    left_ns: i64,
}

impl CpuAccount {
    /// An account with a limit in millicores.
    #[must_use]
    pub fn new(clock: Clock, limit_millis: Option<u64>) -> Arc<Self> {
        let bucket = Bucket {
            period_us: clock.host_us(),
            left_ns: quota_ns(limit_millis),
        };
        Arc::new(Self {
            clock,
            limit_millis,
            bucket: Mutex::new(bucket),
            used_ns: AtomicU64::new(0),
            throttled_us: AtomicU64::new(0),
            throttled_times: AtomicU64::new(0),
        })
    }

    /// Processor time used, in nanoseconds.
    #[must_use]
    pub fn used_ns(&self) -> u64 {
        self.used_ns.load(Ordering::Relaxed)
    }

    /// Time spent waiting for quota, in microseconds.
    #[must_use]
    pub fn throttled_us(&self) -> u64 {
        self.throttled_us.load(Ordering::Relaxed)
    }

    /// How often it had to wait.
    #[must_use]
    pub fn throttled_times(&self) -> u64 {
        self.throttled_times.load(Ordering::Relaxed)
    }

    fn charge(&self, ns: u64) {
        self.used_ns.fetch_add(ns, Ordering::Relaxed);
        if self.limit_millis.is_some() {
            self.bucket.lock().left_ns -= i64::try_from(ns).unwrap_or(i64::MAX);
        }
    }

    /// How long to wait before running on.
    fn wait(&self) -> Option<Duration> {
        self.limit_millis?;
        let quota = quota_ns(self.limit_millis);
        let wait_us = self.bucket.lock().wait_us(self.clock.host_us(), quota)?;
        self.throttled_us.fetch_add(wait_us, Ordering::Relaxed);
        self.throttled_times.fetch_add(1, Ordering::Relaxed);
        Some(Duration::from_micros(wait_us))
    }
}

/// A period's share; at least 1 us so that every debt ends.
fn quota_ns(limit_millis: Option<u64>) -> i64 {
    limit_millis.map_or(i64::MAX, |millis| {
        i64::try_from(millis.clamp(1, 1_000_000) * PERIOD_US).unwrap_or(i64::MAX)
    })
}

impl Bucket {
    /// Fills up for the periods that have begun since; then the time until the debt is paid.
    fn wait_us(&mut self, now_us: u64, quota_ns: i64) -> Option<u64> {
        let periods = now_us.saturating_sub(self.period_us) / PERIOD_US;
        if periods > 0 {
            let refill = quota_ns.saturating_mul(i64::try_from(periods).unwrap_or(i64::MAX));
            self.left_ns = self.left_ns.saturating_add(refill).min(quota_ns);
            self.period_us += periods * PERIOD_US;
        }
        if self.left_ns > 0 {
            return None;
        }
        let debt_periods = self.left_ns.unsigned_abs() / quota_ns.unsigned_abs() + 1;
        Some((self.period_us + debt_periods * PERIOD_US).saturating_sub(now_us))
    }
}

/// Runs a guest's future on its container's account.
pub(crate) struct Metered<F> {
    inner: Pin<Box<F>>,
    account: Arc<CpuAccount>,
    ticker: Ticker,
    waiting: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl<F: Future> Metered<F> {
    pub(crate) fn new(inner: F, account: Arc<CpuAccount>, ticker: Ticker) -> Self {
        Self {
            inner: Box::pin(inner),
            account,
            ticker,
            waiting: None,
        }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        loop {
            if let Some(waiting) = &mut this.waiting {
                std::task::ready!(waiting.as_mut().poll(cx));
                this.waiting = None;
            }
            let Some(wait) = this.account.wait() else {
                break;
            };
            this.waiting = Some(Box::pin(host_sleep(wait)));
        }
        let _running = this.ticker.running();
        let before = thread_cpu_ns();
        let result = this.inner.as_mut().poll(cx);
        this.account.charge(thread_cpu_ns().saturating_sub(before));
        result
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a processor's time is the host's"
)]
fn host_sleep(wait: Duration) -> tokio::time::Sleep {
    tokio::time::sleep(wait)
}

/// Processor time of this thread: a guest is not charged for what other processes took meanwhile.
fn thread_cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
        + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// Advances the engine's epoch while guests run; sleeps when none does.
#[derive(Clone)]
pub(crate) struct Ticker {
    inner: Arc<TickerInner>,
}

struct TickerInner {
    running: AtomicU64,
    asleep: AtomicBool,
    thread: Mutex<Option<std::thread::Thread>>,
}

/// While it lives, the epoch advances.
pub(crate) struct Running<'a> {
    inner: &'a TickerInner,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.inner.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Ticker {
    /// Starts the thread; it ends when all handles are gone.
    pub(crate) fn start(engine: wasmtime::EngineWeak) -> std::io::Result<Self> {
        let inner = Arc::new(TickerInner {
            running: AtomicU64::new(0),
            asleep: AtomicBool::new(false),
            thread: Mutex::new(None),
        });
        let weak = Arc::downgrade(&inner);
        let thread = std::thread::Builder::new()
            .name("wasm-epoch".to_owned())
            .spawn(move || {
                let mut idle = 0;
                while let (Some(engine), Some(inner)) = (engine.upgrade(), weak.upgrade()) {
                    engine.increment_epoch();
                    if inner.running.load(Ordering::SeqCst) > 0 {
                        idle = 0;
                    } else {
                        idle += 1;
                    }
                    let nap = if idle > IDLE_TICKS {
                        inner.asleep.store(true, Ordering::SeqCst);
                        // Whoever began to run before seeing the flag is seen here.
                        let quiet = inner.running.load(Ordering::SeqCst) == 0;
                        if quiet { Duration::from_secs(1) } else { TICK }
                    } else {
                        TICK
                    };
                    drop((engine, inner));
                    std::thread::park_timeout(nap);
                    if let Some(inner) = weak.upgrade() {
                        inner.asleep.store(false, Ordering::SeqCst);
                    }
                }
            })?;
        *inner.thread.lock() = Some(thread.thread().clone());
        Ok(Self { inner })
    }

    /// Says that a guest runs.
    pub(crate) fn running(&self) -> Running<'_> {
        self.inner.running.fetch_add(1, Ordering::SeqCst);
        if self.inner.asleep.swap(false, Ordering::SeqCst)
            && let Some(thread) = &*self.inner.thread.lock()
        {
            thread.unpark();
        }
        Running { inner: &self.inner }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bucket of 200 millicores (20 ms a period) that began at 0 and is asked at `now_us` after using `used_ns`.
    fn wait(used_ns: i64, now_us: u64) -> Option<u64> {
        let quota = quota_ns(Some(200));
        let mut bucket = Bucket {
            period_us: 0,
            left_ns: quota - used_ns,
        };
        bucket.wait_us(now_us, quota)
    }

    #[test]
    fn quota_is_per_period_and_debts_are_waited_off() {
        for (used_ms, now_ms, wait_ms) in [
            (0, 0, None),
            (19, 50, None),
            (20, 50, Some(50)),
            (25, 50, Some(50)),
            (25, 100, None),
            (45, 50, Some(150)),
            (45, 150, Some(50)),
            (45, 250, None),
            (0, 10_000, None),
        ] {
            assert_eq!(
                wait(used_ms * 1_000_000, now_ms * 1000),
                wait_ms.map(|ms: u64| ms * 1000),
                "{used_ms} ms used, asked at {now_ms} ms"
            );
        }
    }

    #[test]
    fn unused_quota_is_not_saved_up() {
        let quota = quota_ns(Some(200));
        let mut bucket = Bucket {
            period_us: 0,
            left_ns: quota,
        };
        assert_eq!(bucket.wait_us(1_000_000, quota), None);
        assert_eq!(bucket.left_ns, quota);
    }
}
