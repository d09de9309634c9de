//! Job: runs pods until enough of them succeeded (`pkg/controller/job`).
//!
//! One look counts what ended ([`tally`]), judges the whole ([`verdict`]), creates and deletes pods ([`pods`]) and
//! writes the status; pods are let go only after the status that lists them is stored.

mod indexes;
pub mod orphan;
mod pods;
mod policy;
mod status;
mod tally;
mod verdict;

use client::cache::Changed;
use client::{PatchKind, Request};
use serde_json::json;
use shared::{Millis, Object};

use crate::meta::{
    about, controller_reference, is_active, jobs, pods as pod_kind, selector, with_status,
};
use crate::plan::{Plan, Said, Write, earlier};
use crate::view::{Item, View, has_finalizer};

use tally::{FINALIZER, Tally};
use verdict::Verdict;
pub(crate) use verdict::{finished_at, is_finished};

/// This loop's name.
pub const NAME: &str = "job";

/// The index of a pod of an indexed Job: annotation and label.
const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// How often the pods of this index failed before.
const INDEX_FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";

/// What a Job's spec asks for.
#[derive(Clone, Copy, Debug)]
struct Shape {
    parallelism: i64,
    completions: Option<i64>,
    indexed: bool,
    suspended: bool,
    backoff_limit: i64,
    backoff_limit_per_index: Option<i64>,
    failed_indexes_max: Option<i64>,
    /// A terminating pod is replaced only once it has ended.
    replaces_failed_only: bool,
}

impl Shape {
    fn of(job: &Object) -> Self {
        let int = |field: &str| job.int(&format!("/spec/{field}")).map(|n| n.max(0));
        Self {
            parallelism: int("parallelism").unwrap_or(1),
            completions: int("completions"),
            indexed: job.text("/spec/completionMode") == "Indexed",
            suspended: job.at("/spec/suspend") == Some(&true.into()),
            backoff_limit: int("backoffLimit").unwrap_or(6),
            backoff_limit_per_index: int("backoffLimitPerIndex"),
            failed_indexes_max: int("maxFailedIndexes"),
            replaces_failed_only: job.text("/spec/podReplacementPolicy") == "Failed",
        }
    }

    /// How many indexes there are; 0 for a Job without.
    fn indexes(&self) -> i64 {
        match self.indexed {
            true => self.completions.unwrap_or(0),
            false => 0,
        }
    }
}

fn pod_index(pod: &Object) -> Option<i64> {
    pod.annotation(INDEX)?.parse().ok()
}

fn index_failures(pod: &Object) -> i64 {
    let count = pod.annotation(INDEX_FAILURES).and_then(|c| c.parse().ok());
    count.unwrap_or(0)
}

/// The Jobs that a change concerns.
#[must_use]
pub fn keys(view: &View, change: &Changed) -> Vec<Item> {
    let both = change.old.iter().chain(&change.new);
    if change.kind == jobs() {
        return both.take(1).map(|j| Item::new(jobs(), j.key())).collect();
    }
    if change.kind != pod_kind() {
        return Vec::new();
    }
    let mut items = Vec::new();
    for pod in both {
        match pod.controller() {
            Some(owner) if owner.kind == "Job" => items.push(Item::new(jobs(), owner.key())),
            Some(_) => {}
            None => {
                let all = view.namespace(&jobs(), pod.namespace());
                let matching = all.filter(|j| selector(j).is_some_and(|s| s.matches_object(pod)));
                items.extend(matching.map(|j| Item::new(jobs(), j.key())));
            }
        }
    }
    items
}

/// One look at a Job.
#[must_use]
pub fn reconcile(view: &View, item: &Item, now: Millis) -> Plan {
    let Some(job) = view.get(&item.kind, &item.key) else {
        return Plan::default();
    };
    let owned = view.controlled(job, &pod_kind());
    if job.deletion().is_some() || is_finished(job) {
        return wind_up(job, &owned);
    }
    let labels = job.at("/spec/template/metadata/labels");
    if !selector(job).is_some_and(|s| s.matches(labels)) {
        return Plan::default();
    }
    let adopted = adopt(view, job);
    if !adopted.is_empty() {
        return Plan::of(format!("{}: adopt", job.name()), adopted);
    }
    look(job, &owned, now)
}

