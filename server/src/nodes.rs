//! The nodes of this process: started, stopped like a pulled plug, started again.

mod inside;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use cni::dns::Zone;
use io_driver::api::{Api, InProcess};
use io_driver::backstage::{
    BoxIo, Dial, Enter, LogQuery, LogStream, NodeUse, Nodes, Place, Session,
};
use io_driver::client::{Client, Pending};
use io_driver::node::{self, House, NodeHandle, Parts};
use io_net::{NodeConfig, NodeNetwork, ServicePorts};
use io_wasm::logs::LogOptions;
use io_wasm::{Engine, NodeRuntime, NodeRuntimeConfig};
use kubelet::KubeletConfig;
use kubelet::runtime::RuntimeCommand;
use parking_lot::Mutex;
use shared::Status;
use shared::live::Tunnel;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::addresses::Addresses;
use crate::identity;

/// Commands that wait for a node's engine.
const COMMANDS_WAITING_MAX: usize = 1024;

/// The nodes of this process.
pub(crate) struct LocalNodes {
    inner: Arc<Inner>,
}

struct Inner {
    api: Arc<Api>,
    house: House,
    engine: Engine,
    data_dir: PathBuf,
    addresses: Addresses,
    /// Where pods reach the apiserver on this host.
    api_address: SocketAddr,
    zone: watch::Receiver<Arc<Zone>>,
    nodes: Mutex<BTreeMap<String, Slot>>,
    /// Held while a node is being started or stopped.
    changing: tokio::sync::Mutex<()>,
}

struct Slot {
    number: u16,
    running: Option<Arc<Running>>,
}

struct Running {
    handle: NodeHandle,
    runtime: NodeRuntime,
    network: NodeNetwork,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

fn name_of(number: u16) -> String {
    format!("node-{number}")
}

impl LocalNodes {
    pub(crate) fn new(
        api: Arc<Api>,
        house: House,
        engine: Engine,
        data_dir: PathBuf,
        addresses: Addresses,
        api_address: SocketAddr,
        zone: watch::Receiver<Arc<Zone>>,
    ) -> Self {
        let (nodes, changing) = (Mutex::default(), tokio::sync::Mutex::new(()));
        Self {
            inner: Arc::new(Inner {
                api,
                house,
                engine,
                data_dir,
                addresses,
                api_address,
                zone,
                nodes,
                changing,
            }),
        }
    }

    /// Starts a node that this process has not had yet.
    pub(crate) async fn start_number(&self, number: u16) -> Result<()> {
        let _changing = self.inner.changing.lock().await;
        let running = self
            .inner
            .run(number)
            .await
            .with_context(|| format!("cannot start {}", name_of(number)))?;
        self.inner.nodes.lock().insert(
            name_of(number),
            Slot {
                number,
                running: Some(running),
            },
        );
        Ok(())
    }

