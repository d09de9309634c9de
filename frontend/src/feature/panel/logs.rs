//! Container logs, followed. Text is shown, never interpreted; the last lines are kept.

use std::sync::Arc;

use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::ObjectKey;

use crate::backend::{call, fetch};
use crate::state::app::Truth;
use crate::state::pod::{Part, PodView};
use crate::state::route::Selected;
use crate::state::text::plain;

/// Bytes of log kept on the page.
const MAX_LOG: usize = 400_000;

/// The log of one container of the selected pod.
#[component]
pub(super) fn Logs(at: Selected) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let Selected::Object(_, key) = at else {
        return ().into_any();
    };
    let names = {
        let key = key.clone();
        let all = |p: &Arc<PodView>| p.containers.iter().map(|c| c.name.clone()).collect();
        Memo::new(move |_| {
            truth
                .cluster
                .with(|c| c.pods.get(&key).map(all).unwrap_or_default())
        })
    };
    let chosen = RwSignal::new(None::<String>);
    // The app's first container, not the first init container, is what one wants to read.
    let first = {
        let key = key.clone();
        Memo::new(move |_| {
            truth.cluster.with(|c| {
                let mut all = c.pods.get(&key)?.containers.iter();
                all.find(|c| c.part == Part::App).map(|c| c.name.clone())
            })
        })
    };
    // A restart begins a new log: follow again.
    let restarts = {
        let key = key.clone();
        Memo::new(move |_| {
            truth
                .cluster
                .with(|c| c.pods.get(&key).map(|p| (p.restarts, p.status.clone())))
        })
    };
    let container = Memo::new(move |_| chosen.get().or_else(|| first.get()));
    let previous = RwSignal::new(false);
    let (text, problem, paused) = (
        RwSignal::new(String::new()),
        RwSignal::new(None),
        RwSignal::new(false),
    );
    Effect::new(move |_| {
        restarts.track();
        if let Some(container) = container.get() {
            follow(
                key.clone(),
                container,
                previous.get(),
                text,
                problem,
                paused,
            );
        }
    });
    view! {
        <Bar names=names container=container chosen=chosen previous=previous paused=paused />
        {move || problem.get().map(|p: String| view! { <p class="c-quiet" id="log-problem">{p}</p> })}
        <LogText text=text paused=paused />
    }
    .into_any()
}

/// Which container, which of its lives, and whether to go on.
#[component]
fn Bar(
    names: Memo<Vec<String>>,
    container: Memo<Option<String>>,
    chosen: RwSignal<Option<String>>,
    previous: RwSignal<bool>,
    paused: RwSignal<bool>,
) -> impl IntoView {
    let option = move |n: String| {
        let selected = container.get_untracked().as_ref() == Some(&n);
        view! { <option value=n.clone() selected=selected>{n.clone()}</option> }
    };
    view! {
        <div class="c-logs__bar">
            <label for="log-container">"Container"</label>
            <select id="log-container" on:change=move |e| chosen.set(Some(event_target_value(&e)))>
                {move || names.get().into_iter().map(option).collect_view()}
            </select>
            <label class="c-check">
                <input type="checkbox" prop:checked=previous on:change=move |e| previous.set(event_target_checked(&e)) />
                "Previous"
            </label>
            <label class="c-check">
                <input type="checkbox" prop:checked=paused on:change=move |e| paused.set(event_target_checked(&e)) />
                "Pause"
            </label>
        </div>
    }
}

#[component]
fn LogText(text: RwSignal<String>, paused: RwSignal<bool>) -> impl IntoView {
    let pane = NodeRef::<html::Pre>::new();
    Effect::new(move |_| {
        text.track();
        if let Some(pane) = pane.get()
            && !paused.get_untracked()
        {
            pane.set_scroll_top(pane.scroll_height());
        }
    });
    view! {
        <pre class="c-code c-code--tall c-logs" id="log" role="log" aria-label="Container log" aria-live="off" tabindex="0" node_ref=pane>
            {text}
        </pre>
    }
}

/// Streams the log into `text` until the owner of this effect is gone or runs again.
fn follow(
    key: ObjectKey,
    container: String,
    previous: bool,
    text: RwSignal<String>,
    problem: RwSignal<Option<String>>,
    paused: RwSignal<bool>,
) {
    let Ok(abort) = web_sys::AbortController::new() else {
        return;
    };
    let signal = abort.signal();
    let abort = StoredValue::new_local(abort);
    on_cleanup(move || {
        let _ = abort.try_with_value(web_sys::AbortController::abort);
    });
    text.set(String::new());
    problem.set(None);
    spawn_local(async move {
        let path = call::log_path(&key, &container, previous);
        let held = std::cell::RefCell::new(String::new());
        let result = fetch::stream(&path, &signal, |chunk| {
            held.borrow_mut().push_str(&plain(&chunk));
            if paused.try_get_untracked().unwrap_or(true) {
                bound(&mut held.borrow_mut());
                return !signal.aborted();
            }
            let more = std::mem::take(&mut *held.borrow_mut());
            let kept = text.try_update(|t| {
                t.push_str(&more);
                bound(t);
            });
            kept.is_some() && !signal.aborted()
        })
        .await;
        if let Err(failure) = result
            && !signal.aborted()
        {
            let _ = problem.try_set(Some(failure.to_string()));
        }
    });
}

/// Drops whole lines from the front.
fn bound(text: &mut String) {
    if text.len() > MAX_LOG {
        let from = text.len() - MAX_LOG * 3 / 4;
        let cut = text
            .as_bytes()
            .iter()
            .skip(from)
            .position(|b| *b == b'\n')
            .map_or(text.len(), |p| from + p + 1);
        text.drain(..cut);
    }
}
