//! What an action or a moment of the timeline does, as data. Whoever runs it turns each deed into ordinary requests.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::object::{self, CARRIED, ObjectError, shorten};
use crate::live::ClockChange;
use crate::{KindRef, Object, ObjectKey, kind};

/// One request, or one turn of a switch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Deed {
    /// Creates an object.
    Create(Object),
    /// Replaces an object (PUT); with a `resourceVersion` only if nobody changed it since.
    Replace(Object),
    /// Changes parts of an object by a strategic merge patch.
    Patch {
        /// Which object.
        on: Target,
        /// The patch.
        patch: Value,
    },
    /// Deletes an object.
    Delete(Target),
    /// Places a pod on a node.
    Bind {
        /// The pod.
        pod: Target,
        /// The node's name.
        node: String,
    },
    /// Pulls a node's plug.
    StopNode(String),
    /// Puts it in again.
    StartNode(String),
    /// Changes the rate of the cluster clock, or jumps ahead.
    Clock(ClockChange),
}

/// An object by plural, namespace and name, written `pods/default/web` or `nodes/node-1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target {
    /// The resource.
    pub kind: KindRef,
    /// Namespace and name.
    pub key: ObjectKey,
}

/// Why a deed is none that a scenario may do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeedError {
    /// An object that must not travel.
    #[error("{0}")]
    Object(#[from] ObjectError),
    /// A target in a namespace of the cluster itself, or of a kind that no scenario touches.
    #[error("a scenario may not touch {0}")]
    Target(String),
    /// A path that names no object.
    #[error(
        "\"{0}\" names no object; write plural/namespace/name, or plural/name for kinds without namespaces"
    )]
    NoTarget(String),
    /// A node's name that Kubernetes would refuse.
    #[error("\"{0}\" is not a node's name")]
    Node(String),
    /// A binding of something else than a pod.
    #[error("only a pod can be bound to a node, not {0}")]
    NotAPod(String),
}

impl Deed {
    /// Judges what the types cannot.
    ///
    /// # Errors
    /// When a scenario may not do this.
    pub fn validate(&self) -> Result<(), DeedError> {
        match self {
            Self::Create(object) => Ok(object::check(object)?),
            Self::Replace(object) => Ok(object::check(object)?),
            Self::Patch { on, .. } => on.validate(true),
            Self::Delete(target) => target.validate(false),
            Self::Bind { pod, node } => {
                if pod.kind.plural != "pods" {
                    return Err(DeedError::NotAPod(pod.to_string()));
                }
                pod.validate(false)?;
                node_name(node)
            }
            Self::StopNode(node) | Self::StartNode(node) => node_name(node),
            Self::Clock(_) => Ok(()),
        }
    }
}

fn node_name(node: &str) -> Result<(), DeedError> {
    match crate::name::dns_subdomain(node) {
        None => Ok(()),
        Some(_) => Err(DeedError::Node(shorten(node))),
    }
}

impl Target {
    /// Nodes can be patched (labels, taints, cordon), not deleted; other kinds must be ones that scenarios carry.
    fn validate(&self, patch: bool) -> Result<(), DeedError> {
        let refused = || DeedError::Target(shorten(&self.to_string()));
        let row = self.kind.built_in().ok_or_else(refused)?;
        let carried = CARRIED
            .iter()
            .any(|(version, kind)| *kind == row.kind && *version == row.api_version());
        let node = patch && row.kind == "Node";
        let place = if row.kind == "Namespace" {
            &self.key.name
        } else {
            &self.key.namespace
        };
        if (carried || node) && !object::is_system_namespace(place) {
            Ok(())
        } else {
            Err(refused())
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.kind.plural)?;
        if !self.key.namespace.is_empty() {
            write!(f, "{}/", self.key.namespace)?;
        }
        f.write_str(&self.key.name)
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

impl TryFrom<String> for Target {
    type Error = DeedError;

    fn try_from(text: String) -> Result<Self, DeedError> {
        let wrong = || DeedError::NoTarget(shorten(&text));
        let parts: Vec<&str> = text.split('/').collect();
        let (plural, namespace, name) = match parts.as_slice() {
            [plural, name] => (*plural, "", *name),
            [plural, namespace, name] => (*plural, *namespace, *name),
            _ => return Err(wrong()),
        };
        let row = kind::KINDS
            .iter()
            .find(|k| k.plural == plural && k.namespaced != namespace.is_empty())
            .ok_or_else(wrong)?;
        let good = crate::name::dns_subdomain(name).is_none()
            && (namespace.is_empty() || crate::name::dns_label(namespace).is_none());
        if !good {
            return Err(wrong());
        }
        Ok(Self {
            kind: row.reference(),
            key: ObjectKey::new(namespace, name),
        })
    }
}
