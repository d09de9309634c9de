//! Several replicas, one leader: the election that Kubernetes' own components hold, over a Lease in the cluster's API,
//! with nothing but the pod's service account.
//!
//! Environment: `LEASE` (name, default `example`), `NAMESPACE` (default: the pod's own), `IDENTITY` (default: the host name),
//! `DURATION_S` (how long a leader that says nothing stays one, default 15), `RETRY_MS` (default 2000). The service
//! account needs `get`, `create` and `update` on `leases` of `coordination.k8s.io`.

mod api;
mod election;

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use wstd::runtime::block_on;
use wstd::time::Duration;

use api::{Api, Answer};
use election::{Election, Step};

fn main() -> ExitCode {
    match block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

async fn run() -> Result<(), String> {
    let api = Api::in_cluster()?;
    let identity = variable("IDENTITY").or_else(|| variable("HOSTNAME")).ok_or("IDENTITY is not set")?;
    let duration_s = variable("DURATION_S").and_then(|s| s.parse().ok()).unwrap_or(15);
    let retry = Duration::from_millis(variable("RETRY_MS").and_then(|ms| ms.parse().ok()).unwrap_or(2000));
    let namespace = match variable("NAMESPACE") {
        Some(namespace) => namespace,
        None => api.namespace()?,
    };
    let name = variable("LEASE").unwrap_or_else(|| "example".to_owned());
    let collection = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases");
    let mut election = Election::new(&name, &identity, duration_s);
    println!("{identity} stands for {namespace}/{name}");
    loop {
        let found = match api.call("GET", &format!("{collection}/{name}"), None).await? {
            Answer { status: 200, body } => Some(body),
            Answer { status: 404, .. } => None,
            refused => return Err(refused.words()),
        };
        let answer = match election.step(found.as_ref(), now_ms()) {
            Step::Create(lease) => Some(api.call("POST", &collection, Some(&lease)).await?),
            Step::Update(lease) => Some(api.call("PUT", &format!("{collection}/{name}"), Some(&lease)).await?),
            Step::Wait => None,
        };
        match answer {
            None => {}
            Some(Answer { status: 200 | 201, .. }) => election.won(now_ms()),
            // Somebody else was quicker: seen at the next look.
            Some(Answer { status: 409, .. }) => election.lost(),
            Some(refused) => return Err(refused.words()),
        }
        if let Some(news) = election.news() {
            println!("{news}");
        }
        wstd::task::sleep(retry).await;
    }
}
