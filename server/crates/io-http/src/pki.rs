//! The cluster's own certificate authority and the certificates it signs, kept in `DATA/pki`.
//!
//! Made on the first start and found again on the next, so that a kubeconfig outlives a restart. Keys are readable
//! by their owner only (CIS 1.1.21).

use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};

/// Why certificates could not be made or found.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file could not be read or written.
    #[error("cannot use {}: {source}; check that the data directory belongs to you and has room", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A key or certificate could not be made or read back.
    #[error(
        "cannot make or read the certificate {name}: {source}; remove DATA/pki to have all of them made anew"
    )]
    Certificate {
        /// Which certificate.
        name: String,
        /// The library's reason.
        source: rcgen::Error,
    },
}

/// A certificate with its key, both PEM.
#[derive(Clone)]
pub struct Credential {
    /// The certificate.
    pub certificate_pem: String,
    /// The private key, PKCS #8.
    pub key_pem: String,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").finish_non_exhaustive()
    }
}

/// The cluster's certificate authority.
pub struct Authority {
    dir: PathBuf,
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Opens the authority in `dir`, or makes it.
    ///
    /// # Errors
    /// When files cannot be read or written, or hold no certificate.
    pub fn open(dir: &Path) -> Result<Self, PkiError> {
        fs::create_dir_all(dir).map_err(at(dir))?;
        let (certificate_path, key_path) = (dir.join("ca.crt"), dir.join("ca.key"));
        let failed = |source| PkiError::Certificate {
            name: "ca".into(),
            source,
        };
        if !certificate_path.exists() {
            let key = KeyPair::generate().map_err(failed)?;
            let certificate = authority_params().self_signed(&key).map_err(failed)?;
            write_private(&key_path, key.serialize_pem().as_bytes())?;
            write_private(&certificate_path, certificate.pem().as_bytes())?;
        }
        let certificate_pem =
            fs::read_to_string(&certificate_path).map_err(at(&certificate_path))?;
        let key_pem = fs::read_to_string(&key_path).map_err(at(&key_path))?;
        let key = KeyPair::from_pem(&key_pem).map_err(failed)?;
        let issuer = Issuer::from_ca_cert_pem(&certificate_pem, key).map_err(failed)?;
        Ok(Self {
            dir: dir.into(),
            certificate_pem,
            issuer,
        })
    }

    /// The authority's own certificate: what clients trust.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The serving certificate of kube-apiserver for these addresses and the in-cluster names; made anew at every
    /// start, because addresses may have changed.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn serving(&self, addresses: &[IpAddr]) -> Result<Credential, PkiError> {
        let mut params = leaf("kube-apiserver", &[], ExtendedKeyUsagePurpose::ServerAuth);
        params.subject_alt_names = addresses.iter().copied().map(SanType::IpAddress).collect();
        for name in [
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ] {
            if let Ok(name) = name.try_into() {
                params.subject_alt_names.push(SanType::DnsName(name));
            }
        }
        self.sign("apiserver", &params)
    }

    /// The client certificate of a user with its groups (common name and organisations, as Kubernetes reads them);
    /// kept under `file`.
    ///
    /// # Errors
    /// When it cannot be signed, read or kept.
    pub fn client(&self, file: &str, user: &str, groups: &[&str]) -> Result<Credential, PkiError> {
        let (certificate_path, key_path) = (
            self.dir.join(format!("{file}.crt")),
            self.dir.join(format!("{file}.key")),
        );
        if !certificate_path.exists() || !key_path.exists() {
            let made = self.sign(
                file,
                &leaf(user, groups, ExtendedKeyUsagePurpose::ClientAuth),
            )?;
            write_private(&key_path, made.key_pem.as_bytes())?;
            write_private(&certificate_path, made.certificate_pem.as_bytes())?;
        }
        Ok(Credential {
            certificate_pem: fs::read_to_string(&certificate_path)
                .map_err(at(&certificate_path))?,
            key_pem: fs::read_to_string(&key_path).map_err(at(&key_path))?,
        })
    }

    fn sign(&self, name: &str, params: &CertificateParams) -> Result<Credential, PkiError> {
        let failed = |source| PkiError::Certificate {
            name: name.into(),
            source,
        };
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        Ok(Credential {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    }
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "kubernetes");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    params
}

fn leaf(user: &str, groups: &[&str], usage: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, user);
    for group in groups {
        params
            .distinguished_name
            .push(DnType::OrganizationName, *group);
    }
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    params.extended_key_usages = vec![usage];
    params
}

/// Writes a file that only its owner can read, so that no reader ever sees half of it.
///
/// # Errors
/// When the file cannot be written.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), PkiError> {
    let temporary = path.with_extension("tmp");
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(at(path))
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> PkiError {
    let path = path.to_owned();
    move |source| PkiError::File {
        path: path.clone(),
        source,
    }
}
