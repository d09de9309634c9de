//! Node ports on the host: real listeners whose connections go on inside the node's network.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::forward::splice;
use crate::network::NodeNetwork;

/// Connections through the node ports of a node at one time; more wait in the listeners' backlog.
const CONNECTIONS_MAX: usize = 4096;

/// An address that somebody else has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortConflict {
    /// Where the node port was to be opened.
    pub address: SocketAddr,
    /// What the system said.
    pub reason: String,
    /// Whether it is the node's own address; the port on 127.0.0.1 belongs to whichever node came first.
    pub on_node_ip: bool,
}

/// The open node ports of a node.
#[derive(Debug)]
pub struct ServicePorts {
    network: NodeNetwork,
    tasks: TaskTracker,
    cancel: CancellationToken,
    open: BTreeMap<SocketAddrV4, CancellationToken>,
    room: Arc<Semaphore>,
}

impl ServicePorts {
    /// No ports yet. Listeners and connections run in `tasks` and end with `cancel`.
    #[must_use]
    pub fn new(network: NodeNetwork, tasks: TaskTracker, cancel: CancellationToken) -> Self {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Self {
            network,
            tasks,
            cancel,
            open: BTreeMap::new(),
            room,
        }
    }

    /// Opens and closes listeners until exactly these ports are open, on the node's address and on 127.0.0.1. A
    /// connection to port P goes where the Services' rules send `NODE_IP:P`. Closing a port leaves its connections.
    ///
    /// Gives the addresses that could not be opened; they are tried again with the next call.
    pub async fn set(&mut self, ports: &BTreeSet<u16>) -> Vec<PortConflict> {
        let node_ip = self.network.host().ip();
        let hosts = BTreeSet::from([node_ip, Ipv4Addr::LOCALHOST]);
        let wanted: BTreeSet<_> = hosts
            .iter()
            .flat_map(|ip| ports.iter().map(|port| SocketAddrV4::new(*ip, *port)))
            .collect();
        self.open.retain(|address, token| {
            let keep = wanted.contains(address);
            if !keep {
                token.cancel();
            }
            keep
        });
        let mut conflicts = Vec::new();
        for address in wanted {
            if self.open.contains_key(&address) {
                continue;
            }
            match TcpListener::bind(address).await {
                Ok(listener) => self.start(address, listener),
                Err(error) => conflicts.push(PortConflict {
                    address: address.into(),
                    reason: error.to_string(),
                    on_node_ip: *address.ip() == node_ip,
                }),
            }
        }
        conflicts
    }

    /// The addresses that are open.
    pub fn open(&self) -> impl Iterator<Item = SocketAddrV4> + '_ {
        self.open.keys().copied()
    }

    fn start(&mut self, address: SocketAddrV4, listener: TcpListener) {
        let token = self.cancel.child_token();
        self.open.insert(address, token.clone());
        let worker = Worker {
            network: self.network.clone(),
            tasks: self.tasks.clone(),
            cancel: self.cancel.clone(),
            room: self.room.clone(),
        };
        let port = address.port();
        self.tasks.spawn(async move {
            let listening = worker.listen(listener, port);
            token.run_until_cancelled(listening).await;
        });
    }
}

impl Drop for ServicePorts {
    fn drop(&mut self) {
        for token in self.open.values() {
            token.cancel();
        }
    }
}

struct Worker {
    network: NodeNetwork,
    tasks: TaskTracker,
    cancel: CancellationToken,
    room: Arc<Semaphore>,
}

impl Worker {
    async fn listen(self, listener: TcpListener, port: u16) {
        loop {
            let Ok(permit) = self.room.clone().acquire_owned().await else {
                return;
            };
            let (client, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors: give others the chance to close theirs.
                    tracing::warn!(port, %error, "node port cannot accept");
                    self.network.shared.clock.sleep_ms(100).await;
                    continue;
                }
            };
            let (network, cancel) = (self.network.clone(), self.cancel.clone());
            self.tasks.spawn(async move {
                let carried = cancel
                    .run_until_cancelled(carry(&network, client, peer, port))
                    .await;
                if let Some(Err(error)) = carried {
                    tracing::debug!(port, %peer, %error, "node port connection ended");
                }
                drop(permit);
            });
        }
    }
}

async fn carry(
    network: &NodeNetwork,
    client: TcpStream,
    peer: SocketAddr,
    port: u16,
) -> io::Result<(u64, u64)> {
    let host = network.host();
    let service = SocketAddrV4::new(host.ip(), port);
    let peer = crate::error::v4(peer)?;
    let target = host.own_service(service, peer)?;
    if target == service {
        // No rule for the port: refusing is the honest answer, the host's own sockets are elsewhere.
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    let inside = host.begin_connect(target, None)?;
    inside.connected().await?;
    splice(client, inside).await
}
