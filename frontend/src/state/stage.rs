//! What the page plays: live requests, one story alone, or a moment of the past.

use leptos::prelude::*;
use shared::Revision;
use shared::flow::{Hop, TraceId};

use super::app::Nav;
use super::replay::Replay;
use super::route::Selected;
use super::trace;
use crate::graph::room::Room;

/// Signals that the panel, the foot and the drawing share. Written by `feature::panel` and `feature::foot`.
#[derive(Clone, Copy)]
pub struct Stage {
    /// A story that is played alone.
    pub replay: RwSignal<Option<Replay>>,
    /// The next write of a person opens its story.
    pub follow: RwSignal<bool>,
    /// Live requests travel slowly.
    pub slow: RwSignal<bool>,
    /// The revision that the page shows instead of the present.
    pub past: RwSignal<Option<Revision>>,
}

impl Stage {
    /// The present, live.
    #[must_use]
    pub fn new() -> Self {
        Self {
            replay: RwSignal::new(None),
            follow: RwSignal::new(false),
            slow: RwSignal::new(false),
            past: RwSignal::new(None),
        }
    }

    /// Looks at a live hop: when somebody waits to follow their next action and this is one, opens its story.
    pub fn notice(&self, hop: &Hop, nav: Nav) {
        if self.follow.get_untracked()
            && let Some(trace) = begun_by_a_person(hop)
        {
            self.follow.set(false);
            nav.select(Selected::Trace(trace));
        }
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

/// The trace of a write that came from outside: kubectl, another client, this page.
fn begun_by_a_person(hop: &Hop) -> Option<TraceId> {
    let outside = matches!(
        Room::of_component(&hop.component),
        Room::Kubectl | Room::Browser
    );
    let write = hop.phase == "request" && !trace::is_background(hop);
    (outside && write).then_some(hop.trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(component: &str, phase: &str, want: bool) {
        let hop = Hop {
            seq: 1,
            trace: TraceId(7),
            component: component.into(),
            phase: phase.into(),
            text: "POST pods/web".into(),
            object: None,
            cause: None,
            revision: None,
            start_us: 0,
            duration_us: 1,
            outcome: shared::flow::Outcome::Done,
        };
        assert_eq!(
            begun_by_a_person(&hop).is_some(),
            want,
            "{component} {phase}"
        );
    }

    #[test]
    fn only_a_persons_write_is_followed() {
        check("kubectl", "request", true);
        check("helm", "request", true);
        check("dashboard", "request", true);
        check("kubectl", "read", false);
        check("kubelet node-1", "request", false);
        check("kube-scheduler", "bind", false);
    }
}
