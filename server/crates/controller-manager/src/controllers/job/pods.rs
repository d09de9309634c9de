//! Which pods of a Job to create, when, and which to delete.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use client::{PatchKind, Request};
use serde_json::{Value, json};
use shared::{Millis, Object};

use super::tally::{FINALIZER, Tally, has_failed};
use super::{INDEX, Shape, index_failures, pod_index};
use crate::controllers::deployment::set as put;
use crate::meta::{about, is_ready, metadata_patch, pod_from_template, pods};
use crate::plan::{Said, Write, earlier};

/// At most so many pods are created or deleted at a time (`MaxPodCreateDeletePerSync`).
const BURST: usize = 500;
/// First delay before a failed pod is replaced, in seconds; doubles with each failure (`DefaultJobPodFailureBackOff`).
const BACKOFF_FIRST_S: u64 = 10;
/// Longest delay before a failed pod is replaced, in seconds (`MaxJobPodFailureBackOff`).
const BACKOFF_MAX_S: u64 = 600;

/// What is to be done about a Job's pods now.
#[derive(Debug, Default)]
pub(super) struct Steps<'a> {
    /// The index of each pod to create; `None` for Jobs without indexes.
    pub(super) create: Vec<Option<i64>>,
    pub(super) delete: Vec<&'a Object>,
    /// When the next failed pod may be replaced.
    pub(super) again_at: Option<Millis>,
}

/// The steps towards `parallelism` pods for what is left to do.
pub(super) fn steps<'a>(
    job: &Object,
    shape: &Shape,
    tally: &Tally<'_>,
    owned: &[&'a Object],
    active: &[&'a Object],
    now: Millis,
) -> Steps<'a> {
    if shape.suspended {
        return Steps {
            delete: ranked(active).into_iter().take(BURST).collect(),
            ..Steps::default()
        };
    }
    let mut steps = Steps::default();
    let mut active = active.to_vec();
    if shape.indexed {
        let surplus = duplicates(&active, shape, tally);
        active.retain(|p| !surplus.iter().any(|s| s.uid() == p.uid()));
        steps.delete = surplus;
    }
    let have = i64::try_from(active.len()).unwrap_or(i64::MAX);
    let wanted = wanted(shape, tally, have);
    if have > wanted {
        let surplus = usize::try_from(have - wanted).unwrap_or(0);
        steps
            .delete
            .extend(ranked(&active).into_iter().take(surplus));
        steps.delete.truncate(BURST);
        return steps;
    }
    let leaving = match shape.replaces_failed_only {
        true => owned.iter().filter(|p| is_leaving(p)).count(),
        false => 0,
    };
    let missing = usize::try_from(wanted - have)
        .unwrap_or(0)
        .saturating_sub(leaving)
        .min(BURST);
    if missing == 0 {
        return steps;
    }
    if shape.indexed {
        indexed(&mut steps, job, shape, tally, owned, &active, missing, now);
    } else {
        match next_try(job, owned.iter().copied()).filter(|at| *at > now) {
            Some(at) => steps.again_at = Some(at),
            None => steps.create = vec![None; missing],
        }
    }
    steps
}

fn wanted(shape: &Shape, tally: &Tally<'_>, have: i64) -> i64 {
    let done = tally.all_succeeded();
    match shape.completions {
        None if done > 0 => have,
        None => shape.parallelism,
        Some(all) => {
            let lost = if shape.indexed {
                tally.failed_indexes.count()
            } else {
                0
            };
            (all - done - lost).clamp(0, shape.parallelism)
        }
    }
}

/// Deleted but not gone.
pub(super) fn is_leaving(pod: &Object) -> bool {
    pod.deletion().is_some() && !crate::meta::has_ended(pod)
}

/// Pods of an index that is done, out of range or taken by an older pod.
fn duplicates<'a>(active: &[&'a Object], shape: &Shape, tally: &Tally<'_>) -> Vec<&'a Object> {
    let mut taken = BTreeSet::new();
    let mut sorted = active.to_vec();
    sorted.sort_by_key(|p| (p.created(), p.name().to_owned()));
    let surplus = sorted.into_iter().filter(|pod| match pod_index(pod) {
        Some(index) if index < shape.indexes() && !tally.completed.contains(index) => {
            !taken.insert(index)
        }
        _ => true,
    });
    surplus.collect()
}

#[expect(clippy::too_many_arguments, reason = "the parts of one look at a Job")]
fn indexed(
    steps: &mut Steps<'_>,
    job: &Object,
    shape: &Shape,
    tally: &Tally<'_>,
    owned: &[&Object],
    active: &[&Object],
    missing: usize,
    now: Millis,
) {
    let taken: BTreeSet<i64> = active.iter().filter_map(|p| pod_index(p)).collect();
    let leaving: BTreeSet<i64> = owned
        .iter()
        .filter(|p| shape.replaces_failed_only && is_leaving(p))
        .filter_map(|p| pod_index(p))
        .collect();
    for index in 0..shape.indexes() {
        if steps.create.len() >= missing {
            break;
        }
        let done = tally.completed.contains(index) || tally.failed_indexes.contains(index);
        if done || taken.contains(&index) || leaving.contains(&index) {
            continue;
        }
        let own =
            |p: &&Object| shape.backoff_limit_per_index.is_none() || pod_index(p) == Some(index);
        match next_try(job, owned.iter().copied().filter(own)).filter(|at| *at > now) {
            Some(at) => steps.again_at = earlier(steps.again_at, Some(at)),
            None => steps.create.push(Some(index)),
        }
    }
}

