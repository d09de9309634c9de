//! `wasi:sockets` on the pod's network, with std programs as guests.

use kubelet::runtime::ContainerConfig;
use std::collections::BTreeMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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
            "nslookup db.default.svc",
            0,
            "Name:\tdb.default.svc\nAddress: 127.0.0.9\n",
        ),
        (
            "nslookup nowhere.svc",
            1,
            "** server can't find nowhere.svc: NXDOMAIN\n",
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
