//! The RBAC authorizer: what stored roles and bindings allow (`plugin/pkg/auth/authorizer/rbac`).

use std::sync::{Arc, PoisonError, RwLock};

use shared::Revision;
use store::Snapshot;

use super::index::{Index, SOURCES};
use super::rule::Rule;
use super::{Attributes, Decision};
use crate::server::User;

/// Evaluates roles over an index that is rebuilt when a role or a binding was written.
#[derive(Debug, Default)]
pub(crate) struct Rbac {
    cached: RwLock<Cached>,
}

/// An index and the newest revision that is known to have changed nothing in it.
#[derive(Clone, Debug, Default)]
struct Cached {
    index: Arc<Index>,
    checked: Revision,
}

impl Rbac {
    /// Judges by roles alone.
    pub(crate) fn authorize(&self, asked: &Attributes<'_>, snapshot: &Snapshot) -> Decision {
        let index = self.index(snapshot);
        let mut errors: Vec<&str> = Vec::new();
        for grant in index.grants(asked.user, asked.namespace) {
            match &grant.rules {
                Ok(rules) if rules.iter().any(|rule| rule.allows(asked)) => return Decision::Allow,
                Ok(_) => {}
                Err(why) if errors.contains(&why.as_str()) => {}
                Err(why) => errors.push(why),
            }
        }
        Decision::Deny(match errors.as_slice() {
            [] => String::new(),
            [one] => format!("RBAC: {one}"),
            many => format!("RBAC: [{}]", many.join(", ")),
        })
    }

    /// Which binding allows it, in words; empty when none does.
    pub(crate) fn reason(&self, asked: &Attributes<'_>, snapshot: &Snapshot) -> String {
        let index = self.index(snapshot);
        let found = index.grants(asked.user, asked.namespace).find(|grant| {
            let rules = grant.rules.as_deref().unwrap_or_default();
            rules.iter().any(|rule| rule.allows(asked))
        });
        found.map(|grant| grant.reason.clone()).unwrap_or_default()
    }

    /// Everything that a user is granted in a namespace, and what could not be resolved.
    pub(crate) fn rules(
        &self,
        user: &User,
        namespace: &str,
        snapshot: &Snapshot,
    ) -> (Vec<Rule>, Vec<String>) {
        let (index, mut rules, mut errors) = (self.index(snapshot), Vec::new(), Vec::new());
        for grant in index.grants(user, namespace) {
            match &grant.rules {
                Ok(more) => rules.extend(more.iter().cloned()),
                Err(why) => errors.push(why.clone()),
            }
        }
        (rules, errors)
    }

    /// The index for a snapshot. A snapshot that is older than the index is judged by the newer roles.
    pub(crate) fn index(&self, snapshot: &Snapshot) -> Arc<Index> {
        let now = snapshot.revision();
        let cached = self
            .cached
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if cached.checked >= now {
            return cached.index;
        }
        let is_fresh = cached.checked > Revision(0) && !changed_since(snapshot, cached.checked);
        let index = if is_fresh {
            cached.index
        } else {
            Arc::new(Index::of(snapshot))
        };
        let mut slot = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        if slot.checked < now {
            *slot = Cached {
                index: Arc::clone(&index),
                checked: now,
            };
        }
        index
    }
}

/// Whether a role or binding was written after a revision; true when history does not reach back that far.
fn changed_since(snapshot: &Snapshot, revision: Revision) -> bool {
    let is_source = |key: &str| SOURCES.iter().any(|prefix| key.starts_with(prefix));
    snapshot.history(revision).map_or(true, |mut commits| {
        commits.any(|events| events.iter().any(|event| is_source(&event.kv.key)))
    })
}