/// When the pods' last end was, as well as it can be told.
fn ended_at(pod: &Object) -> Option<Millis> {
    let statuses = pod.items("/status/containerStatuses").iter();
    let finished = statuses.filter_map(|s| {
        let text = s.pointer("/state/terminated/finishedAt")?.as_str()?;
        Millis::parse_rfc3339(text)
    });
    finished.max().or(pod.deletion()).or(pod.created())
}

/// After failures in a row the next pod waits: 10 s, 20 s, 40 s and so on after the last of them.
fn next_try<'a>(job: &Object, owned: impl Iterator<Item = &'a Object>) -> Option<Millis> {
    let (mut last_success, mut failures) = (None, Vec::new());
    for pod in owned {
        match ended_at(pod) {
            Some(at) if pod.text("/status/phase") == "Succeeded" => {
                last_success = last_success.max(Some(at));
            }
            Some(at) if has_failed(job, pod) && pod.text("/status/phase") == "Failed" => {
                failures.push(at);
            }
            _ => {}
        }
    }
    let last = failures.iter().copied().max()?;
    let in_a_row = failures
        .iter()
        .filter(|at| Some(**at) > last_success)
        .count();
    let doublings = u32::try_from(in_a_row.checked_sub(1)?).unwrap_or(u32::MAX);
    let delay = BACKOFF_FIRST_S
        .saturating_mul(2_u64.saturating_pow(doublings))
        .min(BACKOFF_MAX_S);
    Some(last.plus_secs(delay))
}

/// The pods to delete first come first: not placed, pending, not ready, younger.
fn ranked<'a>(active: &[&'a Object]) -> Vec<&'a Object> {
    let mut ranked = active.to_vec();
    ranked.sort_by_cached_key(|p| {
        (
            !p.text("/spec/nodeName").is_empty(),
            p.text("/status/phase") == "Running",
            is_ready(p),
            Reverse(p.created()),
            p.name().to_owned(),
        )
    });
    ranked
}

/// Creates a pod, for an index if the Job has them.
pub(super) fn create(job: &Object, index: Option<i64>, owned: &[&Object]) -> Write {
    let mut pod = pod_from_template(job, "batch/v1", "Job");
    let template = job.items("/spec/template/metadata/finalizers");
    let finalizers = template.iter().cloned().chain([FINALIZER.into()]);
    let finalizers: Vec<Value> = finalizers.collect();
    put(&mut pod, &["metadata", "finalizers"], finalizers.into());
    if let Some(index) = index {
        mark_index(&mut pod, job, index, owned);
    }
    let about = about(job, "batch/v1", "Job");
    Write::new(Request::create(pods(), pod))
        .saying(Said::normal(
            about.clone(),
            "SuccessfulCreate",
            "Created pod: {name}".into(),
        ))
        .saying_if_refused(Said::warning(
            about,
            "FailedCreate",
            "Error creating: {error}".into(),
        ))
}

fn mark_index(pod: &mut Value, job: &Object, index: i64, owned: &[&Object]) {
    let text = index.to_string();
    let name = format!("{}-{index}", job.name());
    put(
        pod,
        &["metadata", "generateName"],
        format!("{name}-").into(),
    );
    for field in ["labels", "annotations"] {
        put(pod, &["metadata", field, INDEX], text.as_str().into());
    }
    if job.at("/spec/backoffLimitPerIndex").is_some() {
        let before = owned.iter().filter(|p| pod_index(p) == Some(index));
        let failures = before
            .filter(|p| has_failed(job, p))
            .map(|p| index_failures(p) + 1)
            .max();
        let count = failures.unwrap_or(0).to_string();
        put(
            pod,
            &["metadata", "annotations", super::INDEX_FAILURES],
            count.into(),
        );
    }
    if pod.pointer("/spec/hostname").is_none() {
        put(pod, &["spec", "hostname"], name.into());
    }
    let env = json!({
        "name": "JOB_COMPLETION_INDEX",
        "valueFrom": {"fieldRef": {"fieldPath": format!("metadata.annotations['{INDEX}']")}},
    });
    for field in ["initContainers", "containers"] {
        let containers = pod.pointer_mut(&format!("/spec/{field}"));
        for container in containers
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            match container.get_mut("env").and_then(Value::as_array_mut) {
                Some(all) => all.push(env.clone()),
                None => put(container, &["env"], json!([env])),
            }
        }
    }
}

/// Deletes a pod.
pub(super) fn delete(job: &Object, pod: &Object) -> Write {
    let message = format!("Deleted pod: {}", pod.name());
    let said = Said::normal(about(job, "batch/v1", "Job"), "SuccessfulDelete", message);
    Write::new(Request::delete(pods(), &pod.key(), pod.uid())).saying(said)
}

/// Lets a pod go that was held for counting.
pub(super) fn release(pod: &Object) -> Write {
    let mut finalizers = pod.items("/metadata/finalizers").to_vec();
    finalizers.retain(|f| f != FINALIZER);
    let value = match finalizers.is_empty() {
        true => Value::Null,
        false => finalizers.into(),
    };
    let patch = metadata_patch(pod, "finalizers", value);
    Write::new(Request::patch(pods(), &pod.key(), PatchKind::Merge, patch))
}
