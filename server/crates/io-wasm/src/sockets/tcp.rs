//! `wasi:sockets/tcp` on a pod's network.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sockets::network::{
    ErrorCode, IpAddressFamily, IpSocketAddress, Network,
};
use wasmtime_wasi_io::poll::{DynPollable, Pollable, subscribe};
use wasmtime_wasi_io::streams::{DynInputStream, DynOutputStream};

use super::bindings::tcp::{Host, HostTcpSocket, ShutdownType};
use super::bindings::tcp_create_socket;
use super::stream::Connection;
use super::{PodSockets, SocketResult, address, no_wait};
use crate::network::{BoxListener, BoxStream};

/// Connections that may wait to be accepted unless the guest says otherwise.
const BACKLOG: u64 = 128;
/// The most that a guest may ask for.
const BACKLOG_MAX: u64 = 1024;

/// A guest's TCP socket.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct TcpSocket {
    state: State,
    options: Options,
}

/// The states of `TcpSocketOperationalSemantics.md` in the WASI repository.
enum State {
    Unbound,
    BindStarted(SocketAddr),
    Bound(SocketAddr),
    Connecting(BoxFuture<'static, io::Result<BoxStream>>),
    ConnectDone(io::Result<BoxStream>),
    Connected {
        local: SocketAddr,
        peer: SocketAddr,
        connection: Arc<Connection>,
    },
    ListenStarted(BoxListener),
    Listening {
        listener: BoxListener,
        accepted: Option<io::Result<BoxStream>>,
    },
    Closed,
}

/// Options that are kept and read back; only the backlog has an effect.
#[derive(Clone, Copy)]
struct Options {
    backlog: u64,
    keep_alive: bool,
    idle_ns: u64,
    interval_ns: u64,
    count: u32,
    hop_limit: u8,
    receive_buffer: u64,
    send_buffer: u64,
}

const OPTIONS: Options = Options {
    backlog: BACKLOG,
    keep_alive: false,
    idle_ns: 7_200_000_000_000,
    interval_ns: 75_000_000_000,
    count: 9,
    hop_limit: 64,
    receive_buffer: 64 * 1024,
    send_buffer: 64 * 1024,
};

impl TcpSocket {
    /// Moves what is in progress on; ready when there is something to collect.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.state {
            State::Connecting(connecting) => {
                let result = std::task::ready!(connecting.as_mut().poll(cx));
                self.state = State::ConnectDone(result);
            }
            State::Listening { listener, accepted } if accepted.is_none() => {
                let result = std::task::ready!(listener.poll_accept(cx));
                *accepted = Some(result.map(|(stream, _)| stream));
            }
            _ => {}
        }
        Poll::Ready(())
    }

    fn busy(&self) -> bool {
        matches!(
            self.state,
            State::BindStarted(_)
                | State::Connecting(_)
                | State::ConnectDone(_)
                | State::ListenStarted(_)
        )
    }
}

impl PodSockets<'_> {
    /// Makes `handle` the socket of this connection and gives the guest its streams.
    fn connected(
        &mut self,
        handle: &Resource<TcpSocket>,
        stream: BoxStream,
    ) -> SocketResult<(Resource<DynInputStream>, Resource<DynOutputStream>)> {
        let (local, peer) = (stream.local_addr(), stream.peer_addr());
        let connection = Connection::new(stream, self.tasks.clone());
        let (reader, writer) = connection.streams();
        self.table.get_mut(handle)?.state = State::Connected {
            local,
            peer,
            connection,
        };
        let input: DynInputStream = Box::new(reader);
        let output: DynOutputStream = Box::new(writer);
        Ok((
            self.table.push_child(input, handle)?,
            self.table.push_child(output, handle)?,
        ))
    }

    fn options(&mut self, socket: &Resource<TcpSocket>) -> SocketResult<&mut Options> {
        Ok(&mut self.table.get_mut(socket)?.options)
    }
}

impl tcp_create_socket::Host for PodSockets<'_> {
    fn create_tcp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        if family != IpAddressFamily::Ipv4 {
            return Err(ErrorCode::NotSupported.into());
        }
        Ok(self.table.push(TcpSocket {
            state: State::Unbound,
            options: OPTIONS,
        })?)
    }
}

impl Host for PodSockets<'_> {}

