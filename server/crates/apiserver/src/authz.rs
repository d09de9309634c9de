//! Authorization: one seam, and the built-in answer: superusers, then nodes, then roles.

mod escalation;
mod impersonate;
mod index;
mod node;
mod rbac;
pub(crate) mod rule;

use client::{Request, Verb};
use serde_json::Value;
use shared::Status;
use store::Snapshot;

pub(crate) use escalation::check as check_escalation;
pub use impersonate::Impersonation;
use rbac::Rbac;

use crate::server::User;

/// The group whose members may do everything, whatever roles say.
const SUPERUSERS: &str = "system:masters";

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

/// What somebody may do in a namespace, as far as it can be listed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// `rbac.authorization.k8s.io/v1` PolicyRules.
    pub rules: Vec<Value>,
    /// What is missing from the list, and why; empty when it is complete.
    pub errors: Vec<String>,
}

/// Decides who may do what.
pub trait Authorizer: Send + Sync {
    /// Judges one thing over the store as it is.
    fn authorize(&self, attributes: &Attributes<'_>, snapshot: &Snapshot) -> Decision;

    /// What allows it, in words for an access review; empty when there is no more to say.
    fn reason(&self, attributes: &Attributes<'_>, snapshot: &Snapshot) -> String;

    /// Everything that somebody may do in a namespace, empty for cluster scope.
    fn rules(&self, user: &User, namespace: &str, snapshot: &Snapshot) -> Rules;
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

/// The attributes of a request about a resource. A collection that is narrowed to one name counts as that object,
/// and a namespace as being in itself (`apiserver/pkg/endpoints/request/requestinfo.go`).
pub(crate) fn attributes<'a>(request: &'a Request, user: &'a User) -> Attributes<'a> {
    let is_collection = matches!(
        request.verb,
        Verb::List | Verb::Watch | Verb::DeleteCollection
    );
    let name = if request.name.is_empty() && is_collection {
        only_name(&request.options.field_selector)
    } else {
        &request.name
    };
    let is_namespace = request.kind.plural == "namespaces" && request.kind.group.is_empty();
    let namespace = if is_namespace {
        name
    } else {
        &request.namespace
    };
    Attributes {
        user,
        verb: request.verb.word(),
        group: &request.kind.group,
        resource: &request.kind.plural,
        subresource: &request.subresource,
        namespace,
        name,
        path: "",
    }
}

/// The one name that a field selector allows, empty when it allows others.
fn only_name(field_selector: &str) -> &str {
    let mut terms = field_selector.split(',').map(str::trim);
    let name = terms.find_map(|term| term.strip_prefix("metadata.name="));
    name.map_or("", |name| name.trim_start_matches('='))
}

/// The authorizers of a cluster in their order (`--authorization-mode=Node,RBAC`).
#[derive(Debug, Default)]
pub(crate) struct Modes {
    rbac: Rbac,
    graph: node::Graph,
}

impl Authorizer for Modes {
    fn authorize(&self, asked: &Attributes<'_>, snapshot: &Snapshot) -> Decision {
        if is_superuser(asked.user) {
            return Decision::Allow;
        }
        let by_node = node::node_of(asked.user)
            .map(|node| {
                let index = self.rbac.index(snapshot);
                let rules = index.cluster_role(node::ROLE);
                node::authorize(&self.graph, node, rules, asked, snapshot)
            })
            .unwrap_or_else(|| Decision::Deny(String::new()));
        if by_node == Decision::Allow {
            return by_node;
        }
        match (self.rbac.authorize(asked, snapshot), by_node) {
            (Decision::Allow, _) => Decision::Allow,
            (by_role, Decision::Deny(why)) if why.is_empty() => by_role,
            (_, by_node) => by_node,
        }
    }

    fn reason(&self, asked: &Attributes<'_>, snapshot: &Snapshot) -> String {
        if is_superuser(asked.user) {
            String::new()
        } else {
            self.rbac.reason(asked, snapshot)
        }
    }

    fn rules(&self, user: &User, namespace: &str, snapshot: &Snapshot) -> Rules {
        let (rules, mut errors) = self.rbac.rules(user, namespace, snapshot);
        if node::node_of(user).is_some() {
            errors.push("node authorizer does not support user rule resolution".into());
        }
        Rules {
            rules: rules.iter().map(rule::Rule::to_value).collect(),
            errors,
        }
    }
}

fn is_superuser(user: &User) -> bool {
    user.groups.iter().any(|group| group == SUPERUSERS)
}
