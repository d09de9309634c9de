//! The object as `kubectl get -o yaml` prints it.

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::backend::browser;
use crate::state::app::{Hands, Truth};
use crate::state::route::Selected;
use crate::state::yaml::print;

/// The text, and a button that copies it.
#[component]
pub(super) fn Yaml(at: Selected) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let hands = expect_context::<Hands>();
    let text = Memo::new(move |_| {
        let Selected::Object(plural, key) = &at else {
            return String::new();
        };
        let object = truth.object(plural, key);
        object.map_or_else(String::new, |o| {
            let mut value = o.to_value();
            // kubectl leaves these out as well.
            if let Some(meta) = value
                .pointer_mut("/metadata")
                .and_then(|m| m.as_object_mut())
            {
                meta.remove("managedFields");
            }
            print(&value)
        })
    });
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
        <button type="button" class="c-button c-button--small" on:click=copy>
            "Copy YAML"
        </button>
        <pre class="c-code c-code--tall" id="yaml" tabindex="0">
            {text}
        </pre>
    }
}
