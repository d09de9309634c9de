//! "How it came to be": one sentence, then the hops on one time axis, each with what it wrote.

use leptos::prelude::*;

use super::replay::Controls;
use super::written::Written;
use crate::state::app::{Nav, Truth};
use crate::state::pod::PodView;
use crate::state::route::Selected;
use crate::state::stage::Stage;
use crate::state::text;
use crate::state::trace::{self, Ending, Journey, Step};
use crate::ui::state_word::StateWord;

/// Hops of a component that are listed.
const MOST: usize = 30;

/// The story of what is selected.
#[component]
pub(super) fn Path(at: Selected) -> impl IntoView {
    let truth = expect_context::<Truth>();
    match at {
        Selected::Component(name) => view! { <Did component=name /> }.into_any(),
        Selected::Trace(id) => {
            let journey = Memo::new(move |_| truth.cluster.with(|c| trace::of_trace(c, id)));
            view! {
                <Sentence journey=journey />
                <Steps journey=journey />
            }
            .into_any()
        }
        Selected::Object(plural, key) => view! { <OfObject plural=plural key=key /> }.into_any(),
        Selected::Nothing => ().into_any(),
    }
}

#[component]
fn OfObject(plural: String, key: shared::ObjectKey) -> impl IntoView {
    let truth = expect_context::<Truth>();
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
    let journey = Memo::new(move |_| truth.cluster.with(|c| trace::of_object(c, &plural, &key)));
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
    let or_none = |s: &str| {
        if s.is_empty() {
            "none yet".to_owned()
        } else {
            s.to_owned()
        }
    };
    let (node, ip) = (or_none(&pod.node), or_none(&pod.ip));
    let (look, status) = (pod.look, pod.status.clone());
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
    let ids =
        Memo::new(move |_| journey.with(|j| j.steps.iter().map(|s| s.id).collect::<Vec<_>>()));
    let told = move || journey.with(|j| !j.steps.is_empty() && !j.from_conditions);
    view! {
        <Show when=told>
            <Controls journey=journey />
        </Show>
        {move || axis().map(|total| view! { <p class="c-axis"><span>"0"</span><span>{total}</span></p> })}
        <ol class="c-steps">
            <For each=move || ids.get() key=|id| *id let:id>
                <OneStep journey=journey id=id />
            </For>
        </ol>
    }
}

/// One step. It stays where it is while the story grows, so that what was opened stays open.
#[component]
fn OneStep(journey: Memo<Journey>, id: u64) -> impl IntoView {
    let stage = expect_context::<Stage>();
    let place = Memo::new(move |_| journey.with(|j| j.steps.iter().position(|s| s.id == id)));
    let step = Memo::new(move |_| {
        journey.with(|j| {
            j.steps
                .iter()
                .find(|s| s.id == id)
                .cloned()
                .unwrap_or_default()
        })
    });
    let played = move || {
        let at = stage.replay.with(|r| r.as_ref().map(|r| r.at));
        match (at, place.get()) {
            (Some(at), Some(own)) if at == own => "now",
            (Some(at), Some(own)) if own > at => "later",
            _ => "",
        }
    };
    let bar = move || {
        step.with(|s| {
            (s.width > 0.0).then(|| format!("--from:{:.2}%;--part:{:.2}%", s.from, s.width))
        })
    };
    let wrote = Memo::new(move |_| step.with(|s| s.wrote.clone()));
    view! {
        <li
            data-ending=move || step.with(|s| s.ending.word())
            data-component=move || step.with(|s| s.component.clone())
            data-played=played
            aria-current=move || (played() == "now").then_some("step")
        >
            <b>{move || step.with(|s| s.component.clone())}</b>
            <code class="c-step__time">{move || step.with(|s| s.duration.clone())}</code>
            <span class="c-step__text">{move || step.with(|s| s.text.clone())}</span>
            {move || step.with(ending)}
            {move || bar().map(|style| view! { <span class="c-step__axis" aria-hidden="true"><i style=style></i></span> })}
            {move || step.with(inside)}
            {move || wrote.get().map(|w| view! { <Written wrote=w /> })}
        </li>
    }
}

fn ending(s: &Step) -> impl IntoView + use<> {
    let words = match &s.ending {
        Ending::Done => None,
        Ending::Conflict(why) => Some(format!("◔ conflict, tried again: {why}")),
        Ending::Refused(why) => Some(format!("▲ {why}")),
    };
    words.map(|w| view! { <span class="c-step__ending">{w}</span> })
}

/// What the step means, what woke its component, and the phases that it consists of.
fn inside(s: &Step) -> impl IntoView + use<> {
    let cause = s.cause.map(|r| format!("Woken by revision {r}. "));
    if s.words.is_empty() && s.parts.is_empty() && cause.is_none() {
        return None;
    }
    let part = |(name, time): &(String, String)| {
        view! {
            <div>
                <dt>{name.clone()}</dt>
                <dd>
                    <span>{trace::words::of_part(name)}</span>
                    <code>{time.clone()}</code>
                </dd>
            </div>
        }
    };
    Some(view! {
        <details class="c-step__more">
            <summary>"What is this?"</summary>
            <p>{cause}{s.words}</p>
            <dl>{s.parts.iter().map(part).collect_view()}</dl>
        </details>
    })
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
                        let ending = Ending::of(&hop).word();
                        view! {
                            <li>
                                <button type="button" data-ending=ending on:click=move |_| nav.select(Selected::Trace(id))>
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
