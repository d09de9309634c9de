//! The head of the page: what cluster this is, whether what you see is live, the clock, search, theme, link.

use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::ObjectKey;
use shared::live::ClockChange;

use crate::backend::{browser, call, fetch};
use crate::graph::room::Room;
use crate::state::app::{Dialog, Hands, Link, Nav, Truth};
use crate::state::route::{Selected, View};
use crate::state::text;

/// Results that a search shows.
const MAX_FOUND: usize = 12;

/// The head of the page.
#[component]
pub fn Header() -> impl IntoView {
    let truth = expect_context::<Truth>();
    let hands = expect_context::<Hands>();
    let nav = expect_context::<Nav>();
    let shape = Memo::new(move |_| {
        truth.cluster.with(|c| {
            let (nodes, pods) = (c.shelf("nodes").len(), c.pods.len());
            let version = c
                .hello
                .as_ref()
                .map_or("", |h| h.kubernetes.as_str())
                .to_owned();
            format!(
                "{version} · {} · {}",
                text::count(nodes, "node"),
                text::count(pods, "pod")
            )
        })
    });
    let table = move || nav.0.with(|r| matches!(r.view, View::Table(_)));
    let toggle = move |_| {
        nav.view(if table() {
            View::House
        } else {
            View::Table("pods".into())
        })
    };
    view! {
        <header class="c-header">
            <Logo />
            <h1>"Glasshouse"</h1>
            <p class="c-header__shape">{shape}</p>
            <Liveness />
            <span class="u-space"></span>
            <Clock />
            <Search />
            <button type="button" class="c-button" id="view-toggle" aria-pressed=move || table().to_string() on:click=toggle>
                "Table"
            </button>
            <Theme />
            <button type="button" class="c-button" id="help" aria-label="Help" on:click=move |_| hands.dialog.set(Dialog::Help)>
                "?"
            </button>
            <button type="button" class="c-button c-button--main" id="copy-link" on:click=move |_| hands.dialog.set(Dialog::Share)>
                "Copy link"
            </button>
        </header>
    }
}

#[component]
fn Logo() -> impl IntoView {
    view! {
        <svg class="c-logo" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M3 10 12 3l9 7v11H3zM3 10h18M9 10v11M15 10v11M12 3v18M3 15.5h18" />
        </svg>
    }
}

/// Revision, and whether it is live.
#[component]
fn Liveness() -> impl IntoView {
    let truth = expect_context::<Truth>();
    let (state, word) = (
        move || match truth.link.get() {
            Link::Live => "live",
            Link::Connecting => "connecting",
            Link::Lost(_) => "lost",
        },
        move || match truth.link.get() {
            Link::Live => "● live".to_owned(),
            Link::Connecting => "◔ connecting".into(),
            Link::Lost(_) => "▲ reconnecting, showing the last known state".into(),
        },
    );
    let revision = Memo::new(move |_| truth.cluster.with(|c| c.pulse.revision));
    view! {
        <p class="c-liveness" id="liveness" data-state=state>
            <span>{word}</span>
            <span class="c-liveness__revision">{move || format!("revision {}", text::thousands(revision.get().0))}</span>
        </p>
    }
}

/// The cluster clock and its controls.
#[component]
fn Clock() -> impl IntoView {
    let truth = expect_context::<Truth>();
    let hands = expect_context::<Hands>();
    let now = Memo::new(move |_| truth.cluster.with(|c| c.pulse.now.0 / 1000));
    let rate = Memo::new(move |_| truth.cluster.with(|c| c.pulse.rate));
    let set = move |change: ClockChange, said: String| {
        spawn_local(async move {
            match fetch::send(&call::clock(&change)).await {
                Ok(value) => {
                    if let Ok(pulse) = serde_json::from_value(value) {
                        truth.fold(vec![shared::live::Message::Pulse(pulse)]);
                    }
                    hands.tell(said);
                }
                Err(failure) => hands.refuse(failure.to_string(), None),
            }
        });
    };
    let to_rate = move |rate: f64| {
        let change = ClockChange {
            rate: Some(rate),
            step_ms: None,
        };
        set(
            change,
            format!("The cluster clock is {}.", text::rate(rate)),
        );
    };
    let step = move |_| {
        let change = ClockChange {
            rate: None,
            step_ms: Some(10_000),
        };
        set(change, "The cluster clock jumped ten seconds ahead.".into());
    };
    let paused = move || rate.get() <= 0.0;
    let shown = move || text::clock(shared::Millis(now.get() * 1000));
    view! {
        <div class="c-clock" role="group" aria-label="Cluster clock" data-rate=move || rate.get().to_string()>
            <button
                type="button"
                id="clock-pause"
                aria-label=move || if paused() { "Let the clock run" } else { "Pause the clock" }
                on:click=move |_| to_rate(if paused() { 1.0 } else { 0.0 })
            >
                <span aria-hidden="true">{move || if paused() { "▶" } else { "❚❚" }}</span>
            </button>
            <button type="button" id="clock-step" aria-label="+10 s: step ten seconds ahead" on:click=step>
                "+10 s"
            </button>
            <Rate rate=rate to_rate=Callback::new(to_rate) />
            <time id="clock-time">{shown}</time>
        </div>
    }
}

