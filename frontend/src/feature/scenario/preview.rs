//! What opening a scenario would do here, and the click that does it.

use leptos::prelude::*;
use shared::scenario::Scenario;

use super::{Lessons, stage};
use crate::backend::browser;
use crate::state::app::{Dialog, Hands, Truth};
use crate::state::share::{self, Intent};
use crate::state::text;
use crate::ui::modal::Modal;

/// The question before anything is sent.
#[component]
pub fn Preview(
    /// What would be opened.
    scenario: Scenario,
) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let hands = expect_context::<Hands>();
    let lessons = expect_context::<Lessons>();
    let close = Callback::new(move |()| {
        browser::drop_fragment();
        hands.dialog.set(Dialog::None);
    });
    let shown = scenario.clone();
    let known = Memo::new(move |_| {
        let ready =
            |c: &crate::state::cluster::Cluster| c.hello.is_some() && !c.shelf("nodes").is_empty();
        truth.cluster.with(ready)
    });
    let intents = Memo::new(move |_| truth.cluster.with(|c| share::preview(&shown, c)));
    let title = match scenario.title.as_str() {
        "" => "Open this scenario?".to_owned(),
        title => title.to_owned(),
    };
    let (summary, nodes) = (scenario.summary.clone(), scenario.nodes);
    let holds = holds(&scenario);
    let here = Memo::new(move |_| truth.cluster.with(|c| c.shelf("nodes").len()));
    let has_any = !scenario.objects.is_empty()
        || !scenario.places.is_empty()
        || !scenario.timeline.is_empty();
    let apply = move |_| {
        browser::drop_fragment();
        hands.dialog.set(Dialog::None);
        stage::open(scenario.clone(), truth, hands, lessons);
    };
    view! {
        <Modal title=title on_close=close wide=true>
            {(!summary.is_empty()).then(|| view! { <p>{summary}</p> })}
            <p>{holds}</p>
            <p class="c-modal__warning" hidden=move || nodes <= here.get()>
                {move || format!("It wants {}, and this cluster has {}.", text::count(nodes, "node"), here.get())}
            </p>
            {has_any.then(|| view! { <Intents intents=intents /> })}
            <div class="c-modal__foot">
                <span class="u-space"></span>
                <button type="button" class="c-button" id="preview-cancel" autofocus on:click=move |_| close.run(())>
                    "Cancel"
                </button>
                <button type="button" class="c-button c-button--main" id="preview-apply" disabled=move || !known.get() on:click=apply>
                    {move || if known.get() { "Open it" } else { "Waiting for the cluster" }}
                </button>
            </div>
        </Modal>
    }
}

/// One sentence on what the scenario brings.
fn holds(scenario: &Scenario) -> String {
    let mut parts = vec![text::count(scenario.objects.len(), "object")];
    if !scenario.steps.is_empty() {
        parts.push(text::count(scenario.steps.len(), "step"));
    }
    if !scenario.timeline.is_empty() {
        let moments = scenario.timeline.len();
        parts.push(format!("{} by itself", text::count(moments, "event")));
    }
    format!(
        "It holds {}. Nothing is sent before you open it; its actions wait for your click.",
        parts.join(", ")
    )
}

#[component]
fn Intents(intents: Memo<Vec<Intent>>) -> impl IntoView {
    let one = |i: Intent| {
        view! {
            <li data-skip=i.skip.to_string()>
                <b>{i.kind}</b>
                <code>{i.name}</code>
                <span>{i.what}</span>
            </li>
        }
    };
    view! {
        <ul class="c-intents" id="preview" tabindex="0" aria-label="What would be created">
            {move || intents.get().into_iter().map(one).collect_view()}
        </ul>
    }
}
