//! Ports on the channels of a plain WebSocket: for the port with index I, channel 2I carries data and 2I+1 errors. The
//! first message on each is the port's number, low byte first.

use axum::extract::ws::{Message, WebSocket};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Back, Target, copy};

/// The protocol's name.
pub(super) const PROTOCOL: &str = "v4.channel.k8s.io";
/// Ports of one request: their channels have one byte.
const PORTS_MAX: usize = 64;
/// Messages that wait for the socket, or for a slow connection.
const MESSAGES_WAITING_MAX: usize = 16;

/// Serves until the client goes away.
pub(super) async fn serve(socket: WebSocket, target: Target, mut ports: Vec<u16>) {
    ports.truncate(PORTS_MAX);
    let (mut sink, mut stream) = socket.split();
    let (out, mut waiting) = mpsc::channel::<Bytes>(MESSAGES_WAITING_MAX);
    let mut connections = JoinSet::new();
    let mut inputs = Vec::new();
    for (index, port) in ports.into_iter().enumerate() {
        let (sender, incoming) = mpsc::channel(MESSAGES_WAITING_MAX);
        inputs.push(Some(sender));
        connections.spawn(forward(
            (2 * index) as u8,
            port,
            incoming,
            out.clone(),
            target.clone(),
        ));
    }
    drop(out);
    let outward = async {
        while let Some(message) = waiting.recv().await {
            if sink.send(Message::Binary(message)).await.is_err() {
                return;
            }
        }
        let _ = sink.send(Message::Close(None)).await;
    };
    let inward = async {
        while let Some(Ok(message)) = stream.next().await {
            let Message::Binary(data) = message else {
                if matches!(message, Message::Close(_)) {
                    return;
                }
                continue;
            };
            let Some(channel) = data.first() else {
                continue;
            };
            let input = inputs.get_mut(usize::from(channel / 2));
            if let (Some(Some(to)), true) = (&input, channel.is_multiple_of(2))
                && to.send(data.slice(1..)).await.is_err()
                && let Some(input) = input
            {
                *input = None;
            }
        }
    };
    tokio::select! {
        () = outward => {}
        () = inward => {}
    }
    connections.shutdown().await;
}

async fn forward(
    channel: u8,
    port: u16,
    incoming: mpsc::Receiver<Bytes>,
    out: mpsc::Sender<Bytes>,
    target: Target,
) {
    for channel in [channel, channel + 1] {
        let _ = out.send(message(channel, &port.to_le_bytes())).await;
    }
    match target.dial(port).await {
        Ok(connection) => {
            let back = Back::Channel(channel, out);
            copy(connection, incoming, &back).await;
        }
        Err(why) => {
            let _ = out.send(message(channel + 1, why.as_bytes())).await;
        }
    }
}

pub(super) fn message(channel: u8, data: &[u8]) -> Bytes {
    let mut message = BytesMut::with_capacity(1 + data.len());
    message.put_u8(channel);
    message.put_slice(data);
    message.freeze()
}
