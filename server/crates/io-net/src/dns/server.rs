//! The DNS server of a node, on the node's own stack: UDP and TCP port 53 of the kube-dns address.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{CLUSTER_DNS, answer};
use crate::pod::PodNetwork;
use crate::tcp::TcpStream;
use crate::udp::UdpSocket;

/// TCP clients at one time; more wait in the backlog.
const CLIENTS_MAX: usize = 64;
/// Cluster milliseconds a TCP client may be silent (RFC 7766 section 6.2.3 asks for a few seconds).
const IDLE_MS: u64 = 10_000;

/// Starts the server in `tasks`.
///
/// # Errors
/// When the address is taken on the node's stack.
pub(crate) fn serve(
    host: &PodNetwork,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) -> io::Result<()> {
    let at = SocketAddr::from((CLUSTER_DNS, 53));
    let socket = host.udp_bind(at)?;
    let (pod, token) = (host.clone(), cancel.clone());
    tasks.spawn(async move { token.run_until_cancelled(serve_udp(pod, socket)).await });
    let (pod, token, clients) = (host.clone(), cancel.clone(), tasks.clone());
    tasks.spawn(async move {
        let serving = serve_tcp(pod, at, clients, token.clone());
        token.run_until_cancelled(serving).await;
    });
    Ok(())
}

async fn serve_udp(pod: PodNetwork, socket: UdpSocket) {
    let mut buf = vec![0; 2048];
    while let Ok((len, from)) = socket.recv_from(&mut buf).await {
        let query = buf.get(..len).unwrap_or_default();
        if let Some(reply) = answer(&*pod.names(), query, false) {
            let _ = socket.try_send_to(&reply, from);
        }
    }
}

async fn serve_tcp(pod: PodNetwork, at: SocketAddr, tasks: TaskTracker, cancel: CancellationToken) {
    let Ok(listener) = pod.tcp_listen(at, CLIENTS_MAX).await else {
        return;
    };
    let room = Arc::new(Semaphore::new(CLIENTS_MAX));
    while let Ok(permit) = room.clone().acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        let (pod, cancel) = (pod.clone(), cancel.clone());
        tasks.spawn(async move {
            let _ = cancel.run_until_cancelled(serve_client(pod, stream)).await;
            drop(permit);
        });
    }
}

async fn serve_client(pod: PodNetwork, mut stream: TcpStream) -> io::Result<()> {
    loop {
        let query = tokio::select! {
            query = read_message(&mut stream) => query?,
            () = pod.shared.clock.sleep_ms(IDLE_MS) => return Ok(()),
        };
        let Some(reply) = answer(&*pod.names(), &query, true) else {
            return Ok(());
        };
        let mut framed = (reply.len() as u16).to_be_bytes().to_vec();
        framed.extend_from_slice(&reply);
        stream.write_all(&framed).await?;
    }
}

/// A message after its length (RFC 1035 section 4.2.2).
async fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let len = stream.read_u16().await?;
    let mut query = vec![0; usize::from(len)];
    stream.read_exact(&mut query).await?;
    Ok(query)
}
