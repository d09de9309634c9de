//! The cluster's network (`io-net`) as the engine's: each pod's own TCP/IP stack behind its node's router.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use io_net::{PodNetwork, TcpListener, TcpStream, UdpSocket};

use super::{
    BoxListener, BoxStream, Datagrams, Listener, Network, NodeNetwork, SharedNetwork, Stream,
};

impl NodeNetwork for io_net::NodeNetwork {
    fn add_pod(&self, uid: &str, ip: Ipv4Addr, search: Vec<String>) -> io::Result<SharedNetwork> {
        let pod = Self::add_pod(self, uid, ip, search).map_err(io::Error::other)?;
        Ok(Arc::new(pod))
    }

    fn remove_pod(&self, uid: &str) {
        Self::remove_pod(self, uid);
    }

    fn host(&self) -> SharedNetwork {
        Arc::new(Self::host(self))
    }
}

impl Network for PodNetwork {
    fn ip(&self) -> Ipv4Addr {
        Self::ip(self)
    }

    fn tcp_listen(
        &self,
        at: SocketAddr,
        backlog: usize,
    ) -> BoxFuture<'static, io::Result<BoxListener>> {
        let pod = self.clone();
        Box::pin(
            async move { Ok(Box::new(Self::tcp_listen(&pod, at, backlog).await?) as BoxListener) },
        )
    }

    fn tcp_connect(
        &self,
        to: SocketAddr,
        from: Option<SocketAddr>,
    ) -> BoxFuture<'static, io::Result<BoxStream>> {
        let pod = self.clone();
        Box::pin(async move { Ok(Box::new(Self::tcp_connect(&pod, to, from).await?) as BoxStream) })
    }

    fn udp_bind(&self, at: SocketAddr) -> io::Result<Arc<dyn Datagrams>> {
        Ok(Arc::new(Self::udp_bind(self, at)?))
    }

    fn resolve(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let (pod, name) = (self.clone(), name.to_owned());
        Box::pin(async move { Self::resolve(&pod, &name).await })
    }
}

impl Stream for TcpStream {
    fn local_addr(&self) -> SocketAddr {
        Self::local_addr(self)
    }

    fn peer_addr(&self) -> SocketAddr {
        Self::peer_addr(self)
    }
}

impl Listener for TcpListener {
    fn local_addr(&self) -> SocketAddr {
        Self::local_addr(self)
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(BoxStream, SocketAddr)>> {
        let (stream, peer) = ready!(Self::poll_accept(self, cx))?;
        Poll::Ready(Ok((Box::new(stream), peer)))
    }
}

impl Datagrams for UdpSocket {
    fn local_addr(&self) -> SocketAddr {
        Self::local_addr(self)
    }

    fn poll_send_to(
        &self,
        _: &mut Context<'_>,
        data: &[u8],
        to: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        // It never waits: a full queue drops, as networks do.
        Poll::Ready(self.try_send_to(data, to))
    }

    fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        if let Some(_peer) = self.take_refused() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into()));
        }
        let (data, from) = ready!(self.poll_recv(cx))?;
        let n = data.len().min(buffer.len());
        buffer[..n].copy_from_slice(&data[..n]);
        Poll::Ready(Ok((n, from)))
    }
}
