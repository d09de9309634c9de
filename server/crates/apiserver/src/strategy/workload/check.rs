//! Rules of workloads (`pkg/apis/apps/validation`, `pkg/apis/batch/validation`).

use serde_json::Value;
use shared::selector::Selector;

use super::replicas;
use crate::errors::{Errors, Path};
use crate::meta::validate_labels;
use crate::strategy::pod_check;
use crate::value::{entries, field, flag, int, items, text};

/// CronJobs leave 11 characters for the Job's suffix.
const MAX_CRON_JOB_NAME: usize = 52;

/// Checks a pod template: its labels against the selector, its spec, and that its pods restart as they must.
fn validate_template(value: &Value, restarts: &[&str], errors: &mut Errors) {
    let path = Path::new("spec.template");
    let template = value.pointer("/spec/template").unwrap_or(&Value::Null);
    validate_template_at(template, &path, restarts, errors);
}

fn validate_template_at(template: &Value, path: &Path<'_>, restarts: &[&str], errors: &mut Errors) {
    let metadata = path.field("metadata");
    validate_labels(
        template.pointer("/metadata/labels"),
        &metadata.field("labels"),
        errors,
    );
    let spec = path.field("spec");
    pod_check::validate_spec(template.get("spec").unwrap_or(&Value::Null), &spec, errors);
    let restart = text(template, "/spec/restartPolicy");
    if !restarts.is_empty()
        && !restarts.contains(&restart)
        && matches!(restart, "Always" | "OnFailure" | "Never")
    {
        if restarts.len() == 1 {
            errors.unsupported(&spec.field("restartPolicy"), restart, restarts);
        } else {
            let list: Vec<String> = restarts.iter().map(|r| format!("\"{r}\"")).collect();
            errors.required(
                &spec.field("restartPolicy"),
                &format!("valid values: {}", list.join(", ")),
            );
        }
    }
}

/// Checks that there is a selector and that the template satisfies it.
fn validate_selector(value: &Value, kind: &str, errors: &mut Errors) {
    let path = Path::new("spec.selector");
    let Some(selector) = value.pointer("/spec/selector").filter(|s| !s.is_null()) else {
        errors.required(&path, "");
        return check_labels(value, None, errors);
    };
    pod_check::validate_selector(Some(selector), &path, errors);
    let is_empty = entries(selector, "/matchLabels").next().is_none()
        && items(selector, "/matchExpressions").is_empty();
    if is_empty {
        errors.invalid(
            &path,
            selector.clone(),
            &format!("empty selector is invalid for {kind}"),
        );
    } else {
        check_labels(value, Selector::from_object(Some(selector)), errors);
    }
}

fn check_labels(value: &Value, selector: Option<Selector>, errors: &mut Errors) {
    let labels = value.pointer("/spec/template/metadata/labels");
    if selector.is_none_or(|s| !s.matches(labels)) {
        let shown = labels.cloned().unwrap_or(Value::Null);
        errors.invalid(
            &Path::new("spec.template.metadata.labels"),
            shown,
            "`selector` does not match template `labels`",
        );
    }
}

fn validate_counts(value: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    errors.at_least(&spec.field("replicas"), replicas(value), 0);
    for name in ["minReadySeconds", "revisionHistoryLimit"] {
        errors.at_least(&spec.field(name), int(value, &format!("/spec/{name}")), 0);
    }
}

pub(in crate::strategy) fn validate_deployment(value: &Value, errors: &mut Errors) {
    validate_counts(value, errors);
    validate_selector(value, "deployment", errors);
    validate_template(value, &["Always"], errors);
    let spec = Path::new("spec");
    let strategy = spec.field("strategy");
    let kind = text(value, "/spec/strategy/type");
    let rolling = value.pointer("/spec/strategy/rollingUpdate");
    match kind {
        "Recreate" => {
            if rolling.is_some() {
                let why = "may not be specified when strategy `type` is 'Recreate'";
                errors.forbidden(&strategy.field("rollingUpdate"), why);
            }
        }
        "RollingUpdate" => validate_rolling(
            rolling.unwrap_or(&Value::Null),
            &strategy.field("rollingUpdate"),
            errors,
        ),
        other => errors.unsupported(
            &strategy.field("type"),
            other,
            &["Recreate", "RollingUpdate"],
        ),
    }
    let (deadline, ready) = (
        int(value, "/spec/progressDeadlineSeconds"),
        int(value, "/spec/minReadySeconds"),
    );
    if let Some(deadline) = deadline {
        let at = spec.field("progressDeadlineSeconds");
        errors.at_least(&at, Some(deadline), 0);
        if deadline <= ready.unwrap_or(0) {
            errors.invalid(&at, deadline, "must be greater than minReadySeconds");
        }
    }
}

