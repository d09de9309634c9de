//! Container logs, followed: one container or all, found in, downloaded. Text is shown, never interpreted; the last
//! lines are kept.

use std::sync::Arc;

use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::ObjectKey;

use crate::backend::call::{self, LogWish};
use crate::backend::{browser, fetch};
use crate::state::app::Truth;
use crate::state::log::{self, Labelled};
use crate::state::pod::{Part, PodView};
use crate::state::route::Selected;
use crate::state::text::{self, plain};
use crate::words::logs as words;

/// Lines that can be asked for.
const TAILS: [Option<u32>; 4] = [Some(200), Some(1000), Some(5000), None];
/// Stands for every container in the choice; no container can have this name.
const ALL: &str = "*";

/// How the log is looked at.
#[derive(Clone, Copy)]
struct Looking {
    key: StoredValue<ObjectKey>,
    names: Memo<Vec<String>>,
    /// A name, [`ALL`], or nothing yet.
    container: Memo<Option<String>>,
    chosen: RwSignal<Option<String>>,
    wish: RwSignal<LogWish>,
    paused: RwSignal<bool>,
    wanted: RwSignal<String>,
    text: RwSignal<String>,
    problem: RwSignal<Option<String>>,
}

impl Looking {
    fn new(key: ObjectKey, truth: Truth) -> Self {
        let key = StoredValue::new(key);
        let pod = move |look: &dyn Fn(&Arc<PodView>) -> Vec<String>| {
            let found = |c: &crate::state::cluster::Cluster| {
                key.with_value(|k| c.pods.get(k).map(look).unwrap_or_default())
            };
            truth.cluster.with(found)
        };
        let names =
            Memo::new(move |_| pod(&|p| p.containers.iter().map(|c| c.name.clone()).collect()));
        // The app's first container, not the first init container, is what one wants to read.
        let first = Memo::new(move |_| {
            let app = |p: &Arc<PodView>| {
                let apps = p.containers.iter().filter(|c| c.part == Part::App);
                apps.map(|c| c.name.clone()).take(1).collect()
            };
            pod(&app).pop()
        });
        let chosen = RwSignal::new(None::<String>);
        Self {
            key,
            names,
            container: Memo::new(move |_| chosen.get().or_else(|| first.get())),
            chosen,
            wish: RwSignal::new(LogWish {
                previous: false,
                timestamps: false,
                tail: TAILS[0],
            }),
            paused: RwSignal::new(false),
            wanted: RwSignal::new(String::new()),
            text: RwSignal::new(String::new()),
            problem: RwSignal::new(None),
        }
    }

    /// Opens the streams of what is chosen; they end when the owner of this effect is gone or runs again.
    fn open(self) {
        let Some(container) = self.container.get() else {
            return;
        };
        let wish = self.wish.get();
        self.text.set(String::new());
        self.problem.set(None);
        if container == ALL {
            for name in self.names.get() {
                self.follow(name.clone(), Labelled::new(&name), wish);
            }
        } else {
            self.follow(container, Labelled::new(""), wish);
        }
    }

    fn follow(self, container: String, mut label: Labelled, wish: LogWish) {
        let Ok(abort) = web_sys::AbortController::new() else {
            return;
        };
        let signal = abort.signal();
        let abort = StoredValue::new_local(abort);
        on_cleanup(move || {
            let _ = abort.try_with_value(web_sys::AbortController::abort);
        });
        let path = self.key.with_value(|k| call::log_path(k, &container, wish));
        spawn_local(async move {
            let mut held = String::new();
            let result = fetch::stream(&path, &signal, |chunk| {
                held.push_str(&label.take(&plain(&chunk)));
                if self.paused.try_get_untracked().unwrap_or(true) {
                    log::bound(&mut held);
                    return !signal.aborted();
                }
                let more = std::mem::take(&mut held);
                let kept = self.text.try_update(|t| {
                    t.push_str(&more);
                    log::bound(t);
                });
                kept.is_some() && !signal.aborted()
            })
            .await;
            if let Err(failure) = result
                && !signal.aborted()
            {
                let _ = self
                    .problem
                    .try_set(Some(format!("{container}: {failure}")));
            }
        });
    }

    fn download(self) {
        let name = self.key.with_value(|k| k.name.clone());
        let container = self.container.get_untracked().unwrap_or_default();
        let container = container.replace(ALL, "all");
        self.text
            .with_untracked(|t| browser::download(&format!("{name}-{container}.log"), t));
    }
}

/// The log of the selected pod.
#[component]
pub(super) fn Logs(at: Selected) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let Selected::Object(_, key) = at else {
        return ().into_any();
    };
    let looking = Looking::new(key.clone(), truth);
    // A restart begins a new log: follow again.
    let restarts = Memo::new(move |_| {
        let life = |c: &crate::state::cluster::Cluster| {
            c.pods.get(&key).map(|p| (p.restarts, p.status.clone()))
        };
        truth.cluster.with(life)
    });
    Effect::new(move |_| {
        restarts.track();
        looking.open();
    });
    let problem = looking.problem;
    view! {
        <Bar looking=looking />
        <Find looking=looking />
        {move || problem.get().map(|p: String| view! { <p class="c-quiet" id="log-problem">{p}</p> })}
        <LogText looking=looking />
    }
    .into_any()
}

