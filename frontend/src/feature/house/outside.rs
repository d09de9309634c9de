//! What stands around the rooms: callers and gates outside, the waiting room in the corridor, the beam of Services.

use leptos::prelude::*;

use super::Plan;
use super::namespaces::Namespaces;
use crate::feature::drag::Grip;
use crate::graph::layout::Rect;
use crate::graph::room::Room;
use crate::state::app::{Cargo, Nav, Truth};
use crate::state::node::ServiceView;
use crate::state::route::Selected;
use crate::ui::state_word::StateWord;

/// kubectl, this page, and a gate per node port.
#[component]
pub(super) fn Outside() -> impl IntoView {
    let truth = expect_context::<Truth>();
    let plan = expect_context::<Plan>();
    let label = move || {
        plan.layout.with(|l| {
            let y = l.rooms.get(&Room::Kubectl).map_or(0.0, |r| r.y);
            format!("--x:10px;--y:{:.0}px", y - 22.0)
        })
    };
    let gates = Memo::new(move |_| {
        truth
            .scene
            .with(|s| s.gates.iter().take(8).cloned().collect::<Vec<_>>())
    });
    view! {
        <section class="c-outside" aria-labelledby="outside">
            <h2 class="c-floor-name" id="outside" style=label>
                "outside"
            </h2>
            <Caller room=Room::Kubectl what="and other clients" />
            <Caller room=Room::Browser what="this page" />
            <For each=move || gates.get() key=|g| g.port let:gate>
                {
                    let nav = expect_context::<Nav>();
                    let key = gate.service.clone();
                    view! {
                        <button
                            type="button"
                            class="c-caller c-caller--gate"
                            style=plan.style(Room::Gate(gate.port))
                            data-kind="gate"
                            data-name=gate.port.to_string()
                            on:click=move |_| nav.select(Selected::Object("services".into(), key.clone()))
                        >
                            <b>{gate.service.name.clone()}</b>
                            <code>{format!(":{}", gate.port)}</code>
                            <span class="u-hidden">" node port"</span>
                        </button>
                    }
                }
            </For>
        </section>
    }
}

#[component]
fn Caller(room: Room, what: &'static str) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let nav = expect_context::<Nav>();
    let plan = expect_context::<Plan>();
    let name = room.component();
    let (_, own) = room.name_parts();
    let working = {
        let room = room.clone();
        move || truth.lit.with(|lit| lit.contains(&room)).to_string()
    };
    let select = {
        let name = name.clone();
        move |_| nav.select(Selected::Component(name.clone()))
    };
    view! {
        <button type="button" class="c-caller" style=plan.style(room) data-kind="client" data-name=name data-working=working on:click=select>
            <b>{own}</b>
            <span>{what}</span>
        </button>
    }
}

/// Pods that no node has yet: they exist in etcd only.
#[component]
pub(super) fn WaitingRoom() -> impl IntoView {
    let truth = expect_context::<Truth>();
    let Plan { layout, .. } = expect_context::<Plan>();
    let style = move || layout.with(|l| l.waiting.style());
    let corridor = move || {
        layout.with(|l| format!("--x:{:.0}px;--y:{:.0}px", l.corridor.right(), l.corridor.y))
    };
    let keys = Memo::new(move |_| {
        truth
            .scene
            .with(|s| s.waiting.iter().map(|p| p.key.clone()).collect::<Vec<_>>())
    });
    view! {
        <section class="c-waiting" style=style aria-labelledby="waiting-room" data-kind="waiting-room">
            <h2 class="c-floor-name" id="waiting-room">
                "waiting room"
            </h2>
            <ul class="c-waiting__pods">
                <For each=move || keys.get() key=Clone::clone let:key>
                    <li>
                        <WaitingPod key=key />
                    </li>
                </For>
            </ul>
            <Show when=move || keys.with(Vec::is_empty)>
                <p class="c-waiting__empty">"pods without a node wait here"</p>
            </Show>
        </section>
        <p class="c-floor-name c-corridor-name" style=corridor>
            "corridor: watch streams"
        </p>
    }
}

#[component]
fn WaitingPod(key: shared::ObjectKey) -> impl IntoView {
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
    let select = {
        let key = key.clone();
        move |_| {
            if !grip.was_drag() {
                nav.select(Selected::Object("pods".into(), key.clone()));
            }
        }
    };
    let press = {
        let key = key.clone();
        move |e: web_sys::PointerEvent| grip.press(&e, Cargo::Pod(key.clone()), key.name.clone())
    };
    view! {
        <button
            type="button"
            class="c-waiting__pod"
            data-kind="pod"
            data-name=key.name.clone()
            data-namespace=key.namespace.clone()
            data-phase=move || pod.with(|p| p.status.clone())
            data-look=move || pod.with(|p| p.look.word())
            on:click=select
            on:pointerdown=press
        >
            <b>{move || pod.with(|p| p.label())}</b>
            <StateWord look=Signal::derive(move || pod.with(|p| p.look)) word=Signal::derive(move || pod.with(|p| p.status.clone())) />
            <span class="c-waiting__note">{move || pod.with(|p| p.note.clone())}</span>
        </button>
    }
}

/// Services: addresses that every node's kube-proxy answers for, carried by one beam across all nodes.
#[component]
pub(super) fn Beam() -> impl IntoView {
    let truth = expect_context::<Truth>();
    let Plan { layout, .. } = expect_context::<Plan>();
    let services = Memo::new(move |_| truth.scene.with(|s| s.services.clone()));
    view! {
        <section class="c-beam" style=move || layout.with(|l: &crate::graph::layout::Layout| Rect::style(&l.beam)) aria-labelledby="services">
            <h2 class="c-floor-name" id="services">
                "services"
            </h2>
            <ul>
                {move || services.get().into_iter().map(|s| view! { <li><OneService service=s /></li> }).collect_view()}
            </ul>
            <Namespaces />
        </section>
    }
}

#[component]
fn OneService(service: ServiceView) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let at = Selected::Object("services".into(), service.key.clone());
    let select = {
        let at = at.clone();
        move |_| nav.select(at.clone())
    };
    view! {
        <button
            type="button"
            class="c-service"
            data-kind="service"
            data-name=service.key.name.clone()
            data-namespace=service.key.namespace.clone()
            data-selected=move || nav.0.with(|r| r.selected == at).to_string()
            on:click=select
        >
            <b>{service.key.name.clone()}</b>
            <code>{service.address.clone()}</code>
            <span>{format!("→ {} ready", service.ready)}</span>
        </button>
    }
}
