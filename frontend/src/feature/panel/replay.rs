//! Playing a story again in slow motion, step by step or by itself. The drawing plays what this moves.

use leptos::prelude::*;

use crate::backend::browser;
use crate::state::app::Hands;
use crate::state::replay::{LEG_MS, Replay};
use crate::state::stage::Stage;
use crate::state::trace::Journey;

/// The buttons above the steps.
#[component]
pub(super) fn Controls(journey: Memo<Journey>) -> impl IntoView {
    let stage = expect_context::<Stage>();
    let hands = expect_context::<Hands>();
    let is_on = Memo::new(move |_| stage.replay.with(Option::is_some));
    let begin = move |playing: bool| {
        stage
            .replay
            .set(journey.with_untracked(|j| Replay::of(&j.steps, playing)));
        hands.tell("Live requests are hidden while this story is played.");
        wind(stage);
    };
    let go = move |by: isize| {
        stage.replay.update(|r| {
            if let Some(r) = r {
                r.go(r.at.saturating_add_signed(by));
            }
        });
    };
    let toggle = move |_| {
        stage.replay.update(|r| {
            if let Some(r) = r {
                r.toggle();
            }
        });
        wind(stage);
    };
    let at = move || {
        let place = stage
            .replay
            .with(|r| r.as_ref().map(|r| (r.at + 1, r.stops.len())));
        place.map_or_else(String::new, |(at, all)| format!("{at} of {all}"))
    };
    let playing = move || stage.replay.with(|r| r.as_ref().is_some_and(|r| r.playing));
    // Another selection is another story.
    on_cleanup(move || {
        let _ = stage.replay.try_set(None);
    });
    view! {
        <div class="c-replay" role="group" aria-label="Play this story">
            <Show
                when=move || is_on.get()
                fallback=move || {
                    view! {
                        <button type="button" class="c-button c-button--small" id="replay" on:click=move |_| begin(true)>
                            "▶ Play slowly"
                        </button>
                        <button type="button" class="c-button c-button--small" id="replay-step" on:click=move |_| begin(false)>
                            "Step through"
                        </button>
                    }
                }
            >
                <button type="button" class="c-button c-button--small" aria-label="Back one step" on:click=move |_| go(-1)>
                    "‹"
                </button>
                <button type="button" class="c-button c-button--small" id="replay-toggle" on:click=toggle>
                    {move || if playing() { "❚❚ Pause" } else { "▶ Play" }}
                </button>
                <button type="button" class="c-button c-button--small" id="replay-next" aria-label="On one step" on:click=move |_| go(1)>
                    "›"
                </button>
                <span class="c-replay__at">{at}</span>
                <span class="u-space"></span>
                <button type="button" class="c-button c-button--small" id="replay-end" on:click=move |_| stage.replay.set(None)>
                    "Live again"
                </button>
            </Show>
        </div>
    }
}

/// Sets the clock for the next move, if the story plays.
fn wind(stage: Stage) {
    let turn = stage
        .replay
        .with_untracked(|r| r.as_ref().filter(|r| r.playing).map(|r| r.turn));
    let Some(turn) = turn else { return };
    browser::after(LEG_MS, move || {
        let moved = stage
            .replay
            .try_update(|r| r.as_mut().is_some_and(|r| r.ring(turn)));
        if moved == Some(true) {
            wind(stage);
        }
    });
}
