//! Events about the selected object, newest first.

use leptos::prelude::*;
use shared::Object;

use crate::state::app::Truth;
use crate::state::pod::Look;
use crate::state::route::Selected;
use crate::state::table::last_seen;
use crate::state::text::age;
use crate::ui::state_word::StateWord;

/// The list.
#[component]
pub(super) fn Events(at: Selected) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let events = Memo::new(move |_| {
        let Selected::Object(plural, key) = &at else {
            return Vec::new();
        };
        let kind = shared::kind::KINDS
            .iter()
            .find(|k| k.plural == *plural)
            .map_or("", |k| k.kind);
        truth.cluster.with(|c| {
            let about = |e: &&Object| {
                e.text("/involvedObject/kind") == kind
                    && e.text("/involvedObject/name") == key.name
                    && e.text("/involvedObject/namespace") == key.namespace
            };
            let mut all: Vec<Object> = c.shelf("events").values().filter(about).cloned().collect();
            all.sort_by_key(|e| std::cmp::Reverse((last_seen(e), e.revision())));
            all
        })
    });
    let one = move |e: Object| {
        let warning = e.text("/type") == "Warning";
        let look = if warning { Look::Failing } else { Look::Ready };
        let count = e
            .int("/count")
            .unwrap_or(1)
            .max(e.int("/series/count").unwrap_or(1));
        let times = if count > 1 {
            format!(" ×{count}")
        } else {
            String::new()
        };
        let from = match e.text("/source/component") {
            "" => e.text("/reportingComponent").to_owned(),
            other => other.to_owned(),
        };
        let seen = {
            let e = e.clone();
            move || truth.cluster.with(|c| age(last_seen(&e), c.pulse.now))
        };
        view! {
            <li data-type=e.text("/type").to_owned()>
                <StateWord look=Signal::stored(look) word=Signal::stored(format!("{}{times}", e.text("/reason"))) />
                <code>{seen}</code>
                <span>{e.text("/message").to_owned()}</span>
                <span class="c-quiet">{from}</span>
            </li>
        }
    };
    view! {
        <ul class="c-list c-list--events" id="events">
            {move || events.get().into_iter().map(one).collect_view()}
        </ul>
        <Show when=move || events.with(Vec::is_empty)>
            <p class="c-quiet">"No events about it. The cluster forgets events after an hour."</p>
        </Show>
    }
}
