//! TLS for the Kubernetes API: who we are, and who the client is.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::pki::{Authority, Credential};

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up TLS for the API: {0}")]
pub struct TlsError(String);

impl TlsError {
    pub(crate) fn because(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// A server configuration that offers HTTP/2 and asks clients for a certificate of the cluster's authority without
/// insisting: who shows none is anonymous.
///
/// # Errors
/// When a certificate or key cannot be read.
pub fn server_config(
    authority: &Authority,
    serving: &Credential,
) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots
        .add(
            CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes())
                .map_err(TlsError::because)?,
        )
        .map_err(TlsError::because)?;
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .map_err(TlsError::because)?;
    let chain = vec![
        CertificateDer::from_pem_slice(serving.certificate_pem.as_bytes())
            .map_err(TlsError::because)?,
    ];
    let key =
        PrivateKeyDer::from_pem_slice(serving.key_pem.as_bytes()).map_err(TlsError::because)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::because)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(TlsError::because)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Who a verified client certificate stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The user name.
    pub name: String,
    /// The groups.
    pub groups: Vec<String>,
    /// SHA-256 of the certificate, in hexadecimal: which of several credentials it was.
    pub fingerprint: String,
}

/// User name and groups of a verified client certificate: common name and organisations
/// (`kubernetes.io/docs/reference/access-authn-authz/authentication`, X.509 client certificates).
#[must_use]
pub fn subject(certificate: &CertificateDer<'_>) -> Option<Subject> {
    let digest = Sha256::digest(certificate);
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let subject = certificate.subject();
    let name = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
    let groups = subject
        .iter_organization()
        .filter_map(|o| o.as_str().ok())
        .map(str::to_owned)
        .collect();
    Some(Subject {
        name,
        groups,
        fingerprint: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}
