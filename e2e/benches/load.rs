//! The API under load: this cluster, beside the original's figures and beside any other cluster in the same run.
//!
//! Run by `cargo xtask bench load`. `GLASSHOUSE_BENCH_KUBECONFIG` names the kubeconfig of another cluster, which is
//! then measured in turn with this one; the ratio printed as `peerRatio` is the median over the rounds.

use std::env;
use std::path::Path;
use std::pin::Pin;

use anyhow::Result;
use e2e::Cluster;
use e2e::kubeconfig::Access;
use e2e::load::{self, Figure, Site};

/// How often each scenario is measured when there is another cluster to compare with.
const ROUNDS: usize = 5;

type Measured<'a> = Pin<Box<dyn Future<Output = Result<Vec<Figure>>> + 'a>>;
type Scenario = for<'a> fn(&'a Access) -> Measured<'a>;

const SCENARIOS: [(&str, Scenario); 4] = [
    ("load verbs", |to| {
        Box::pin(alone(to, |s| Box::pin(load::verbs(s))))
    }),
    ("load lists", |to| Box::pin(lists(to))),
    ("load watches", |to| {
        Box::pin(alone(to, |s| Box::pin(load::watches(s))))
    }),
    ("load contention", |to| {
        Box::pin(alone(to, |s| Box::pin(load::contention(s))))
    }),
];

fn main() -> Result<()> {
    let filter = env::var("GLASSHOUSE_BENCH").unwrap_or_default();
    let peer = env::var_os("GLASSHOUSE_BENCH_KUBECONFIG");
    let peer = peer
        .map(|path| Access::read(Path::new(&path)))
        .transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    for (_, scenario) in SCENARIOS.iter().filter(|(name, _)| name.contains(&filter)) {
        let cluster = Cluster::start(1)?;
        let own = Access::read(&cluster.ready.kubeconfig)?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..peer.as_ref().map_or(1, |_| ROUNDS) {
            ours.push(runtime.block_on(scenario(&own))?);
            if let Some(peer) = &peer {
                theirs.push(runtime.block_on(scenario(peer))?);
            }
        }
        load::report(&ours, &theirs);
    }
    Ok(())
}

/// Measures in a namespace of its own, which is removed also when the measurement fails.
async fn alone(to: &Access, measure: for<'a> fn(&'a Site) -> Measured<'a>) -> Result<Vec<Figure>> {
    let site = Site::open(to).await?;
    let figures = measure(&site).await;
    site.clear().await?;
    figures
}

async fn lists(to: &Access) -> Result<Vec<Figure>> {
    let (site, other) = (Site::open(to).await?, Site::open(to).await?);
    let figures = load::lists(&site, &other).await;
    site.clear().await?;
    other.clear().await?;
    figures
}
