//! `wasi:sockets/udp` on a pod's network.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use wasmtime::component::Resource;
use wasmtime_wasi::p2::SocketError;
use wasmtime_wasi::p2::bindings::sockets::network::{
    ErrorCode, IpAddressFamily, IpSocketAddress, Network,
};
use wasmtime_wasi_io::poll::{DynPollable, Pollable, subscribe};

use super::bindings::udp::{
    Host, HostIncomingDatagramStream, HostOutgoingDatagramStream, HostUdpSocket, IncomingDatagram,
    OutgoingDatagram,
};
use super::bindings::udp_create_socket;
use super::{PodSockets, SocketResult, address, no_wait};
use crate::network::Datagrams;

/// Most datagrams one call moves.
const BATCH_MAX: usize = 16;
/// Longest UDP payload over IPv4.
const DATAGRAM_MAX: usize = 65_507;
/// What buffer sizes read as until they are set.
const BUFFER_BYTES: u64 = 64 * 1024;

/// A guest's UDP socket.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct UdpSocket {
    bound: Option<Arc<dyn Datagrams>>,
    binding: bool,
    peer: Option<SocketAddr>,
    hop_limit: u8,
    receive_buffer: u64,
    send_buffer: u64,
}

/// The receiving direction, optionally of one peer only.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct IncomingDatagrams {
    socket: Arc<dyn Datagrams>,
    peer: Option<SocketAddr>,
    waiting: VecDeque<(Vec<u8>, SocketAddr)>,
    error: Option<io::ErrorKind>,
}

/// The sending direction.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct OutgoingDatagrams {
    socket: Arc<dyn Datagrams>,
    peer: Option<SocketAddr>,
    permits: usize,
    /// A datagram that was taken and could not be sent at once.
    held: Option<(Vec<u8>, SocketAddr)>,
}

impl IncomingDatagrams {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut buffer = vec![0; DATAGRAM_MAX];
        while self.waiting.is_empty() && self.error.is_none() {
            match std::task::ready!(self.socket.poll_recv_from(cx, &mut buffer)) {
                Ok((n, from)) if self.peer.is_none_or(|peer| peer == from) => {
                    self.waiting.push_back((buffer[..n].to_vec(), from));
                }
                Ok(_) => {}
                Err(error) => self.error = Some(error.kind()),
            }
        }
        Poll::Ready(())
    }
}

impl OutgoingDatagrams {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some((data, to)) = &self.held {
            // A datagram that fails after it was taken is lost, as UDP may.
            let _ = std::task::ready!(self.socket.poll_send_to(cx, data, *to));
            self.held = None;
        }
        Poll::Ready(())
    }

    fn send_one(&mut self, datagram: OutgoingDatagram) -> Result<(), ErrorCode> {
        let asked = datagram.remote_address.map(address::to_reach).transpose()?;
        let to = match (asked, self.peer) {
            (Some(to), Some(peer)) if to != peer => return Err(ErrorCode::InvalidArgument),
            (Some(to), _) | (None, Some(to)) => to,
            (None, None) => return Err(ErrorCode::InvalidArgument),
        };
        if datagram.data.len() > DATAGRAM_MAX {
            return Err(ErrorCode::DatagramTooLarge);
        }
        match self.socket.poll_send_to(&mut no_wait(), &datagram.data, to) {
            Poll::Ready(Ok(_)) => Ok(()),
            Poll::Ready(Err(error)) => Err(error.into()),
            Poll::Pending => {
                self.held = Some((datagram.data, to));
                Ok(())
            }
        }
    }
}

impl udp_create_socket::Host for PodSockets<'_> {
    fn create_udp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<UdpSocket>> {
        if family != IpAddressFamily::Ipv4 {
            return Err(ErrorCode::NotSupported.into());
        }
        Ok(self.table.push(UdpSocket {
            bound: None,
            binding: false,
            peer: None,
            hop_limit: 64,
            receive_buffer: BUFFER_BYTES,
            send_buffer: BUFFER_BYTES,
        })?)
    }
}

