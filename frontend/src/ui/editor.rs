//! A plain editor for YAML: line numbers, complaints beside their lines, and nothing that surprises: Tab leaves it,
//! undo is the browser's own.

use leptos::html;
use leptos::prelude::*;

use crate::state::locate::Complaint;

/// Lines that are numbered; a longer text can still be edited.
const LINES_MAX: usize = 5000;

/// A text with line numbers.
#[component]
pub fn Editor(
    /// The text, written on every keystroke.
    text: RwSignal<String>,
    /// What is wrong with it.
    #[prop(into)]
    complaints: Signal<Vec<Complaint>>,
    /// What it is, for those who do not see it.
    label: &'static str,
    /// Its id.
    id: &'static str,
    /// Runs on Ctrl+Enter and Ctrl+S.
    #[prop(optional)]
    on_submit: Option<Callback<()>>,
) -> impl IntoView {
    let area = NodeRef::<html::Textarea>::new();
    let lines = Memo::new(move |_| text.with(|t| t.split('\n').count().min(LINES_MAX)));
    let numbers = move || {
        (1..=lines.get())
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join("\n")
    };
    let keys = move |e: web_sys::KeyboardEvent| {
        let sends = (e.ctrl_key() || e.meta_key()) && matches!(e.key().as_str(), "Enter" | "s");
        if let (true, Some(submit)) = (sends, on_submit) {
            e.prevent_default();
            submit.run(());
        }
    };
    let mark = |c: &Complaint| {
        let at = c.line.saturating_sub(1);
        view! { <li style=format!("--line:{at}")>{c.text.clone()}</li> }
    };
    let placed = move || {
        complaints.with(|all| {
            let placed = all.iter().filter(|c| c.line > 0);
            placed.map(mark).collect_view()
        })
    };
    let elsewhere = move || {
        complaints.with(|all| {
            let elsewhere = all.iter().map(|c| view! { <li>{said(c)}</li> });
            elsewhere.collect_view()
        })
    };
    view! {
        <div class="c-editor">
            <div class="c-editor__sheet" style=move || format!("--lines:{}", lines.get())>
                <pre class="c-editor__numbers" aria-hidden="true">{numbers}</pre>
                <textarea
                    id=id
                    aria-label=label
                    aria-describedby=format!("{id}-complaints")
                    aria-invalid=move || complaints.with(|c| !c.is_empty()).to_string()
                    spellcheck="false"
                    autocomplete="off"
                    autocapitalize="off"
                    wrap="off"
                    node_ref=area
                    prop:value=text
                    on:input=move |e| text.set(event_target_value(&e))
                    on:keydown=keys
                ></textarea>
                <ul class="c-editor__marks" aria-hidden="true">{placed}</ul>
            </div>
        </div>
        <div role="status" id=format!("{id}-complaints")>
            <ul class="c-editor__complaints">{elsewhere}</ul>
        </div>
    }
}

fn said(complaint: &Complaint) -> String {
    match complaint.line {
        0 => format!("▲ {}", complaint.text),
        line => format!("▲ line {line}: {}", complaint.text),
    }
}
