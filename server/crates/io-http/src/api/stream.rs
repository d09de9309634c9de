//! Watches on the wire: one frame after the other, as they happen, as lines or as messages of a WebSocket.

use std::collections::VecDeque;
use std::convert::Infallible;

use apiserver::{WatchEncoder, WatchFrame};
use axum::body::{Body, Bytes};
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::Response;
use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use futures_util::stream::unfold;
use io_driver::api::Watching;
use shared::KindRef;

use super::text;
use super::who::TOKEN_PROTOCOL;

/// How many bytes are made at a time: what many changes come to, or a part of the objects that a watch begins with.
const BYTES_AT_A_TIME: usize = 128 * 1024;

/// What is left to send.
pub(super) struct Sending {
    watching: Watching,
    kind: KindRef,
    encoder: WatchEncoder,
    waiting: VecDeque<WatchFrame>,
    is_over: bool,
}

impl Sending {
    /// A watch of a kind, nothing of it sent yet.
    pub(super) fn new(watching: Watching, kind: KindRef, encoder: WatchEncoder) -> Self {
        Self {
            watching,
            kind,
            encoder,
            waiting: VecDeque::new(),
            is_over: false,
        }
    }

    /// Streams until the watch ends or the client goes away. A client that does not read holds up only itself: frames
    /// are made when its connection takes them.
    pub(super) fn respond(self) -> Response<Body> {
        let content_type = self.encoder.content_type();
        let frames = unfold(self, |mut sending| async move {
            let bytes = sending.next().await?;
            Some((Ok::<_, Infallible>(bytes), sending))
        });
        let mut response = Response::new(Body::from_stream(frames));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
        response
    }

    /// The same over a WebSocket: one message per event, of text or binary (`apiserver/pkg/endpoints/handlers/watch.go`).
    pub(super) fn respond_over(
        self,
        socket: WebSocketUpgrade,
        headers: &HeaderMap,
    ) -> Response<Body> {
        let offered: Vec<String> = text(headers, &SEC_WEBSOCKET_PROTOCOL)
            .split(',')
            .map(|protocol| protocol.trim().to_owned())
            .filter(|p| !p.is_empty() && !p.starts_with(TOKEN_PROTOCOL))
            .collect();
        socket
            .protocols(offered)
            .on_upgrade(|socket| self.send_over(socket))
    }

    async fn send_over(mut self, mut socket: WebSocket) {
        loop {
            let frames = tokio::select! {
                biased;
                came = socket.recv() => match came {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => continue,
                },
                frames = self.next() => frames,
            };
            let Some(frames) = frames else { break };
            for message in messages(&frames, self.encoder.is_binary()) {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
        }
        let end = CloseFrame {
            code: close_code::NORMAL,
            reason: "".into(),
        };
        // The client may be gone already, which ends the watch as well.
        let _ = socket.send(Message::Close(Some(end))).await;
    }

    async fn next(&mut self) -> Option<Bytes> {
        if self.waiting.is_empty() {
            if self.is_over {
                return None;
            }
            match self.watching.next().await? {
                Ok(frames) => self.waiting.extend(frames),
                Err(status) => {
                    self.is_over = true;
                    return Some(self.encoder.error(&status));
                }
            }
        }
        Some(self.encode())
    }

    /// The next frames that are waiting. One alone is sent as it is: its bytes are shared with other watches.
    fn encode(&mut self) -> Bytes {
        let (now, mut out, mut count) = (self.watching.now(), Vec::new(), 0);
        let mut alone = None;
        while let Some(frame) = self.waiting.pop_front() {
            match self.encoder.encode(&frame, now) {
                Ok(bytes) if count == 0 && self.waiting.is_empty() => alone = Some(bytes),
                Ok(bytes) => out.extend_from_slice(&bytes),
                Err(status) => {
                    self.is_over = true;
                    self.waiting.clear();
                    out.extend_from_slice(&self.encoder.error(&status));
                    break;
                }
            }
            count += 1;
            if out.len() >= BYTES_AT_A_TIME {
                break;
            }
        }
        let bytes = alone.unwrap_or_else(|| out.into());
        if count > 0 {
            self.watching.sent(&self.kind, count, bytes.len());
        }
        bytes
    }
}

/// Frames as the messages of a WebSocket: lines without their ends, binary ones without their lengths.
fn messages(frames: &Bytes, is_binary: bool) -> Vec<Message> {
    if !is_binary {
        let lines = frames
            .split(|byte| *byte == b'\n')
            .filter(|l| !l.is_empty());
        return lines
            .map(|line| Message::Text(String::from_utf8_lossy(line).into_owned().into()))
            .collect();
    }
    let (mut rest, mut all) = (frames.clone(), Vec::new());
    while let Some(length) = rest.first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let end = (4 + length).min(rest.len());
        all.push(Message::Binary(rest.slice(4..end)));
        rest = rest.slice(end..);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_become_messages() {
        let text = Bytes::from_static(b"{\"a\":1}\n{\"b\":2}\n");
        let texts = ["{\"a\":1}", "{\"b\":2}"].map(|line| Message::Text(line.into()));
        assert_eq!(messages(&text, false), texts);
        let binary = Bytes::from_static(b"\0\0\0\x02ab\0\0\0\x01c");
        let binaries = [b"ab".as_slice(), b"c"].map(|m| Message::Binary(m.into()));
        assert_eq!(messages(&binary, true), binaries);
    }
}
