//! What opening a scenario would do here, and the click that does it.

use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::scenario::Scenario;

use super::{Lessons, stage};
use crate::backend::{browser, history};
use crate::state::app::{Dialog, Hands, Truth};
use crate::state::cluster::Cluster;
use crate::state::effects::{self, Here, Intent};
use crate::state::lesson::Read;
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
        truth.folds.track();
        truth.now(|c| c.hello.is_some() && !c.shelf("nodes").is_empty())
    });
    let read = read(scenario.clone(), truth, known);
    let lines = Memo::new(move |_| {
        truth.folds.track();
        let read = read.get()?;
        let lines = |cluster: &Cluster| {
            let here = Here {
                cluster,
                read: &read,
            };
            effects::effects(&shown, here)
        };
        Some(truth.now(lines))
    });
    let known = Memo::new(move |_| lines.with(Option::is_some));
    let title = match scenario.title.as_str() {
        "" => "Open this scenario?".to_owned(),
        title => title.to_owned(),
    };
    let (summary, nodes) = (scenario.summary.clone(), scenario.nodes);
    let holds = holds(&scenario);
    let here = Memo::new(move |_| {
        truth.folds.track();
        truth.now(|c| c.shelf("nodes").len())
    });
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
            {has_any.then(|| view! { <Lines lines=lines /> })}
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

/// Reads, once the cluster is known, the kinds that the stream does not carry: what of them exists is not made.
fn read(scenario: Scenario, truth: Truth, known: Memo<bool>) -> RwSignal<Option<Read>> {
    let read = RwSignal::new(None);
    Effect::new(move |begun: Option<bool>| {
        if !known.get() || begun == Some(true) {
            return begun == Some(true);
        }
        let unseen = truth.now(|c| effects::unseen(&scenario, c));
        spawn_local(async move {
            let found = history::read(unseen).await;
            let _ = read.try_set(Some(found));
        });
        true
    });
    read
}

#[component]
fn Lines(lines: Memo<Option<Vec<Intent>>>) -> impl IntoView {
    let one = |(fresh, e): (bool, Intent)| {
        let heading = (fresh && !e.when.is_empty())
            .then(|| view! { <li class="c-intents__when">{e.when}</li> });
        view! {
            {heading}
            <li data-skip=e.skip.to_string()>
                <code>{e.line}</code>
                <span>{e.what}</span>
            </li>
        }
    };
    let marked = move || {
        let mut last = String::new();
        let all = lines.get().unwrap_or_default().into_iter();
        let all = all.map(|e| (std::mem::replace(&mut last, e.when.clone()) != e.when, e));
        all.map(one).collect_view()
    };
    view! {
        <ul class="c-intents" id="preview" tabindex="0" aria-label="What would happen">
            {marked}
        </ul>
    }
}
