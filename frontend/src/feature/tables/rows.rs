//! The rows on the screen, between two empty rows that stand for all the others.

use std::collections::BTreeMap;

use leptos::html;
use leptos::prelude::*;
use shared::ObjectKey;

use super::Looking;
use crate::backend::browser;
use crate::state::app::Nav;
use crate::state::filter;
use crate::state::pod::Look;
use crate::state::route::Selected;
use crate::state::table::Row;
use crate::ui::state_word::StateWord;

/// The height of a row, in CSS pixels: the style sheet says the same.
const ROW: f64 = 29.0;

#[component]
pub(super) fn Rows(looking: Looking) -> impl IntoView {
    let pane = NodeRef::<html::Div>::new();
    let (top, height) = (RwSignal::new(0.0), RwSignal::new(900.0));
    Effect::new(move |_| {
        if let Some(pane) = pane.get() {
            browser::on_resize(&pane, move |_, h| {
                let _ = height.try_set(h);
            });
        }
    });
    let scrolled = move |_| {
        if let Some(pane) = pane.get_untracked() {
            top.set(f64::from(pane.scroll_top()));
        }
    };
    let count = Memo::new(move |_| looking.shown.with(|t| t.rows.len()));
    let window = Memo::new(move |_| filter::window(top.get(), height.get(), ROW, count.get()));
    let columns = Memo::new(move |_| looking.columns());
    // Rows stay in the page as long as their objects are in sight: only what changed is written into them, so that
    // focus and selection stay.
    let drawn = Memo::new(move |_| {
        let (from, to) = window.get();
        looking.shown.with(|t| {
            let rows = t.rows.get(from..to).unwrap_or_default().iter();
            let placed = (from..).zip(rows);
            placed
                .map(|(at, row)| (row.key.clone(), (at, row.clone())))
                .collect::<BTreeMap<_, _>>()
        })
    });
    let keys = Memo::new(move |_| {
        let mut keys: Vec<(usize, ObjectKey)> =
            drawn.with(|d| d.iter().map(|(k, (at, _))| (*at, k.clone())).collect());
        keys.sort_unstable();
        keys.into_iter().map(|(_, key)| key).collect::<Vec<_>>()
    });
    let above = move || format!("height:{:.0}px", window.get().0 as f64 * ROW);
    let below = move || {
        format!(
            "height:{:.0}px",
            (count.get() - window.get().1) as f64 * ROW
        )
    };
    view! {
        <div class="c-tables__scroll" tabindex="0" role="region" aria-labelledby="table-title" node_ref=pane on:scroll=scrolled>
            <table aria-rowcount=move || (count.get() + 1).to_string()>
                <thead>
                    <tr>
                        <th class="c-tables__mark"><span class="u-hidden">"Mark"</span></th>
                        {move || columns.get().into_iter().map(|(_, c)| view! { <Heading looking=looking column=c /> }).collect_view()}
                    </tr>
                </thead>
                <tbody>
                    <tr aria-hidden="true" class="c-tables__gap"><td style=above></td></tr>
                    {move || {
                        let columns = columns.get();
                        view! {
                            <For each=move || keys.get() key=Clone::clone let:key>
                                <OneRow looking=looking drawn=drawn key=key columns=columns.clone() />
                            </For>
                        }
                    }}
                    <tr aria-hidden="true" class="c-tables__gap"><td style=below></td></tr>
                </tbody>
            </table>
        </div>
    }
}

#[component]
fn Heading(looking: Looking, column: String) -> impl IntoView {
    let (asked, sorts, shown) = (column.clone(), column.clone(), column);
    let order = Memo::new(move |_| {
        looking.sorted.with(|s| match s {
            Some((c, down)) if *c == asked => Some(*down),
            _ => None,
        })
    });
    let aria = move || match order.get() {
        Some(true) => "descending",
        Some(false) => "ascending",
        None => "none",
    };
    let arrow = move || match order.get() {
        Some(true) => " ▼",
        Some(false) => " ▲",
        None => "",
    };
    view! {
        <th scope="col" aria-sort=aria>
            <button type="button" on:click=move |_| looking.sort(&sorts)>
                {shown}
                <span aria-hidden="true">{arrow}</span>
            </button>
        </th>
    }
}

/// The rows on the screen by their objects: place in the whole table, and content.
type Drawn = Memo<BTreeMap<ObjectKey, (usize, Row)>>;

#[component]
fn OneRow(
    looking: Looking,
    drawn: Drawn,
    key: ObjectKey,
    columns: Vec<(usize, String)>,
) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let plural = looking.plural.get_value();
    let here = Selected::Object(plural.clone(), key.clone());
    let is_selected = here.clone();
    let status = looking.shown.with_untracked(|t| t.status_column);
    let (asked, marks, of) = (key.clone(), key.clone(), key.clone());
    // While a row leaves, it keeps what it showed last.
    let row = Memo::new(move |before: Option<&(usize, Row)>| {
        let found = drawn.with(|d| d.get(&of).cloned());
        found.or_else(|| before.cloned()).unwrap_or_default()
    });
    let cell = |(place, column): (usize, String)| {
        let text =
            Memo::new(move |_| row.with(|(_, r)| r.cells.get(place).cloned().unwrap_or_default()));
        let here = here.clone();
        if matches!(column.as_str(), "NAME" | "OBJECT") {
            return view! {
                <th scope="row">
                    <button type="button" on:click=move |_| nav.select(here.clone())>{text}</button>
                </th>
            }
            .into_any();
        }
        if Some(place) == status {
            let look =
                move || row.with(|(_, r)| r.look.unwrap_or_else(|| text.with(|t| look_of(t))));
            return view! { <td><StateWord look=Signal::derive(look) word=Signal::derive(move || text.get()) /></td> }
                .into_any();
        }
        view! { <td title=text>{text}</td> }.into_any()
    };
    let cells = columns.into_iter().map(cell).collect_view();
    let label = format!("Mark {}", key.name);
    let ObjectKey { namespace, name } = key;
    let marked = Memo::new(move |_| looking.marked.with(|m| m.contains(&asked)));
    view! {
        <tr
            data-kind=plural.trim_end_matches('s').to_owned()
            data-name=name
            data-namespace=namespace
            aria-rowindex=move || row.with(|(at, _)| (at + 2).to_string())
            data-marked=move || marked.get().to_string()
            data-selected=move || nav.0.with(|r| r.selected == is_selected).to_string()
        >
            <td class="c-tables__mark">
                <input type="checkbox" tabindex="-1" aria-label=label prop:checked=marked on:change=move |_| looking.mark(&marks) />
            </td>
            {cells}
        </tr>
    }
}

/// How a status word of a kind that the page does not know closely is drawn.
fn look_of(word: &str) -> Look {
    match word {
        "Bound" | "Active" | "Complete" | "Ready" | "True" | "Available" | "Approved,Issued" => {
            Look::Ready
        }
        "Failed" | "Lost" | "False" | "Denied" => Look::Failing,
        "Running" | "Terminating" | "Released" => Look::Working,
        "Suspended" => Look::Ended,
        _ => Look::Waiting,
    }
}
