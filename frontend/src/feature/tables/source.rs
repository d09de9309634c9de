//! Where rows come from: what the stream carries is live; of other kinds the server is asked for its table again
//! whenever the store has moved on.

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::Value;
use shared::kind::KINDS;
use shared::path;

use crate::backend::{browser, fetch};
use crate::state::app::Truth;
use crate::state::table::{self, TABLES, Table};

/// How long after one answer the server is asked again, when something has changed, in milliseconds.
const AGAIN_MS: i32 = 2000;
/// Rows that are asked for.
const ROWS_MAX: usize = 10_000;

/// Rows, and how they are doing.
#[derive(Clone, Copy)]
pub(super) struct Source {
    pub(super) rows: Memo<Table>,
    pub(super) problem: RwSignal<Option<String>>,
    pub(super) waits: RwSignal<bool>,
}

/// Opens the rows of a plural for as long as their owner lives.
pub(super) fn open(truth: Truth, plural: &str) -> Source {
    let problem = RwSignal::new(None);
    if TABLES.iter().any(|(p, _)| *p == plural) {
        let plural = plural.to_owned();
        return Source {
            rows: Memo::new(move |_| truth.cluster.with(|c| table::table(c, &plural))),
            problem,
            waits: RwSignal::new(false),
        };
    }
    let (answer, waits) = (RwSignal::new(Table::default()), RwSignal::new(true));
    let Some(row) = KINDS.iter().find(|k| k.plural == plural) else {
        problem.set(Some(format!(
            "This cluster serves no resource named {plural}."
        )));
        return Source {
            rows: Memo::new(move |_| answer.get()),
            problem,
            waits,
        };
    };
    let at = format!(
        "{}?limit={ROWS_MAX}",
        path::collection(&row.reference(), "")
    );
    spawn_local(async move {
        let mut seen = None;
        loop {
            let revision = truth.cluster.with_untracked(|c| c.pulse.revision);
            if seen != Some(revision) {
                seen = Some(revision);
                let got = fetch::table(&at).await;
                if waits.try_set(false).is_some() {
                    return;
                }
                take(got, row.namespaced, answer, problem);
            }
            browser::pause(AGAIN_MS).await;
            // The table was closed: its signals are gone.
            if waits.try_get_untracked().is_none() {
                return;
            }
        }
    });
    Source {
        rows: Memo::new(move |_| answer.get()),
        problem,
        waits,
    }
}

fn take(
    got: Result<Value, fetch::Failure>,
    namespaced: bool,
    answer: RwSignal<Table>,
    problem: RwSignal<Option<String>>,
) {
    match got {
        Ok(value) => {
            let table = table::from_server(&value, namespaced);
            if answer.try_with_untracked(|a| *a != table) == Some(true) {
                let _ = answer.try_set(table);
            }
            let _ = problem.try_set(None);
        }
        Err(failure) => {
            let _ = problem.try_set(Some(failure.to_string()));
        }
    }
}