    /// Ends every node.
    pub(crate) async fn drain(&self) {
        let _changing = self.inner.changing.lock().await;
        let running: Vec<_> = self
            .inner
            .nodes
            .lock()
            .values_mut()
            .filter_map(|slot| slot.running.take())
            .collect();
        for node in running {
            node.end().await;
        }
    }
}

/// The usual settings, for a node of a cloud: nothing is scheduled there before the cloud-controller-manager has said
/// where it is (`--cloud-provider=external`).
fn kubelet_config(name: &str, ip: Ipv4Addr) -> KubeletConfig {
    let taint = [
        "node.cloudprovider.kubernetes.io/uninitialized",
        "true",
        "NoSchedule",
    ]
    .map(str::to_owned);
    let [key, value, effect] = taint;
    KubeletConfig {
        taints: vec![(key, value, effect)],
        ..KubeletConfig::new(name, ip)
    }
}

impl Running {
    async fn end(&self) {
        self.cancel.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Inner {
    async fn run(&self, number: u16) -> Result<Arc<Running>> {
        let (name, ip) = (name_of(number), self.addresses.node(number));
        let (tasks, cancel) = (TaskTracker::new(), self.house.cancel.child_token());
        let clock = self.house.clock.clone();
        let data_dir = self.data_dir.join("nodes").join(&name);
        let config = NodeConfig {
            seed: self.api.seed(),
            ..NodeConfig::new(&name, ip)
        };
        let network = NodeNetwork::start(config, clock.clone(), &tasks, cancel.clone())
            .await
            .with_context(|| format!("cannot use {ip} and its VXLAN port 8472"))?;
        if let SocketAddr::V4(api) = self.api_address {
            network.set_outside([api].into());
        }
        let (runtime, events) = NodeRuntime::new(NodeRuntimeConfig {
            engine: self.engine.clone(),
            network: Arc::new(network.clone()),
            data_dir: data_dir.clone(),
            clock,
            tasks: tasks.clone(),
            cancel: cancel.clone(),
        })?;
        let (commands, mut waiting) = mpsc::channel::<RuntimeCommand>(COMMANDS_WAITING_MAX);
        let engine = runtime.clone();
        let stop = cancel.clone();
        tasks.spawn(async move {
            while let Some(Some(command)) = stop.run_until_cancelled(waiting.recv()).await {
                engine.submit(command);
            }
        });
        let house = House {
            tasks: tasks.clone(),
            cancel: cancel.clone(),
            ..self.house.clone()
        };
        let parts = Parts {
            config: kubelet_config(&name, ip),
            ports: ServicePorts::new(network.clone(), tasks.clone(), cancel.clone()),
            network: network.clone(),
            zone: self.zone.clone(),
            commands,
            events,
            manifests: data_dir.join("manifests"),
            seed: self.api.seed(),
        };
        let api = Arc::clone(&self.api);
        let handle = node::start(parts, &house, |agent| -> Arc<dyn Client> {
            let user = identity::of_node(agent, &name);
            Arc::new(InProcess::new(Arc::clone(&api), user, agent))
        });
        Ok(Arc::new(Running {
            handle,
            runtime,
            network,
            tasks,
            cancel,
        }))
    }

    fn running(&self, name: &str) -> Result<Arc<Running>, Status> {
        let nodes = self.nodes.lock();
        let slot = nodes
            .get(name)
            .ok_or_else(|| Status::not_found("nodes", "", name))?;
        slot.running.clone().ok_or_else(|| {
            Status::failure(
                503,
                "ServiceUnavailable",
                format!("the kubelet of node {name:?} does not answer: the node is stopped"),
            )
        })
    }

    async fn stop(&self, name: &str) -> Result<(), Status> {
        let _changing = self.changing.lock().await;
        let running = self.running(name)?;
        if let Some(slot) = self.nodes.lock().get_mut(name) {
            slot.running = None;
        }
        running.end().await;
        for component in ["kubelet", "kube-proxy", "cni"] {
            self.house.rooms.leave(&format!("{component} {name}"));
        }
        Ok(())
    }

    async fn start(&self, name: &str) -> Result<(), Status> {
        let _changing = self.changing.lock().await;
        let number = match self.nodes.lock().get(name) {
            None => return Err(Status::not_found("nodes", "", name)),
            Some(Slot {
                running: Some(_), ..
            }) => return Ok(()),
            Some(slot) => slot.number,
        };
        let running = self
            .run(number)
            .await
            .map_err(|e| Status::internal(format!("{e:#}")))?;
        if let Some(slot) = self.nodes.lock().get_mut(name) {
            slot.running = Some(running);
        }
        Ok(())
    }

    fn logs(&self, query: &LogQuery) -> Result<LogStream, Status> {
        let running = self.running(&query.node)?;
        let request = node::LogRequest {
            namespace: &query.namespace,
            pod: &query.pod,
            container: &query.container,
            previous: query.previous,
        };
        let known = running.handle.container(&request);
        let is_known = known.is_some();
        // A static pod has another uid on its node than its mirror in the API.
        let uid = known.map_or_else(|| query.uid.clone(), |run| run.pod);
        let options = LogOptions {
            tail_lines: query.tail_lines.and_then(|n| usize::try_from(n).ok()),
            since: query.since.map(shared::Millis::rfc3339_micro),
            timestamps: query.timestamps,
            previous: query.previous,
            limit_bytes: query.limit_bytes.and_then(|n| usize::try_from(n).ok()),
            follow: query.follow,
        };
        running
            .runtime
            .logs(&uid, &query.container, options)
            .map_err(|error| {
                let waiting = format!(
                    "container \"{}\" in pod \"{}\" is waiting to start",
                    query.container, query.pod
                );
                Status::bad_request(if is_known || query.previous {
                    error.to_string()
                } else {
                    waiting
                })
            })
    }
}

impl Nodes for LocalNodes {
    fn logs(&self, query: LogQuery) -> Pending<Result<LogStream, Status>> {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move { inner.logs(&query) })
    }

    fn enter(&self, place: Place, what: Enter, stdin: bool) -> Pending<Result<Session, Status>> {
        let running = self.inner.running(&place.node);
        Box::pin(async move { running?.enter(&place, what, stdin).await })
    }

    fn dial(&self, dial: Dial) -> Pending<Result<BoxIo, Status>> {
        let running = self.inner.running(&dial.node);
        Box::pin(async move { running?.dial(&dial).await })
    }

    fn usage(&self, node: &str) -> Result<NodeUse, Status> {
        Ok(self.inner.running(node)?.usage())
    }

    fn stop(&self, node: &str) -> Pending<Result<(), Status>> {
        let (inner, node) = (Arc::clone(&self.inner), node.to_owned());
        Box::pin(async move { inner.stop(&node).await })
    }

    fn start(&self, node: &str) -> Pending<Result<(), Status>> {
        let (inner, node) = (Arc::clone(&self.inner), node.to_owned());
        Box::pin(async move { inner.start(&node).await })
    }

    fn tunnels(&self) -> Vec<Tunnel> {
        let nodes = self.inner.nodes.lock();
        let name_of_ip = |ip| {
            nodes
                .iter()
                .find(|(_, s)| self.inner.addresses.node(s.number) == ip)
                .map(|(n, _)| n.clone())
        };
        let running = nodes
            .iter()
            .filter_map(|(name, slot)| Some((name, slot.running.as_ref()?)));
        running
            .flat_map(|(name, node)| {
                node.network.tunnels().into_iter().filter_map(|tunnel| {
                    Some(Tunnel {
                        from: name.clone(),
                        to: name_of_ip(tunnel.peer)?,
                        bytes_per_second: 0,
                        bytes_total: tunnel.bytes,
                    })
                })
            })
            .collect()
    }
}
