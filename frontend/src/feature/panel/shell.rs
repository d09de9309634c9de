//! A shell in a container: `kubectl exec -i POD -- sh` over the API's own WebSocket. Lines go in, text comes out; what
//! the program prints is shown, never interpreted.

use leptos::html;
use leptos::prelude::*;
use shared::ObjectKey;

use crate::backend::{call, socket};
use crate::state::app::Truth;
use crate::state::route::Selected;
use crate::state::text::plain;

/// Bytes of output kept on the page.
const MAX_OUTPUT: usize = 200_000;
/// Lines that the arrow keys bring back.
const MAX_HISTORY: usize = 100;

/// Input, output, and which container.
#[component]
pub(super) fn Shell(at: Selected) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let Selected::Object(_, key) = at else {
        return ().into_any();
    };
    let names = {
        let key = key.clone();
        Memo::new(move |_| {
            truth.cluster.with(|c| {
                let pod = c.pods.get(&key);
                let names = pod.into_iter().flat_map(|p| &p.containers);
                names.map(|c| c.name.clone()).collect::<Vec<_>>()
            })
        })
    };
    let container = RwSignal::new(names.with_untracked(|n| n.last().cloned().unwrap_or_default()));
    let command = RwSignal::new("sh".to_owned());
    let option = move |n: String| {
        let selected = container.with_untracked(|c| *c == n);
        view! { <option value=n.clone() selected=selected>{n.clone()}</option> }
    };
    let session = RwSignal::new(None::<u32>);
    let start = move |e: web_sys::SubmitEvent| {
        e.prevent_default();
        session.update(|s| *s = Some(s.map_or(1, |n| n + 1)));
    };
    view! {
        <form class="c-logs__bar" on:submit=start>
            <label for="shell-container">"Container"</label>
            <select id="shell-container" on:change=move |e| container.set(event_target_value(&e))>
                {move || names.get().into_iter().map(option).collect_view()}
            </select>
            <label for="shell-command">"Command"</label>
            <input type="text" id="shell-command" size="10" prop:value=command on:input=move |e| command.set(event_target_value(&e)) />
            <button type="submit" class="c-button c-button--small c-button--main" id="shell-start">
                {move || if session.get().is_some() { "Start again" } else { "Start" }}
            </button>
        </form>
        {move || {
            session.get().map(|_| {
                let command = command.get_untracked();
                view! { <Session key=key.clone() container=container.get_untracked() command=command /> }
            })
        }}
    }
    .into_any()
}

/// One run of the command, ended when this is unmounted.
#[component]
fn Session(key: ObjectKey, container: String, command: String) -> impl IntoView {
    let (output, line) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let ended = RwSignal::new(None::<String>);
    let words: Vec<&str> = command.split_whitespace().collect();
    let path = call::exec_path(&key, &container, &words);
    let show = move |text: &str| keep(output, text);
    let heard = move |said| match said {
        socket::Said::Text(text) => show(&text),
        socket::Said::Ended(how) => {
            let _ = ended.try_set(Some(how));
        }
    };
    let stream = StoredValue::new_local(socket::exec(&path, heard));
    on_cleanup(move || {
        let _ = stream.try_update_value(|s| s.take().map(socket::Exec::close));
    });
    let history = StoredValue::new(Vec::<String>::new());
    let send = move |e: web_sys::SubmitEvent| {
        e.prevent_default();
        let text = line.get_untracked();
        line.set(String::new());
        show(&format!("$ {text}\n"));
        stream.with_value(|s| {
            if let Some(exec) = s {
                exec.send(&format!("{text}\n"));
            }
        });
        history.update_value(|h| {
            h.push(text);
            let surplus = h.len().saturating_sub(MAX_HISTORY);
            h.drain(..surplus);
        });
    };
    let back = StoredValue::new(0usize);
    let keys = move |e: web_sys::KeyboardEvent| {
        let step = match e.key().as_str() {
            "ArrowUp" => back.get_value() + 1,
            "ArrowDown" => back.get_value().saturating_sub(1),
            _ => return back.set_value(0),
        };
        e.prevent_default();
        let found =
            history.with_value(|h| h.len().checked_sub(step).and_then(|i| h.get(i).cloned()));
        if step == 0 || found.is_some() {
            back.set_value(step);
            line.set(found.unwrap_or_default());
        }
    };
    view! {
        <Output output=output />
        <form class="c-shell" on:submit=send>
            <label for="shell-line" aria-hidden="true">"$"</label>
            <input
                type="text"
                id="shell-line"
                aria-label="A line for the shell"
                autocomplete="off"
                spellcheck="false"
                autofocus
                disabled=move || ended.get().is_some()
                prop:value=line
                on:input=move |e| line.set(event_target_value(&e))
                on:keydown=keys
            />
        </form>
        {move || ended.get().map(|how| view! { <p class="c-quiet" id="shell-ended" role="status">{how}</p> })}
    }
}

/// Adds to the output and drops what is too far back.
fn keep(output: RwSignal<String>, text: &str) {
    let _ = output.try_update(|o| {
        o.push_str(&plain(text));
        if o.len() > MAX_OUTPUT {
            let cut = o.len() - MAX_OUTPUT * 3 / 4;
            let cut = (cut..o.len()).find(|i| o.is_char_boundary(*i));
            o.drain(..cut.unwrap_or(0));
        }
    });
}

#[component]
fn Output(output: RwSignal<String>) -> impl IntoView {
    let pane = NodeRef::<html::Pre>::new();
    Effect::new(move |_| {
        output.track();
        if let Some(pane) = pane.get() {
            pane.set_scroll_top(pane.scroll_height());
        }
    });
    view! {
        <pre class="c-code c-logs" id="shell" role="log" aria-label="Output of the shell" tabindex="0" node_ref=pane>
            {output}
        </pre>
    }
}
