//! HTTP components: serving, draining, failing, calling out; probes.

use io_wasm::network::NodeNetwork;
use io_wasm::network::host::Loopback;
use kubelet::runtime::{ContainerConfig, Mount, ProbeAction, RuntimeCommand, RuntimeEvent, Volume};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Folder, Node, TestPod, container, engine, env};

/// Status and body.
async fn get(ip: Ipv4Addr, port: u16, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(SocketAddr::new(ip.into(), port))
        .await
        .unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nHost: pod:{port}\r\nX-Test: yes\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        body.to_owned(),
    )
}

async fn web(node: &mut Node, uid: &str, ports: &[u16]) -> (TestPod, ContainerConfig) {
    let pod = node.pod(uid).await;
    let config = ContainerConfig {
        ports: ports.to_vec(),
        env: env(&[("COLOUR", "red")]),
        ..container(&pod, "web", "nginx")
    };
    node.start(config.clone());
    node.started(config.id.as_ref().unwrap()).await;
    (pod, config)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_served_on_its_port() {
    let mut node = Node::new();
    let (pod, _) = web(&mut node, "hello", &[8080]).await;
    for (path, status, body) in [
        ("/", 200, "Hello from hello\n"),
        ("/healthz", 200, "ok\n"),
        ("/env", 200, "COLOUR=red\n"),
        ("/headers", 200, "x-test: yes\n"),
        ("/file/etc/hostname", 200, "hello\n"),
        ("/delay/5", 200, "waited 5 ms\n"),
        ("/fail", 500, "failing as asked\n"),
        ("/status/418", 418, "status 418\n"),
        ("/nowhere", 404, "no such path"),
        ("/panic", 500, "the component failed"),
        ("/", 200, "Hello from hello\n"),
    ] {
        let (got, text) = get(pod.ip, 8080, path).await;
        assert_eq!(got, status, "{path}: {text}");
        assert!(text.contains(body), "{path}: {text}");
    }
    let log = node.log(&pod.uid, "web", Default::default()).await;
    assert!(
        log.contains("GET /healthz\n") && log.contains("panicking as asked"),
        "{log}"
    );
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_mounted_at_the_document_root_is_served() {
    let mut node = Node::new();
    let pod = node.pod("pages").await;
    let files = [("index.html", "<h1>mine</h1>"), ("css/site.css", "h1 {}")];
    let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    let config = ContainerConfig {
        ports: vec![8080],
        mounts: vec![Mount {
            path: "/usr/share/nginx/html".to_owned(),
            volume: Volume::Files {
                name: "html".to_owned(),
                files: BTreeMap::from(files),
            },
            sub_path: String::new(),
            read_only: true,
        }],
        ..container(&pod, "web", "nginx")
    };
    node.start(config.clone());
    node.started(config.id.as_ref().unwrap()).await;
    for (path, status, body) in [
        ("/", 200, "<h1>mine</h1>"),
        ("/index.html", 200, "<h1>mine</h1>"),
        ("/css/site.css", 200, "h1 {}"),
        ("/css", 301, ""),
        ("/none.html", 404, "<h1>404 Not Found</h1>"),
        ("/healthz", 404, "<h1>404 Not Found</h1>"),
        ("/%2e%2e/%2e%2e/etc/hosts", 400, "<h1>400 Bad Request</h1>"),
    ] {
        let (got, text) = get(pod.ip, 8080, path).await;
        assert_eq!(got, status, "{path}: {text}");
        assert!(text.contains(body), "{path}: {text}");
    }
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn components_call_each_other() {
    let mut node = Node::new();
    let (server, _) = web(&mut node, "server", &[80]).await;
    let network = Loopback::with_names(BTreeMap::from([("web.default.svc".to_owned(), server.ip)]));
    let mut other = Node::with(engine(), network, Folder::new());
    let (client, _) = web(&mut other, "client", &[80]).await;
    for (path, status, body) in [
        (format!("/fetch/{}/", server.ip), 200, "Hello from server\n"),
        (
            "/fetch/web.default.svc:80/status/503".to_owned(),
            503,
            "status 503\n",
        ),
        ("/fetch/nowhere.svc/".to_owned(), 502, "nowhere.svc"),
        (format!("/fetch/{}:81/", server.ip), 502, ""),
    ] {
        let (got, text) = get(client.ip, 80, &path).await;
        assert_eq!(got, status, "{path}: {text}");
        assert!(text.contains(body), "{path}: {text}");
    }
    let pod = other.pod("caller").await;
    let config = ContainerConfig {
        env: env(&[
            ("TARGET", "web.default.svc/healthz"),
            ("COUNT", "2"),
            ("INTERVAL_MS", "1"),
        ]),
        ..container(&pod, "main", "glasshouse.dev/http-client")
    };
    let (ended, said) = other.run(config).await;
    assert_eq!((ended.code, said.as_str()), (0, "200 ok\n200 ok\n"));
    node.shut_down().await;
    other.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_answers_what_is_under_way() {
    let mut node = Node::new();
    let (pod, config) = web(&mut node, "drain", &[8080]).await;
    let id = config.id.unwrap();
    let slow = tokio::task::spawn_blocking(move || {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect((pod.ip, 8080)).unwrap();
        write!(stream, "GET /delay/300 HTTP/1.0\r\nHost: pod\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    node.wait_log("drain", "web", "GET /delay/300\n").await;
    node.runtime.submit(RuntimeCommand::StopContainer {
        id: id.clone(),
        grace_ms: 30_000,
    });
    let ended = node.ended(&id).await;
    assert_eq!((ended.code, ended.reason.as_str()), (143, "Error"));
    assert!(slow.await.unwrap().ends_with("waited 300 ms\n"));
    assert!(TcpStream::connect((pod.ip, 8080)).await.is_err());
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_ends_is_killed_at_the_end_of_the_grace_period() {
    let mut node = Node::new();
    let (pod, config) = web(&mut node, "spin", &[8080]).await;
    let id = config.id.unwrap();
    let mut stream = TcpStream::connect((pod.ip, 8080)).await.unwrap();
    stream
        .write_all(b"GET /spin HTTP/1.0\r\nHost: pod\r\n\r\n")
        .await
        .unwrap();
    node.wait_log("spin", "web", "GET /spin\n").await;
    // A neighbour on the same node is served meanwhile.
    assert_eq!(get(pod.ip, 8080, "/healthz").await.0, 200);
    node.runtime.submit(RuntimeCommand::StopContainer {
        id: id.clone(),
        grace_ms: 50,
    });
    assert_eq!(node.ended(&id).await.code, 137);
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_said() {
    let mut node = Node::new();
    let (pod, _) = web(&mut node, "taken", &[8080]).await;
    let config = ContainerConfig {
        ports: vec![8080],
        ..container(&pod, "second", "nginx")
    };
    let id = config.id.clone().unwrap();
    node.start(config);
    let message = node
        .wait("StartFailed", |event| match event {
            RuntimeEvent::StartFailed {
                id: failed,
                message,
                ..
            } if *failed == id => Some(message.clone()),
            _ => None,
        })
        .await;
    assert!(message.contains("listen tcp 0.0.0.0:8080"), "{message}");
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http_and_tcp_probes_say_what_the_kubelet_would() {
    let mut node = Node::new();
    let (pod, config) = web(&mut node, "probed", &[8080]).await;
    let at = |host: &str, port, path: &str| ProbeAction::HttpGet {
        host: host.to_owned(),
        port,
        tls: false,
        path: path.to_owned(),
        headers: vec![("X-Custom".to_owned(), "1".to_owned())],
    };
    let http = |port, path: &str| at("", port, path);
    let tcp = |host: &str, port| ProbeAction::TcpSocket {
        host: host.to_owned(),
        port,
    };
    let mut secret = http(8080, "/");
    if let ProbeAction::HttpGet { tls, .. } = &mut secret {
        *tls = true;
    }
    let ip = pod.ip;
    let other = ip.to_string();
    let nobody = "Get \"http://nobody.invalid:80/\": dial tcp: lookup nobody.invalid: no such host";
    let no_tls =
        format!("Get \"https://{ip}:8080/\": received corrupt message of type InvalidContentType");
    let refused = format!("Get \"http://{ip}:81/\": dial tcp {ip}:81: connect: connection refused");
    let late = format!(
        "Get \"http://{ip}:8080/delay/60000\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    );
    let closed = format!("dial tcp {ip}:81: connect: connection refused");
    for (action, failure) in [
        (http(8080, "/healthz"), None),
        (http(8080, "healthz"), None),
        (http(8080, "/status/399"), None),
        (
            http(8080, "/status/400"),
            Some("HTTP probe failed with statuscode: 400"),
        ),
        (
            http(8080, "/fail"),
            Some("HTTP probe failed with statuscode: 500"),
        ),
        (http(81, "/"), Some(refused.as_str())),
        (http(8080, "/delay/60000"), Some(late.as_str())),
        (at(&other, 8080, "/healthz"), None),
        (at("nobody.invalid", 80, "/"), Some(nobody)),
        (secret, Some(no_tls.as_str())),
        (tcp("", 8080), None),
        (tcp(&other, 8080), None),
        (tcp("", 81), Some(closed.as_str())),
    ] {
        let got = node.probe(&config, action.clone(), 1000).await;
        assert_eq!(got.as_deref(), failure, "{action:?}");
    }
    node.shut_down().await;
}

#[test]
fn the_test_network_is_loopback_only() {
    let refused = Loopback::default().add_pod("x", Ipv4Addr::new(10, 0, 0, 1), Vec::new());
    assert!(refused.is_err());
}
