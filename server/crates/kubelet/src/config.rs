//! What a kubelet is told about its node at start.

use std::net::Ipv4Addr;

use crate::pressure::Signal;

/// Settings of one kubelet. Amounts of memory and storage are bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeletConfig {
    /// The node's name.
    pub node_name: String,
    /// The node's address: `status.addresses` InternalIP and the pods' `hostIP`.
    pub node_ip: Ipv4Addr,
    /// `wasmtime://48.0.8`.
    pub container_runtime_version: String,
    /// Millicores that pods may use.
    pub cpu_millis: u64,
    /// Memory of the node; what pods may use is less by the eviction threshold.
    pub memory_bytes: u64,
    /// Storage of the node; what pods may use is less by the eviction threshold.
    pub ephemeral_storage_bytes: u64,
    /// How many pods may run (`--max-pods`).
    pub max_pods: u64,
    /// The cluster domain: `cluster.local`.
    pub cluster_domain: String,
    /// Labels beside the standard ones (`--node-labels`).
    pub labels: Vec<(String, String)>,
    /// Taints the node registers with (`--register-with-taints`): key, value, effect.
    pub taints: Vec<(String, String, String)>,
    /// Names this machine and boot in `nodeInfo`; any stable text.
    pub machine_id: String,
    /// Fewer bytes of memory than this available, and pods are evicted (`memory.available`).
    pub eviction_memory_bytes: u64,
    /// A smaller part of the storage than this available, in percent, and pods are evicted (`nodefs.available`).
    pub eviction_storage_percent: u8,
    /// The kubelet's own port, in `status.daemonEndpoints`.
    pub port: u16,
}

impl KubeletConfig {
    /// A node with the usual sizes: 4 cores, 8 GiB, 110 pods.
    #[must_use]
    pub fn new(node_name: &str, node_ip: Ipv4Addr) -> Self {
        Self {
            node_name: node_name.into(),
            node_ip,
            container_runtime_version: "wasmtime://48.0.8".into(),
            cpu_millis: 4000,
            memory_bytes: 8 << 30,
            ephemeral_storage_bytes: 64 << 30,
            max_pods: 110,
            cluster_domain: "cluster.local".into(),
            labels: Vec::new(),
            taints: Vec::new(),
            machine_id: node_name.into(),
            eviction_memory_bytes: 100 << 20,
            eviction_storage_percent: 10,
            port: 10_250,
        }
    }

    /// Allocatable amount of a resource: millicores for `cpu`, units otherwise; `None` for resources the node has not.
    pub(crate) fn allocatable(&self, resource: &str) -> Option<u64> {
        match resource {
            "cpu" => Some(self.cpu_millis),
            "memory" => Some(self.memory_bytes.saturating_sub(self.eviction_memory_bytes)),
            "ephemeral-storage" => {
                let kept = Signal::Storage.threshold(self);
                Some(self.ephemeral_storage_bytes.saturating_sub(kept))
            }
            "pods" => Some(self.max_pods),
            _ => None,
        }
    }
}
