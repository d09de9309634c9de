//! A programmatic client under the admin's certificate, for tests and benches that kubectl is too slow for.

use anyhow::{Result, bail};
use io_http::https::Https;
use tokio_util::task::TaskTracker;

use crate::Cluster;
use crate::kubeconfig::{Access, Identity};

impl Cluster {
    /// A client of the cluster's API.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read.
    pub fn client(&self, agent: &str, tasks: TaskTracker) -> Result<Https> {
        let access = Access::read(&self.ready.kubeconfig)?;
        let Identity::Certificate(credential) = &access.identity else {
            bail!("the admin's kubeconfig holds no client certificate");
        };
        Ok(Https::new(
            &access.server,
            &access.authority_pem,
            credential,
            agent,
            tasks,
        )?)
    }
}
