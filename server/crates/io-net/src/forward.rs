//! Joins a connection of the host's with one inside a pod's network.

use std::io;
use std::net::SocketAddr;

use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::TcpStream;

use crate::pod::PodNetwork;
use crate::tcp;

/// Bytes that wait in each direction.
const COPY_BUFFER: usize = 32 * 1024;

/// Connects from `network` to `target` and carries bytes both ways until both sides have finished, each half on its
/// own. Gives the bytes to and from the target.
///
/// # Errors
/// When the target cannot be reached, or either side breaks.
pub async fn forward(
    client: TcpStream,
    network: &PodNetwork,
    target: SocketAddr,
) -> io::Result<(u64, u64)> {
    let inside = network.tcp_connect(target, None).await?;
    splice(client, inside).await
}

pub(crate) async fn splice(
    mut client: TcpStream,
    mut inside: tcp::TcpStream,
) -> io::Result<(u64, u64)> {
    client.set_nodelay(true)?;
    copy_bidirectional_with_sizes(&mut client, &mut inside, COPY_BUFFER, COPY_BUFFER).await
}
