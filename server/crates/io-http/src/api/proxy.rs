//! `proxy` of pods, services and nodes: a request is passed on to what listens there, over HTTP/1.1.
//!
//! A node's kubelet has no port of its own here: what it serves (`/healthz`, `/pods`, `/stats/summary`,
//! `/metrics/resource`, `/metrics/cadvisor`) is answered in its name.

use std::net::SocketAddr;

use apiserver::{Connect, HttpRequest};
use axum::body::Body;
use axum::http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use axum::http::request::Parts;
use axum::http::{Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use io_driver::backstage::Dial;
use shared::Status;

use super::{ApiState, usage};

/// Headers that are about one connection (RFC 9110, section 7.6.1), and what is the client's alone.
const KEPT_BACK: [HeaderName; 7] = [
    CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HOST,
    AUTHORIZATION,
];

pub(super) async fn respond(
    state: &ApiState,
    connect: Connect,
    head: &Parts,
    http: &HttpRequest<'_>,
) -> Result<Response<Body>, Status> {
    let path = rest(http.path);
    if connect.address.is_empty() {
        return kubelet(state, &connect.node, &path).await;
    }
    let unavailable = |why: String| {
        let message = format!("error trying to reach service: {why}");
        Status::failure(503, "ServiceUnavailable", message)
    };
    let to: SocketAddr = connect.address.parse().map_err(Status::internal)?;
    let dial = Dial {
        node: connect.node,
        pod: None,
        to,
    };
    let stream = state.nodes.dial(dial).await;
    let stream = stream.map_err(|status| unavailable(status.message))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unavailable(error.to_string()))?;
    state.api.spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a proxied connection ended");
        }
    });
    let target = match http.query {
        "" => path,
        query => format!("{path}?{query}"),
    };
    let mut request = Request::builder()
        .method(head.method.clone())
        .uri(target)
        .body(Full::new(Bytes::copy_from_slice(http.body)))
        .map_err(|error| Status::bad_request(error.to_string()))?;
    *request.headers_mut() = passed_on(&head.headers);
    let host = HeaderValue::from_str(&connect.address).map_err(Status::internal)?;
    request.headers_mut().insert(HOST, host);
    let mut response = sender
        .send_request(request)
        .await
        .map_err(|error| unavailable(error.to_string()))?;
    for name in KEPT_BACK {
        response.headers_mut().remove(name);
    }
    Ok(response.map(Body::new))
}

fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in KEPT_BACK {
        headers.remove(name);
    }
    headers
}

/// What follows `proxy` in the path of `/api/v1/nodes/N/proxy` or `/api/v1/namespaces/NS/KIND/N/proxy`, as it came.
fn rest(path: &str) -> String {
    let before = if path.starts_with("/api/v1/namespaces/") {
        7
    } else {
        5
    };
    let rest = path.splitn(before + 2, '/').nth(before + 1);
    format!("/{}", rest.unwrap_or_default())
}

/// What the kubelet of a node serves.
async fn kubelet(state: &ApiState, node: &str, path: &str) -> Result<Response<Body>, Status> {
    let (content_type, body) = match path {
        "/healthz" => {
            state.nodes.usage(node)?;
            ("text/plain; charset=utf-8", "ok".to_owned())
        }
        "/stats/summary" => {
            let summary = usage::summary(state, node).await?;
            ("application/json", summary.to_string())
        }
        "/metrics/resource" => {
            let text = usage::resource_metrics(state, node).await?;
            ("text/plain; version=0.0.4; charset=utf-8", text)
        }
        "/metrics/cadvisor" => {
            let text = usage::container_metrics(state, node).await?;
            ("text/plain; version=0.0.4; charset=utf-8", text)
        }
        "/pods" | "/pods/" => {
            let pods = usage::pods_of(state, node).await?;
            let pods: Vec<_> = pods.into_iter().map(|pod| pod.to_value()).collect();
            let list = serde_json::json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods});
            ("application/json", list.to_string())
        }
        _ => {
            let mut response = Response::new(Body::from("404 page not found\n"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Ok(response);
        }
    };
    let mut response = Response::new(Body::from(body));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_proxy_is_passed_on() {
        for (path, want) in [
            ("/api/v1/namespaces/d/pods/p/proxy", "/"),
            ("/api/v1/namespaces/d/pods/p/proxy/", "/"),
            ("/api/v1/nodes/n/proxy", "/"),
            ("/api/v1/nodes/n/proxy/stats/summary", "/stats/summary"),
            ("/api/v1/namespaces/proxy/pods/proxy/proxy/x", "/x"),
            (
                "/api/v1/namespaces/d/services/s:80/proxy/a%20b/proxy/c",
                "/a%20b/proxy/c",
            ),
        ] {
            assert_eq!(rest(path), want, "{path}");
        }
    }
}
