//! How fast the pod network is: throughput, round trips and connections, within a node and between two, beside the
//! same over the kernel's loopback. One JSON line a figure.
//!
//! `cargo bench -p io-net --bench overlay [-- SECONDS [BUFFER_KIB]]`

#![expect(clippy::print_stdout, reason = "the figures are the product")]
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark reads the host's clock"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use io_clock::Clock;
use io_net::{Hop, NodeConfig, NodeNetwork, OverlayRoute, PodNetwork};
use netstack::Prefix;
use shared::Millis;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const BLOCK: usize = 64 * 1024;
const PORT: u16 = 7000;

trait Wire: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Wire for T {}

/// Either side of the comparison.
#[derive(Clone)]
enum Net {
    Kernel,
    Pods {
        client: PodNetwork,
        server: PodNetwork,
    },
}

enum Listener {
    Kernel(tokio::net::TcpListener),
    Pod(io_net::TcpListener),
}

impl Listener {
    async fn accept(&self) -> std::io::Result<Box<dyn Wire>> {
        Ok(match self {
            Self::Kernel(l) => {
                let (stream, _) = l.accept().await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Self::Pod(l) => Box::new(l.accept().await?.0),
        })
    }
}

impl Net {
    async fn listen(&self) -> anyhow::Result<(Listener, SocketAddr)> {
        Ok(match self {
            Self::Kernel => {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
                let at = listener.local_addr()?;
                (Listener::Kernel(listener), at)
            }
            Self::Pods { server, .. } => {
                let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
                let listener = server.tcp_listen(any, 1024).await?;
                (Listener::Pod(listener), (server.ip(), PORT).into())
            }
        })
    }

