//! How many pods of a Job ended, and how: counted once each, whatever is lost on the way.
//!
//! An ended pod is held by the finalizer `batch.kubernetes.io/job-tracking` until its uid is in
//! `status.uncountedTerminatedPods`; it counts in `succeeded` or `failed` once the finalizer is gone (KEP-2307).

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use shared::Object;

use super::indexes::Indexes;
use super::policy::{self, Failure};
use super::{Shape, index_failures, pod_index};
use crate::view::has_finalizer;

/// Holds a pod until its end is counted.
pub(super) const FINALIZER: &str = "batch.kubernetes.io/job-tracking";
/// At most so many uids are listed at a time (`MaxUncountedPods`).
const UNCOUNTED_MAX: usize = 500;

/// The ends of a Job's pods.
#[derive(Debug, Default)]
pub(super) struct Tally<'a> {
    pub(super) succeeded: i64,
    pub(super) failed: i64,
    uncounted_succeeded: Vec<String>,
    uncounted_failed: Vec<String>,
    pub(super) completed: Indexes,
    pub(super) failed_indexes: Indexes,
    /// Pods that need not be held any more once the status is written.
    pub(super) release: Vec<&'a Object>,
    /// Why the pod failure policy ends the Job.
    pub(super) fatal: Option<String>,
}

/// True for a pod that ended badly, or is to go without having ended well.
pub(super) fn has_failed(job: &Object, pod: &Object) -> bool {
    let phase = pod.text("/status/phase");
    if job.text("/spec/podReplacementPolicy") == "Failed" {
        return phase == "Failed";
    }
    phase == "Failed" || (pod.deletion().is_some() && phase != "Succeeded")
}

impl<'a> Tally<'a> {
    pub(super) fn of(job: &Object, shape: &Shape, owned: &[&'a Object]) -> Self {
        let held: BTreeSet<&str> = owned
            .iter()
            .filter(|p| has_finalizer(p, FINALIZER))
            .map(|p| p.uid())
            .collect();
        let listed = |field: &str| {
            let uids = job.items(&format!("/status/uncountedTerminatedPods/{field}"));
            let uids = uids.iter().filter_map(Value::as_str).map(str::to_owned);
            uids.partition::<Vec<String>, _>(|uid| held.contains(uid.as_str()))
        };
        let (uncounted_succeeded, counted) = listed("succeeded");
        let (uncounted_failed, counted_failed) = listed("failed");
        let count = |field: &str, more: usize| {
            job.int(&format!("/status/{field}")).unwrap_or(0)
                + i64::try_from(more).unwrap_or(i64::MAX)
        };
        let indexes =
            |field: &str| Indexes::parse(job.text(&format!("/status/{field}")), shape.indexes());
        let mut tally = Self {
            succeeded: count("succeeded", counted.len()),
            failed: count("failed", counted_failed.len()),
            uncounted_succeeded,
            uncounted_failed,
            completed: indexes("completedIndexes"),
            failed_indexes: indexes("failedIndexes"),
            ..Self::default()
        };
        for pod in owned.iter().filter(|p| has_finalizer(p, FINALIZER)) {
            tally.take(job, shape, pod);
        }
        if shape.indexed {
            tally.succeeded = tally.completed.count();
        }
        tally
    }

    fn take(&mut self, job: &Object, shape: &Shape, pod: &'a Object) {
        let uid = pod.uid().to_owned();
        if self.uncounted_succeeded.contains(&uid) || self.uncounted_failed.contains(&uid) {
            self.release.push(pod);
        } else if self.uncounted_succeeded.len() + self.uncounted_failed.len() >= UNCOUNTED_MAX {
            // The rest is counted when these are.
        } else if pod.text("/status/phase") == "Succeeded" {
            self.release.push(pod);
            match pod_index(pod).filter(|_| shape.indexed) {
                Some(index) if index < shape.indexes() => self.completed.insert(index),
                Some(_) => {}
                None if shape.indexed => {}
                None => self.uncounted_succeeded.push(uid),
            }
        } else if has_failed(job, pod) {
            self.release.push(pod);
            self.take_failed(job, shape, pod, uid);
        }
    }

    fn take_failed(&mut self, job: &Object, shape: &Shape, pod: &Object, uid: String) {
        let verdict = policy::judge(job, pod);
        if verdict == Failure::Ignore {
            return;
        }
        self.uncounted_failed.push(uid);
        if let Some(index) = pod_index(pod).filter(|_| shape.indexed) {
            let spent = shape
                .backoff_limit_per_index
                .is_some_and(|limit| index_failures(pod) >= limit);
            if spent || verdict == Failure::FailIndex {
                self.failed_indexes.insert(index);
            }
        }
        if let Failure::FailJob(why) = verdict {
            self.fatal.get_or_insert(why);
        }
    }

    /// Pods that failed, counted or about to be.
    pub(super) fn all_failed(&self) -> i64 {
        self.failed + i64::try_from(self.uncounted_failed.len()).unwrap_or(i64::MAX)
    }

    /// Pods that succeeded, counted or about to be.
    pub(super) fn all_succeeded(&self) -> i64 {
        self.succeeded + i64::try_from(self.uncounted_succeeded.len()).unwrap_or(i64::MAX)
    }

    /// True once every end is counted.
    pub(super) fn is_complete(&self) -> bool {
        self.uncounted_succeeded.is_empty()
            && self.uncounted_failed.is_empty()
            && self.release.is_empty()
    }

    /// `status.uncountedTerminatedPods`.
    pub(super) fn uncounted(&self) -> Value {
        let mut map = Map::new();
        for (field, uids) in [
            ("succeeded", &self.uncounted_succeeded),
            ("failed", &self.uncounted_failed),
        ] {
            if !uids.is_empty() {
                map.insert(field.into(), uids.clone().into());
            }
        }
        Value::Object(map)
    }
}
