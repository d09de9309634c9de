//! `pods/portforward`: connections into a pod's network namespace, to its localhost.
//!
//! Over SPDY (on its own, or inside a WebSocket as `kubectl` does it since 1.31) every connection is a pair of streams,
//! `data` and `error`, with the same request id. Over a plain WebSocket (the clients for Python, JavaScript and Rust)
//! each port of the query has two channels, and one connection.

mod channels;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use apiserver::Connect;
use axum::body::Body;
use axum::extract::ws::{Message, WebSocket};
use axum::http::Response;
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use io_driver::backstage::{BoxIo, Dial, Nodes};
use shared::Status;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::ApiState;
use super::connect::{Upgrade, all, switch_to_spdy};
use crate::spdy::session::{self, Outgoing, Stream};

const PROTOCOL: &str = "portforward.k8s.io";
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";
/// Streams that wait for their partner.
const STREAMS_MAX: usize = 16;
/// Connections that wait for their second stream.
const HALVES_MAX: usize = 128;
/// Read at a time, in bytes.
const READ_BYTES: usize = 64 * 1024;
/// What a tunnel holds in each direction, in bytes.
const TUNNEL_BYTES: usize = 256 * 1024;

/// A pod whose ports are forwarded.
#[derive(Clone)]
struct Target {
    nodes: Arc<dyn Nodes>,
    node: String,
    pod: String,
    uid: String,
}

/// Switches protocols; ports are looked at when a connection is made.
pub(super) fn respond(
    state: &ApiState,
    connect: Connect,
    upgrade: Upgrade,
) -> Result<Response<Body>, Status> {
    let ports: Vec<&str> = all(&connect, "ports").flat_map(|p| p.split(',')).collect();
    let ports: Result<Vec<u16>, Status> = ports
        .iter()
        .map(|text| port(text).ok_or_else(|| bad_port(text)))
        .collect();
    let target = Target {
        nodes: Arc::clone(&state.nodes),
        node: connect.node,
        pod: connect.pod,
        uid: connect.uid,
    };
    match upgrade {
        Upgrade::Spdy(upgrade, offered) => {
            if !offered.iter().any(|o| o == PROTOCOL) {
                let why = format!(
                    "unable to negotiate protocol: client supports {offered:?}, server accepts [{PROTOCOL:?}]"
                );
                return Err(Status::failure(403, "Forbidden", why));
            }
            switch_to_spdy(state, upgrade, PROTOCOL, move |connection| {
                speak(connection, target)
            })
        }
        Upgrade::Socket(upgrade) => {
            let ports = ports?;
            let api = Arc::clone(&state.api);
            let protocols = [TUNNEL, channels::PROTOCOL];
            let response = upgrade
                .protocols(protocols)
                .on_upgrade(move |socket| async move {
                    let tunnels = socket
                        .protocol()
                        .is_some_and(|p| p.as_bytes() == TUNNEL.as_bytes());
                    if tunnels {
                        api.spawn(tunnel(socket, target));
                    } else {
                        api.spawn(channels::serve(socket, target, ports));
                    }
                });
            Ok(response)
        }
    }
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0)
}

fn bad_port(text: &str) -> Status {
    Status::bad_request(format!("{text:?} is no port: a port is from 1 to 65535"))
}

/// SPDY inside a WebSocket: its messages are the pieces of a byte stream.
async fn tunnel(socket: WebSocket, target: Target) {
    let (near, far) = tokio::io::duplex(TUNNEL_BYTES);
    let (mut from_far, mut to_far) = tokio::io::split(far);
    let (mut sink, mut stream) = socket.split();
    let inward = async {
        while let Some(Ok(message)) = stream.next().await {
            match message {
                Message::Binary(data) if to_far.write_all(&data).await.is_err() => return,
                Message::Close(_) => return,
                _ => {}
            }
        }
    };
    let outward = async {
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(READ_BYTES);
            let read = from_far.read_buf(&mut buffer).await;
            if !read.is_ok_and(|n| n > 0) {
                break;
            }
            let message = Message::Binary(buffer.split().freeze());
            if sink.send(message).await.is_err() {
                return;
            }
        }
        let _ = sink.send(Message::Close(None)).await;
    };
    tokio::select! {
        () = inward => {}
        () = async { tokio::join!(speak(near, target), outward); } => {}
    }
}

