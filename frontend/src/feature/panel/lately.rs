//! With nothing selected: how the cluster is, and what happened last, newest first.

use leptos::prelude::*;

use crate::state::app::{Hands, Nav, Truth};
use crate::state::node::Scene;
use crate::state::pod::Look;
use crate::state::route::Selected;
use crate::state::stage::Stage;
use crate::state::text;
use crate::state::trace::{self, Recent};
use crate::ui::state_word::StateWord;

/// Stories in the list.
const MOST: usize = 30;

/// What happened last.
#[component]
pub(super) fn Lately() -> impl IntoView {
    let truth = expect_context::<Truth>();
    let recent = Memo::new(move |_| truth.cluster.with(|c| trace::recent(c, MOST)));
    let health = Memo::new(move |_| truth.scene.with(health));
    view! {
        <div class="c-panel__head">
            <div>
                <h2 id="panel-title" tabindex="-1">
                    "What happens here"
                </h2>
                <p class="c-panel__sub">"the cluster, newest first"</p>
            </div>
        </div>
        <div class="c-panel__body" role="region" aria-labelledby="panel-title" tabindex="0">
            <p class="c-story">
                {move || health.with(|(look, words)| view! { <StateWord look=Signal::stored(*look) word=Signal::stored(words.clone()) /> })}
            </p>
            <Watching />
            <ol class="c-recent" id="recent">
                <For each=move || recent.get() key=|r| (r.trace, r.hops, r.ending) let:recent>
                    <li>
                        <OneRecent recent=recent />
                    </li>
                </For>
            </ol>
            <Show when=move || recent.with(Vec::is_empty)>
                <p class="c-quiet">
                    "Nothing was asked yet. Drag a workload from the left onto a node, or run a kubectl command: its path appears here, hop by hop."
                </p>
            </Show>
        </div>
    }
}

/// How one watches: following the next action, in slow motion.
#[component]
fn Watching() -> impl IntoView {
    let stage = expect_context::<Stage>();
    let hands = expect_context::<Hands>();
    let follow = move |_| {
        stage.follow.update(|f| *f = !*f);
        if stage.follow.get_untracked() {
            hands.tell("The next thing that you or kubectl writes opens its story here.");
        }
    };
    view! {
        <div class="c-replay" role="group" aria-label="How to watch">
            <button
                type="button"
                class="c-button c-button--small"
                id="follow"
                aria-pressed=move || stage.follow.get().to_string()
                title="The next write from outside opens its story"
                on:click=follow
            >
                {move || if stage.follow.get() { "Waiting for your next action …" } else { "Follow my next action" }}
            </button>
            <button
                type="button"
                class="c-button c-button--small"
                id="slow"
                aria-pressed=move || stage.slow.get().to_string()
                title="Requests travel five times slower through the drawing"
                on:click=move |_| stage.slow.update(|s| *s = !*s)
            >
                "Slow motion"
            </button>
        </div>
    }
}

#[component]
fn OneRecent(recent: Recent) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let id = recent.trace;
    let conflict = (recent.ending == "conflict").then_some(" ◔ conflict, tried again");
    view! {
        <button type="button" data-ending=recent.ending on:click=move |_| nav.select(Selected::Trace(id))>
            <b>{recent.who}</b>
            <code>{text::count(recent.hops, "hop")}</code>
            <span>
                {recent.text}
                {conflict.map(|words| view! { <em>{words}</em> })}
            </span>
        </button>
    }
}

/// One sentence on how the cluster is.
fn health(s: &Scene) -> (Look, String) {
    let nodes = &s.nodes;
    let ready = nodes
        .iter()
        .filter(|n| n.status.starts_with("Ready"))
        .count();
    let pods = || nodes.iter().flat_map(|n| &n.pods).chain(&s.waiting);
    let with = |look: Look| pods().filter(|p| p.look == look).count();
    let all = pods().count();
    let (failing, working) = (
        with(Look::Failing),
        with(Look::Working) + with(Look::Waiting),
    );
    if nodes.is_empty() {
        (Look::Waiting, "No node has joined yet.".into())
    } else if ready < nodes.len() {
        let silent = text::count(nodes.len() - ready, "node");
        (
            Look::Failing,
            format!("{silent} of {} not Ready.", nodes.len()),
        )
    } else if failing > 0 {
        (
            Look::Failing,
            format!(
                "{} failing; all {} Ready.",
                text::count(failing, "pod"),
                text::count(ready, "node")
            ),
        )
    } else if working > 0 {
        (
            Look::Waiting,
            format!(
                "{} on the way; all {} Ready.",
                text::count(working, "pod"),
                text::count(ready, "node")
            ),
        )
    } else if all == 0 {
        (
            Look::Ready,
            format!("All {} Ready, no pods yet.", text::count(ready, "node")),
        )
    } else {
        (
            Look::Ready,
            format!(
                "All {} Ready, all {} as asked.",
                text::count(ready, "node"),
                text::count(all, "pod")
            ),
        )
    }
}
