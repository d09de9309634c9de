//! CronJob: starts a Job at each due time (`pkg/controller/cronjob`).
//!
//! Only the last of several missed times is made up for, and that only within `startingDeadlineSeconds`.

mod schedule;

use client::Request;
use client::cache::Changed;
use serde_json::{Map, Value, json};
use shared::{Millis, Object};

use super::job::is_finished;
use crate::meta::{about, condition, controller_reference, cron_jobs, jobs, text, with_status};
use crate::plan::{Plan, Said, Write};
use crate::view::{Item, View};

use schedule::Schedule;

/// This loop's name.
pub const NAME: &str = "cronjob";
/// The time that a Job was due.
const DUE: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

/// The CronJobs that a change concerns.
#[must_use]
pub fn keys(_view: &View, change: &Changed) -> Vec<Item> {
    let both = change.old.iter().chain(&change.new);
    if change.kind == cron_jobs() {
        return both
            .take(1)
            .map(|c| Item::new(cron_jobs(), c.key()))
            .collect();
    }
    let owners = both
        .filter(|_| change.kind == jobs())
        .filter_map(Object::controller);
    let owners = owners.filter(|o| o.kind == "CronJob");
    owners.map(|o| Item::new(cron_jobs(), o.key())).collect()
}

/// One look at a CronJob.
#[must_use]
pub fn reconcile(view: &View, item: &Item, now: Millis) -> Plan {
    let Some(cron_job) = view.get(&item.kind, &item.key) else {
        return Plan::default();
    };
    if cron_job.deletion().is_some() {
        return Plan::default();
    }
    let mut owned = view.controlled(cron_job, &jobs());
    owned.sort_by_key(|j| (j.text("/status/startTime").to_owned(), j.name().to_owned()));
    let active: Vec<&Object> = owned.iter().copied().filter(|j| !is_finished(j)).collect();
    let schedule = Schedule::of(cron_job);
    let suspended = cron_job.at("/spec/suspend") == Some(&Value::Bool(true));
    let due = match &schedule {
        Some(schedule) if !suspended => due(cron_job, schedule, now),
        _ => None,
    };
    let next = schedule
        .as_ref()
        .filter(|_| !suspended)
        .and_then(|s| s.next(now));
    let mut writes = Vec::new();
    let mut started = None;
    if let (Some(at), Some(schedule)) = (due, &schedule) {
        let running: Vec<&Object> = active
            .iter()
            .copied()
            .filter(|j| j.deletion().is_none())
            .collect();
        match cron_job.text("/spec/concurrencyPolicy") {
            "Forbid" if !running.is_empty() => {}
            "Replace" if !running.is_empty() => {
                writes.extend(running.iter().map(|job| delete(cron_job, job)));
            }
            "Replace" if !active.is_empty() => {}
            _ => {
                started = Some(at);
                writes.push(start(cron_job, schedule, at));
            }
        }
    }
    let text = match started {
        Some(_) => format!("{}: start a Job", cron_job.name()),
        None => format!("{}: status", cron_job.name()),
    };
    writes.extend(clean_up(cron_job, &owned));
    let status = status(cron_job, &owned, &active, started);
    let unchanged = cron_job.at("/status").unwrap_or(&Value::Null) == &status
        || (cron_job.at("/status").is_none() && status == json!({}));
    let mut stages = vec![writes];
    if !unchanged {
        let update = Request::update_status(cron_jobs(), with_status(cron_job, status));
        let update = Write::new(update);
        stages.push(vec![match finished(cron_job, &owned) {
            Some(said) => update.saying(said),
            None => update,
        }]);
    }
    Plan::staged(text, stages).again(next)
}

/// The due time to start a Job for now, if there is one.
fn due(cron_job: &Object, schedule: &Schedule, now: Millis) -> Option<Millis> {
    let last = Millis::parse_rfc3339(cron_job.text("/status/lastScheduleTime"));
    let deadline = cron_job.int("/spec/startingDeadlineSeconds");
    let deadline = deadline.and_then(|s| u64::try_from(s).ok());
    let after = last.or(cron_job.created()).unwrap_or(now);
    let at = schedule.last(after, now)?;
    let in_time = deadline.is_none_or(|s| at.plus_secs(s) >= now);
    in_time.then_some(at)
}

