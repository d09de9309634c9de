//! The drawing's equivalent in rows, with kubectl's columns.

use leptos::prelude::*;
use shared::ObjectKey;

use crate::state::app::{Nav, Truth};
use crate::state::pod::Look;
use crate::state::route::{Selected, View};
use crate::state::table::{self, Row, TABLES};
use crate::ui::state_word::StateWord;

/// The table of one resource, and the tabs to the others.
#[component]
pub fn Tables(
    /// Which resource.
    #[prop(into)]
    plural: Signal<String>,
) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let nav = expect_context::<Nav>();
    let filter = RwSignal::new(String::new());
    let shown = Memo::new(move |_| {
        truth
            .cluster
            .with(|c| table::table(c, &plural.get(), &filter.get()))
    });
    let title = move || {
        TABLES
            .iter()
            .find(|(p, _)| *p == plural.get())
            .map_or("Objects", |(_, t)| t)
    };
    let columns = Memo::new(move |_| shown.with(|t| t.columns));
    let status = Memo::new(move |_| shown.with(|t| t.status_column));
    view! {
        <div class="c-tables">
            <div class="c-tables__head">
                <h2 id="table-title" class="u-hidden">{title}</h2>
                <ul class="c-tables__kinds">
                    {TABLES
                        .into_iter()
                        .map(|(p, t)| {
                            let current = move || (plural.get() == p).then_some("page");
                            view! {
                                <li>
                                    <button type="button" aria-current=current on:click=move |_| nav.view(View::Table(p.into()))>
                                        {t}
                                    </button>
                                </li>
                            }
                        })
                        .collect_view()}
                </ul>
                <label class="c-tables__filter">
                    <span class="u-hidden">"Filter rows"</span>
                    <input type="search" id="table-filter" placeholder="Filter" prop:value=filter on:input=move |e| filter.set(event_target_value(&e)) />
                </label>
            </div>
            <div class="c-tables__scroll" tabindex="0" role="region" aria-labelledby="table-title">
                <table>
                    <thead>
                        <tr>{move || columns.get().iter().map(|c| view! { <th scope="col">{*c}</th> }).collect_view()}</tr>
                    </thead>
                    <tbody>
                        <For
                            each=move || shown.with(|t| t.rows.clone())
                            key=|row| (row.key.clone(), row.cells.clone())
                            let:row
                        >
                            <OneRow row=row plural=plural.get_untracked() columns=columns.get_untracked() status=status.get_untracked() />
                        </For>
                    </tbody>
                </table>
                <Show when=move || shown.with(|t| t.rows.is_empty())>
                    <p class="c-tables__none">"No resources found."</p>
                </Show>
            </div>
        </div>
    }
}

#[component]
fn OneRow(
    row: Row,
    plural: String,
    columns: &'static [&'static str],
    status: Option<usize>,
) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let at = Selected::Object(plural.clone(), row.key.clone());
    let is_selected = at.clone();
    let look = row.look.unwrap_or(Look::Ready);
    let name_column = columns.iter().position(|c| *c == "NAME" || *c == "OBJECT");
    let cells = row.cells.into_iter().enumerate().map(|(i, cell)| {
        let at = at.clone();
        if Some(i) == name_column {
            view! {
                <th scope="row">
                    <button type="button" on:click=move |_| nav.select(at.clone())>
                        {cell}
                    </button>
                </th>
            }
            .into_any()
        } else if Some(i) == status {
            view! { <td><StateWord look=Signal::stored(look) word=Signal::stored(cell) /></td> }
                .into_any()
        } else {
            view! { <td>{cell}</td> }.into_any()
        }
    });
    let ObjectKey { namespace, name } = row.key.clone();
    view! {
        <tr
            data-kind=plural.trim_end_matches('s').to_owned()
            data-name=name
            data-namespace=namespace
            data-selected=move || nav.0.with(|r| r.selected == is_selected).to_string()
        >
            {cells.collect_view()}
        </tr>
    }
}
