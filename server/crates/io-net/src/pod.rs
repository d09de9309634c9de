//! A pod's network as its containers use it.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use netstack::node::HOST;
use netstack::{FiveTuple, Origin, Protocol, Stack, StackId, Verdict};
use shared::Millis;

use crate::dns;
use crate::error::{io_error, v4};
use crate::network::{NodeNetwork, Shared};
use crate::tcp::{TcpListener, TcpStream};
use crate::udp::UdpSocket;

/// A network namespace. Clones share it; it stays usable until the pod is removed from its node.
#[derive(Clone, Debug)]
pub struct PodNetwork {
    pub(crate) shared: Arc<Shared>,
    pub(crate) stack: StackId,
    ip: Ipv4Addr,
    search: Arc<[String]>,
}

impl PodNetwork {
    pub(crate) fn new(
        shared: Arc<Shared>,
        stack: StackId,
        ip: Ipv4Addr,
        search: Arc<[String]>,
    ) -> Self {
        Self {
            shared,
            stack,
            ip,
            search,
        }
    }

    /// The pod's address; for the node's own stack the node's address.
    #[must_use]
    pub fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    pub(crate) fn with<R>(
        &self,
        act: impl FnOnce(&mut Stack, Millis) -> R,
    ) -> Result<R, netstack::NetError> {
        self.shared.act(|inner, now| {
            let stack = inner
                .node
                .stack(self.stack)
                .ok_or(netstack::NetError::Gone)?;
            Ok(act(stack, now))
        })
    }

    fn node(&self) -> NodeNetwork {
        NodeNetwork {
            shared: self.shared.clone(),
        }
    }

