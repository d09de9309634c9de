//! The object as `kubectl get -o yaml` prints it, to read, to copy and to edit: what an edit would change is asked of
//! the server first, and where somebody else was faster, all three versions are shown.

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::Value;
use shared::{ObjectKey, kind, path};

use crate::backend::call::Call;
use crate::backend::fetch::Failure;
use crate::backend::{browser, fetch};
use crate::state::app::{Hands, Truth};
use crate::state::diff::{self, Line};
use crate::state::locate::{self, Complaint};
use crate::state::merge;
use crate::state::route::Selected;
use crate::state::yaml::print;
use crate::ui::difference;
use crate::ui::editor::Editor;

/// An edit on its way.
#[derive(Clone, Copy)]
struct Edit {
    path: StoredValue<String>,
    /// As it was when the edit began.
    base: RwSignal<String>,
    text: RwSignal<String>,
    complaints: RwSignal<Vec<Complaint>>,
    /// What the server would change.
    would: RwSignal<Option<Vec<Line>>>,
    /// Somebody else's version, when one came in between.
    theirs: RwSignal<Option<String>>,
}

impl Edit {
    fn new(path: String, now: String) -> Self {
        Self {
            path: StoredValue::new(path),
            base: RwSignal::new(now.clone()),
            text: RwSignal::new(now),
            complaints: RwSignal::new(Vec::new()),
            would: RwSignal::new(None),
            theirs: RwSignal::new(None),
        }
    }
}

/// The text, and an editor on demand.
#[component]
pub(super) fn Yaml(at: Selected) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let Selected::Object(plural, key) = at else {
        return ().into_any();
    };
    let at = object_path(&plural, &key);
    let fetched = RwSignal::new(None::<Value>);
    let streamed = Memo::new(move |_| truth.object(&plural, &key).map(|o| o.to_value()));
    if let (true, Some(at)) = (streamed.with_untracked(Option::is_none), at.clone()) {
        spawn_local(async move {
            if let Ok(value) = fetch::get::<Value>(&at).await {
                let _ = fetched.try_set(Some(value));
            }
        });
    }
    let text = Memo::new(move |_| {
        let value = streamed.get().or_else(|| fetched.get());
        value.map(shown).unwrap_or_default()
    });
    let editing = RwSignal::new(None::<Edit>);
    // An edit outlives the button that begins it: a handler's signals would end with what the button stands in.
    let owner = Owner::current().unwrap_or_default();
    let begin = move |_| {
        let edit = at.clone().map(|path| {
            let now = text.get_untracked();
            owner.with(|| Edit::new(path, now))
        });
        editing.set(edit);
    };
    let content = move || match editing.get() {
        Some(edit) => view! { <Editing edit=edit editing=editing /> }.into_any(),
        None => view! { <Reading text=text on_edit=Callback::new(begin.clone()) /> }.into_any(),
    };
    content.into_any()
}

fn object_path(plural: &str, key: &ObjectKey) -> Option<String> {
    let row = kind::KINDS.iter().find(|k| k.plural == plural)?;
    Some(path::object(&row.reference(), key))
}

/// kubectl leaves the managed fields out as well.
fn shown(mut value: Value) -> String {
    if let Some(meta) = value
        .pointer_mut("/metadata")
        .and_then(Value::as_object_mut)
    {
        meta.remove("managedFields");
    }
    print(&value)
}

#[component]
fn Reading(text: Memo<String>, on_edit: Callback<()>) -> impl IntoView {
    let hands = expect_context::<Hands>();
    let copy = move |_| {
        spawn_local(async move {
            let ok = browser::copy(&text.get_untracked()).await;
            hands.tell(if ok {
                "The YAML is on the clipboard."
            } else {
                "The browser refused the clipboard."
            });
        });
    };
    view! {
        <div class="c-logs__bar">
            <button type="button" class="c-button c-button--small" id="yaml-edit" on:click=move |_| on_edit.run(())>
                "Edit"
            </button>
            <button type="button" class="c-button c-button--small" on:click=copy>
                "Copy YAML"
            </button>
        </div>
        <pre class="c-code c-code--tall" id="yaml" tabindex="0">
            {text}
        </pre>
    }
}

