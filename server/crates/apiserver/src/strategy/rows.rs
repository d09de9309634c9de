//! The rows of the strategies: which kind has which rules of its own. First what runs and what connects it.

use shared::name::dns_label;

use super::{
    BASE, Generation, Strategy, autoscaler, cluster, config, endpoints, event, limits, network,
    persistent, pod, pod_check, pod_update, reset_status, service, status, workload,
};

pub(in crate::strategy) const WITH_GENERATION: Strategy = Strategy {
    generation: Generation::Spec,
    ..BASE
};
const WORKLOAD: Strategy = Strategy {
    status_keeps_labels: true,
    ..WITH_GENERATION
};
pub(in crate::strategy) const UPSERT: Strategy = Strategy {
    create_on_update: true,
    ..BASE
};

/// The strategies by group and plural.
pub(super) static RUNNING: &[(&str, &str, Strategy)] = &[
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
                ("status", status::validate_pod),
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
            defaults: endpoints::endpoints_defaults,
            validate: endpoints::validate_endpoints,
            ..UPSERT
        },
    ),
    (
        "",
        "events",
        Strategy {
            validate: event::validate_core,
            ..UPSERT
        },
    ),
    (
        "events.k8s.io",
        "events",
        Strategy {
            validate: event::validate,
            validate_new: event::validate_new,
            validate_update: event::validate_update,
            ..UPSERT
        },
    ),
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
            validate_parts: &[("status", status::validate_node)],
            keeps_status_on_create: true,
            ..BASE
        },
    ),
    (
        "",
        "limitranges",
        Strategy {
            defaults: limits::limit_range_defaults,
            validate: limits::validate_limit_range,
            ..UPSERT
        },
    ),
    (
        "",
        "resourcequotas",
        Strategy {
            prepare_create: reset_status,
            validate: limits::validate_quota,
            validate_update: limits::validate_quota_update,
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
            validate_parts: &[("status", status::validate_replica_set)],
            ..WITH_GENERATION
        },
    ),
    (
        "",
        "persistentvolumeclaims",
        Strategy {
            defaults: persistent::claim_defaults,
            prepare_create: persistent::claim_prepare,
            validate: persistent::validate_claim,
            validate_update: persistent::validate_claim_update,
            returns_deleted: true,
            ..BASE
        },
    ),
    (
        "",
        "persistentvolumes",
        Strategy {
            defaults: persistent::volume_defaults,
            prepare_create: persistent::volume_prepare,
            prepare_status: persistent::volume_prepare_status,
            validate: persistent::validate_volume,
            validate_update: persistent::validate_volume_update,
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
            validate_parts: &[("status", status::validate_deployment)],
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
            validate_parts: &[("status", status::validate_replica_set)],
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
            validate_parts: &[("status", status::validate_stateful_set)],
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
            validate_parts: &[("status", status::validate_daemon_set)],
            ..WORKLOAD
        },
    ),
    (
        "apps",
        "controllerrevisions",
        Strategy {
            validate: workload::validate_controller_revision,
            validate_update: workload::validate_controller_revision_update,
            ..UPSERT
        },
    ),
    (
        "batch",
        "jobs",
        Strategy {
            defaults: workload::job_defaults,
            prepare_create: workload::job_prepare,
            validate: workload::validate_job,
            validate_update: workload::validate_job_update,
            validate_parts: &[("status", status::validate_job)],
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
            validate_parts: &[("status", autoscaler::validate_status)],
            validate: autoscaler::validate,
            ..BASE
        },
    ),
    (
        "policy",
        "poddisruptionbudgets",
        Strategy {
            requires_version: true,
            prepare_create: workload::disruption_budget_status,
            validate: autoscaler::validate_disruption_budget,
            validate_parts: &[("status", status::validate_budget)],
            ..WITH_GENERATION
        },
    ),
    (
        "networking.k8s.io",
        "ingresses",
        Strategy {
            prepare_create: network::load_balancer_status,
            validate: network::validate_ingress,
            validate_new: network::validate_new_ingress,
            ..WITH_GENERATION
        },
    ),
    (
        "networking.k8s.io",
        "ingressclasses",
        Strategy {
            defaults: network::ingress_class_defaults,
            validate: network::validate_ingress_class,
            validate_update: network::validate_ingress_class_update,
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
            validate: network::validate_service_cidr,
            validate_update: network::validate_service_cidr_update,
            ..BASE
        },
    ),
    (
        "networking.k8s.io",
        "ipaddresses",
        Strategy {
            check_name: network::ip_name,
            validate: network::validate_ip_address,
            validate_update: network::validate_ip_address_update,
            ..BASE
        },
    ),
    (
        "discovery.k8s.io",
        "endpointslices",
        Strategy {
            generation: Generation::Everything,
            defaults: endpoints::slice_defaults,
            validate: endpoints::validate_slice,
            validate_update: endpoints::validate_slice_update,
            ..BASE
        },
    ),
];
