//! Sending: every write is shown as a command line and YAML before it goes, can be edited there, is judged by the
//! server while one types, and can be taken back where the API allows it.

mod body;

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::Value;

use crate::backend::call::Call;
use crate::backend::fetch::Failure;
use crate::backend::{browser, fetch};
use crate::state::app::{Ask, Hands, Nav, Undo};
use crate::state::undo;
use crate::ui::modal::Modal;
use body::AskBody;

/// How often a creation is tried again while the object that it replaces is still ending, and how long apart.
const TRIES_MAX: usize = 240;
const TRY_EVERY_MS: i32 = 250;
/// How long the offer to undo stays, in milliseconds: long enough to read it twice (WCAG 2.2.1).
const OFFER_MS: i32 = 20_000;

/// Asks, or sends at once when the user ticked "don't ask" and it destroys nothing.
pub fn propose(hands: Hands, nav: Nav, ask: Ask) {
    hands.notice.set(None);
    if ask.always || ask.expect.is_some() || !hands.dont_ask.get_untracked() {
        hands.ask.set(Some(ask));
    } else {
        run(hands, nav, ask);
    }
}

/// Sends the calls one after the other and stops at the first refusal, which is shown where the gesture ended.
pub fn run(hands: Hands, nav: Nav, ask: Ask) {
    hands.ask.set(None);
    spawn_local(async move {
        let mut back = Vec::new();
        let outcome = send_all(hands, &ask, &mut back).await;
        back.reverse();
        let undo = (!back.is_empty()).then(|| Undo {
            what: ask.title.clone(),
            calls: back,
        });
        forget_later(hands, undo.clone());
        match (outcome, ask.expect) {
            (Ok(()), None) => {
                hands.undo.set(undo);
                hands.tell(ask.done);
                if let Some(then) = ask.then {
                    nav.select(then);
                }
            }
            (Ok(()), Some(code)) => {
                hands.undo.set(undo);
                hands.refuse(
                    format!("This should have been refused with {code}, but it was accepted."),
                    ask.at,
                );
            }
            (Err(Failure::Refused(status)), Some(code)) if status.code == code => {
                hands.note(format!(
                    "{code} {}, as it should be: {}",
                    status.reason, status.message
                ));
            }
            (Err(failure), _) => {
                hands.undo.set(undo);
                hands.refuse(failure.to_string(), ask.at);
            }
        }
    });
}

/// Takes the offer to undo off the screen after a while, unless a newer one has come.
fn forget_later(hands: Hands, offer: Option<Undo>) {
    browser::after(OFFER_MS, move || {
        if hands.undo.try_with_untracked(|u| *u == offer) == Some(true) {
            hands.undo.set(None);
        }
    });
}

/// Sends in one trace; what takes each call back is gathered as far as it got.
async fn send_all(hands: Hands, ask: &Ask, back: &mut Vec<Call>) -> Result<(), Failure> {
    let trace = fetch::new_trace();
    let mut ended = false;
    for call in &ask.calls {
        let inverse = hands.truth.now(|c| undo::inverse(call, c));
        let mut tries = 0;
        let answer: Value = loop {
            match fetch::send_in(call, trace).await {
                // A pod that was ended a moment ago keeps its name until its containers have stopped.
                Err(Failure::Refused(status))
                    if ended && status.is_already_exists() && tries < TRIES_MAX =>
                {
                    tries += 1;
                    browser::pause(TRY_EVERY_MS).await;
                }
                other => break other?,
            }
        };
        ended |= call.method == "DELETE" || call.path.ends_with("/eviction");
        if ask.lesson {
            let noted = (call.clone(), answer.clone());
            hands.accepted.update(|all| all.push(noted));
        }
        back.extend(inverse.or_else(|| undo::created(call, &answer)));
    }
    Ok(())
}

/// Takes the last write back.
pub fn take_back(hands: Hands) {
    let Some(last) = hands.undo.get_untracked() else {
        return;
    };
    hands.undo.set(None);
    spawn_local(async move {
        for call in &last.calls {
            if let Err(failure) = fetch::send(call).await {
                return hands.refuse(format!("This cannot be taken back: {failure}"), None);
            }
        }
        hands.tell(format!("Taken back: {}.", last.what));
    });
}

/// What will be sent, and the button that sends it.
#[component]
pub fn AskDialog() -> impl IntoView {
    let hands = expect_context::<Hands>();
    let nav = expect_context::<Nav>();
    let close = Callback::new(move |()| hands.ask.set(None));
    move || {
        hands.ask.get().map(|ask| {
            let title = ask.title.clone();
            view! {
                <Modal title=title on_close=close wide=true>
                    <AskBody ask=ask hands=hands nav=nav />
                </Modal>
            }
        })
    }
}

/// The offer to take the last write back.
#[component]
pub fn UndoBar() -> impl IntoView {
    let hands = expect_context::<Hands>();
    let one = move |undo: Undo| {
        view! {
            <div class="c-undo" role="region" aria-label="Undo">
                <span>{undo.what}</span>
                <button type="button" class="c-button c-button--small" id="undo" on:click=move |_| take_back(hands)>
                    "Undo"
                </button>
                <button type="button" class="c-button c-button--small" aria-label="Keep it" on:click=move |_| hands.undo.set(None)>
                    "✕"
                </button>
            </div>
        }
    };
    move || hands.undo.get().map(one)
}
