//! A modal on the native dialog element: focus trap, Escape and focus return come with it.

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

/// A dialog with a title that opens when it is mounted. `on_close` runs on Escape and must unmount it.
#[component]
pub fn Modal(
    /// The heading, which also names the dialog.
    #[prop(into)]
    title: String,
    /// Runs when the user closes it.
    on_close: Callback<()>,
    /// A wider one for forms with text.
    #[prop(optional)]
    wide: bool,
    /// Content.
    children: Children,
) -> impl IntoView {
    let dialog = NodeRef::<html::Dialog>::new();
    let before = StoredValue::new_local(document().active_element());
    Effect::new(move |_| {
        if let Some(dialog) = dialog.get()
            && !dialog.open()
        {
            let _ = dialog.show_modal();
        }
    });
    on_cleanup(move || {
        let element = before.try_get_value().flatten();
        if let Some(element) = element.and_then(|e| e.dyn_into::<web_sys::HtmlElement>().ok()) {
            let _ = element.focus();
        }
    });
    view! {
        <dialog
            node_ref=dialog
            class="c-modal"
            class=("c-modal--wide", wide)
            aria-labelledby="modal-title"
            on:close=move |_| on_close.run(())
        >
            <h2 id="modal-title" class="c-modal__title">
                {title}
            </h2>
            {children()}
        </dialog>
    }
}
