//! Requests over HTTP with the page's token. Errors are the server's own words.

use js_sys::Uint8Array;
use leptos::prelude::window;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shared::Status;
use shared::flow::TraceId;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::browser;
use super::call::Call;

/// Why a request did not succeed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Failure {
    /// No answer.
    #[error("the cluster did not answer: {0}")]
    Silent(String),
    /// The API's refusal, as it said it.
    #[error("{}", .0.message)]
    Refused(Box<Status>),
    /// An answer that is no JSON.
    #[error("the cluster answered {code} with something that is not JSON")]
    Odd {
        /// HTTP status.
        code: u16,
    },
}

/// Sends a call in a trace of its own; answers the JSON of the answer, `null` for an empty one.
pub async fn send(call: &Call) -> Result<Value, Failure> {
    send_in(call, new_trace()).await
}

/// Sends a call as a part of a trace, so that the calls of one gesture are one story.
pub async fn send_in(call: &Call, trace: TraceId) -> Result<Value, Failure> {
    let (content_type, body) = match (&call.edited, &call.body) {
        (Some(yaml), _) => ("application/yaml", Some(JsValue::from_str(yaml))),
        (None, body) => (
            call.content_type,
            body.as_ref().map(|b| JsValue::from_str(&b.to_string())),
        ),
    };
    let response = request(call.method, &call.path, content_type, body, Sent::In(trace)).await?;
    json(&response).await
}

/// A fresh trace id: the server's hops for a write carry it.
pub fn new_trace() -> TraceId {
    let word = || (js_sys::Math::random() * f64::from(u32::MAX)) as u32;
    let id = (0..4).fold(0u128, |id, _| (id << 32) | u128::from(word()));
    TraceId(id.max(1))
}

/// How an answer is wanted and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum As {
    /// As JSON.
    Json,
    /// As the table that the server makes of it.
    Table,
    /// As the text that it is.
    Text,
}

/// Sends a call; answers the HTTP status with what came.
///
/// # Errors
/// When there was no answer, or it was a refusal.
pub async fn exchange(call: &Call, wanted: As) -> Result<(u16, Value), Failure> {
    let body = call
        .body
        .as_ref()
        .map(|b| JsValue::from_str(&b.to_string()));
    let sent = match (wanted, call.method) {
        (As::Table, _) => Sent::Table,
        (_, "GET") => Sent::Plain,
        _ => Sent::In(new_trace()),
    };
    let response = request(call.method, &call.path, call.content_type, body, sent).await?;
    let value = match wanted {
        As::Text => Value::String(body_text(&response).await?),
        As::Json | As::Table => json(&response).await?,
    };
    Ok((response.status(), value))
}

/// What goes along with a request.
enum Sent<'a> {
    /// Nothing.
    Plain,
    /// The wish for a table.
    Table,
    /// The trace that it belongs to.
    In(TraceId),
    /// A way to end it.
    Until(&'a web_sys::AbortSignal),
}

/// Reads something.
pub async fn get<T: DeserializeOwned>(path: &str) -> Result<T, Failure> {
    let response = request("GET", path, "", None, Sent::Plain).await?;
    let value = json(&response).await?;
    serde_json::from_value(value).map_err(|_| Failure::Odd {
        code: response.status(),
    })
}

/// Reads a collection as the table that the server makes of it.
pub async fn table(path: &str) -> Result<Value, Failure> {
    let response = request("GET", path, "", None, Sent::Table).await?;
    json(&response).await
}

/// Sends bytes, such as an upload.
pub async fn send_bytes(path: &str, bytes: &Uint8Array) -> Result<Value, Failure> {
    let body = Some(JsValue::from(bytes.clone()));
    let response = request(
        "POST",
        path,
        "application/wasm",
        body,
        Sent::In(new_trace()),
    )
    .await?;
    json(&response).await
}

