//! A pod's node, once decided, never changes: everything on the node relies on it.

use std::collections::BTreeMap;

use super::View;

/// Remembers where pods were bound, by uid.
#[derive(Debug, Default)]
pub(super) struct Rule {
    bound: BTreeMap<String, String>,
}

impl Rule {
    pub(super) fn check(&mut self, view: &View<'_>) -> Result<(), String> {
        for pod in &view.pods {
            let node = pod.text("/spec/nodeName");
            if node.is_empty() {
                continue;
            }
            let first = self
                .bound
                .entry(pod.uid().into())
                .or_insert_with(|| node.into());
            if first != node {
                return Err(format!("{} moved from {first} to {node}", pod.key()));
            }
        }
        Ok(())
    }
}