#[component]
fn Editing(edit: Edit, editing: RwSignal<Option<Edit>>) -> impl IntoView {
    let hands = expect_context::<Hands>();
    let check = move || spawn_local(ask_server(edit));
    let save = Callback::new(move |()| spawn_local(save(edit, editing, hands)));
    let would = move || {
        edit.would.get().map(|lines| match lines.is_empty() {
            true => view! { <p class="c-quiet">"The server would change nothing."</p> }.into_any(),
            false => {
                view! { <Difference title="What the server would change" lines=lines /> }.into_any()
            }
        })
    };
    view! {
        <div class="c-logs__bar">
            <button type="button" class="c-button c-button--small c-button--main" id="yaml-save" on:click=move |_| save.run(())>
                "Save"
            </button>
            <button type="button" class="c-button c-button--small" id="yaml-check" on:click=move |_| check()>
                "What would change?"
            </button>
            <button type="button" class="c-button c-button--small" id="yaml-cancel" on:click=move |_| editing.set(None)>
                "Cancel"
            </button>
        </div>
        <Conflict edit=edit />
        {would}
        <Editor text=edit.text complaints=edit.complaints label="The object as YAML" id="yaml-text" on_submit=save />
    }
}

/// Three versions: what the edit began with, what somebody else made of it, and what is in the editor; and what both
/// changes are together.
#[component]
fn Conflict(edit: Edit) -> impl IntoView {
    let take = move |text: String, theirs: String| {
        edit.text.set(text);
        edit.base.set(theirs);
        edit.theirs.set(None);
    };
    move || {
        edit.theirs.get().map(|theirs| {
            let (base, text) = (edit.base.get_untracked(), edit.text.get_untracked());
            let merged = merge::three_way(&base, &text, &theirs);
            let (together, over) = ((merged.text.clone(), theirs.clone()), theirs.clone());
            view! {
                <div class="c-story" id="yaml-conflict" role="alert">
                    <p>"409 Conflict: somebody else has changed this object since you began. Your text is untouched."</p>
                    <p>{clashes(merged.conflicts)}</p>
                    <Difference title="What they changed" lines=diff::lines(&base, &theirs) />
                    <Difference title="What you changed" lines=diff::lines(&base, &text) />
                    <Difference title="Both together, against theirs" lines=diff::lines(&theirs, &merged.text) />
                    <div class="c-logs__bar">
                        <button type="button" class="c-button c-button--small c-button--main" id="yaml-merge" on:click=move |_| take(together.0.clone(), together.1.clone())>
                            "Take both together"
                        </button>
                        <button type="button" class="c-button c-button--small" id="yaml-theirs" on:click=move |_| take(over.clone(), over.clone())>
                            "Start over from theirs"
                        </button>
                    </div>
                </div>
            }
        })
    }
}

fn clashes(conflicts: usize) -> String {
    match conflicts {
        0 => "Both changes fit together: nothing of either is lost.".into(),
        n => format!(
            "{} changed by both: they stand between marks in the text, for you to choose.",
            crate::state::text::count(n, "place")
        ),
    }
}

#[component]
fn Difference(title: &'static str, lines: Vec<Line>) -> impl IntoView {
    view! {
        <h3 class="c-panel__h3">{title}</h3>
        <difference::Difference lines=lines />
    }
}

/// Says so when the text still has the marks of a merge: no YAML reader would.
fn has_marks(edit: Edit) -> bool {
    let mark = edit.text.with_untracked(|t| merge::first_mark(t));
    if let Some(line) = mark {
        let text =
            "Both sides changed this place: keep one of the two, and take the marks away.".into();
        edit.complaints.set(vec![Complaint { line, text }]);
    }
    mark.is_some()
}

fn call(edit: Edit) -> Call {
    Call {
        method: "PUT",
        path: edit.path.get_value(),
        edited: Some(edit.text.get_untracked()),
        ..Call::default()
    }
}

async fn ask_server(edit: Edit) {
    if has_marks(edit) {
        return;
    }
    match fetch::send(&call(edit).dry_run()).await {
        Ok(value) => {
            let lines = edit.base.with_untracked(|b| diff::lines(b, &shown(value)));
            edit.complaints.set(Vec::new());
            edit.would.set(Some(lines));
        }
        Err(failure) => refused(edit, failure).await,
    }
}

async fn save(edit: Edit, editing: RwSignal<Option<Edit>>, hands: Hands) {
    if has_marks(edit) {
        return;
    }
    match fetch::send(&call(edit)).await {
        Ok(_) => {
            hands.tell("Saved.");
            editing.set(None);
        }
        Err(failure) => refused(edit, failure).await,
    }
}

async fn refused(edit: Edit, failure: Failure) {
    edit.would.set(None);
    match failure {
        Failure::Refused(status) if status.is_conflict() => {
            let path = edit.path.get_value();
            if let Ok(value) = fetch::get::<Value>(&path).await {
                edit.complaints.set(Vec::new());
                edit.theirs.set(Some(shown(value)));
            }
        }
        Failure::Refused(status) => {
            let found = edit.text.with_untracked(|t| locate::complaints(t, &status));
            edit.complaints.set(found);
        }
        other => edit.complaints.set(vec![Complaint {
            line: 0,
            text: other.to_string(),
        }]),
    }
}
