//! A web server as a `wasi:http/proxy` component: says which pod answered, and has one path per behaviour that a
//! probe, a Service or a demo wants to see.
//!
//! Where a volume is mounted at the document root of the web servers that it stands in for (`nginx`, `httpd`), it serves
//! the files there and nothing else, as they would. It keeps nothing between requests: each one is served by a fresh
//! instance.

mod site;

use std::fmt::Write;

use wstd::http::body::Body;
use wstd::http::{Client, Error, Request, Response, StatusCode, Uri};
use wstd::time::Duration;

/// Longest `/delay/MS`, so that a typo does not hold a connection for a day.
const DELAY_MAX_MS: u64 = 60_000;

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    let path = request.uri().path().to_owned();
    println!("{} {path}", request.method());
    if let Some(root) = site::root() {
        return site::answer(root, &request);
    }
    let mut parts = path.trim_start_matches('/').splitn(2, '/');
    match (parts.next().unwrap_or_default(), parts.next()) {
        ("", _) => text(200, &format!("Hello from {}\n", pod_name())),
        ("healthz" | "readyz" | "livez", None) => text(200, "ok\n"),
        ("env", None) => text(200, &environment()),
        ("headers", None) => text(200, &headers(&request)),
        ("fail", None) => text(500, "failing as asked\n"),
        ("status", Some(code)) => text(code.parse().unwrap_or(400), &format!("status {code}\n")),
        ("delay", Some(ms)) => {
            let ms = ms.parse::<u64>().unwrap_or(0).min(DELAY_MAX_MS);
            wstd::task::sleep(Duration::from_millis(ms)).await;
            text(200, &format!("waited {ms} ms\n"))
        }
        ("echo", None) => Ok(Response::new(request.into_body())),
        ("fetch", Some(url)) => fetch(url).await,
        ("file", Some(file)) => match std::fs::read_to_string(format!("/{file}")) {
            Ok(content) => text(200, &content),
            Err(error) => text(404, &format!("/{file}: {error}\n")),
        },
        ("panic", None) => panic!("panicking as asked"),
        ("spin", None) => spin(),
        _ => text(404, &format!("no such path: {path}\n")),
    }
}

fn pod_name() -> String {
    ["POD_NAME", "HOSTNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok())
        .unwrap_or_else(|| "somewhere".to_owned())
}

fn environment() -> String {
    let mut variables: Vec<_> = std::env::vars().collect();
    variables.sort();
    variables.into_iter().fold(String::new(), |mut out, (name, value)| {
        let _ = writeln!(out, "{name}={value}");
        out
    })
}

fn headers(request: &Request<Body>) -> String {
    let mut out = format!("{} {}\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        let _ = writeln!(out, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    out
}

/// Answers with what another server says: `/fetch/HOST:PORT/PATH`, over `wasi:http/outgoing-handler`.
async fn fetch(rest: &str) -> Result<Response<Body>, Error> {
    let Ok(uri) = format!("http://{rest}").parse::<Uri>() else {
        return text(400, &format!("not an address: {rest}\n"));
    };
    let request = Request::get(uri).body(Body::empty())?;
    match Client::new().send(request).await {
        Ok(mut answer) => {
            let status = answer.status().as_u16();
            let body = answer.body_mut().str_contents().await?.to_owned();
            text(status, &body)
        }
        Err(error) => {
            eprintln!("{rest}: {error:?}");
            text(502, &format!("{rest}: {error}\n"))
        }
    }
}

/// Uses the processor until somebody stops it.
fn spin() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

fn text(status: u16, body: &str) -> Result<Response<Body>, Error> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let response = Response::builder()
        .status(status)
        .header("content-type", "text/plain; charset=utf-8")
        .header("x-pod", pod_name())
        .body(body.to_owned().into())?;
    Ok(response)
}
