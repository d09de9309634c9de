//! The Kubernetes API over HTTP: what comes in is parsed by the pure apiserver, decided by the [`Api`], rendered by the
//! pure apiserver again. Here are only bodies, limits, streams and who is asking.

mod log;
mod stream;

use std::sync::Arc;

use apiserver::{
    Check, HttpRequest, MAX_BODY_BYTES, NonResource, Parsed, Representation, Response as Rendered,
    User, too_large,
};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, USER_AGENT,
};
use axum::http::{Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use io_driver::api::{Api, Asker, Reply};
use io_driver::backstage::Nodes;
use shared::flow::TraceId;
use shared::{Revision, Status};
use tokio::time::{Duration, timeout};

use crate::https::CAUSE;
use crate::serve::Peer;

/// How long a request may take (kube-apiserver's `--request-timeout`); watches and logs are not requests that end.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The API as one door serves it.
#[derive(Clone)]
pub struct ApiState {
    api: Arc<Api>,
    nodes: Arc<dyn Nodes>,
    /// Who everybody is at this door, and what they are called in the flow log; by their certificates when `None`.
    identity: Option<(User, String)>,
}

impl ApiState {
    /// A door where clients show certificates.
    #[must_use]
    pub fn new(api: Arc<Api>, nodes: Arc<dyn Nodes>) -> Self {
        Self {
            api,
            nodes,
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
    let (head, body) = request.into_parts();
    let bytes = match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => return refuse(&too_large()),
        Err(error) => {
            return refuse(&Status::bad_request(format!(
                "the request body ended early: {error}"
            )));
        }
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
        body: &bytes,
    };
    let asker = state.asker(&head.headers, head.extensions.get::<Peer>());
    match timeout(REQUEST_TIMEOUT, answer(&state, &http, &asker)).await {
        Ok(Ok(response)) => response,
        Ok(Err(status)) => rendered(state.api.server().refuse(&status)),
        Err(_) => refuse(&Status::failure(
            504,
            "Timeout",
            "request did not complete within the allotted timeout",
        )),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers
        .get(name)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
}

impl ApiState {
    fn asker(&self, headers: &HeaderMap, peer: Option<&Peer>) -> Asker {
        let subject = peer.and_then(|p| p.subject.as_ref());
        let (user, agent) = match (&self.identity, subject) {
            (Some((user, agent)), _) => (user.clone(), agent.clone()),
            (None, Some((name, groups))) => {
                let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
                (User::new(name, &groups), agent_of(headers))
            }
            (None, None) => (User::anonymous(), agent_of(headers)),
        };
        let cause = headers
            .get(CAUSE)
            .and_then(|v| v.to_str().ok()?.parse().ok())
            .map(Revision);
        let trace = headers
            .get("traceparent")
            .and_then(|v| TraceId::from_traceparent(v.to_str().ok()?));
        let shows_reads = !user.name.starts_with("system:");
        Asker {
            user,
            agent,
            trace,
            cause,
            shows_reads,
        }
    }
}

/// What a client calls itself: the first word of its user agent, up to the slash.
fn agent_of(headers: &HeaderMap) -> String {
    let word = text(headers, &USER_AGENT)
        .split(['/', ' '])
        .next()
        .unwrap_or_default();
    if word.is_empty() {
        "client".into()
    } else {
        word.chars().take(64).collect()
    }
}

async fn answer(
    state: &ApiState,
    http: &HttpRequest<'_>,
    asker: &Asker,
) -> Result<Response<Body>, Status> {
    let server = state.api.server();
    let parsed = server.parse(http)?;
    let representation = server.negotiate(http, &parsed)?;
    let request = match &parsed {
        Parsed::NonResource(what) => {
            return non_resource(state, what, http, representation, asker).map(rendered);
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
            Ok(rendered(server.render(
                representation,
                &answer,
                code,
                now,
                &warnings,
            )))
        }
        Reply::Watch(watching) => Ok(stream::respond(
            *watching,
            representation,
            state.api.clock().clone(),
        )),
        Reply::Connect(connect) => log::respond(state, connect).await,
    }
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
        let text = state.api.metrics().text().map_err(Status::internal)?;
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
}
