//! Flannel's connection to the node's network, and the cluster's names on their way there.

use std::sync::Arc;

use cni::Flannel;
use cni::dns::Zone;
use io_net::NodeNetwork;
use shared::Millis;
use tokio::sync::watch;

use crate::run::Attachment;

/// The node's network, as flannel sees it.
pub(super) struct Routes {
    network: NodeNetwork,
    zone: watch::Receiver<Arc<Zone>>,
    pod_cidr: Option<cni::Prefix>,
}

impl Routes {
    pub(super) fn new(network: NodeNetwork, mut zone: watch::Receiver<Arc<Zone>>) -> Self {
        zone.mark_changed();
        Self {
            network,
            zone,
            pod_cidr: None,
        }
    }
}

impl Attachment<Flannel> for Routes {
    type Input = Arc<Zone>;

    async fn next(&mut self) -> Arc<Zone> {
        if self.zone.changed().await.is_err() {
            return std::future::pending().await;
        }
        self.zone.borrow_and_update().clone()
    }

    fn input(&mut self, _: &mut Flannel, zone: Arc<Zone>, _: Millis) {
        self.network.set_zone(zone);
    }

    fn settle(&mut self, flannel: &mut Flannel, _: Millis) {
        let cidr = flannel.pod_cidr();
        if cidr != self.pod_cidr {
            self.pod_cidr = cidr;
            if let Some(cidr) = cidr.and_then(|c| c.to_string().parse().ok()) {
                self.network.set_pod_cidr(cidr);
            }
        }
        if let Some(routes) = flannel.take_changed() {
            self.network.set_cni_routes(routes);
        }
    }
}
