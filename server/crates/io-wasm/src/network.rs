//! What the engine needs of a network: a pod's own sockets and name lookup, and the node's network namespaces.
//!
//! The traits keep the engine apart from any one network. `io-net` is the cluster's; [`host`] binds the host's loopback
//! for tests and for running an image by itself.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

mod cluster;
pub(crate) mod drain;
pub mod host;
pub mod trust;

/// A connected TCP stream inside a pod's network.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// This end's address.
    fn local_addr(&self) -> SocketAddr;
    /// The other end's address.
    fn peer_addr(&self) -> SocketAddr;
}

/// Any stream.
pub type BoxStream = Box<dyn Stream>;

/// A listening TCP socket inside a pod's network.
pub trait Listener: Send + Unpin + 'static {
    /// Where it listens; the port is the real one when 0 was asked for.
    fn local_addr(&self) -> SocketAddr;
    /// The next connection.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(BoxStream, SocketAddr)>>;
}

/// Any listener.
pub type BoxListener = Box<dyn Listener>;

/// A bound UDP socket inside a pod's network.
pub trait Datagrams: Send + Sync + 'static {
    /// Where it is bound.
    fn local_addr(&self) -> SocketAddr;
    /// Sends one datagram.
    fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        data: &[u8],
        to: SocketAddr,
    ) -> Poll<io::Result<usize>>;
    /// Receives one datagram; one longer than `buffer` is cut.
    fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>>;
}

/// One network namespace: a pod's, or the node's own.
pub trait Network: Send + Sync + 'static {
    /// Its address.
    fn ip(&self) -> Ipv4Addr;
    /// Listens for TCP connections; `AddrInUse` when the port is taken in this namespace.
    fn tcp_listen(
        &self,
        at: SocketAddr,
        backlog: usize,
    ) -> BoxFuture<'static, io::Result<BoxListener>>;
    /// Connects; `ConnectionRefused` on a reset, `TimedOut` when nothing answers.
    fn tcp_connect(
        &self,
        to: SocketAddr,
        from: Option<SocketAddr>,
    ) -> BoxFuture<'static, io::Result<BoxStream>>;
    /// Binds a UDP socket.
    ///
    /// # Errors
    /// `AddrInUse` when the port is taken in this namespace.
    fn udp_bind(&self, at: SocketAddr) -> io::Result<Arc<dyn Datagrams>>;
    /// Looks a name up in the cluster's DNS, with the pod's search domains; `NotFound` when there is none.
    fn resolve(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
    /// What makes TLS connections for guests; without it `https` is refused.
    fn tls(&self) -> Option<TlsConnector> {
        None
    }
}

/// A network namespace that is shared.
pub type SharedNetwork = Arc<dyn Network>;

/// A node's network namespaces.
pub trait NodeNetwork: Send + Sync + 'static {
    /// Makes a pod's namespace.
    ///
    /// # Errors
    /// When the address is taken or no address of this node.
    fn add_pod(&self, uid: &str, ip: Ipv4Addr, search: Vec<String>) -> io::Result<SharedNetwork>;
    /// Removes it with all its sockets. A pod that is not there is no error.
    fn remove_pod(&self, uid: &str);
    /// The node's own namespace: probes come from here.
    fn host(&self) -> SharedNetwork;
}
