//! The foot of the page: the last five minutes of revisions, the present at the right.

use leptos::prelude::*;
use shared::Millis;

use crate::state::app::Truth;
use crate::state::{text, timeline};

/// Height of the ticks' field, in its own units.
const HEIGHT: f64 = 30.0;

/// Revisions as ticks.
#[component]
pub fn Foot() -> impl IntoView {
    let truth = expect_context::<Truth>();
    let revision = Memo::new(move |_| {
        truth
            .cluster
            .with(|c| (c.pulse.revision.0, c.pulse.compacted.0))
    });
    let columns = Memo::new(move |_| {
        truth
            .cluster
            .with(|c| timeline::columns(&c.ticks, c.pulse.now))
    });
    let strokes = move |of: fn(&timeline::Column) -> u16| {
        move || columns.with(|c| timeline::path(c, of, HEIGHT))
    };
    let last = Memo::new(move |_| {
        truth.cluster.with(|c| {
            let newest = c.ticks.iter().rev().take(4);
            newest
                .map(|t| format!("{} {}", t.revision, t.what))
                .collect::<Vec<_>>()
                .join(" · ")
        })
    });
    let minutes = Memo::new(move |_| {
        let now = truth.cluster.with(|c| c.pulse.now.0 / 1000 * 1000);
        (0..=5)
            .map(|i| text::clock_minute(Millis(now.saturating_sub((5 - i) * 60_000))))
            .collect::<Vec<_>>()
    });
    let history = move || {
        let (newest, compacted) = revision.get();
        match compacted {
            0 => format!("history of {} revisions", text::thousands(newest)),
            from => format!("history since {}", text::thousands(from)),
        }
    };
    view! {
        <footer class="c-foot">
            <div class="c-foot__head">
                <h2>
                    "Revision "
                    <span id="revision">{move || text::thousands(revision.get().0)}</span>
                </h2>
                <p>{history}</p>
                <p class="c-foot__last">{last}</p>
                <ul class="c-foot__legend">
                    <li data-kind="made">"created"</li>
                    <li data-kind="updated">"updated"</li>
                    <li data-kind="failed">"▲ failed"</li>
                </ul>
            </div>
            <svg
                class="c-ticks"
                role="img"
                aria-label="Revisions of the last five minutes of cluster time"
                viewBox=format!("0 0 {} {HEIGHT}", timeline::COLUMNS)
                preserveAspectRatio="none"
            >
                <path d=strokes(|c| c.updated) data-kind="updated" />
                <path d=strokes(|c| c.made) data-kind="made" />
                <path d=strokes(|c| c.failed) data-kind="failed" />
            </svg>
            <ol class="c-foot__times" aria-hidden="true">
                {move || minutes.get().into_iter().map(|m| view! { <li>{m}</li> }).collect_view()}
            </ol>
        </footer>
    }
}
