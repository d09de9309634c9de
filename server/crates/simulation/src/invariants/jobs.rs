//! A Job counts every pod that ended once and only once, whatever is lost or crashes on the way; its counts only grow,
//! and what is Complete or Failed stays so.

use std::collections::{BTreeMap, BTreeSet};

use shared::Object;

use super::View;
use crate::converge::condition;

/// Remembers the pods that were ever seen of each Job and what its status said, by uid.
#[derive(Debug, Default)]
pub(super) struct Rule {
    pods: BTreeMap<String, BTreeSet<String>>,
    counts: BTreeMap<String, Counts>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    succeeded: i64,
    failed: i64,
    is_over: bool,
}

impl Counts {
    fn of(job: &Object) -> Self {
        let at = |field: &str| {
            let counted = job.int(&format!("/status/{field}")).unwrap_or(0);
            let listed = job.items(&format!("/status/uncountedTerminatedPods/{field}"));
            counted + i64::try_from(listed.len()).unwrap_or(i64::MAX)
        };
        Self {
            succeeded: at("succeeded"),
            failed: at("failed"),
            is_over: ["Complete", "Failed"]
                .iter()
                .any(|kind| condition(job, kind) == "True"),
        }
    }
}

impl Rule {
    pub(super) fn check(&mut self, view: &View<'_>) -> Result<(), String> {
        for pod in &view.pods {
            if let Some(owner) = pod.controller().filter(|c| c.kind == "Job") {
                self.pods
                    .entry(owner.uid)
                    .or_default()
                    .insert(pod.uid().into());
            }
        }
        view.jobs.iter().try_for_each(|job| self.one(job))
    }

    fn one(&mut self, job: &Object) -> Result<(), String> {
        let now = Counts::of(job);
        let made = self.pods.get(job.uid()).map_or(0, BTreeSet::len);
        let made = i64::try_from(made).unwrap_or(i64::MAX);
        if now.succeeded + now.failed > made {
            return Err(format!(
                "{} counts {} and {} of {made} pods",
                job.key(),
                now.succeeded,
                now.failed
            ));
        }
        let before = self
            .counts
            .insert(job.uid().into(), now)
            .unwrap_or_default();
        let shrank = now.succeeded < before.succeeded || now.failed < before.failed;
        if shrank || (before.is_over && !now.is_over) {
            return Err(format!("{} went from {before:?} to {now:?}", job.key()));
        }
        Ok(())
    }
}
