//! The drawing's equivalent in rows, with kubectl's columns: every kind that the cluster serves, filtered, sorted,
//! marked and deleted in bulk. Only the rows on the screen are drawn.

#![allow(
    unreachable_pub,
    reason = "leptos writes the props of a component as pub, whatever the component is"
)]

mod head;
mod keys;
mod rows;
mod source;

use std::collections::BTreeSet;

use leptos::prelude::*;
use shared::ObjectKey;

use crate::backend::browser;
use crate::state::app::{Hands, Nav, Truth};
use crate::state::filter;
use crate::state::table::Table;

/// How the table is looked at. One per table, so that another kind starts afresh.
#[derive(Clone, Copy)]
struct Looking {
    plural: StoredValue<String>,
    filter: RwSignal<String>,
    /// Column and whether the largest comes first.
    sorted: RwSignal<Option<(String, bool)>>,
    /// Columns that are not shown.
    hidden: RwSignal<BTreeSet<String>>,
    marked: RwSignal<BTreeSet<ObjectKey>>,
    shown: Memo<Table>,
    hands: Hands,
    nav: Nav,
}

impl Looking {
    fn new(plural: &str, all: Memo<Table>, hands: Hands, nav: Nav) -> Self {
        let remembered = browser::remembered(&format!("hidden.{plural}")).unwrap_or_default();
        let hidden = remembered.split(',').filter(|c| !c.is_empty());
        let hidden = RwSignal::new(hidden.map(str::to_owned).collect());
        let filter = RwSignal::new(String::new());
        let sorted = RwSignal::new(None::<(String, bool)>);
        let shown = Memo::new(move |_| {
            let mut table = all.get();
            let words = filter.get();
            table
                .rows
                .retain(|r| filter::keeps(r, &table.columns, &words));
            if let Some((column, descending)) = sorted.get()
                && let Some(at) = table.columns.iter().position(|c| *c == column)
            {
                filter::sort(&mut table.rows, at, descending);
            }
            table
        });
        Self {
            plural: StoredValue::new(plural.to_owned()),
            filter,
            sorted,
            hidden,
            marked: RwSignal::new(BTreeSet::new()),
            shown,
            hands,
            nav,
        }
    }

    /// Sorts by a column, then the other way round, then not at all.
    fn sort(&self, column: &str) {
        self.sorted.update(|s| {
            *s = match s.take() {
                Some((c, false)) if c == column => Some((c, true)),
                Some((c, true)) if c == column => None,
                _ => Some((column.to_owned(), false)),
            };
        });
    }

    fn hide(&self, column: &str, hide: bool) {
        self.hidden.update(|h| {
            if hide {
                h.insert(column.to_owned());
            } else {
                h.remove(column);
            }
        });
        let names = self
            .hidden
            .with_untracked(|h| h.iter().cloned().collect::<Vec<_>>().join(","));
        browser::remember(&format!("hidden.{}", self.plural.get_value()), &names);
    }

    fn mark(&self, key: &ObjectKey) {
        self.marked.update(|m| {
            if !m.remove(key) {
                m.insert(key.clone());
            }
        });
    }

    /// The columns on the screen: place and name.
    fn columns(&self) -> Vec<(usize, String)> {
        let all = self.shown.with(|t| t.columns.clone());
        let all = all.into_iter().enumerate();
        self.hidden
            .with(|h| all.filter(|(_, c)| !h.contains(c)).collect())
    }
}

/// The table of one resource, and the tabs to the others.
#[component]
pub fn Tables(
    /// Which resource.
    #[prop(into)]
    plural: Signal<String>,
) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let hands = expect_context::<Hands>();
    let nav = expect_context::<Nav>();
    move || {
        let plural = plural.get();
        let source = source::open(truth, &plural);
        let looking = Looking::new(&plural, source.rows, hands, nav);
        let problem = source.problem;
        let say = move || {
            problem
                .get()
                .map(|p| view! { <p class="c-tables__none" role="alert">{p}</p> })
        };
        let none = move || {
            let empty = looking.shown.with(|t| t.rows.is_empty());
            let waits = source.waits.get();
            (empty && problem.get().is_none()).then(|| {
                let words = if waits {
                    "Asking the cluster …"
                } else {
                    "No resources found."
                };
                view! { <p class="c-tables__none">{words}</p> }
            })
        };
        view! {
            <div class="c-tables" on:keydown=move |e| keys::press(&e, looking)>
                <head::Head looking=looking />
                <rows::Rows looking=looking />
                {say}
                {none}
            </div>
        }
    }
}
