//! Authorization: one seam, and the built-in answer by well-known users and groups.
//!
//! Role bindings are stored but not yet evaluated: whoever is none of the well-known users may do nothing but look at
//! discovery, health and their own rights. That errs on the closed side.

use client::Request;
use shared::Status;
use store::Snapshot;

use crate::server::User;

/// What somebody wants to do (`authorization.k8s.io` attributes).
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    /// Who.
    pub user: &'a User,
    /// `get`, `create`, ...; for a path the lower-case HTTP method.
    pub verb: &'a str,
    /// API group.
    pub group: &'a str,
    /// The plural; empty for a path that is no resource.
    pub resource: &'a str,
    /// `status`, `log`, ...
    pub subresource: &'a str,
    /// The namespace, empty for cluster scope.
    pub namespace: &'a str,
    /// The object's name.
    pub name: &'a str,
    /// The path, when it is no resource: `/metrics`.
    pub path: &'a str,
}

/// Whether somebody may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// They may.
    Allow,
    /// They may not; why, if there is more to say than that nothing allows it.
    Deny(String),
}

/// Decides who may do what.
pub trait Authorizer: Send + Sync {
    /// Judges one thing over the store as it is.
    fn authorize(&self, attributes: &Attributes<'_>, snapshot: &Snapshot) -> Decision;
}

impl Attributes<'_> {
    fn full_resource(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.into()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }

    /// The 403 in the original's words.
    #[must_use]
    pub fn refusal(&self, why: &str) -> Status {
        let user = &self.user.name;
        let more = if why.is_empty() {
            String::new()
        } else {
            format!(": {why}")
        };
        if self.resource.is_empty() {
            let message = format!(
                "forbidden: User \"{user}\" cannot {} path \"{}\"{more}",
                self.verb, self.path
            );
            return Status::failure(403, "Forbidden", message)
                .with_details(shared::status::Details::default());
        }
        let place = if self.namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace \"{}\"", self.namespace)
        };
        let why = format!(
            "User \"{user}\" cannot {} resource \"{}\" in API group \"{}\" {place}{more}",
            self.verb,
            self.full_resource(),
            self.group
        );
        Status::forbidden(self.resource, self.group, self.name, &why)
    }
}

/// The attributes of a request about a resource.
pub(crate) fn attributes<'a>(request: &'a Request, user: &'a User) -> Attributes<'a> {
    Attributes {
        user,
        verb: request.verb.word(),
        group: &request.kind.group,
        resource: &request.kind.plural,
        subresource: &request.subresource,
        namespace: &request.namespace,
        name: &request.name,
        path: "",
    }
}

/// The built-in authorizer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Roles;

/// Components of the control plane, each with what the original's roles add up to for our purposes: everything.
const COMPONENTS: &[&str] = &[
    "system:apiserver",
    "system:kube-scheduler",
    "system:kube-controller-manager",
    "system:cloud-controller-manager",
];
/// Paths that anybody may read (`system:public-info-viewer`).
const PUBLIC: &[&str] = &["/healthz", "/livez", "/readyz", "/version", "/version/"];
/// Paths that whoever has a name may read (`system:discovery`), besides everything below the last four.
const DISCOVERY: &[&str] = &["/api", "/apis", "/openapi"];
const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &[
    "get", "list", "watch", "create", "update", "patch", "delete",
];

/// What a node may do (`system:node`, `system:node-proxier`): group, resource, verbs.
const NODE_RULES: &[(&str, &str, &[&str])] = &[
    ("", "nodes", WRITE),
    ("", "nodes/status", WRITE),
    ("", "pods", WRITE),
    ("", "pods/status", WRITE),
    ("", "pods/eviction", &["create"]),
    ("", "services", READ),
    ("", "endpoints", READ),
    ("", "configmaps", READ),
    ("", "secrets", READ),
    ("", "namespaces", READ),
    ("", "serviceaccounts", READ),
    ("", "persistentvolumes", READ),
    ("", "persistentvolumeclaims", READ),
    ("", "events", &["create", "patch", "update"]),
    ("events.k8s.io", "events", &["create", "patch", "update"]),
    ("coordination.k8s.io", "leases", WRITE),
    ("discovery.k8s.io", "endpointslices", READ),
    ("networking.k8s.io", "networkpolicies", READ),
    ("networking.k8s.io", "servicecidrs", READ),
    ("node.k8s.io", "runtimeclasses", READ),
    ("storage.k8s.io", "csidrivers", READ),
    ("storage.k8s.io", "csinodes", WRITE),
];

