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
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use crate::tls;

/// Connections of one listener open at a time; further ones wait in the kernel's backlog.
pub const CONNECTIONS_MAX: usize = 4096;
/// Concurrent HTTP/2 streams of one connection: a client with many watches needs more than the usual 100.
const STREAMS_MAX: u32 = 1000;

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The socket's address.
    pub address: SocketAddr,
    /// Who the verified client certificate stands for.
    pub subject: Option<tls::Subject>,
}

/// Serves a router until the token is cancelled; with an acceptor over TLS.
pub async fn serve(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    router: Router,
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
        let (acceptor, router, cancel) = (acceptor.clone(), router.clone(), cancel.clone());
        tasks.spawn(async move {
            if let Err(error) = connection(stream, address, acceptor, router, cancel).await {
                tracing::debug!(%address, %error, "connection ended");
            }
            drop(slot);
        });
    }
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    cancel: CancellationToken,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let Some(acceptor) = acceptor else {
        return speak(
            stream,
            Peer {
                address,
                subject: None,
            },
            router,
            cancel,
        )
        .await;
    };
    let stream = tokio::select! {
        () = cancel.cancelled() => return Ok(()),
        stream = acceptor.accept(stream) => stream?,
    };
    let subject = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(<[_]>::first)
        .and_then(tls::subject);
    speak(stream, Peer { address, subject }, router, cancel).await
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    peer: Peer,
    router: Router,
    cancel: CancellationToken,
) -> io::Result<()> {
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        router.clone().call(request)
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(STREAMS_MAX);
    let mut connection =
        pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = cancel.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    ended.map_err(io::Error::other)
}
