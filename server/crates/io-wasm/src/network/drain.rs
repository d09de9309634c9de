//! A container's view on its pod's network that can be drained: what SIGTERM means to a server without a handler for it.
//!
//! Draining closes the ports that the container listens on, so that nobody new comes, and waits for the connections that
//! were accepted. One is under way while the guest has read something that it has not answered, or has just written;
//! one that waits for its next request is not. Connections that the guest itself made do not count: whoever only calls
//! others is ended at once.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use io_clock::Clock;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;

use super::{BoxListener, BoxStream, Datagrams, Listener, Network, SharedNetwork, Stream};

/// How long after its last byte an answer counts as finished, in milliseconds: the next part may follow.
const QUIET_MS: u64 = 500;
/// How often the connections are looked at while they are drained, in milliseconds.
const LOOK_MS: u64 = 20;

/// A network whose servers can be drained. Clones share it.
#[derive(Clone)]
pub(crate) struct Draining {
    inner: SharedNetwork,
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    draining: bool,
    listeners: Vec<Weak<Mutex<Option<BoxListener>>>>,
    connections: Vec<Weak<Traffic>>,
}

/// What moved on an accepted connection.
#[derive(Default)]
struct Traffic {
    owes: AtomicBool,
    wrote_at_ms: AtomicU64,
}

impl Traffic {
    fn is_under_way(&self, now_ms: u64) -> bool {
        let wrote_at_ms = self.wrote_at_ms.load(Ordering::Relaxed);
        self.owes.load(Ordering::Relaxed)
            || (wrote_at_ms > 0 && now_ms.saturating_sub(wrote_at_ms) < QUIET_MS)
    }
}

impl Draining {
    pub(crate) fn new(inner: SharedNetwork, clock: Clock) -> Self {
        let state = Mutex::default();
        Self {
            inner,
            shared: Arc::new(Shared { clock, state }),
        }
    }

    /// Closes what listens and waits until nothing that was accepted is under way.
    pub(crate) async fn drain(&self) {
        {
            let mut state = self.shared.state.lock();
            state.draining = true;
            for listener in state.listeners.drain(..).filter_map(|l| l.upgrade()) {
                listener.lock().take();
            }
        }
        while self.is_busy() {
            self.shared.clock.sleep_ms(LOOK_MS).await;
        }
    }

    fn is_busy(&self) -> bool {
        let now_ms = self.shared.now_ms();
        let state = self.shared.state.lock();
        let mut open = state.connections.iter().filter_map(Weak::upgrade);
        open.any(|traffic| traffic.is_under_way(now_ms))
    }
}

impl Shared {
    fn now_ms(&self) -> u64 {
        self.clock.now().0
    }

    fn accepted(self: &Arc<Self>, stream: BoxStream) -> BoxStream {
        let traffic = Arc::new(Traffic::default());
        let mut state = self.state.lock();
        state.connections.retain(|known| known.strong_count() > 0);
        state.connections.push(Arc::downgrade(&traffic));
        Box::new(Accepted {
            stream,
            traffic,
            shared: Arc::clone(self),
        })
    }
}

impl Network for Draining {
    fn ip(&self) -> Ipv4Addr {
        self.inner.ip()
    }

    fn tcp_listen(
        &self,
        at: SocketAddr,
        backlog: usize,
    ) -> BoxFuture<'static, io::Result<BoxListener>> {
        let (listening, shared) = (self.inner.tcp_listen(at, backlog), Arc::clone(&self.shared));
        Box::pin(async move {
            let listener = listening.await?;
            let at = listener.local_addr();
            let mut state = shared.state.lock();
            let listener = Arc::new(Mutex::new((!state.draining).then_some(listener)));
            state.listeners.retain(|known| known.strong_count() > 0);
            state.listeners.push(Arc::downgrade(&listener));
            drop(state);
            let listening = Listening {
                at,
                listener,
                shared,
            };
            Ok(Box::new(listening) as BoxListener)
        })
    }

    fn tcp_connect(
        &self,
        to: SocketAddr,
        from: Option<SocketAddr>,
    ) -> BoxFuture<'static, io::Result<BoxStream>> {
        self.inner.tcp_connect(to, from)
    }

    fn udp_bind(&self, at: SocketAddr) -> io::Result<Arc<dyn Datagrams>> {
        self.inner.udp_bind(at)
    }

    fn resolve(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        self.inner.resolve(name)
    }

    fn tls(&self) -> Option<TlsConnector> {
        self.inner.tls()
    }
}

/// A listener that is taken away when the network is drained; whoever accepts then waits for ever.
struct Listening {
    at: SocketAddr,
    listener: Arc<Mutex<Option<BoxListener>>>,
    shared: Arc<Shared>,
}

impl Listener for Listening {
    fn local_addr(&self) -> SocketAddr {
        self.at
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(BoxStream, SocketAddr)>> {
        let mut listener = self.listener.lock();
        let Some(open) = listener.as_mut() else {
            return Poll::Pending;
        };
        let (stream, peer) = std::task::ready!(open.poll_accept(cx))?;
        Poll::Ready(Ok((self.shared.accepted(stream), peer)))
    }
}

/// A connection that a guest accepted.
struct Accepted {
    stream: BoxStream,
    traffic: Arc<Traffic>,
    shared: Arc<Shared>,
}

impl Stream for Accepted {
    fn local_addr(&self) -> SocketAddr {
        self.stream.local_addr()
    }

    fn peer_addr(&self) -> SocketAddr {
        self.stream.peer_addr()
    }
}

impl AsyncRead for Accepted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.traffic.owes.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = std::task::ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        let now_ms = self.shared.now_ms();
        self.traffic.wrote_at_ms.store(now_ms, Ordering::Relaxed);
        self.traffic.owes.store(false, Ordering::Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
