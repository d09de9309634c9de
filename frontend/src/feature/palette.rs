//! What can be made: the cluster's images as pods, objects, and the house's own switches. Each item can be dragged,
//! and each opens a form by click or Enter. Nothing is offered that does not act.

use leptos::prelude::*;
use shared::live::Image;

use super::drag::Grip;
use super::instruments::{self, Instrument};
use super::upload::UploadButton;
use crate::state::app::{Cargo, Dialog, Hands, Mark, Nav, NewWhat, Truth};
use crate::state::route::View;
use crate::state::{samples, text};

/// The left column.
#[component]
pub fn Palette() -> impl IntoView {
    let truth = expect_context::<Truth>();
    let hands = expect_context::<Hands>();
    let images = Memo::new(move |_| {
        let mut images = truth.images.get();
        images.sort_by_key(|i| (i.uploaded, !i.what.contains("http"), i.name.clone()));
        images
    });
    view! {
        <nav class="c-palette" aria-label="Palette">
            <h2>"Learn"</h2>
            <ul>
                <li>
                    <button type="button" class="c-item" id="open-library" on:click=move |_| hands.dialog.set(Dialog::Library)>
                        <span aria-hidden="true">"▸"</span>
                        <b>"Scenarios …"</b>
                    </button>
                </li>
            </ul>
            <h2>"Workloads"</h2>
            <ul>
                <For each=move || images.get() key=|i| i.name.clone() let:image>
                    <li>
                        <Workload image=image />
                    </li>
                </For>
                <li>
                    <UploadButton />
                </li>
            </ul>
            <h2>"Objects"</h2>
            <ul>
                <Object what=NewWhat::Pod name="Pod" glyph="▢" />
                <Object what=NewWhat::Deployment name="Deployment" glyph="◫" />
                <Object what=NewWhat::Service name="Service" glyph="◇" />
                <Object what=NewWhat::Namespace name="Namespace" glyph="⬚" />
                <li>
                    <button type="button" class="c-item" id="open-paste" on:click=move |_| hands.dialog.set(Dialog::Paste)>
                        <span aria-hidden="true">"≡"</span>
                        <b>"From YAML …"</b>
                    </button>
                </li>
            </ul>
            <h2>"Look into"</h2>
            <ul>{instruments::ALL.into_iter().map(|i| view! { <Look instrument=i /> }).collect_view()}</ul>
            <h2>"House"</h2>
            <ul>
                <li>
                    <Pin mark=Mark::Taint name="Taint" glyph="⊘" />
                </li>
                <li>
                    <Pin mark=Mark::Label name="Label" glyph="⌑" />
                </li>
                <li>
                    <StopNode />
                </li>
                <li>
                    <button type="button" class="c-item" id="open-console" on:click=move |_| hands.console.set(true)>
                        <span aria-hidden="true">"❯"</span>
                        <b>"Console"</b>
                    </button>
                </li>
            </ul>
            <p class="c-palette__hint">"Drag a workload onto a node, or onto the free canvas to place it later."</p>
        </nav>
    }
}

#[component]
fn Workload(image: Image) -> impl IntoView {
    let hands = expect_context::<Hands>();
    let grip = expect_context::<Grip>();
    let short = samples::short_name(&image.name).to_owned();
    let alias = (!image.aliases.is_empty()).then(|| format!("= {}", image.aliases.join(", ")));
    let title = format!(
        "{} · {} · {}",
        image.name,
        image.what,
        text::size(image.size)
    );
    let glyph = match image.what.as_str() {
        w if w.contains("http") => "◈",
        w if w.contains("preview 1") => "◻",
        _ => "◆",
    };
    let press = {
        let (image, short) = (image.clone(), short.clone());
        move |e: web_sys::PointerEvent| {
            grip.press(&e, Cargo::Workload(image.clone()), short.clone())
        }
    };
    let name = image.name.clone();
    let uploaded = image.uploaded;
    let open = move |_| {
        if !grip.was_drag() {
            hands.dialog.set(Dialog::Run(image.clone()));
        }
    };
    view! {
        <button
            type="button"
            class="c-item"
            title=title
            data-kind="workload"
            data-image=name
            data-uploaded=uploaded.to_string()
            on:pointerdown=press
            on:click=open
        >
            <span aria-hidden="true">{glyph}</span>
            <b>{short}</b>
            {alias.map(|a| view! { <span class="c-item__alias">{a}</span> })}
        </button>
    }
}

#[component]
fn Look(instrument: Instrument) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let here = move || {
        nav.0
            .with(|r| r.view == View::Instrument(instrument.word.to_owned()))
    };
    view! {
        <li>
            <button
                type="button"
                class="c-item"
                data-kind="object"
                data-name=instrument.word
                aria-current=move || here().then_some("page")
                on:click=move |_| nav.look(instrument.word, "")
            >
                <span aria-hidden="true">{instrument.glyph}</span>
                <b>{instrument.title}</b>
            </button>
        </li>
    }
}

#[component]
fn Object(what: NewWhat, name: &'static str, glyph: &'static str) -> impl IntoView {
    let hands = expect_context::<Hands>();
    view! {
        <li>
            <button type="button" class="c-item" data-kind="object" data-name=name on:click=move |_| hands.dialog.set(Dialog::New(what))>
                <span aria-hidden="true">{glyph}</span>
                <b>{name}</b>
                <span class="u-hidden">" …"</span>
            </button>
        </li>
    }
}

/// A taint or a label to drop on a node; the node's panel has the same by button.
#[component]
fn Pin(mark: Mark, name: &'static str, glyph: &'static str) -> impl IntoView {
    let hands = expect_context::<Hands>();
    let truth = expect_context::<Truth>();
    let grip = expect_context::<Grip>();
    let press = move |e: web_sys::PointerEvent| {
        grip.press(&e, Cargo::Mark(mark), format!("{name} for a node"))
    };
    let open = move |_| {
        if grip.was_drag() {
            return;
        }
        let first = truth.now(|c| c.shelf("nodes").keys().next().map(|k| k.name.clone()));
        if let Some(node) = first {
            hands.dialog.set(Dialog::Mark(mark, node));
        }
    };
    view! {
        <button type="button" class="c-item" data-kind="mark" data-name=name on:pointerdown=press on:click=open>
            <span aria-hidden="true">{glyph}</span>
            <b>{name}</b>
            <span class="u-hidden">" on a node …"</span>
        </button>
    }
}

#[component]
fn StopNode() -> impl IntoView {
    let hands = expect_context::<Hands>();
    let grip = expect_context::<Grip>();
    let press =
        move |e: web_sys::PointerEvent| grip.press(&e, Cargo::StopNode, "Stop a node".into());
    let hint = move |_| {
        if !grip.was_drag() {
            hands.tell("Drag this onto a node, or open a node's panel and choose Stop.");
            hands.notice.set(Some(crate::state::app::Notice {
                text: "Drag this onto a node, or open a node's panel and choose Stop.".into(),
                at: None,
                failed: false,
            }));
        }
    };
    view! {
        <button type="button" class="c-item" data-kind="house" data-name="stop-node" on:pointerdown=press on:click=hint>
            <span aria-hidden="true">"○"</span>
            <b>"Stop a node"</b>
        </button>
    }
}
