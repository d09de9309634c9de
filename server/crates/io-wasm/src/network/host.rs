//! Pods on the host's loopback network: a pod's address is one of 127.0.0.0/8, which Linux lets anybody bind.
//!
//! For tests of the engine by itself. There is no isolation, no service and no cluster DNS: names are those given in
//! [`Loopback::with_names`].

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

use super::{
    BoxListener, BoxStream, Datagrams, Listener, Network, NodeNetwork, SharedNetwork, Stream,
};

/// A node whose pods live on the host's loopback network.
#[derive(Clone, Debug, Default)]
pub struct Loopback {
    names: Arc<BTreeMap<String, Ipv4Addr>>,
}

impl Loopback {
    /// A node that knows these names.
    #[must_use]
    pub fn with_names(names: BTreeMap<String, Ipv4Addr>) -> Self {
        Self {
            names: Arc::new(names),
        }
    }
}

impl NodeNetwork for Loopback {
    fn add_pod(&self, _uid: &str, ip: Ipv4Addr, _search: Vec<String>) -> io::Result<SharedNetwork> {
        if !ip.is_loopback() {
            return Err(io::Error::new(
                io::ErrorKind::AddrNotAvailable,
                format!("{ip} is not in 127.0.0.0/8"),
            ));
        }
        Ok(Arc::new(LoopbackPod {
            ip,
            names: Arc::clone(&self.names),
        }))
    }

    fn remove_pod(&self, _uid: &str) {}

    fn host(&self) -> SharedNetwork {
        Arc::new(LoopbackPod {
            ip: Ipv4Addr::LOCALHOST,
            names: Arc::clone(&self.names),
        })
    }
}

struct LoopbackPod {
    ip: Ipv4Addr,
    names: Arc<BTreeMap<String, Ipv4Addr>>,
}

impl LoopbackPod {
    /// Inside the pod, every address and localhost are its own.
    fn own(&self, at: SocketAddr) -> SocketAddr {
        match at.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() || ip == Ipv4Addr::LOCALHOST => {
                SocketAddr::new(self.ip.into(), at.port())
            }
            _ => at,
        }
    }
}

impl Network for LoopbackPod {
    fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    fn tcp_listen(
        &self,
        at: SocketAddr,
        backlog: usize,
    ) -> BoxFuture<'static, io::Result<BoxListener>> {
        let at = self.own(at);
        Box::pin(async move {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(at)?;
            let listener = socket.listen(u32::try_from(backlog).unwrap_or(u32::MAX))?;
            let local = listener.local_addr()?;
            Ok(Box::new(HostListener { listener, local }) as BoxListener)
        })
    }

    fn tcp_connect(
        &self,
        to: SocketAddr,
        from: Option<SocketAddr>,
    ) -> BoxFuture<'static, io::Result<BoxStream>> {
        let to = self.own(to);
        let from = self.own(from.unwrap_or(SocketAddr::new(self.ip.into(), 0)));
        Box::pin(async move {
            let socket = TcpSocket::new_v4()?;
            socket.bind(from)?;
            HostStream::boxed(socket.connect(to).await?)
        })
    }

    fn udp_bind(&self, at: SocketAddr) -> io::Result<Arc<dyn Datagrams>> {
        let socket = std::net::UdpSocket::bind(self.own(at))?;
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        Ok(Arc::new(HostDatagrams {
            socket: UdpSocket::from_std(socket)?,
            local,
        }))
    }

    fn resolve(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let answer = match name.trim_end_matches('.') {
            "localhost" => Ok(vec![self.ip.into()]),
            name => self
                .names
                .get(name)
                .map(|ip| vec![IpAddr::V4(*ip)])
                .ok_or_else(|| {
                    io::Error::new(io::ErrorKind::NotFound, format!("no such name: {name}"))
                }),
        };
        Box::pin(std::future::ready(answer))
    }
}

struct HostListener {
    listener: TcpListener,
    local: SocketAddr,
}

impl Listener for HostListener {
    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(BoxStream, SocketAddr)>> {
        self.listener.poll_accept(cx).map(|accepted| {
            accepted.and_then(|(stream, peer)| Ok((HostStream::boxed(stream)?, peer)))
        })
    }
}

struct HostStream {
    stream: TcpStream,
    local: SocketAddr,
    peer: SocketAddr,
}

impl HostStream {
    fn boxed(stream: TcpStream) -> io::Result<BoxStream> {
        stream.set_nodelay(true)?;
        let (local, peer) = (stream.local_addr()?, stream.peer_addr()?);
        Ok(Box::new(Self {
            stream,
            local,
            peer,
        }))
    }
}

impl Stream for HostStream {
    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    fn peer_addr(&self) -> SocketAddr {
        self.peer
    }
}

impl AsyncRead for HostStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for HostStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

struct HostDatagrams {
    socket: UdpSocket,
    local: SocketAddr,
}

impl Datagrams for HostDatagrams {
    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        data: &[u8],
        to: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_send_to(cx, data, to)
    }

    fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut buffer = ReadBuf::new(buffer);
        self.socket
            .poll_recv_from(cx, &mut buffer)
            .map_ok(|from| (buffer.filled().len(), from))
    }
}