/// How fast the cluster clock runs.
#[component]
fn Rate(rate: Memo<f64>, to_rate: Callback<f64>) -> impl IntoView {
    let chosen = move |e: web_sys::Event| {
        if let Ok(rate) = event_target_value(&e).parse() {
            to_rate.run(rate);
        }
    };
    let option = move |value: f64| {
        let is = move || rate.get().total_cmp(&value).is_eq();
        view! { <option value=value.to_string() selected=is>{text::rate(value)}</option> }
    };
    view! {
        <label>
            <span class="u-hidden">"Clock rate"</span>
            <select id="clock-rate" prop:value=move || rate.get().to_string() on:change=chosen>
                {[0.0, 1.0, 10.0, 60.0, 600.0].into_iter().map(option).collect_view()}
            </select>
        </label>
    }
}

/// The theme: the system's, until the user chooses.
#[component]
fn Theme() -> impl IntoView {
    let dusk = RwSignal::new(match browser::remembered("theme").as_deref() {
        Some("dusk") => true,
        Some("day") => false,
        _ => browser::matches("(prefers-color-scheme: dark)"),
    });
    let toggle = move |_| {
        dusk.update(|d| *d = !*d);
        let word = if dusk.get_untracked() { "dusk" } else { "day" };
        browser::remember("theme", word);
        browser::set_theme(word);
    };
    view! {
        <button type="button" class="c-button" id="theme" aria-label=move || if dusk.get() { "Day theme" } else { "Dusk theme" } on:click=toggle>
            <span aria-hidden="true">{move || if dusk.get() { "☀" } else { "☾" }}</span>
        </button>
    }
}

/// Something that a search found.
#[derive(Clone, PartialEq)]
struct Found {
    what: String,
    name: String,
    at: Selected,
}

fn find(truth: Truth, text: &str) -> Vec<Found> {
    let needle = text.trim().to_lowercase();
    if needle.is_empty() {
        return Vec::new();
    }
    let components = Room::CONTROL_PLANE.into_iter().map(|r| Found {
        what: "component".into(),
        name: r.component(),
        at: Selected::Component(r.component()),
    });
    let plurals = [
        "pods",
        "nodes",
        "services",
        "deployments",
        "replicasets",
        "configmaps",
        "namespaces",
    ];
    truth.cluster.with(|c| {
        let objects = plurals.into_iter().flat_map(|plural| {
            c.shelf(plural).keys().map(move |key: &ObjectKey| Found {
                what: plural.trim_end_matches('s').into(),
                name: key.to_string(),
                at: Selected::Object(plural.into(), key.clone()),
            })
        });
        components
            .chain(objects)
            .filter(|f| f.name.to_lowercase().contains(&needle))
            .take(MAX_FOUND)
            .collect()
    })
}

/// `/`: finds anything by a part of its name.
#[component]
fn Search() -> impl IntoView {
    let truth = expect_context::<Truth>();
    let nav = expect_context::<Nav>();
    let typed = RwSignal::new(String::new());
    let found = Memo::new(move |_| typed.with(|t| find(truth, t)));
    let open = move |at: Selected| {
        nav.select(at);
        typed.set(String::new());
        browser::focus("#panel-title");
    };
    let first = move |e: web_sys::SubmitEvent| {
        e.prevent_default();
        if let Some(f) = found.get_untracked().first() {
            open(f.at.clone());
        }
    };
    let keys = move |e: web_sys::KeyboardEvent| {
        if e.key() == "Escape" {
            typed.set(String::new());
        }
    };
    view! {
        <form class="c-search" role="search" aria-label="Search the cluster" on:submit=first on:keydown=keys>
            <label>
                <span class="u-hidden">"Search pods, nodes and components"</span>
                <input
                    type="search"
                    id="search"
                    placeholder="Search /"
                    autocomplete="off"
                    prop:value=typed
                    on:input=move |e| typed.set(event_target_value(&e))
                />
            </label>
            <Show when=move || !typed.with(|t| t.trim().is_empty())>
                <ul class="c-search__found" aria-label="Search results">
                    {move || {
                        found
                            .get()
                            .into_iter()
                            .map(|f| {
                                let at = f.at.clone();
                                view! {
                                    <li>
                                        <button type="button" on:click=move |_| open(at.clone())>
                                            <b>{f.name}</b>
                                            <span>{f.what}</span>
                                        </button>
                                    </li>
                                }
                            })
                            .collect_view()
                    }}
                    <Show when=move || found.with(Vec::is_empty)>
                        <li class="c-search__none">"Nothing has this in its name."</li>
                    </Show>
                </ul>
            </Show>
        </form>
    }
}
