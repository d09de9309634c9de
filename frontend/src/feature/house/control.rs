//! The upper floor: five rooms with their state on the wall.

use leptos::prelude::*;

use super::Plan;
use crate::graph::room::Room;
use crate::state::app::{Nav, Truth};
use crate::state::rooms::{Line, Tone, wall};
use crate::state::route::Selected;

/// The control plane.
#[component]
pub(super) fn ControlPlane() -> impl IntoView {
    let Plan { layout, .. } = expect_context::<Plan>();
    let label = move || {
        layout.with(|l| format!("--x:{:.0}px;--y:{:.0}px", l.house.x + 14.0, l.house.y + 8.0))
    };
    view! {
        <section class="c-plane" aria-labelledby="control-plane">
            <h2 class="c-floor-name" id="control-plane" style=label>
                "control plane"
            </h2>
            {Room::CONTROL_PLANE.into_iter().map(|room| view! { <ControlRoom room=room /> }).collect_view()}
        </section>
    }
}

/// One room.
#[component]
fn ControlRoom(room: Room) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let nav = expect_context::<Nav>();
    let plan = expect_context::<Plan>();
    let component = room.component();
    let (prefix, own) = room.name_parts();
    let on_wall = {
        let room = room.clone();
        Memo::new(move |_| truth.cluster.with(|c| wall(c, &room)))
    };
    let working = {
        let room = room.clone();
        move || truth.lit.with(|lit| lit.contains(&room))
    };
    let selected = {
        let name = component.clone();
        move || {
            nav.0
                .with(|r| r.selected == Selected::Component(name.clone()))
        }
    };
    let open = {
        let name = component.clone();
        move |_| nav.select(Selected::Component(name.clone()))
    };
    view! {
        <article
            class="c-room"
            style=plan.style(room)
            data-kind="component"
            data-name=component.clone()
            data-working=move || working().to_string()
            data-selected=move || selected().to_string()
        >
            <h3 class="c-room__name">
                <button type="button" class="c-room__open" on:click=open>
                    <span>{prefix}</span>
                    <b>{own}</b>
                </button>
            </h3>
            <p class="c-room__sub">{move || on_wall.with(|w| w.sub.clone())}</p>
            <ul class="c-wall">
                {move || on_wall.with(|w| w.lines.iter().map(line).collect_view())}
            </ul>
        </article>
    }
}

fn line(line: &Line) -> impl IntoView + use<> {
    let tone = match line.tone {
        Tone::Plain => "plain",
        Tone::Quiet => "quiet",
        Tone::Working => "working",
        Tone::Failing => "failing",
    };
    view! {
        <li data-tone=tone>
            <span class="c-wall__left">{line.left.clone()}</span>
            {line
                .bar
                .map(|percent| {
                    view! {
                        <span class="c-bar" aria-hidden="true">
                            <i style=format!("--part:{percent}%")></i>
                        </span>
                    }
                })}
            <span class="c-wall__right" data-figure=is_figure(&line.right).to_string()>
                {line.right.clone()}
            </span>
        </li>
    }
}

/// Figures align in the monospace; words are set as words.
fn is_figure(value: &str) -> bool {
    value.starts_with(|c: char| c.is_ascii_digit() || c == '+' || c == '-')
}
