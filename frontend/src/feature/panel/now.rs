//! "Now": what it is and what it is doing, in kubectl's words.

use leptos::prelude::*;
use shared::live::ComponentPulse;

use crate::graph::room::{Room, lives_in, what_is};
use crate::state::app::{Nav, Truth};
use crate::state::cluster::Cluster;
use crate::state::pod::{ContainerView, Look, Part, PodView};
use crate::state::route::Selected;
use crate::state::table;
use crate::state::text as figures;
use crate::state::trace;
use crate::ui::state_word::StateWord;

/// Facts about what is selected.
#[component]
pub(super) fn Now(at: Selected) -> impl IntoView {
    match at {
        Selected::Object(plural, key) => view! { <OfObject plural=plural key=key /> }.into_any(),
        Selected::Component(name) => view! { <OfComponent name=name /> }.into_any(),
        Selected::Trace(_) | Selected::Nothing => ().into_any(),
    }
}

#[component]
fn OfObject(plural: String, key: shared::ObjectKey) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let services = Memo::new(move |_| truth.scene.with(|s| s.services.clone()));
    let facts = {
        let (plural, key) = (plural.clone(), key.clone());
        Memo::new(move |_| {
            truth.cluster.with(|c| {
                let object = c.get(&plural, &key);
                object
                    .map(|o| services.with(|s| table::facts(c, &plural, o, s)))
                    .unwrap_or_default()
            })
        })
    };
    let containers = {
        let key = key.clone();
        let is_pod = plural == "pods";
        Memo::new(move |_| {
            truth.cluster.with(|c| {
                c.pods
                    .get(&key)
                    .filter(|_| is_pod)
                    .map(|p| p.containers.clone())
                    .unwrap_or_default()
            })
        })
    };
    let on_node = (plural == "nodes").then(|| view! { <PodsOf node=key.name.clone() /> });
    view! {
        <dl class="c-facts">
            {move || {
                facts
                    .get()
                    .into_iter()
                    .map(|(name, value)| view! { <div><dt>{name}</dt><dd>{value}</dd></div> })
                    .collect_view()
            }}
        </dl>
        {move || containers.with(|all| (!all.is_empty()).then(|| list(all)))}
        {on_node}
    }
}

fn list(all: &[ContainerView]) -> impl IntoView + use<> {
    let one = |c: &ContainerView| {
        let part = match c.part {
            Part::Init => "init container",
            Part::Sidecar => "sidecar",
            Part::App => "container",
        };
        let restarts = if c.restarts > 0 {
            format!(" · {} restarts", c.restarts)
        } else {
            String::new()
        };
        let (look, state) = (c.look, c.state.clone());
        view! {
            <li>
                <b>{c.name.clone()}</b>
                <StateWord look=Signal::stored(look) word=Signal::stored(state) />
                <span>
                    {part}
                    {restarts}
                    " · "
                    <code>{c.image.clone()}</code>
                </span>
            </li>
        }
    };
    view! {
        <h3 class="c-panel__h3">"Containers"</h3>
        <ul class="c-list">{all.iter().map(one).collect_view()}</ul>
    }
}

#[component]
fn PodsOf(node: String) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let nav = expect_context::<Nav>();
    let pods = Memo::new(move |_| {
        truth.cluster.with(|c| {
            c.pods
                .values()
                .filter(|p| p.node == node)
                .cloned()
                .collect::<Vec<_>>()
        })
    });
    let one = move |p: std::sync::Arc<PodView>| {
        let at = Selected::Object("pods".into(), p.key.clone());
        let (look, status): (Look, String) = (p.look, p.status.clone());
        view! {
            <li>
                <button type="button" class="c-link" on:click=move |_| nav.select(at.clone())>
                    {p.label()}
                </button>
                <StateWord look=Signal::stored(look) word=Signal::stored(status) />
            </li>
        }
    };
    view! {
        <h3 class="c-panel__h3">"Pods"</h3>
        <ul class="c-list">{move || pods.get().into_iter().map(one).collect_view()}</ul>
    }
}

/// What it is, what it does right now, what it did last, and where it lives.
#[component]
fn OfComponent(name: String) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let nav = expect_context::<Nav>();
    let (what, home) = (what_is(&name), lives_in(&name));
    let rows = {
        let name = name.clone();
        Memo::new(move |_| truth.cluster.with(|c| reports(c, &name)))
    };
    let last = Memo::new(move |_| {
        truth
            .cluster
            .with(|c| trace::of_component(c, &name, 1).pop())
    });
    let deed = move || {
        last.get().map(|hop| {
            let id = hop.trace;
            let meaning = trace::words::of_phase(&hop);
            view! {
                <p class="c-story">
                    "For example, just now: "
                    <button type="button" class="c-link" on:click=move |_| nav.select(Selected::Trace(id))>
                        {hop.text.clone()}
                    </button>
                    {format!(" ({}). {meaning}", figures::duration_us(hop.duration_us))}
                </p>
            }
        })
    };
    view! {
        <p class="c-story">{what}</p>
        {deed}
        <h3 class="c-panel__h3">"What it reports"</h3>
        <dl class="c-facts">
            {move || rows.get().into_iter().map(|(k, v)| view! { <div><dt>{k}</dt><dd>{v}</dd></div> }).collect_view()}
        </dl>
        <Show when=move || rows.with(Vec::is_empty)>
            <p class="c-quiet">"Nothing: no queue, no work."</p>
        </Show>
        {(!home.is_empty())
            .then(|| {
                view! {
                    <h3 class="c-panel__h3">"Where it lives in the code"</h3>
                    <p>
                        <code id="lives-in">{home}</code>
                    </p>
                }
            })}
    }
}

/// The queue, and the lines that the component has on its wall.
fn reports(c: &Cluster, name: &str) -> Vec<(String, String)> {
    let room = Room::of_component(name);
    let mine = |p: &&ComponentPulse| Room::of_component(&p.component) == room;
    let pulse = c.pulse.components.iter().find(mine);
    pulse.map_or_else(Vec::new, |p| {
        let mut rows = vec![("Queue".to_owned(), p.queue.to_string())];
        rows.extend(p.lines.clone());
        rows
    })
}