impl Host for PodSockets<'_> {}

impl HostUdpSocket for PodSockets<'_> {
    fn start_bind(
        &mut self,
        socket: Resource<UdpSocket>,
        network: Resource<Network>,
        local: IpSocketAddress,
    ) -> SocketResult<()> {
        self.table.get(&network)?;
        let at = address::to_bind(local)?;
        let socket = self.table.get_mut(&socket)?;
        if socket.binding {
            return Err(ErrorCode::ConcurrencyConflict.into());
        }
        if socket.bound.is_some() {
            return Err(ErrorCode::InvalidState.into());
        }
        socket.bound = Some(self.network.udp_bind(at).map_err(ErrorCode::from)?);
        socket.binding = true;
        Ok(())
    }

    fn finish_bind(&mut self, socket: Resource<UdpSocket>) -> SocketResult<()> {
        let socket = self.table.get_mut(&socket)?;
        if !std::mem::take(&mut socket.binding) {
            return Err(ErrorCode::NotInProgress.into());
        }
        Ok(())
    }

    fn stream(
        &mut self,
        handle: Resource<UdpSocket>,
        remote: Option<IpSocketAddress>,
    ) -> SocketResult<(Resource<IncomingDatagrams>, Resource<OutgoingDatagrams>)> {
        let busy = self
            .table
            .iter_children(&handle)?
            .any(|child| child.is::<IncomingDatagrams>() || child.is::<OutgoingDatagrams>());
        if busy {
            return Err(SocketError::trap(wasmtime::format_err!(
                "the datagram streams of a UDP socket must be dropped before new ones are made"
            )));
        }
        let peer = remote.map(address::to_reach).transpose()?;
        let socket = self.table.get_mut(&handle)?;
        let (Some(bound), false) = (&socket.bound, socket.binding) else {
            return Err(ErrorCode::InvalidState.into());
        };
        socket.peer = peer;
        let incoming = IncomingDatagrams {
            socket: Arc::clone(bound),
            peer,
            waiting: VecDeque::new(),
            error: None,
        };
        let outgoing = OutgoingDatagrams {
            socket: Arc::clone(bound),
            peer,
            permits: 0,
            held: None,
        };
        Ok((
            self.table.push_child(incoming, &handle)?,
            self.table.push_child(outgoing, &handle)?,
        ))
    }

    fn local_address(&mut self, socket: Resource<UdpSocket>) -> SocketResult<IpSocketAddress> {
        match &self.table.get(&socket)?.bound {
            Some(bound) => Ok(bound.local_addr().into()),
            None => Err(ErrorCode::InvalidState.into()),
        }
    }

    fn remote_address(&mut self, socket: Resource<UdpSocket>) -> SocketResult<IpSocketAddress> {
        match self.table.get(&socket)?.peer {
            Some(peer) => Ok(peer.into()),
            None => Err(ErrorCode::InvalidState.into()),
        }
    }

    fn address_family(&mut self, _: Resource<UdpSocket>) -> wasmtime::Result<IpAddressFamily> {
        Ok(IpAddressFamily::Ipv4)
    }

    fn unicast_hop_limit(&mut self, socket: Resource<UdpSocket>) -> SocketResult<u8> {
        Ok(self.table.get(&socket)?.hop_limit)
    }

    fn set_unicast_hop_limit(
        &mut self,
        socket: Resource<UdpSocket>,
        value: u8,
    ) -> SocketResult<()> {
        if value == 0 {
            return Err(ErrorCode::InvalidArgument.into());
        }
        self.table.get_mut(&socket)?.hop_limit = value;
        Ok(())
    }

    fn receive_buffer_size(&mut self, socket: Resource<UdpSocket>) -> SocketResult<u64> {
        Ok(self.table.get(&socket)?.receive_buffer)
    }

    fn set_receive_buffer_size(
        &mut self,
        socket: Resource<UdpSocket>,
        value: u64,
    ) -> SocketResult<()> {
        if value == 0 {
            return Err(ErrorCode::InvalidArgument.into());
        }
        self.table.get_mut(&socket)?.receive_buffer = value;
        Ok(())
    }

    fn send_buffer_size(&mut self, socket: Resource<UdpSocket>) -> SocketResult<u64> {
        Ok(self.table.get(&socket)?.send_buffer)
    }

    fn set_send_buffer_size(
        &mut self,
        socket: Resource<UdpSocket>,
        value: u64,
    ) -> SocketResult<()> {
        if value == 0 {
            return Err(ErrorCode::InvalidArgument.into());
        }
        self.table.get_mut(&socket)?.send_buffer = value;
        Ok(())
    }

    fn subscribe(
        &mut self,
        socket: Resource<UdpSocket>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, socket)
    }

    fn drop(&mut self, socket: Resource<UdpSocket>) -> wasmtime::Result<()> {
        self.table.delete(socket)?;
        Ok(())
    }
}

