//! What a kind does beyond the generic registry: defaults, what the server fills in, and its own rules.
//!
//! A kind without a row here is served with metadata rules and schema checks only.

mod cluster;
mod config;
mod container;
mod network;
mod pod;
mod pod_check;
mod pod_update;
mod service;
mod storage;
mod volume;
mod workload;

use serde_json::Value;
use shared::name::{dns_label, dns_subdomain};
use shared::{Kind, Millis};

use crate::errors::Errors;
use crate::meta::path_segment;
use crate::value::Fields;

/// When `metadata.generation` grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generation {
    /// The kind has none.
    None,
    /// With the spec.
    Spec,
    /// With the spec or the annotations (Deployments).
    SpecAndAnnotations,
    /// With everything but metadata; labels count.
    Everything,
}

impl Generation {
    /// True when objects of the kind have a generation.
    pub(crate) fn is_kept(self) -> bool {
        self != Self::None
    }
}

/// What a kind does beyond the generic registry.
pub(crate) struct Strategy {
    /// When the generation grows.
    pub(crate) generation: Generation,
    /// What is wrong with a name.
    pub(crate) check_name: fn(&str) -> Option<String>,
    /// Fills in defaults.
    pub(crate) defaults: fn(&mut Value),
    /// Sets what a new object starts with.
    pub(crate) prepare_create: fn(&mut Value, Millis),
    /// Carries over what an update does not change.
    pub(crate) prepare_update: fn(&mut Value, &Value),
    /// The same for an update of the status.
    pub(crate) prepare_status: fn(&mut Value, &Value, Millis),
    /// Checks an object.
    pub(crate) validate: fn(&Value, &mut Errors),
    /// Checks a new state of an object against the old one.
    pub(crate) validate_update: fn(&Value, &Value, &mut Errors),
    /// Whether a delete answers with the object instead of a `Status`.
    pub(crate) returns_deleted: bool,
    /// Whether an update of a missing object creates it.
    pub(crate) create_on_update: bool,
    /// Whether labels stay as they are when the status is updated.
    pub(crate) status_keeps_labels: bool,
    /// Whether a new object may come with a status (Nodes register with theirs).
    pub(crate) keeps_status_on_create: bool,
}

const BASE: Strategy = Strategy {
    generation: Generation::None,
    check_name: dns_subdomain,
    defaults: |_| {},
    prepare_create: |_, _| {},
    prepare_update: |_, _| {},
    prepare_status: |_, _, _| {},
    validate: |_, _| {},
    validate_update: |_, _, _| {},
    returns_deleted: false,
    create_on_update: false,
    status_keeps_labels: false,
    keeps_status_on_create: false,
};
const WITH_GENERATION: Strategy = Strategy {
    generation: Generation::Spec,
    ..BASE
};
const WORKLOAD: Strategy = Strategy {
    status_keeps_labels: true,
    ..WITH_GENERATION
};
const UPSERT: Strategy = Strategy {
    create_on_update: true,
    ..BASE
};
const RBAC: Strategy = Strategy {
    check_name: path_segment,
    ..UPSERT
};

