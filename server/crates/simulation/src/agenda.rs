//! What is going to happen, in order of time and, at one instant, in order of arrival.

use std::collections::BTreeMap;

use shared::Millis;

/// Things to come.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    items: BTreeMap<(Millis, u64), T>,
    order: u64,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self {
            items: BTreeMap::new(),
            order: 0,
        }
    }
}

impl<T> Agenda<T> {
    pub(crate) fn add(&mut self, at: Millis, item: T) {
        self.order += 1;
        self.items.insert((at, self.order), item);
    }

    pub(crate) fn next(&self) -> Option<Millis> {
        self.items.keys().next().map(|(at, _)| *at)
    }

    pub(crate) fn take(&mut self) -> Option<(Millis, T)> {
        self.items.pop_first().map(|((at, _), item)| (at, item))
    }
}
