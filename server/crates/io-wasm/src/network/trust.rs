//! TLS for guests: a component says `https` to `wasi:http` and the engine makes the connection, as its host should.
//!
//! Only certificates of the cluster's own authority are believed: what pods reach by TLS is the apiserver.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::{BoxListener, BoxStream, Datagrams, Network, NodeNetwork, SharedNetwork};

/// What the pods of a process believe in. Clones share it.
#[derive(Clone)]
pub struct Trust(TlsConnector);

/// Why an authority cannot be believed.
#[derive(Debug, thiserror::Error)]
#[error("the authority's certificate cannot be used: {0}")]
pub struct TrustError(String);

impl Trust {
    /// Believes the certificates in `pem`.
    ///
    /// # Errors
    /// When there is none that can be read.
    pub fn new(pem: &str) -> Result<Self, TrustError> {
        let wrong = |error: &dyn std::fmt::Display| TrustError(error.to_string());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| wrong(&error))?;
            roots.add(certificate).map_err(|error| wrong(&error))?;
        }
        if roots.is_empty() {
            return Err(TrustError("there is none".to_owned()));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// A node's network whose pods believe this.
    #[must_use]
    pub fn give(&self, network: Arc<dyn NodeNetwork>) -> Arc<dyn NodeNetwork> {
        Arc::new(TrustingNode {
            network,
            connector: self.0.clone(),
        })
    }
}

struct TrustingNode {
    network: Arc<dyn NodeNetwork>,
    connector: TlsConnector,
}

impl NodeNetwork for TrustingNode {
    fn add_pod(&self, uid: &str, ip: Ipv4Addr, search: Vec<String>) -> io::Result<SharedNetwork> {
        let network = self.network.add_pod(uid, ip, search)?;
        let connector = self.connector.clone();
        Ok(Arc::new(TrustingPod { network, connector }))
    }

    fn remove_pod(&self, uid: &str) {
        self.network.remove_pod(uid);
    }

    fn host(&self) -> SharedNetwork {
        self.network.host()
    }
}

struct TrustingPod {
    network: SharedNetwork,
    connector: TlsConnector,
}

impl Network for TrustingPod {
    fn ip(&self) -> Ipv4Addr {
        self.network.ip()
    }

    fn tcp_listen(
        &self,
        at: SocketAddr,
        backlog: usize,
    ) -> BoxFuture<'static, io::Result<BoxListener>> {
        self.network.tcp_listen(at, backlog)
    }

    fn tcp_connect(
        &self,
        to: SocketAddr,
        from: Option<SocketAddr>,
    ) -> BoxFuture<'static, io::Result<BoxStream>> {
        self.network.tcp_connect(to, from)
    }

    fn udp_bind(&self, at: SocketAddr) -> io::Result<Arc<dyn Datagrams>> {
        self.network.udp_bind(at)
    }

    fn resolve(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        self.network.resolve(name)
    }

    fn tls(&self) -> Option<TlsConnector> {
        Some(self.connector.clone())
    }
}
