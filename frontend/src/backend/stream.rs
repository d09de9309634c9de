//! The live stream over a WebSocket: folded into the state once per frame, reconnected with growing pauses.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use leptos::prelude::*;
use shared::flow::Hop;
use shared::live::Message;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;

use super::browser;
use crate::state::app::{Link, Truth};
use crate::state::route::escape;

/// The longest pause between two attempts, in milliseconds.
const MAX_PAUSE_MS: i32 = 10_000;
/// Messages held for one frame; a page that sleeps longer starts over with a fresh snapshot.
const MAX_HELD: usize = 20_000;

/// Opens the stream and keeps it open for as long as the page lives. `on_hop` sees every live hop.
pub fn open(truth: Truth, on_hop: impl Fn(&Hop) + 'static) {
    let inbox = Rc::new(Inbox {
        truth,
        held: RefCell::new(Vec::new()),
        scheduled: Cell::new(false),
        on_hop: Box::new(on_hop),
    });
    connect(inbox, 500);
}

struct Inbox {
    truth: Truth,
    held: RefCell<Vec<Message>>,
    scheduled: Cell<bool>,
    on_hop: Box<dyn Fn(&Hop)>,
}

impl Inbox {
    /// Holds a message until the next frame, so that a burst costs one update of the page.
    fn take(self: &Rc<Self>, message: Message) -> bool {
        let mut held = self.held.borrow_mut();
        held.push(message);
        if held.len() > MAX_HELD {
            held.clear();
            return false;
        }
        if !self.scheduled.replace(true) {
            let inbox = Rc::clone(self);
            browser::soon(move || inbox.fold());
        }
        true
    }

    fn fold(&self) {
        self.scheduled.set(false);
        let messages = std::mem::take(&mut *self.held.borrow_mut());
        for message in &messages {
            if let Message::Hop(hop) = message {
                (self.on_hop)(hop);
            }
        }
        self.truth.fold(messages);
    }
}

fn address() -> String {
    let location = window().location();
    let scheme = if location.protocol().is_ok_and(|p| p == "https:") {
        "wss"
    } else {
        "ws"
    };
    let host = location.host().unwrap_or_default();
    format!(
        "{scheme}://{host}/glasshouse/v1/stream?token={}",
        escape(&browser::token())
    )
}

fn connect(inbox: Rc<Inbox>, pause_ms: i32) {
    let Ok(socket) = web_sys::WebSocket::new(&address()) else {
        retry(inbox, pause_ms);
        return;
    };
    let next_pause = Rc::new(Cell::new(pause_ms));
    let (at_message, of_message, healthy) =
        (Rc::clone(&inbox), socket.clone(), Rc::clone(&next_pause));
    let on_message = Closure::<dyn FnMut(_)>::new(move |event: web_sys::MessageEvent| {
        let Some(text) = event.data().as_string() else {
            return;
        };
        match serde_json::from_str::<Message>(&text) {
            Ok(message) => {
                healthy.set(500);
                if at_message.truth.link.get_untracked() != Link::Live {
                    at_message.truth.link.set(Link::Live);
                }
                if !at_message.take(message) {
                    let _ = of_message.close();
                }
            }
            // A message of a newer server is no reason to lose the rest.
            Err(error) => leptos::logging::warn!("a stream message was not understood: {error}"),
        }
    });
    socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    // The closing handler owns the message handler: both go when the socket does.
    let of_close = socket.clone();
    let on_close = Closure::once_into_js(move || {
        of_close.set_onmessage(None);
        drop(on_message);
        retry(inbox, next_pause.get());
    });
    socket.set_onclose(Some(on_close.unchecked_ref()));
}

fn retry(inbox: Rc<Inbox>, pause_ms: i32) {
    if !matches!(inbox.truth.link.get_untracked(), Link::Lost(_)) {
        inbox.truth.link.set(Link::Lost(browser::page_ms()));
    }
    browser::after(pause_ms, move || {
        connect(inbox, (pause_ms * 2).min(MAX_PAUSE_MS))
    });
}