fn look(job: &Object, owned: &[&Object], now: Millis) -> Plan {
    let shape = Shape::of(job);
    let tally = Tally::of(job, &shape, owned);
    let active: Vec<&Object> = owned.iter().copied().filter(|p| is_active(p)).collect();
    let verdict = verdict::of(job, &shape, &tally, &active, now);
    let goes_on = verdict == Verdict::GoesOn;
    let steps = match goes_on {
        true => pods::steps(job, &shape, &tally, owned, &active, now),
        false => pods::Steps {
            delete: active.clone(),
            ..pods::Steps::default()
        },
    };
    let leaving = owned.iter().any(|p| pods::is_leaving(p));
    let is_over = !goes_on && active.is_empty() && !leaving && tally.is_complete();
    let report = status::Report {
        job,
        shape: &shape,
        tally: &tally,
        owned,
        active: active.len() + steps.create.len(),
        verdict: &verdict,
        is_over,
    };
    let status = report.status(now);
    // Pods that go because fewer are wanted did not fail: they are let go before they are deleted.
    let unheld = steps
        .delete
        .iter()
        .filter(|p| goes_on && has_finalizer(p, FINALIZER));
    let unheld = unheld.map(|pod| pods::release(pod)).collect();
    let mut first: Vec<Write> = steps
        .create
        .iter()
        .map(|index| pods::create(job, *index, owned))
        .collect();
    first.extend(steps.delete.iter().map(|pod| pods::delete(job, pod)));
    let text = match (steps.create.len(), steps.delete.len()) {
        (0, 0) => format!("{}: status", job.name()),
        (new, 0) => format!("{}: {new} new pods", job.name()),
        (new, old) => format!("{}: {new} new pods, {old} deleted", job.name()),
    };
    if job.at("/status") != Some(&status) {
        let update = Write::new(Request::update_status(jobs(), with_status(job, status)));
        first.push(match said(job, &shape, &verdict, is_over) {
            Some(said) => update.saying(said),
            None => update,
        });
    }
    let release = tally.release.iter().map(|pod| pods::release(pod)).collect();
    let deadline = verdict::deadline(job).filter(|at| goes_on && !shape.suspended && *at > now);
    Plan::staged(text, vec![unheld, first, release]).again(earlier(steps.again_at, deadline))
}

/// The event that goes with the status.
fn said(job: &Object, shape: &Shape, verdict: &Verdict, is_over: bool) -> Option<Said> {
    let about = about(job, "batch/v1", "Job");
    match verdict {
        Verdict::Succeeded { .. } if is_over => {
            Some(Said::normal(about, "Completed", "Job completed".into()))
        }
        Verdict::Failed { reason, message } if is_over => Some(Said::warning(
            about,
            failure_reason(reason),
            message.clone(),
        )),
        Verdict::GoesOn if shape.suspended && !status::was_suspended(job) => {
            Some(Said::normal(about, "Suspended", "Job suspended".into()))
        }
        Verdict::GoesOn if !shape.suspended && status::was_suspended(job) => {
            Some(Said::normal(about, "Resumed", "Job resumed".into()))
        }
        _ => None,
    }
}

fn failure_reason(reason: &str) -> &'static str {
    const REASONS: [&str; 5] = [
        "BackoffLimitExceeded",
        "DeadlineExceeded",
        "PodFailurePolicy",
        "MaxFailedIndexesExceeded",
        "FailedIndexes",
    ];
    REASONS
        .into_iter()
        .find(|r| *r == reason)
        .unwrap_or("Failed")
}

/// Nothing more runs for a Job that is over or going; its pods are held no longer.
fn wind_up(job: &Object, owned: &[&Object]) -> Plan {
    let over = is_finished(job) && job.deletion().is_none();
    let active = owned.iter().filter(|p| over && is_active(p));
    let mut writes: Vec<Write> = active.map(|pod| pods::delete(job, pod)).collect();
    let held = owned
        .iter()
        .filter(|p| has_finalizer(p, FINALIZER) && !(over && is_active(p)));
    writes.extend(held.map(|pod| pods::release(pod)));
    Plan::of(format!("{}: over", job.name()), writes)
}

/// Takes over loose pods that match.
fn adopt(view: &View, job: &Object) -> Vec<Write> {
    let Some(selector) = selector(job) else {
        return Vec::new();
    };
    let loose = view.loose_pods(job.namespace());
    let matching = loose.filter(|p| is_active(p) && selector.matches_object(p));
    let adopted = matching.map(|pod| {
        let mut owners = pod.items("/metadata/ownerReferences").to_vec();
        owners.push(controller_reference(job, "batch/v1", "Job"));
        let mut finalizers = pod.items("/metadata/finalizers").to_vec();
        finalizers.push(FINALIZER.into());
        let patch = json!({"metadata": {
            "uid": pod.uid(), "resourceVersion": pod.text("/metadata/resourceVersion"),
            "ownerReferences": owners, "finalizers": finalizers,
        }});
        Write::new(Request::patch(
            pod_kind(),
            &pod.key(),
            PatchKind::Merge,
            patch,
        ))
    });
    adopted.collect()
}
