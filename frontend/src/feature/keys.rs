//! The page's shortcuts. Never while typing, never with a modifier, never under a dialog.

use leptos::prelude::*;
use wasm_bindgen::JsCast;

use crate::backend::browser;
use crate::state::app::{Dialog, Hands, Nav};
use crate::state::route::{Selected, Tab, View};

/// Listens for as long as the page lives.
pub fn listen(hands: Hands, nav: Nav) {
    let _ = window_event_listener(leptos::ev::keydown, move |event| {
        if is_commands_key(&event) {
            event.prevent_default();
            return match hands.dialog.get_untracked() {
                Dialog::None => hands.dialog.set(Dialog::Commands),
                Dialog::Commands => hands.dialog.set(Dialog::None),
                _ => {}
            };
        }
        let busy = event.ctrl_key() || event.meta_key() || event.alt_key() || is_typing(&event);
        let modal = document()
            .query_selector("dialog[open]")
            .ok()
            .flatten()
            .is_some();
        if busy || modal {
            return;
        }
        match event.key().as_str() {
            "/" => {
                event.prevent_default();
                browser::focus("#search");
            }
            "?" => hands.dialog.set(Dialog::Help),
            ":" => {
                event.prevent_default();
                hands.console.set(true);
            }
            "t" => {
                let table = nav.0.with_untracked(|r| matches!(r.view, View::Table(_)));
                nav.view(if table {
                    View::House
                } else {
                    View::Table("pods".into())
                });
            }
            "Escape" if hands.notice.with_untracked(Option::is_some) => hands.notice.set(None),
            "Escape" if hands.drag.with_untracked(Option::is_none) => nav.select(Selected::Nothing),
            digit => {
                let index = digit.parse::<usize>().ok().and_then(|d| d.checked_sub(1));
                if let Some(tab) = index.and_then(|i| Tab::ALL.get(i)) {
                    nav.tab(*tab);
                }
            }
        }
    });
}

/// Ctrl+K or Cmd+K, also while typing.
fn is_commands_key(event: &web_sys::KeyboardEvent) -> bool {
    let only = !event.alt_key() && !event.shift_key();
    only && (event.ctrl_key() || event.meta_key()) && event.key().eq_ignore_ascii_case("k")
}

/// Whether a key goes into a field.
pub(crate) fn is_typing(event: &web_sys::KeyboardEvent) -> bool {
    let element = event
        .target()
        .and_then(|t| t.dyn_into::<web_sys::Element>().ok());
    element.is_some_and(|e| matches!(e.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT"))
}
