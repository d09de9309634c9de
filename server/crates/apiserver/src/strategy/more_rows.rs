//! The rows of the strategies, continued: access, storage, and kinds that are about the API itself.

use super::rows::{UPSERT, WITH_GENERATION};
use super::{
    BASE, Generation, Strategy, admission, autoscaler, cluster, config, device, extension, flow,
    rbac, reset_status, signing, storage, workload,
};
use crate::meta::path_segment;

const CONDITIONAL: Strategy = Strategy {
    requires_version: true,
    ..BASE
};
const RBAC: Strategy = Strategy {
    check_name: path_segment,
    ..UPSERT
};
const ROLE: Strategy = Strategy {
    validate: rbac::validate_role,
    ..RBAC
};
const POLICY_BINDING: Strategy = Strategy {
    defaults: extension::policy_binding_defaults,
    requires_version: true,
    ..WITH_GENERATION
};

/// The strategies by group and plural.
pub(super) static ABOUT: &[(&str, &str, Strategy)] = &[
    ("rbac.authorization.k8s.io", "roles", ROLE),
    ("rbac.authorization.k8s.io", "clusterroles", ROLE),
    (
        "rbac.authorization.k8s.io",
        "rolebindings",
        Strategy {
            defaults: rbac::binding_defaults,
            validate: rbac::validate_binding,
            validate_update: rbac::validate_binding_update,
            ..RBAC
        },
    ),
    (
        "rbac.authorization.k8s.io",
        "clusterrolebindings",
        Strategy {
            defaults: rbac::binding_defaults,
            validate: rbac::validate_binding,
            validate_update: rbac::validate_binding_update,
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
            requires_version: true,
            defaults: storage::csi_driver_defaults,
            validate: storage::validate_csi_driver,
            validate_update: storage::validate_csi_driver_update,
            ..BASE
        },
    ),
    (
        "storage.k8s.io",
        "csinodes",
        Strategy {
            validate: storage::validate_csi_node,
            validate_update: storage::validate_csi_node_update,
            ..CONDITIONAL
        },
    ),
    (
        "storage.k8s.io",
        "csistoragecapacities",
        Strategy {
            validate: storage::validate_capacity,
            validate_update: storage::validate_capacity_update,
            ..CONDITIONAL
        },
    ),
    (
        "storage.k8s.io",
        "volumeattachments",
        Strategy {
            validate: storage::validate_attachment,
            validate_update: storage::validate_attachment_update,
            ..CONDITIONAL
        },
    ),
    (
        "storage.k8s.io",
        "volumeattributesclasses",
        Strategy {
            validate: storage::validate_attributes_class,
            validate_update: storage::validate_attributes_class_update,
            ..BASE
        },
    ),
    (
        "node.k8s.io",
        "runtimeclasses",
        Strategy {
            requires_version: true,
            validate: cluster::validate_runtime_class,
            validate_update: cluster::validate_runtime_class_update,
            ..BASE
        },
    ),
    (
        "coordination.k8s.io",
        "leases",
        Strategy {
            requires_version: true,
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
            validate_parts: &[("status", autoscaler::validate_status)],
            validate: autoscaler::validate,
            ..BASE
        },
    ),
    (
        "apiregistration.k8s.io",
        "apiservices",
        Strategy {
            requires_version: true,
            check_name: path_segment,
            defaults: extension::api_service_defaults,
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
            prepare_update: signing::prepare_update,
            prepare_status: signing::prepare_status,
            validate: signing::validate,
            validate_update: signing::validate_update,
            validate_parts: &[("status", signing::validate_status)],
            fill_in: signing::name_creator,
            ..BASE
        },
    ),
    (
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        Strategy {
            requires_version: true,
            generation: Generation::Everything,
            defaults: extension::validating_webhooks,
            validate: admission::validate_webhooks,
            ..BASE
        },
    ),
    (
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        Strategy {
            requires_version: true,
            generation: Generation::Everything,
            defaults: extension::mutating_webhooks,
            validate: admission::validate_webhooks,
            ..BASE
        },
    ),
    (
        "admissionregistration.k8s.io",
        "validatingadmissionpolicies",
        Strategy {
            requires_version: true,
            defaults: extension::policy_defaults,
            prepare_create: reset_status,
            validate: admission::validate_validating,
            validate_parts: &[("status", admission::validate_policy_status)],
            ..WITH_GENERATION
        },
    ),
    (
        "admissionregistration.k8s.io",
        "mutatingadmissionpolicies",
        Strategy {
            requires_version: true,
            defaults: extension::policy_defaults,
            validate: admission::validate_mutating,
            ..WITH_GENERATION
        },
    ),
    (
        "admissionregistration.k8s.io",
        "validatingadmissionpolicybindings",
        Strategy {
            validate: admission::validate_binding,
            ..POLICY_BINDING
        },
    ),
    (
        "admissionregistration.k8s.io",
        "mutatingadmissionpolicybindings",
        Strategy {
            validate: admission::validate_mutating_binding,
            ..POLICY_BINDING
        },
    ),
    (
        "resource.k8s.io",
        "resourceclaims",
        Strategy {
            prepare_create: reset_status,
            defaults: device::claim_defaults,
            validate_new: device::validate_claim,
            validate_parts: &[("status", device::validate_claim_status)],
            validate_update: extension::spec_is_immutable,
            ..BASE
        },
    ),
    (
        "resource.k8s.io",
        "resourceclaimtemplates",
        Strategy {
            defaults: device::template_defaults,
            validate_new: device::validate_template,
            validate_update: extension::spec_is_immutable,
            ..BASE
        },
    ),
    (
        "resource.k8s.io",
        "deviceclasses",
        Strategy {
            validate: device::validate_class,
            ..WITH_GENERATION
        },
    ),
    (
        "resource.k8s.io",
        "resourceslices",
        Strategy {
            validate: device::validate_slice,
            validate_update: device::validate_slice_update,
            ..WITH_GENERATION
        },
    ),
    (
        "flowcontrol.apiserver.k8s.io",
        "flowschemas",
        Strategy {
            defaults: flow::schema_defaults,
            prepare_create: reset_status,
            fill_in: flow::schema_condition,
            validate: flow::validate_schema,
            validate_update: flow::validate_update,
            validate_parts: &[("status", flow::validate_status)],
            ..WITH_GENERATION
        },
    ),
    (
        "flowcontrol.apiserver.k8s.io",
        "prioritylevelconfigurations",
        Strategy {
            defaults: flow::level_defaults,
            prepare_create: reset_status,
            validate: flow::validate_level,
            validate_update: flow::validate_update,
            validate_parts: &[("status", flow::validate_status)],
            ..WITH_GENERATION
        },
    ),
];
