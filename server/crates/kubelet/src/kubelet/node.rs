//! The node itself: registration, status, lease, and the address range of its pods.

use cni::{Ipam, Prefix};
use shared::Millis;

use super::{Kubelet, Purpose};
use crate::context::Happening;
use crate::node_status::{self, Health, NETWORK_NOT_READY, nodes};
use crate::worker::Sandbox;

impl Kubelet {
    /// The node was observed: its pod range makes the network ready.
    pub(super) fn node_changed(&mut self) {
        let node = self.cache.get(&nodes(), &node_status::key(&self.config));
        let range = node.and_then(|n| n.text("/spec/podCIDR").parse::<Prefix>().ok());
        let known = self.ipam.as_ref().map(Ipam::range);
        if node.is_none() {
            self.node.touch();
        }
        let Some(range) = range.filter(|r| Some(*r) != known) else {
            return;
        };
        let Ok(mut ipam) = Ipam::new(range) else {
            return;
        };
        for kept in self.pods.values_mut() {
            if let Some(ip) = kept.worker.ip {
                ipam.skip(ip);
            }
            if matches!(kept.worker.sandbox, Sandbox::Failed { .. }) {
                kept.worker.sandbox = Sandbox::None;
            }
            self.dirty.insert(kept.worker.uid().into());
        }
        self.ipam = Some(ipam);
        self.node.touch();
    }

    pub(super) fn keep_node(&mut self, now: Millis) {
        let key = node_status::key(&self.config);
        let node = self.cache.get(&nodes(), &key);
        let network = if self.ipam.is_some() {
            Ok(())
        } else {
            Err(NETWORK_NOT_READY)
        };
        let health = Health {
            network,
            pressure: self.monitor.pressure(),
        };
        if let Some(request) = self.node.request(node, &self.config, health, now) {
            self.calls.send(request, None, Purpose::Node);
        }
        if let Some(request) = self.lease.request(node, now) {
            self.calls.send(request, None, Purpose::Lease);
        }
        if !std::mem::replace(&mut self.announced, true) {
            self.out.events.push(Happening {
                about: node_status::reference(&self.config),
                field_path: String::new(),
                kind: "Normal",
                reason: "Starting",
                message: "Starting kubelet.".into(),
            });
        }
    }
}
