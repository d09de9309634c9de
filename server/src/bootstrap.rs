//! The objects of a fresh cluster, and what the controllers are configured with.

use std::sync::Arc;

use anyhow::{Context, Result};
use apiserver::User;
use io_driver::api::{Api, Asker};

/// Makes what a fresh cluster has; what is there already is left alone.
pub(crate) async fn bootstrap(api: &Arc<Api>) -> Result<()> {
    let asker = Asker {
        user: User::new("system:apiserver", &["system:masters"]),
        agent: "kube-apiserver".into(),
        ..Asker::default()
    };
    for request in api.server().bootstrap() {
        match api.handle(&asker, &request).await {
            Err(status) if !status.is_already_exists() => {
                return Err(status)
                    .with_context(|| format!("cannot make the first {}", request.kind));
            }
            _ => {}
        }
    }
    Ok(())
}
