//! The admin kubeconfig: how `kubectl` finds and trusts the cluster.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::pki::{Credential, PkiError, write_private};

/// Writes a kubeconfig with everything embedded, mode 0600. JSON is YAML, so `kubectl` reads it.
///
/// # Errors
/// When the file cannot be written.
pub fn write(
    path: &Path,
    server: &str,
    authority_pem: &str,
    user: &Credential,
) -> Result<(), PkiError> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "glasshouse",
            "cluster": {"server": server, "certificate-authority-data": STANDARD.encode(authority_pem)},
        }],
        "users": [{
            "name": "admin",
            "user": {
                "client-certificate-data": STANDARD.encode(&user.certificate_pem),
                "client-key-data": STANDARD.encode(&user.key_pem),
            },
        }],
        "contexts": [{"name": "glasshouse", "context": {"cluster": "glasshouse", "user": "admin"}}],
        "current-context": "glasshouse",
    });
    write_private(path, format!("{config:#}\n").as_bytes())
}
