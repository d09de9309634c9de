//! The kinds table: one row of data per served kind. Whoever adds a kind starts in [`table`](KINDS).

use std::fmt;

use serde::{Deserialize, Serialize};

mod table;

pub use table::KINDS;

/// A served kind: the row behind paths, discovery, storage keys and the dashboard's tables.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// API group, empty for core.
    pub group: &'static str,
    /// API version within the group.
    pub version: &'static str,
    /// `Pod`, `Deployment`, ...
    pub kind: &'static str,
    /// The resource: `pods`.
    pub plural: &'static str,
    /// `pod`.
    pub singular: &'static str,
    /// `po`.
    pub short_names: &'static [&'static str],
    /// `all` for what `kubectl get all` lists.
    pub categories: &'static [&'static str],
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Allowed verbs, alphabetical, as discovery lists them.
    pub verbs: &'static [&'static str],
    /// Subresources: `status`, `scale`, ...
    pub subresources: &'static [Subresource],
}

/// A part of an object with a path of its own, such as `pods/binding`.
#[derive(Debug, PartialEq, Eq)]
pub struct Subresource {
    /// The last path segment: `binding`.
    pub name: &'static str,
    /// Group of the body's kind when it is not the parent's, such as `autoscaling` for `Scale`.
    pub group: &'static str,
    /// Version of the body's kind when it is not the parent's.
    pub version: &'static str,
    /// The kind of the body: `Binding`, `Scale`, or the parent's for `status`.
    pub kind: &'static str,
    /// Allowed verbs.
    pub verbs: &'static [&'static str],
}

/// Groups that another server inside the original's process serves, each with its part of the key space.
const SEPARATE_SERVERS: [&str; 2] = ["apiextensions.k8s.io", "apiregistration.k8s.io"];

impl Kind {
    /// True for the version of a resource that clients should use, and for the only one there is.
    #[must_use]
    pub fn is_preferred(&self) -> bool {
        KINDS
            .iter()
            .find(|k| k.group == self.group && k.plural == self.plural)
            .is_none_or(|k| k.version == self.version)
    }

    /// `v1` or `apps/v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.into()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The etcd key prefix of all objects of this kind, ending in `/`: `/registry/pods/`.
    ///
    /// As Kubernetes lays them out: no group in front for its own kinds, and a few historical names. Both Event APIs
    /// share one prefix, because they are two views of the same objects.
    #[must_use]
    pub fn storage_prefix(&self) -> String {
        match (self.group, self.plural) {
            ("", "services") => "/registry/services/specs/".into(),
            ("", "endpoints") => "/registry/services/endpoints/".into(),
            ("", "nodes") => "/registry/minions/".into(),
            ("", "replicationcontrollers") => "/registry/controllers/".into(),
            ("networking.k8s.io", "ingresses") => "/registry/ingress/".into(),
            (group, plural) if SEPARATE_SERVERS.contains(&group) || !is_own_group(group) => {
                format!("/registry/{group}/{plural}/")
            }
            (_, plural) => format!("/registry/{plural}/"),
        }
    }

    /// A compact reference that can be sent and stored.
    #[must_use]
    pub fn reference(&self) -> KindRef {
        KindRef {
            group: self.group.into(),
            version: self.version.into(),
            plural: self.plural.into(),
        }
    }

    /// Finds a subresource by its path segment.
    #[must_use]
    pub fn subresource(&self, name: &str) -> Option<&'static Subresource> {
        self.subresources.iter().find(|s| s.name == name)
    }
}

/// Group, version and resource: how requests name a kind, including kinds that arrive at run time.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KindRef {
    /// API group, empty for core.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// API version.
    pub version: String,
    /// The plural.
    pub plural: String,
}

impl KindRef {
    /// A reference from its parts.
    #[must_use]
    pub fn new(group: &str, version: &str, plural: &str) -> Self {
        Self {
            group: group.into(),
            version: version.into(),
            plural: plural.into(),
        }
    }

    /// The row of a built-in kind.
    #[must_use]
    pub fn built_in(&self) -> Option<&'static Kind> {
        find(&self.group, &self.version, &self.plural)
    }

    /// `v1` or `apps/v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

impl fmt::Display for KindRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() {
            f.write_str(&self.plural)
        } else {
            write!(f, "{}.{}", self.plural, self.group)
        }
    }
}

/// Finds a built-in kind by group, version and plural.
#[must_use]
pub fn find(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    KINDS
        .iter()
        .find(|k| k.plural == plural && k.group == group && k.version == version)
}

/// Finds a built-in kind by `apiVersion` and `kind`, as bodies name it.
#[must_use]
pub fn find_by_kind(api_version: &str, kind: &str) -> Option<&'static Kind> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    KINDS
        .iter()
        .find(|k| k.kind == kind && k.group == group && k.version == version)
}

/// True for the groups of Kubernetes itself, which share the top of the key space.
fn is_own_group(group: &str) -> bool {
    !group.contains('.') || group.ends_with(".k8s.io")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_and_kinds_are_unique_within_a_group_version() {
        for (i, a) in KINDS.iter().enumerate() {
            for b in KINDS.get(i + 1..).unwrap_or_default() {
                assert!(
                    (a.group, a.version) != (b.group, b.version)
                        || (a.plural != b.plural && a.kind != b.kind),
                    "{a:?} {b:?}"
                );
            }
        }
    }

    #[test]
    fn storage_prefixes_are_those_of_the_original() {
        for (group, plural, want) in [
            ("", "pods", "/registry/pods/"),
            ("", "nodes", "/registry/minions/"),
            ("", "services", "/registry/services/specs/"),
            ("apps", "deployments", "/registry/deployments/"),
            ("coordination.k8s.io", "leases", "/registry/leases/"),
            (
                "apiregistration.k8s.io",
                "apiservices",
                "/registry/apiregistration.k8s.io/apiservices/",
            ),
        ] {
            assert_eq!(
                find(group, "v1", plural)
                    .map(Kind::storage_prefix)
                    .as_deref(),
                Some(want)
            );
        }
    }
}
