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
    /// The keys of `waiting`, the longest due first.
    in_order: BTreeMap<(Millis, u64), K>,
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

impl Waiting {
    /// The earlier due time, the older place in line, the newer cause.
    fn merge(self, other: Self) -> Self {
        Self {
            due: self.due.min(other.due),
            order: self.order.min(other.order),
            cause: self.cause.max(other.cause),
        }
    }
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
            in_order: BTreeMap::new(),
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
        if let Some(slot) = self.working.get_mut(&key) {
            *slot = Some(slot.map_or(fresh, |old| old.merge(fresh)));
        } else {
            self.wait(key, fresh);
        }
    }

    fn wait(&mut self, key: K, fresh: Waiting) {
        let waiting = match self.waiting.get(&key) {
            Some(old) => {
                self.in_order.remove(&(old.due, old.order));
                old.merge(fresh)
            }
            None => fresh,
        };
        self.in_order
            .insert((waiting.due, waiting.order), key.clone());
        self.waiting.insert(key, waiting);
    }

    /// Takes the key that has been due the longest; it counts as being worked on until [`Self::done`].
    pub fn take(&mut self, now: Millis) -> Option<Taken<K>> {
        let first = self.in_order.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let key = first.remove();
        let waiting = self.waiting.remove(&key)?;
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
            self.wait(key.clone(), again);
        }
    }

    /// When the next key is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Millis> {
        self.in_order.first_key_value().map(|((due, _), _)| *due)
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
    fn the_earlier_of_two_due_times_wins() {
        let mut queue = WorkQueue::default();
        queue.add_at("late", Millis(9), None);
        queue.add_at("other", Millis(5), None);
        queue.add_at("late", Millis(2), None);
        assert_eq!((queue.next_due(), queue.len()), (Some(Millis(2)), 2));
        let order: Vec<_> = std::iter::from_fn(|| queue.take(Millis(9)))
            .map(|t| t.key)
            .collect();
        assert_eq!(order, ["late", "other"]);
        assert_eq!(queue.next_due(), None);
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
