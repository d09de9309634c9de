//! One client's connection: HTTP/2 over TLS, as client-go makes it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::kubeconfig::{Access, Identity};

/// How much a stream and a connection may have in flight, in bytes: client-go's (`golang.org/x/net/http2`).
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 1 << 30;
/// Attempts for one call when the server asks to come again later.
const ATTEMPTS_MAX: usize = 100;

/// Where to connect and as whom; shared by all clients of a load.
#[derive(Clone)]
pub struct Target {
    inner: Arc<Inner>,
}

struct Inner {
    server: String,
    name: ServerName<'static>,
    tls: TlsConnector,
    authorization: Option<String>,
}

/// One client.
#[derive(Clone)]
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    target: Target,
    /// Calls that were refused with 429 and made again.
    pub again: usize,
}

/// One call.
#[derive(Clone, Debug, Default)]
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) content_type: &'static str,
    pub(super) accept: &'static str,
    pub(super) body: Bytes,
}

impl Call {
    pub(super) fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            ..Self::default()
        }
    }

    pub(super) fn with(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        (self.content_type, self.body) = (content_type, body.into());
        self
    }
}

impl Target {
    /// A target as a kubeconfig describes it.
    ///
    /// # Errors
    /// When a certificate or the host's name cannot be read.
    pub fn new(access: &Access) -> Result<Self> {
        let host = access
            .server
            .rsplit_once(':')
            .map_or(access.server.as_str(), |(host, _)| host);
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(access.authority_pem.as_bytes()) {
            roots.add(authority?)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let (mut config, authorization) = match &access.identity {
            Identity::Token(token) => (
                builder.with_no_client_auth(),
                Some(format!("Bearer {token}")),
            ),
            Identity::Certificate(credential) => {
                let chain: Result<Vec<_>, _> =
                    CertificateDer::pem_slice_iter(credential.certificate_pem.as_bytes()).collect();
                let key = PrivateKeyDer::from_pem_slice(credential.key_pem.as_bytes())?;
                (builder.with_client_auth_cert(chain?, key)?, None)
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let inner = Inner {
            server: access.server.clone(),
            name: ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?,
            tls: TlsConnector::from(Arc::new(config)),
            authorization,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// When the server cannot be reached or is not believed.
    pub async fn connect(&self) -> Result<Connection> {
        let inner = &self.inner;
        let stream = TcpStream::connect(&inner.server)
            .await
            .with_context(|| format!("cannot reach {}", inner.server))?;
        stream.set_nodelay(true)?;
        let stream = inner.tls.connect(inner.name.clone(), stream).await?;
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        drive(connection);
        Ok(Connection {
            sender,
            target: self.clone(),
            again: 0,
        })
    }
}

impl Connection {
    /// Sends a call and answers what came, its body still to be read.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(super) async fn send(&mut self, call: &Call) -> Result<Response<Incoming>> {
        let inner = &self.target.inner;
        let mut request = Request::builder()
            .method(call.method)
            .uri(format!("https://{}{}", inner.server, call.path))
            .header("user-agent", "glasshouse-bench/v1")
            .header("accept", accept(call));
        if !call.content_type.is_empty() {
            request = request.header("content-type", call.content_type);
        }
        if let Some(authorization) = &inner.authorization {
            request = request.header("authorization", authorization);
        }
        let request = request.body(Full::new(call.body.clone()))?;
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }

    /// Makes a call to its end; answers code and body. Comes again after 429, as told by `Retry-After`.
    ///
    /// # Errors
    /// When the connection breaks, or the server never has time.
    pub(super) async fn call(&mut self, call: &Call) -> Result<(u16, Bytes)> {
        for _ in 0..ATTEMPTS_MAX {
            let response = self.send(call).await?;
            let code = response.status().as_u16();
            let wait = response
                .headers()
                .get("retry-after")
                .and_then(|v| v.to_str().ok()?.parse().ok());
            let body = response.into_body().collect().await?.to_bytes();
            match (code, wait) {
                (429, Some(seconds)) => {
                    self.again += 1;
                    pause(Duration::from_secs(seconds)).await;
                }
                _ => return Ok((code, body)),
            }
        }
        bail!(
            "{} {} was refused {ATTEMPTS_MAX} times",
            call.method,
            call.path
        )
    }

    /// The same, for calls that must succeed.
    ///
    /// # Errors
    /// As [`Self::call`], and when the answer is no success.
    pub(super) async fn must(&mut self, call: &Call) -> Result<Bytes> {
        let (code, body) = self.call(call).await?;
        if code >= 300 {
            let said = String::from_utf8_lossy(&body);
            bail!("{} {}: {code} {said}", call.method, call.path);
        }
        Ok(body)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a connection ends with its last sender, and the load with its runtime"
)]
fn drive(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) {
    tokio::spawn(connection);
}

fn accept(call: &Call) -> &'static str {
    if call.accept.is_empty() {
        "application/json"
    } else {
        call.accept
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a client waits as long as the server says, on the host's clock"
)]
pub(super) async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}
