//! The work queue: which keys to look at, and when.
//!
//! As client-go's `workqueue`: a key waits at most once, is never worked on twice at a time, and a key added while it
//! is being worked on is looked at once more afterwards. Failures back off exponentially per key.

use std::collections::BTreeMap;

use shared::{Millis, Revision};

/// First retry delay (client-go's `DefaultControllerRateLimiter` starts at 5 ms).
const BACKOFF_FIRST_MS: u64 = 5;
/// Longest retry delay.
const BACKOFF_MAX_MS: u64 = 300_000;

/// Keys to look at, each with its due time and the revision that caused it.
#[derive(Debug)]
pub struct WorkQueue<K> {
    waiting: BTreeMap<K, Waiting>,
    working: BTreeMap<K, Option<Waiting>>,
    failures: BTreeMap<K, u32>,
    order: u64,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    due: Millis,
    order: u64,
    cause: Option<Revision>,
}

/// A key taken from the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken<K> {
    /// What to look at.
    pub key: K,
    /// The newest revision that asked for it; for the flow log only, never an input of the decision.
    pub cause: Option<Revision>,
}

impl<K: Ord + Clone> Default for WorkQueue<K> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            working: BTreeMap::new(),
            failures: BTreeMap::new(),
            order: 0,
        }
    }
}

impl<K: Ord + Clone> WorkQueue<K> {
    /// Asks for a look at `key` now.
    pub fn add(&mut self, key: K, now: Millis, cause: Option<Revision>) {
        self.add_at(key, now, cause);
    }

    /// Asks for a look at `key` at `due`; the earlier of two due times wins.
    pub fn add_at(&mut self, key: K, due: Millis, cause: Option<Revision>) {
        self.order += 1;
        let fresh = Waiting {
            due,
            order: self.order,
            cause,
        };
        let merge = |old: Waiting| Waiting {
            due: old.due.min(due),
            order: old.order,
            cause: cause.max(old.cause),
        };
        if let Some(slot) = self.working.get_mut(&key) {
            *slot = Some(slot.map_or(fresh, merge));
        } else {
            self.waiting
                .entry(key)
                .and_modify(|w| *w = merge(*w))
                .or_insert(fresh);
        }
    }

    /// Takes the key that has been due the longest; it counts as being worked on until [`Self::done`].
    pub fn take(&mut self, now: Millis) -> Option<Taken<K>> {
        let (key, waiting) = self
            .waiting
            .iter()
            .filter(|(_, w)| w.due <= now)
            .min_by_key(|(_, w)| (w.due, w.order))
            .map(|(k, w)| (k.clone(), *w))?;
        self.waiting.remove(&key);
        self.working.insert(key.clone(), None);
        Some(Taken {
            key,
            cause: waiting.cause,
        })
    }

    /// Ends the work on a key that went well: forgets its failures, and queues it again if it was added meanwhile.
    pub fn done(&mut self, key: &K) {
        self.failures.remove(key);
        self.finish(key);
    }

    /// Ends the work on a key that failed: it comes back after its backoff (5 ms doubling to 5 min).
    pub fn failed(&mut self, key: &K, now: Millis) {
        let failures = self.failures.entry(key.clone()).or_default();
        let delay = BACKOFF_FIRST_MS
            .saturating_mul(1 << (*failures).min(20))
            .min(BACKOFF_MAX_MS);
        *failures = failures.saturating_add(1);
        self.add_at(key.clone(), now.plus_ms(delay), None);
        self.finish(key);
    }

    fn finish(&mut self, key: &K) {
        if let Some(Some(again)) = self.working.remove(key) {
            self.waiting.insert(key.clone(), again);
        }
    }

    /// When the next key is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Millis> {
        self.waiting.values().map(|w| w.due).min()
    }

    /// How many keys wait or are being worked on.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len() + self.working.len()
    }

    /// True when nothing waits and nothing is being worked on.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_waits_once_and_comes_in_order() {
        let mut queue = WorkQueue::default();
        for key in ["a", "b", "a"] {
            queue.add(key, Millis(1), None);
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.take(Millis(1)))
            .map(|t| t.key)
            .collect();
        assert_eq!(order, ["a", "b"]);
    }

    #[test]
    fn a_key_added_while_worked_on_comes_once_more() {
        let mut queue = WorkQueue::default();
        queue.add("a", Millis(1), Some(Revision(1)));
        assert!(queue.take(Millis(1)).is_some());
        queue.add("a", Millis(1), Some(Revision(2)));
        assert_eq!(queue.take(Millis(1)), None);
        queue.done(&"a");
        assert_eq!(
            queue.take(Millis(1)),
            Some(Taken {
                key: "a",
                cause: Some(Revision(2))
            })
        );
        queue.done(&"a");
        assert!(queue.is_empty());
    }

    #[test]
    fn failures_back_off_and_success_forgets_them() {
        let mut queue = WorkQueue::default();
        queue.add("a", Millis(0), None);
        for (now, due) in [(0, 5), (5, 15), (15, 35)] {
            assert!(queue.take(Millis(now)).is_some());
            queue.failed(&"a", Millis(now));
            assert_eq!(queue.next_due(), Some(Millis(due)));
        }
        assert!(queue.take(Millis(35)).is_some());
        queue.done(&"a");
        queue.add("a", Millis(40), None);
        assert!(queue.take(Millis(40)).is_some());
        queue.failed(&"a", Millis(40));
        assert_eq!(queue.next_due(), Some(Millis(45)));
    }
}
