//! The first screen: the cluster as a house. This file places the parts; each part is a file beside it.

#![allow(
    unreachable_pub,
    reason = "leptos writes the props of a component as pub, whatever the component is"
)]

mod camera;
mod control;
mod namespaces;
mod node;
mod outside;
mod pod;
mod structure;

use leptos::html;
use leptos::prelude::*;

use crate::backend::browser;
use crate::graph::animate::{Animator, trace_of_event};
use crate::graph::layout::{Layout, Look, Rect, Shape};
use crate::graph::room::Room;
use crate::state::app::{Hands, Nav, Over, Truth};
use crate::state::node::Scene;
use crate::state::replay::LEG_MS;
use crate::state::route::Selected;
use crate::state::stage::Stage;

/// The layout, handed down to the parts.
#[derive(Clone, Copy)]
struct Plan {
    /// Where everything stands.
    layout: Memo<Layout>,
    /// How nodes look at the present zoom.
    look: Memo<Look>,
    /// What of the sheet is in sight, with some more around it.
    sight: Memo<Rect>,
}

impl Plan {
    /// The place of a room as CSS.
    fn style(self, room: Room) -> impl Fn() -> String + Clone + Send + 'static {
        move || {
            self.layout
                .with(|l| l.rooms.get(&room).map(Rect::style).unwrap_or_default())
        }
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
    let stage = expect_context::<Stage>();
    let size = RwSignal::new((908.0, 748.0));
    let canvas = NodeRef::<html::Div>::new();
    let camera = camera::Camera::new(canvas);
    Effect::new(move |_| {
        if let Some(element) = canvas.get() {
            browser::on_resize(&element, move |w, h| {
                let _ = size.try_set((w, h));
                camera.look_around();
            });
        }
    });
    let shape = Memo::new(move |_| truth.scene.with(|scene| shape(scene, size.get())));
    let layout = Memo::new(move |_| shape.with(Layout::of));
    let look = Memo::new(move |_| layout.with(|l| l.look(camera.zoom.get())));
    Effect::new(move |_| animator.with_value(|a| a.set_layout(layout.get())));
    Effect::new(move |_| camera.limit.set(layout.with(Layout::max_zoom)));
    let sight = Memo::new(move |_| camera.sight.get());
    provide_context(Plan {
        layout,
        look,
        sight,
    });
    play(animator);
    let carrying = move || hands.drag.with(Option::is_some);
    let over_canvas = move || {
        hands
            .drag
            .with(|d| d.as_ref().is_some_and(|d| d.over == Over::Canvas))
    };
    let sheet = move || {
        let (w, h) = layout.with(|l| l.size);
        let natural = look.with(|l| l.natural);
        format!(
            "--sheet-w:{w:.0}px;--sheet-h:{h:.0}px;--zoom:{:.4};--natural:{natural:.4}",
            camera.zoom.get()
        )
    };
    view! {
        <div class="c-house-frame" data-past=move || stage.past.with(Option::is_some).to_string()>
            <div
                class="c-house"
                node_ref=canvas
                data-drop="canvas"
                data-carrying=move || carrying().to_string()
                data-over=move || over_canvas().to_string()
                data-detail=move || look.with(|l| l.detail.word())
                data-panning=move || camera.panning.get().to_string()
                on:scroll=move |_| camera.look_around()
                on:wheel=move |e| camera.wheel(&e)
                on:pointerdown=move |e| camera.press(&e)
                on:pointermove=move |e| camera.drag(&e)
                on:pointerup=move |e| camera.release(&e)
                on:pointercancel=move |e| camera.release(&e)
            >
                <div class="c-house__extent" style=sheet>
                    <Sheet animator=animator />
                </div>
            </div>
            <camera::Buttons camera=camera />
            <Ribbon />
        </div>
    }
}

/// What stands on the sheet, and what moves above it.
#[component]
fn Sheet(animator: StoredValue<Animator, LocalStorage>) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let layer = NodeRef::<html::Div>::new();
    Effect::new(move |_| {
        if let Some(element) = layer.get() {
            animator.with_value(|a| a.set_layer(element.into()));
        }
    });
    let open_trace = move |event: web_sys::MouseEvent| {
        if let Some(trace) = trace_of_event(event.target()) {
            nav.select(Selected::Trace(trace));
        }
    };
    view! {
        <div class="c-house__sheet">
            <structure::Structure />
            <outside::Outside />
            <control::ControlPlane />
            <outside::WaitingRoom />
            <node::Nodes />
            <outside::Beam />
            <div class="c-house__flights" node_ref=layer on:click=open_trace></div>
            <Invitation />
        </div>
    }
}

/// Says that this is not the present.
#[component]
fn Ribbon() -> impl IntoView {
    let stage = expect_context::<Stage>();
    view! {
        {move || {
            stage
                .past
                .get()
                .map(|revision| {
                    view! {
                        <p class="c-ribbon" role="status">
                            <b>{format!("◔ As of revision {revision}")}</b>
                            "The cluster goes on; what you send reaches the present."
                        </p>
                    }
                })
        }}
    }
}

/// Plays what the stage asks for: slow motion, one story alone, nothing at all while the past is shown.
fn play(animator: StoredValue<Animator, LocalStorage>) {
    let stage = expect_context::<Stage>();
    Effect::new(move |_| animator.with_value(|a| a.set_slow(stage.slow.get())));
    let alone =
        Memo::new(move |_| stage.replay.with(Option::is_some) || stage.past.with(Option::is_some));
    Effect::new(move |_| animator.with_value(|a| a.set_alone(alone.get())));
    let leg = Memo::new(move |_| {
        stage.replay.with(|r| {
            let r = r.as_ref()?;
            let (from, to) = r.leg()?;
            Some((r.at, from.clone(), to.clone()))
        })
    });
    Effect::new(move |_| {
        if let Some((_, from, to)) = leg.get() {
            let (from, room) = (
                Room::of_component(&from.component),
                Room::of_component(&to.component),
            );
            let travel_ms = f64::from(LEG_MS) * 0.8;
            animator.with_value(|a| a.leg(&from, &room, &to.tag, to.ending, travel_ms));
        }
    });
}

fn shape(scene: &Scene, (width, height): (f64, f64)) -> Shape {
    let pods = scene.nodes.iter().map(|n| n.pods.len());
    Shape {
        width,
        height,
        nodes: scene
            .nodes
            .iter()
            .map(|n| (n.name.clone(), n.zone.clone()))
            .collect(),
        most_pods: pods.max().unwrap_or(0),
        gates: scene.gates.iter().map(|g| g.port).collect(),
    }
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
        plan.layout.with(|l| {
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
