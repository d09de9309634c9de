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
    namespaced(CORE, "ConfigMap", ("configmaps", "configmap", &["cm"]), NONE),
    namespaced(CORE, "Endpoints", ("endpoints", "endpoints", &["ep"]), NONE),
    namespaced(CORE, "Event", ("events", "event", &["ev"]), NONE),
    namespaced(CORE, "LimitRange", ("limitranges", "limitrange", &["limits"]), NONE),
    with_verbs(
        cluster(CORE, "Namespace", ("namespaces", "namespace", &["ns"]),
            &[sub("finalize", "Namespace", &["update"]), status("Namespace")]),
        NO_COLLECTION,
    ),
    cluster(CORE, "Node", ("nodes", "node", &["no"]), &[status("Node")]),
    namespaced(CORE, "PersistentVolumeClaim", ("persistentvolumeclaims", "persistentvolumeclaim", &["pvc"]),
        &[status("PersistentVolumeClaim")]),
    cluster(CORE, "PersistentVolume", ("persistentvolumes", "persistentvolume", &["pv"]),
        &[status("PersistentVolume")]),
    in_all(namespaced(CORE, "Pod", ("pods", "pod", &["po"]), &[
        sub("attach", "PodAttachOptions", CONNECT),
        sub("binding", "Binding", CREATE),
        foreign("eviction", ("policy", "v1", "Eviction"), CREATE),
        sub("exec", "PodExecOptions", CONNECT),
        sub("log", "Pod", &["get"]),
        sub("portforward", "PodPortForwardOptions", CONNECT),
        status("Pod"),
    ])),
    namespaced(CORE, "PodTemplate", ("podtemplates", "podtemplate", &[]), NONE),
    in_all(namespaced(CORE, "ReplicationController", ("replicationcontrollers", "replicationcontroller", &["rc"]),
        &[SCALE, status("ReplicationController")])),
    namespaced(CORE, "ResourceQuota", ("resourcequotas", "resourcequota", &["quota"]), &[status("ResourceQuota")]),
    namespaced(CORE, "Secret", ("secrets", "secret", &[]), NONE),
    namespaced(CORE, "ServiceAccount", ("serviceaccounts", "serviceaccount", &["sa"]), NONE),
    in_all(namespaced(CORE, "Service", ("services", "service", &["svc"]), &[status("Service")])),
    namespaced(APPS, "ControllerRevision", ("controllerrevisions", "controllerrevision", &[]), NONE),
    in_all(namespaced(APPS, "DaemonSet", ("daemonsets", "daemonset", &["ds"]), &[status("DaemonSet")])),
    in_all(namespaced(APPS, "Deployment", ("deployments", "deployment", &["deploy"]),
        &[SCALE, status("Deployment")])),
    in_all(namespaced(APPS, "ReplicaSet", ("replicasets", "replicaset", &["rs"]), &[SCALE, status("ReplicaSet")])),
    in_all(namespaced(APPS, "StatefulSet", ("statefulsets", "statefulset", &["sts"]),
        &[SCALE, status("StatefulSet")])),
    namespaced(EVENTS, "Event", ("events", "event", &["ev"]), NONE),
    with_verbs(cluster(AUTHN, "SelfSubjectReview", ("selfsubjectreviews", "selfsubjectreview", &[]), NONE), CREATE),
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
    in_all(namespaced(BATCH, "CronJob", ("cronjobs", "cronjob", &["cj"]), &[status("CronJob")])),
    in_all(namespaced(BATCH, "Job", ("jobs", "job", &[]), &[status("Job")])),
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
    cluster(SCHEDULING, "PriorityClass", ("priorityclasses", "priorityclass", &["pc"]), NONE),
    namespaced(COORDINATION, "Lease", ("leases", "lease", &[]), NONE),
    cluster(NODE, "RuntimeClass", ("runtimeclasses", "runtimeclass", &[]), NONE),
    namespaced(DISCOVERY, "EndpointSlice", ("endpointslices", "endpointslice", &[]), NONE),
];
