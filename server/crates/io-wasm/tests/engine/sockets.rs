//! `wasi:sockets` on the pod's network, with std programs as guests.

use kubelet::runtime::{ContainerConfig, RuntimeCommand};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use io_wasm::network::host::Loopback;

use crate::harness::{Folder, Node, container, engine, env, strings};

#[tokio::test(flavor = "multi_thread")]
async fn a_std_server_accepts_and_echoes() {
    let mut node = Node::new();
    let pod = node.pod("echo").await;
    let config = ContainerConfig {
        env: env(&[("PORT", "7007")]),
        ..container(&pod, "main", "glasshouse.dev/echo-tcp")
    };
    node.start(config);
    node.wait_log("echo", "main", &format!("listening on {}:7007\n", pod.ip))
        .await;
    // More than any buffer on the way, with the pattern checked: nothing is lost, doubled or swapped.
    let sent: Vec<u8> = (0..3_000_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    for _ in 0..3 {
        let (mut read, mut write) = TcpStream::connect((pod.ip, 7007))
            .await
            .unwrap()
            .into_split();
        let mut received = Vec::new();
        let sending = async {
            write.write_all(&sent).await.unwrap();
            write.shutdown().await.unwrap();
        };
        let (_, n) = tokio::join!(sending, read.read_to_end(&mut received));
        n.unwrap();
        assert!(
            received == sent,
            "{} bytes came back of {}",
            received.len(),
            sent.len()
        );
    }
    node.wait_log("echo", "main", "sent 3000000 bytes\n").await;
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_connect_resolve_and_are_refused() {
    let network = Loopback::with_names(BTreeMap::from([(
        "db.default.svc".to_owned(),
        "127.0.0.9".parse().unwrap(),
    )]));
    let mut node = Node::with(engine(), network, Folder::new());
    let pod = node.pod("client").await;
    for (i, (script, code, said)) in [
        (
            "nc -z db.default.svc 9 || echo closed",
            0,
            "nc: db.default.svc:9: Connection refused\nclosed\n",
        ),
        (
            "wget -q -O - http://127.0.0.1:9/",
            1,
            "wget: can't connect to remote host (127.0.0.1): Connection refused\n",
        ),
        (
            "wget http://nowhere.svc/",
            1,
            "wget: bad address 'nowhere.svc'\n",
        ),
        ("nc -z 127.0.0.1 9 || echo closed", 0, "closed\n"),
    ]
    .into_iter()
    .enumerate()
    {
        let command = strings(&["sh", "-c", script]);
        let (ended, log) = node
            .run(ContainerConfig {
                command,
                ..container(&pod, &format!("c{i}"), "busybox")
            })
            .await;
        assert_eq!(ended.code, code, "{script}: {log}");
        assert!(log.contains(said), "{script}: {log}");
    }
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_come_back_to_who_sent_them() {
    let mut node = Node::new();
    let pod = node.pod("datagrams").await;
    let config = ContainerConfig {
        env: env(&[("PORT", "7009")]),
        ..container(&pod, "main", "glasshouse.dev/echo-udp")
    };
    let id = config.id.clone().unwrap();
    node.start(config);
    node.wait_log(
        "datagrams",
        "main",
        &format!("listening on {}:7009\n", pod.ip),
    )
    .await;
    let (one, two) = (udp().await, udp().await);
    let mut buffer = vec![0; 70_000];
    // From nothing to the largest that IPv4 carries.
    for size in [0, 1, 1472, 9000, 65_507] {
        let sent = vec![size as u8; size];
        for socket in [&one, &two] {
            socket.send_to(&sent, (pod.ip, 7009)).await.unwrap();
            let (n, from) = socket.recv_from(&mut buffer).await.unwrap();
            assert_eq!((n, from), (size, (pod.ip, 7009).into()));
            assert!(buffer[..n] == sent, "{size}");
        }
    }
    // Several that wait are all answered, each once.
    for i in 0..32_u8 {
        one.send_to(&[i], (pod.ip, 7009)).await.unwrap();
    }
    let mut came = Vec::new();
    for _ in 0..32 {
        let (n, _) = one.recv_from(&mut buffer).await.unwrap();
        came.extend_from_slice(&buffer[..n]);
    }
    assert_eq!(came, (0..32).collect::<Vec<u8>>());
    two.send_to(b"quit", (pod.ip, 7009)).await.unwrap();
    assert_eq!(node.ended(&id).await.code, 0);
    node.shut_down().await;
}

async fn udp() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

/// Sends and gets back what was sent.
async fn echo(at: SocketAddr, sent: &[u8]) {
    let (mut read, mut write) = TcpStream::connect(at).await.unwrap().into_split();
    let mut received = Vec::new();
    let sending = async {
        write.write_all(sent).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let ((), n) = tokio::join!(sending, read.read_to_end(&mut received));
    n.unwrap();
    assert!(received == sent, "{} bytes came back", received.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_1_program_finds_its_ports_open() {
    let mut node = Node::new();
    let pod = node.pod("activated").await;
    let sent: Vec<u8> = (0..500_000_u32).map(|i| (i % 251) as u8).collect();
    for (name, mode, ports) in [
        ("blocking", "blocking", vec![7010]),
        ("polling", "polling", vec![7011, 7012]),
    ] {
        let config = ContainerConfig {
            ports: ports.clone(),
            env: env(&[("MODE", mode)]),
            ..container(&pod, name, "glasshouse.dev/wasip1-echo")
        };
        node.start(config.clone());
        let open = format!("{} ports are open\n", ports.len());
        node.wait_log("activated", name, &open).await;
        for port in ports {
            echo((pod.ip, port).into(), &sent).await;
            echo((pod.ip, port).into(), b"").await;
        }
        node.wait_log("activated", name, "sent 500000 bytes\nsent 0 bytes\n")
            .await;
    }
    // Several at once, which only an event loop can serve: the first says nothing until the others are done.
    let at = SocketAddr::from((pod.ip, 7011));
    let mut silent = TcpStream::connect(at).await.unwrap();
    for _ in 0..3 {
        echo(at, &sent[..100_000]).await;
    }
    silent.write_all(b"late").await.unwrap();
    silent.shutdown().await.unwrap();
    let mut received = Vec::new();
    silent.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, b"late");
    // Who declares no port has none.
    let config = container(&pod, "closed", "glasshouse.dev/wasip1-echo");
    let (ended, said) = node.run(config).await;
    assert_eq!(ended.code, 1, "{said}");
    assert!(said.contains("declare a containerPort"), "{said}");
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_asked_to_end_finishes_what_it_has_begun() {
    let mut node = Node::new();
    let pod = node.pod("ending").await;
    for (case, image) in ["glasshouse.dev/echo-tcp", "glasshouse.dev/wasip1-echo"]
        .into_iter()
        .enumerate()
    {
        for (name, busy) in [("busy", true), ("idle", false)] {
            let name = format!("{name}-{case}");
            let port = 7020 + case as u16 * 2 + u16::from(busy);
            let config = ContainerConfig {
                ports: vec![port],
                env: env(&[("PORT", &port.to_string())]),
                ..container(&pod, &name, image)
            };
            let id = config.id.clone().unwrap();
            node.start(config);
            node.wait_log("ending", &name, "n").await;
            let mut stream = TcpStream::connect((pod.ip, port)).await.unwrap();
            let mut back = [0; 5];
            stream.write_all(b"begun").await.unwrap();
            stream.read_exact(&mut back).await.unwrap();
            node.runtime.submit(RuntimeCommand::StopContainer {
                id: id.clone(),
                grace_ms: 60_000,
            });
            // Nobody new is let in; a refusal shows that the port is closed.
            while TcpStream::connect((pod.ip, port)).await.is_ok() {}
            if busy {
                // What was begun goes on while it is asked for.
                for _ in 0..3 {
                    stream.write_all(b"still").await.unwrap();
                    stream.read_exact(&mut back).await.unwrap();
                    assert_eq!(&back, b"still");
                }
            }
            // A connection that waits for its next request does not hold the end up until the grace period is over.
            let ended = node.ended(&id).await;
            assert_eq!(
                (ended.code, ended.reason.as_str()),
                (143, "Error"),
                "{name}"
            );
        }
    }
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_of_a_pod_share_localhost() {
    let mut node = Node::new();
    let pod = node.pod("shared").await;
    let server = ContainerConfig {
        command: strings(&[
            "sh",
            "-c",
            "mkdir /www; echo page > /www/index.html; httpd -p 8000 -h /www",
        ]),
        ..container(&pod, "server", "busybox")
    };
    node.start(server);
    let script = "until wget -q -O - http://localhost:8000/; do sleep 0.05; done; wget -O /dev/null http://localhost:8000/none";
    let client = ContainerConfig {
        command: strings(&["sh", "-c", script]),
        ..container(&pod, "client", "busybox")
    };
    let (ended, log) = node.run(client).await;
    assert_eq!(ended.code, 1, "{log}");
    assert!(
        log.contains("page\n") && log.contains("server returned error: HTTP/1.1 404 Not Found"),
        "{log}"
    );
    node.shut_down().await;
}