/// Opens a stream of text, such as a log; `chunk` is called with each piece until it answers false or the stream
/// ends. `signal` ends it from outside.
pub async fn stream(
    path: &str,
    signal: &web_sys::AbortSignal,
    mut chunk: impl FnMut(String) -> bool,
) -> Result<(), Failure> {
    let response = request("GET", path, "", None, Sent::Until(signal)).await?;
    let Some(body) = response.body() else {
        return Ok(());
    };
    let reader: web_sys::ReadableStreamDefaultReader = body.get_reader().unchecked_into();
    let mut rest = Vec::new();
    loop {
        let step = JsFuture::from(reader.read()).await.map_err(silent)?;
        let get =
            |field: &str| js_sys::Reflect::get(&step, &field.into()).unwrap_or(JsValue::UNDEFINED);
        if get("done").is_truthy() {
            return Ok(());
        }
        rest.extend(Uint8Array::new(&get("value")).to_vec());
        if !chunk(take_text(&mut rest)) {
            let _ = JsFuture::from(reader.cancel()).await;
            return Ok(());
        }
    }
}

/// Takes what is whole UTF-8 and leaves the beginning of a character that is still on its way.
fn take_text(bytes: &mut Vec<u8>) -> String {
    let whole = match std::str::from_utf8(bytes) {
        Err(e) if e.error_len().is_none() => e.valid_up_to(),
        _ => bytes.len(),
    };
    let rest = bytes.split_off(whole);
    let text = String::from_utf8_lossy(bytes).into_owned();
    *bytes = rest;
    text
}

async fn request(
    method: &str,
    path: &str,
    content_type: &str,
    body: Option<JsValue>,
    sent: Sent<'_>,
) -> Result<web_sys::Response, Failure> {
    let init = web_sys::RequestInit::new();
    init.set_method(method);
    if let Some(body) = &body {
        init.set_body(body);
    }
    let headers = web_sys::Headers::new().map_err(silent)?;
    let set = |name: &str, value: &str| headers.set(name, value).map_err(silent);
    set("Authorization", &format!("Bearer {}", browser::token()))?;
    if body.is_some() {
        set("Content-Type", content_type)?;
    }
    match sent {
        Sent::Plain => {}
        Sent::Table => set("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")?,
        Sent::In(trace) => set("traceparent", &trace.traceparent())?,
        Sent::Until(signal) => init.set_signal(Some(signal)),
    }
    init.set_headers(&headers);
    let promise = window().fetch_with_str_and_init(path, &init);
    let response: web_sys::Response = JsFuture::from(promise)
        .await
        .map_err(silent)?
        .unchecked_into();
    if response.ok() {
        return Ok(response);
    }
    Err(refusal(&response).await)
}

async fn refusal(response: &web_sys::Response) -> Failure {
    let code = response.status();
    let text = match response.text() {
        Ok(promise) => JsFuture::from(promise)
            .await
            .ok()
            .and_then(|t| t.as_string()),
        Err(_) => None,
    }
    .unwrap_or_default();
    match serde_json::from_str::<Status>(&text) {
        Ok(status) => Failure::Refused(Box::new(status)),
        Err(_) if text.is_empty() || text.len() > 2000 => Failure::Odd { code },
        Err(_) => Failure::Refused(Box::new(Status::failure(code, "", text))),
    }
}

async fn body_text(response: &web_sys::Response) -> Result<String, Failure> {
    let text = JsFuture::from(response.text().map_err(silent)?)
        .await
        .map_err(silent)?;
    Ok(text.as_string().unwrap_or_default())
}

async fn json(response: &web_sys::Response) -> Result<Value, Failure> {
    let code = response.status();
    let text = body_text(response).await?;
    if text.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&text).map_err(|_| Failure::Odd { code })
}

#[allow(clippy::needless_pass_by_value, reason = "shaped for map_err")]
fn silent(error: JsValue) -> Failure {
    let text = error
        .dyn_ref::<js_sys::Error>()
        .map_or_else(|| "no reason given".into(), |e| String::from(e.message()));
    Failure::Silent(text)
}

#[cfg(test)]
mod tests {
    use super::take_text;

    #[test]
    fn characters_cut_by_the_network_come_out_whole() {
        let text = "a\u{e9}\u{1f980}z";
        for cut in 0..text.len() {
            let mut buffer = text.as_bytes()[..cut].to_vec();
            let mut out = take_text(&mut buffer);
            buffer.extend(&text.as_bytes()[cut..]);
            out += &take_text(&mut buffer);
            assert_eq!(out, text);
        }
        let mut bad = vec![0xff, b'a'];
        assert_eq!(take_text(&mut bad), "\u{fffd}a");
    }
}
