//! Waiting longer after each failure: client-go's `flowcontrol.Backoff`, as the kubelet uses it for crashing containers
//! and failing pulls (10 s doubling to 300 s, forgotten after 10 minutes of peace).

use shared::Millis;

/// First delay.
pub(crate) const FIRST_MS: u64 = 10_000;
/// Longest delay.
pub(crate) const MAX_MS: u64 = 300_000;

/// The delay of one container or pull.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backoff {
    entry: Option<(u64, Millis)>,
}

impl Backoff {
    /// Counts a failure at `now`: doubles the delay, or begins anew when the last one is more than twice the longest
    /// delay ago.
    pub(crate) fn next(&mut self, now: Millis) {
        self.entry = Some(match self.entry {
            Some((delay, updated)) if now.since(updated) <= 2 * MAX_MS => {
                ((delay * 2).min(MAX_MS), now)
            }
            _ => (FIRST_MS, now),
        });
    }

    /// The delay in force, 0 before the first failure.
    pub(crate) fn delay_ms(&self) -> u64 {
        self.entry.map_or(0, |(delay, _)| delay)
    }

    /// When an attempt after a failure at `failed` is allowed: at once before the first counted failure, or when the
    /// failure came long after the last.
    pub(crate) fn until(&self, failed: Millis) -> Millis {
        match self.entry {
            Some((delay, updated)) if failed.since(updated) <= 2 * MAX_MS => failed.plus_ms(delay),
            _ => failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_the_cap() {
        let mut backoff = Backoff::default();
        let mut now = Millis(0);
        let mut seen = Vec::new();
        for _ in 0..8 {
            let start = backoff.until(now);
            seen.push(start.since(now) / 1000);
            backoff.next(start);
            now = start.plus_ms(100);
        }
        assert_eq!(seen, [0, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn ten_quiet_minutes_forget() {
        let mut backoff = Backoff::default();
        backoff.next(Millis(0));
        backoff.next(Millis(0));
        assert_eq!(backoff.delay_ms(), 20_000);
        assert_eq!(backoff.until(Millis(600_000)), Millis(620_000));
        assert_eq!(backoff.until(Millis(600_001)), Millis(600_001));
        backoff.next(Millis(600_001));
        assert_eq!(backoff.delay_ms(), FIRST_MS);
    }
}
