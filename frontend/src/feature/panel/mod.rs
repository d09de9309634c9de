//! The right-hand panel: what is selected, in five tabs. Each tab is a file beside this one.

#![allow(
    unreachable_pub,
    reason = "leptos writes the props of a component as pub, whatever the component is"
)]

mod actions;
mod events;
mod lately;
mod logs;
mod now;
mod path;
mod replay;
mod shell;
mod written;
mod yaml;

use leptos::prelude::*;

use crate::backend::browser;
use crate::state::app::{Nav, Truth};
use crate::state::route::{Selected, Tab};

/// The panel.
#[component]
pub fn Panel() -> impl IntoView {
    let nav = expect_context::<Nav>();
    let selected = Memo::new(move |_| nav.0.with(|r| r.selected.clone()));
    let open = move || selected.with(|s| *s != Selected::Nothing).to_string();
    view! {
        <aside class="c-panel" id="panel" aria-labelledby="panel-title" data-open=open>
            {move || match selected.get() {
                Selected::Nothing => view! { <lately::Lately /> }.into_any(),
                at => view! { <About at=at /> }.into_any(),
            }}
        </aside>
    }
}

#[component]
fn About(at: Selected) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let (title, sub) = (heading(&at), subheading(at.clone()));
    let tabs = tabs(&at);
    let allowed = tabs.clone();
    // A tab that this object lacks (from an old link, say) falls back to the first.
    let tab = Memo::new(move |_| {
        let wanted = nav.0.with(|r| r.tab);
        if allowed.iter().any(|(t, _)| *t == wanted) {
            wanted
        } else {
            Tab::Path
        }
    });
    let actions = at.clone();
    view! {
        <div class="c-panel__head">
            <div>
                <h2 id="panel-title" tabindex="-1">
                    {title}
                </h2>
                <p class="c-panel__sub">{sub}</p>
            </div>
            <button type="button" class="c-button c-button--small" id="panel-close" aria-label="Close the panel" on:click=move |_| nav.select(Selected::Nothing)>
                "✕"
            </button>
        </div>
        <actions::Actions at=actions />
        <Tabs tabs=tabs tab=tab />
        <div class="c-panel__body" role="tabpanel" id="tabpanel" aria-labelledby=move || format!("tab-{}", tab.get().word()) tabindex="0">
            {move || {
                let at = at.clone();
                match tab.get() {
                    Tab::Path => view! { <path::Path at=at /> }.into_any(),
                    Tab::Now => view! { <now::Now at=at /> }.into_any(),
                    Tab::Logs => view! { <logs::Logs at=at /> }.into_any(),
                    Tab::Events => view! { <events::Events at=at /> }.into_any(),
                    Tab::Yaml => view! { <yaml::Yaml at=at /> }.into_any(),
                    Tab::Shell => view! { <shell::Shell at=at /> }.into_any(),
                }
            }}
        </div>
    }
}

#[component]
fn Tabs(tabs: Vec<(Tab, &'static str)>, tab: Memo<Tab>) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let order: Vec<Tab> = tabs.iter().map(|(t, _)| *t).collect();
    let keys = move |e: web_sys::KeyboardEvent| {
        let step = match e.key().as_str() {
            "ArrowRight" => 1,
            "ArrowLeft" => order.len().saturating_sub(1),
            _ => return,
        };
        let here = order
            .iter()
            .position(|t| *t == tab.get_untracked())
            .unwrap_or(0);
        if let Some(next) = order.get((here + step) % order.len().max(1)) {
            nav.tab(*next);
            browser::focus(&format!("#tab-{}", next.word()));
        }
    };
    view! {
        <div class="c-tabs" role="tablist" aria-label="About this" on:keydown=keys>
            {tabs
                .into_iter()
                .map(|(t, name)| {
                    view! {
                        <button
                            type="button"
                            role="tab"
                            id=format!("tab-{}", t.word())
                            aria-controls="tabpanel"
                            aria-selected=move || (tab.get() == t).to_string()
                            tabindex=move || if tab.get() == t { "0" } else { "-1" }
                            on:click=move |_| nav.tab(t)
                        >
                            {name}
                        </button>
                    }
                })
                .collect_view()}
        </div>
    }
}

fn tabs(at: &Selected) -> Vec<(Tab, &'static str)> {
    match at {
        Selected::Object(plural, _) => {
            let mut tabs = vec![(Tab::Path, "How it came to be"), (Tab::Now, "Now")];
            if plural == "pods" {
                tabs.push((Tab::Logs, "Logs"));
            }
            tabs.extend([(Tab::Events, "Events"), (Tab::Yaml, "YAML")]);
            if plural == "pods" {
                tabs.push((Tab::Shell, "Shell"));
            }
            tabs
        }
        Selected::Component(_) => vec![(Tab::Path, "What it did last"), (Tab::Now, "Now")],
        Selected::Trace(_) | Selected::Nothing => vec![(Tab::Path, "How it went")],
    }
}

fn heading(at: &Selected) -> String {
    match at {
        Selected::Object(_, key) => key.name.clone(),
        Selected::Component(name) => name.clone(),
        Selected::Trace(_) | Selected::Nothing => "One request".into(),
    }
}

fn subheading(at: Selected) -> impl Fn() -> String + Send + 'static {
    let truth = expect_context::<Truth>();
    move || match &at {
        Selected::Object(plural, key) => {
            let kind = shared::kind::KINDS
                .iter()
                .find(|k| k.plural == *plural)
                .map_or(plural.as_str(), |k| k.kind);
            let place = if key.namespace.is_empty() {
                String::new()
            } else {
                format!(" · namespace {}", key.namespace)
            };
            let owner = truth
                .cluster
                .with(|c| c.get(plural, key).and_then(shared::Object::controller));
            let owner = owner.map_or_else(String::new, |o| {
                format!(" · owned by {} {}", o.kind, o.name)
            });
            format!("{kind}{place}{owner}")
        }
        Selected::Component(_) => "component".into(),
        Selected::Trace(id) => format!("trace {id}"),
        Selected::Nothing => String::new(),
    }
}
