//! Whether a Job goes on, has succeeded or has failed.

use serde_json::Value;
use shared::{Millis, Object};

use super::tally::Tally;
use super::{Shape, policy};
use crate::meta::{condition, text, time};

/// What a Job has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is work left.
    GoesOn,
    /// Enough pods succeeded.
    Succeeded { reason: String, message: String },
    /// It will not succeed any more.
    Failed { reason: String, message: String },
}

fn holds<'a>(job: &'a Object, kind: &str) -> Option<&'a Value> {
    condition(job, kind).filter(|c| text(c, "status") == "True")
}

/// True once a Job is `Complete` or `Failed`: nothing changes it any more.
pub(crate) fn is_finished(job: &Object) -> bool {
    holds(job, "Complete").is_some() || holds(job, "Failed").is_some()
}

/// When a finished Job finished.
pub(crate) fn finished_at(job: &Object) -> Option<Millis> {
    let end = holds(job, "Complete").or_else(|| holds(job, "Failed"))?;
    time(end, "lastTransitionTime")
}

fn failed(reason: &str, message: &str) -> Verdict {
    Verdict::Failed {
        reason: reason.into(),
        message: message.into(),
    }
}

fn succeeded(reason: &str, message: &str) -> Verdict {
    Verdict::Succeeded {
        reason: reason.into(),
        message: message.into(),
    }
}

/// The verdict, which stays once it is in the status.
pub(super) fn of(
    job: &Object,
    shape: &Shape,
    tally: &Tally<'_>,
    active: &[&Object],
    now: Millis,
) -> Verdict {
    if let Some(c) = holds(job, "FailureTarget") {
        return failed(text(c, "reason"), text(c, "message"));
    }
    if let Some(c) = holds(job, "SuccessCriteriaMet") {
        return succeeded(text(c, "reason"), text(c, "message"));
    }
    if let Some(why) = &tally.fatal {
        return failed("PodFailurePolicy", why);
    }
    if tally.all_failed() > shape.backoff_limit || restarts_exceed(job, shape, active) {
        return failed(
            "BackoffLimitExceeded",
            "Job has reached the specified backoff limit",
        );
    }
    if deadline(job).is_some_and(|at| at <= now) && !shape.suspended {
        return failed(
            "DeadlineExceeded",
            "Job was active longer than specified deadline",
        );
    }
    if shape.indexed {
        return of_indexed(job, shape, tally);
    }
    let have = tally.all_succeeded();
    let enough = match shape.completions {
        Some(wanted) => have >= wanted,
        None => have > 0 && active.is_empty(),
    };
    if enough {
        return succeeded(
            "CompletionsReached",
            "Reached expected number of succeeded pods",
        );
    }
    Verdict::GoesOn
}

fn of_indexed(job: &Object, shape: &Shape, tally: &Tally<'_>) -> Verdict {
    let all = shape.indexes();
    if let Some(why) = policy::early_success(job, &tally.completed, all) {
        return succeeded("SuccessPolicy", &why);
    }
    let lost = tally.failed_indexes.count();
    if shape.failed_indexes_max.is_some_and(|max| lost > max) {
        return failed(
            "MaxFailedIndexesExceeded",
            "Job has exceeded the specified maximal number of failed indexes",
        );
    }
    match (tally.completed.count() + lost >= all, lost) {
        (true, 0) => succeeded(
            "CompletionsReached",
            "Reached expected number of succeeded pods",
        ),
        (true, _) => failed("FailedIndexes", "Job has failed indexes"),
        (false, _) => Verdict::GoesOn,
    }
}

/// When the Job has been active for `activeDeadlineSeconds`.
pub(super) fn deadline(job: &Object) -> Option<Millis> {
    let seconds = job.int("/spec/activeDeadlineSeconds")?;
    let start = Millis::parse_rfc3339(job.text("/status/startTime"))?;
    Some(start.plus_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// With `restartPolicy: OnFailure` the restarts of containers count against the limit.
fn restarts_exceed(job: &Object, shape: &Shape, active: &[&Object]) -> bool {
    if job.text("/spec/template/spec/restartPolicy") != "OnFailure" {
        return false;
    }
    let fields = ["initContainerStatuses", "containerStatuses"];
    let statuses = active.iter().flat_map(|pod| {
        fields
            .iter()
            .flat_map(|field| pod.items(&format!("/status/{field}")))
    });
    let restarts: i64 = statuses
        .filter_map(|s| s.get("restartCount")?.as_i64())
        .sum();
    restarts >= shape.backoff_limit.max(1)
}