/// The strategies by group and plural; the last row is for all others.
static STRATEGIES: &[(&str, &str, Strategy)] = &[
    (
        "",
        "pods",
        Strategy {
            defaults: pod::defaults,
            prepare_create: pod::prepare_create,
            prepare_status: pod::prepare_status,
            validate: pod_check::validate,
            validate_update: pod_update::validate,
            returns_deleted: true,
            ..WITH_GENERATION
        },
    ),
    (
        "",
        "services",
        Strategy {
            check_name: dns_label,
            defaults: service::defaults,
            prepare_create: service::prepare_create,
            prepare_update: service::prepare_update,
            validate: service::validate,
            validate_update: service::validate_update,
            returns_deleted: true,
            ..UPSERT
        },
    ),
    (
        "",
        "configmaps",
        Strategy {
            validate: config::validate_config_map,
            validate_update: config::validate_config_map_update,
            ..BASE
        },
    ),
    (
        "",
        "secrets",
        Strategy {
            defaults: config::secret_defaults,
            validate: config::validate_secret,
            validate_update: config::validate_secret_update,
            ..BASE
        },
    ),
    (
        "",
        "serviceaccounts",
        Strategy {
            returns_deleted: true,
            ..BASE
        },
    ),
    (
        "",
        "endpoints",
        Strategy {
            defaults: network::endpoints_defaults,
            validate: network::validate_endpoints,
            ..UPSERT
        },
    ),
    (
        "",
        "events",
        Strategy {
            validate: config::validate_event,
            ..UPSERT
        },
    ),
    ("events.k8s.io", "events", UPSERT),
    (
        "",
        "namespaces",
        Strategy {
            check_name: dns_label,
            defaults: cluster::namespace_defaults,
            prepare_create: cluster::namespace_prepare,
            ..BASE
        },
    ),
    (
        "",
        "nodes",
        Strategy {
            validate: cluster::validate_node,
            validate_update: cluster::validate_node_update,
            keeps_status_on_create: true,
            ..BASE
        },
    ),
    (
        "",
        "limitranges",
        Strategy {
            defaults: cluster::limit_range_defaults,
            ..UPSERT
        },
    ),
    (
        "",
        "resourcequotas",
        Strategy {
            prepare_create: reset_status,
            returns_deleted: true,
            ..BASE
        },
    ),
    (
        "",
        "podtemplates",
        Strategy {
            generation: Generation::Everything,
            defaults: workload::pod_template_defaults,
            validate: workload::validate_pod_template,
            returns_deleted: true,
            ..UPSERT
        },
    ),
    (
        "",
        "replicationcontrollers",
        Strategy {
            defaults: workload::replication_controller_defaults,
            prepare_create: workload::replicas_status,
            validate: workload::validate_replication_controller,
            ..WITH_GENERATION
        },
    ),
    (
        "",
        "persistentvolumeclaims",
        Strategy {
            defaults: storage::claim_defaults,
            prepare_create: storage::claim_prepare,
            validate: storage::validate_claim,
            validate_update: storage::validate_claim_update,
            returns_deleted: true,
            ..BASE
        },
    ),
    (
        "",
        "persistentvolumes",
        Strategy {
            defaults: storage::volume_defaults,
            prepare_create: storage::volume_prepare,
            prepare_status: storage::volume_prepare_status,
            validate: storage::validate_volume,
            returns_deleted: true,
            ..BASE
        },
    ),
    (
        "apps",
        "deployments",
        Strategy {
            generation: Generation::SpecAndAnnotations,
            defaults: workload::deployment_defaults,
            prepare_create: reset_status,
            validate: workload::validate_deployment,
            validate_update: workload::selector_is_immutable,
            ..WORKLOAD
        },
    ),
    (
        "apps",
        "replicasets",
        Strategy {
            defaults: workload::replica_set_defaults,
            prepare_create: workload::replicas_status,
            validate: workload::validate_replica_set,
            validate_update: workload::selector_is_immutable,
            ..WORKLOAD
        },
    ),
    (
        "apps",
        "statefulsets",
        Strategy {
            defaults: workload::stateful_set_defaults,
            prepare_create: workload::stateful_set_status,
            validate: workload::validate_stateful_set,
            validate_update: workload::validate_stateful_set_update,
            ..WORKLOAD
        },
    ),
    (
        "apps",
        "daemonsets",
        Strategy {
            defaults: workload::daemon_set_defaults,
            prepare_create: workload::daemon_set_status,
            prepare_update: workload::daemon_set_prepare_update,
            validate: workload::validate_daemon_set,
            validate_update: workload::selector_is_immutable,
            ..WORKLOAD
        },
    ),
    ("apps", "controllerrevisions", UPSERT),
    (
        "batch",
        "jobs",
        Strategy {
            defaults: workload::job_defaults,
            prepare_create: workload::job_prepare,
            validate: workload::validate_job,
            validate_update: workload::validate_job_update,
            ..WORKLOAD
        },
    ),
    (
        "batch",
        "cronjobs",
        Strategy {
            check_name: workload::cron_job_name,
            defaults: workload::cron_job_defaults,
            prepare_create: reset_status,
            validate: workload::validate_cron_job,
            ..WORKLOAD
        },
    ),
    (
        "autoscaling",
        "horizontalpodautoscalers",
        Strategy {
            defaults: workload::autoscaler_defaults,
            prepare_create: workload::autoscaler_status,
            validate: workload::validate_autoscaler,
            ..BASE
        },
    ),
    (
        "policy",
        "poddisruptionbudgets",
        Strategy {
            prepare_create: workload::disruption_budget_status,
            validate: workload::validate_disruption_budget,
            ..WITH_GENERATION
        },
    ),
    (
        "networking.k8s.io",
        "ingresses",
        Strategy {
            prepare_create: network::load_balancer_status,
            validate: network::validate_ingress,
            ..WITH_GENERATION
        },
    ),
    (
        "networking.k8s.io",
        "ingressclasses",
        Strategy {
            validate: network::validate_ingress_class,
            ..WITH_GENERATION
        },
    ),
    (
        "networking.k8s.io",
        "networkpolicies",
        Strategy {
            defaults: network::policy_defaults,
            validate: network::validate_policy,
            ..WITH_GENERATION
        },
    ),
    (
        "networking.k8s.io",
        "ipaddresses",
        Strategy {
            check_name: network::ip_name,
            ..BASE
        },
    ),
    (
        "discovery.k8s.io",
        "endpointslices",
        Strategy {
            generation: Generation::Everything,
            defaults: network::slice_defaults,
            validate: network::validate_slice,
            validate_update: network::validate_slice_update,
            ..BASE
        },
    ),
    ("rbac.authorization.k8s.io", "roles", RBAC),
    ("rbac.authorization.k8s.io", "clusterroles", RBAC),
    (
        "rbac.authorization.k8s.io",
        "rolebindings",
        Strategy {
            defaults: cluster::binding_defaults,
            validate: cluster::validate_binding,
            validate_update: cluster::validate_binding_update,
            ..RBAC
        },
    ),
    (
        "rbac.authorization.k8s.io",
        "clusterrolebindings",
        Strategy {
            defaults: cluster::binding_defaults,
            validate: cluster::validate_binding,
            validate_update: cluster::validate_binding_update,
            ..RBAC
        },
    ),
    (
        "scheduling.k8s.io",
        "priorityclasses",
        Strategy {
            generation: Generation::Everything,
            defaults: cluster::priority_class_defaults,
            validate: cluster::validate_priority_class,
            validate_update: cluster::validate_priority_class_update,
            ..BASE
        },
    ),
    (
        "storage.k8s.io",
        "storageclasses",
        Strategy {
            defaults: storage::class_defaults,
            validate: storage::validate_class,
            validate_update: storage::validate_class_update,
            ..BASE
        },
    ),
    (
        "storage.k8s.io",
        "csidrivers",
        Strategy {
            defaults: storage::csi_driver_defaults,
            ..BASE
        },
    ),
    (
        "node.k8s.io",
        "runtimeclasses",
        Strategy {
            validate: cluster::validate_runtime_class,
            ..BASE
        },
    ),
    (
        "coordination.k8s.io",
        "leases",
        Strategy {
            validate: config::validate_lease,
            ..UPSERT
        },
    ),
];

static OTHERS: Strategy = BASE;

/// The strategy of a kind.
pub(crate) fn of(kind: &Kind) -> &'static Strategy {
    STRATEGIES
        .iter()
        .find(|(group, plural, _)| *group == kind.group && *plural == kind.plural)
        .map_or(&OTHERS, |(.., strategy)| strategy)
}

/// New objects start with an empty status, whatever was sent.
fn reset_status(value: &mut Value, _now: Millis) {
    set_status(value, Fields::new());
}

fn set_status(value: &mut Value, status: Fields) {
    crate::value::as_object(value).insert("status".into(), Value::Object(status));
}