/// The Job for a due time: its name says which, so that none is started twice.
fn start(cron_job: &Object, schedule: &Schedule, at: Millis) -> Write {
    let template = cron_job.at("/spec/jobTemplate").unwrap_or(&Value::Null);
    let part = |field: &str| {
        let map = template
            .get("metadata")
            .and_then(|m| m.get(field)?.as_object());
        map.cloned().unwrap_or_default()
    };
    let mut annotations = part("annotations");
    annotations.insert(DUE.into(), schedule.shown(at).into());
    let mut metadata = Map::new();
    let name = format!("{}-{}", cron_job.name(), at.0 / 60_000);
    metadata.insert("name".into(), name.into());
    metadata.insert("namespace".into(), cron_job.namespace().into());
    metadata.insert("annotations".into(), annotations.into());
    if !part("labels").is_empty() {
        metadata.insert("labels".into(), part("labels").into());
    }
    let owner = controller_reference(cron_job, "batch/v1", "CronJob");
    metadata.insert("ownerReferences".into(), json!([owner]));
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata,
        "spec": template.get("spec").cloned().unwrap_or_default(),
    });
    let about = about(cron_job, "batch/v1", "CronJob");
    Write::new(Request::create(jobs(), job))
        .saying(Said::normal(
            about.clone(),
            "SuccessfulCreate",
            "Created job {name}".into(),
        ))
        .saying_if_refused(Said::warning(
            about,
            "FailedCreate",
            "Error creating job: {error}".into(),
        ))
}

fn delete(cron_job: &Object, job: &Object) -> Write {
    let mut request = Request::delete(jobs(), &job.key(), job.uid());
    request.options.propagation_policy = "Background".into();
    let about = about(cron_job, "batch/v1", "CronJob");
    let message = format!("Deleted job {}", job.name());
    Write::new(request).saying(Said::normal(about, "SuccessfulDelete", message))
}

/// Finished Jobs beyond the history limits, the oldest first.
fn clean_up(cron_job: &Object, owned: &[&Object]) -> Vec<Write> {
    let mut writes = Vec::new();
    for (field, kind, default) in [
        ("successfulJobsHistoryLimit", "Complete", 3),
        ("failedJobsHistoryLimit", "Failed", 1),
    ] {
        let limit = cron_job.int(&format!("/spec/{field}")).unwrap_or(default);
        let ended = owned
            .iter()
            .filter(|j| is(j, kind) && j.deletion().is_none());
        let ended: Vec<&&Object> = ended.collect();
        let surplus = ended
            .len()
            .saturating_sub(usize::try_from(limit).unwrap_or(0));
        writes.extend(
            ended
                .into_iter()
                .take(surplus)
                .map(|job| delete(cron_job, job)),
        );
    }
    writes
}

fn is(job: &Object, kind: &str) -> bool {
    condition(job, kind).is_some_and(|c| text(c, "status") == "True")
}

/// The event about a Job that was active and has finished.
fn finished(cron_job: &Object, owned: &[&Object]) -> Option<Said> {
    let was_active = |job: &&&Object| {
        let active = cron_job.items("/status/active").iter();
        active.clone().any(|a| text(a, "uid") == job.uid())
    };
    let job = owned.iter().filter(was_active).find(|j| is_finished(j))?;
    let how = if is(job, "Complete") {
        "Complete"
    } else {
        "Failed"
    };
    let message = format!("Saw completed job: {}, condition: {how}", job.name());
    Some(Said::normal(
        about(cron_job, "batch/v1", "CronJob"),
        "SawCompletedJob",
        message,
    ))
}

fn status(
    cron_job: &Object,
    owned: &[&Object],
    active: &[&Object],
    started: Option<Millis>,
) -> Value {
    let mut status = Map::new();
    let references: Vec<Value> = active
        .iter()
        .map(|job| {
            json!({
                "apiVersion": "batch/v1", "kind": "Job", "name": job.name(),
                "namespace": job.namespace(), "uid": job.uid(),
            })
        })
        .collect();
    if !references.is_empty() {
        status.insert("active".into(), references.into());
    }
    let last = match started {
        Some(at) => at.rfc3339(),
        None => cron_job.text("/status/lastScheduleTime").to_owned(),
    };
    let done = owned.iter().filter(|j| is(j, "Complete"));
    let done = done.map(|j| j.text("/status/completionTime"));
    let before = cron_job.text("/status/lastSuccessfulTime");
    // All times have one form and one length: the later one is the larger text.
    let succeeded = done.chain([before]).max().unwrap_or_default().to_owned();
    for (field, time) in [
        ("lastScheduleTime", last),
        ("lastSuccessfulTime", succeeded),
    ] {
        if !time.is_empty() {
            status.insert(field.into(), time.into());
        }
    }
    Value::Object(status)
}
