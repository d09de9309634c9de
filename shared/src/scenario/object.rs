//! Which objects may travel, and how they are cleaned of what a server filled in.

use serde_json::{Map, Value};

use super::Scenario;
use crate::{Object, name};

/// The kinds that a scenario can carry, in the order in which they are created. Everything else (nodes, events,
/// leases, roles, and above all Secrets) stays at home.
pub(super) const CARRIED: &[(&str, &str)] = &[
    ("v1", "Namespace"),
    ("scheduling.k8s.io/v1", "PriorityClass"),
    ("v1", "ServiceAccount"),
    ("v1", "ResourceQuota"),
    ("v1", "LimitRange"),
    ("v1", "ConfigMap"),
    ("v1", "PersistentVolumeClaim"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("v1", "Service"),
    ("policy/v1", "PodDisruptionBudget"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("v1", "Pod"),
];

/// Why an object cannot travel in a link.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// A kind outside the list, Secrets above all.
    #[error(
        "{kind} \"{name}\" cannot travel in a link ({api_version} {kind} is not a kind that links carry)"
    )]
    Kind {
        /// `apiVersion`.
        api_version: String,
        /// `kind`.
        kind: String,
        /// `metadata.name`.
        name: String,
    },
    /// A name or namespace that Kubernetes would refuse.
    #[error("{kind} \"{name}\" has a bad name: {why}")]
    Name {
        /// `kind`.
        kind: String,
        /// The name as it came, shortened.
        name: String,
        /// Kubernetes' complaint.
        why: String,
    },
    /// An image that names where to fetch it from.
    #[error(
        "{kind} \"{name}\" runs the image \"{image}\", which names a registry to fetch from; scenarios use sample \
         workloads and images that the cluster has"
    )]
    Registry {
        /// `kind`.
        kind: String,
        /// `metadata.name`.
        name: String,
        /// The image.
        image: String,
    },
    /// An object in a namespace that belongs to the cluster itself.
    #[error("{kind} \"{name}\" is in {namespace}, a namespace of the cluster itself")]
    System {
        /// `kind`.
        kind: String,
        /// `metadata.name`.
        name: String,
        /// `metadata.namespace`.
        namespace: String,
    },
}

impl Scenario {
    /// Collects the objects that a user made: of a carried kind, outside system namespaces, not owned by a
    /// controller, not made by the cluster itself; each cleaned of server fields, in creation order.
    #[must_use]
    pub fn collect<'a>(nodes: usize, objects: impl IntoIterator<Item = &'a Object>) -> Self {
        let mut ranked: Vec<(usize, Object)> = objects
            .into_iter()
            .filter(|o| o.controller().is_none() && o.deletion().is_none() && !made_by_cluster(o))
            .filter(|o| check(o).is_ok())
            .filter_map(|o| Some((rank(o)?, clean(o))))
            .collect();
        ranked.sort_by_key(|a| (a.0, a.1.key()));
        Self {
            nodes,
            objects: ranked.into_iter().map(|(_, o)| o).collect(),
            ..Self::default()
        }
    }
}

/// True for namespaces that the cluster keeps for itself.
#[must_use]
pub fn is_system_namespace(namespace: &str) -> bool {
    namespace.starts_with("kube-") || namespace.starts_with("glasshouse-")
}

fn rank(object: &Object) -> Option<usize> {
    CARRIED
        .iter()
        .position(|(v, k)| *v == object.api_version() && *k == object.kind())
}

/// Objects that every cluster makes for itself and that a fresh one therefore has already.
fn made_by_cluster(object: &Object) -> bool {
    matches!(
        (object.kind(), object.namespace(), object.name()),
        ("Namespace", _, "default")
            | ("ServiceAccount", _, "default")
            | ("ConfigMap", _, "kube-root-ca.crt")
            | ("Service", "default", "kubernetes")
    )
}

pub(super) fn check(object: &Object) -> Result<(), ObjectError> {
    let (kind, name) = (shorten(object.kind()), shorten(object.name()));
    if rank(object).is_none() {
        let api_version = shorten(object.api_version());
        return Err(ObjectError::Kind {
            api_version,
            kind,
            name,
        });
    }
    let namespace = object.namespace();
    let complaint = name::dns_subdomain(object.name()).or_else(|| {
        (!namespace.is_empty())
            .then(|| name::dns_label(namespace))
            .flatten()
    });
    if let Some(why) = complaint {
        return Err(ObjectError::Name { kind, name, why });
    }
    let place = if object.kind() == "Namespace" {
        object.name()
    } else {
        namespace
    };
    if is_system_namespace(place) {
        let namespace = place.into();
        return Err(ObjectError::System {
            kind,
            name,
            namespace,
        });
    }
    match images(object).find(|i| names_registry(i)) {
        Some(image) => Err(ObjectError::Registry {
            kind,
            name,
            image: shorten(image),
        }),
        None => Ok(()),
    }
}

