//! The dashboard's own port: the page, its stream, and the few calls that are not Kubernetes'.
//!
//! Everything that is Kubernetes' goes to the same API handler that `kubectl` talks to, under the admin's name.

mod look;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State, WebSocketUpgrade};
use axum::http::{Response, StatusCode};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use axum::{Json, Router};
use io_driver::backstage::{Images, Nodes};
use io_driver::run::Surroundings;
use shared::Status;
use shared::live::{ClockChange, Pulse, UPLOAD_BYTES_MAX};

use crate::api::{self, ApiState, refuse};
use crate::assets::Assets;
use crate::guard::{CONFINEMENT, Guard};
use crate::pulse::Pulses;
use crate::registry::Registry;
use crate::stream;

/// Everything behind the dashboard's port.
#[derive(Clone)]
pub struct Dashboard {
    /// Host, Origin and token checks.
    pub guard: Arc<Guard>,
    /// The page's files.
    pub assets: Assets,
    /// The Kubernetes API under the admin's name.
    pub api: ApiState,
    /// What the stream's informers need.
    pub around: Surroundings,
    /// The cluster's pulse.
    pub pulses: Arc<Pulses>,
    /// Nodes to stop and start.
    pub nodes: Arc<dyn Nodes>,
    /// Images to list and upload.
    pub images: Arc<dyn Images>,
    /// Images to push and pull.
    pub registry: Registry,
}

/// The dashboard's routes.
pub fn router(dashboard: Dashboard) -> Router {
    let own = Router::new()
        .route("/glasshouse/v1/stream", get(open_stream))
        .route("/glasshouse/v1/clock", get(read_clock).post(change_clock))
        .route("/glasshouse/v1/images", get(list_images).post(upload))
        .route("/glasshouse/v1/nodes/{node}/{action}", post(node_action))
        .route(
            "/glasshouse/v1/components/{component}/{key}",
            get(look::exhibit),
        )
        .route("/glasshouse/v1/store", get(look::store))
        .route("/glasshouse/v1/store/history", get(look::history))
        .layer(DefaultBodyLimit::max(UPLOAD_BYTES_MAX));
    let kubernetes = Router::new()
        .route("/api", any(kubernetes))
        .route("/api/{*rest}", any(kubernetes))
        .route("/apis", any(kubernetes))
        .route("/apis/{*rest}", any(kubernetes))
        .route("/openapi/{*rest}", any(kubernetes))
        .route("/version", get(kubernetes));
    Router::new()
        .merge(own)
        .merge(kubernetes)
        .layer(middleware::from_fn_with_state(
            dashboard.clone(),
            need_token,
        ))
        .route("/v2", any(registry))
        .route("/v2/{*rest}", any(registry))
        .route("/v2/", any(registry))
        .route("/", get(page))
        .route("/index.html", get(page))
        .route("/design", get(page))
        .fallback(file)
        .layer(middleware::from_fn_with_state(dashboard.clone(), confine))
        .with_state(dashboard)
}

/// Refuses requests of other pages and puts the confining headers on every answer.
async fn confine(
    State(dashboard): State<Dashboard>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let mut response = match dashboard.guard.check_origin(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(status) => refuse(&status),
    };
    response.headers_mut().extend(CONFINEMENT);
    response
}

async fn need_token(
    State(dashboard): State<Dashboard>,
    request: Request,
    next: Next,
) -> Response<Body> {
    match dashboard
        .guard
        .check_token(request.headers(), request.uri().query())
    {
        Ok(()) => next.run(request).await,
        Err(status) => refuse(&status),
    }
}

async fn page(State(dashboard): State<Dashboard>) -> Response<Body> {
    dashboard.assets.page(dashboard.guard.token())
}

async fn file(State(dashboard): State<Dashboard>, request: Request) -> Response<Body> {
    dashboard.assets.file(request.uri().path())
}

async fn open_stream(
    State(dashboard): State<Dashboard>,
    upgrade: WebSocketUpgrade,
) -> Response<Body> {
    upgrade.on_upgrade(move |socket| stream::serve(socket, dashboard.around, dashboard.pulses))
}

async fn read_clock(State(dashboard): State<Dashboard>) -> Json<Pulse> {
    Json(dashboard.pulses.pulse())
}

async fn change_clock(
    State(dashboard): State<Dashboard>,
    change: Result<Json<ClockChange>, axum::extract::rejection::JsonRejection>,
) -> Response<Body> {
    let Json(change) = match change {
        Ok(change) => change,
        Err(rejection) => return refuse(&Status::bad_request(rejection.body_text())),
    };
    let clock = dashboard.pulses.clock();
    if let Some(Err(error)) = change.rate.map(|rate| clock.set_rate(rate)) {
        return refuse(&Status::bad_request(error.to_string()));
    }
    if let Some(ms) = change.step_ms {
        clock.step(ms);
    }
    Json(dashboard.pulses.pulse()).into_response()
}

/// Stock clients have no token to send; what keeps other web pages out is the check of Host and Origin.
async fn registry(State(dashboard): State<Dashboard>, request: Request) -> Response<Body> {
    dashboard.registry.handle(request).await
}

async fn list_images(State(dashboard): State<Dashboard>) -> impl IntoResponse {
    Json(dashboard.images.list())
}

#[derive(serde::Deserialize)]
struct UploadName {
    name: String,
}

async fn upload(
    State(dashboard): State<Dashboard>,
    name: Result<Query<UploadName>, axum::extract::rejection::QueryRejection>,
    module: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Response<Body> {
    let Ok(Query(UploadName { name })) = name else {
        return refuse(&Status::bad_request(
            "the query parameter `name` names the image to make",
        ));
    };
    let module = match module {
        Ok(module) => module,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let why = format!("the module is larger than {} MiB", UPLOAD_BYTES_MAX >> 20);
            return refuse(&Status::failure(413, "RequestEntityTooLarge", why));
        }
        Err(rejection) => return refuse(&Status::bad_request(rejection.body_text())),
    };
    match dashboard.images.upload(&name, module).await {
        Ok(image) => (StatusCode::CREATED, Json(image)).into_response(),
        Err(status) => refuse(&status),
    }
}

async fn node_action(
    State(dashboard): State<Dashboard>,
    Path((node, action)): Path<(String, String)>,
) -> Response<Body> {
    let outcome = match action.as_str() {
        "stop" => dashboard.nodes.stop(&node).await,
        "start" => dashboard.nodes.start(&node).await,
        other => Err(Status::bad_request(format!(
            "a node can be told to stop or to start, not to {other}"
        ))),
    };
    match outcome {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(status) => refuse(&status),
    }
}

async fn kubernetes(State(dashboard): State<Dashboard>, request: Request) -> Response<Body> {
    api::handle(dashboard.api, request).await
}
