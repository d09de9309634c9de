//! The admission chain: plugins that change or refuse an object before it is validated.
//!
//! A plugin is a row of [`CHAIN`]; its order is the original's. Policies and webhooks will be rows of their own.

mod limits;
mod namespace;
mod node;
mod priority;
mod service_account;
mod storage;
mod tolerations;

use serde_json::Value;
use shared::Status;

use crate::authz::check_escalation;
use crate::item::parse;
use crate::server::{ApiServer, Context, Target};
use crate::value::text;

/// What a plugin is asked about.
pub(crate) struct Attempt<'a, 'c> {
    pub(crate) target: &'a Target<'a>,
    /// The state before; `None` for a create.
    pub(crate) old: Option<&'a Value>,
    pub(crate) ctx: &'a Context<'c>,
}

impl Attempt<'_, '_> {
    /// True for a create of this core kind.
    fn creates(&self, plural: &str) -> bool {
        let kind = self.target.kind;
        self.old.is_none() && kind.group.is_empty() && kind.plural == plural
    }

    /// 403 about the object.
    fn forbidden(&self, object: &Value, why: &str) -> Status {
        let kind = self.target.kind;
        let name = text(object, "/metadata/name");
        let name = if name.is_empty() {
            text(object, "/metadata/generateName")
        } else {
            name
        };
        Status::forbidden(kind.plural, kind.group, name, why)
    }

    /// A stored object by kind prefix and key.
    fn stored(&self, key: &str) -> Result<Option<Value>, Status> {
        self.ctx
            .snapshot
            .get(key)
            .map(|kv| parse(&kv.value))
            .transpose()
    }

    /// Every stored object below a prefix.
    fn all(&self, prefix: &str) -> Result<Vec<Value>, Status> {
        self.ctx
            .snapshot
            .iter(prefix)
            .map(|kv| parse(&kv.value))
            .collect()
    }
}

type Plugin = fn(&Attempt<'_, '_>, &mut Value) -> Result<(), Status>;

/// The plugins, by their names in `--enable-admission-plugins`.
const CHAIN: &[(&str, Plugin)] = &[
    ("NamespaceLifecycle", namespace::admit),
    ("LimitRanger", limits::admit),
    ("ServiceAccount", service_account::admit),
    ("TaintNodesByCondition", node::admit),
    ("Priority", priority::admit),
    ("DefaultTolerationSeconds", tolerations::admit),
    ("DefaultStorageClass", storage::admit),
    ("PersistentVolumeClaimResize", storage::admit_resize),
];

/// Runs the chain on a create or an update.
pub(crate) fn admit(
    server: &ApiServer,
    target: &Target<'_>,
    value: &mut Value,
    old: Option<&Value>,
    ctx: &mut Context<'_>,
) -> Result<(), Status> {
    check_escalation(server, target, value, old, ctx)?;
    CHAIN.iter().try_for_each(|(name, plugin)| {
        let verdict = plugin(&Attempt { target, old, ctx }, value);
        ctx.observer.admitted(name, verdict.is_err());
        verdict
    })
}

/// Runs what judges deletes.
pub(crate) fn admit_delete(target: &Target<'_>) -> Result<(), Status> {
    namespace::admit_delete(target)
}

/// The names of the plugins that are on, in their order.
#[must_use]
pub fn plugin_names() -> Vec<&'static str> {
    CHAIN.iter().map(|(name, _)| *name).collect()
}
