//! A state: glyph, colour and kubectl's word together, so that nothing is told by colour alone.

use leptos::prelude::*;

use crate::state::pod::Look;

/// A glyph and a word in the look's colour.
#[component]
pub fn StateWord(
    /// How it looks.
    #[prop(into)]
    look: Signal<Look>,
    /// The word.
    #[prop(into)]
    word: Signal<String>,
) -> impl IntoView {
    view! {
        <span class="c-state" data-look=move || look.get().word()>
            <span aria-hidden="true">{move || look.get().glyph()}</span>
            " "
            {word}
        </span>
    }
}
