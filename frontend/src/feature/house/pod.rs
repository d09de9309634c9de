//! A pod on its node: a pane with its containers, a line, or a cell of the mosaic.

use std::sync::Arc;

use leptos::prelude::*;
use shared::ObjectKey;

use super::Plan;
use crate::feature::drag::Grip;
use crate::graph::layout::Detail;
use crate::state::app::{Cargo, Nav, Truth};
use crate::state::namespace::tint;
use crate::state::node::{NodeView, ServiceView};
use crate::state::pod::{ContainerView, PodView};
use crate::state::route::Selected;
use crate::ui::state_word::StateWord;

/// A pod: a pane with its containers, a line, or a cell of the mosaic.
#[component]
pub(super) fn Pod(key: ObjectKey, node: RwSignal<Arc<NodeView>>) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let nav = expect_context::<Nav>();
    let grip = expect_context::<Grip>();
    let plan = expect_context::<Plan>();
    let detail = Memo::new(move |_| plan.look.with(|l| l.detail));
    let pod = {
        let key = key.clone();
        Memo::new(move |_| node.with(|n| n.pod(&key).cloned().unwrap_or_default()))
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
                data-tint=tint(&key.namespace).to_string()
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

/// Whether a pod is behind the selected Service, or in the selected Namespace.
fn is_behind(nav: Nav, truth: Truth, key: &ObjectKey) -> bool {
    let Selected::Object(plural, at) = nav.0.with(|r| r.selected.clone()) else {
        return false;
    };
    let chosen = |s: &ServiceView| s.key == at && s.pods.contains(key);
    match plural.as_str() {
        "services" => truth.scene.with(|s| s.services.iter().any(chosen)),
        "namespaces" => at.name == key.namespace,
        _ => false,
    }
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
            title=move || pod.with(|p| format!("{} {}", p.label(), p.status))
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
        {full.then(|| view! { <span class="c-pod__containers">{pause(p)} {p.containers.iter().map(capsule).collect_view()}</span> })}
        <span class="c-pod__line">
            <StateWord look=Signal::stored(look) word=Signal::stored(status) />
            <span class="c-pod__note">{note}</span>
        </span>
    }
}

/// The sandbox: it holds the pod's address while containers come and go.
fn pause(p: &PodView) -> impl IntoView + use<> {
    let held = !p.ip.is_empty() && !p.terminal;
    let title = "the pod's sandbox: its address, whatever its containers do (elsewhere a process called pause)";
    held.then(|| view! { <span class="c-capsule" data-part="pause" title=title>"pause"</span> })
}

fn capsule(c: &ContainerView) -> impl IntoView + use<> {
    let part = match c.part {
        crate::state::pod::Part::Init => "init",
        crate::state::pod::Part::Sidecar => "sidecar",
        crate::state::pod::Part::App => "app",
    };
    let says = format!(" {part} container {}", c.state);
    view! {
        <span class="c-capsule" data-part=part data-look=c.look.word() title=format!("{}, {part} container: {}", c.name, c.state)>
            <span aria-hidden="true">{c.look.glyph()}</span>
            {c.name.clone()}
            <span class="u-hidden">{says}</span>
        </span>
    }
}
