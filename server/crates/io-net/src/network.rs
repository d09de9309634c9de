//! A node's network in a process: the lock around [`netstack::Node`], its timer, its pods.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use io_clock::Clock;
use netstack::node::{AddPodError, HOST};
use netstack::{Counters, Node, Prefix, Services, StackId};
use parking_lot::Mutex;
use shared::Millis;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::dns::{CLUSTER_DNS, Names, NoNames};
use crate::overlay::{Links, Mac, OverlayRoute, mac_of};
use crate::pod::PodNetwork;
use crate::services::TableServices;
use crate::underlay::Underlay;

/// What a node's network is made with.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The node's name.
    pub node: String,
    /// Its address on the underlay; nodes that share a machine take one of 127.0.0.0/8 each, outside 127.0.0.0/16.
    pub node_ip: Ipv4Addr,
    /// The UDP port of its tunnels: flannel's is 8472, 0 takes a free one.
    pub underlay_port: u16,
    /// The largest packet of the overlay in bytes: the underlay's MTU less 50.
    pub mtu: usize,
    /// Bytes of a connection's send buffer, and of its receive buffer.
    pub buffer: usize,
    /// The Ethernet address of its tunnel end; from its name when `None`.
    pub vtep_mac: Option<Mac>,
    /// Seeds sequence numbers, hashes and ports.
    pub seed: u64,
}

impl NodeConfig {
    /// The usual settings: port 8472, MTU 1450, 64 KiB buffers.
    #[must_use]
    pub fn new(node: &str, node_ip: Ipv4Addr) -> Self {
        Self {
            node: node.to_owned(),
            node_ip,
            underlay_port: 8472,
            mtu: 1450,
            buffer: 65_536,
            vtep_mac: None,
            seed: 0,
        }
    }
}

/// Traffic with another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// The other node's address.
    pub peer: Ipv4Addr,
    /// Bytes of pods' packets in both directions.
    pub bytes: u64,
    /// Packets in both directions; a large TCP send counts once.
    pub packets: u64,
}

#[derive(Debug)]
struct Pod {
    stack: StackId,
    ip: Ipv4Addr,
    search: Arc<[String]>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) node: Node,
    pub(crate) links: Links,
    pods: BTreeMap<String, Pod>,
    cidr: Option<Prefix>,
    services: Arc<dyn Services>,
    zone: Arc<dyn Names>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) node_ip: Ipv4Addr,
    pub(crate) mac: Mac,
    pub(crate) clock: Clock,
    pub(crate) inner: Mutex<Inner>,
    pub(crate) underlay: Underlay,
    /// Until when the timer's task sleeps, in cluster milliseconds.
    asleep_until: AtomicU64,
    wake_timer: Notify,
}

/// A node's network. Clones share it.
#[derive(Clone, Debug)]
pub struct NodeNetwork {
    pub(crate) shared: Arc<Shared>,
}

impl Shared {
    /// Does something to the node, carries what comes of it, and sends what is for other nodes.
    pub(crate) fn act<R>(&self, act: impl FnOnce(&mut Inner, Millis) -> R) -> R {
        let now = self.clock.now();
        let (result, more, next, outbound) = {
            let mut inner = self.inner.lock();
            let result = act(&mut inner, now);
            let more = inner.node.poll(now);
            let next = if more {
                Some(now)
            } else {
                inner.node.next_timeout()
            };
            (result, more, next, inner.node.outbound_len() > 0)
        };
        if outbound {
            self.flush();
        }
        if let Some(next) = next
            && (more || next.0 < self.asleep_until.load(Ordering::Acquire))
        {
            self.wake_timer.notify_one();
        }
        result
    }

    async fn run_timer(&self) {
        loop {
            // Whoever needs an earlier time from here on sees this and wakes the task.
            self.asleep_until.store(u64::MAX, Ordering::Release);
            let next = {
                let now = self.clock.now();
                let mut inner = self.inner.lock();
                if inner.node.poll(now) {
                    Some(now)
                } else {
                    inner.node.next_timeout()
                }
            };
            self.flush();
            let Some(at) = next else {
                self.wake_timer.notified().await;
                continue;
            };
            self.asleep_until.store(at.0, Ordering::Release);
            tokio::select! {
                () = self.wake_timer.notified() => {}
                () = self.clock.sleep_until(at) => tokio::task::yield_now().await,
            }
        }
    }
}

