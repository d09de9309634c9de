//! HTTP probes and hooks, as a kubelet sends them.

use std::sync::Arc;

use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use kubelet::runtime::ProbeAction;
use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::{Prober, USER_AGENT};

/// Where a request goes.
pub(super) struct Target<'a> {
    /// Empty for the pod.
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) tls: bool,
    pub(super) path: &'a str,
    pub(super) headers: &'a [(String, String)],
}

impl<'a> Target<'a> {
    pub(super) fn of(action: &'a ProbeAction) -> Option<Self> {
        match action {
            ProbeAction::HttpGet {
                host,
                port,
                tls,
                path,
                headers,
            } => Some(Self {
                host,
                port: *port,
                tls: *tls,
                path,
                headers,
            }),
            _ => None,
        }
    }
}

impl Prober {
    /// The address in a request, as it is shown.
    pub(super) fn url(&self, target: &Target<'_>) -> String {
        let slash = if target.path.starts_with('/') {
            ""
        } else {
            "/"
        };
        let scheme = if target.tls { "https" } else { "http" };
        let host = self.shown(target.host);
        format!("{scheme}://{host}:{}{slash}{}", target.port, target.path)
    }

    /// The status of the answer.
    pub(super) async fn http(&self, target: &Target<'_>) -> Result<u16, String> {
        let url = self.url(target);
        let failed = |why: String| format!("Get \"{url}\": {why}");
        let request = self.request(&url, target).map_err(failed)?;
        let stream = self
            .connect(target.host, target.port)
            .await
            .map_err(failed)?;
        let answer = if target.tls {
            let host = self.shown(target.host);
            let name = ServerName::try_from(host).map_err(|error| failed(error.to_string()))?;
            let connector = believing_anyone().map_err(|error| failed(error.to_string()))?;
            let stream = connector.connect(name, stream).await;
            exchange(stream.map_err(|error| failed(error.to_string()))?, request).await
        } else {
            exchange(stream, request).await
        };
        answer.map_err(|error| failed(error.to_string()))
    }

    fn request(
        &self,
        url: &str,
        target: &Target<'_>,
    ) -> Result<::http::Request<Empty<bytes::Bytes>>, String> {
        let uri: ::http::Uri = url.parse().map_err(|error| format!("{error}"))?;
        let own_host = format!("{}:{}", self.shown(target.host), target.port);
        let defaults = [
            ("Host", own_host.as_str()),
            ("User-Agent", USER_AGENT),
            ("Accept", "*/*"),
        ];
        let given = |name: &str| {
            target
                .headers
                .iter()
                .any(|(n, _)| n.eq_ignore_ascii_case(name))
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = ::http::Request::get(path).header("Connection", "close");
        for (name, value) in defaults.into_iter().filter(|(name, _)| !given(name)) {
            request = request.header(name, value);
        }
        for (name, value) in target.headers {
            request = request.header(name, value);
        }
        request
            .body(Empty::new())
            .map_err(|error| error.to_string())
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: ::http::Request<Empty<bytes::Bytes>>,
) -> hyper::Result<u16> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let sending = sender.send_request(request);
    tokio::pin!(sending, connection);
    let answer = tokio::select! {
        biased;
        answer = &mut sending => answer,
        ended = &mut connection => match ended {
            Ok(()) => sending.await,
            Err(error) => Err(error),
        },
    };
    Ok(answer?.status().as_u16())
}

/// TLS to whoever answers: a kubelet "skips the certificate verification" (kubernetes.io, Configure Liveness, Readiness
/// and Startup Probes), because pods have certificates of their own making.
fn believing_anyone() -> Result<TlsConnector, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
