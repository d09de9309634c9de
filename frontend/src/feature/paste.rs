//! Objects from YAML: pasted or typed, several documents at once, judged before they are sent.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::send;
use crate::backend::fetch::{self, Failure};
use crate::state::app::{Ask, Dialog, Hands, Nav};
use crate::state::locate::{self, Complaint};
use crate::state::{manifest, text};
use crate::ui::editor::Editor;
use crate::ui::modal::Modal;

/// What the editor begins with.
const FIRST: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers:\n  - name: web\n    image: nginx\n";

/// The editor and its two buttons.
#[component]
pub fn PasteForm() -> impl IntoView {
    let hands = expect_context::<Hands>();
    let nav = expect_context::<Nav>();
    let typed = RwSignal::new(FIRST.to_owned());
    let complaints = RwSignal::new(Vec::<Complaint>::new());
    let fine = RwSignal::new(false);
    let close = Callback::new(move |()| hands.dialog.set(Dialog::None));
    let calls = move || {
        fine.set(false);
        typed.with_untracked(|t| manifest::calls(t)).map_err(|e| {
            let text = e.to_string();
            complaints.set(vec![Complaint { line: 0, text }]);
        })
    };
    let check = move |_| {
        let Ok(calls) = calls() else { return };
        spawn_local(async move {
            let mut found = Vec::new();
            for call in &calls {
                let text = call.edited.clone().unwrap_or_default();
                match fetch::send(&call.dry_run()).await {
                    Ok(_) => {}
                    Err(Failure::Refused(s)) => found.extend(locate::complaints(&text, &s)),
                    Err(failure) => found.push(Complaint {
                        line: 0,
                        text: failure.to_string(),
                    }),
                }
            }
            // Lines are counted within a document, so they are only right when there is one.
            if calls.len() > 1 {
                found.iter_mut().for_each(|c| c.line = 0);
            }
            let _ = fine.try_set(found.is_empty());
            let _ = complaints.try_set(found);
        });
    };
    let create = Callback::new(move |()| {
        let Ok(calls) = calls() else { return };
        let what = text::count(calls.len(), "object");
        hands.dialog.set(Dialog::None);
        let ask = Ask {
            title: format!("Create {what}"),
            done: format!("{what} created."),
            calls,
            ..Ask::default()
        };
        // The text has just been seen and is what is sent: no second question.
        send::run(hands, nav, ask);
    });
    view! {
        <Modal title="From YAML" on_close=close wide=true>
            <p class="c-quiet">"One document or several between lines of ---. Ctrl+Enter creates."</p>
            <Editor text=typed complaints=complaints label="Manifests" id="paste-yaml" on_submit=create />
            <p class="c-copy__said" role="status">{move || fine.get().then_some("● The server would accept this.")}</p>
            <div class="c-modal__foot">
                <span class="u-space"></span>
                <button type="button" class="c-button" on:click=move |_| close.run(())>
                    "Cancel"
                </button>
                <button type="button" class="c-button" id="paste-check" on:click=check>
                    "Check"
                </button>
                <button type="button" class="c-button c-button--main" id="paste-create" on:click=move |_| create.run(())>
                    "Create"
                </button>
            </div>
        </Modal>
    }
}
