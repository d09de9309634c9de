//! The same [`Client`] across the network: HTTP/2 over TLS with a client certificate.
//!
//! One connection, opened when needed and again when it broke, carries all calls and watches of a component.

mod wire;

pub use wire::CAUSE;

use std::sync::Arc;

use axum::body::Bytes;
use client::{Answer, Interest, Options, Request, Verb};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use io_driver::client::{Client, Pending, WatchItem, WatchStream};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use shared::{Revision, Status};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};
use tokio_rustls::TlsConnector;
use tokio_util::task::TaskTracker;

use crate::pki::Credential;
use crate::tls::TlsError;

/// Events waiting for a component before its watch waits with them.
const EVENTS_WAITING_MAX: usize = 128;
/// Longest line of a watch: the largest object and its frame.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A client of an apiserver at `https://HOST:PORT`.
#[derive(Clone)]
pub struct Https {
    inner: Arc<Inner>,
}

struct Inner {
    authority: String,
    name: ServerName<'static>,
    agent: String,
    tls: TlsConnector,
    connection: Mutex<Option<SendRequest<Full<Bytes>>>>,
    tasks: TaskTracker,
}

impl Https {
    /// A client that trusts one authority and shows one certificate. `server` is `HOST:PORT`; connections are tasks of
    /// `tasks` and end when the client is dropped.
    ///
    /// # Errors
    /// When a certificate or the host name cannot be read.
    pub fn new(
        server: &str,
        authority_pem: &str,
        credential: &Credential,
        agent: &str,
        tasks: TaskTracker,
    ) -> Result<Self, TlsError> {
        let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
        let name = ServerName::try_from(host.to_owned()).map_err(TlsError::because)?;
        let mut roots = RootCertStore::empty();
        let authority =
            CertificateDer::from_pem_slice(authority_pem.as_bytes()).map_err(TlsError::because)?;
        roots.add(authority).map_err(TlsError::because)?;
        let chain = vec![
            CertificateDer::from_pem_slice(credential.certificate_pem.as_bytes())
                .map_err(TlsError::because)?,
        ];
        let key = PrivateKeyDer::from_pem_slice(credential.key_pem.as_bytes())
            .map_err(TlsError::because)?;
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(TlsError::because)?
                .with_root_certificates(roots)
                .with_client_auth_cert(chain, key)
                .map_err(TlsError::because)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        let inner = Inner {
            authority: server.into(),
            name,
            agent: agent.into(),
            tls: TlsConnector::from(Arc::new(config)),
            connection: Mutex::new(None),
            tasks,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    async fn send(
        &self,
        request: &Request,
        cause: Option<Revision>,
    ) -> Result<hyper::Response<Incoming>, Status> {
        let message = wire::encode(request, &self.inner.authority, &self.inner.agent, cause)?;
        let mut sender = self.inner.connected().await?;
        let response = sender
            .send_request(message)
            .await
            .map_err(unreachable_because)?;
        if response.status().as_u16() < 400 {
            return Ok(response);
        }
        let code = response.status().as_u16();
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(unreachable_because)?
            .to_bytes();
        Err(wire::refusal(code, &body))
    }
}

impl Inner {
    async fn connected(&self) -> Result<SendRequest<Full<Bytes>>, Status> {
        let mut slot = self.connection.lock().await;
        if let Some(sender) = slot.as_ref().filter(|s| !s.is_closed()) {
            return Ok(sender.clone());
        }
        let stream = TcpStream::connect(&self.authority)
            .await
            .map_err(unreachable_because)?;
        stream.set_nodelay(true).map_err(unreachable_because)?;
        let stream = self
            .tls
            .connect(self.name.clone(), stream)
            .await
            .map_err(unreachable_because)?;
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .map_err(unreachable_because)?;
        self.tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to the apiserver ended");
            }
        });
        *slot = Some(sender.clone());
        Ok(sender)
    }
}

impl Client for Https {
    fn call(
        &self,
        mut request: Request,
        cause: Option<Revision>,
    ) -> Pending<Result<Answer, Status>> {
        let this = self.clone();
        if request.options.field_manager.is_empty() {
            request.options.field_manager.clone_from(&this.inner.agent);
        }
        Box::pin(async move {
            let response = this.send(&request, cause).await?;
            let body = response
                .into_body()
                .collect()
                .await
                .map_err(unreachable_because)?
                .to_bytes();
            wire::answer(&request.kind, &body)
        })
    }

    fn watch(&self, interest: Interest, after: Revision) -> Pending<Result<WatchStream, Status>> {
        let this = self.clone();
        Box::pin(async move {
            let mut request = Request::list(interest.kind, &interest.namespace).with(Options {
                label_selector: interest.label_selector,
                field_selector: interest.field_selector,
                resource_version: after.to_string(),
                allow_watch_bookmarks: true,
                ..Options::default()
            });
            request.verb = Verb::Watch;
            let response = this.send(&request, None).await?;
            let (sender, receiver) = mpsc::channel(EVENTS_WAITING_MAX);
            this.inner
                .tasks
                .spawn(read_frames(response.into_body(), sender));
            Ok(receiver)
        })
    }
}

/// Splits a watch into lines and delivers each until the stream or its receiver ends.
async fn read_frames(mut body: Incoming, to: mpsc::Sender<Result<WatchItem, Status>>) {
    let mut buffer: Vec<u8> = Vec::new();
    loop {
        let frame = tokio::select! {
            () = to.closed() => return,
            frame = body.frame() => frame,
        };
        let data = match frame {
            None => return,
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(error)) => {
                let _ = to.send(Err(unreachable_because(error))).await;
                return;
            }
        };
        buffer.extend_from_slice(&data);
        while let Some(end) = buffer.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            if to.send(wire::watch_item(&line)).await.is_err() {
                return;
            }
        }
        if buffer.len() > LINE_BYTES_MAX {
            let _ = to
                .send(Err(Status::internal("a watch frame is too long")))
                .await;
            return;
        }
    }
}

fn unreachable_because(error: impl std::fmt::Display) -> Status {
    Status::failure(
        503,
        "ServiceUnavailable",
        format!("the apiserver cannot be reached: {error}"),
    )
}
