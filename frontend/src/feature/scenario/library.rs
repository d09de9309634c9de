//! The scenarios that come with the page.

use leptos::prelude::*;
use shared::scenario::Scenario;

use crate::state::app::{Dialog, Hands};
use crate::state::{lesson, text};
use crate::ui::modal::Modal;

/// The list to choose from.
#[component]
pub fn Library() -> impl IntoView {
    let hands = expect_context::<Hands>();
    let close = Callback::new(move |()| hands.dialog.set(Dialog::None));
    let one = move |(name, scenario): (String, Scenario)| {
        let (title, summary) = (scenario.title.clone(), scenario.summary.clone());
        let steps = text::count(scenario.steps.len(), "step");
        view! {
            <li>
                <button type="button" data-scenario=name on:click=move |_| super::ask(hands, scenario.clone())>
                    <b>{title}</b>
                    <span class="c-quiet">{steps}</span>
                    <span>{summary}</span>
                </button>
            </li>
        }
    };
    view! {
        <Modal title="Scenarios" on_close=close wide=true>
            <p>"Each walks one part of the architecture on your own cluster: you read, you act, and checks over the live objects turn green."</p>
            <ol class="c-library" id="library">
                {lesson::library().into_iter().map(one).collect_view()}
            </ol>
            <div class="c-modal__foot">
                <span class="c-quiet">"From the shell: glasshouse scenario list"</span>
                <span class="u-space"></span>
                <button type="button" class="c-button" autofocus on:click=move |_| close.run(())>
                    "Close"
                </button>
            </div>
        </Modal>
    }
}