impl Authorizer for Roles {
    fn authorize(&self, asked: &Attributes<'_>, _snapshot: &Snapshot) -> Decision {
        let is_in = |group: &str| asked.user.groups.iter().any(|g| g == group);
        let named = is_in("system:authenticated");
        let allowed = is_in("system:masters")
            || COMPONENTS.contains(&asked.user.name.as_str())
            || (asked.resource.is_empty() && may_read_path(asked, named))
            || (named && is_about_oneself(asked))
            || ((is_in("system:nodes") || asked.user.name == "system:kube-proxy")
                && node_may(asked));
        if allowed {
            Decision::Allow
        } else {
            Decision::Deny(String::new())
        }
    }
}

fn may_read_path(asked: &Attributes<'_>, named: bool) -> bool {
    let path = asked.path;
    let health = ["/healthz/", "/livez/", "/readyz/"]
        .iter()
        .any(|p| path.starts_with(p));
    let discovery = DISCOVERY.iter().any(|p| {
        path.strip_prefix(p)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    asked.verb == "get"
        && (PUBLIC.contains(&path) || health || (named && (discovery || path == "/")))
}

/// Reviews of one's own identity and rights (`system:basic-user`).
fn is_about_oneself(asked: &Attributes<'_>) -> bool {
    asked.verb == "create"
        && matches!(
            asked.resource,
            "selfsubjectaccessreviews" | "selfsubjectrulesreviews" | "selfsubjectreviews"
        )
}

fn node_may(asked: &Attributes<'_>) -> bool {
    let resource = asked.full_resource();
    NODE_RULES.iter().any(|(group, name, verbs)| {
        *group == asked.group && *name == resource && verbs.contains(&asked.verb)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(user: &User, what: &str) -> bool {
        let parts: Vec<&str> = what.split(' ').collect();
        let (verb, resource) = (
            parts.first().copied().unwrap_or(""),
            parts.get(1).copied().unwrap_or(""),
        );
        let path = if resource.starts_with('/') {
            resource
        } else {
            ""
        };
        let resource = if path.is_empty() { resource } else { "" };
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let asked = Attributes {
            user,
            verb,
            group,
            resource,
            subresource,
            namespace: "",
            name: "",
            path,
        };
        Roles.authorize(&asked, &store::Store::new().snapshot()) == Decision::Allow
    }

    #[test]
    fn everybody_may_what_they_need_and_no_more() {
        let admin = User::new("kubernetes-admin", &["system:masters"]);
        let alice = User::new("alice", &[]);
        let node = User::new("system:node:n1", &["system:nodes"]);
        let nobody = User::anonymous();
        for (user, what, want) in [
            (&admin, "delete nodes", true),
            (&admin, "get /metrics", true),
            (&alice, "list pods", false),
            (&alice, "get /apis", true),
            (&alice, "get /apis/apps/v1", true),
            (&alice, "get /metrics", false),
            (&alice, "get /apisx", false),
            (
                &alice,
                "create selfsubjectaccessreviews.authorization.k8s.io",
                true,
            ),
            (
                &nobody,
                "create selfsubjectaccessreviews.authorization.k8s.io",
                false,
            ),
            (&nobody, "get /readyz", true),
            (&nobody, "get /livez/ping", true),
            (&nobody, "get /version", true),
            (&nobody, "get /api", false),
            (&nobody, "list pods", false),
            (&node, "update pods/status", true),
            (&node, "update nodes/status", true),
            (&node, "patch leases.coordination.k8s.io", true),
            (&node, "create deployments.apps", false),
            (&node, "create pods/binding", false),
        ] {
            assert_eq!(check(user, what), want, "{} {what}", user.name);
        }
    }
}
