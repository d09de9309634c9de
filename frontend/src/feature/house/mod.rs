//! The first screen: the cluster as a house. This file places the parts; each part is a file beside it.

#![allow(
    unreachable_pub,
    reason = "leptos writes the props of a component as pub, whatever the component is"
)]

mod control;
mod node;
mod outside;
mod structure;

use leptos::html;
use leptos::prelude::*;

use crate::backend::browser;
use crate::graph::animate::{Animator, trace_of_event};
use crate::graph::layout::{Detail, Layout, Rect, Shape};
use crate::graph::room::Room;
use crate::state::app::{Hands, Nav, Over, Truth};
use crate::state::node::Scene;
use crate::state::route::Selected;

/// The layout, handed down to the parts.
#[derive(Clone, Copy)]
struct Plan(Memo<Layout>);

impl Plan {
    /// The place of a room as CSS.
    fn style(self, room: Room) -> impl Fn() -> String + Clone + Send + 'static {
        move || {
            self.0
                .with(|l| l.rooms.get(&room).map(Rect::style).unwrap_or_default())
        }
    }

    /// The level of detail.
    fn detail(self) -> Memo<Detail> {
        Memo::new(move |_| self.0.with(|l| l.detail))
    }
}

/// The drawing.
#[component]
pub fn House(
    /// Draws what moves.
    animator: StoredValue<Animator, LocalStorage>,
) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let hands = expect_context::<Hands>();
    let nav = expect_context::<Nav>();
    let size = RwSignal::new((908.0, 748.0));
    let canvas = NodeRef::<html::Div>::new();
    let layer = NodeRef::<html::Div>::new();
    Effect::new(move |_| {
        if let Some(element) = canvas.get() {
            browser::on_resize(&element, move |w, h| {
                let _ = size.try_set((w, h));
            });
        }
        if let Some(element) = layer.get() {
            animator.with_value(|a| a.set_layer(element.into()));
        }
    });
    let layout = Memo::new(move |_| truth.scene.with(|scene| lay_out(scene, size.get())));
    Effect::new(move |_| animator.with_value(|a| a.set_layout(layout.get())));
    provide_context(Plan(layout));
    let open_trace = move |event: web_sys::MouseEvent| {
        if let Some(trace) = trace_of_event(event.target()) {
            nav.select(Selected::Trace(trace));
        }
    };
    let carrying = move || hands.drag.with(Option::is_some);
    let over_canvas = move || {
        hands
            .drag
            .with(|d| d.as_ref().is_some_and(|d| d.over == Over::Canvas))
    };
    view! {
        <div
            class="c-house"
            node_ref=canvas
            data-drop="canvas"
            data-carrying=move || carrying().to_string()
            data-over=move || over_canvas().to_string()
            data-detail=move || format!("{:?}", layout.with(|l| l.detail)).to_lowercase()
        >
            <div
                class="c-house__sheet"
                style=move || layout.with(|l| format!("--sheet-w:{:.0}px;--sheet-h:{:.0}px", l.size.0, l.size.1))
            >
                <structure::Structure />
                <outside::Outside />
                <control::ControlPlane />
                <outside::WaitingRoom />
                <node::Nodes />
                <outside::Beam />
                <div class="c-house__flights" node_ref=layer on:click=open_trace></div>
                <Invitation />
            </div>
        </div>
    }
}

fn lay_out(scene: &Scene, (width, height): (f64, f64)) -> Layout {
    let nodes = scene.nodes.iter();
    Layout::of(&Shape {
        width,
        height,
        nodes: nodes.map(|n| (n.name.clone(), n.pods.len())).collect(),
        gates: scene.gates.iter().map(|g| g.port).collect(),
    })
}

/// The empty first minute.
#[component]
fn Invitation() -> impl IntoView {
    let truth = expect_context::<Truth>();
    let plan = expect_context::<Plan>();
    let empty = Memo::new(move |_| {
        truth
            .cluster
            .with(|c| c.hello.is_some() && c.pods.is_empty() && !c.shelf("nodes").is_empty())
    });
    let style = move || {
        plan.0.with(|l| {
            let w = (l.beam.w - 60.0).min(560.0);
            Rect::new(l.beam.mid_x() - w / 2.0, l.beam.y - 150.0, w, 84.0).style()
        })
    };
    view! {
        <Show when=move || empty.get()>
            <p class="c-invite" style=style>
                <strong>"This cluster is running and empty."</strong>
                " Drag hello-http onto a node and watch how it becomes a pod, or drop a .wasm file anywhere."
            </p>
        </Show>
    }
}
