//! Something that is read again and again while somebody looks at it.

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde::de::DeserializeOwned;

use super::browser;
use super::fetch::{self, Failure};
use crate::state::app::Truth;

/// The shortest time between two readings of the same path, in milliseconds.
const EVERY_MS: f64 = 900.0;

/// What was read: nothing yet, something, or why not.
pub type Reading<T> = Option<Result<T, Failure>>;

/// Reads `path` at once when it changes, and again about once a second while the stream beats. `None` reads nothing.
pub fn polled<T>(truth: Truth, path: Memo<Option<String>>) -> RwSignal<Reading<T>>
where
    T: DeserializeOwned + Clone + PartialEq + Send + Sync + 'static,
{
    let answer = RwSignal::new(None);
    let asked = StoredValue::new(None::<String>);
    let next = StoredValue::new(0.0);
    Effect::new(move |_| {
        truth.folds.track();
        let wanted = path.get();
        let changed = asked.with_value(|a| *a != wanted);
        if !changed && browser::page_ms() < next.get_value() {
            return;
        }
        asked.set_value(wanted.clone());
        if changed {
            answer.set(None);
        }
        let Some(at) = wanted else { return };
        next.set_value(f64::INFINITY);
        spawn_local(async move {
            let got = fetch::get::<T>(&at).await;
            // Another path may have been chosen, or the reader closed, while this was on its way.
            if asked.try_with_value(|a| a.as_ref() == Some(&at)) != Some(true) {
                return;
            }
            next.set_value(browser::page_ms() + EVERY_MS);
            let got = Some(got);
            if answer.with_untracked(|a| *a != got) {
                answer.set(got);
            }
        });
    });
    answer
}
