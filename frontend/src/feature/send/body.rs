//! The inside of the question: command lines, YAML that can be edited, and what the server says about it.

#![allow(
    unreachable_pub,
    reason = "leptos writes the props of a component as pub, whatever the component is"
)]

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::run;
use crate::backend::call::Call;
use crate::backend::fetch::Failure;
use crate::backend::{browser, fetch};
use crate::state::app::{Ask, Hands, Nav};
use crate::state::locate::{self, Complaint};
use crate::state::yaml;
use crate::ui::editor::Editor;

/// How long one must have stopped typing before the server is asked, in milliseconds.
const QUIET_MS: i32 = 500;

/// One call on its way through the dialog.
#[derive(Clone)]
struct Draft {
    call: Call,
    /// The body as YAML, and as it was at first.
    text: RwSignal<String>,
    first: StoredValue<String>,
    complaints: RwSignal<Vec<Complaint>>,
}

impl Draft {
    fn of(call: Call) -> Self {
        let yaml = call.body.as_ref().map(yaml::print).unwrap_or_default();
        Self {
            call,
            text: RwSignal::new(yaml.clone()),
            first: StoredValue::new(yaml),
            complaints: RwSignal::new(Vec::new()),
        }
    }

    /// The call as the user left it.
    fn call(&self) -> Call {
        let text = self.text.get_untracked();
        let changed = self.first.with_value(|f| *f != text);
        Call {
            edited: (changed && self.call.is_editable()).then_some(text),
            ..self.call.clone()
        }
    }

    /// Asks the server what it thinks of the text, once nobody has typed for a moment.
    fn judge(&self) {
        let (draft, asked) = (self.clone(), self.text.get_untracked());
        let still = move || draft.text.try_with_untracked(|t| *t == asked) == Some(true);
        let draft = self.clone();
        browser::after(QUIET_MS, move || {
            if !still() {
                return;
            }
            spawn_local(async move {
                let answer = fetch::send(&draft.call().dry_run()).await;
                if !still() {
                    return;
                }
                let found = match answer {
                    Ok(_) => Vec::new(),
                    Err(Failure::Refused(status)) => draft
                        .text
                        .with_untracked(|t| locate::complaints(t, &status)),
                    Err(failure) => vec![Complaint {
                        line: 0,
                        text: failure.to_string(),
                    }],
                };
                let _ = draft.complaints.try_set(found);
            });
        });
    }
}

/// What is asked.
#[component]
pub(super) fn AskBody(ask: Ask, hands: Hands, nav: Nav) -> impl IntoView {
    let drafts: Vec<Draft> = ask.calls.iter().cloned().map(Draft::of).collect();
    // What follows the first call may depend on it, so only the first is judged beforehand; a refusal that is the
    // lesson is left to be seen.
    if let (Some(first), None) = (drafts.first().filter(|d| d.call.is_editable()), ask.expect) {
        let judged = first.clone();
        Effect::new(move |_| {
            judged.text.track();
            judged.judge();
        });
    }
    let always = ask.always;
    let warning = (!ask.warning.is_empty())
        .then(|| view! { <p class="c-modal__warning">{ask.warning.clone()}</p> });
    let to_send = drafts.clone();
    let send = Callback::new(move |()| {
        let calls = to_send.iter().map(Draft::call).collect();
        run(
            hands,
            nav,
            Ask {
                calls,
                ..ask.clone()
            },
        );
    });
    let only = drafts.len() == 1;
    let shown = drafts
        .into_iter()
        .map(|d| view! { <Shown draft=d only=only send=send /> });
    view! {
        {warning}
        <div class="c-calls">{shown.collect_view()}</div>
        <div class="c-modal__foot">
            {(!always).then(|| view! { <DontAsk hands=hands /> })}
            <span class="u-space"></span>
            <button type="button" class="c-button" on:click=move |_| hands.ask.set(None)>
                "Cancel"
            </button>
            <button
                type="button"
                class=if always { "c-button c-button--danger" } else { "c-button c-button--main" }
                id="send"
                autofocus
                on:click=move |_| send.run(())
            >
                {if always { "Do it" } else { "Send" }}
            </button>
        </div>
    }
}

#[component]
fn DontAsk(hands: Hands) -> impl IntoView {
    let remember = move |event| {
        let on = event_target_checked(&event);
        hands.dont_ask.set(on);
        browser::remember("dont-ask", if on { "yes" } else { "no" });
    };
    view! {
        <label class="c-check">
            <input type="checkbox" id="dont-ask" prop:checked=hands.dont_ask on:change=remember />
            "Don't ask again"
        </label>
    }
}

#[component]
fn Shown(draft: Draft, only: bool, send: Callback<()>) -> impl IntoView {
    let line = if draft.call.line.is_empty() {
        format!("{} {}", draft.call.method, draft.call.path)
    } else {
        draft.call.line.clone()
    };
    let text = draft.text;
    let body = match (draft.call.is_editable(), draft.call.body.is_some()) {
        (true, _) => {
            let id = if only { "ask-yaml" } else { "ask-yaml-first" };
            view! { <Editor text=text complaints=draft.complaints label="What is sent, as YAML" id=id on_submit=send /> }.into_any()
        }
        (false, true) => {
            view! { <pre class="c-code" tabindex="0">{text.get_untracked()}</pre> }.into_any()
        }
        (false, false) => ().into_any(),
    };
    view! {
        <pre class="c-code c-code--line" tabindex="0">
            <span class="c-code__prompt" aria-hidden="true">
                "$ "
            </span>
            {line}
        </pre>
        {body}
    }
}
