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
use client::Request as ApiRequest;
use http_body_util::{BodyExt, Limited};
use io_driver::api::{Api, Asker, Reply};
use io_driver::backstage::Nodes;
use shared::Status;
use tokio::time::{Duration, timeout};

use crate::serve::Peer;
use crate::static_tokens::StaticTokens;
use stream::Sending;

/// How long a request may take (kube-apiserver's `--request-timeout`); watches and logs are not requests that end.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The API as one door serves it.
#[derive(Clone)]
pub struct ApiState {
    api: Arc<Api>,
    nodes: Arc<dyn Nodes>,
    rates: Arc<usage::Rates>,
    tokens: Arc<StaticTokens>,
    time: Duration,
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
            tokens: Arc::default(),
            time: REQUEST_TIMEOUT,
            identity: None,
        }
    }

    /// The same for clients that may show one of these tokens as well.
    #[must_use]
    pub fn with_tokens(self, tokens: StaticTokens) -> Self {
        Self {
            tokens: Arc::new(tokens),
            ..self
        }
    }

    /// The same with another time that a request may take, its body included.
    #[must_use]
    pub fn with_request_timeout(self, time: Duration) -> Self {
        Self { time, ..self }
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
    // The upgrade is in the head's extensions, and only a WebSocket's handshake takes it out.
    let socket = WebSocketUpgrade::from_request_parts(&mut head, &()).await;
    let response = respond(&state, &head, body, socket.ok()).await;
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

/// Who asks and what for is known from the head alone; the body is read once the request has a slot, and within its
/// time.
async fn respond(
    state: &ApiState,
    head: &Parts,
    body: Body,
    socket: Option<WebSocketUpgrade>,
) -> Response<Body> {
    let server = state.api.server();
    let accept = accepted(&head.headers);
    let http = HttpRequest {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        content_type: text(&head.headers, &CONTENT_TYPE),
        accept: &accept,
        user_agent: text(&head.headers, &USER_AGENT),
        if_none_match: text(&head.headers, &IF_NONE_MATCH),
        body: &[],
    };
    let parsed = server.parse(&http);
    let asker = state.asker(&head.headers, head.extensions.get::<Peer>());
    state.api.metrics().authenticated(asker.is_ok());
    let asker = match asker {
        Ok(asker) => asker,
        Err(status) => {
            if let Ok(Parsed::Resource(request)) = &parsed {
                state.api.count_refused(request, status.code);
            }
            return rendered(server.refuse(&status));
        }
    };
    let chosen = parsed.and_then(|parsed| {
        let representation = server.negotiate(&http, &parsed)?;
        Ok((parsed, representation))
    });
    let response = match chosen {
        Ok((Parsed::Resource(request), representation)) => {
            let call = Call {
                state,
                head,
                http,
                asker: &asker,
                representation,
            };
            call.within_time(*request, body, socket).await
        }
        Ok((Parsed::NonResource(what), representation)) => {
            match non_resource(state, &what, &http, representation, &asker) {
                Ok(response) => Ok(packed(response, &head.headers).await),
                Err(status) => Err(status),
            }
        }
        Err(status) => Err(status),
    };
    response.unwrap_or_else(|status| rendered(server.refuse(&status)))
}

fn accepted(headers: &HeaderMap) -> String {
    let all = headers.get_all(ACCEPT).iter();
    let all: Vec<&str> = all.filter_map(|v| v.to_str().ok()).collect();
    all.join(",")
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers
        .get(name)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
}

/// A request about objects, on its way.
struct Call<'a> {
    state: &'a ApiState,
    head: &'a Parts,
    http: HttpRequest<'a>,
    asker: &'a Asker,
    representation: Representation,
}

impl Call<'_> {
    /// Answers within the time that a request has, its body included.
    async fn within_time(
        &self,
        mut request: ApiRequest,
        body: Body,
        socket: Option<WebSocketUpgrade>,
    ) -> Result<Response<Body>, Status> {
        let answer = self.answer(&mut request, body, socket);
        if let Ok(answered) = timeout(self.state.time, answer).await {
            return answered;
        }
        let why = "Timeout: request did not complete within the allotted timeout";
        let status = Status::failure(504, "Timeout", why);
        self.state.api.count_refused(&request, status.code);
        Err(status)
    }

    /// The slot is held until the answer is rendered.
    async fn answer(
        &self,
        request: &mut ApiRequest,
        body: Body,
        socket: Option<WebSocketUpgrade>,
    ) -> Result<Response<Body>, Status> {
        let api = &self.state.api;
        let ticket = api.admit(request)?;
        let reply = match read(body).await {
            Ok(bytes) => {
                self.take_in(request, &bytes);
                let reply = api.handle_admitted(self.asker, request).await;
                reply.map(|reply| (reply, bytes))
            }
            Err(status) => Err(status),
        };
        let (reply, bytes) = match reply {
            Ok(answered) => answered,
            Err(status) => {
                ticket.answered(request, status.code, None);
                return Err(status);
            }
        };
        let code = reply.code();
        match reply {
            Reply::Answer {
                answer,
                code,
                warnings,
            } => {
                let now = api.clock().now();
                let render = || {
                    api.server()
                        .render(self.representation, &answer, code, now, &warnings)
                };
                let response = api.render(&answer, render).await;
                ticket.answered(request, code, Some(response.body.len()));
                Ok(packed(response, &self.head.headers).await)
            }
            Reply::Watch(watching) => {
                ticket.answered(request, code, None);
                let encoder = api
                    .server()
                    .watch_encoder(self.representation, &request.kind);
                let sending = Sending::new(*watching, request.kind.clone(), encoder);
                Ok(match socket {
                    Some(socket) => sending.respond_over(socket, &self.head.headers),
                    None => sending.respond(),
                })
            }
            Reply::Connect(connect) => {
                ticket.answered(request, code, None);
                let http = HttpRequest {
                    body: &bytes,
                    ..self.http
                };
                connect::respond(self.state, connect, self.head, &http, socket).await
            }
        }
    }

    fn take_in(&self, request: &mut ApiRequest, bytes: &Bytes) {
        if !bytes.is_empty() {
            self.state.api.metrics().received(request, bytes.len());
            request.body = client::Body::Encoded {
                content_type: self.http.content_type.to_owned(),
                bytes: bytes.to_vec(),
            };
        }
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
        let (text, content_type) = metrics.text(http.accept).map_err(Status::internal)?;
        return Ok(Rendered {
            code: 200,
            content_type,
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
