//! Going back along the revisions, step by step or with the slider, and to the present again.

use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::Revision;

use crate::backend::{fetch::Failure, history};
use crate::state::app::{Hands, Truth};
use crate::state::stage::Stage;
use crate::state::{text, timeline};

/// Where one is in time, and how one moves.
#[derive(Clone, Copy)]
pub(super) struct Travel {
    truth: Truth,
    stage: Stage,
    hands: Hands,
    /// The revision that the hand points at; the page follows when it is read.
    pub(super) aim: RwSignal<Option<Revision>>,
    /// The comparison with the present is open.
    pub(super) comparing: RwSignal<bool>,
}

impl Travel {
    /// In the present.
    pub(super) fn new() -> Self {
        Self {
            truth: expect_context(),
            stage: expect_context(),
            hands: expect_context(),
            aim: RwSignal::new(None),
            comparing: RwSignal::new(false),
        }
    }

    /// Shows the cluster as of a revision.
    fn go(self, revision: Revision) {
        self.aim.set(Some(revision));
        let present = self.truth.now(Clone::clone);
        spawn_local(async move {
            let past = history::cluster(&present, revision).await;
            // The hand may have moved on while this was read.
            if self.aim.get_untracked() != Some(revision) {
                return;
            }
            match past {
                Ok(past) => {
                    self.truth.show_past(past);
                    self.stage.past.set(Some(revision));
                    self.hands.tell(format!(
                        "The page shows the cluster as of revision {revision}."
                    ));
                }
                Err(failure) => {
                    self.aim.set(self.stage.past.get_untracked());
                    self.hands.refuse(refusal(&failure, revision), None);
                }
            }
        });
    }

    /// One revision back or on. On from the newest is the present.
    fn step(self, forward: bool) {
        let from = self.aim.get_untracked();
        let next = self
            .truth
            .cluster
            .with_untracked(|c| timeline::step(&c.ticks, from, forward).map(|t| t.revision));
        match next {
            Some(revision) => self.go(revision),
            None if forward => self.now(),
            None => self
                .hands
                .tell("This is the oldest revision that the page knows."),
        }
    }

    /// The present again.
    pub(super) fn now(self) {
        self.aim.set(None);
        self.comparing.set(false);
        self.stage.past.set(None);
        self.truth.show_present();
        self.hands.tell("The page shows the present again.");
    }
}

fn refusal(failure: &Failure, revision: Revision) -> String {
    match failure {
        Failure::Refused(status) if status.code == 410 => {
            format!("Revision {revision} is no longer kept: the history before it was compacted.")
        }
        other => other.to_string(),
    }
}

/// Step, compare, now.
#[component]
pub(super) fn Buttons(travel: Travel) -> impl IntoView {
    let stage = travel.stage;
    let in_past = Memo::new(move |_| stage.past.with(Option::is_some));
    view! {
        <div class="c-foot__travel" role="group" aria-label="Go through the revisions">
            <button type="button" class="c-button c-button--small" id="revision-back" aria-label="Step back one revision" on:click=move |_| travel.step(false)>
                "‹ Step"
            </button>
            <button
                type="button"
                class="c-button c-button--small"
                id="revision-on"
                aria-label="Step on one revision"
                disabled=move || !in_past.get()
                on:click=move |_| travel.step(true)
            >
                "Step ›"
            </button>
            <button
                type="button"
                class="c-button c-button--small"
                id="compare"
                disabled=move || !in_past.get()
                title="What changed between this revision and the present; step back first"
                on:click=move |_| travel.comparing.set(true)
            >
                "Compare …"
            </button>
            <button type="button" class="c-button c-button--small" id="present" disabled=move || !in_past.get() on:click=move |_| travel.now()>
                "Now"
            </button>
        </div>
    }
}

/// A slider over the ticks, and a mark where it stands.
#[component]
pub(super) fn Slider(travel: Travel) -> impl IntoView {
    let truth = travel.truth;
    let span = timeline::SPAN_MS;
    let percent = Memo::new(move |_| {
        let aim = travel.aim.get()?;
        truth.cluster.with(|c| {
            let tick = c.ticks.iter().rev().find(|t| t.revision == aim)?;
            timeline::place(tick.at, c.pulse.now)
        })
    });
    let value = move || {
        percent
            .get()
            .map_or(span, |p| (p / 100.0 * span as f64) as u64)
            .to_string()
    };
    let revision_at = move |event: &web_sys::Event| {
        let value: u64 = event_target_value(event).parse().unwrap_or(span);
        let ago = span.saturating_sub(value);
        truth.cluster.with_untracked(|c| {
            (ago > 0).then(|| timeline::at(&c.ticks, c.pulse.now, ago).map(|t| t.revision))?
        })
    };
    let aim = move |event: web_sys::Event| travel.aim.set(revision_at(&event));
    let go = move |event: web_sys::Event| match revision_at(&event) {
        Some(revision) => travel.go(revision),
        None => travel.now(),
    };
    let keys = move |event: web_sys::KeyboardEvent| {
        let forward = match event.key().as_str() {
            "ArrowLeft" | "ArrowDown" => false,
            "ArrowRight" | "ArrowUp" => true,
            "End" => {
                event.prevent_default();
                travel.now();
                return;
            }
            _ => return,
        };
        event.prevent_default();
        travel.step(forward);
    };
    let says = move || match travel.aim.get() {
        Some(revision) => format!("revision {}", text::thousands(revision.0)),
        None => "the present".into(),
    };
    view! {
        <input
            type="range"
            class="c-foot__slider"
            id="time"
            aria-label="Revisions of the last five minutes of cluster time"
            aria-valuetext=says
            min="0"
            max=span.to_string()
            step="250"
            prop:value=value
            on:input=aim
            on:change=go
            on:keydown=keys
        />
        {move || percent.get().map(|p| view! { <i class="c-foot__mark" aria-hidden="true" style=format!("--at:{p:.2}%")></i> })}
    }
}