/// Which container, which of its lives, how much of it, and whether to go on.
#[component]
fn Bar(looking: Looking) -> impl IntoView {
    let (wish, container) = (looking.wish, looking.container);
    let option = move |n: String| {
        let selected = container.get_untracked().as_ref() == Some(&n);
        view! { <option value=n.clone() selected=selected>{n.clone()}</option> }
    };
    let all = move || {
        let several = looking.names.with(|n| n.len() > 1);
        let chosen = container.get_untracked().as_deref() == Some(ALL);
        several.then(|| view! { <option value=ALL selected=chosen>{words::ALL}</option> })
    };
    let tail = |tail: Option<u32>| {
        let value = tail.map_or_else(String::new, |n| n.to_string());
        let shown = if value.is_empty() {
            words::EVERY.to_owned()
        } else {
            value.clone()
        };
        view! { <option value=value>{shown}</option> }
    };
    let choose_tail = move |e: web_sys::Event| {
        let lines = event_target_value(&e).parse().ok();
        wish.update(|w| w.tail = lines);
    };
    view! {
        <div class="c-logs__bar">
            <label for="log-container">{words::CONTAINER}</label>
            <select id="log-container" on:change=move |e| looking.chosen.set(Some(event_target_value(&e)))>
                {move || looking.names.get().into_iter().map(option).collect_view()}
                {all}
            </select>
            <label for="log-tail">{words::TAIL}</label>
            <select id="log-tail" on:change=choose_tail>{TAILS.map(tail).collect_view()}</select>
            <label class="c-check">
                <input type="checkbox" id="log-times" on:change=move |e| wish.update(|w| w.timestamps = event_target_checked(&e)) />
                {words::TIMES}
            </label>
            <label class="c-check">
                <input type="checkbox" on:change=move |e| wish.update(|w| w.previous = event_target_checked(&e)) />
                {words::PREVIOUS}
            </label>
            <label class="c-check">
                <input type="checkbox" prop:checked=looking.paused on:change=move |e| looking.paused.set(event_target_checked(&e)) />
                {words::PAUSE}
            </label>
        </div>
    }
}

/// Marks what is looked for; Enter goes to the next place.
#[component]
fn Find(looking: Looking) -> impl IntoView {
    let at = StoredValue::new(0usize);
    let count = Memo::new(move |_| {
        let wanted = looking.wanted.get();
        let found = |t: &String| log::find(t, &wanted).iter().filter(|p| p.1).count();
        if wanted.is_empty() {
            0
        } else {
            looking.text.with(found)
        }
    });
    let next = move |e: web_sys::SubmitEvent| {
        e.prevent_default();
        let place = at.get_value() % count.get_untracked().max(1);
        browser::show(&format!("#log mark[data-place='{place}']"));
        at.set_value(place + 1);
    };
    let said = move || {
        let asked = !looking.wanted.with(String::is_empty);
        asked.then(|| text::count(count.get(), "place"))
    };
    view! {
        <form class="c-logs__bar" role="search" on:submit=next>
            <input
                type="search"
                id="log-find"
                aria-label=words::FIND
                placeholder=words::FIND
                prop:value=looking.wanted
                on:input=move |e| {
                    at.set_value(0);
                    looking.wanted.set(event_target_value(&e));
                }
            />
            <output class="c-quiet" id="log-found">{said}</output>
            <span class="u-space"></span>
            <button type="button" class="c-button c-button--small" id="log-download" on:click=move |_| looking.download()>
                {words::DOWNLOAD}
            </button>
        </form>
    }
}

#[component]
fn LogText(looking: Looking) -> impl IntoView {
    let (text, paused, wanted) = (looking.text, looking.paused, looking.wanted);
    let pane = NodeRef::<html::Pre>::new();
    Effect::new(move |_| {
        text.track();
        // Whoever looks for something wants the place to stay.
        if let Some(pane) = pane.get()
            && !paused.get_untracked()
            && wanted.with_untracked(String::is_empty)
        {
            pane.set_scroll_top(pane.scroll_height());
        }
    });
    let shown = move || {
        if wanted.with(String::is_empty) {
            return text.get().into_any();
        }
        let mut place = 0..;
        let piece = |(piece, found): (&str, bool)| {
            let piece = piece.to_owned();
            if found {
                let place = place.next().map(|n: usize| n.to_string());
                view! { <mark data-place=place>{piece}</mark> }.into_any()
            } else {
                piece.into_any()
            }
        };
        let pieces = text.with(|t| {
            let found = log::find(t, &wanted.get());
            found.into_iter().map(piece).collect_view()
        });
        pieces.into_any()
    };
    view! {
        <pre class="c-code c-code--tall c-logs" id="log" role="log" aria-label="Container log" aria-live="off" tabindex="0" node_ref=pane>
            {shown}
        </pre>
    }
}
