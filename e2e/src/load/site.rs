//! One cluster under load: how to reach it, the namespace that everything is in, and what its server has used.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::json;

use super::connection::{Call, Connection, Target, pause};
use super::objects;
use crate::kubeconfig::Access;
use crate::measure::Usage;

/// How often a namespace is looked at until it is gone.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(200);

/// A cluster with a namespace of the load's own.
pub struct Site {
    target: Target,
    /// The namespace.
    pub namespace: String,
    /// When the load began: the zero of times in patches.
    pub(super) begin: Instant,
}

impl Site {
    /// Connects and makes a namespace with the account that pods need.
    ///
    /// # Errors
    /// When the cluster cannot be reached or refuses.
    pub async fn open(access: &Access) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("glasshouse-bench-{}-{number}", std::process::id());
        let target = Target::new(access)?;
        let mut client = target.connect().await?;
        let made =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        let call = Call::new("POST", "/api/v1/namespaces");
        client
            .must(&call.with("application/json", objects::bytes(&made)))
            .await?;
        let account =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        // A controller may have made it first.
        client
            .call(&Call::new("POST", path).with("application/json", objects::bytes(&account)))
            .await?;
        Ok(Self {
            target,
            namespace,
            begin: now(),
        })
    }

    /// One more client.
    ///
    /// # Errors
    /// When the cluster cannot be reached.
    pub async fn client(&self) -> Result<Connection> {
        self.target.connect().await
    }

    /// So many clients, each with a connection of its own.
    ///
    /// # Errors
    /// When the cluster cannot be reached.
    pub(super) async fn clients(&self, count: usize) -> Result<Vec<Connection>> {
        let mut clients = Vec::with_capacity(count);
        for _ in 0..count {
            clients.push(self.client().await?);
        }
        Ok(clients)
    }

    /// What the server's process has used so far, as its `/metrics` say.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn usage(&self) -> Result<Usage> {
        let text = self
            .client()
            .await?
            .must(&Call {
                accept: "text/plain",
                ..Call::new("GET", "/metrics")
            })
            .await?;
        let text = String::from_utf8_lossy(&text);
        let value = |name: &str| {
            let line = text
                .lines()
                .find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|v| v.trim().parse::<f64>().ok())
                .with_context(|| format!("/metrics do not tell {name}"))
        };
        Ok(Usage {
            cpu_seconds: value("process_cpu_seconds_total")?,
            rss_bytes: value("process_resident_memory_bytes")? as u64,
        })
    }

    /// Removes everything that the load made, and waits until it is gone.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn clear(&self) -> Result<()> {
        let mut client = self.client().await?;
        let pods = format!("{}?gracePeriodSeconds=0", objects::pods(&self.namespace));
        let remove = Call::new("DELETE", pods);
        // Thousands of pods may take longer than a request has time.
        while client.call(&remove).await?.0 == 504 {}
        let path = format!("/api/v1/namespaces/{}", self.namespace);
        client.must(&Call::new("DELETE", path.as_str())).await?;
        loop {
            let (code, _) = client.call(&Call::new("GET", path.as_str())).await?;
            if code == 404 {
                return Ok(());
            }
            pause(LOOK_EVERY).await;
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a load generator reads the clock"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}
