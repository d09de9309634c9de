//! The keys that people know from k9s, on the row that has the focus.

use leptos::prelude::*;
use shared::ObjectKey;
use wasm_bindgen::JsCast;

use super::Looking;
use crate::feature::drag;
use crate::state::route::{Selected, Tab};

/// Handles a key that was pressed somewhere in the table.
pub(super) fn press(event: &web_sys::KeyboardEvent, looking: Looking) {
    let Some(row) = drag::closest(event, "tr[data-name]") else {
        return;
    };
    let text = |name: &str| row.get_attribute(name).unwrap_or_default();
    let key = ObjectKey::new(&text("data-namespace"), &text("data-name"));
    let (hands, nav) = (looking.hands, looking.nav);
    let plural = looking.plural.get_value();
    let at = Selected::Object(plural.clone(), key.clone());
    let with_control = event.ctrl_key() || event.meta_key();
    match (event.key().as_str(), with_control) {
        ("d", true) | ("Delete", false) => {
            let owner = hands
                .truth
                .object(&plural, &key)
                .and_then(|o| o.controller());
            drag::delete(hands, nav, &plural, &key, owner.as_ref());
        }
        ("d", false) => nav.open(at, Tab::Now),
        ("y" | "e", false) => nav.open(at, Tab::Yaml),
        ("l", false) if plural == "pods" => nav.open(at, Tab::Logs),
        ("s", false) if plural == "pods" => nav.open(at, Tab::Shell),
        (" ", false) => looking.mark(&key),
        ("ArrowDown", false) => focus(row.next_element_sibling()),
        ("ArrowUp", false) => focus(row.previous_element_sibling()),
        _ => return,
    }
    event.prevent_default();
    event.stop_propagation();
}

fn focus(row: Option<web_sys::Element>) {
    let button = row.and_then(|r| r.query_selector("th button").ok().flatten());
    if let Some(button) = button.and_then(|b| b.dyn_into::<web_sys::HtmlElement>().ok()) {
        let _ = button.focus();
    }
}
