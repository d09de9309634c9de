//! Accept loops: TCP or TLS connections in, axum routers behind them.
//!
//! Each connection is a task of the caller's tracker, bounded in number; a cancelled token stops accepting, lets
//! requests finish and closes idle connections.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Duration, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

pub use crate::attended::Patience;

use crate::attended::Attended;
use crate::tls;

/// Connections of one listener open at a time; further ones wait in the kernel's backlog.
pub const CONNECTIONS_MAX: usize = 4096;
/// Concurrent HTTP/2 streams of one connection: a client with many watches needs more than the usual 100.
const STREAMS_MAX: u32 = 1000;

/// How often an HTTP/2 client is asked whether it is still there, and how long it may take to say so: a peer that is
/// gone without a word must not keep its watches.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_PATIENCE: Duration = Duration::from_secs(30);

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The socket's address.
    pub address: SocketAddr,
    /// Who the verified client certificate stands for.
    pub subject: Option<tls::Subject>,
}

/// What is behind a listener.
#[derive(Clone)]
pub struct Door {
    acceptor: Option<TlsAcceptor>,
    router: Router,
    patience: Patience,
    handshake_failed: Arc<dyn Fn() + Send + Sync>,
}

impl Door {
    /// A router over plain HTTP.
    #[must_use]
    pub fn new(router: Router) -> Self {
        Self {
            acceptor: None,
            router,
            patience: Patience::default(),
            handshake_failed: Arc::new(|| ()),
        }
    }

    /// The same over TLS; handshakes that fail are told.
    #[must_use]
    pub fn over_tls(
        self,
        acceptor: TlsAcceptor,
        handshake_failed: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            acceptor: Some(acceptor),
            handshake_failed: Arc::new(handshake_failed),
            ..self
        }
    }

    /// The same with another patience.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }
}

/// Serves until the token is cancelled.
pub async fn serve(
    listener: TcpListener,
    door: Door,
    tasks: TaskTracker,
    cancel: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, or a connection that was reset before it was accepted: the next one may do.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::task::yield_now().await;
                continue;
            }
        };
        let (door, cancel) = (door.clone(), cancel.clone());
        tasks.spawn(async move {
            if let Err(error) = door.connection(stream, address, cancel).await {
                tracing::debug!(%address, %error, "connection ended");
            }
            drop(slot);
        });
    }
}

impl Door {
    async fn connection(
        self,
        stream: TcpStream,
        address: SocketAddr,
        cancel: CancellationToken,
    ) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let Some(acceptor) = &self.acceptor else {
            let peer = Peer {
                address,
                subject: None,
            };
            let builder = self.builder();
            return self.speak(stream, peer, builder, cancel).await;
        };
        let stream = tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            stream = timeout(self.patience.greeting, acceptor.accept(stream)) => stream,
        };
        let stream = stream
            .map_err(io::Error::from)
            .flatten()
            .inspect_err(|_| (self.handshake_failed)())?;
        let session = stream.get_ref().1;
        let certificates = session.peer_certificates();
        let subject = certificates.and_then(<[_]>::first).and_then(tls::subject);
        let is_http2 = session.alpn_protocol() == Some(b"h2");
        let builder = if is_http2 {
            self.builder().http2_only()
        } else {
            self.builder()
        };
        self.speak(stream, Peer { address, subject }, builder, cancel)
            .await
    }

    fn builder(&self) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.patience.greeting);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_PATIENCE)
            .max_concurrent_streams(STREAMS_MAX);
        builder
    }

    async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
        peer: Peer,
        builder: Builder<TokioExecutor>,
        cancel: CancellationToken,
    ) -> io::Result<()> {
        let router = self.router.clone();
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            router.clone().call(request)
        });
        let stream = TokioIo::new(Attended::new(stream, self.patience));
        let mut connection = pin!(builder.serve_connection_with_upgrades(stream, service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = cancel.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        ended.map_err(io::Error::other)
    }
}
