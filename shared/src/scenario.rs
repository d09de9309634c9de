//! Scenario links: a user's objects as a URL fragment that anybody can open, look at and apply.
//!
//! Holds the format, the codec and the cleaning of objects. It applies nothing and fetches nothing: whoever opens a
//! link previews it and sends each object through the API like any other client.
//!
//! On the wire: `base64url(version byte, CRC-32 of the JSON, raw deflate of compact JSON)`. Raw deflate has no check
//! of its own, and a link that was damaged into a different valid document would be worse than one that fails.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use miniz_oxide::inflate::TINFLStatus;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Object, name};

/// The longest link that is written or read, in characters after `#s=`.
pub const MAX_ENCODED: usize = 64 * 1024;
/// The largest document that a link may unfold to, in bytes.
pub const MAX_DECODED: usize = 1024 * 1024;
/// The most objects that a scenario may hold.
pub const MAX_OBJECTS: usize = 500;

const VERSION: u8 = 1;
const HEADER: usize = 5;

/// The kinds that a link can carry, in the order in which they are created. Everything else (nodes, events, leases,
/// and above all Secrets) stays at home.
const CARRIED: &[(&str, &str)] = &[
    ("v1", "Namespace"),
    ("v1", "ServiceAccount"),
    ("v1", "ConfigMap"),
    ("v1", "Service"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("v1", "Pod"),
];

/// What a link holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scenario {
    /// One line for the preview; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// How many nodes the cluster had: the preview warns when the present one has fewer.
    #[serde(default)]
    pub nodes: usize,
    /// The objects in the order in which they are created, free of what a server fills in. A Pod with
    /// `spec.nodeName` is placed there.
    pub objects: Vec<Object>,
}

/// Why a scenario could not be written to a link.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The link would be longer than browsers and chats carry.
    #[error(
        "these objects make a link of {0} characters, and a link holds at most {MAX_ENCODED}; remove some or shorten their ConfigMaps"
    )]
    TooLong(usize),
    /// More objects than one link may create.
    #[error("{0} objects are more than the {MAX_OBJECTS} that a link may create")]
    TooMany(usize),
    /// An object that must not travel.
    #[error("{0}")]
    Object(#[from] ObjectError),
    /// The document could not be written.
    #[error("the scenario cannot be written as JSON: {0}")]
    Json(String),
}

/// Why a link could not be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Nothing after `#s=`.
    #[error("the link holds no scenario: nothing follows #s=")]
    Empty,
    /// Longer than any link that this page writes.
    #[error("the link is {0} characters long, and a scenario link has at most {MAX_ENCODED}")]
    TooLong(usize),
    /// Characters that no link has, or an impossible length.
    #[error(
        "the link is damaged: it is not base64url; it was probably cut or changed when it was copied"
    )]
    NotBase64,
    /// Written by a newer page.
    #[error(
        "the link has format version {0} and this page reads version {VERSION}; open it with a newer Glasshouse"
    )]
    Version(u8),
    /// The compressed part or its checksum does not hold.
    #[error(
        "the link is damaged: its contents do not match their checksum; it was probably cut or changed when it was copied"
    )]
    Damaged,
    /// Unfolds to more than a scenario may be.
    #[error("the link unfolds to more than {MAX_DECODED} bytes and was not read further")]
    TooBig,
    /// The document is not a scenario.
    #[error("the link does not hold a scenario: {0}")]
    NotAScenario(String),
    /// More objects than one link may create.
    #[error("the link holds {0} objects, and at most {MAX_OBJECTS} are created from a link")]
    TooMany(usize),
    /// An object that a link may not create.
    #[error("the link was refused: {0}")]
    Object(#[from] ObjectError),
}

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
            title: String::new(),
            nodes,
            objects: ranked.into_iter().map(|(_, o)| o).collect(),
        }
    }

    /// Writes the part of a link that follows `#s=`.
    ///
    /// # Errors
    /// When an object must not travel or the link would grow too long.
    pub fn encode(&self) -> Result<String, EncodeError> {
        if self.objects.len() > MAX_OBJECTS {
            return Err(EncodeError::TooMany(self.objects.len()));
        }
        self.objects.iter().try_for_each(check)?;
        let json = serde_json::to_vec(self).map_err(|e| EncodeError::Json(e.to_string()))?;
        let mut bytes = vec![VERSION];
        bytes.extend(crc32(&json).to_be_bytes());
        bytes.extend(miniz_oxide::deflate::compress_to_vec(&json, 9));
        let link = URL_SAFE_NO_PAD.encode(bytes);
        if link.len() > MAX_ENCODED || json.len() > MAX_DECODED {
            return Err(EncodeError::TooLong(link.len()));
        }
        Ok(link)
    }

    /// Reads the part of a link that follows `#s=`. Unfolding stops at [`MAX_DECODED`].
    ///
    /// # Errors
    /// When the link is damaged, too long, too new, or holds what a link must not create.
    pub fn decode(link: &str) -> Result<Self, DecodeError> {
        let link = link.trim();
        if link.is_empty() {
            return Err(DecodeError::Empty);
        }
        if link.len() > MAX_ENCODED {
            return Err(DecodeError::TooLong(link.len()));
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(link)
            .map_err(|_| DecodeError::NotBase64)?;
        match bytes.first() {
            Some(&VERSION) => {}
            Some(&other) => return Err(DecodeError::Version(other)),
            None => return Err(DecodeError::Damaged),
        }
        let (header, body) = bytes.split_at_checked(HEADER).ok_or(DecodeError::Damaged)?;
        let json =
            miniz_oxide::inflate::decompress_to_vec_with_limit(body, MAX_DECODED).map_err(|e| {
                match e.status {
                    TINFLStatus::HasMoreOutput => DecodeError::TooBig,
                    _ => DecodeError::Damaged,
                }
            })?;
        if header.get(1..) != Some(crc32(&json).to_be_bytes().as_slice()) {
            return Err(DecodeError::Damaged);
        }
        let scenario: Self =
            serde_json::from_slice(&json).map_err(|e| DecodeError::NotAScenario(e.to_string()))?;
        if scenario.objects.len() > MAX_OBJECTS {
            return Err(DecodeError::TooMany(scenario.objects.len()));
        }
        scenario.objects.iter().try_for_each(check)?;
        Ok(scenario)
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

fn check(object: &Object) -> Result<(), ObjectError> {
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
    Ok(())
}

fn shorten(text: &str) -> String {
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

/// CRC-32 as gzip has it (RFC 1952 section 8).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| {
            (c >> 1) ^ (0xEDB8_8320 & (0u32.wrapping_sub(c & 1)))
        })
    })
}

#[cfg(test)]
mod tests;
