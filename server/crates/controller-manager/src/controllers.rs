//! The controllers, one module each, and the table by which the manager runs them.

pub mod deployment;
pub mod endpoints;
pub mod garbage;
pub mod namespace;
pub mod node_ipam;
pub mod node_lifecycle;
pub mod pod_gc;
pub mod replicaset;
pub mod service_account;
pub mod taint_eviction;

use client::cache::Changed;
use shared::{KindRef, Millis};

use crate::plan::Plan;
use crate::view::{Item, View};

/// One control loop: whoever adds a controller adds a row to [`LOOPS`].
#[derive(Debug)]
pub struct Loop {
    /// Its name in `lines()`, in the flow log and as the key of its queue.
    pub name: &'static str,
    /// The component that its events name.
    pub source: &'static str,
    /// The kinds that must have been listed before it acts, as group and plural.
    pub needs: &'static [(&'static str, &'static str)],
    /// Which items a change asks it to look at.
    pub keys: fn(&View, &Changed) -> Vec<Item>,
    /// One look at one item.
    pub reconcile: fn(&View, &Item, Millis) -> Plan,
}

impl Loop {
    pub(crate) fn is_ready(&self, view: &View) -> bool {
        let kinds = self
            .needs
            .iter()
            .map(|(group, plural)| KindRef::new(group, "v1", plural));
        view.has_synced(&kinds.collect::<Vec<_>>())
    }
}

const PODS: (&str, &str) = ("", "pods");
const NODES: (&str, &str) = ("", "nodes");
const SERVICES: (&str, &str) = ("", "services");
const NAMESPACES: (&str, &str) = ("", "namespaces");
const REPLICASETS: (&str, &str) = ("apps", "replicasets");
const DEPLOYMENTS: (&str, &str) = ("apps", "deployments");
const LEASES: (&str, &str) = ("coordination.k8s.io", "leases");
const SLICES: (&str, &str) = ("discovery.k8s.io", "endpointslices");

/// Every control loop.
pub const LOOPS: &[Loop] = &[
    Loop {
        name: deployment::NAME,
        source: "deployment-controller",
        needs: &[DEPLOYMENTS, REPLICASETS, PODS],
        keys: deployment::keys,
        reconcile: deployment::reconcile,
    },
    Loop {
        name: replicaset::NAME,
        source: "replicaset-controller",
        needs: &[REPLICASETS, PODS],
        keys: replicaset::keys,
        reconcile: replicaset::reconcile,
    },
    Loop {
        name: endpoints::SLICES,
        source: "endpoint-slice-controller",
        needs: &[SERVICES, PODS, NODES, SLICES],
        keys: endpoints::keys,
        reconcile: endpoints::reconcile_slices,
    },
    Loop {
        name: endpoints::LEGACY,
        source: "endpoint-controller",
        needs: &[SERVICES, PODS, ("", "endpoints")],
        keys: endpoints::keys,
        reconcile: endpoints::reconcile_legacy,
    },
    Loop {
        name: namespace::NAME,
        source: "namespace-controller",
        needs: &[NAMESPACES],
        keys: namespace::keys,
        reconcile: namespace::reconcile,
    },
    Loop {
        name: garbage::NAME,
        source: "garbage-collector-controller",
        needs: &[],
        keys: garbage::keys,
        reconcile: garbage::reconcile,
    },
    Loop {
        name: node_ipam::NAME,
        source: "cidrAllocator",
        needs: &[NODES],
        keys: node_ipam::keys,
        reconcile: node_ipam::reconcile,
    },
    Loop {
        name: node_lifecycle::NAME,
        source: "node-controller",
        needs: &[NODES, LEASES, PODS],
        keys: node_lifecycle::keys,
        reconcile: node_lifecycle::reconcile,
    },
    Loop {
        name: taint_eviction::NAME,
        source: "taint-eviction-controller",
        needs: &[NODES, PODS],
        keys: taint_eviction::keys,
        reconcile: taint_eviction::reconcile,
    },
    Loop {
        name: pod_gc::NAME,
        source: "pod-garbage-collector",
        needs: &[NODES, PODS],
        keys: pod_gc::keys,
        reconcile: pod_gc::reconcile,
    },
    Loop {
        name: service_account::NAME,
        source: "serviceaccount-controller",
        needs: &[NAMESPACES, ("", "serviceaccounts")],
        keys: service_account::keys,
        reconcile: service_account::reconcile,
    },
    Loop {
        name: service_account::ROOT_CA,
        source: "root-ca-certificate-publisher",
        needs: &[NAMESPACES, ("", "configmaps")],
        keys: service_account::keys,
        reconcile: service_account::reconcile_root_ca,
    },
];
