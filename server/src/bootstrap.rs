//! The objects of a fresh cluster.

use std::sync::Arc;

use anyhow::{Context, Result};
use client::Request;
use io_driver::api::{Api, Asker};
use tokio::task::JoinSet;

use crate::identity;

/// Requests sent at a time: enough that they share syncs of the log, and far from the limit on requests in flight.
const AT_A_TIME: usize = 64;

/// Makes what a fresh cluster has; what is there already is left alone.
pub(crate) async fn bootstrap(api: &Arc<Api>) -> Result<()> {
    let is_namespace = |request: &Request| request.kind.plural == "namespaces";
    let missing = api.server().missing(&api.snapshot());
    let (namespaces, others): (Vec<_>, Vec<_>) = missing.into_iter().partition(is_namespace);
    for requests in [namespaces, others] {
        for some in requests.chunks(AT_A_TIME) {
            make(api, some).await?;
        }
    }
    Ok(())
}

async fn make(api: &Arc<Api>, requests: &[Request]) -> Result<()> {
    let asker = Asker {
        user: identity::apiserver(),
        agent: "kube-apiserver".into(),
        ..Asker::default()
    };
    let mut tasks = JoinSet::new();
    for request in requests.iter().cloned() {
        let (api, asker) = (Arc::clone(api), asker.clone());
        tasks.spawn(async move {
            match api.handle(&asker, &request).await {
                Err(status) if !status.is_already_exists() => {
                    Err(status).with_context(|| format!("cannot make the first {}", request.kind))
                }
                _ => Ok(()),
            }
        });
    }
    while let Some(made) = tasks.join_next().await {
        made.context("a task that makes a first object ended early")??;
    }
    Ok(())
}
