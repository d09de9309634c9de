//! The foot of the page: the last five minutes of revisions, the present at the right. One can go back along it: the
//! whole page then shows the cluster as of a revision, read from the history of the store.

#![allow(
    unreachable_pub,
    reason = "leptos writes the props of a component as pub, whatever the component is"
)]

mod compare;
mod travel;

use leptos::prelude::*;
use shared::{Millis, Revision};

use crate::state::app::Truth;
use crate::state::cluster::Cluster;
use crate::state::stage::Stage;
use crate::state::{text, timeline};
use travel::Travel;

/// Height of the ticks' field, in its own units.
const HEIGHT: f64 = 30.0;

/// Revisions as ticks.
#[component]
pub fn Foot() -> impl IntoView {
    let truth = expect_context::<Truth>();
    let stage = expect_context::<Stage>();
    let travel = Travel::new();
    let revision = Memo::new(move |_| {
        truth
            .cluster
            .with(|c| (c.pulse.revision.0, c.pulse.compacted.0))
    });
    let words = Memo::new(move |_| truth.cluster.with(|c| said(c, travel.aim.get())));
    let minutes = Memo::new(move |_| {
        let now = truth.cluster.with(|c| c.pulse.now.0 / 1000 * 1000);
        (0..=5)
            .map(|i| text::clock_minute(Millis(now.saturating_sub((5 - i) * 60_000))))
            .collect::<Vec<_>>()
    });
    let history = move || match revision.get() {
        (newest, 0) => format!("history of {} revisions", text::thousands(newest)),
        (_, from) => format!("history since {}", text::thousands(from)),
    };
    let is_past = move || stage.past.with(Option::is_some);
    let shown = move || stage.past.get().map_or_else(|| revision.get().0, |r| r.0);
    view! {
        <footer class="c-foot" data-past=move || is_past().to_string()>
            <div class="c-foot__head">
                <h2>
                    "Revision "
                    <span id="revision">{move || text::thousands(shown())}</span>
                </h2>
                <p class="c-foot__history">{history}</p>
                <p class="c-foot__last">{words}</p>
                <ul class="c-foot__legend">
                    <li data-kind="made">"created"</li>
                    <li data-kind="updated">"updated"</li>
                    <li data-kind="failed">"▲ failed"</li>
                </ul>
                <travel::Buttons travel=travel />
            </div>
            <div class="c-foot__field">
                <Ticks />
                <travel::Slider travel=travel />
            </div>
            <ol class="c-foot__times" aria-hidden="true">
                {move || minutes.get().into_iter().map(|m| view! { <li>{m}</li> }).collect_view()}
            </ol>
            <Show when=move || travel.comparing.get()>
                <compare::Compare travel=travel />
            </Show>
        </footer>
    }
}

#[component]
fn Ticks() -> impl IntoView {
    let truth = expect_context::<Truth>();
    let columns = Memo::new(move |_| {
        truth
            .cluster
            .with(|c| timeline::columns(&c.ticks, c.pulse.now))
    });
    let strokes = move |of: fn(&timeline::Column) -> u16| {
        move || columns.with(|c| timeline::path(c, of, HEIGHT))
    };
    view! {
        <svg
            class="c-ticks"
            aria-hidden="true"
            viewBox=format!("0 0 {} {HEIGHT}", timeline::COLUMNS)
            preserveAspectRatio="none"
        >
            <path d=strokes(|c| c.updated) data-kind="updated" />
            <path d=strokes(|c| c.made) data-kind="made" />
            <path d=strokes(|c| c.failed) data-kind="failed" />
        </svg>
    }
}

/// The revision that is aimed at in words, or the last few.
fn said(c: &Cluster, aim: Option<Revision>) -> String {
    if let Some(aim) = aim {
        let tick = c.ticks.iter().rev().find(|t| t.revision == aim);
        return tick.map_or_else(
            || format!("{aim}"),
            |t| format!("{} {aim} {}", text::clock(t.at), t.what),
        );
    }
    let newest = c
        .ticks
        .iter()
        .rev()
        .filter(|t| !timeline::is_housekeeping(t));
    newest
        .take(4)
        .map(|t| format!("{} {}", t.revision, t.what))
        .collect::<Vec<_>>()
        .join(" · ")
}
