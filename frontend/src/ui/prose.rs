//! Markdown on the screen.

use leptos::prelude::*;

use crate::state::markdown::{self, Block, Span};

/// A text of a scenario.
#[component]
pub fn Prose(
    /// Its Markdown.
    text: String,
) -> impl IntoView {
    view! { <div class="c-prose">{markdown::parse(&text).into_iter().map(block).collect_view()}</div> }
}

fn block(block: Block) -> AnyView {
    match block {
        Block::Heading(line) => view! { <h4>{spans(line)}</h4> }.into_any(),
        Block::Paragraph(line) => view! { <p>{spans(line)}</p> }.into_any(),
        Block::Code(code) => view! { <pre class="c-code" tabindex="0">{code}</pre> }.into_any(),
        Block::List(ordered, items) => {
            let items = items.into_iter().map(|i| view! { <li>{spans(i)}</li> });
            if ordered {
                view! { <ol>{items.collect_view()}</ol> }.into_any()
            } else {
                view! { <ul>{items.collect_view()}</ul> }.into_any()
            }
        }
    }
}

fn spans(line: Vec<Span>) -> impl IntoView {
    let one = |span| match span {
        Span::Text(t) => t.into_any(),
        Span::Code(t) => view! { <code>{t}</code> }.into_any(),
        Span::Strong(t) => view! { <strong>{t}</strong> }.into_any(),
        Span::Emphasis(t) => view! { <em>{t}</em> }.into_any(),
    };
    line.into_iter().map(one).collect_view()
}
