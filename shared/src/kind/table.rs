//! The rows of the kinds table, in the order in which discovery serves them. Facts of Kubernetes v1.36.

use super::{Kind, Subresource};

const ALL: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];
const NO_COLLECTION: &[&str] = &[
    "create", "delete", "get", "list", "patch", "update", "watch",
];
const CREATE: &[&str] = &["create"];
const CONNECT: &[&str] = &["create", "get"];
const READ: &[&str] = &["get", "list"];
/// Verbs of what is passed on to a node or a pod.
const PROXY: &[&str] = &["create", "delete", "get", "patch", "update"];
const STATUS_VERBS: &[&str] = &["get", "patch", "update"];
const NONE: &[Subresource] = &[];

const fn sub(
    name: &'static str,
    kind: &'static str,
    verbs: &'static [&'static str],
) -> Subresource {
    Subresource {
        name,
        group: "",
        version: "",
        kind,
        verbs,
    }
}

const fn foreign(
    name: &'static str,
    (group, version, kind): (&'static str, &'static str, &'static str),
    verbs: &'static [&'static str],
) -> Subresource {
    Subresource {
        name,
        group,
        version,
        kind,
        verbs,
    }
}

const fn status(kind: &'static str) -> Subresource {
    sub("status", kind, STATUS_VERBS)
}

const SCALE: Subresource = foreign("scale", ("autoscaling", "v1", "Scale"), STATUS_VERBS);

/// A namespaced kind with every verb; `names` are plural, singular and short names.
const fn namespaced(
    (group, version): (&'static str, &'static str),
    kind: &'static str,
    (plural, singular, short_names): (&'static str, &'static str, &'static [&'static str]),
    subresources: &'static [Subresource],
) -> Kind {
    Kind {
        group,
        version,
        kind,
        plural,
        singular,
        short_names,
        categories: &[],
        namespaced: true,
        verbs: ALL,
        subresources,
    }
}

const fn cluster(
    api: (&'static str, &'static str),
    kind: &'static str,
    names: (&'static str, &'static str, &'static [&'static str]),
    subresources: &'static [Subresource],
) -> Kind {
    let mut row = namespaced(api, kind, names, subresources);
    row.namespaced = false;
    row
}

const fn in_all(mut kind: Kind) -> Kind {
    kind.categories = &["all"];
    kind
}

const fn api_extension(mut kind: Kind) -> Kind {
    kind.categories = &["api-extensions"];
    kind
}

const fn with_verbs(mut kind: Kind, verbs: &'static [&'static str]) -> Kind {
    kind.verbs = verbs;
    kind
}

const CORE: (&str, &str) = ("", "v1");
const APPS: (&str, &str) = ("apps", "v1");
const EVENTS: (&str, &str) = ("events.k8s.io", "v1");
const AUTHN: (&str, &str) = ("authentication.k8s.io", "v1");
const AUTHZ: (&str, &str) = ("authorization.k8s.io", "v1");
const AUTOSCALING: (&str, &str) = ("autoscaling", "v2");
const AUTOSCALING_V1: (&str, &str) = ("autoscaling", "v1");
const AGGREGATION: (&str, &str) = ("apiregistration.k8s.io", "v1");
const CERTIFICATES: (&str, &str) = ("certificates.k8s.io", "v1");
const ADMISSION: (&str, &str) = ("admissionregistration.k8s.io", "v1");
const RESOURCE: (&str, &str) = ("resource.k8s.io", "v1");
/// Served by this apiserver itself, where the original aggregates metrics-server.
const METRICS: (&str, &str) = ("metrics.k8s.io", "v1beta1");
const FLOW_CONTROL: (&str, &str) = ("flowcontrol.apiserver.k8s.io", "v1");
const BATCH: (&str, &str) = ("batch", "v1");
const NETWORKING: (&str, &str) = ("networking.k8s.io", "v1");
const POLICY: (&str, &str) = ("policy", "v1");
const RBAC: (&str, &str) = ("rbac.authorization.k8s.io", "v1");
const STORAGE: (&str, &str) = ("storage.k8s.io", "v1");
const SCHEDULING: (&str, &str) = ("scheduling.k8s.io", "v1");
const COORDINATION: (&str, &str) = ("coordination.k8s.io", "v1");
const NODE: (&str, &str) = ("node.k8s.io", "v1");
const DISCOVERY: (&str, &str) = ("discovery.k8s.io", "v1");

