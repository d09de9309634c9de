//! When each pod wants to be looked at again: one time per key, cheap to change and to ask for the next.

use std::collections::{BTreeMap, BTreeSet};

use shared::Millis;

/// At most one time per key.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    times: BTreeMap<K, Millis>,
    order: BTreeSet<(Millis, K)>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self {
            times: BTreeMap::new(),
            order: BTreeSet::new(),
        }
    }
}

impl<K: Ord + Clone> Timers<K> {
    /// Sets the time of a key, or clears it.
    pub(crate) fn set(&mut self, key: K, at: Option<Millis>) {
        let old = match at {
            Some(at) => self.times.insert(key.clone(), at),
            None => self.times.remove(&key),
        };
        if let Some(old) = old {
            self.order.remove(&(old, key.clone()));
        }
        if let Some(at) = at {
            self.order.insert((at, key));
        }
    }

    /// Forgets a key.
    pub(crate) fn clear(&mut self, key: impl Into<K>) {
        self.set(key.into(), None);
    }

    /// The earliest time.
    pub(crate) fn next(&self) -> Option<Millis> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes the keys whose time has come.
    pub(crate) fn take_due(&mut self, now: Millis) -> Vec<K> {
        let mut due = Vec::new();
        while let Some((at, key)) = self.order.pop_first() {
            if at > now {
                self.order.insert((at, key));
                break;
            }
            self.times.remove(&key);
            due.push(key);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_time_and_they_come_in_order() {
        let mut timers = Timers::default();
        for (key, at) in [
            ("a", Some(5)),
            ("b", Some(3)),
            ("a", Some(2)),
            ("c", Some(1)),
            ("c", None),
        ] {
            timers.set(key, at.map(Millis));
        }
        assert_eq!(timers.next(), Some(Millis(2)));
        assert_eq!(timers.take_due(Millis(3)), ["a", "b"]);
        assert_eq!(timers.next(), None);
    }
}
