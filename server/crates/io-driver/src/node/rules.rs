//! kube-proxy's connection to the node's router and to the host's ports.

use std::collections::BTreeSet;

use io_net::{NodeNetwork, ServicePorts};
use kube_proxy::{KubeProxy, Protocol};
use shared::Millis;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::run::Attachment;

/// The node's router and host ports, as kube-proxy sees them.
pub(super) struct Rules {
    network: NodeNetwork,
    ports: watch::Sender<BTreeSet<u16>>,
}

impl Rules {
    pub(super) fn new(
        network: NodeNetwork,
        ports: ServicePorts,
        tasks: &TaskTracker,
        cancel: CancellationToken,
    ) -> Self {
        let (sender, receiver) = watch::channel(BTreeSet::new());
        tasks.spawn(async move {
            cancel
                .run_until_cancelled(open_ports(ports, receiver))
                .await;
        });
        Self {
            network,
            ports: sender,
        }
    }
}

/// Keeps the host's listeners as the rules want them.
async fn open_ports(mut ports: ServicePorts, mut wanted: watch::Receiver<BTreeSet<u16>>) {
    loop {
        let set = wanted.borrow_and_update().clone();
        for conflict in ports.set(&set).await.iter().filter(|c| c.on_node_ip) {
            tracing::warn!(address = %conflict.address, reason = %conflict.reason, "a node port cannot be opened");
        }
        if wanted.changed().await.is_err() {
            return;
        }
    }
}

impl Attachment<KubeProxy> for Rules {
    type Input = std::convert::Infallible;

    fn next(&mut self) -> impl Future<Output = Self::Input> + Send {
        std::future::pending()
    }

    fn input(&mut self, _: &mut KubeProxy, input: Self::Input, _: Millis) {
        match input {}
    }

    fn settle(&mut self, proxy: &mut KubeProxy, _: Millis) {
        let Some(table) = proxy.take_changed() else {
            return;
        };
        let ports: BTreeSet<u16> = table
            .node_ports()
            .filter(|p| p.protocol == Protocol::Tcp)
            .map(|p| p.port)
            .collect();
        self.network.set_services(table);
        self.ports.send_if_modified(|old| {
            let differs = *old != ports;
            *old = ports;
            differs
        });
    }
}