#[async_trait::async_trait]
impl Pollable for UdpSocket {
    /// Nothing that a socket itself does takes time.
    async fn ready(&mut self) {}
}

impl HostIncomingDatagramStream for PodSockets<'_> {
    fn receive(
        &mut self,
        stream: Resource<IncomingDatagrams>,
        most: u64,
    ) -> SocketResult<Vec<IncomingDatagram>> {
        let stream = self.table.get_mut(&stream)?;
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(BATCH_MAX);
        let mut received = Vec::new();
        while received.len() < most {
            let _ = stream.poll_fill(&mut no_wait());
            match (stream.waiting.pop_front(), received.is_empty()) {
                (Some((data, from)), _) => received.push(IncomingDatagram {
                    data,
                    remote_address: from.into(),
                }),
                (None, true) => match stream.error.take() {
                    Some(kind) => return Err(ErrorCode::from(io::Error::from(kind)).into()),
                    None => break,
                },
                (None, false) => break,
            }
        }
        Ok(received)
    }

    fn subscribe(
        &mut self,
        stream: Resource<IncomingDatagrams>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, stream)
    }

    fn drop(&mut self, stream: Resource<IncomingDatagrams>) -> wasmtime::Result<()> {
        self.table.delete(stream)?;
        Ok(())
    }
}

#[async_trait::async_trait]
impl Pollable for IncomingDatagrams {
    async fn ready(&mut self) {
        std::future::poll_fn(|cx| self.poll_fill(cx)).await;
    }
}

impl HostOutgoingDatagramStream for PodSockets<'_> {
    fn check_send(&mut self, stream: Resource<OutgoingDatagrams>) -> SocketResult<u64> {
        let stream = self.table.get_mut(&stream)?;
        stream.permits = match stream.poll_ready(&mut no_wait()) {
            Poll::Ready(()) => BATCH_MAX,
            Poll::Pending => 0,
        };
        Ok(stream.permits as u64)
    }

    fn send(
        &mut self,
        stream: Resource<OutgoingDatagrams>,
        datagrams: Vec<OutgoingDatagram>,
    ) -> SocketResult<u64> {
        let stream = self.table.get_mut(&stream)?;
        if datagrams.len() > std::mem::take(&mut stream.permits) {
            return Err(SocketError::trap(wasmtime::format_err!(
                "send of more datagrams than check-send permits"
            )));
        }
        let mut sent = 0;
        for datagram in datagrams {
            if stream.held.is_some() {
                break;
            }
            match stream.send_one(datagram) {
                Ok(()) => sent += 1,
                Err(_) if sent > 0 => break,
                Err(code) => return Err(code.into()),
            }
        }
        Ok(sent)
    }

    fn subscribe(
        &mut self,
        stream: Resource<OutgoingDatagrams>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, stream)
    }

    fn drop(&mut self, stream: Resource<OutgoingDatagrams>) -> wasmtime::Result<()> {
        self.table.delete(stream)?;
        Ok(())
    }
}

#[async_trait::async_trait]
impl Pollable for OutgoingDatagrams {
    async fn ready(&mut self) {
        std::future::poll_fn(|cx| self.poll_ready(cx)).await;
    }
}
