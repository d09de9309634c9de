//! What each component is doing now, for its room on the dashboard, and its work in the flow log.

use std::collections::BTreeMap;
use std::sync::Arc;

use client::Component;
use parking_lot::Mutex;
use shared::flow::Outcome;
use shared::live::ComponentPulse;

use crate::flow::{FlowLog, NewHop};

/// The rooms of this process.
#[derive(Debug)]
pub struct Rooms {
    flow: Arc<FlowLog>,
    pulses: Mutex<BTreeMap<String, ComponentPulse>>,
}

impl Rooms {
    /// Rooms whose work is recorded in `flow`.
    #[must_use]
    pub fn new(flow: Arc<FlowLog>) -> Self {
        Self {
            flow,
            pulses: Mutex::default(),
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
        self.pulses.lock().insert(pulse.component.clone(), pulse);
    }

    /// Takes a component's room away, when its node is stopped.
    pub fn leave(&self, component: &str) {
        self.pulses.lock().remove(component);
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
