//! The UDP socket between nodes: packets leave in batches by segmentation offload (UDP_SEGMENT) and come in coalesced
//! (UDP_GRO) where the kernel can.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use netstack::LinkId;
use netstack::segment::seal_segments;
use parking_lot::Mutex;
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::Notify;

use crate::network::{Inner, Shared};
use crate::overlay::{Peer, Wrap};
use crate::vxlan::{self, Frame};

/// Bytes asked of the kernel for the socket's buffers.
const SOCKET_BUFFER: usize = 4 << 20;
/// Bytes of one send; a UDP datagram, cut or not, holds no more.
const SEND_MAX: usize = 65_000;
/// Coalesced datagrams taken in one call.
const RECEIVE_BATCH: usize = 4;
const RECEIVE_SIZE: usize = 65_536;

/// Datagrams of one size for one peer that wait to be sent.
#[derive(Debug, Default)]
struct Batch {
    to: Option<SocketAddrV4>,
    size: usize,
    bytes: Vec<u8>,
    /// How much of it is sent.
    sent: usize,
}

#[derive(Debug)]
pub(crate) struct Underlay {
    socket: UdpSocket,
    state: UdpSocketState,
    port: u16,
    sending: Mutex<Batch>,
    blocked: Notify,
}

impl Underlay {
    pub(crate) fn bind(ip: Ipv4Addr, port: u16) -> io::Result<Self> {
        let at = SocketAddrV4::new(ip, port);
        let socket = std::net::UdpSocket::bind(at).map_err(|error| {
            let text = format!("cannot open the tunnel's UDP socket on {at}: {error}");
            io::Error::new(error.kind(), text)
        })?;
        socket.set_nonblocking(true)?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        // Best effort: the system may allow less.
        let _ = state.set_send_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER);
        let _ = state.set_recv_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER);
        let port = socket.local_addr()?.port();
        let socket = UdpSocket::from_std(socket)?;
        Ok(Self {
            socket,
            state,
            port,
            sending: Mutex::default(),
            blocked: Notify::new(),
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Sends what is left of a batch; false when the socket has no room.
    fn send(&self, batch: &mut Batch) -> bool {
        let Some(to) = batch.to else {
            return true;
        };
        let chunk =
            batch.size * (SEND_MAX / batch.size.max(1)).clamp(1, self.state.max_gso_segments());
        while let Some(rest) = batch.bytes.get(batch.sent..).filter(|r| !r.is_empty()) {
            let contents = rest.get(..chunk).unwrap_or(rest);
            let transmit = Transmit {
                destination: SocketAddr::V4(to),
                ecn: None,
                contents,
                segment_size: (contents.len() > batch.size).then_some(batch.size),
                src_ip: None,
            };
            let sent = self.socket.try_io(Interest::WRITABLE, || {
                self.state
                    .try_send(UdpSockRef::from(&self.socket), &transmit)
            });
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // Lost, as on any network: the peer may not be up yet.
                Err(error) => tracing::trace!(%to, %error, "underlay packet not sent"),
                Ok(()) => {}
            }
            batch.sent += contents.len();
        }
        batch.bytes.clear();
        (batch.to, batch.sent) = (None, 0);
        true
    }
}

impl Batch {
    /// Takes the node's next packets: all segments of one, and those after it that fit the same send.
    fn fill(&mut self, inner: &mut Inner, own: crate::overlay::Mac) {
        while let Some(outbound) = inner.node.pop_outbound() {
            let Some(peer) = inner.links.peer(outbound.link) else {
                continue;
            };
            if self.to.is_some_and(|to| to != peer.at) || !self.fits(peer, &outbound.packet) {
                inner.node.unpop_outbound(outbound);
                return;
            }
            let first = self.to.is_none();
            self.to = Some(peer.at);
            for packet in seal_segments(outbound.packet) {
                let before = self.bytes.len();
                if let Wrap::Vxlan { vni, mac } = peer.wrap {
                    vxlan::put_header(&mut self.bytes, vni, own, mac);
                }
                self.bytes.extend_from_slice(&packet);
                if first && before == 0 {
                    self.size = self.bytes.len();
                }
            }
            // Only the last datagram of a send may be shorter than the others.
            if !self.bytes.len().is_multiple_of(self.size.max(1))
                || self.bytes.len() + self.size > SEND_MAX
            {
                return;
            }
        }
    }

