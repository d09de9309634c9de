//! `wasi:http/outgoing-handler` over the pod's own network: names by the cluster's DNS, HTTP/1.1; TLS
//! towards whom the cluster's authority vouches for.

mod early;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use http::uri::Scheme;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use io_clock::Clock;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::network::{BoxStream, SharedNetwork};
use early::{Patient, SharedBody};

/// wasmtime-wasi-http's own default for every phase of a request.
const TIMEOUT: Duration = Duration::from_secs(600);

/// A connection with or without TLS.
trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Sends a guest's requests.
pub(crate) struct PodHttp {
    network: SharedNetwork,
    clock: Clock,
}

type Sent = (
    http::Response<WasiBody>,
    Box<dyn Future<Output = Result<(), Error>> + Send>,
);

impl PodHttp {
    pub(crate) fn new(network: SharedNetwork, clock: Clock) -> Self {
        Self { network, clock }
    }
}

impl WasiHttpHooks for PodHttp {
    fn default_scheme(&mut self) -> Option<Scheme> {
        Some(Scheme::HTTP)
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        let (network, clock) = (self.network.clone(), self.clock.clone());
        Box::new(async move { send(network, clock, request, options.unwrap_or_default()).await })
    }
}

async fn send(
    network: SharedNetwork,
    clock: Clock,
    request: http::Request<WasiBody>,
    options: RequestOptions,
) -> Result<Sent, Error> {
    let is_secure = request.uri().scheme() == Some(&Scheme::HTTPS);
    let authority = request
        .uri()
        .authority()
        .ok_or(Error::HttpRequestUriInvalid)?;
    let (host, port) = (
        authority.host().to_owned(),
        authority
            .port_u16()
            .unwrap_or(if is_secure { 443 } else { 80 }),
    );
    let connecting = open(&network, &host, port, is_secure);
    let stream = within(&clock, options.connect_timeout, connecting)
        .await
        .ok_or(Error::ConnectionTimeout)??;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(Patient::new(stream))).await?;
    let mut request = request.map(SharedBody::new);
    let body = request.body().clone();
    *request.uri_mut() = origin_form(request.uri())?;
    let mut connection = Box::pin(connection);
    let mut ended = false;
    let answer = {
        let sending = async {
            let sending = sender.send_request(request);
            tokio::pin!(sending);
            // The connection must be driven for the answer to come.
            tokio::select! {
                biased;
                answer = &mut sending => answer,
                result = &mut connection => {
                    ended = true;
                    match result {
                        Ok(()) => sending.await,
                        // The answer may have come before the connection broke.
                        Err(error) => sending.await.map_err(|_| error),
                    }
                }
            }
        };
        within(&clock, options.first_byte_timeout, sending)
            .await
            .ok_or(Error::ConnectionReadTimeout)??
    };
    let answer = answer.map(|body| body.map_err(Error::from).boxed_unsync());
    let driving = Box::new(async move {
        if !ended && let Err(error) = connection.await {
            // The reader of the answer is told; the writer of the request has been answered.
            tracing::debug!(%error, "a connection ended after the answer began");
        }
        body.drain().await;
        Ok(())
    });
    Ok((answer, driving))
}

/// Runs at most so long on the cluster clock.
async fn within<T>(
    clock: &Clock,
    timeout: Option<Duration>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let ms = u64::try_from(timeout.unwrap_or(TIMEOUT).as_millis()).unwrap_or(u64::MAX);
    tokio::select! {
        biased;
        done = work => Some(done),
        () = clock.sleep_ms(ms) => None,
    }
}

/// A connection, with TLS when it is to be secure.
async fn open(
    network: &SharedNetwork,
    host: &str,
    port: u16,
    is_secure: bool,
) -> Result<Box<dyn Connection>, Error> {
    if !is_secure {
        return Ok(Box::new(connect(network, host, port).await?));
    }
    let refused = |why: String| Error::InternalError(Some(why));
    let connector = network
        .tls()
        .ok_or_else(|| refused("https is not offered in this network: use http".to_owned()))?;
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
        .map_err(|error| refused(error.to_string()))?;
    let stream = connect(network, host, port).await?;
    let secured = connector.connect(name, stream).await;
    match secured {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(refused(format!("{host}: {error}"))),
    }
}

/// Connects to the first address that answers.
async fn connect(network: &SharedNetwork, host: &str, port: u16) -> Result<BoxStream, Error> {
    let addresses = match host.parse() {
        Ok(ip) => vec![ip],
        Err(_) => network
            .resolve(host)
            .await
            .map_err(|error| Error::DnsError {
                rcode: Some(error.to_string()),
                info_code: None,
            })?,
    };
    let mut last = Error::DestinationNotFound;
    for ip in addresses {
        match network.tcp_connect(SocketAddr::new(ip, port), None).await {
            Ok(stream) => return Ok(stream),
            Err(error) => {
                last = match error.kind() {
                    std::io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
                    std::io::ErrorKind::TimedOut => Error::ConnectionTimeout,
                    std::io::ErrorKind::HostUnreachable => Error::DestinationUnavailable,
                    _ => Error::Connect(error),
                }
            }
        }
    }
    Err(last)
}

/// RFC 9112 section 3.2.1: a request to the origin server names only path and query.
fn origin_form(uri: &http::Uri) -> Result<http::Uri, Error> {
    let path = uri
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str);
    path.parse().map_err(|_| Error::HttpRequestUriInvalid)
}
