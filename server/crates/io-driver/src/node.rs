//! One node's loops: kubelet, kube-proxy and flannel, connected to the node's network and container engine.
//!
//! The engine is known only by its channels, so that a node can be driven without compiling one.

mod engine;
mod manifests;
mod routes;
mod rules;

use std::path::PathBuf;
use std::sync::Arc;

use apiserver::User;
use cni::dns::Zone;
use cni::{Flannel, Mac};
use io_clock::Clock;
use io_net::{NodeNetwork, ServicePorts};
use kube_proxy::KubeProxy;
use kubelet::runtime::{RuntimeCommand, RuntimeEvent};
use kubelet::{Kubelet, KubeletConfig};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client::Client;
use crate::rooms::Rooms;
use crate::run::{Surroundings, run};

pub use engine::LogRequest;

/// What a node is made of.
pub struct Parts {
    /// The kubelet's settings.
    pub config: KubeletConfig,
    /// The node's network.
    pub network: NodeNetwork,
    /// The node ports on the host.
    pub ports: ServicePorts,
    /// The names that its pods can look up.
    pub zone: watch::Receiver<Arc<Zone>>,
    /// Commands to the engine.
    pub commands: mpsc::Sender<RuntimeCommand>,
    /// What the engine tells.
    pub events: mpsc::Receiver<RuntimeEvent>,
    /// The directory of the node's static pods.
    pub manifests: PathBuf,
    /// Seeds kube-proxy's choices.
    pub seed: u64,
}

/// What the loops run in.
#[derive(Clone)]
pub struct House {
    /// The cluster clock.
    pub clock: Clock,
    /// Where components show what they are doing.
    pub rooms: Arc<Rooms>,
    /// Owns the loops' tasks.
    pub tasks: TaskTracker,
    /// Ends them.
    pub cancel: CancellationToken,
}

impl House {
    /// What a component needs, with its own way to the apiserver.
    #[must_use]
    pub fn around(&self, client: Arc<dyn Client>) -> Surroundings {
        Surroundings {
            client,
            clock: self.clock.clone(),
            rooms: Arc::clone(&self.rooms),
            cancel: self.cancel.clone(),
        }
    }
}

/// The user that a node's components are (`kubernetes.io/docs/reference/access-authn-authz/node`).
#[must_use]
pub fn node_user(node: &str) -> User {
    User::new(&format!("system:node:{node}"), &["system:nodes"])
}

/// A handle to a running node.
pub struct NodeHandle {
    kubelet: Arc<Mutex<Kubelet>>,
}

impl NodeHandle {
    /// Which run of which container a log request means; `None` when the kubelet knows no such run.
    #[must_use]
    pub fn container(&self, request: &LogRequest<'_>) -> Option<kubelet::runtime::ContainerId> {
        let kubelet = self.kubelet.lock();
        kubelet.container(
            request.namespace,
            request.pod,
            request.container,
            request.previous,
        )
    }
}

/// Starts a node's loops in `house`. `client` makes a way to the apiserver for each by its name.
pub fn start(parts: Parts, house: &House, client: impl Fn(&str) -> Arc<dyn Client>) -> NodeHandle {
    let Parts {
        config,
        network,
        ports,
        zone,
        commands,
        events,
        manifests,
        seed,
    } = parts;
    let node = config.node_name.clone();
    let node_ip = config.node_ip;
    let kubelet = Arc::new(Mutex::new(Kubelet::new(config)));
    let spawn = |name: String| house.around(client(&name));

    let shared = engine::SharedKubelet::new(&node, Arc::clone(&kubelet));
    let (find, found) = watch::channel(manifests::Manifests::default());
    let (clock, cancel) = (house.clock.clone(), house.cancel.clone());
    let following = manifests::follow(manifests, clock, find);
    house
        .tasks
        .spawn(async move { cancel.run_until_cancelled(following).await });
    let around = spawn(format!("kubelet {node}"));
    house.tasks.spawn(run(
        shared,
        engine::Engine::new(commands, events, found),
        around,
    ));

    let around = spawn(format!("kube-proxy {node}"));
    let rules = rules::Rules::new(network.clone(), ports, &house.tasks, house.cancel.clone());
    house
        .tasks
        .spawn(run(KubeProxy::new(&node, seed), rules, around));

    let around = spawn(format!("cni {node}"));
    let flannel = Flannel::new(&node, node_ip, Mac(network.vtep_mac()));
    house
        .tasks
        .spawn(run(flannel, routes::Routes::new(network, zone), around));
    NodeHandle { kubelet }
}
