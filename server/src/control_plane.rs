//! The control plane of this process: built, running, drained.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use apiserver::{ApiServer, Config};
use io_clock::Clock;
use io_disk::{Committer, Options};
use io_driver::api::Api;
use io_driver::backstage::Nodes;
use io_driver::client::Client;
use io_driver::flow::FlowLog;
use io_driver::node::House;
use io_driver::rooms::Rooms;
use io_driver::seed::Seeds;
use io_http::pki::Authority;
use io_http::tokens::Tokens;
use shared::Millis;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::addresses::Addresses;
use crate::components::{start_components, start_engine};
use crate::config::Up;
use crate::doors::{Doors, reachable};
use crate::nodes::LocalNodes;
use crate::{bootstrap, ready};

/// A running cluster.
pub(crate) struct ControlPlane {
    pub(crate) api_url: String,
    pub(crate) dashboard_url: String,
    pub(crate) kubeconfig: PathBuf,
    admin: Arc<dyn Client>,
    nodes: Arc<LocalNodes>,
    committer: Committer,
    house: House,
    started: Millis,
    started_us: u64,
}

impl ControlPlane {
    /// Builds everything and starts it; nodes are on their way when this returns.
    pub(crate) async fn start(up: &Up) -> Result<Self> {
        let clock = Clock::start(Millis(0));
        let started_us = clock.host_us();
        let data_dir = data_dir(&up.data_dir)?;
        let seeds = Seeds::new(getrandom::u64().context("the system gives no random numbers")?);
        let doors = Doors::open(up).await?;
        let api_address = doors.api_address()?;
        let authority = Authority::open(&data_dir.join("pki"))?;
        let committer = open_store(&data_dir.join("store"), &clock)?;
        clock.not_before(committer.handle().snapshot().time());
        let started = clock.now();

        let (addresses, seed) = (Addresses::open(&data_dir, seeds.next())?, seeds.next());
        let server = ApiServer::new(Config {
            ca_pem: authority.certificate_pem().to_owned(),
            server_address: reachable(api_address).to_string(),
            ..Config::default()
        });
        let server = server.with_tokens(Box::new(Tokens::open(&data_dir.join("pki"))?));
        let (api, house) = start_api(server, &committer, clock, seeds);
        bootstrap::bootstrap(&api).await?;
        let root_ca_pem = authority.certificate_pem().to_owned();
        let zone = start_components(&house, &api, seed, root_ca_pem, addresses);
        let engine = start_engine(&data_dir, &house, &api, authority.certificate_pem())?;
        let nodes = LocalNodes::new(
            Arc::clone(&api),
            house.clone(),
            engine.clone(),
            data_dir.clone(),
            addresses,
            api_address,
            zone,
        );
        let nodes = Arc::new(nodes);
        for number in 1..=up.nodes {
            nodes.start_number(number).await?;
        }
        let served = doors.serve(up, &data_dir, &authority, &api, &house, &nodes, engine)?;
        Ok(Self {
            api_url: served.api_url,
            dashboard_url: served.dashboard_url,
            kubeconfig: served.kubeconfig,
            admin: served.admin,
            nodes,
            committer,
            house,
            started,
            started_us,
        })
    }

    /// Waits until so many nodes are Ready; answers how long that took since the start, in milliseconds.
    pub(crate) async fn until_ready(&self, nodes: u16) -> Result<u64> {
        ready::nodes_ready(self.admin.as_ref(), usize::from(nodes), self.started).await?;
        Ok(self.house.clock.host_us().saturating_sub(self.started_us) / 1000)
    }

    /// A way in under the dashboard's name.
    pub(crate) fn admin(&self) -> Arc<dyn Client> {
        Arc::clone(&self.admin)
    }

    /// The nodes of this process.
    pub(crate) fn nodes(&self) -> Arc<dyn Nodes> {
        Arc::clone(&self.nodes) as Arc<_>
    }

    /// The cluster clock.
    pub(crate) fn clock(&self) -> Clock {
        self.house.clock.clone()
    }

    /// Ends everything in order: doors and components, nodes, store.
    pub(crate) async fn drain(self) {
        self.house.cancel.cancel();
        self.nodes.drain().await;
        self.house.tasks.close();
        self.house.tasks.wait().await;
        self.committer.close().await;
    }
}

/// Makes the data directory, for its owner only (CIS 1.1.11).
fn data_dir(wanted: &Path) -> Result<PathBuf> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(wanted);
    made.with_context(|| format!("cannot create the data directory {}", wanted.display()))?;
    Ok(wanted.canonicalize()?)
}

fn open_store(dir: &Path, clock: &Clock) -> Result<Committer> {
    let time = clock.clone();
    let options = Options::new(Arc::new(move || time.now()));
    Committer::start(dir, options)
        .with_context(|| format!("cannot open the store in {}", dir.display()))
}

/// The apiserver over the store, feeding its watches and sweeping what has expired.
fn start_api(
    server: ApiServer,
    committer: &Committer,
    clock: Clock,
    seeds: Seeds,
) -> (Arc<Api>, House) {
    let flow = Arc::new(FlowLog::default());
    let house = House {
        clock: clock.clone(),
        rooms: Arc::new(Rooms::new(Arc::clone(&flow))),
        tasks: TaskTracker::new(),
        cancel: CancellationToken::new(),
    };
    let (tasks, cancel) = (house.tasks.clone(), house.cancel.clone());
    let api = Arc::new(Api::new(
        server,
        committer.handle(),
        clock,
        flow,
        seeds,
        tasks,
        cancel,
    ));
    let (keeper, cancel) = (Arc::clone(&api), house.cancel.clone());
    house
        .tasks
        .spawn(async move { keeper.feed_watches(cancel).await });
    let (keeper, cancel) = (Arc::clone(&api), house.cancel.clone());
    house
        .tasks
        .spawn(async move { keeper.expire(cancel).await });
    (api, house)
}