/// `maxSurge` and `maxUnavailable`: not negative, at most 100%, not both 0.
fn validate_rolling(rolling: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut zero = [false, false];
    for (slot, name) in zero.iter_mut().zip(["maxUnavailable", "maxSurge"]) {
        let at = path.field(name);
        let value = rolling.get(name).unwrap_or(&Value::Null);
        match (value.as_i64(), value.as_str()) {
            (Some(number), _) => {
                errors.at_least(&at, Some(number), 0);
                *slot = number == 0;
            }
            (None, Some(text)) => {
                match text.strip_suffix('%').and_then(|p| p.parse::<u32>().ok()) {
                    Some(percent) => {
                        if percent > 100 && name == "maxUnavailable" {
                            errors.invalid(&at, text, "must not be greater than 100%");
                        }
                        *slot = percent == 0;
                    }
                    None => {
                        let why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
                        errors.invalid(&at, text, why);
                    }
                }
            }
            (None, None) => {}
        }
    }
    if zero == [true, true] {
        let value = rolling.get("maxUnavailable").cloned().unwrap_or_default();
        errors.invalid(
            &path.field("maxUnavailable"),
            value,
            "may not be 0 when `maxSurge` is 0",
        );
    }
}

pub(in crate::strategy) fn validate_replica_set(value: &Value, errors: &mut Errors) {
    validate_counts(value, errors);
    validate_selector(value, "deployment", errors);
    validate_template(value, &["Always"], errors);
}

pub(in crate::strategy) fn validate_replication_controller(value: &Value, errors: &mut Errors) {
    validate_counts(value, errors);
    let selector = value.pointer("/spec/selector");
    if entries(value, "/spec/selector").next().is_none() {
        errors.required(&Path::new("spec.selector"), "");
    }
    check_labels(value, Selector::from_map(selector), errors);
    validate_template(value, &["Always"], errors);
}

pub(in crate::strategy) fn validate_daemon_set(value: &Value, errors: &mut Errors) {
    validate_counts(value, errors);
    validate_selector(value, "daemonset", errors);
    validate_template(value, &["Always"], errors);
    let strategy = Path::new("spec.updateStrategy");
    let kind = text(value, "/spec/updateStrategy/type");
    errors.one_of(
        &strategy.field("type"),
        kind,
        &["OnDelete", "RollingUpdate"],
    );
    if kind == "RollingUpdate" {
        let rolling = value
            .pointer("/spec/updateStrategy/rollingUpdate")
            .unwrap_or(&Value::Null);
        validate_rolling(rolling, &strategy.field("rollingUpdate"), errors);
    }
}

pub(in crate::strategy) fn validate_stateful_set(value: &Value, errors: &mut Errors) {
    validate_counts(value, errors);
    validate_selector(value, "statefulset", errors);
    // Claim templates become volumes of the pods, so the template may mount what it does not define.
    let mut template = value.pointer("/spec/template").cloned().unwrap_or_default();
    let claims: Vec<Value> = items(value, "/spec/volumeClaimTemplates")
        .iter()
        .map(|c| serde_json::json!({"name": text(c, "/metadata/name"), "emptyDir": {}}))
        .collect();
    let spec = crate::value::object(&mut template, "spec");
    if let Some(volumes) = spec
        .entry("volumes")
        .or_insert_with(|| Value::Array(Vec::new()))
        .as_array_mut()
    {
        volumes.retain(|v| !claims.iter().any(|c| field(c, "name") == field(v, "name")));
        volumes.extend(claims);
    }
    validate_template_at(&template, &Path::new("spec.template"), &["Always"], errors);
    let policy = text(value, "/spec/podManagementPolicy");
    if !matches!(policy, "OrderedReady" | "Parallel") {
        let why = "must be 'OrderedReady' or 'Parallel'";
        errors.invalid(&Path::new("spec.podManagementPolicy"), policy, why);
    }
}

