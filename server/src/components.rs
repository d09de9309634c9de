//! What runs once per cluster: scheduler, controllers, names, the container engine.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use apiserver::User;
use client::Elected;
use cloud_controller_manager::CloudControllerManager;
use cni::dns::Dns;
use io_driver::api::{Api, InProcess};
use io_driver::client::Client;
use io_driver::node::House;
use io_driver::run::{Unattached, run};
use io_wasm::network::trust::Trust;
use io_wasm::{Engine, EngineConfig};
use tokio::sync::watch;

use crate::addresses::Addresses;
use crate::aliases::{ImageAliases, TakeOver};
use crate::names::Names;
use crate::{embedded, identity};

/// Who holds the leases of this process's components; the same after a restart, which then need not wait.
const IDENTITY: &str = "control-plane-1";

fn client(api: &Arc<Api>, user: User, agent: &str) -> Arc<dyn Client> {
    Arc::new(InProcess::new(Arc::clone(api), user, agent))
}

/// Starts what is there once per cluster; answers where the zone is published.
pub(crate) fn start_components(
    house: &House,
    api: &Arc<Api>,
    seed: u64,
    root_ca_pem: String,
    addresses: Addresses,
) -> watch::Receiver<Arc<cni::dns::Zone>> {
    let around = |name: &str| house.around(client(api, identity::component(name), name));
    let scheduler = Elected::new(scheduler::Scheduler::new(seed), IDENTITY);
    house
        .tasks
        .spawn(run(scheduler, Unattached, around("kube-scheduler")));
    let manager =
        controller_manager::ControllerManager::new(controller_manager::Config { root_ca_pem });
    let manager = Elected::new(manager, IDENTITY);
    house
        .tasks
        .spawn(run(manager, Unattached, around("kube-controller-manager")));
    let cloud = CloudControllerManager::new(addresses.cloud());
    house
        .tasks
        .spawn(run(cloud, Unattached, around("cloud-controller-manager")));
    let (publish, zone) = watch::channel(Arc::default());
    let reader = client(api, identity::account("coredns"), "kube-dns");
    house
        .tasks
        .spawn(run(Dns::default(), Names(publish), house.around(reader)));
    zone
}

/// Starts the container engine with the embedded workloads, and what keeps its aliases.
pub(crate) fn start_engine(
    data_dir: &Path,
    house: &House,
    api: &Arc<Api>,
    ca_pem: &str,
) -> Result<Engine> {
    let samples = embedded::WORKLOADS
        .iter()
        .map(|(file, module)| (file.trim_end_matches(".wasm").to_owned(), *module));
    let engine = Engine::new(EngineConfig {
        trust: Some(Trust::new(ca_pem)?),
        compiler: Some(std::env::current_exe().context("where is this program?")?),
        ..EngineConfig::new(data_dir.to_owned(), samples.collect())
    })?;
    let taker = engine.clone();
    let aliases = TakeOver::new(move |aliases| taker.images().set_aliases(aliases));
    let around = house.around(client(api, identity::apiserver(), "kube-apiserver"));
    house
        .tasks
        .spawn(run(ImageAliases::default(), aliases, around));
    Ok(engine)
}