    /// Listens for connections; port 0 takes a free one.
    ///
    /// # Errors
    /// As bind(2) and listen(2).
    #[expect(
        clippy::unused_async,
        reason = "the shape of every other socket library"
    )]
    pub async fn tcp_listen(&self, address: SocketAddr, backlog: usize) -> io::Result<TcpListener> {
        let address = v4(address)?;
        let listened = self.with(|stack, _| stack.tcp_listen(address, backlog));
        let (id, local) = listened.and_then(|l| l).map_err(io_error)?;
        Ok(TcpListener::new(self.clone(), id, local))
    }

    /// Connects. `from` chooses the own address or port.
    ///
    /// # Errors
    /// As connect(2): `ConnectionRefused`, `TimedOut` by the cluster's clock, `HostUnreachable`, ...
    pub async fn tcp_connect(
        &self,
        address: SocketAddr,
        from: Option<SocketAddr>,
    ) -> io::Result<TcpStream> {
        let stream = self.tcp_begin_connect(address, from)?;
        stream.connected().await?;
        Ok(stream)
    }

    /// Begins to connect; [`TcpStream::poll_connected`] tells how it went.
    ///
    /// # Errors
    /// What can be said at once.
    pub fn tcp_begin_connect(
        &self,
        address: SocketAddr,
        from: Option<SocketAddr>,
    ) -> io::Result<TcpStream> {
        let (mut to, from) = (v4(address)?, from.map(v4).transpose()?);
        if self.stack == HOST {
            to = self.own_service(to, SocketAddrV4::new(self.ip, 0))?;
        }
        self.begin_connect(to, from)
    }

    pub(crate) fn begin_connect(
        &self,
        to: SocketAddrV4,
        from: Option<SocketAddrV4>,
    ) -> io::Result<TcpStream> {
        let connected = self.with(|stack, _| {
            let id = stack.tcp_connect(to, from)?;
            let (local, _) = stack.tcp_addresses(id).ok_or(netstack::NetError::Gone)?;
            Ok((id, local))
        });
        let (id, local) = connected.and_then(|c| c).map_err(io_error)?;
        Ok(TcpStream::new(self.clone(), id, local, to))
    }

    /// Where the node's own connection to one of its own addresses goes. Such packets never reach the router, so
    /// the rules for node ports are asked here, once, as a socket-level load balancer does.
    pub(crate) fn own_service(
        &self,
        to: SocketAddrV4,
        client: SocketAddrV4,
    ) -> io::Result<SocketAddrV4> {
        let own = self
            .with(|stack, _| stack.is_own(*to.ip()))
            .map_err(io_error)?;
        if !own {
            return Ok(to);
        }
        let flow = FiveTuple {
            protocol: Protocol::Tcp,
            source: client,
            destination: to,
        };
        match self.node().services().verdict(&flow, Origin::Host) {
            Verdict::Pass => Ok(to),
            Verdict::Translate { to, .. } => Ok(to),
            Verdict::Reject => Err(io_error(netstack::NetError::ConnectionRefused(to))),
            Verdict::Drop => Err(io_error(netstack::NetError::TimedOut(to))),
        }
    }

    /// Opens a datagram socket; port 0 takes a free one.
    ///
    /// # Errors
    /// As bind(2).
    pub fn udp_bind(&self, address: SocketAddr) -> io::Result<UdpSocket> {
        let address = v4(address)?;
        let bound = self.with(|stack, _| stack.udp_bind(address));
        let (id, local) = bound.and_then(|b| b).map_err(io_error)?;
        Ok(UdpSocket::new(self.clone(), id, local))
    }

    /// The addresses of a name: literal, `localhost`, or of the cluster's zone, completed by the search domains as
    /// resolv.conf(5) with `ndots:5` says.
    ///
    /// # Errors
    /// `NotFound` when no such name exists.
    #[expect(
        clippy::unused_async,
        reason = "names outside the zone will need a server"
    )]
    pub async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        dns::resolve(&*self.node().zone(), name, &self.search)
    }

    /// The search domains.
    #[must_use]
    pub fn search(&self) -> &[String] {
        &self.search
    }

    pub(crate) fn names(&self) -> Arc<dyn dns::Names> {
        self.node().zone()
    }

    /// Sends an ICMP echo request and waits at most `timeout_ms` of cluster time; gives the time it took in
    /// microseconds of the host's clock.
    ///
    /// # Errors
    /// `TimedOut`, or `InvalidInput` for an address that cannot be asked.
    pub async fn ping(&self, to: Ipv4Addr, sequence: u16, timeout_ms: u64) -> io::Result<u64> {
        let ident = (self.shared.clock.host_us() >> 4) as u16;
        let began = self.shared.clock.host_us();
        let sent = self.with(|stack, _| stack.ping(to, ident, sequence));
        sent.and_then(|s| s).map_err(io_error)?;
        let answered = poll_fn(|cx| {
            let answered = self.with(|stack, _| stack.ping_answered(ident, sequence, cx.waker()));
            match answered {
                Ok(false) => std::task::Poll::Pending,
                Ok(true) => std::task::Poll::Ready(Ok(())),
                Err(error) => std::task::Poll::Ready(Err(io_error(error))),
            }
        });
        tokio::select! {
            done = answered => done.map(|()| self.shared.clock.host_us() - began),
            () = self.shared.clock.sleep_ms(timeout_ms) => {
                let _ = self.with(|stack, _| stack.ping_forget(ident, sequence));
                Err(io_error(netstack::NetError::TimedOut(SocketAddrV4::new(to, 0))))
            }
        }
    }

    /// Packets and bytes that its interface has carried; nothing once the pod is gone.
    #[must_use]
    pub fn traffic(&self) -> netstack::Traffic {
        let inner = self.shared.inner.lock();
        let stack = inner.node.peek(self.stack);
        stack.map_or_else(Default::default, Stack::traffic)
    }

    /// Sockets in use, those included that are only finishing their close.
    #[must_use]
    pub fn socket_count(&self) -> usize {
        let inner = self.shared.inner.lock();
        inner.node.peek(self.stack).map_or(0, Stack::socket_count)
    }
}
