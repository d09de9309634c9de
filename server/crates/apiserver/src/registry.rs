//! Which kinds are served: the built-in rows, and room for kinds that arrive at run time.

use std::collections::BTreeMap;

use shared::kind::KINDS;
use shared::{Kind, KindRef};

use crate::convert::storage_kind;

/// The served kinds by group, version and plural.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    rows: Vec<&'static Kind>,
    index: BTreeMap<(&'static str, &'static str, &'static str), &'static Kind>,
    prefixes: BTreeMap<String, &'static Kind>,
}

impl Registry {
    /// Every built-in kind.
    #[must_use]
    pub fn built_in() -> Self {
        let mut registry = Self::default();
        KINDS.iter().for_each(|kind| registry.add(kind));
        registry
    }

    /// Serves one more kind; a row of the same group, version and plural is replaced.
    pub fn add(&mut self, kind: &'static Kind) {
        let key = (kind.group, kind.version, kind.plural);
        if self.index.insert(key, kind).is_some() {
            self.rows.retain(|k| (k.group, k.version, k.plural) != key);
        }
        self.rows.push(kind);
        let stored_as = storage_kind(kind);
        self.prefixes.insert(stored_as.storage_prefix(), stored_as);
    }

    /// The row that a request names.
    #[must_use]
    pub fn find(&self, kind: &KindRef) -> Option<&'static Kind> {
        self.index
            .get(&(
                kind.group.as_str(),
                kind.version.as_str(),
                kind.plural.as_str(),
            ))
            .copied()
    }

    /// The kind whose objects are stored under a key. No prefix begins another, so the last one that does not come
    /// after the key is the only candidate.
    #[must_use]
    pub fn of_key(&self, key: &str) -> Option<&'static Kind> {
        let below = (std::ops::Bound::Unbounded, std::ops::Bound::Included(key));
        let (prefix, kind) = self.prefixes.range::<str, _>(below).next_back()?;
        key.starts_with(prefix.as_str()).then_some(*kind)
    }

    /// The rows, in the order discovery shows them.
    pub fn kinds(&self) -> impl Iterator<Item = &'static Kind> {
        self.rows.iter().copied()
    }

    /// The group versions served, core first, each once.
    #[must_use]
    pub fn group_versions(&self) -> Vec<(&'static str, &'static str)> {
        let mut seen = Vec::new();
        for kind in &self.rows {
            if !seen.contains(&(kind.group, kind.version)) {
                seen.push((kind.group, kind.version));
            }
        }
        seen
    }
}
