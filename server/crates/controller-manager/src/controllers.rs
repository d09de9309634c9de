//! The controllers, one module each, and the table by which the manager runs them.

pub mod cluster_role_aggregation;
pub mod cronjob;
pub mod daemonset;
pub mod deployment;
pub mod disruption;
pub mod endpoints;
pub mod garbage;
pub mod job;
pub mod namespace;
pub mod node_ipam;
pub mod node_lifecycle;
pub mod pod_gc;
pub mod replicaset;
pub mod resource_quota;
pub mod service_account;
pub mod statefulset;
pub mod taint_eviction;
pub mod ttl_after_finished;

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

const DAEMONSETS: (&str, &str) = ("apps", "daemonsets");
const STATEFULSETS: (&str, &str) = ("apps", "statefulsets");
const CONTROLLER_REVISIONS: (&str, &str) = ("apps", "controllerrevisions");
const CLAIMS: (&str, &str) = ("", "persistentvolumeclaims");
const JOBS: (&str, &str) = ("batch", "jobs");
const CRON_JOBS: (&str, &str) = ("batch", "cronjobs");
const BUDGETS: (&str, &str) = ("policy", "poddisruptionbudgets");

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
        name: job::NAME,
        source: "job-controller",
        needs: &[JOBS, PODS],
        keys: job::keys,
        reconcile: job::reconcile,
    },
    Loop {
        name: job::orphan::NAME,
        source: "job-controller",
        needs: &[JOBS, PODS],
        keys: job::orphan::keys,
        reconcile: job::orphan::reconcile,
    },
    Loop {
        name: ttl_after_finished::NAME,
        source: "ttl-after-finished-controller",
        needs: &[JOBS],
        keys: ttl_after_finished::keys,
        reconcile: ttl_after_finished::reconcile,
    },
    Loop {
        name: cronjob::NAME,
        source: "cronjob-controller",
        needs: &[CRON_JOBS, JOBS],
        keys: cronjob::keys,
        reconcile: cronjob::reconcile,
    },
    Loop {
        name: daemonset::NAME,
        source: "daemonset-controller",
        needs: &[DAEMONSETS, CONTROLLER_REVISIONS, NODES, PODS],
        keys: daemonset::keys,
        reconcile: daemonset::reconcile,
    },
    Loop {
        name: statefulset::NAME,
        source: "statefulset-controller",
        needs: &[STATEFULSETS, CONTROLLER_REVISIONS, CLAIMS, PODS],
        keys: statefulset::keys,
        reconcile: statefulset::reconcile,
    },
    Loop {
        name: disruption::NAME,
        source: "controllermanager",
        needs: &[BUDGETS, PODS, REPLICASETS, DEPLOYMENTS, STATEFULSETS],
        keys: disruption::keys,
        reconcile: disruption::reconcile,
    },
    Loop {
        name: resource_quota::NAME,
        source: "resourcequota-controller",
        needs: &[("", "resourcequotas"), PODS, SERVICES, CLAIMS],
        keys: resource_quota::keys,
        reconcile: resource_quota::reconcile,
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
    Loop {
        name: cluster_role_aggregation::NAME,
        source: cluster_role_aggregation::NAME,
        needs: &[("rbac.authorization.k8s.io", "clusterroles")],
        keys: cluster_role_aggregation::keys,
        reconcile: cluster_role_aggregation::reconcile,
    },
];
