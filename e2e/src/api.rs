//! A programmatic client under the admin's certificate, for tests and benches that kubectl is too slow for.

use std::fs;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use io_http::https::Https;
use io_http::pki::Credential;
use serde_json::Value;
use tokio_util::task::TaskTracker;

use crate::Cluster;

impl Cluster {
    /// A client of the cluster's API.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read.
    pub fn client(&self, agent: &str, tasks: TaskTracker) -> Result<Https> {
        let config: Value = serde_json::from_str(&fs::read_to_string(&self.ready.kubeconfig)?)?;
        let pem = |pointer: &str| -> Result<String> {
            let encoded = config
                .pointer(pointer)
                .and_then(Value::as_str)
                .context("the kubeconfig lacks a field")?;
            Ok(String::from_utf8(STANDARD.decode(encoded)?)?)
        };
        let authority = pem("/clusters/0/cluster/certificate-authority-data")?;
        let credential = Credential {
            certificate_pem: pem("/users/0/user/client-certificate-data")?,
            key_pem: pem("/users/0/user/client-key-data")?,
        };
        let server = self.ready.api.trim_start_matches("https://");
        Ok(Https::new(server, &authority, &credential, agent, tasks)?)
    }
}
