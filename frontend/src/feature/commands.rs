//! The command palette: everything by its name, from the keyboard.

use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::live::ClockChange;

use super::instruments;
use crate::backend::{browser, call, fetch};
use crate::state::app::{Dialog, Hands, Nav, Truth};
use crate::state::commands::{self, Act, Command};
use crate::ui::modal::Modal;
use crate::words::commands as words;

/// A field, and what has the typed text in its name.
#[component]
pub fn Commands() -> impl IntoView {
    let truth = expect_context::<Truth>();
    let hands = expect_context::<Hands>();
    let nav = expect_context::<Nav>();
    let instruments = instruments::ALL.map(|i| (i.word, i.title));
    let fixed = commands::fixed(&instruments);
    let typed = RwSignal::new(String::new());
    let found = Memo::new(move |_| {
        let typed = typed.get();
        truth.now(|c| commands::find(&fixed, c, &typed))
    });
    let at = RwSignal::new(0usize);
    let close = Callback::new(move |()| hands.dialog.set(Dialog::None));
    let run = move |act: Act| {
        hands.dialog.set(Dialog::None);
        perform(act, truth, hands, nav);
    };
    let keys = move |e: web_sys::KeyboardEvent| {
        let count = found.with_untracked(Vec::len);
        match e.key().as_str() {
            "ArrowDown" => at.update(|a| *a = (*a + 1) % count.max(1)),
            "ArrowUp" => at.update(|a| *a = a.checked_sub(1).unwrap_or(count.saturating_sub(1))),
            "Enter" => {
                let chosen = found.with_untracked(|f| f.get(at.get_untracked()).cloned());
                if let Some(command) = chosen {
                    run(command.act);
                }
            }
            _ => return,
        }
        e.prevent_default();
        browser::show(&format!("#command-{}", at.get_untracked()));
    };
    let one = move |(i, command): (usize, Command)| {
        view! { <Row place=i command=command at=at run=Callback::new(run) /> }
    };
    let none = move || {
        found
            .with(Vec::is_empty)
            .then(|| view! { <p class="c-quiet" role="status">{words::NONE}</p> })
    };
    view! {
        <Modal title=words::TITLE on_close=close wide=true>
            <div class="c-commands">
                <input
                    type="text"
                    id="command-line"
                    role="combobox"
                    aria-label=words::TITLE
                    aria-expanded="true"
                    aria-controls="command-list"
                    aria-autocomplete="list"
                    aria-activedescendant=move || format!("command-{}", at.get())
                    placeholder=words::PLACEHOLDER
                    autocomplete="off"
                    autofocus
                    prop:value=typed
                    on:input=move |e| {
                        at.set(0);
                        typed.set(event_target_value(&e));
                    }
                    on:keydown=keys
                />
                <ul id="command-list" role="listbox" aria-label=words::TITLE>
                    {move || found.get().into_iter().enumerate().map(one).collect_view()}
                </ul>
                {none}
            </div>
        </Modal>
    }
}

#[component]
fn Row(place: usize, command: Command, at: RwSignal<usize>, run: Callback<Act>) -> impl IntoView {
    let act = command.act;
    view! {
        <li
            id=format!("command-{place}")
            role="option"
            aria-selected=move || (at.get() == place).to_string()
            on:click=move |_| run.run(act.clone())
        >
            <b>{command.name}</b>
            <span>{command.hint}</span>
        </li>
    }
}

fn perform(act: Act, truth: Truth, hands: Hands, nav: Nav) {
    match act {
        Act::View(view) => nav.view(view),
        Act::Select(at) => {
            nav.select(at);
            browser::soon(|| browser::focus("#panel-title"));
        }
        Act::Open(dialog) => hands.dialog.set(dialog),
        Act::Console => hands.console.set(true),
        // The button knows which theme is on.
        Act::Theme => browser::click("#theme"),
        Act::Clock(rate) => spawn_local(async move {
            let change = ClockChange {
                rate: Some(rate),
                step_ms: None,
            };
            match fetch::send(&call::clock(&change)).await {
                Ok(value) => {
                    if let Ok(pulse) = serde_json::from_value(value) {
                        truth.fold(vec![shared::live::Message::Pulse(pulse)]);
                    }
                }
                Err(failure) => hands.refuse(failure.to_string(), None),
            }
        }),
    }
}
