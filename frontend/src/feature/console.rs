//! A console with kubectl's common verbs: what one types is turned into requests, and each request is shown with its
//! answer's code, so that one learns what kubectl does.

use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::backend::fetch::{self, As, Failure};
use crate::state::app::Hands;
use crate::state::command::{self, Output};
use crate::state::text::plain;

/// Lines kept on the page.
const MAX_LINES: usize = 2000;
/// Commands that the arrow keys bring back.
const MAX_HISTORY: usize = 100;

/// One line on the console.
#[derive(Clone, Debug, PartialEq)]
struct Line {
    /// `typed`, `call`, `out` or `error`.
    kind: &'static str,
    text: String,
}

/// The console at the foot of the main area.
#[component]
pub fn Console() -> impl IntoView {
    let hands = expect_context::<Hands>();
    move || {
        hands
            .console
            .get()
            .then(|| view! { <Drawer hands=hands /> })
    }
}

#[component]
fn Drawer(hands: Hands) -> impl IntoView {
    let lines = RwSignal::new(vec![Line {
        kind: "out",
        text: command::HELP.to_owned(),
    }]);
    let typed = RwSignal::new(String::new());
    let (history, back) = (
        StoredValue::new(Vec::<String>::new()),
        StoredValue::new(0usize),
    );
    let submit = move |e: web_sys::SubmitEvent| {
        e.prevent_default();
        let text = typed.get_untracked().trim().to_owned();
        typed.set(String::new());
        if text.is_empty() {
            return;
        }
        history.update_value(|h| {
            h.push(text.clone());
            let surplus = h.len().saturating_sub(MAX_HISTORY);
            h.drain(..surplus);
        });
        back.set_value(0);
        say(lines, "typed", format!("$ {text}"));
        run(lines, &text);
    };
    let keys = move |e: web_sys::KeyboardEvent| {
        let step = match e.key().as_str() {
            "ArrowUp" => back.get_value() + 1,
            "ArrowDown" => back.get_value().saturating_sub(1),
            "Escape" => return hands.console.set(false),
            _ => return,
        };
        e.prevent_default();
        let found =
            history.with_value(|h| h.len().checked_sub(step).and_then(|i| h.get(i).cloned()));
        if step == 0 || found.is_some() {
            back.set_value(step);
            typed.set(found.unwrap_or_default());
        }
    };
    let input = NodeRef::<html::Input>::new();
    Effect::new(move |_| {
        if let Some(input) = input.get() {
            let _ = input.focus();
        }
    });
    view! {
        <section class="c-console" id="console" aria-label="Console">
            <button type="button" class="c-button c-button--small c-console__close" aria-label="Close the console" on:click=move |_| hands.console.set(false)>
                "✕"
            </button>
            <Printed lines=lines />
            <form class="c-shell" on:submit=submit>
                <label for="console-line">"kubectl"</label>
                <input
                    type="text"
                    id="console-line"
                    autocomplete="off"
                    spellcheck="false"
                    placeholder="get pods -A"
                    node_ref=input
                    prop:value=typed
                    on:input=move |e| typed.set(event_target_value(&e))
                    on:keydown=keys
                />
            </form>
        </section>
    }
}

#[component]
fn Printed(lines: RwSignal<Vec<Line>>) -> impl IntoView {
    let pane = NodeRef::<html::Div>::new();
    Effect::new(move |_| {
        lines.track();
        if let Some(pane) = pane.get() {
            pane.set_scroll_top(pane.scroll_height());
        }
    });
    let one = |l: Line| view! { <pre data-kind=l.kind>{l.text}</pre> };
    view! {
        <div class="c-console__lines" role="log" tabindex="0" aria-label="What the console printed" node_ref=pane>
            {move || lines.get().into_iter().map(one).collect_view()}
        </div>
    }
}

fn say(lines: RwSignal<Vec<Line>>, kind: &'static str, text: String) {
    let _ = lines.try_update(|all| {
        all.push(Line {
            kind,
            text: plain(&text),
        });
        let surplus = all.len().saturating_sub(MAX_LINES);
        all.drain(..surplus);
    });
}

fn run(lines: RwSignal<Vec<Line>>, text: &str) {
    match command::read(text) {
        Err(why) => say(lines, "error", why.to_string()),
        Ok(plan) => spawn_local(async move {
            for (call, output) in plan.calls.iter().zip(plan.outputs()) {
                let wanted = match output {
                    Output::Table => As::Table,
                    Output::Text => As::Text,
                    _ => As::Json,
                };
                let answer = fetch::exchange(call, wanted).await;
                let code = code(&answer);
                say(
                    lines,
                    "call",
                    format!("{} {} → {code}", call.method, call.path),
                );
                match answer {
                    Ok((_, value)) => say(lines, "out", command::print(&plan, &output, &value)),
                    Err(failure) => return say(lines, "error", failure.to_string()),
                }
            }
        }),
    }
}

/// The HTTP status of an answer, as the line of its call ends.
fn code(answer: &Result<(u16, serde_json::Value), Failure>) -> String {
    match answer {
        Ok((code, _)) | Err(Failure::Odd { code }) => code.to_string(),
        Err(Failure::Refused(status)) => status.code.to_string(),
        Err(Failure::Silent(_)) => "no answer".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_ends_with_its_own_status() {
        let refused = shared::Status::failure(409, "Conflict", "no");
        for (answer, want) in [
            (Ok((200, serde_json::Value::Null)), "200"),
            (Ok((201, serde_json::Value::Null)), "201"),
            (Err(Failure::Refused(Box::new(refused))), "409"),
            (Err(Failure::Odd { code: 502 }), "502"),
            (Err(Failure::Silent(String::new())), "no answer"),
        ] {
            assert_eq!(code(&answer), want);
        }
    }
}