impl HostTcpSocket for PodSockets<'_> {
    fn start_bind(
        &mut self,
        socket: Resource<TcpSocket>,
        network: Resource<Network>,
        local: IpSocketAddress,
    ) -> SocketResult<()> {
        self.table.get(&network)?;
        let at = address::to_bind(local)?;
        let socket = self.table.get_mut(&socket)?;
        match socket.state {
            State::Unbound => {
                socket.state = State::BindStarted(at);
                Ok(())
            }
            _ if socket.busy() => Err(ErrorCode::ConcurrencyConflict.into()),
            _ => Err(ErrorCode::InvalidState.into()),
        }
    }

    fn finish_bind(&mut self, socket: Resource<TcpSocket>) -> SocketResult<()> {
        let socket = self.table.get_mut(&socket)?;
        let State::BindStarted(at) = socket.state else {
            return Err(ErrorCode::NotInProgress.into());
        };
        socket.state = State::Bound(at);
        Ok(())
    }

    fn start_connect(
        &mut self,
        socket: Resource<TcpSocket>,
        network: Resource<Network>,
        remote: IpSocketAddress,
    ) -> SocketResult<()> {
        self.table.get(&network)?;
        let to = address::to_reach(remote)?;
        let socket = self.table.get_mut(&socket)?;
        let from = match socket.state {
            State::Unbound => None,
            State::Bound(at) => Some(at),
            _ if socket.busy() => return Err(ErrorCode::ConcurrencyConflict.into()),
            _ => return Err(ErrorCode::InvalidState.into()),
        };
        socket.state = State::Connecting(self.network.tcp_connect(to, from));
        Ok(())
    }

    fn finish_connect(
        &mut self,
        handle: Resource<TcpSocket>,
    ) -> SocketResult<(Resource<DynInputStream>, Resource<DynOutputStream>)> {
        let socket = self.table.get_mut(&handle)?;
        if socket.poll(&mut no_wait()).is_pending() {
            return Err(ErrorCode::WouldBlock.into());
        }
        match std::mem::replace(&mut socket.state, State::Closed) {
            State::ConnectDone(Ok(stream)) => self.connected(&handle, stream),
            State::ConnectDone(Err(error)) => Err(ErrorCode::from(error).into()),
            other => {
                socket.state = other;
                Err(ErrorCode::NotInProgress.into())
            }
        }
    }

    async fn start_listen(&mut self, socket: Resource<TcpSocket>) -> SocketResult<()> {
        let socket = self.table.get_mut(&socket)?;
        let at = match socket.state {
            State::Bound(at) => at,
            _ if socket.busy() => return Err(ErrorCode::ConcurrencyConflict.into()),
            _ => return Err(ErrorCode::InvalidState.into()),
        };
        let backlog = usize::try_from(socket.options.backlog).unwrap_or(usize::MAX);
        let listener = self
            .network
            .tcp_listen(at, backlog)
            .await
            .map_err(ErrorCode::from)?;
        socket.state = State::ListenStarted(listener);
        Ok(())
    }

    fn finish_listen(&mut self, socket: Resource<TcpSocket>) -> SocketResult<()> {
        let socket = self.table.get_mut(&socket)?;
        match std::mem::replace(&mut socket.state, State::Closed) {
            State::ListenStarted(listener) => {
                socket.state = State::Listening {
                    listener,
                    accepted: None,
                };
                Ok(())
            }
            other => {
                socket.state = other;
                Err(ErrorCode::NotInProgress.into())
            }
        }
    }

    fn accept(
        &mut self,
        socket: Resource<TcpSocket>,
    ) -> SocketResult<(
        Resource<TcpSocket>,
        Resource<DynInputStream>,
        Resource<DynOutputStream>,
    )> {
        let socket = self.table.get_mut(&socket)?;
        let _ = socket.poll(&mut no_wait());
        let State::Listening { accepted, .. } = &mut socket.state else {
            return Err(ErrorCode::InvalidState.into());
        };
        let stream = accepted
            .take()
            .ok_or(ErrorCode::WouldBlock)?
            .map_err(ErrorCode::from)?;
        let inherited = TcpSocket {
            state: State::Closed,
            options: socket.options,
        };
        let handle = self.table.push(inherited)?;
        let (input, output) = self.connected(&handle, stream)?;
        Ok((handle, input, output))
    }

    fn local_address(&mut self, socket: Resource<TcpSocket>) -> SocketResult<IpSocketAddress> {
        match &self.table.get(&socket)?.state {
            State::Bound(at) => Ok((*at).into()),
            State::Connected { local, .. } => Ok((*local).into()),
            State::ListenStarted(listener) | State::Listening { listener, .. } => {
                Ok(listener.local_addr().into())
            }
            _ => Err(ErrorCode::InvalidState.into()),
        }
    }

    fn remote_address(&mut self, socket: Resource<TcpSocket>) -> SocketResult<IpSocketAddress> {
        match &self.table.get(&socket)?.state {
            State::Connected { peer, .. } => Ok((*peer).into()),
            _ => Err(ErrorCode::InvalidState.into()),
        }
    }

    fn is_listening(&mut self, socket: Resource<TcpSocket>) -> wasmtime::Result<bool> {
        Ok(matches!(
            self.table.get(&socket)?.state,
            State::Listening { .. }
        ))
    }

    fn address_family(&mut self, _: Resource<TcpSocket>) -> wasmtime::Result<IpAddressFamily> {
        Ok(IpAddressFamily::Ipv4)
    }

    fn set_listen_backlog_size(
        &mut self,
        socket: Resource<TcpSocket>,
        value: u64,
    ) -> SocketResult<()> {
        if value == 0 {
            return Err(ErrorCode::InvalidArgument.into());
        }
        self.options(&socket)?.backlog = value.min(BACKLOG_MAX);
        Ok(())
    }

    fn keep_alive_enabled(&mut self, socket: Resource<TcpSocket>) -> SocketResult<bool> {
        Ok(self.options(&socket)?.keep_alive)
    }

    fn set_keep_alive_enabled(
        &mut self,
        socket: Resource<TcpSocket>,
        value: bool,
    ) -> SocketResult<()> {
        self.options(&socket)?.keep_alive = value;
        Ok(())
    }

    fn keep_alive_idle_time(&mut self, socket: Resource<TcpSocket>) -> SocketResult<u64> {
        Ok(self.options(&socket)?.idle_ns)
    }

    fn set_keep_alive_idle_time(
        &mut self,
        socket: Resource<TcpSocket>,
        value: u64,
    ) -> SocketResult<()> {
        self.options(&socket)?.idle_ns = above_zero(value)?;
        Ok(())
    }

    fn keep_alive_interval(&mut self, socket: Resource<TcpSocket>) -> SocketResult<u64> {
        Ok(self.options(&socket)?.interval_ns)
    }

    fn set_keep_alive_interval(
        &mut self,
        socket: Resource<TcpSocket>,
        value: u64,
    ) -> SocketResult<()> {
        self.options(&socket)?.interval_ns = above_zero(value)?;
        Ok(())
    }

    fn keep_alive_count(&mut self, socket: Resource<TcpSocket>) -> SocketResult<u32> {
        Ok(self.options(&socket)?.count)
    }

    fn set_keep_alive_count(
        &mut self,
        socket: Resource<TcpSocket>,
        value: u32,
    ) -> SocketResult<()> {
        self.options(&socket)?.count = above_zero(value)?;
        Ok(())
    }

    fn hop_limit(&mut self, socket: Resource<TcpSocket>) -> SocketResult<u8> {
        Ok(self.options(&socket)?.hop_limit)
    }

    fn set_hop_limit(&mut self, socket: Resource<TcpSocket>, value: u8) -> SocketResult<()> {
        self.options(&socket)?.hop_limit = above_zero(value)?;
        Ok(())
    }

    fn receive_buffer_size(&mut self, socket: Resource<TcpSocket>) -> SocketResult<u64> {
        Ok(self.options(&socket)?.receive_buffer)
    }

    fn set_receive_buffer_size(
        &mut self,
        socket: Resource<TcpSocket>,
        value: u64,
    ) -> SocketResult<()> {
        self.options(&socket)?.receive_buffer = above_zero(value)?;
        Ok(())
    }

    fn send_buffer_size(&mut self, socket: Resource<TcpSocket>) -> SocketResult<u64> {
        Ok(self.options(&socket)?.send_buffer)
    }

    fn set_send_buffer_size(
        &mut self,
        socket: Resource<TcpSocket>,
        value: u64,
    ) -> SocketResult<()> {
        self.options(&socket)?.send_buffer = above_zero(value)?;
        Ok(())
    }

    fn subscribe(
        &mut self,
        socket: Resource<TcpSocket>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, socket)
    }

    fn shutdown(&mut self, socket: Resource<TcpSocket>, how: ShutdownType) -> SocketResult<()> {
        let State::Connected { connection, .. } = &self.table.get(&socket)?.state else {
            return Err(ErrorCode::InvalidState.into());
        };
        if matches!(how, ShutdownType::Receive | ShutdownType::Both) {
            connection.close_reads();
        }
        if matches!(how, ShutdownType::Send | ShutdownType::Both) {
            connection.close_writes();
        }
        Ok(())
    }

    fn drop(&mut self, socket: Resource<TcpSocket>) -> wasmtime::Result<()> {
        self.table.delete(socket)?;
        Ok(())
    }
}

fn above_zero<N: Default + PartialOrd>(value: N) -> Result<N, ErrorCode> {
    if value > N::default() {
        Ok(value)
    } else {
        Err(ErrorCode::InvalidArgument)
    }
}

#[async_trait::async_trait]
impl Pollable for TcpSocket {
    async fn ready(&mut self) {
        std::future::poll_fn(|cx| self.poll(cx)).await;
    }
}
