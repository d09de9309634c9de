//! A session over a WebSocket.

use axum::body::Body;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::Response;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use io_driver::backstage::Session;
use tokio::sync::mpsc;

use super::{ERROR, Screen, Wanted, outcome, relay};
use crate::api::ApiState;

const STDIN: u8 = 0;
/// Version 5: the message's second byte names the channel that is closed.
const CLOSE: u8 = 255;
/// What clients may offer, the best first.
const PROTOCOLS: [&str; 3] = ["v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io"];
/// Longest message of a client.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

pub(super) fn respond(
    state: &ApiState,
    upgrade: WebSocketUpgrade,
    session: Session,
    wanted: Wanted,
) -> Response<Body> {
    let api = std::sync::Arc::clone(&state.api);
    upgrade
        .protocols(PROTOCOLS)
        .max_message_size(MESSAGE_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            api.spawn(serve(socket, session, wanted));
        })
}

/// Ends with the command, or with the client.
async fn serve(socket: WebSocket, mut session: Session, wanted: Wanted) {
    let (sink, stream) = socket.split();
    let mut screen = SocketScreen(sink);
    let stdin = session.stdin.take();
    let code = tokio::select! {
        code = relay(&mut session, wanted, &mut screen) => code,
        () = read(stream, stdin) => None,
    };
    if let Some(code) = code {
        screen
            .show(ERROR, outcome(code).to_string().into_bytes().into())
            .await;
        let close = CloseFrame {
            code: close_code::NORMAL,
            reason: "".into(),
        };
        let _ = screen.0.send(Message::Close(Some(close))).await;
        let _ = screen.0.close().await;
    }
}

/// Passes input on until the client goes away. What it says about its window's size means nothing to a guest.
async fn read(mut stream: SplitStream<WebSocket>, mut stdin: Option<mpsc::Sender<Bytes>>) {
    while let Some(Ok(message)) = stream.next().await {
        let data = match message {
            Message::Binary(data) => data,
            Message::Text(text) => text.into(),
            Message::Close(_) => return,
            Message::Ping(_) | Message::Pong(_) => continue,
        };
        match data.split_first() {
            Some((&CLOSE, [STDIN, ..])) => stdin = None,
            Some((&STDIN, typed)) if !typed.is_empty() => {
                if let Some(to) = &stdin
                    && to.send(data.slice(1..)).await.is_err()
                {
                    stdin = None;
                }
            }
            _ => {}
        }
    }
}

struct SocketScreen(SplitSink<WebSocket, Message>);

impl Screen for SocketScreen {
    async fn show(&mut self, channel: u8, data: Bytes) -> bool {
        let mut message = BytesMut::with_capacity(1 + data.len());
        message.put_u8(channel);
        message.put(data);
        self.0.send(Message::Binary(message.freeze())).await.is_ok()
    }
}
