//! `glasshouse up`: build the cluster, tell where it is, run until told to stop, drain.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

use crate::announce::{Ready, announce};
use crate::config::Up;
use crate::control_plane::ControlPlane;

/// How long the drain may take.
const DRAIN: Duration = Duration::from_secs(10);

pub(crate) async fn up(up: Up) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let cluster = ControlPlane::start(&up).await?;
    let ready = Ready {
        ready: true,
        api: cluster.api_url.clone(),
        dashboard: cluster.dashboard_url.clone(),
        kubeconfig: cluster.kubeconfig.clone(),
    };
    tokio::select! {
        result = cluster.until_ready(up.nodes) => {
            announce(&ready, up.nodes, result?, up.output);
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("draining");
    match tokio::time::timeout(DRAIN, cluster.drain()).await {
        Ok(()) => tracing::info!("drained"),
        Err(_) => tracing::warn!(
            "not everything ended within {} s; leaving it behind",
            DRAIN.as_secs()
        ),
    }
    Ok(())
}
