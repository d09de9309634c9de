//! `status` of a Job.

use serde_json::{Map, Value, json};
use shared::{Millis, Object};

use super::tally::Tally;
use super::verdict::Verdict;
use super::{Shape, pods};
use crate::meta::{condition, is_ready, text};

/// The status with these conditions.
pub(super) struct Report<'a> {
    pub(super) job: &'a Object,
    pub(super) shape: &'a Shape,
    pub(super) tally: &'a Tally<'a>,
    pub(super) owned: &'a [&'a Object],
    /// Pods that run or are about to be created.
    pub(super) active: usize,
    pub(super) verdict: &'a Verdict,
    /// True when the verdict is final: no pod is left and every end is counted.
    pub(super) is_over: bool,
}

impl Report<'_> {
    pub(super) fn status(&self, now: Millis) -> Value {
        let mut status = Map::new();
        let conditions = self.conditions(now);
        if !conditions.is_empty() {
            status.insert("conditions".into(), conditions.into());
        }
        if let Some(start) = self.start_time(now) {
            status.insert("startTime".into(), start.into());
        }
        if self.is_over && matches!(self.verdict, Verdict::Succeeded { .. }) {
            status.insert("completionTime".into(), now.rfc3339().into());
        }
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        for (field, number) in [
            ("active", count(self.active)),
            ("succeeded", self.tally.succeeded),
            ("failed", self.tally.failed),
        ] {
            if number > 0 {
                status.insert(field.into(), number.into());
            }
        }
        for (field, indexes) in [
            ("completedIndexes", &self.tally.completed),
            ("failedIndexes", &self.tally.failed_indexes),
        ] {
            let shown = indexes.to_string();
            let always = field == "failedIndexes" && self.shape.backoff_limit_per_index.is_some();
            if self.shape.indexed && (always || !shown.is_empty()) {
                status.insert(field.into(), shown.into());
            }
        }
        let leaving = self.owned.iter().filter(|p| pods::is_leaving(p)).count();
        status.insert("terminating".into(), leaving.into());
        status.insert("uncountedTerminatedPods".into(), self.tally.uncounted());
        let ready = self
            .owned
            .iter()
            .filter(|p| crate::meta::is_active(p) && is_ready(p));
        status.insert("ready".into(), ready.count().into());
        Value::Object(status)
    }

    fn start_time(&self, now: Millis) -> Option<String> {
        let start = self.job.text("/status/startTime");
        match (self.shape.suspended, start) {
            (true, _) => None,
            (false, "") => Some(now.rfc3339()),
            (false, start) => Some(start.to_owned()),
        }
    }

    fn conditions(&self, now: Millis) -> Vec<Value> {
        let mut all = self.job.items("/status/conditions").to_vec();
        let mut set = |kind: &str, status: &str, reason: &str, message: &str| {
            let old = all.iter().position(|c| text(c, "type") == kind);
            let same = old
                .and_then(|at| all.get(at))
                .is_some_and(|c| text(c, "status") == status && text(c, "reason") == reason);
            if same {
                return;
            }
            let new = json!({
                "type": kind, "status": status, "lastProbeTime": now.rfc3339(),
                "lastTransitionTime": now.rfc3339(), "reason": reason, "message": message,
            });
            match old.and_then(|at| all.get_mut(at)) {
                Some(slot) => *slot = new,
                None => all.push(new),
            }
        };
        match self.verdict {
            Verdict::Failed { reason, message } => {
                set("FailureTarget", "True", reason, message);
                if self.is_over {
                    set("Failed", "True", reason, message);
                }
            }
            Verdict::Succeeded { reason, message } => {
                set("SuccessCriteriaMet", "True", reason, message);
                if self.is_over {
                    set("Complete", "True", reason, message);
                }
            }
            Verdict::GoesOn if self.shape.suspended => {
                set("Suspended", "True", "JobSuspended", "Job suspended");
            }
            Verdict::GoesOn if was_suspended(self.job) => {
                set("Suspended", "False", "JobResumed", "Job resumed");
            }
            Verdict::GoesOn => {}
        }
        all
    }
}

pub(super) fn was_suspended(job: &Object) -> bool {
    condition(job, "Suspended").is_some_and(|c| text(c, "status") == "True")
}
