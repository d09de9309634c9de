//! The lower floor: nodes with their four parts, their capacity and their pods. Draws as much as the size allows.

use std::sync::Arc;

use leptos::prelude::*;
use shared::ObjectKey;

use super::Plan;
use crate::feature::drag::Grip;
use crate::graph::layout::{Detail, Rect};
use crate::graph::room::{Part, Room};
use crate::state::app::{Cargo, Hands, Nav, Over, Truth};
use crate::state::node::{NodeView, ServiceView};
use crate::state::pod::{ContainerView, PodView};
use crate::state::route::Selected;
use crate::state::text::percent;
use crate::ui::state_word::StateWord;

/// All nodes.
#[component]
pub(super) fn Nodes() -> impl IntoView {
    let truth = expect_context::<Truth>();
    let names = Memo::new(move |_| {
        truth
            .scene
            .with(|s| s.nodes.iter().map(|n| n.name.clone()).collect::<Vec<_>>())
    });
    view! {
        <section class="c-nodes" aria-labelledby="nodes">
            <h2 class="u-hidden" id="nodes">
                "worker nodes"
            </h2>
            <For each=move || names.get() key=Clone::clone let:name>
                <Node name=name />
            </For>
        </section>
    }
}

#[component]
fn Node(name: String) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let hands = expect_context::<Hands>();
    let nav = expect_context::<Nav>();
    let plan = expect_context::<Plan>();
    let detail = plan.detail();
    let node = {
        let name = name.clone();
        Memo::new(move |_| {
            truth.scene.with(|s| {
                s.nodes
                    .iter()
                    .find(|n| n.name == name)
                    .cloned()
                    .unwrap_or_default()
            })
        })
    };
    let style = {
        let name = name.clone();
        move || {
            plan.0
                .with(|l| l.nodes.get(&name).map(Rect::style).unwrap_or_default())
        }
    };
    let target = {
        let name = name.clone();
        move || {
            let dragged = hands.drag.with(|d| {
                d.as_ref()
                    .is_some_and(|d| d.over == Over::Node(name.clone()))
            });
            (dragged || hands.target.with(|t| t.as_ref() == Some(&name))).to_string()
        }
    };
    let at = Selected::Object("nodes".into(), ObjectKey::new("", &name));
    let (is_selected, open) = (at.clone(), at);
    let full = move || matches!(detail.get(), Detail::Rooms | Detail::Lines);
    let label = format!("node {name}");
    let parts_name = name.clone();
    view! {
        <article
            class="c-node"
            style=style
            aria-label=label
            data-kind="node"
            data-name=name.clone()
            data-phase=move || node.with(|n| n.status.clone())
            data-look=move || node.with(|n| n.look.word())
            data-drop=format!("node:{name}")
            data-target=target
            data-selected=move || nav.0.with(|r| r.selected == is_selected).to_string()
        >
            <Show when=full>
                <Parts name=parts_name.clone() />
            </Show>
            <div class="c-node__line">
                <h3>
                    <button type="button" class="c-node__open" on:click=move |_| nav.select(open.clone())>
                        {name.clone()}
                    </button>
                </h3>
                <span class="c-node__where">{move || node.with(whereabouts)}</span>
                <StateWord look=Signal::derive(move || node.with(|n| n.look)) word=Signal::derive(move || node.with(|n| n.status.clone())) />
            </div>
            <Capacity node=node />
            <Pods node=node detail=detail />
        </article>
    }
}

fn whereabouts(n: &NodeView) -> String {
    let zone = if n.zone.is_empty() {
        String::new()
    } else {
        format!("zone {}", n.zone)
    };
    let parts: Vec<&str> = [zone.as_str(), n.pod_cidr.as_str()]
        .into_iter()
        .filter(|p| !p.is_empty())
        .collect();
    parts.join(" · ")
}

/// kubelet, kube-proxy, engine, network plugin.
#[component]
fn Parts(name: String) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let nav = expect_context::<Nav>();
    let Plan(layout) = expect_context::<Plan>();
    Part::ALL
        .into_iter()
        .map(move |part| {
            let room = Room::OnNode(name.clone(), part);
            let component = room.component();
            let (placed, lit, at) = (room.clone(), room, Selected::Component(component.clone()));
            let node = name.clone();
            let style = move || {
                layout.with(|l| {
                    let origin = l.nodes.get(&node).copied().unwrap_or_default();
                    let part = l.rooms.get(&placed).copied().unwrap_or_default();
                    Rect::new(part.x - origin.x, part.y - origin.y, part.w, part.h).style()
                })
            };
            let node_name = name.clone();
            view! {
                <button
                    type="button"
                    class="c-part"
                    style=style
                    data-kind="component"
                    data-name=component
                    data-working=move || truth.lit.with(|l| l.contains(&lit)).to_string()
                    on:click=move |_| nav.select(at.clone())
                >
                    {part.name()}
                    <span class="u-hidden">{format!(" on {node_name}")}</span>
                </button>
            }
        })
        .collect_view()
}

/// What the pods asked for, of what can be given.
#[component]
fn Capacity(node: Memo<NodeView>) -> impl IntoView {
    let cpu = Signal::derive(move || node.with(|n| n.cpu_m));
    let memory = Signal::derive(move || node.with(|n| n.memory));
    view! {
        <dl class="c-capacity">
            <Gauge name="cpu" title="CPU requested by pods, of what is allocatable" of=cpu />
            <Gauge name="mem" title="memory requested by pods, of what is allocatable" of=memory />
        </dl>
    }
}

