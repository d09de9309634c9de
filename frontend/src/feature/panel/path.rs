//! "How it came to be": one sentence, then the hops on one time axis. With nothing selected: what happened lately.

use leptos::prelude::*;

use crate::state::app::{Nav, Truth};
use crate::state::pod::{Look, PodView};
use crate::state::route::Selected;
use crate::state::text;
use crate::state::trace::{self, Journey, Recent, Step};
use crate::ui::state_word::StateWord;

/// Hops of a component, and stories in the list.
const MOST: usize = 30;

/// The story of what is selected.
#[component]
pub(super) fn Path(at: Selected) -> impl IntoView {
    let truth = expect_context::<Truth>();
    match at {
        Selected::Component(name) => view! { <Did component=name /> }.into_any(),
        Selected::Trace(id) => {
            let journey = Memo::new(move |_| truth.cluster.with(|c| trace::of_trace(c, id)));
            view! { <Story journey=journey /> }.into_any()
        }
        Selected::Object(plural, key) => {
            let pod = {
                let (plural, key) = (plural.clone(), key.clone());
                Memo::new(move |_| {
                    truth
                        .cluster
                        .with(|c| c.pods.get(&key).filter(|_| plural == "pods").cloned())
                })
            };
            let gone = {
                let (plural, key) = (plural.clone(), key.clone());
                Memo::new(move |_| {
                    truth
                        .cluster
                        .with(|c| c.hello.is_some() && c.get(&plural, &key).is_none())
                })
            };
            let journey =
                Memo::new(move |_| truth.cluster.with(|c| trace::of_object(c, &plural, &key)));
            view! {
                <Show when=move || gone.get()>
                    <p class="c-story">"It is not in the cluster (any more)."</p>
                </Show>
                <Show when=move || !gone.get()>
                    <Sentence journey=journey />
                    {move || pod.get().map(|p| facts(&p))}
                    <Steps journey=journey />
                </Show>
            }
            .into_any()
        }
        Selected::Nothing => ().into_any(),
    }
}

#[component]
fn Story(journey: Memo<Journey>) -> impl IntoView {
    view! {
        <Sentence journey=journey />
        <Steps journey=journey />
    }
}

#[component]
fn Sentence(journey: Memo<Journey>) -> impl IntoView {
    let sentence = move || match journey.with(|j| j.sentence.clone()) {
        s if s.is_empty() => "The flow log no longer holds its hops.".to_owned(),
        s => s,
    };
    view! { <p class="c-story">{sentence}</p> }
}

/// The three facts that the eye looks for first.
fn facts(pod: &PodView) -> impl IntoView + use<> {
    let node = if pod.node.is_empty() {
        "none yet".to_owned()
    } else {
        pod.node.clone()
    };
    let (look, status) = (pod.look, pod.status.clone());
    let ip = if pod.ip.is_empty() {
        "none yet".to_owned()
    } else {
        pod.ip.clone()
    };
    view! {
        <dl class="c-facts">
            <div>
                <dt>"Status"</dt>
                <dd id="panel-status">
                    <StateWord look=Signal::stored(look) word=Signal::stored(status) />
                </dd>
            </div>
            <div>
                <dt>"Node"</dt>
                <dd>
                    <code>{node}</code>
                </dd>
            </div>
            <div>
                <dt>"Address"</dt>
                <dd>
                    <code>{ip}</code>
                </dd>
            </div>
        </dl>
    }
}

#[component]
fn Steps(journey: Memo<Journey>) -> impl IntoView {
    let axis = move || {
        journey.with(|j| (!j.total.is_empty() && !j.steps.is_empty()).then(|| j.total.clone()))
    };
    view! {
        {move || axis().map(|total| view! { <p class="c-axis"><span>"0"</span><span>{total}</span></p> })}
        <ol class="c-steps">{move || journey.with(|j| j.steps.iter().map(step).collect_view())}</ol>
    }
}

fn step(s: &Step) -> impl IntoView + use<> {
    let bar = (s.width > 0.0).then(|| {
        let style = format!("--from:{:.2}%;--part:{:.2}%", s.from, s.width);
        view! {
            <span class="c-step__axis" aria-hidden="true">
                <i style=style></i>
            </span>
        }
    });
    let refused = s
        .refused
        .clone()
        .map(|why| view! { <span class="c-step__refused">{format!("▲ {why}")}</span> });
    view! {
        <li data-refused=s.refused.is_some().to_string() data-component=s.component.clone()>
            <b>{s.component.clone()}</b>
            <code class="c-step__time">{s.duration.clone()}</code>
            <span class="c-step__text">{s.text.clone()}</span>
            {refused}
            {bar}
        </li>
    }
}

/// What a component did last.
#[component]
fn Did(component: String) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let nav = expect_context::<Nav>();
    let what = crate::graph::room::what_is(&component);
    let hops = Memo::new(move |_| {
        truth
            .cluster
            .with(|c| trace::of_component(c, &component, MOST))
    });
    view! {
        <p class="c-story">{what}</p>
        <ol class="c-recent">
            {move || {
                hops.get()
                    .into_iter()
                    .map(|hop| {
                        let id = hop.trace;
                        let refused = hop.outcome != shared::flow::Outcome::Done;
                        view! {
                            <li>
                                <button type="button" data-refused=refused.to_string() on:click=move |_| nav.select(Selected::Trace(id))>
                                    <b>{hop.phase.clone()}</b>
                                    <code>{text::duration_us(hop.duration_us)}</code>
                                    <span>{hop.text.clone()}</span>
                                </button>
                            </li>
                        }
                    })
                    .collect_view()
            }}
        </ol>
        <Show when=move || hops.with(Vec::is_empty)>
            <p class="c-quiet">"The flow log holds nothing of it yet."</p>
        </Show>
    }
}

/// With nothing selected: what happened last, newest first.
#[component]
pub(super) fn Lately() -> impl IntoView {
    let truth = expect_context::<Truth>();
    let recent = Memo::new(move |_| truth.cluster.with(|c| trace::recent(c, MOST)));
    let health = Memo::new(move |_| truth.cluster.with(health));
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
            <ol class="c-recent" id="recent">
                {move || recent.get().into_iter().map(|r| view! { <li><OneRecent recent=r /></li> }).collect_view()}
            </ol>
            <Show when=move || recent.with(Vec::is_empty)>
                <p class="c-quiet">
                    "Nothing was asked yet. Drag a workload from the left onto a node, or run a kubectl command: its path appears here, hop by hop."
                </p>
            </Show>
        </div>
    }
}

#[component]
fn OneRecent(recent: Recent) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let id = recent.trace;
    view! {
        <button type="button" data-refused=recent.refused.to_string() on:click=move |_| nav.select(Selected::Trace(id))>
            <b>{recent.who}</b>
            <code>{text::count(recent.hops, "hop")}</code>
            <span>{recent.text}</span>
        </button>
    }
}

/// One sentence on how the cluster is.
fn health(c: &crate::state::cluster::Cluster) -> (Look, String) {
    let nodes = c.shelf("nodes");
    let ready = nodes
        .values()
        .filter(|n| crate::state::node::status_word(n).starts_with("Ready"))
        .count();
    let with = |look: Look| c.pods.values().filter(|p| p.look == look).count();
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
    } else if c.pods.is_empty() {
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
                text::count(c.pods.len(), "pod")
            ),
        )
    }
}
