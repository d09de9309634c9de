//! What one revision changed: the object before and after it, read from the history of the store.

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::backend::{fetch, history};
use crate::state::diff::{self, Line};
use crate::state::trace::Wrote;
use crate::state::yaml;
use crate::ui::difference::Difference;

/// What was found.
#[derive(Clone, PartialEq)]
enum Found {
    Nothing,
    Reading,
    Lines {
        lines: Vec<Line>,
        after: Option<String>,
    },
    Refused(String),
}

/// A write that can be opened: the difference first, the whole object on request.
#[component]
pub(super) fn Written(wrote: Wrote) -> impl IntoView {
    let found = RwSignal::new(Found::Nothing);
    let whole = RwSignal::new(false);
    let title = format!(
        "What revision {} changed in {}/{}",
        wrote.revision, wrote.plural, wrote.key.name
    );
    let open = move |_| {
        if found.with_untracked(|f| *f != Found::Nothing) {
            return;
        }
        found.set(Found::Reading);
        let wrote = wrote.clone();
        spawn_local(async move {
            let _ = found.try_set(read(&wrote).await);
        });
    };
    view! {
        <details class="c-step__more" on:toggle=open>
            <summary>{title}</summary>
            {move || match found.get() {
                Found::Nothing => ().into_any(),
                Found::Reading => view! { <p class="c-quiet">"Reading the history …"</p> }.into_any(),
                Found::Refused(why) => view! { <p class="c-quiet">{why}</p> }.into_any(),
                Found::Lines { lines, after } => {
                    let after = StoredValue::new(after);
                    view! {
                        <Difference lines=lines />
                        <Show when=move || after.with_value(Option::is_some)>
                            <button
                                type="button"
                                class="c-button c-button--small"
                                aria-expanded=move || whole.get().to_string()
                                on:click=move |_| whole.update(|w| *w = !*w)
                            >
                                {move || if whole.get() { "Hide the object" } else { "The whole object" }}
                            </button>
                            <Show when=move || whole.get()>
                                <pre class="c-code" tabindex="0">{after.get_value()}</pre>
                            </Show>
                        </Show>
                    }
                        .into_any()
                }
            }}
        </details>
    }
}

async fn read(wrote: &Wrote) -> Found {
    let before = history::object(
        &wrote.plural,
        &wrote.key,
        wrote.revision.0.saturating_sub(1),
    )
    .await;
    let after = history::object(&wrote.plural, &wrote.key, wrote.revision.0).await;
    match (before, after) {
        (Ok(before), Ok(after)) => {
            let text =
                |o: &Option<serde_json::Value>| o.as_ref().map(|o| yaml::print(&diff::plain(o)));
            let (a, b) = (text(&before), text(&after));
            Found::Lines {
                lines: diff::lines(
                    a.as_deref().unwrap_or_default(),
                    b.as_deref().unwrap_or_default(),
                ),
                after: b,
            }
        }
        (Err(error), _) | (_, Err(error)) => Found::Refused(refusal(&error)),
    }
}

fn refusal(failure: &fetch::Failure) -> String {
    match failure {
        fetch::Failure::Refused(status) if status.code == 410 => {
            "The history no longer reaches back to this revision: it was compacted.".into()
        }
        other => other.to_string(),
    }
}
