//! The same programs on the cluster's own network: two nodes, each pod with its own TCP/IP stack, VXLAN between them.

use std::net::Ipv4Addr;
use std::sync::Arc;

use io_clock::Clock;
use io_net::dns::{Data, Found, Kind, Names};
use io_net::{Hop, NodeConfig, NodeNetwork, OverlayRoute};
use io_wasm::logs::LogOptions;
use kubelet::runtime::{ContainerConfig, ProbeAction, RuntimeCommand};
use netstack::Prefix;
use shared::Millis;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::harness::{Folder, Node, TestPod, container, engine, env, strings};

/// A zone with one name.
#[derive(Debug)]
struct OneName;

impl Names for OneName {
    fn lookup(&self, name: &str, kind: Kind) -> Found {
        match (name, kind) {
            ("db.default.svc.cluster.local", Kind::A) => {
                Found::Data(vec![Data::A(Ipv4Addr::new(10, 244, 0, 2))])
            }
            ("db.default.svc.cluster.local", _) => Found::Nothing,
            _ => Found::NoName,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_ask_the_clusters_name_server_over_udp() {
    let [mut node, other] = nodes().await;
    let names = pod(&mut node, "names", [10, 244, 0, 9]).await;
    let script = "nslookup db.default; nslookup db; nslookup nowhere.default.svc.cluster.local; nslookup -type=aaaa db";
    let config = ContainerConfig {
        command: strings(&["sh", "-c", script]),
        ..container(&names, "main", "busybox")
    };
    let (ended, said) = node.run(config).await;
    let server = "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n\n";
    let found = "Name:\tdb.default.svc.cluster.local\nAddress: 10.244.0.2\n";
    let unknown = "** server can't find nowhere.default.svc.cluster.local: NXDOMAIN\n";
    let nothing = "*** Can't find db: No answer\n";
    assert_eq!(
        said,
        format!("{server}{found}{server}{found}{server}{unknown}{server}{nothing}")
    );
    assert_eq!(ended.code, 1);
    node.shut_down().await;
    other.shut_down().await;
}

/// Two nodes that reach each other's pods.
async fn nodes() -> [Node; 2] {
    let mut networks = Vec::new();
    let third = (std::process::id() % 250) as u8;
    let (clock, tasks, cancel) = (
        Clock::start(Millis(0)),
        TaskTracker::new(),
        CancellationToken::new(),
    );
    for n in 0..2_u8 {
        let config = NodeConfig {
            underlay_port: 0,
            ..NodeConfig::new(&format!("node-{n}"), Ipv4Addr::new(127, 250, third, n + 1))
        };
        let network = NodeNetwork::start(config, clock.clone(), &tasks, cancel.clone())
            .await
            .unwrap();
        network.set_pod_cidr(cidr(n));
        network.set_zone(Arc::new(OneName));
        networks.push(network);
    }
    for (own, network) in networks.iter().enumerate() {
        let routes: Vec<OverlayRoute> = networks
            .iter()
            .enumerate()
            .map(|(n, other)| OverlayRoute {
                prefix: cidr(n as u8),
                hop: if n == own {
                    Hop::Local
                } else {
                    Hop::Vxlan {
                        vni: 1,
                        remote: other.host().ip(),
                        port: other.underlay_port(),
                        mac: other.vtep_mac(),
                    }
                },
            })
            .collect();
        network.set_routes(&routes);
    }
    let mut networks = networks.into_iter();
    let mut node = || {
        let network = Arc::new(networks.next().unwrap());
        Node::on(
            engine(),
            network,
            Folder::new(),
            clock.clone(),
            tasks.clone(),
            cancel.clone(),
        )
    };
    [node(), node()]
}

fn cidr(node: u8) -> Prefix {
    Prefix::new(Ipv4Addr::new(10, 244, node, 0), 24)
}

async fn pod(node: &mut Node, uid: &str, ip: [u8; 4]) -> TestPod {
    node.pod_at(uid, ip.into()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_of_two_nodes_talk() {
    let [mut first, mut second] = nodes().await;
    let server = pod(&mut first, "server", [10, 244, 0, 2]).await;
    let config = ContainerConfig {
        ports: vec![80],
        ..container(&server, "web", "nginx")
    };
    first.start(config.clone());
    first.started(config.id.as_ref().unwrap()).await;
    let echo = ContainerConfig {
        env: env(&[("PORT", "7")]),
        ..container(&server, "echo", "glasshouse.dev/echo-tcp")
    };
    first.start(echo);
    first.wait_log("server", "echo", "listening on ").await;
    let preview1 = ContainerConfig {
        ports: vec![9000],
        ..container(&server, "preview1", "glasshouse.dev/wasip1-echo")
    };
    first.start(preview1);
    first
        .wait_log("server", "preview1", "1 ports are open\n")
        .await;
    let probe = ProbeAction::HttpGet {
        host: String::new(),
        port: 80,
        tls: false,
        path: "/healthz".to_owned(),
        headers: Vec::new(),
    };
    assert_eq!(first.probe(&config, probe, 5000).await, None);

    let client = pod(&mut second, "client", [10, 244, 1, 2]).await;
    let script = "wget -q -O - http://10.244.0.2/; wget -q -O - http://10.244.0.2:81/; \
                  seq 1 20000 > /tmp/sent; nc 10.244.0.2 7 < /tmp/sent > /tmp/back; \
                  [ \"$(cat /tmp/sent)\" = \"$(cat /tmp/back)\" ] && wc -l < /tmp/back; \
                  nc 10.244.0.2 9000 < /tmp/sent | tail -n 1";
    let config = ContainerConfig {
        command: strings(&["sh", "-c", script]),
        ..container(&client, "main", "busybox")
    };
    let (ended, said) = second.run(config).await;
    assert_eq!(
        (ended.code, said.as_str()),
        (
            0,
            "Hello from server\nwget: can't connect to remote host (10.244.0.2): Connection refused\n20000\n20000\n"
        )
    );
    let fetching = ContainerConfig {
        ports: vec![8080],
        ..container(&client, "web", "nginx")
    };
    second.start(fetching.clone());
    second.started(fetching.id.as_ref().unwrap()).await;
    let fetched = second
        .exec(
            "client",
            "web",
            &[
                "wget",
                "-q",
                "-O",
                "-",
                "http://localhost:8080/fetch/10.244.0.2/",
            ],
            "",
        )
        .await;
    let said = second.log("client", "web", LogOptions::default()).await;
    let expected = (0, "Hello from server\n".to_owned(), String::new());
    assert_eq!(fetched, expected, "{said}");
    second.runtime.submit(RuntimeCommand::RemoveSandbox {
        pod: "client".to_owned(),
    });
    first.shut_down().await;
    second.shut_down().await;
}
