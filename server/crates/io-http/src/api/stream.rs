//! Watches on the wire: one frame after the other, as they happen, as lines or as messages of a WebSocket.

use std::convert::Infallible;
use std::sync::Arc;

use apiserver::{Representation, WatchEncoder, error_frame};
use axum::body::{Body, Bytes};
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::Response;
use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use futures_util::stream::unfold;
use io_driver::api::{Api, Watching};
use shared::KindRef;

use super::text;
use super::who::TOKEN_PROTOCOL;

/// What is left to send.
pub(super) struct Sending {
    watching: Watching,
    kind: KindRef,
    encoder: WatchEncoder,
    api: Arc<Api>,
    is_over: bool,
}

impl Sending {
    /// A watch of a kind, nothing of it sent yet.
    pub(super) fn new(
        watching: Watching,
        kind: KindRef,
        representation: Representation,
        api: Arc<Api>,
    ) -> Self {
        Self {
            watching,
            kind,
            encoder: WatchEncoder::new(representation),
            api,
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

    /// The same over a WebSocket: one text message per event (`apiserver/pkg/endpoints/handlers/watch.go`).
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
            let lines = tokio::select! {
                biased;
                came = socket.recv() => match came {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => continue,
                },
                lines = self.next() => lines,
            };
            let Some(lines) = lines else { break };
            for line in lines.split(|byte| *byte == b'\n').filter(|l| !l.is_empty()) {
                let event = String::from_utf8_lossy(line).into_owned();
                if socket.send(Message::Text(event.into())).await.is_err() {
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
        if self.is_over {
            return None;
        }
        match self.watching.next().await? {
            Ok(frames) => {
                let (now, mut out) = (self.api.clock().now(), Vec::new());
                for frame in &frames {
                    match self.encoder.encode(frame, now) {
                        Ok(bytes) if frames.len() == 1 => {
                            self.count(1, bytes.len());
                            return Some(bytes);
                        }
                        Ok(bytes) => out.extend_from_slice(&bytes),
                        Err(status) => {
                            self.is_over = true;
                            out.extend_from_slice(&error_frame(&status));
                            break;
                        }
                    }
                }
                self.count(frames.len(), out.len());
                Some(out.into())
            }
            Err(status) => {
                self.is_over = true;
                Some(error_frame(&status))
            }
        }
    }

    fn count(&self, events: usize, bytes: usize) {
        if events > 0 {
            self.api.metrics().watch_events(&self.kind, events, bytes);
        }
    }
}
