//! The head of a table: kinds, filter, columns, and what can be done with the marked rows.

use leptos::prelude::*;
use shared::kind::KINDS;

use super::Looking;
use crate::backend::call;
use crate::feature::send;
use crate::state::app::{Ask, Hands, Nav};
use crate::state::route::View;
use crate::state::table::TABLES;
use crate::state::text;

#[component]
pub(super) fn Head(looking: Looking) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let here = looking.plural.get_value();
    let title = KINDS
        .iter()
        .find(|k| k.plural == here)
        .map_or_else(|| "Objects".to_owned(), |k| k.kind.to_owned());
    let tab = |(plural, title): (&'static str, &'static str)| {
        let current = (plural == here).then_some("page");
        view! {
            <li>
                <button type="button" aria-current=current on:click=move |_| nav.view(View::Table(plural.into()))>
                    {title}
                </button>
            </li>
        }
    };
    let count = move || {
        let rows = looking.shown.with(|t| t.rows.len());
        text::count(rows, "row")
    };
    view! {
        <div class="c-tables__head">
            <h2 id="table-title" class="u-hidden">{title}</h2>
            <ul class="c-tables__kinds">{TABLES.into_iter().map(tab).collect_view()}</ul>
            <Others here=here.clone() />
            <label class="c-tables__filter">
                <span class="u-hidden">"Filter rows: words, app=web, status:Running"</span>
                <input
                    type="search"
                    id="table-filter"
                    placeholder="Filter: web  app=web  status:Running"
                    prop:value=looking.filter
                    on:input=move |e| looking.filter.set(event_target_value(&e))
                />
            </label>
            <output class="c-quiet" id="table-count">{count}</output>
            <Columns looking=looking />
            <Marked looking=looking />
        </div>
    }
}

/// Every other kind that can be listed.
#[component]
fn Others(here: String) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let mut others: Vec<(&'static str, &'static str)> = KINDS
        .iter()
        .filter(|k| k.verbs.contains(&"list") && TABLES.iter().all(|(p, _)| *p != k.plural))
        .map(|k| (k.kind, k.plural))
        .collect();
    others.sort_unstable();
    others.dedup_by_key(|(_, plural)| *plural);
    let none = others.iter().all(|(_, plural)| *plural != here);
    let option = |(kind, plural): (&'static str, &'static str)| {
        view! { <option value=plural selected=plural == here>{kind}</option> }
    };
    let go = move |e: web_sys::Event| {
        let plural = event_target_value(&e);
        if !plural.is_empty() {
            nav.view(View::Table(plural));
        }
    };
    view! {
        <select id="table-kind" aria-label="Other kinds" on:change=go>
            <option value="" selected=none>"Other kinds …"</option>
            {others.into_iter().map(option).collect_view()}
        </select>
    }
}

/// Which columns are shown; remembered for each kind.
#[component]
fn Columns(looking: Looking) -> impl IntoView {
    let all = Memo::new(move |_| looking.shown.with(|t| t.columns.clone()));
    let one = move |column: String| {
        let (asked, changed) = (column.clone(), column.clone());
        let shown = move || looking.hidden.with(|h| !h.contains(&asked));
        view! {
            <label class="c-check">
                <input type="checkbox" prop:checked=shown on:change=move |e| looking.hide(&changed, !event_target_checked(&e)) />
                {column}
            </label>
        }
    };
    view! {
        <details class="c-tables__columns">
            <summary class="c-button c-button--small">"Columns"</summary>
            <div>{move || all.get().into_iter().filter(|c| c != "NAME").map(one).collect_view()}</div>
        </details>
    }
}

/// What can be done with the marked rows.
#[component]
fn Marked(looking: Looking) -> impl IntoView {
    let hands = expect_context::<Hands>();
    let nav = expect_context::<Nav>();
    let count = Memo::new(move |_| looking.marked.with(std::collections::BTreeSet::len));
    let delete = move |_| {
        let plural = looking.plural.get_value();
        let Some(row) = KINDS.iter().find(|k| k.plural == plural) else {
            return;
        };
        let keys = looking.marked.get_untracked();
        let many = text::count(keys.len(), &row.kind.to_lowercase());
        looking.marked.set(std::collections::BTreeSet::new());
        let ask = Ask {
            title: format!("Delete {many}"),
            warning: "What a controller owns is made again.".into(),
            calls: keys
                .iter()
                .map(|k| call::delete(&row.reference(), k))
                .collect(),
            done: format!("{many} deleted."),
            always: true,
            ..Ask::default()
        };
        send::propose(hands, nav, ask);
    };
    view! {
        <Show when=move || { count.get() > 0 }>
            <span class="c-tables__marked" role="group" aria-label="Marked rows">
                <b>{move || format!("{} marked", count.get())}</b>
                <button type="button" class="c-button c-button--small c-button--danger" id="delete-marked" on:click=delete>
                    "Delete …"
                </button>
                <button type="button" class="c-button c-button--small" on:click=move |_| looking.marked.set(std::collections::BTreeSet::new())>
                    "Unmark"
                </button>
            </span>
        </Show>
    }
}