#[component]
fn Gauge(name: &'static str, title: &'static str, of: Signal<(i64, i64)>) -> impl IntoView {
    let part = move || {
        let (asked, all) = of.get();
        percent(asked, all)
    };
    let look = move || match part() {
        0..=84 => "ready",
        _ => "failing",
    };
    view! {
        <div title=title>
            <dt>
                {name}
                <span class="u-hidden">" requested"</span>
            </dt>
            <dd>
                <span class="c-bar" aria-hidden="true" data-look=look>
                    <i style=move || format!("--part:{}%", part().min(100))></i>
                </span>
                {move || format!("{}%", part())}
            </dd>
        </div>
    }
}

#[component]
fn Pods(node: Memo<NodeView>, detail: Memo<Detail>) -> impl IntoView {
    // A heat map shows nodes; thousands of cells that nobody sees would only cost.
    let keys = Memo::new(move |_| {
        let hidden = detail.get() == Detail::Heat;
        node.with(|n| {
            n.pods
                .iter()
                .filter(|_| !hidden)
                .map(|p| p.key.clone())
                .collect::<Vec<_>>()
        })
    });
    view! {
        <ul class="c-pods" data-detail=move || format!("{:?}", detail.get()).to_lowercase()>
            <For each=move || keys.get() key=Clone::clone let:key>
                <li>
                    <Pod key=key detail=detail />
                </li>
            </For>
        </ul>
    }
}

/// A pod: a pane with its containers, a line, or a cell of the mosaic.
#[component]
fn Pod(key: ObjectKey, detail: Memo<Detail>) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let nav = expect_context::<Nav>();
    let grip = expect_context::<Grip>();
    let pod = {
        let key = key.clone();
        Memo::new(move |_| {
            truth
                .cluster
                .with(|c| c.pods.get(&key).cloned().unwrap_or_default())
        })
    };
    let at = Selected::Object("pods".into(), key.clone());
    let (is_selected, open) = (at.clone(), at);
    let press = {
        let key = key.clone();
        move |e: web_sys::PointerEvent| grip.press(&e, Cargo::Pod(key.clone()), key.name.clone())
    };
    let click = move |_| {
        if !grip.was_drag() {
            nav.select(open.clone());
        }
    };
    let behind = {
        let key = key.clone();
        move || is_behind(nav, truth, &key)
    };
    // A cell of the mosaic is too small to press: its node's panel lists the pods.
    let full = move || matches!(detail.get(), Detail::Rooms | Detail::Lines);
    let of_cell = key.clone();
    let pane = move || {
        view! {
            <button
                type="button"
                class="c-pod"
                data-kind="pod"
                data-name=key.name.clone()
                data-namespace=key.namespace.clone()
                data-phase=move || pod.with(|p| p.status.clone())
                data-look=move || pod.with(|p| p.look.word())
                data-selected={
                    let is_selected = is_selected.clone();
                    move || nav.0.with(|r| r.selected == is_selected).to_string()
                }
                data-behind={
                    let behind = behind.clone();
                    move || behind().to_string()
                }
                on:pointerdown=press.clone()
                on:click=click.clone()
            >
                {move || pod.with(|p| content(p, detail.get() == Detail::Rooms))}
            </button>
        }
    };
    view! {
        <Show when=full fallback=move || view! { <Cell key=of_cell.clone() pod=pod /> }>
            {pane()}
        </Show>
    }
}

/// Whether a pod is behind the selected Service.
fn is_behind(nav: Nav, truth: Truth, key: &ObjectKey) -> bool {
    let Selected::Object(plural, service) = nav.0.with(|r| r.selected.clone()) else {
        return false;
    };
    let chosen = |s: &ServiceView| s.key == service && s.pods.contains(key);
    plural == "services" && truth.scene.with(|s| s.services.iter().any(chosen))
}

/// A cell of the mosaic.
#[component]
fn Cell(key: ObjectKey, pod: Memo<Arc<PodView>>) -> impl IntoView {
    view! {
        <span
            class="c-pod"
            data-kind="pod"
            data-name=key.name
            data-namespace=key.namespace
            data-phase=move || pod.with(|p| p.status.clone())
            data-look=move || pod.with(|p| p.look.word())
        >
            <span aria-hidden="true">{move || pod.with(|p| p.look.glyph())}</span>
            <span class="u-hidden">{move || pod.with(|p| format!("{} {}", p.label(), p.status))}</span>
        </span>
    }
}

fn content(p: &PodView, full: bool) -> impl IntoView + use<> {
    let address = if p.ip.is_empty() {
        "no address yet".to_owned()
    } else {
        p.ip.clone()
    };
    let (look, status, note) = (p.look, p.status.clone(), p.note.clone());
    view! {
        <span class="c-pod__line">
            <b>{p.label()}</b>
            <code data-missing=p.ip.is_empty().to_string()>{address}</code>
        </span>
        {full.then(|| view! { <span class="c-pod__containers">{p.containers.iter().map(capsule).collect_view()}</span> })}
        <span class="c-pod__line">
            <StateWord look=Signal::stored(look) word=Signal::stored(status) />
            <span class="c-pod__note">{note}</span>
        </span>
    }
}

fn capsule(c: &ContainerView) -> impl IntoView + use<> {
    let part = match c.part {
        crate::state::pod::Part::Init => "init",
        crate::state::pod::Part::Sidecar => "sidecar",
        crate::state::pod::Part::App => "app",
    };
    let says = format!(" {part} container {}", c.state);
    view! {
        <span class="c-capsule" data-part=part data-look=c.look.word()>
            <span aria-hidden="true">{c.look.glyph()}</span>
            {c.name.clone()}
            <span class="u-hidden">{says}</span>
        </span>
    }
}