pub(in crate::strategy) fn validate_stateful_set_update(
    new: &Value,
    old: &Value,
    errors: &mut Errors,
) {
    const MAY_CHANGE: &[&str] = &[
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    let fixed = |v: &Value| {
        let mut spec = v
            .get("spec")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        MAY_CHANGE.iter().for_each(|name| {
            spec.remove(*name);
        });
        spec
    };
    if fixed(new) != fixed(old) {
        let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        errors.forbidden(&Path::new("spec"), why);
    }
}

pub(in crate::strategy) fn selector_is_immutable(new: &Value, old: &Value, errors: &mut Errors) {
    let at = |v: &'_ Value| v.pointer("/spec/selector").cloned();
    errors.immutable(
        &Path::new("spec.selector"),
        at(new).as_ref(),
        at(old).as_ref(),
    );
}

pub(in crate::strategy) fn validate_pod_template(value: &Value, errors: &mut Errors) {
    validate_template_at(
        value.get("template").unwrap_or(&Value::Null),
        &Path::new("template"),
        &[],
        errors,
    );
}

pub(in crate::strategy) fn validate_job(value: &Value, errors: &mut Errors) {
    validate_job_spec(
        value.get("spec").unwrap_or(&Value::Null),
        &Path::new("spec"),
        errors,
    );
    if flag(value, "/spec/manualSelector") {
        check_labels(
            value,
            Selector::from_object(value.pointer("/spec/selector")),
            errors,
        );
    }
}

fn validate_job_spec(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    for name in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
    ] {
        errors.at_least(&path.field(name), int(spec, &format!("/{name}")), 0);
    }
    let mode = field(spec, "completionMode");
    if !mode.is_empty() {
        errors.one_of(
            &path.field("completionMode"),
            mode,
            &["Indexed", "NonIndexed"],
        );
        if mode == "Indexed" && spec.get("completions").is_none() {
            errors.required(
                &path.field("completions"),
                "when completion mode is Indexed",
            );
        }
    }
    let template = spec.get("template").unwrap_or(&Value::Null);
    validate_template_at(
        template,
        &path.field("template"),
        &["OnFailure", "Never"],
        errors,
    );
}

pub(in crate::strategy) fn validate_job_update(new: &Value, old: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let mut fixed = vec![
        "selector",
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
    ];
    let started = old.pointer("/status/startTime").is_some();
    if started || !flag(old, "/spec/suspend") {
        fixed.push("template");
    }
    if text(new, "/spec/completionMode") != "Indexed" {
        fixed.push("completions");
    }
    for name in fixed {
        let pointer = format!("/spec/{name}");
        errors.immutable(
            &spec.field(name),
            new.pointer(&pointer),
            old.pointer(&pointer),
        );
    }
}

pub(in crate::strategy) fn cron_job_name(name: &str) -> Option<String> {
    if name.len() > MAX_CRON_JOB_NAME {
        return Some(format!(
            "must be no more than {MAX_CRON_JOB_NAME} characters"
        ));
    }
    shared::name::dns_subdomain(name)
}

pub(in crate::strategy) fn validate_cron_job(value: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let schedule = text(value, "/spec/schedule");
    if schedule.is_empty() {
        errors.required(&spec.field("schedule"), "");
    } else if let Some(why) = check_schedule(schedule) {
        errors.invalid(&spec.field("schedule"), schedule, &why);
    }
    let policy = text(value, "/spec/concurrencyPolicy");
    errors.one_of(
        &spec.field("concurrencyPolicy"),
        policy,
        &["Allow", "Forbid", "Replace"],
    );
    for name in [
        "startingDeadlineSeconds",
        "successfulJobsHistoryLimit",
        "failedJobsHistoryLimit",
    ] {
        errors.at_least(&spec.field(name), int(value, &format!("/spec/{name}")), 0);
    }
    let job = value
        .pointer("/spec/jobTemplate/spec")
        .unwrap_or(&Value::Null);
    let template = spec.field("jobTemplate");
    validate_job_spec(job, &template.field("spec"), errors);
}

