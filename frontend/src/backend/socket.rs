//! `pods/exec` over a WebSocket: the remote command protocol `v5.channel.k8s.io`, whose frames begin with the number of
//! a channel (KEP-4006).

use js_sys::Uint8Array;
use leptos::prelude::window;
use serde_json::Value;
use wasm_bindgen::prelude::*;

use super::browser;

const PROTOCOL: &str = "v5.channel.k8s.io";
const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;

/// What the other side says.
pub enum Said {
    /// Output.
    Text(String),
    /// The end, in words.
    Ended(String),
}

/// A running command.
pub struct Exec {
    socket: web_sys::WebSocket,
    // Kept as long as the socket calls them.
    _message: Closure<dyn FnMut(web_sys::MessageEvent)>,
    _close: Closure<dyn FnMut(web_sys::CloseEvent)>,
}

/// Starts a command; `None` when the browser opens no socket.
pub fn exec(path: &str, said: impl Fn(Said) + Clone + 'static) -> Option<Exec> {
    let origin = window().location().origin().ok()?;
    let address = origin.replacen("http", "ws", 1);
    let url = format!("{address}{path}&token={}", browser::token());
    let socket = web_sys::WebSocket::new_with_str(&url, PROTOCOL).ok()?;
    let _ = js_sys::Reflect::set(&socket, &"binaryType".into(), &"arraybuffer".into());
    let told = said.clone();
    let message =
        Closure::<dyn FnMut(web_sys::MessageEvent)>::new(move |e: web_sys::MessageEvent| {
            let bytes = Uint8Array::new(&e.data()).to_vec();
            let Some((channel, data)) = bytes.split_first() else {
                return;
            };
            let text = String::from_utf8_lossy(data).into_owned();
            match *channel {
                STDOUT | STDERR => told(Said::Text(text)),
                ERROR => told(Said::Ended(ending(&text))),
                _ => {}
            }
        });
    let close = Closure::<dyn FnMut(web_sys::CloseEvent)>::new(move |e: web_sys::CloseEvent| {
        if !e.was_clean() {
            said(Said::Ended(
                "The connection was lost, or the cluster refused it.".into(),
            ));
        }
    });
    socket.set_onmessage(Some(message.as_ref().unchecked_ref()));
    socket.set_onclose(Some(close.as_ref().unchecked_ref()));
    Some(Exec {
        socket,
        _message: message,
        _close: close,
    })
}

/// The Status at the end of a command, in words.
fn ending(text: &str) -> String {
    let status: Value = serde_json::from_str(text).unwrap_or_default();
    let word = |p: &str| {
        status
            .pointer(p)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    match (word("/status"), word("/message")) {
        ("Success", _) => "The command has ended.".into(),
        (_, "") => format!("The command has ended: {text}"),
        (_, message) => format!("The command has ended: {message}"),
    }
}

impl Exec {
    /// Writes to its standard input.
    pub fn send(&self, text: &str) {
        let mut frame = vec![STDIN];
        frame.extend(text.as_bytes());
        let _ = self.socket.send_with_u8_array(&frame);
    }

    /// Hangs up.
    pub fn close(self) {
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        let _ = self.socket.close();
    }
}

#[cfg(test)]
mod tests {
    use super::ending;

    #[test]
    fn endings_are_told_in_words() {
        for (text, want) in [
            (r#"{"status":"Success"}"#, "The command has ended."),
            (
                r#"{"status":"Failure","message":"command terminated with exit code 2"}"#,
                "The command has ended: command terminated with exit code 2",
            ),
            ("odd", "The command has ended: odd"),
        ] {
            assert_eq!(ending(text), want);
        }
    }
}
