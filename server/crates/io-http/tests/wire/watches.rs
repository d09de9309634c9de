//! Watches of many, of slow readers, and in every form.

use client::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use io_http::serve::Patience;
use serde_json::{Value, json};
use shared::KindRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Duration;

use crate::door::{House, Wire, admin, until};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
/// Larger than what sockets hold, all together: a reader who stops is noticed.
const WRITES: usize = 300;
const PAD: usize = 100_000;

fn maps() -> KindRef {
    KindRef::new("", "v1", "configmaps")
}

fn map(n: usize, pad: usize) -> Value {
    json!({"metadata": {"name": "x", "namespace": "default"}, "data": {"n": n.to_string(), "pad": "x".repeat(pad)}})
}

async fn write(house: &House, writes: usize, pad: usize) {
    house.call(Request::create(maps(), map(0, pad))).await;
    for n in 1..writes {
        house.call(Request::update(maps(), map(n, pad))).await;
    }
}

/// Reads events until the last write is seen; answers the numbers.
async fn follow(mut body: Incoming, last: usize) -> Vec<usize> {
    let (mut buffer, mut seen) = (Vec::new(), Vec::new());
    while seen.last() != Some(&last) {
        let frame = body.frame().await.expect("the watch goes on").unwrap();
        buffer.extend_from_slice(&frame.into_data().unwrap_or_default());
        while let Some(end) = buffer.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            let event: Value = serde_json::from_slice(&line).unwrap();
            let n = event.pointer("/object/data/n").and_then(Value::as_str);
            seen.push(n.expect("a number").parse().unwrap());
        }
    }
    seen
}

/// A watch whose reader does not read.
async fn slow_watch(to: std::net::SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut stream = socket.connect(to).await.unwrap();
    let head = format!("GET {MAPS}?watch=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_is_closed_and_others_see_everything() {
    let house = House::start().await;
    let patience = Patience {
        reading: Duration::from_millis(200),
        ..Patience::default()
    };
    let state = house.state.always(admin(), "test");
    let to = house.open(state, patience).await;
    let mut slow = slow_watch(to).await;
    let mut wire = Wire::to(to).await;
    let watch = format!("{MAPS}?watch=1");
    let fast = wire.open("GET", &watch, &[], Vec::new()).await.into_body();
    let (seen, ()) = tokio::join!(follow(fast, WRITES - 1), write(&house, WRITES, PAD));
    assert_eq!(seen, (0..WRITES).collect::<Vec<_>>());
    until("the end of the slow watch", async || {
        let (_, _, text) = wire.call("GET", "/metrics", &[], Vec::new()).await;
        let text = text.as_str().unwrap_or_default();
        let open = text.lines().find(|line| {
            line.starts_with("apiserver_longrunning_requests{") && line.contains("configmaps")
        });
        open.is_some_and(|line| line.ends_with(" 0"))
    })
    .await;
    let mut rest = Vec::new();
    // It may end as a reset; what matters is that it is not all there.
    let _ = slow.read_to_end(&mut rest).await;
    assert!(rest.len() < WRITES * PAD, "{} bytes", rest.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_falls_behind_the_hub_reads_history() {
    const MANY: usize = 1500;
    let house = House::start().await;
    let mut wire = Wire::to(house.admin_door().await).await;
    let watch = format!("{MAPS}?watch=1");
    let late = wire.open("GET", &watch, &[], Vec::new()).await.into_body();
    write(&house, MANY, 2000).await;
    assert_eq!(follow(late, MANY - 1).await, (0..MANY).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_hears_only_of_its_own_place() {
    let house = House::start().await;
    let other = json!({"metadata": {"name": "other"}});
    let namespaces = KindRef::new("", "v1", "namespaces");
    house.call(Request::create(namespaces, other)).await;
    let mut wire = Wire::to(house.admin_door().await).await;
    let watch = format!("{MAPS}?watch=1");
    let here = wire.open("GET", &watch, &[], Vec::new()).await.into_body();
    let elsewhere = json!({"metadata": {"name": "x", "namespace": "other"}, "data": {"n": "99"}});
    house.call(Request::create(maps(), elsewhere)).await;
    let secret = json!({"metadata": {"name": "x", "namespace": "default"}});
    let secrets = KindRef::new("", "v1", "secrets");
    house.call(Request::create(secrets, secret)).await;
    write(&house, 3, 1).await;
    assert_eq!(follow(here, 2).await, [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typed_clients_get_protobuf() {
    let house = House::start().await;
    let mut wire = Wire::to(house.admin_door().await).await;
    let accept = (
        "accept",
        "application/vnd.kubernetes.protobuf, application/json",
    );
    let watch = format!("{MAPS}?watch=1");
    let response = wire.open("GET", &watch, &[accept], Vec::new()).await;
    assert_eq!(
        response.headers()["content-type"],
        "application/vnd.kubernetes.protobuf;stream=watch"
    );
    house.call(Request::create(maps(), map(0, 1))).await;
    let mut body = response.into_body();
    let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let (length, event) = data.split_first_chunk::<4>().unwrap();
    assert_eq!(u32::from_be_bytes(*length) as usize, event.len());
    // Type, then the object behind its own lengths with the magic of its envelope.
    assert!(event.starts_with(b"\x0a\x05ADDED\x12"));
    assert!(event.windows(4).any(|w| w == b"k8s\0"));
}