/// The images of a pod or of a pod template.
fn images(object: &Object) -> impl Iterator<Item = &str> {
    const SPECS: [&str; 3] = [
        "/spec",
        "/spec/template/spec",
        "/spec/jobTemplate/spec/template/spec",
    ];
    const LISTS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];
    SPECS.into_iter().flat_map(move |spec| {
        let lists = LISTS.into_iter().map(move |list| format!("{spec}/{list}"));
        lists
            .flat_map(|at| object.items(&at))
            .filter_map(|c| c.get("image")?.as_str())
    })
}

/// True when the first part of an image's name is a host other than those whose images are samples here: an address
/// to fetch from, chosen by whoever wrote the scenario.
fn names_registry(image: &str) -> bool {
    const KNOWN: [&str; 4] = [
        "glasshouse.dev",
        "docker.io",
        "registry.k8s.io",
        "localhost",
    ];
    image.split_once('/').is_some_and(|(host, _)| {
        (host.contains(['.', ':']) || host.is_empty()) && !KNOWN.contains(&host)
    })
}

pub(super) fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

/// The object as its author wrote it, as far as that can be told: without status, server-side metadata, and what
/// admission and defaulting added.
#[must_use]
pub fn clean(object: &Object) -> Object {
    let mut value = object.to_value();
    let Some(top) = value.as_object_mut() else {
        return object.clone();
    };
    top.remove("status");
    if let Some(meta) = top.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.retain(|field, _| {
            matches!(
                field.as_str(),
                "name" | "namespace" | "labels" | "annotations" | "finalizers"
            )
        });
        drop_keys(meta, "annotations", |k| {
            k.starts_with("kubectl.kubernetes.io/") || k.starts_with("deployment.kubernetes.io/")
        });
        drop_keys(meta, "labels", |k| {
            k == "kubernetes.io/metadata.name" || k == "pod-template-hash"
        });
    }
    if let Some(spec) = top.get_mut("spec").and_then(Value::as_object_mut) {
        match object.kind() {
            "Pod" => clean_pod(spec),
            "Service" => clean_service(spec),
            "Namespace" => spec.clear(),
            _ => {}
        }
    }
    top.retain(|_, v| v.as_object().is_none_or(|o| !o.is_empty()));
    Object::new(value)
}

fn drop_keys(meta: &mut Map<String, Value>, field: &str, drop: impl Fn(&str) -> bool) {
    if let Some(map) = meta.get_mut(field).and_then(Value::as_object_mut) {
        map.retain(|k, _| !drop(k));
        if map.is_empty() {
            meta.remove(field);
        }
    }
}

/// Addresses belong to the cluster that gave them; a headless Service's `None` is the author's word.
fn clean_service(spec: &mut Map<String, Value>) {
    if spec.get("clusterIP").and_then(Value::as_str) != Some("None") {
        spec.remove("clusterIP");
    }
    for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        spec.remove(field);
    }
}

/// Undoes the ServiceAccount, DefaultTolerationSeconds and Priority admission plugins.
fn clean_pod(spec: &mut Map<String, Value>) {
    let injected = |v: &Value| {
        v.get("name")
            .and_then(Value::as_str)
            .is_some_and(|n| n.starts_with("kube-api-access-"))
    };
    retain_items(spec, "volumes", |v| !injected(v));
    for list in ["containers", "initContainers"] {
        for container in spec
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
        {
            retain_items(container, "volumeMounts", |v| !injected(v));
        }
    }
    retain_items(spec, "tolerations", |t| {
        let defaulted = [
            "node.kubernetes.io/not-ready",
            "node.kubernetes.io/unreachable",
        ];
        !(t.get("tolerationSeconds").and_then(Value::as_i64) == Some(300)
            && t.get("key")
                .and_then(Value::as_str)
                .is_some_and(|k| defaulted.contains(&k)))
    });
    for field in ["serviceAccount", "priority", "preemptionPolicy"] {
        spec.remove(field);
    }
    if spec.get("serviceAccountName").and_then(Value::as_str) == Some("default") {
        spec.remove("serviceAccountName");
    }
}

fn retain_items(parent: &mut Map<String, Value>, field: &str, keep: impl Fn(&Value) -> bool) {
    if let Some(items) = parent.get_mut(field).and_then(Value::as_array_mut) {
        items.retain(keep);
        if items.is_empty() {
            parent.remove(field);
        }
    }
}
