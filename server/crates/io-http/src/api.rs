//! The Kubernetes API over HTTP: what comes in is parsed by the pure apiserver, decided by the [`Api`], rendered by the
//! pure apiserver again. Here are only bodies, limits, streams and who is asking.

mod connect;
mod finish;
mod forward;
mod log;
mod proxy;
mod remote;
mod stream;
mod usage;
mod who;

use std::sync::Arc;

use apiserver::{
    Check, HttpRequest, MAX_BODY_BYTES, NonResource, Parsed, Representation, Response as Rendered,
    User, too_large,
};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH,
    USER_AGENT,
};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use io_driver::api::{Api, Asker, Reply};
use io_driver::backstage::Nodes;
use shared::Status;
use tokio::time::{Duration, timeout};

use crate::serve::Peer;
use stream::Sending;

/// How long a request may take (kube-apiserver's `--request-timeout`); watches and logs are not requests that end.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The API as one door serves it.
#[derive(Clone)]
pub struct ApiState {
    api: Arc<Api>,
    nodes: Arc<dyn Nodes>,
    rates: Arc<usage::Rates>,
    /// Who everybody is at this door, and what they are called in the flow log; by their certificates when `None`.
    identity: Option<(User, String)>,
}

impl ApiState {
    /// A door where clients show certificates.
    #[must_use]
    pub fn new(api: Arc<Api>, nodes: Arc<dyn Nodes>) -> Self {
        let rates = Arc::<usage::Rates>::default();
        let sampling =
            usage::keep_sampling(Arc::clone(&api), Arc::clone(&nodes), Arc::clone(&rates));
        api.spawn(sampling);
        Self {
            api,
            nodes,
            rates,
            identity: None,
        }
    }

    /// The same behind a door that has checked its clients itself: they are all this user.
    #[must_use]
    pub fn always(&self, user: User, agent: &str) -> Self {
        Self {
            identity: Some((user, agent.into())),
            ..self.clone()
        }
    }
}

/// The API's own door.
pub fn router(state: ApiState) -> Router {
    Router::new().fallback(move |request: Request| handle(state.clone(), request))
}

/// Answers one request.
pub async fn handle(state: ApiState, request: Request) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    let seeds = (state.api.seed(), state.api.seed());
    let audit_id = finish::audit_id(&head.headers, seeds);
    let response = match read(body).await {
        Ok(bytes) => {
            // The upgrade is in the head's extensions, and only a WebSocket's handshake takes it out.
            let socket = WebSocketUpgrade::from_request_parts(&mut head, &()).await;
            respond(&state, &head, &bytes, socket.ok()).await
        }
        Err(status) => refuse(&status),
    };
    finish::finish(response, &head.method, audit_id)
}

async fn read(body: Body) -> Result<Bytes, Status> {
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Err(error) => Err(Status::bad_request(format!(
            "the request body ended early: {error}"
        ))),
    }
}

async fn respond(
    state: &ApiState,
    head: &Parts,
    bytes: &[u8],
    socket: Option<WebSocketUpgrade>,
) -> Response<Body> {
    let asker = state.asker(&head.headers, head.extensions.get::<Peer>());
    state.api.metrics().authenticated(asker.is_ok());
    let asker = match asker {
        Ok(asker) => asker,
        Err(status) => return rendered(state.api.server().refuse(&status)),
    };
    let accept: Vec<&str> = head
        .headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .collect();
    let accept = accept.join(",");
    let http = HttpRequest {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        content_type: text(&head.headers, &CONTENT_TYPE),
        accept: &accept,
        user_agent: text(&head.headers, &USER_AGENT),
        if_none_match: text(&head.headers, &IF_NONE_MATCH),
        body: bytes,
    };
    let answer = answer(state, head, &http, &asker, socket);
    match timeout(REQUEST_TIMEOUT, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(status)) => rendered(state.api.server().refuse(&status)),
        Err(_) => refuse(&Status::failure(
            504,
            "Timeout",
            "Timeout: request did not complete within the allotted timeout",
        )),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers
        .get(name)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
}

async fn answer(
    state: &ApiState,
    head: &Parts,
    http: &HttpRequest<'_>,
    asker: &Asker,
    socket: Option<WebSocketUpgrade>,
) -> Result<Response<Body>, Status> {
    let server = state.api.server();
    let parsed = server.parse(http)?;
    let representation = server.negotiate(http, &parsed)?;
    let request = match &parsed {
        Parsed::NonResource(what) => {
            let response = non_resource(state, what, http, representation, asker)?;
            return Ok(packed(response, &head.headers).await);
        }
        Parsed::Resource(request) => request,
    };
    match state.api.handle(asker, request).await? {
        Reply::Answer {
            answer,
            code,
            warnings,
        } => {
            let now = state.api.clock().now();
            let response = server.render(representation, &answer, code, now, &warnings);
            Ok(packed(response, &head.headers).await)
        }
        Reply::Watch(watching) => {
            let api = Arc::clone(&state.api);
            let sending = Sending::new(*watching, request.kind.clone(), representation, api);
            Ok(match socket {
                Some(socket) => sending.respond_over(socket, &head.headers),
                None => sending.respond(),
            })
        }
        Reply::Connect(connect) => connect::respond(state, connect, head, http, socket).await,
    }
}

/// A rendered answer on the wire, compressed when that is worth it.
async fn packed(mut from: Rendered, headers: &HeaderMap) -> Response<Body> {
    let (body, is_packed) = finish::compressed(from.body, finish::takes_gzip(headers)).await;
    from.body = body;
    let mut response = rendered(from);
    if is_packed {
        finish::mark_compressed(response.headers_mut());
    }
    response
}

fn non_resource(
    state: &ApiState,
    what: &NonResource,
    http: &HttpRequest<'_>,
    representation: Representation,
    asker: &Asker,
) -> Result<Rendered, Status> {
    let (server, snapshot) = (state.api.server(), state.api.snapshot());
    if *what == NonResource::Metrics {
        server.authorize_path(http, &asker.user, &snapshot)?;
        let metrics = state.api.metrics();
        metrics.count_objects(server.registry(), &snapshot);
        let text = metrics.text().map_err(Status::internal)?;
        return Ok(Rendered {
            code: 200,
            content_type: "application/openmetrics-text; version=1.0.0; charset=utf-8",
            headers: Vec::new(),
            body: text.into(),
        });
    }
    let store = match state.api.fault() {
        None => Check::ok("etcd"),
        Some(why) => Check::failed("etcd", why.to_string()),
    };
    let checks = [Check::ok("ping"), Check::ok("log"), store];
    server.serve(what, http, representation, &asker.user, &snapshot, &checks)
}

/// A rendered answer on the wire.
fn rendered(from: Rendered) -> Response<Body> {
    let mut response = Response::new(Body::from(from.body));
    *response.status_mut() =
        StatusCode::from_u16(from.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if !from.content_type.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(from.content_type));
    }
    for (name, value) in from.headers {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(&value),
        ) {
            headers.append(name, value);
        }
    }
    response
}

/// A refusal on the wire, for doors that refuse before the apiserver is asked.
#[must_use]
pub fn refuse(status: &Status) -> Response<Body> {
    let body = serde_json::to_vec(status).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}
