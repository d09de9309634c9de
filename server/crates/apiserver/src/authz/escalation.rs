//! Nobody grants what they do not have: checks on writes of roles and bindings
//! (`pkg/registry/rbac/*/policybased`, `pkg/registry/rbac/validation`).

use serde_json::Value;
use shared::Status;

use super::index::{CLUSTER_ROLES, ROLES};
use super::rule::{Rule, missing, quoted};
use super::{Attributes, Decision, is_superuser};
use crate::item::parse;
use crate::server::{ApiServer, Context, Target};
use crate::value::text;

/// The group of roles and bindings.
const GROUP: &str = "rbac.authorization.k8s.io";

/// Refuses a write of a role or a binding that would give rights that the writer does not have, unless they may
/// `escalate` the role or `bind` it.
pub(crate) fn check(
    server: &ApiServer,
    target: &Target<'_>,
    new: &Value,
    old: Option<&Value>,
    ctx: &Context<'_>,
) -> Result<(), Status> {
    if target.kind.group != GROUP || is_superuser(ctx.user) {
        return Ok(());
    }
    let writer = Writer {
        server,
        target,
        ctx,
        name: text(new, "/metadata/name"),
    };
    match target.kind.plural {
        "roles" | "clusterroles" => writer.check_role(new, old),
        "rolebindings" | "clusterrolebindings" => writer.check_binding(new, old),
        _ => Ok(()),
    }
}

/// Somebody who writes a role or a binding.
struct Writer<'a, 'c> {
    server: &'a ApiServer,
    target: &'a Target<'a>,
    ctx: &'a Context<'c>,
    name: &'a str,
}

impl Writer<'_, '_> {
    fn check_role(&self, new: &Value, old: Option<&Value>) -> Result<(), Status> {
        let same = |field: &str| old.is_some_and(|old| old.get(field) == new.get(field));
        if (same("rules") && same("aggregationRule"))
            || self.may("escalate", self.target.kind.plural, self.name)
        {
            return Ok(());
        }
        let aggregates = |role: &Value| role.get("aggregationRule").is_some_and(|r| !r.is_null());
        if aggregates(new) || old.is_some_and(aggregates) {
            let everything = [
                Rule {
                    verbs: vec!["*".into()],
                    api_groups: vec!["*".into()],
                    resources: vec!["*".into()],
                    ..Rule::default()
                },
                Rule {
                    verbs: vec!["*".into()],
                    non_resource_urls: vec!["*".into()],
                    ..Rule::default()
                },
            ];
            if self.lacks(&everything).is_some() {
                return Err(
                    self.forbidden("must have cluster-admin privileges to use an aggregationRule")
                );
            }
        }
        self.confirm(&Rule::list(new.get("rules")))
    }

    fn check_binding(&self, new: &Value, old: Option<&Value>) -> Result<(), Status> {
        let same = |field: &str| old.is_some_and(|old| old.get(field) == new.get(field));
        if same("subjects") && same("roleRef") {
            return Ok(());
        }
        let role = text(new, "/roleRef/name");
        let (plural, key) = if text(new, "/roleRef/kind") == "Role" {
            let namespace = &self.target.request.namespace;
            ("roles", format!("{ROLES}{namespace}/{role}"))
        } else {
            ("clusterroles", format!("{CLUSTER_ROLES}{role}"))
        };
        if self.may("bind", plural, role) {
            return Ok(());
        }
        let Some(stored) = self.ctx.snapshot.get(&key) else {
            return Err(Status::not_found(plural, GROUP, role));
        };
        self.confirm(&Rule::list(parse(&stored.value)?.get("rules")))
    }

    fn may(&self, verb: &str, resource: &str, name: &str) -> bool {
        let attributes = Attributes {
            user: self.ctx.user,
            verb,
            group: GROUP,
            resource,
            subresource: "",
            namespace: &self.target.request.namespace,
            name,
            path: "",
        };
        let decision = self
            .server
            .authorizer
            .authorize(&attributes, self.ctx.snapshot);
        decision == Decision::Allow
    }

    fn confirm(&self, wanted: &[Rule]) -> Result<(), Status> {
        self.lacks(wanted)
            .map_or(Ok(()), |why| Err(self.forbidden(&why)))
    }

    /// What the writer lacks of these rules, in the original's words.
    fn lacks(&self, wanted: &[Rule]) -> Option<String> {
        let user = self.ctx.user;
        let namespace = &self.target.request.namespace;
        let held = self
            .server
            .authorizer
            .rules(user, namespace, self.ctx.snapshot);
        let owned = Rule::list(Some(&Value::Array(held.rules)));
        let mut lines: Vec<String> = missing(&owned.iter().collect::<Vec<_>>(), wanted)
            .iter()
            .map(Rule::text)
            .collect();
        if lines.is_empty() {
            return None;
        }
        lines.sort();
        let mut why = format!(
            "user \"{}\" (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
            user.name,
            quoted(&user.groups),
            lines.join("\n")
        );
        if !held.errors.is_empty() {
            why.push_str(&format!(
                "; resolution errors: [{}]",
                held.errors.join(", ")
            ));
        }
        Some(why)
    }

    fn forbidden(&self, why: &str) -> Status {
        let kind = self.target.kind;
        Status::forbidden(kind.plural, kind.group, self.name, why)
    }
}