/// Every built-in kind: core first, then by group as discovery orders them, and by plural within a group.
#[rustfmt::skip]
pub const KINDS: &[Kind] = &[
    with_verbs(namespaced(CORE, "Binding", ("bindings", "binding", &[]), NONE), CREATE),
    with_verbs(cluster(CORE, "ComponentStatus", ("componentstatuses", "componentstatus", &["cs"]), NONE), READ),
    namespaced(CORE, "ConfigMap", ("configmaps", "configmap", &["cm"]), NONE),
    namespaced(CORE, "Endpoints", ("endpoints", "endpoints", &["ep"]), NONE),
    namespaced(CORE, "Event", ("events", "event", &["ev"]), NONE),
    namespaced(CORE, "LimitRange", ("limitranges", "limitrange", &["limits"]), NONE),
    with_verbs(
        cluster(CORE, "Namespace", ("namespaces", "namespace", &["ns"]),
            &[sub("finalize", "Namespace", &["update"]), status("Namespace")]),
        NO_COLLECTION,
    ),
    cluster(CORE, "Node", ("nodes", "node", &["no"]),
        &[sub("proxy", "NodeProxyOptions", PROXY), status("Node")]),
    namespaced(CORE, "PersistentVolumeClaim", ("persistentvolumeclaims", "persistentvolumeclaim", &["pvc"]),
        &[status("PersistentVolumeClaim")]),
    cluster(CORE, "PersistentVolume", ("persistentvolumes", "persistentvolume", &["pv"]),
        &[status("PersistentVolume")]),
    in_all(namespaced(CORE, "Pod", ("pods", "pod", &["po"]), &[
        sub("attach", "PodAttachOptions", CONNECT),
        sub("binding", "Binding", CREATE),
        sub("ephemeralcontainers", "Pod", STATUS_VERBS),
        foreign("eviction", ("policy", "v1", "Eviction"), CREATE),
        sub("exec", "PodExecOptions", CONNECT),
        sub("log", "Pod", &["get"]),
        sub("portforward", "PodPortForwardOptions", CONNECT),
        sub("proxy", "PodProxyOptions", PROXY),
        sub("resize", "Pod", STATUS_VERBS),
        status("Pod"),
    ])),
    namespaced(CORE, "PodTemplate", ("podtemplates", "podtemplate", &[]), NONE),
    in_all(namespaced(CORE, "ReplicationController", ("replicationcontrollers", "replicationcontroller", &["rc"]),
        &[SCALE, status("ReplicationController")])),
    namespaced(CORE, "ResourceQuota", ("resourcequotas", "resourcequota", &["quota"]), &[status("ResourceQuota")]),
    namespaced(CORE, "Secret", ("secrets", "secret", &[]), NONE),
    namespaced(CORE, "ServiceAccount", ("serviceaccounts", "serviceaccount", &["sa"]),
        &[foreign("token", ("authentication.k8s.io", "v1", "TokenRequest"), CREATE)]),
    in_all(namespaced(CORE, "Service", ("services", "service", &["svc"]),
        &[sub("proxy", "ServiceProxyOptions", PROXY), status("Service")])),
    api_extension(cluster(AGGREGATION, "APIService", ("apiservices", "apiservice", &[]), &[status("APIService")])),
    namespaced(APPS, "ControllerRevision", ("controllerrevisions", "controllerrevision", &[]), NONE),
    in_all(namespaced(APPS, "DaemonSet", ("daemonsets", "daemonset", &["ds"]), &[status("DaemonSet")])),
    in_all(namespaced(APPS, "Deployment", ("deployments", "deployment", &["deploy"]),
        &[SCALE, status("Deployment")])),
    in_all(namespaced(APPS, "ReplicaSet", ("replicasets", "replicaset", &["rs"]), &[SCALE, status("ReplicaSet")])),
    in_all(namespaced(APPS, "StatefulSet", ("statefulsets", "statefulset", &["sts"]),
        &[SCALE, status("StatefulSet")])),
    namespaced(EVENTS, "Event", ("events", "event", &["ev"]), NONE),
    with_verbs(cluster(AUTHN, "SelfSubjectReview", ("selfsubjectreviews", "selfsubjectreview", &[]), NONE), CREATE),
    with_verbs(cluster(AUTHN, "TokenReview", ("tokenreviews", "tokenreview", &[]), NONE), CREATE),
    with_verbs(
        namespaced(AUTHZ, "LocalSubjectAccessReview",
            ("localsubjectaccessreviews", "localsubjectaccessreview", &[]), NONE),
        CREATE,
    ),
    with_verbs(
        cluster(AUTHZ, "SelfSubjectAccessReview",
            ("selfsubjectaccessreviews", "selfsubjectaccessreview", &[]), NONE),
        CREATE,
    ),
    with_verbs(
        cluster(AUTHZ, "SelfSubjectRulesReview", ("selfsubjectrulesreviews", "selfsubjectrulesreview", &[]), NONE),
        CREATE,
    ),
    with_verbs(cluster(AUTHZ, "SubjectAccessReview", ("subjectaccessreviews", "subjectaccessreview", &[]), NONE), CREATE),
    in_all(namespaced(AUTOSCALING, "HorizontalPodAutoscaler",
        ("horizontalpodautoscalers", "horizontalpodautoscaler", &["hpa"]), &[status("HorizontalPodAutoscaler")])),
    in_all(namespaced(AUTOSCALING_V1, "HorizontalPodAutoscaler",
        ("horizontalpodautoscalers", "horizontalpodautoscaler", &["hpa"]), &[status("HorizontalPodAutoscaler")])),
    in_all(namespaced(BATCH, "CronJob", ("cronjobs", "cronjob", &["cj"]), &[status("CronJob")])),
    in_all(namespaced(BATCH, "Job", ("jobs", "job", &[]), &[status("Job")])),
    cluster(CERTIFICATES, "CertificateSigningRequest",
        ("certificatesigningrequests", "certificatesigningrequest", &["csr"]),
        &[sub("approval", "CertificateSigningRequest", STATUS_VERBS), status("CertificateSigningRequest")]),
    cluster(NETWORKING, "IngressClass", ("ingressclasses", "ingressclass", &[]), NONE),
    namespaced(NETWORKING, "Ingress", ("ingresses", "ingress", &["ing"]), &[status("Ingress")]),
    cluster(NETWORKING, "IPAddress", ("ipaddresses", "ipaddress", &["ip"]), NONE),
    namespaced(NETWORKING, "NetworkPolicy", ("networkpolicies", "networkpolicy", &["netpol"]), NONE),
    cluster(NETWORKING, "ServiceCIDR", ("servicecidrs", "servicecidr", &[]), &[status("ServiceCIDR")]),
    namespaced(POLICY, "PodDisruptionBudget", ("poddisruptionbudgets", "poddisruptionbudget", &["pdb"]),
        &[status("PodDisruptionBudget")]),
    cluster(RBAC, "ClusterRoleBinding", ("clusterrolebindings", "clusterrolebinding", &[]), NONE),
    cluster(RBAC, "ClusterRole", ("clusterroles", "clusterrole", &[]), NONE),
    namespaced(RBAC, "RoleBinding", ("rolebindings", "rolebinding", &[]), NONE),
    namespaced(RBAC, "Role", ("roles", "role", &[]), NONE),
    cluster(STORAGE, "CSIDriver", ("csidrivers", "csidriver", &[]), NONE),
    cluster(STORAGE, "CSINode", ("csinodes", "csinode", &[]), NONE),
    namespaced(STORAGE, "CSIStorageCapacity", ("csistoragecapacities", "csistoragecapacity", &[]), NONE),
    cluster(STORAGE, "StorageClass", ("storageclasses", "storageclass", &["sc"]), NONE),
    cluster(STORAGE, "VolumeAttachment", ("volumeattachments", "volumeattachment", &[]),
        &[status("VolumeAttachment")]),
    cluster(STORAGE, "VolumeAttributesClass", ("volumeattributesclasses", "volumeattributesclass", &["vac"]), NONE),
    api_extension(cluster(ADMISSION, "MutatingAdmissionPolicy",
        ("mutatingadmissionpolicies", "mutatingadmissionpolicy", &[]), NONE)),
    api_extension(cluster(ADMISSION, "MutatingAdmissionPolicyBinding",
        ("mutatingadmissionpolicybindings", "mutatingadmissionpolicybinding", &[]), NONE)),
    api_extension(cluster(ADMISSION, "MutatingWebhookConfiguration",
        ("mutatingwebhookconfigurations", "mutatingwebhookconfiguration", &[]), NONE)),
    api_extension(cluster(ADMISSION, "ValidatingAdmissionPolicy",
        ("validatingadmissionpolicies", "validatingadmissionpolicy", &[]), &[status("ValidatingAdmissionPolicy")])),
    api_extension(cluster(ADMISSION, "ValidatingAdmissionPolicyBinding",
        ("validatingadmissionpolicybindings", "validatingadmissionpolicybinding", &[]), NONE)),
    api_extension(cluster(ADMISSION, "ValidatingWebhookConfiguration",
        ("validatingwebhookconfigurations", "validatingwebhookconfiguration", &[]), NONE)),
    cluster(SCHEDULING, "PriorityClass", ("priorityclasses", "priorityclass", &["pc"]), NONE),
    namespaced(COORDINATION, "Lease", ("leases", "lease", &[]), NONE),
    cluster(NODE, "RuntimeClass", ("runtimeclasses", "runtimeclass", &[]), NONE),
    namespaced(DISCOVERY, "EndpointSlice", ("endpointslices", "endpointslice", &[]), NONE),
    cluster(RESOURCE, "DeviceClass", ("deviceclasses", "deviceclass", &[]), NONE),
    namespaced(RESOURCE, "ResourceClaim", ("resourceclaims", "resourceclaim", &[]), &[status("ResourceClaim")]),
    namespaced(RESOURCE, "ResourceClaimTemplate", ("resourceclaimtemplates", "resourceclaimtemplate", &[]), NONE),
    cluster(RESOURCE, "ResourceSlice", ("resourceslices", "resourceslice", &[]), NONE),
    cluster(FLOW_CONTROL, "FlowSchema", ("flowschemas", "flowschema", &[]), &[status("FlowSchema")]),
    cluster(FLOW_CONTROL, "PriorityLevelConfiguration",
        ("prioritylevelconfigurations", "prioritylevelconfiguration", &[]),
        &[status("PriorityLevelConfiguration")]),
    with_verbs(cluster(METRICS, "NodeMetrics", ("nodes", "", &[]), NONE), READ),
    with_verbs(namespaced(METRICS, "PodMetrics", ("pods", "", &[]), NONE), READ),
];
