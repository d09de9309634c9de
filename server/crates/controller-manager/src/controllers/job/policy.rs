//! What a Job's own rules say about a failed pod (`podFailurePolicy`) and about early success (`successPolicy`).

use serde_json::Value;
use shared::Object;

use super::indexes::Indexes;
use crate::meta::text;

/// What a failed pod means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It counts towards the back-off limit.
    Count,
    /// It does not count.
    Ignore,
    /// Its index failed for good.
    FailIndex,
    /// The whole Job failed, with this message.
    FailJob(String),
}

/// The first rule of `podFailurePolicy` that the pod matches decides; without one the failure counts.
pub(super) fn judge(job: &Object, pod: &Object) -> Failure {
    let rules = job.items("/spec/podFailurePolicy/rules").iter();
    for (at, rule) in rules.enumerate() {
        let Some(why) = exit_code(rule, pod).or_else(|| pod_condition(rule, pod)) else {
            continue;
        };
        return match text(rule, "action") {
            "Ignore" => Failure::Ignore,
            "FailIndex" => Failure::FailIndex,
            "FailJob" => Failure::FailJob(format!("{why} matching FailJob rule at index {at}")),
            _ => Failure::Count,
        };
    }
    Failure::Count
}

fn exit_code(rule: &Value, pod: &Object) -> Option<String> {
    let wanted = rule.get("onExitCodes").filter(|v| v.is_object())?;
    let values = wanted.get("values").and_then(Value::as_array)?;
    let of = ["initContainerStatuses", "containerStatuses"];
    let mut statuses = of
        .iter()
        .flat_map(|field| pod.items(&format!("/status/{field}")));
    statuses.find_map(|status| {
        let code = status.pointer("/state/terminated/exitCode")?.as_i64()?;
        let name = text(status, "name");
        let meant = matches!(text(wanted, "containerName"), "" | "*")
            || text(wanted, "containerName") == name;
        let listed = values.iter().any(|v| v.as_i64() == Some(code));
        let matches = match text(wanted, "operator") {
            "In" => listed,
            _ => !listed,
        };
        // A code of 0 is success: no rule is about it.
        (meant && matches && code != 0).then(|| {
            format!(
                "Container {name} for pod {} failed with exit code {code}",
                pod.key()
            )
        })
    })
}

fn pod_condition(rule: &Value, pod: &Object) -> Option<String> {
    let wanted = rule.get("onPodConditions").and_then(Value::as_array)?;
    wanted.iter().find_map(|pattern| {
        let (kind, status) = (text(pattern, "type"), text(pattern, "status"));
        let status = if status.is_empty() { "True" } else { status };
        let found = crate::meta::condition(pod, kind)?;
        (text(found, "status") == status).then(|| format!("Pod {} has condition {kind}", pod.key()))
    })
}

/// Which rule of `successPolicy` these completed indexes meet.
pub(super) fn early_success(job: &Object, completed: &Indexes, completions: i64) -> Option<String> {
    let rules = job.items("/spec/successPolicy/rules").iter();
    let met = rules.enumerate().find(|(_, rule)| {
        let count = rule.get("succeededCount").and_then(Value::as_i64);
        match rule.get("succeededIndexes").and_then(Value::as_str) {
            Some(indexes) => {
                let wanted = Indexes::parse(indexes, completions);
                completed.common(&wanted) >= count.unwrap_or_else(|| wanted.count())
            }
            None => count.is_some_and(|count| completed.count() >= count),
        }
    });
    met.map(|(at, _)| format!("Matched rules at index {at}"))
}
