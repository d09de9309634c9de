//! Two texts as one: what came is marked +, what went is marked -.

use leptos::prelude::*;

use crate::state::diff::Line;

/// Lines with their marks.
#[component]
pub fn Difference(
    /// In order.
    lines: Vec<Line>,
) -> impl IntoView {
    if lines.is_empty() {
        return view! { <p class="c-quiet">"Nothing differs but the revision."</p> }.into_any();
    }
    let one = |line: Line| {
        let (kind, mark) = (
            match &line {
                Line::Same(_) => "same",
                Line::Added(_) => "added",
                Line::Removed(_) => "removed",
                Line::Skipped(_) => "skipped",
            },
            line.mark(),
        );
        let text = match line {
            Line::Same(t) | Line::Added(t) | Line::Removed(t) => t,
            Line::Skipped(n) => format!("{n} lines as before"),
        };
        view! {
            <span data-line=kind>
                {mark}
                " "
                {text}
                "\n"
            </span>
        }
    };
    view! {
        <pre class="c-diff" tabindex="0" role="group" aria-label="Before and after">
            {lines.into_iter().map(one).collect_view()}
        </pre>
    }
    .into_any()
}
