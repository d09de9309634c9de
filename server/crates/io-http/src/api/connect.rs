//! Connections to what nodes serve: logs, commands, forwarded ports, proxies and what is used.

use apiserver::{Connect, HttpRequest};
use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::Response;
use axum::http::header::UPGRADE;
use axum::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use shared::Status;

use super::{ApiState, forward, log, proxy, remote, usage};

/// How the client wants to go on after the answer.
pub(super) enum Upgrade {
    /// As a WebSocket.
    Socket(WebSocketUpgrade),
    /// As SPDY/3.1, with the protocols that it offers inside.
    Spdy(OnUpgrade, Vec<String>),
}

impl Upgrade {
    fn of(head: &Parts, socket: Option<WebSocketUpgrade>) -> Option<Self> {
        if let Some(socket) = socket {
            return Some(Self::Socket(socket));
        }
        let wanted = head.headers.get(UPGRADE)?.to_str().ok()?;
        if !wanted.eq_ignore_ascii_case(SPDY) {
            return None;
        }
        let upgrade = head.extensions.get::<OnUpgrade>()?.clone();
        let offered = head.headers.get_all(PROTOCOL_HEADER);
        let offered = offered
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|protocol| protocol.trim().to_owned());
        Some(Self::Spdy(upgrade, offered.collect()))
    }
}

/// The upgrade that `kubectl` asks for where it does not use WebSockets.
pub(super) const SPDY: &str = "SPDY/3.1";
/// Where SPDY clients say which protocol they speak inside.
pub(super) const PROTOCOL_HEADER: &str = "x-stream-protocol-version";

/// Serves a connection.
pub(super) async fn respond(
    state: &ApiState,
    connect: Connect,
    head: &Parts,
    http: &HttpRequest<'_>,
    socket: Option<WebSocketUpgrade>,
) -> Result<Response<Body>, Status> {
    match connect.subresource.as_str() {
        "log" => return log::respond(state, connect).await,
        "proxy" => return proxy::respond(state, connect, head, http).await,
        "metrics/nodes" | "metrics/pods" => return usage::respond(state, &connect).await,
        _ => {}
    }
    let upgrade =
        Upgrade::of(head, socket).ok_or_else(|| Status::bad_request("Upgrade request required"))?;
    match connect.subresource.as_str() {
        "portforward" => forward::respond(state, connect, upgrade),
        _ => remote::respond(state, connect, upgrade).await,
    }
}

/// Every value of a parameter.
pub(super) fn all<'a>(connect: &'a Connect, name: &'a str) -> impl Iterator<Item = &'a str> {
    connect
        .parameters
        .iter()
        .filter(move |(n, _)| n == name)
        .map(|(_, value)| value.as_str())
}

/// Go's reading of a flag: everything but `0` and `false` sets it.
pub(super) fn flag(connect: &Connect, name: &str) -> bool {
    all(connect, name)
        .next()
        .is_some_and(|value| !matches!(value, "0" | "false"))
}

/// The answer by which a connection becomes SPDY; `work` gets it then.
pub(super) fn switch_to_spdy<W: Future<Output = ()> + Send>(
    state: &ApiState,
    upgrade: OnUpgrade,
    protocol: &str,
    work: impl FnOnce(hyper_util::rt::TokioIo<hyper::upgrade::Upgraded>) -> W + Send + 'static,
) -> Result<Response<Body>, Status> {
    state.api.spawn(async move {
        match upgrade.await {
            Ok(upgraded) => work(hyper_util::rt::TokioIo::new(upgraded)).await,
            Err(error) => tracing::debug!(%error, "a connection was not upgraded"),
        }
    });
    Response::builder()
        .status(101)
        .header("connection", "Upgrade")
        .header(UPGRADE, SPDY)
        .header(PROTOCOL_HEADER, protocol)
        .body(Body::empty())
        .map_err(Status::internal)
}