/// Serves a SPDY connection until the client ends it.
async fn speak(connection: impl AsyncRead + AsyncWrite + Send, target: Target) {
    let (opened, streams) = mpsc::channel(STREAMS_MAX);
    let ended = tokio::select! {
        ended = session::run(connection, opened) => ended,
        () = pair_up(streams, target) => Ok(()),
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a port forward broke off");
    }
}

/// Makes a connection of every pair of streams.
async fn pair_up(mut opened: mpsc::Receiver<Stream>, target: Target) {
    let mut halves: BTreeMap<String, Stream> = BTreeMap::new();
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            stream = opened.recv() => match stream {
                Some(stream) => stream,
                None => break,
            },
            Some(_) = connections.join_next() => continue,
        };
        let id = stream.header("requestid").to_owned();
        let Some(first) = halves.remove(&id) else {
            if halves.len() < HALVES_MAX {
                halves.insert(id, stream);
            } else {
                stream.outgoing.finish().await;
            }
            continue;
        };
        let (data, error) = match (first.header("streamtype"), stream.header("streamtype")) {
            ("data", "error") => (first, stream),
            ("error", "data") => (stream, first),
            _ => {
                first.outgoing.finish().await;
                stream.outgoing.finish().await;
                continue;
            }
        };
        connections.spawn(forward(data, error, target.clone()));
    }
    connections.shutdown().await;
}

/// One forwarded connection.
async fn forward(data: Stream, error: Stream, target: Target) {
    let asked = data.header("port").to_owned();
    let Stream {
        incoming, outgoing, ..
    } = data;
    let done = match port(&asked) {
        None => Err(bad_port(&asked).message),
        Some(port) => match target.dial(port).await {
            Ok(connection) => {
                let back = Back::Stream(outgoing.clone());
                copy(connection, incoming, &back).await;
                Ok(())
            }
            Err(why) => Err(why),
        },
    };
    if let Err(why) = done {
        error.outgoing.send(why.into_bytes().into()).await;
    }
    outgoing.finish().await;
    error.outgoing.finish().await;
}

impl Target {
    async fn dial(&self, port: u16) -> Result<BoxIo, String> {
        let dial = Dial {
            node: self.node.clone(),
            pod: Some(self.uid.clone()),
            to: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port),
        };
        self.nodes.dial(dial).await.map_err(|status| {
            format!(
                "error forwarding port {port} to pod {}, uid {}: {}",
                self.pod, self.uid, status.message
            )
        })
    }
}

/// The way back to the client.
enum Back {
    /// A SPDY stream.
    Stream(Outgoing),
    /// A channel of a WebSocket.
    Channel(u8, mpsc::Sender<Bytes>),
}

impl Back {
    /// Sends bytes; false when the client is gone.
    async fn send(&self, chunk: Bytes) -> bool {
        match self {
            Self::Stream(stream) => stream.send(chunk).await,
            Self::Channel(channel, out) => {
                let message = channels::message(*channel, &chunk);
                out.send(message).await.is_ok()
            }
        }
    }
}

/// Copies in both directions until both have ended, or the connection breaks.
async fn copy(connection: BoxIo, mut incoming: mpsc::Receiver<Bytes>, back: &Back) {
    let (mut reader, mut writer) = tokio::io::split(connection);
    let inward = async {
        while let Some(chunk) = incoming.recv().await {
            if writer.write_all(&chunk).await.is_err() {
                return;
            }
        }
        let _ = writer.shutdown().await;
    };
    let outward = async {
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(READ_BYTES);
            let read = reader.read_buf(&mut buffer).await;
            if !read.is_ok_and(|n| n > 0) || !back.send(buffer.split().freeze()).await {
                return;
            }
        }
    };
    tokio::pin!(inward, outward);
    tokio::select! {
        // The pod has said everything: what is still typed has nobody to read it.
        () = &mut outward => {}
        () = &mut inward => outward.await,
    }
}