    async fn connect(&self, to: SocketAddr) -> anyhow::Result<Box<dyn Wire>> {
        Ok(match self {
            Self::Kernel => {
                let stream = tokio::net::TcpStream::connect(to).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Self::Pods { client, .. } => Box::new(client.tcp_connect(to, None).await?),
        })
    }
}

fn report(path: &str, figure: &str, value: f64, unit: &str) {
    println!(
        "{{\"bench\":\"overlay\",\"path\":\"{path}\",\"figure\":\"{figure}\",\"value\":{value:.3},\"unit\":\"{unit}\"}}"
    );
}

async fn throughput(
    net: &Net,
    path: &str,
    tasks: &TaskTracker,
    time: Duration,
) -> anyhow::Result<()> {
    let (listener, at) = net.listen().await?;
    let sink = tasks.spawn(async move {
        let mut stream = listener.accept().await?;
        let mut buf = vec![0; BLOCK];
        let mut total = 0_u64;
        loop {
            match stream.read(&mut buf).await? {
                0 => return std::io::Result::Ok(total),
                n => total += n as u64,
            }
        }
    });
    let mut stream = net.connect(at).await?;
    let block = vec![7; BLOCK];
    let began = Instant::now();
    while began.elapsed() < time {
        stream.write_all(&block).await?;
    }
    stream.shutdown().await?;
    let total = sink.await??;
    let seconds = began.elapsed().as_secs_f64();
    report(
        path,
        "tcp_throughput",
        total as f64 * 8.0 / seconds / 1e9,
        "Gbit/s",
    );
    Ok(())
}

async fn round_trips(
    net: &Net,
    path: &str,
    tasks: &TaskTracker,
    time: Duration,
) -> anyhow::Result<()> {
    let (listener, at) = net.listen().await?;
    let echo = tasks.spawn(async move {
        let mut stream = listener.accept().await?;
        let mut buf = [0; 64];
        while stream.read_exact(&mut buf).await.is_ok() {
            stream.write_all(&buf).await?;
        }
        std::io::Result::Ok(())
    });
    let mut stream = net.connect(at).await?;
    let mut buf = [7; 64];
    let mut took = Vec::new();
    let began = Instant::now();
    while began.elapsed() < time {
        let one = Instant::now();
        stream.write_all(&buf).await?;
        stream.read_exact(&mut buf).await?;
        took.push(one.elapsed());
    }
    drop(stream);
    echo.await??;
    took.sort_unstable();
    for (name, share) in [("rtt_64b_p50", 50), ("rtt_64b_p99", 99)] {
        let at = took
            .get(took.len() * share / 100)
            .copied()
            .unwrap_or_default();
        report(path, name, at.as_secs_f64() * 1e6, "us");
    }
    Ok(())
}

async fn connections(
    net: &Net,
    path: &str,
    tasks: &TaskTracker,
    time: Duration,
) -> anyhow::Result<()> {
    let (listener, at) = net.listen().await?;
    let stop = CancellationToken::new();
    let token = stop.clone();
    let server = tasks.spawn(async move {
        let serve = async {
            while let Ok(mut stream) = listener.accept().await {
                let mut buf = [0; 1];
                // The client closes first, so that its side waits in TIME-WAIT as usual.
                let _ = stream.read(&mut buf).await;
            }
        };
        token.run_until_cancelled(serve).await;
    });
    let mut count = 0_u64;
    let began = Instant::now();
    while began.elapsed() < time {
        drop(net.connect(at).await?);
        count += 1;
    }
    report(
        path,
        "connections",
        count as f64 / began.elapsed().as_secs_f64(),
        "1/s",
    );
    stop.cancel();
    server.await?;
    Ok(())
}

async fn nodes(
    tasks: &TaskTracker,
    cancel: &CancellationToken,
    buffer: usize,
) -> anyhow::Result<Vec<NodeNetwork>> {
    let clock = Clock::start(Millis(0));
    let mut nodes = Vec::new();
    for n in 0..2_u8 {
        let ip = Ipv4Addr::new(127, 77, 0, n + 1);
        let config = NodeConfig {
            underlay_port: 0,
            buffer,
            ..NodeConfig::new(&format!("bench-{n}"), ip)
        };
        let node = NodeNetwork::start(config, clock.clone(), tasks, cancel.clone()).await?;
        node.set_pod_cidr(Prefix::new(Ipv4Addr::new(10, 244, n, 0), 24));
        nodes.push(node);
    }
    for own in 0..nodes.len() {
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
        let routes: Vec<_> = nodes.iter().enumerate().map(route).collect();
        if let Some(node) = nodes.get(own) {
            node.set_routes(&routes);
        }
    }
    Ok(nodes)
}

async fn run(time: Duration, buffer: usize) -> anyhow::Result<()> {
    let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
    let nodes = nodes(&tasks, &cancel, buffer).await?;
    let pod = |node: usize, last: u8| {
        let ip = Ipv4Addr::new(10, 244, node as u8, last);
        nodes
            .get(node)
            .ok_or_else(|| anyhow::anyhow!("no node {node}"))?
            .add_pod(&format!("{node}-{last}"), ip, Vec::new())
            .map_err(anyhow::Error::from)
    };
    let (client, near, far) = (pod(0, 2)?, pod(0, 3)?, pod(1, 2)?);
    for (path, net) in [
        ("kernel loopback", Net::Kernel),
        (
            "pod to pod, one node",
            Net::Pods {
                client: client.clone(),
                server: near,
            },
        ),
        (
            "pod to pod, vxlan",
            Net::Pods {
                client,
                server: far,
            },
        ),
    ] {
        throughput(&net, path, &tasks, time).await?;
        round_trips(&net, path, &tasks, time).await?;
        connections(&net, path, &tasks, time).await?;
    }
    cancel.cancel();
    tasks.close();
    tasks.wait().await;
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let mut numbers = std::env::args().filter_map(|a| a.parse::<f64>().ok());
    let seconds = numbers.next().unwrap_or(2.0);
    let buffer = numbers.next().unwrap_or(64.0) as usize * 1024;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(Duration::from_secs_f64(seconds), buffer))
}
