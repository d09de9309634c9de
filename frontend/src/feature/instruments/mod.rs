//! Instruments: one component looked into, over the whole main area. Each is a folder with one [`Instrument`]; adding
//! one is that folder and its row in [`ALL`].

#![allow(
    unreachable_pub,
    reason = "leptos writes the props of a component as pub, whatever the component is"
)]

mod etcd;
mod network;
mod scheduler;

use leptos::prelude::*;

use crate::state::app::Nav;
use crate::state::route::View;

/// What the frame needs to know of an instrument.
#[derive(Clone, Copy)]
pub struct Instrument {
    /// Its word in the address bar.
    pub word: &'static str,
    /// Its name.
    pub title: &'static str,
    /// What it shows, in a sentence.
    pub about: &'static str,
    /// The sign in front of its name.
    pub glyph: &'static str,
    /// The component whose panel leads to it.
    pub component: &'static str,
    /// Its content; what it looks at comes from the address bar.
    body: fn(On) -> AnyView,
}

/// Every instrument, in the order in which they are offered.
pub const ALL: [Instrument; 3] = [scheduler::INSTRUMENT, etcd::INSTRUMENT, network::INSTRUMENT];

/// The instrument of a component, if there is one.
#[must_use]
pub fn of_component(component: &str) -> Option<Instrument> {
    let own = |i: &Instrument| component.split(' ').next() == Some(i.component);
    ALL.into_iter().find(own)
}

/// What an instrument looks at, and how it looks at something else.
#[derive(Clone, Copy)]
struct On {
    word: &'static str,
    nav: Nav,
    at: Memo<String>,
}

impl On {
    fn set(&self, at: &str) {
        self.nav.look(self.word, at);
    }
}

/// An instrument under its head.
#[component]
pub fn Frame(
    /// Which one.
    word: String,
) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let Some(instrument) = ALL.into_iter().find(|i| i.word == word) else {
        return view! { <p class="c-tables__none" role="alert">{format!("There is no instrument named {word}.")}</p> }.into_any();
    };
    let on = On {
        word: instrument.word,
        nav,
        at: Memo::new(move |_| nav.0.with(|r| r.on.clone())),
    };
    let tab = |i: Instrument| {
        let current = (i.word == instrument.word).then_some("page");
        view! {
            <li>
                <button type="button" aria-current=current on:click=move |_| nav.look(i.word, "")>
                    {i.title}
                </button>
            </li>
        }
    };
    view! {
        <section class="c-instrument" data-instrument=instrument.word aria-labelledby="instrument-title">
            <header class="c-instrument__head">
                <h2 id="instrument-title">{instrument.title}</h2>
                <ul class="c-tables__kinds" aria-label="Instruments">{ALL.into_iter().map(tab).collect_view()}</ul>
                <button type="button" class="c-button c-button--small" id="instrument-close" on:click=move |_| nav.view(View::House)>
                    "Back to the house"
                </button>
                <p class="c-quiet">{instrument.about}</p>
            </header>
            {(instrument.body)(on)}
        </section>
    }
    .into_any()
}

/// Something that could not be read, in the server's words.
fn problem(text: String) -> AnyView {
    view! { <p class="c-tables__none" role="alert">{text}</p> }.into_any()
}

/// Before the first answer.
fn waits() -> AnyView {
    view! { <p class="c-tables__none">"Asking the cluster …"</p> }.into_any()
}
