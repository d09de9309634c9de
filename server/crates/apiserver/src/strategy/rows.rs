//! The rows of the strategies: which kind has which rules of its own.

use shared::name::dns_label;

use super::{
    BASE, Generation, Strategy, cluster, config, extension, network, pod, pod_check, pod_update,
    reset_status, service, storage, workload,
};
use crate::meta::path_segment;

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

const POLICY_BINDING: Strategy = Strategy {
    defaults: extension::policy_binding_defaults,
    ..WITH_GENERATION
};

/// The strategies by group and plural.
pub(super) static STRATEGIES: &[(&str, &str, Strategy)] = &[
    (
        "",
        "pods",
        Strategy {
            defaults: pod::defaults,
            prepare_create: pod::prepare_create,
            prepare_status: pod::prepare_status,
            validate: pod_check::validate,
            validate_update: pod_update::validate,
            validate_parts: &[
                ("ephemeralcontainers", pod_update::validate_ephemeral),
                ("resize", pod_update::validate_resize),
            ],
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
        "servicecidrs",
        Strategy {
            prepare_create: network::service_cidr_prepare,
            ..BASE
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
    (
        "autoscaling/v1",
        "horizontalpodautoscalers",
        Strategy {
            defaults: workload::old_autoscaler_defaults,
            prepare_create: workload::old_autoscaler_status,
            validate: workload::validate_autoscaler,
            ..BASE
        },
    ),
    (
        "apiregistration.k8s.io",
        "apiservices",
        Strategy {
            check_name: path_segment,
            prepare_create: extension::api_service_prepare,
            validate: extension::validate_api_service,
            ..BASE
        },
    ),
    (
        "certificates.k8s.io",
        "certificatesigningrequests",
        Strategy {
            check_name: path_segment,
            prepare_create: reset_status,
            prepare_status: extension::signing_request_conditions,
            validate: extension::validate_signing_request,
            validate_update: extension::validate_signing_request_update,
            fill_in: extension::name_creator,
            ..BASE
        },
    ),
    (
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        Strategy {
            generation: Generation::Everything,
            defaults: extension::validating_webhooks,
            validate: extension::validate_webhooks,
            ..BASE
        },
    ),
    (
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        Strategy {
            generation: Generation::Everything,
            defaults: extension::mutating_webhooks,
            validate: extension::validate_webhooks,
            ..BASE
        },
    ),
    (
        "admissionregistration.k8s.io",
        "validatingadmissionpolicies",
        Strategy {
            defaults: extension::policy_defaults,
            prepare_create: reset_status,
            ..WITH_GENERATION
        },
    ),
    (
        "admissionregistration.k8s.io",
        "mutatingadmissionpolicies",
        Strategy {
            defaults: extension::policy_defaults,
            ..WITH_GENERATION
        },
    ),
    (
        "admissionregistration.k8s.io",
        "validatingadmissionpolicybindings",
        POLICY_BINDING,
    ),
    (
        "admissionregistration.k8s.io",
        "mutatingadmissionpolicybindings",
        POLICY_BINDING,
    ),
    (
        "resource.k8s.io",
        "resourceclaims",
        Strategy {
            prepare_create: reset_status,
            ..BASE
        },
    ),
    ("resource.k8s.io", "deviceclasses", WITH_GENERATION),
    ("resource.k8s.io", "resourceslices", WITH_GENERATION),
    (
        "flowcontrol.apiserver.k8s.io",
        "flowschemas",
        Strategy {
            defaults: extension::flow_schema_defaults,
            prepare_create: reset_status,
            fill_in: extension::flow_schema_condition,
            validate: extension::validate_flow_schema,
            ..WITH_GENERATION
        },
    ),
    (
        "flowcontrol.apiserver.k8s.io",
        "prioritylevelconfigurations",
        Strategy {
            defaults: extension::priority_level_defaults,
            prepare_create: reset_status,
            validate: extension::validate_priority_level,
            ..WITH_GENERATION
        },
    ),
];
