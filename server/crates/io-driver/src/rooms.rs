//! What each component is doing now, for its room on the dashboard, and its work in the flow log.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use client::{Component, Exhibit};
use parking_lot::Mutex;
use serde_json::Value;
use shared::flow::Outcome;
use shared::live::ComponentPulse;

use crate::flow::{FlowLog, NewHop};

/// How many exhibits of one component are kept; the oldest goes first.
const EXHIBITS_MAX: usize = 1024;

/// The rooms of this process.
pub struct Rooms {
    flow: Arc<FlowLog>,
    pulses: Mutex<BTreeMap<String, ComponentPulse>>,
    cases: Mutex<BTreeMap<String, Case>>,
}

/// What one component shows.
#[derive(Default)]
struct Case {
    exhibits: BTreeMap<String, Arc<dyn Exhibit>>,
    order: VecDeque<String>,
}

impl Case {
    fn put(&mut self, key: String, exhibit: Arc<dyn Exhibit>) {
        if self.exhibits.insert(key.clone(), exhibit).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > EXHIBITS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.exhibits.remove(&oldest);
        }
    }
}

impl Rooms {
    /// Rooms whose work is recorded in `flow`.
    #[must_use]
    pub fn new(flow: Arc<FlowLog>) -> Self {
        Self {
            flow,
            pulses: Mutex::default(),
            cases: Mutex::default(),
        }
    }

    /// Notes a component's state after a turn that lasted from `start_us` to `end_us`, and records what it did in the
    /// traces of what caused it.
    pub fn settle<C: Component>(&self, component: &mut C, start_us: u64, end_us: u64) {
        for done in component.done() {
            let Some(trace) = done.cause.and_then(|c| self.flow.trace_of(c)) else {
                continue;
            };
            self.flow.record(NewHop {
                trace,
                component: component.name().to_owned(),
                phase: done.phase.into(),
                text: done.text,
                object: done.object,
                cause: done.cause,
                revision: None,
                start_us,
                duration_us: end_us.saturating_sub(start_us),
                outcome: done.refused.map_or(Outcome::Done, ending),
            });
        }
        let pulse = ComponentPulse {
            component: component.name().to_owned(),
            queue: component.queue_len(),
            lines: component.lines(),
        };
        let exhibits = component.exhibits();
        if !exhibits.is_empty() {
            let mut cases = self.cases.lock();
            let case = cases.entry(pulse.component.clone()).or_default();
            exhibits.into_iter().for_each(|(k, e)| case.put(k, e));
        }
        self.pulses.lock().insert(pulse.component.clone(), pulse);
    }

    /// What a component shows under a key.
    #[must_use]
    pub fn exhibit(&self, component: &str, key: &str) -> Option<Value> {
        // Made into JSON after the lock is given back.
        let exhibit = self.cases.lock().get(component)?.exhibits.get(key).cloned();
        exhibit.map(|e| e.show())
    }

    /// Takes a component's room away, when its node is stopped.
    pub fn leave(&self, component: &str) {
        self.pulses.lock().remove(component);
        self.cases.lock().remove(component);
    }

    /// Every room.
    #[must_use]
    pub fn pulses(&self) -> Vec<ComponentPulse> {
        self.pulses.lock().values().cloned().collect()
    }
}

/// How a component's failure is told. Components hand on the apiserver's own words; these are how it says that somebody
/// else was faster, which they act upon.
fn ending(message: String) -> Outcome {
    let is_race = message.starts_with("Operation cannot be fulfilled on ")
        || message.ends_with(" already exists")
        || message.ends_with(" not found");
    if is_race {
        Outcome::Conflict(message)
    } else {
        Outcome::Refused(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Number(usize);

    impl Exhibit for Number {
        fn show(&self) -> Value {
            self.0.into()
        }
    }

    #[test]
    fn the_newest_exhibits_are_kept() {
        let mut case = Case::default();
        for n in 0..=EXHIBITS_MAX {
            case.put(n.to_string(), Arc::new(Number(n)));
            case.put("0".into(), Arc::new(Number(n)));
        }
        let shown = |key: &str| case.exhibits.get(key).map(|e| e.show());
        assert_eq!(case.exhibits.len(), EXHIBITS_MAX);
        assert_eq!((shown("1"), shown("1024")), (None, Some(Value::from(1024))));
    }
}
