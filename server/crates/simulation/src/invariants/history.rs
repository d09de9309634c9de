//! A pod that Succeeded or Failed does not come back to life, and restart counts only grow.

use std::collections::BTreeMap;

use serde_json::Value;
use shared::Object;

use super::View;

/// Remembers the furthest that pods have come, by uid.
#[derive(Debug, Default)]
pub(super) struct Rule {
    ended: BTreeMap<String, String>,
    restarts: BTreeMap<(String, String), u64>,
}

impl Rule {
    pub(super) fn check(&mut self, view: &View<'_>) -> Result<(), String> {
        view.pods.iter().try_for_each(|pod| self.one(pod))
    }

    fn one(&mut self, pod: &Object) -> Result<(), String> {
        let (uid, phase) = (pod.uid(), pod.text("/status/phase"));
        if let Some(end) = self.ended.get(uid) {
            if end != phase {
                return Err(format!("{} went from {end} to {phase}", pod.key()));
            }
        } else if matches!(phase, "Succeeded" | "Failed") {
            self.ended.insert(uid.into(), phase.into());
        }
        for status in pod.items("/status/containerStatuses") {
            let name = status
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let count = status
                .get("restartCount")
                .and_then(Value::as_u64)
                .unwrap_or(0);
            let before = self.restarts.entry((uid.into(), name.into())).or_default();
            if *before > count {
                return Err(format!(
                    "{} {name}: {before} restarts became {count}",
                    pod.key()
                ));
            }
            *before = count;
        }
        Ok(())
    }
}
