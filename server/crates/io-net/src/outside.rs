//! From pods to addresses that only the host reaches, such as the apiserver's: the node's stack takes the connection
//! and carries its bytes over one of the host's own sockets.
//!
//! Only addresses that were named are reachable. The pod's handshake ends before the host's begins, so a refusal
//! arrives as a reset.

use std::io;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::io_error;
use crate::forward::splice;
use crate::pod::PodNetwork;
use crate::tcp::{TcpListener, TcpStream};

/// Connections to the outside at one time; more wait in the backlog.
const CONNECTIONS_MAX: usize = 1024;

pub(crate) fn serve(
    host: &PodNetwork,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) -> io::Result<()> {
    let listened = host.with(|stack, _| stack.tcp_listen_outside(CONNECTIONS_MAX));
    let id = listened.and_then(|l| l).map_err(io_error)?;
    let any = std::net::SocketAddrV4::new(std::net::Ipv4Addr::UNSPECIFIED, 0);
    let listener = TcpListener::new(host.clone(), id, any);
    let (workers, token) = (tasks.clone(), cancel.clone());
    tasks.spawn(async move {
        let accepting = accept(listener, workers, token.clone());
        token.run_until_cancelled(accepting).await;
    });
    Ok(())
}

async fn accept(listener: TcpListener, tasks: TaskTracker, cancel: CancellationToken) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(permit) = room.clone().acquire_owned().await {
        let Ok((stream, peer)) = listener.accept().await else {
            return;
        };
        let cancel = cancel.clone();
        tasks.spawn(async move {
            if let Some(Err(error)) = cancel.run_until_cancelled(carry(stream)).await {
                tracing::debug!(%peer, %error, "connection to the outside ended");
            }
            drop(permit);
        });
    }
}

async fn carry(inside: TcpStream) -> io::Result<(u64, u64)> {
    match tokio::net::TcpStream::connect(inside.local_addr()).await {
        Ok(outside) => splice(outside, inside).await,
        Err(error) => {
            inside.abort();
            Err(error)
        }
    }
}
