//! Who is granted what: the stored roles and bindings, found by subject.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use store::Snapshot;

use super::rule::Rule;
use crate::item::parse;
use crate::server::User;
use crate::value::{field, items, text};

pub(crate) const CLUSTER_ROLES: &str = "/registry/clusterroles/";
pub(crate) const CLUSTER_ROLE_BINDINGS: &str = "/registry/clusterrolebindings/";
pub(crate) const ROLES: &str = "/registry/roles/";
pub(crate) const ROLE_BINDINGS: &str = "/registry/rolebindings/";
/// Where everything that an [`Index`] is made of is stored.
pub(crate) const SOURCES: [&str; 4] = [CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, ROLES, ROLE_BINDINGS];

/// What one binding grants to one subject.
#[derive(Debug)]
pub(crate) struct Grant {
    /// Its place among all bindings of its scope, in key order.
    place: usize,
    /// The role's rules, or why there are none.
    pub(crate) rules: Result<Arc<[Rule]>, String>,
    /// In words, for access reviews.
    pub(crate) reason: String,
}

/// The grants of one scope by user and by group.
#[derive(Debug, Default)]
struct Scope {
    users: BTreeMap<String, Vec<Arc<Grant>>>,
    groups: BTreeMap<String, Vec<Arc<Grant>>>,
}

/// All stored grants.
#[derive(Debug, Default)]
pub(crate) struct Index {
    roles: Roles,
    cluster: Scope,
    namespaces: BTreeMap<String, Scope>,
}

impl Index {
    /// Reads every role and binding. What cannot be read grants nothing.
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        let roles = roles(snapshot);
        let mut index = Self::default();
        index.roles.clone_from(&roles);
        for (place, (_, binding)) in all(snapshot, CLUSTER_ROLE_BINDINGS).enumerate() {
            index.cluster.add(place, "", &binding, &roles);
        }
        for (place, (key, binding)) in all(snapshot, ROLE_BINDINGS).enumerate() {
            let namespace = key.split('/').next().unwrap_or_default();
            let scope = index.namespaces.entry(namespace.to_owned()).or_default();
            scope.add(place, namespace, &binding, &roles);
        }
        index
    }

    /// The rules of a cluster role; none when there is no such role.
    pub(crate) fn cluster_role(&self, name: &str) -> &[Rule] {
        self.roles.get(name).map_or(&[], AsRef::as_ref)
    }

    /// What a user is granted in a namespace, empty for cluster scope: cluster role bindings first, then role
    /// bindings, each once and in key order.
    pub(crate) fn grants<'a>(
        &'a self,
        user: &'a User,
        namespace: &str,
    ) -> impl Iterator<Item = &'a Grant> {
        let inside = if namespace.is_empty() {
            None
        } else {
            self.namespaces.get(namespace)
        };
        let scopes = std::iter::once(&self.cluster).chain(inside);
        scopes.flat_map(move |scope| scope.grants(user))
    }
}

impl Scope {
    fn add(&mut self, place: usize, namespace: &str, binding: &Value, roles: &Roles) {
        let key = |kind: &str, name: &str| match kind {
            "Role" => format!("{namespace}/{name}"),
            _ => name.to_owned(),
        };
        let (kind, role) = (
            text(binding, "/roleRef/kind"),
            text(binding, "/roleRef/name"),
        );
        let rules = roles.get(&key(kind, role)).cloned().ok_or_else(|| {
            format!(
                "{}.rbac.authorization.k8s.io \"{role}\" not found",
                kind.to_lowercase()
            )
        });
        let name = text(binding, "/metadata/name");
        let binding_text = if namespace.is_empty() {
            format!("ClusterRoleBinding \"{name}\"")
        } else {
            format!("RoleBinding \"{name}/{namespace}\"")
        };
        for subject in items(binding, "/subjects") {
            let name = field(subject, "name");
            let kind_of_subject = field(subject, "kind");
            let (map, key, shown) = match kind_of_subject {
                "User" => (&mut self.users, name.to_owned(), name.to_owned()),
                "Group" => (&mut self.groups, name.to_owned(), name.to_owned()),
                "ServiceAccount" => {
                    let own = field(subject, "namespace");
                    let own = if own.is_empty() { namespace } else { own };
                    let user = format!("system:serviceaccount:{own}:{name}");
                    (&mut self.users, user, format!("{name}/{own}"))
                }
                _ => continue,
            };
            let reason = format!(
                "RBAC: allowed by {binding_text} of {kind} \"{role}\" to {kind_of_subject} \"{shown}\""
            );
            map.entry(key).or_default().push(Arc::new(Grant {
                place,
                rules: rules.clone(),
                reason,
            }));
        }
    }

    fn grants<'a>(&'a self, user: &'a User) -> impl Iterator<Item = &'a Grant> {
        let of_groups = user.groups.iter().filter_map(|g| self.groups.get(g));
        let found = self.users.get(&user.name).into_iter().chain(of_groups);
        let mut grants: Vec<&Grant> = found.flatten().map(AsRef::as_ref).collect();
        grants.sort_by_key(|grant| grant.place);
        let mut seen = BTreeSet::new();
        grants.retain(|grant| seen.insert(grant.place));
        grants.into_iter()
    }
}

/// Rules by `NAME` for cluster roles and by `NAMESPACE/NAME` for roles.
type Roles = BTreeMap<String, Arc<[Rule]>>;

fn roles(snapshot: &Snapshot) -> Roles {
    let both = all(snapshot, CLUSTER_ROLES).chain(all(snapshot, ROLES));
    both.map(|(key, role)| (key.to_owned(), Rule::list(role.get("rules")).into()))
        .collect()
}

fn all<'a>(
    snapshot: &'a Snapshot,
    prefix: &'a str,
) -> impl Iterator<Item = (&'a str, Value)> + use<'a> {
    snapshot.iter(prefix).filter_map(move |kv| {
        let key = kv.key.strip_prefix(prefix)?;
        Some((key, parse(&kv.value).ok()?))
    })
}