/// What is wrong with a cron schedule: five fields of numbers, ranges, steps and lists, or a descriptor.
fn check_schedule(schedule: &str) -> Option<String> {
    const DESCRIPTORS: &[&str] = &[
        "@yearly",
        "@annually",
        "@monthly",
        "@weekly",
        "@daily",
        "@midnight",
        "@hourly",
    ];
    const BOUNDS: [(u32, u32); 5] = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];
    if schedule.starts_with('@') {
        let known = DESCRIPTORS.contains(&schedule) || schedule.starts_with("@every ");
        return (!known).then(|| format!("unrecognized descriptor: {schedule}"));
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    if fields.len() != BOUNDS.len() {
        return Some(format!(
            "expected exactly 5 fields, found {}: [{}]",
            fields.len(),
            fields.join(" ")
        ));
    }
    let pairs = fields.iter().zip(BOUNDS);
    pairs.into_iter().find_map(|(field, bounds)| {
        field
            .split(',')
            .find_map(|part| check_cron_part(part, bounds))
    })
}

fn check_cron_part(part: &str, (low, high): (u32, u32)) -> Option<String> {
    let (range, step) = part
        .split_once('/')
        .map_or((part, None), |(range, step)| (range, Some(step)));
    if step.is_some_and(|s| s.parse::<u32>().map_or(true, |n| n == 0)) {
        return Some(format!("step of range should be a positive number: {part}"));
    }
    if matches!(range, "*" | "?") {
        return None;
    }
    for end in range.splitn(2, '-') {
        let number = end.parse::<u32>().ok().or_else(|| name_value(end));
        match number {
            None => {
                return Some(format!(
                    "failed to parse int from {end}: strconv.Atoi: parsing \"{end}\": invalid syntax"
                ));
            }
            Some(n) if n < low => {
                return Some(format!(
                    "beginning of range ({n}) below minimum ({low}): {part}"
                ));
            }
            Some(n) if n > high => {
                return Some(format!("end of range ({n}) above maximum ({high}): {part}"));
            }
            Some(_) => {}
        }
    }
    None
}

/// Months and days may be named by their first three letters.
fn name_value(name: &str) -> Option<u32> {
    const MONTHS: &str = "janfebmaraprmayjunjulaugsepoctnovdec";
    const DAYS: &str = "sunmontuewedthufrisat";
    let name = name.to_lowercase();
    let at = |all: &str| {
        (name.len() == 3)
            .then(|| all.find(&name))
            .flatten()
            .filter(|i| i % 3 == 0)
            .map(|i| i / 3)
    };
    let number = at(MONTHS).map(|i| i + 1).or_else(|| at(DAYS))?;
    u32::try_from(number).ok()
}

pub(in crate::strategy) fn validate_controller_revision(revision: &Value, errors: &mut Errors) {
    if revision.get("data").is_none() {
        errors.required(&Path::new("data"), "data is mandatory");
    }
    errors.at_least(&Path::new("revision"), int(revision, "/revision"), 0);
}

pub(in crate::strategy) fn validate_controller_revision_update(
    new: &Value,
    old: &Value,
    errors: &mut Errors,
) {
    errors.immutable(&Path::new("data"), new.get("data"), old.get("data"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules() {
        for (schedule, want) in [
            ("* * * * *", true),
            ("*/5 0-6 1,15 jan-mar mon", true),
            ("@hourly", true),
            ("0 0 1 1 *", true),
            ("x", false),
            ("60 * * * *", false),
            ("* * 0 * *", false),
            ("*/0 * * * *", false),
            ("@nope", false),
        ] {
            assert_eq!(
                check_schedule(schedule).is_none(),
                want,
                "{schedule}: {:?}",
                check_schedule(schedule)
            );
        }
    }
}