    fn fits(&self, peer: Peer, packet: &netstack::Packet) -> bool {
        if self.bytes.is_empty() {
            return true;
        }
        let wrap = if peer.wrap == Wrap::Plain {
            0
        } else {
            vxlan::HEADER
        };
        packet.segment() == 0 && packet.len() + wrap <= self.size
    }
}

impl Shared {
    /// Sends the node's packets for other nodes. Whoever finds somebody sending leaves them to him.
    pub(crate) fn flush(&self) {
        loop {
            let Some(mut batch) = self.underlay.sending.try_lock() else {
                return;
            };
            loop {
                if !self.underlay.send(&mut batch) {
                    self.underlay.blocked.notify_one();
                    return;
                }
                batch.fill(&mut self.inner.lock(), self.mac);
                if batch.to.is_none() {
                    break;
                }
            }
            drop(batch);
            // A packet that was queued after the last look, while the lock was still held, is nobody else's.
            if self.inner.lock().node.outbound_len() == 0 {
                return;
            }
        }
    }

    pub(crate) async fn run_sender(&self) {
        loop {
            self.underlay.blocked.notified().await;
            if self.underlay.socket.writable().await.is_ok() {
                self.flush();
            }
        }
    }

    pub(crate) async fn run_receiver(&self) {
        let mut buffers = vec![vec![0_u8; RECEIVE_SIZE]; RECEIVE_BATCH];
        let mut meta = [RecvMeta::default(); RECEIVE_BATCH];
        loop {
            if self.underlay.socket.readable().await.is_err() {
                return;
            }
            let mut slices: Vec<_> = buffers.iter_mut().map(|b| IoSliceMut::new(b)).collect();
            let received = self.underlay.socket.try_io(Interest::READABLE, || {
                let socket = UdpSockRef::from(&self.underlay.socket);
                self.underlay.state.recv(socket, &mut slices, &mut meta)
            });
            // Errors here are late news about datagrams sent (ICMP), or "nothing there".
            let Ok(count) = received else {
                continue;
            };
            self.act(|inner, _| {
                for (buffer, meta) in buffers.iter().zip(&meta).take(count) {
                    let whole = buffer.get(..meta.len).unwrap_or_default();
                    for datagram in whole.chunks(meta.stride.max(1)) {
                        self.take(inner, meta.addr, datagram);
                    }
                }
            });
        }
    }

    fn take(&self, inner: &mut Inner, from: SocketAddr, datagram: &[u8]) {
        let Some(link) = inner.links.from(from) else {
            return;
        };
        let wrap = inner.links.peer(link).map(|p| p.wrap);
        match (vxlan::decode(datagram), wrap) {
            (Some(Frame::Ipv4 { vni, to, packet }), Some(Wrap::Vxlan { vni: own, .. }))
                if vni == own && vxlan::is_for(self.mac, to) =>
            {
                inject(inner, link, packet);
            }
            (
                Some(Frame::Arp {
                    vni,
                    from: asker,
                    sender,
                    target,
                }),
                _,
            ) => {
                let own = inner
                    .node
                    .peek(netstack::node::HOST)
                    .is_some_and(|h| h.is_own(target));
                if own {
                    let reply = vxlan::arp_reply(vni, self.mac, target, asker, sender);
                    let _ = self.underlay.socket.try_send_to(&reply, from);
                }
            }
            (None, Some(Wrap::Plain)) => inject(inner, link, datagram),
            _ => {}
        }
    }
}

fn inject(inner: &mut Inner, link: LinkId, packet: &[u8]) {
    // A bad packet is counted by the node.
    let _ = inner.node.inject(link, packet.to_vec());
}
