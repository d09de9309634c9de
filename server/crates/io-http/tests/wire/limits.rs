//! Bodies, slots and time.

use apiserver::MAX_BODY_BYTES;
use io_driver::limits::MUTATING_IN_FLIGHT_MAX;
use io_http::serve::Patience;
use io_http::static_tokens::StaticTokens;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Duration;

use crate::door::{House, Wire, admin, until};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const JSON: (&str, &str) = ("content-type", "application/json");

/// A request whose body never ends.
async fn begin_write(to: std::net::SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let head = format!(
        "POST {MAPS} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_writes_are_told_to_come_again_and_health_is_not() {
    let house = House::start().await;
    let to = house.admin_door().await;
    let mut slow = Vec::new();
    for _ in 0..MUTATING_IN_FLIGHT_MAX {
        slow.push(begin_write(to).await);
    }
    let mut wire = Wire::to(to).await;
    let map = json!({"metadata": {"name": "x"}}).to_string().into_bytes();
    until("the 429", async || {
        let (code, headers, body) = wire.call("POST", MAPS, &[JSON], map.clone()).await;
        // Until all of the slow ones have their slots, a write may still find one.
        if code != 429 {
            wire.call("DELETE", &format!("{MAPS}/x"), &[], Vec::new())
                .await;
            return false;
        }
        assert_eq!(headers.get("retry-after").unwrap(), "1");
        assert_eq!(body["reason"], "TooManyRequests");
        true
    })
    .await;
    let lease = json!({"metadata": {"name": "x"}}).to_string().into_bytes();
    let leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    for (method, path, body, want) in [
        ("GET", MAPS, Vec::new(), 200),
        ("GET", "/readyz", Vec::new(), 200),
        ("POST", leases, lease, 201),
    ] {
        let (code, _, said) = wire.call(method, path, &[JSON], body).await;
        assert_eq!(code, want, "{method} {path}: {said}");
    }
    drop(slow);
    until("a free slot", async || {
        let (code, ..) = wire.call("POST", MAPS, &[JSON], map.clone()).await;
        code != 429
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_has_a_size_and_a_time() {
    let house = House::start().await;
    let state = house.state.always(admin(), "test");
    let state = state.with_request_timeout(Duration::from_millis(100));
    let to = house.open(state, Patience::default()).await;
    let mut wire = Wire::to(to).await;
    let (code, _, body) = wire
        .call("POST", MAPS, &[JSON], vec![b' '; MAX_BODY_BYTES + 1])
        .await;
    assert_eq!(
        (code, &body["reason"]),
        (413, &json!("RequestEntityTooLarge"))
    );

    let mut slow = begin_write(to).await;
    let mut said = Vec::new();
    while !said.ends_with(b"}") {
        let mut part = [0; 4096];
        let length = slow.read(&mut part).await.unwrap();
        assert!(length > 0, "closed without an answer: {said:?}");
        said.extend_from_slice(&part[..length]);
    }
    let said = String::from_utf8(said).unwrap();
    assert!(said.starts_with("HTTP/1.1 504 "), "{said}");
    assert!(said.contains("did not complete within the allotted timeout"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_begins_is_let_go() {
    let house = House::start().await;
    let patience = Patience {
        greeting: Duration::from_millis(50),
        ..Patience::default()
    };
    let to = house.open(house.state.clone(), patience).await;
    for said in [&b""[..], b"GET /readyz HTTP/1.1\r\nHost: somewhere"] {
        let mut silent = TcpStream::connect(to).await.unwrap();
        silent.write_all(said).await.unwrap();
        let mut rest = Vec::new();
        // The server ends it; what it says first, if anything, is no answer of 200.
        let _ = silent.read_to_end(&mut rest).await;
        assert!(!rest.starts_with(b"HTTP/1.1 200"), "{rest:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_comes_with_a_token_and_refusals_are_counted() {
    let house = House::start().await;
    let file = std::env::temp_dir().join(format!("glasshouse-wire-{}.csv", std::process::id()));
    let tokens = StaticTokens::open(&file, || "secret".into()).unwrap();
    std::fs::remove_file(&file).unwrap();
    let state = house.state.clone().with_tokens(tokens);
    let mut wire = Wire::to(house.open(state, Patience::default()).await).await;
    for (token, want) in [("Bearer secret", 200), ("Bearer wrong", 401)] {
        let (code, ..) = wire
            .call("GET", MAPS, &[("authorization", token)], Vec::new())
            .await;
        assert_eq!(code, want, "{token}");
    }
    let (code, ..) = wire.call("GET", MAPS, &[], Vec::new()).await;
    assert_eq!(code, 403, "anonymous");
    let bearer = ("authorization", "Bearer secret");
    let (_, headers, text) = wire.call("GET", "/metrics", &[bearer], Vec::new()).await;
    let format = headers.get("content-type").unwrap();
    assert_eq!(
        format,
        "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
    );
    let text = text.as_str().unwrap();
    for line in [
        "authentication_attempts_total{result=\"failure\"} 1",
        "resource=\"configmaps\",subresource=\"\",scope=\"namespace\",component=\"apiserver\",dry_run=\"\",code=\"401\"} 1",
        "resource=\"configmaps\",subresource=\"\",scope=\"namespace\",component=\"apiserver\",dry_run=\"\",code=\"403\"} 1",
        "apiserver_authorization_decisions_total{type=\"RBAC\",decision=\"denied\"} 1",
        "etcd_requests_total{operation=\"create\",group=\"\",resource=\"namespaces\"} 1",
        "apiserver_admission_controller_admission_duration_seconds_count{name=\"NamespaceLifecycle\",type=\"admit\",operation=\"CREATE\",rejected=\"false\"} ",
        "# TYPE apiserver_request_total counter",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    drop(wire.close());
}
