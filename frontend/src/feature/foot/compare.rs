//! What differs between the revision that is shown and the present.

use leptos::prelude::*;
use shared::{Object, ObjectKey};

use super::travel::Travel;
use crate::state::app::Truth;
use crate::state::timeline::{self, Change};
use crate::state::{diff, text, yaml};
use crate::ui::difference::Difference;
use crate::ui::modal::Modal;

/// Objects that are listed.
const MOST: usize = 200;

/// The list, each with its difference to open.
#[component]
pub(super) fn Compare(travel: Travel) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let all = truth.cluster.with_untracked(|past| {
        truth.present.with_value(|present| {
            present
                .as_ref()
                .map(|present| timeline::compare(past, present))
                .unwrap_or_default()
        })
    });
    let revision = truth.cluster.with_untracked(|c| c.pulse.revision);
    let count = text::count(all.len(), "object");
    let rest = all.len().saturating_sub(MOST);
    let more = rest > 0;
    view! {
        <Modal
            title=format!("Between revision {revision} and now")
            wide=true
            on_close=Callback::new(move |()| travel.comparing.set(false))
        >
            <p>{format!("{count} differ. Housekeeping (leases, events) is left out.")}</p>
            <ul class="c-compare">
                {all.into_iter().take(MOST).map(|(change, plural, key)| view! { <Row change=change plural=plural key=key /> }).collect_view()}
            </ul>
            <Show when=move || more>
                <p class="c-quiet">{format!("and {rest} more")}</p>
            </Show>
            <div class="c-modal__foot">
                <span class="u-space"></span>
                <button type="button" class="c-button" on:click=move |_| travel.comparing.set(false)>
                    "Close"
                </button>
            </div>
        </Modal>
    }
}

#[component]
fn Row(change: Change, plural: String, key: ObjectKey) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let open = RwSignal::new(false);
    let name = format!("{plural}/{}", key.name);
    let place = if key.namespace.is_empty() {
        String::new()
    } else {
        format!(" in {}", key.namespace)
    };
    let word = match change {
        Change::Came => "added",
        Change::Changed => "same",
        Change::Went => "removed",
    };
    let lines = move || {
        let print = |o: Option<&Object>| {
            o.map_or_else(String::new, |o| yaml::print(&diff::plain(o.value())))
        };
        let before = truth
            .cluster
            .with_untracked(|c| print(c.get(&plural, &key)));
        let after = truth.present.with_value(|p| {
            p.as_ref()
                .map_or_else(String::new, |p| print(p.get(&plural, &key)))
        });
        diff::lines(&before, &after)
    };
    view! {
        <li>
            <details on:toggle=move |_| open.set(true)>
                <summary data-line=word>
                    <code>{change.mark()}</code>
                    " "
                    <b>{name}</b>
                    <span>{place}</span>
                </summary>
                {move || open.get().then(|| view! { <Difference lines=lines() /> })}
            </details>
        </li>
    }
}