impl NodeNetwork {
    /// Opens the underlay's socket and starts the node's tasks in `tasks`; they end with `cancel`.
    ///
    /// # Errors
    /// When the underlay's address cannot be bound.
    #[expect(
        clippy::unused_async,
        reason = "sockets register with the runtime that awaits this"
    )]
    pub async fn start(
        config: NodeConfig,
        clock: Clock,
        tasks: &TaskTracker,
        cancel: CancellationToken,
    ) -> io::Result<Self> {
        let underlay = Underlay::bind(config.node_ip, config.underlay_port)?;
        let stack = netstack::NodeConfig {
            mtu: config.mtu,
            buffer: config.buffer,
            seed: config.seed,
        };
        let node = Node::new(stack, clock.now());
        let inner = Inner {
            node,
            links: Links::default(),
            pods: BTreeMap::new(),
            cidr: None,
            services: Arc::new(netstack::NoServices),
            zone: Arc::new(NoNames),
        };
        let mac = config.vtep_mac.unwrap_or_else(|| mac_of(&config.node));
        let shared = Arc::new(Shared {
            name: config.node,
            node_ip: config.node_ip,
            mac,
            clock,
            inner: Mutex::new(inner),
            underlay,
            asleep_until: AtomicU64::new(u64::MAX),
            wake_timer: Notify::new(),
        });
        let network = Self { shared };
        network.set_host_addresses();
        network.start_tasks(tasks, &cancel);
        crate::dns::serve(&network.host(), tasks, &cancel)?;
        crate::outside::serve(&network.host(), tasks, &cancel)?;
        Ok(network)
    }

    fn start_tasks(&self, tasks: &TaskTracker, cancel: &CancellationToken) {
        let (shared, token) = (self.shared.clone(), cancel.clone());
        tasks.spawn(async move { token.run_until_cancelled(shared.run_timer()).await });
        let (shared, token) = (self.shared.clone(), cancel.clone());
        tasks.spawn(async move { token.run_until_cancelled(shared.run_receiver()).await });
        let (shared, token) = (self.shared.clone(), cancel.clone());
        tasks.spawn(async move { token.run_until_cancelled(shared.run_sender()).await });
    }

    fn set_host_addresses(&self) {
        let node_ip = self.shared.node_ip;
        self.shared.act(|inner, _| {
            // .1 is the bridge (the source of what the node sends to pods), .0 flannel's tunnel end.
            let own = inner.cidr.map(|cidr| [cidr.nth(1), cidr.nth(0)]);
            let mut addresses: Vec<_> = own.into_iter().flatten().flatten().collect();
            addresses.push(node_ip);
            inner.node.set_host_addresses(&addresses, &[CLUSTER_DNS]);
        });
    }

    /// Tells the node which addresses its pods have; its own stack takes the first one.
    pub fn set_pod_cidr(&self, cidr: Prefix) {
        self.shared.act(|inner, _| inner.cidr = Some(cidr));
        self.set_host_addresses();
    }

    /// Gives a pod its network. `search` are the domains its names are completed with.
    ///
    /// # Errors
    /// When the address is taken, or the pod has a network already, or there are too many.
    pub fn add_pod(
        &self,
        uid: &str,
        ip: Ipv4Addr,
        search: Vec<String>,
    ) -> Result<PodNetwork, AddPodError> {
        let search: Arc<[String]> = search.into();
        self.shared.act(|inner, now| {
            if inner.pods.contains_key(uid) {
                return Err(AddPodError::AddressTaken(ip));
            }
            let stack = inner.node.add_pod(ip, now)?;
            let pod = Pod {
                stack,
                ip,
                search: search.clone(),
            };
            inner.pods.insert(uid.to_owned(), pod);
            Ok(PodNetwork::new(self.shared.clone(), stack, ip, search))
        })
    }

    /// Takes a pod's network away; its peers see resets.
    pub fn remove_pod(&self, uid: &str) {
        self.shared.act(|inner, now| {
            if let Some(pod) = inner.pods.remove(uid) {
                inner.node.remove_pod(pod.stack, now);
            }
        });
    }

    /// A pod's network.
    #[must_use]
    pub fn pod(&self, uid: &str) -> Option<PodNetwork> {
        let inner = self.shared.inner.lock();
        let pod = inner.pods.get(uid)?;
        let (stack, ip, search) = (pod.stack, pod.ip, pod.search.clone());
        Some(PodNetwork::new(self.shared.clone(), stack, ip, search))
    }

    /// The node's own stack: for probes, node ports, port-forward and pods on the host network.
    #[must_use]
    pub fn host(&self) -> PodNetwork {
        PodNetwork::new(
            self.shared.clone(),
            HOST,
            self.shared.node_ip,
            Arc::default(),
        )
    }

    /// Replaces the routes to other nodes and to this node's pods.
    pub fn set_routes(&self, routes: &[OverlayRoute]) {
        self.shared.act(|inner, _| {
            let table = inner.links.set(routes);
            inner.node.set_routes(table);
        });
    }

    /// Replaces the routes by those of a CNI plugin. All nodes' tunnels end on the port that this node's ends on.
    pub fn set_cni_routes(&self, routes: &[cni::Route]) {
        let port = self.underlay_port();
        let routes: Vec<_> = routes
            .iter()
            .map(|route| OverlayRoute::from_cni(route, port))
            .collect();
        self.set_routes(&routes);
    }

    /// Replaces the TCP addresses outside the cluster that pods may reach through the host's own sockets: the
    /// apiserver's endpoints. All others are unreachable.
    pub fn set_outside(&self, addresses: BTreeSet<SocketAddrV4>) {
        self.shared
            .act(|inner, _| inner.node.set_outside(addresses));
    }

    /// Replaces the Services' rules by kube-proxy's table.
    pub fn set_services(&self, table: Arc<kube_proxy::ServiceTable>) {
        // Besides the node's address, the host's own loopback reaches node ports (`route_localnet`).
        let node_addresses = vec![self.shared.node_ip, Ipv4Addr::LOCALHOST];
        self.set_rules(Arc::new(TableServices {
            table,
            node_addresses,
        }));
    }

    /// Replaces the Services' rules by any others.
    pub fn set_rules(&self, services: Arc<dyn Services>) {
        self.shared.act(|inner, _| {
            inner.services = services.clone();
            inner.node.set_services(services);
        });
    }

    pub(crate) fn services(&self) -> Arc<dyn Services> {
        self.shared.inner.lock().services.clone()
    }

    /// Replaces the names that the cluster's DNS answers with.
    pub fn set_zone(&self, zone: Arc<dyn Names>) {
        self.shared.inner.lock().zone = zone;
    }

    pub(crate) fn zone(&self) -> Arc<dyn Names> {
        self.shared.inner.lock().zone.clone()
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The Ethernet address of the node's tunnel end, for other nodes' routes.
    #[must_use]
    pub fn vtep_mac(&self) -> Mac {
        self.shared.mac
    }

    /// The UDP port of the node's tunnels.
    #[must_use]
    pub fn underlay_port(&self) -> u16 {
        self.shared.underlay.port()
    }

    /// Traffic with each other node since the start.
    #[must_use]
    pub fn tunnels(&self) -> Vec<Tunnel> {
        let inner = self.shared.inner.lock();
        let counted = &inner.node.counters().links;
        let tunnel = |(link, peer): (_, crate::overlay::Peer)| {
            let traffic = counted.get(&link).copied().unwrap_or_default();
            Tunnel {
                peer: *peer.at.ip(),
                bytes: traffic.sent_bytes + traffic.received_bytes,
                packets: traffic.sent_packets + traffic.received_packets,
            }
        };
        inner.links.all().map(tunnel).collect()
    }

    /// What the node's router counted since the start.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.inner.lock().node.counters().clone()
    }

    /// Conversations in the connection table.
    #[must_use]
    pub fn conversations(&self) -> usize {
        self.shared.inner.lock().node.router().conntrack().len()
    }
}
