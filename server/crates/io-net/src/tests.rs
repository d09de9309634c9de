//! Nodes on 127.x.y.z of this machine, with real UDP between them.

mod cluster;
mod kernel;
mod names;
mod node_port;
mod pods;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use io_clock::Clock;
use netstack::{FiveTuple, Origin, Prefix, Services, Verdict};
use shared::Millis;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::*;

/// Nodes that know each other.
pub(crate) struct World {
    pub(crate) nodes: Vec<NodeNetwork>,
    pub(crate) tasks: TaskTracker,
    pub(crate) cancel: CancellationToken,
    pub(crate) clock: Clock,
}

/// Every test has its own addresses: tests run at the same time.
static NETS: AtomicU16 = AtomicU16::new(1);

/// A port of its own for each test, out of the range that the system gives to connections.
pub(crate) fn node_port() -> u16 {
    static PORTS: AtomicU16 = AtomicU16::new(30000);
    PORTS.fetch_add(1, Ordering::Relaxed) + (std::process::id() % 80) as u16 * 30
}

pub(crate) fn sa(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

impl World {
    pub(crate) async fn new(count: u8) -> Self {
        let net = NETS.fetch_add(1, Ordering::Relaxed) + (std::process::id() % 80) as u16 * 100;
        let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
        let clock = Clock::start(Millis(0));
        let mut nodes = Vec::new();
        for n in 0..count {
            let ip = Ipv4Addr::new(127, 1 + (net >> 8) as u8, net as u8, n + 1);
            let config = NodeConfig {
                underlay_port: 0,
                ..NodeConfig::new(&format!("node-{n}"), ip)
            };
            let node = NodeNetwork::start(config, clock.clone(), &tasks, cancel.clone())
                .await
                .unwrap();
            node.set_pod_cidr(Prefix::new(Ipv4Addr::new(10, 244, n, 0), 24));
            nodes.push(node);
        }
        let world = Self {
            nodes,
            tasks,
            cancel,
            clock,
        };
        for n in 0..world.nodes.len() {
            world.nodes[n].set_routes(&world.routes(n));
        }
        world
    }

    pub(crate) fn routes(&self, own: usize) -> Vec<OverlayRoute> {
        let route = |(n, node): (usize, &NodeNetwork)| OverlayRoute {
            prefix: Prefix::new(Ipv4Addr::new(10, 244, n as u8, 0), 24),
            hop: if n == own {
                Hop::Local
            } else {
                let (remote, port) = (node.host().ip(), node.underlay_port());
                Hop::Vxlan {
                    vni: 1,
                    remote,
                    port,
                    mac: node.vtep_mac(),
                }
            },
        };
        self.nodes.iter().enumerate().map(route).collect()
    }

    pub(crate) fn pod(&self, node: usize, last: u8) -> PodNetwork {
        let ip = Ipv4Addr::new(10, 244, node as u8, last);
        let search = vec![
            "default.svc.cluster.local".into(),
            "svc.cluster.local".into(),
            "cluster.local".into(),
        ];
        self.nodes[node]
            .add_pod(&format!("{node}-{last}"), ip, search)
            .unwrap()
    }

    /// A pod that says everything back.
    pub(crate) async fn echo_server(&self, pod: &PodNetwork, port: u16) {
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let listener = pod.tcp_listen(any, 64).await.unwrap();
        let (tasks, cancel) = (self.tasks.clone(), self.cancel.clone());
        self.tasks.spawn(async move {
            let serve = async {
                while let Ok((stream, _)) = listener.accept().await {
                    let cancel = cancel.clone();
                    tasks.spawn(async move {
                        let echo = async {
                            let (mut from, mut to) = tokio::io::split(stream);
                            let _ = tokio::io::copy(&mut from, &mut to).await;
                            let _ = to.shutdown().await;
                        };
                        cancel.run_until_cancelled(echo).await
                    });
                }
            };
            cancel.run_until_cancelled(serve).await;
        });
    }

    pub(crate) async fn end(self) {
        self.cancel.cancel();
        self.tasks.close();
        within(self.tasks.wait()).await;
    }
}

/// A test that hangs fails instead.
pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(std::time::Duration::from_secs(60), what)
        .await
        .expect("nothing happened for a minute")
}

/// Says `data` and reads until the other side has finished.
pub(crate) async fn ask(stream: TcpStream, data: &[u8]) -> Vec<u8> {
    let (mut from, mut to) = tokio::io::split(stream);
    let say = async {
        to.write_all(data).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let hear = async {
        let mut got = Vec::new();
        from.read_to_end(&mut got).await.unwrap();
        got
    };
    within(async { tokio::join!(say, hear).1 }).await
}

/// One endpoint for each Service address, or none.
#[derive(Debug, Default)]
pub(crate) struct Rules(pub(crate) BTreeMap<SocketAddrV4, Option<SocketAddrV4>>);

impl Rules {
    pub(crate) fn one(service: SocketAddrV4, to: Option<SocketAddrV4>) -> Arc<Self> {
        Arc::new(Self(BTreeMap::from([(service, to)])))
    }
}

impl Services for Rules {
    fn verdict(&self, flow: &FiveTuple, _: Origin) -> Verdict {
        match self.0.get(&flow.destination) {
            None => Verdict::Pass,
            Some(None) => Verdict::Reject,
            Some(Some(to)) => Verdict::Translate {
                to: *to,
                masquerade: false,
            },
        }
    }
}
