//! Sending: every write is shown as a command line and YAML before it goes, unless the user wants no question.

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::backend::call::Call;
use crate::backend::{browser, fetch};
use crate::state::app::{Ask, Hands, Nav};
use crate::state::yaml;
use crate::ui::modal::Modal;

/// Asks, or sends at once when the user ticked "don't ask" and it destroys nothing.
pub fn propose(hands: Hands, nav: Nav, ask: Ask) {
    hands.notice.set(None);
    if ask.always || !hands.dont_ask.get_untracked() {
        hands.ask.set(Some(ask));
    } else {
        run(hands, nav, ask);
    }
}

/// Sends the calls one after the other and stops at the first refusal, which is shown where the gesture ended.
pub fn run(hands: Hands, nav: Nav, ask: Ask) {
    hands.ask.set(None);
    spawn_local(async move {
        let trace = fetch::new_trace();
        for call in &ask.calls {
            if let Err(failure) = fetch::send_in(call, trace).await {
                hands.refuse(failure.to_string(), ask.at);
                return;
            }
        }
        hands.tell(ask.done);
        if let Some(then) = ask.then {
            nav.select(then);
        }
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

#[component]
fn AskBody(ask: Ask, hands: Hands, nav: Nav) -> impl IntoView {
    let calls: Vec<_> = ask.calls.iter().map(shown).collect();
    let always = ask.always;
    let warning = (!ask.warning.is_empty())
        .then(|| view! { <p class="c-modal__warning">{ask.warning.clone()}</p> });
    let remember = move |event| {
        let on = event_target_checked(&event);
        hands.dont_ask.set(on);
        browser::remember("dont-ask", if on { "yes" } else { "no" });
    };
    view! {
        {warning}
        <div class="c-calls">{calls}</div>
        <div class="c-modal__foot">
            {(!always)
                .then(|| {
                    view! {
                        <label class="c-check">
                            <input type="checkbox" id="dont-ask" prop:checked=hands.dont_ask on:change=remember />
                            "Don't ask again"
                        </label>
                    }
                })}
            <span class="u-space"></span>
            <button type="button" class="c-button" on:click=move |_| hands.ask.set(None)>
                "Cancel"
            </button>
            <button
                type="button"
                class=if always { "c-button c-button--danger" } else { "c-button c-button--main" }
                id="send"
                autofocus
                on:click=move |_| run(hands, nav, ask.clone())
            >
                {if always { "Do it" } else { "Send" }}
            </button>
        </div>
    }
}

fn shown(call: &Call) -> impl IntoView + use<> {
    let yaml = call.body.as_ref().map(yaml::print);
    let line = if call.line.is_empty() {
        format!("{} {}", call.method, call.path)
    } else {
        call.line.clone()
    };
    view! {
        <pre class="c-code c-code--line" tabindex="0">
            <span class="c-code__prompt" aria-hidden="true">
                "$ "
            </span>
            {line}
        </pre>
        {yaml.map(|y| view! { <pre class="c-code" tabindex="0">{y}</pre> })}
    }
}
