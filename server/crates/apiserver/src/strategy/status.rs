//! What an update of a status may say: numbers that fit each other, and states that pods do not leave.
//!
//! Follows the `Validate...StatusUpdate` functions of `pkg/apis/{core,apps,batch,policy}/validation`.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::name::dns_subdomain;

use crate::errors::{Errors, Path};
use crate::meta::ip_address;
use crate::value::{field, int, items, text};

/// The numbers of a status.
struct Numbers {
    /// None of them is negative.
    counts: &'static [&'static str],
    /// The first is not above the second; what is said otherwise.
    bounds: &'static [(&'static str, &'static str, &'static str)],
}

const ABOVE_ALL: &str = "cannot be greater than status.replicas";
const ABOVE_READY: &str = "cannot be greater than readyReplicas";

fn check(numbers: &Numbers, new: &Value, old: &Value, errors: &mut Errors) {
    let status = Path::new("status");
    let count = |name: &str| int(new, &format!("/status/{name}"));
    for name in numbers.counts {
        errors.at_least(&status.field(name), count(name), 0);
    }
    for (low, high, why) in numbers.bounds {
        let value = count(low).unwrap_or(0);
        if value > count(high).unwrap_or(0) {
            errors.invalid(&status.field(low), value, why);
        }
    }
    let collisions = int(old, "/status/collisionCount");
    if collisions.is_some_and(|old| count("collisionCount").unwrap_or(0) < old) {
        let value = count("collisionCount").unwrap_or(0);
        errors.invalid(
            &status.field("collisionCount"),
            value,
            "cannot be decremented",
        );
    }
}

pub(super) fn validate_deployment(new: &Value, old: &Value, errors: &mut Errors) {
    const NUMBERS: Numbers = Numbers {
        counts: &[
            "observedGeneration",
            "replicas",
            "updatedReplicas",
            "readyReplicas",
            "availableReplicas",
            "unavailableReplicas",
            "terminatingReplicas",
            "collisionCount",
        ],
        bounds: &[
            ("updatedReplicas", "replicas", ABOVE_ALL),
            ("readyReplicas", "replicas", ABOVE_ALL),
            ("availableReplicas", "replicas", ABOVE_ALL),
            ("availableReplicas", "readyReplicas", ABOVE_READY),
        ],
    };
    check(&NUMBERS, new, old, errors);
}

pub(super) fn validate_replica_set(new: &Value, old: &Value, errors: &mut Errors) {
    const NUMBERS: Numbers = Numbers {
        counts: &[
            "replicas",
            "fullyLabeledReplicas",
            "readyReplicas",
            "availableReplicas",
            "terminatingReplicas",
            "observedGeneration",
        ],
        bounds: &[
            ("fullyLabeledReplicas", "replicas", ABOVE_ALL),
            ("readyReplicas", "replicas", ABOVE_ALL),
            ("availableReplicas", "replicas", ABOVE_ALL),
            ("availableReplicas", "readyReplicas", ABOVE_READY),
        ],
    };
    check(&NUMBERS, new, old, errors);
}

pub(super) fn validate_stateful_set(new: &Value, old: &Value, errors: &mut Errors) {
    const NUMBERS: Numbers = Numbers {
        counts: &[
            "replicas",
            "readyReplicas",
            "currentReplicas",
            "updatedReplicas",
            "availableReplicas",
            "observedGeneration",
            "collisionCount",
        ],
        bounds: &[
            ("readyReplicas", "replicas", ABOVE_ALL),
            ("currentReplicas", "replicas", ABOVE_ALL),
            ("updatedReplicas", "replicas", ABOVE_ALL),
            ("availableReplicas", "replicas", ABOVE_ALL),
            (
                "availableReplicas",
                "readyReplicas",
                "cannot be greater than status.readyReplicas",
            ),
        ],
    };
    check(&NUMBERS, new, old, errors);
}

pub(super) fn validate_daemon_set(new: &Value, old: &Value, errors: &mut Errors) {
    const NUMBERS: Numbers = Numbers {
        counts: &[
            "currentNumberScheduled",
            "numberMisscheduled",
            "desiredNumberScheduled",
            "numberReady",
            "observedGeneration",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberUnavailable",
            "collisionCount",
        ],
        bounds: &[],
    };
    check(&NUMBERS, new, old, errors);
}

pub(super) fn validate_job(new: &Value, old: &Value, errors: &mut Errors) {
    const NUMBERS: Numbers = Numbers {
        counts: &["active", "succeeded", "failed", "ready", "terminating"],
        bounds: &[],
    };
    check(&NUMBERS, new, old, errors);
    let is_true = |job: &Value, kind: &str| {
        let mut conditions = items(job, "/status/conditions").iter();
        conditions.any(|c| field(c, "type") == kind && field(c, "status") == "True")
    };
    let status = Path::new("status");
    let conditions = status.field("conditions");
    for kind in ["Failed", "Complete", "FailureTarget", "SuccessCriteriaMet"] {
        if is_true(old, kind) && !is_true(new, kind) {
            let terminal = if kind == "SuccessCriteriaMet" {
                ""
            } else {
                "terminal "
            };
            let why = format!("cannot disable the {terminal}{kind}=True condition");
            errors.invalid_unseen(&conditions, &why);
        }
    }
    for name in ["failed", "succeeded"] {
        let count = |job: &Value| int(job, &format!("/status/{name}")).unwrap_or(0);
        if count(new) < count(old) {
            let why = format!("cannot decrease the {name} counter");
            errors.invalid(&status.field(name), count(new), &why);
        }
    }
    let end = |job: &Value| job.pointer("/status/completionTime").cloned();
    if let (Some(after), Some(before)) = (end(new), end(old))
        && after != before
    {
        let why = "completionTime cannot be mutated";
        errors.invalid(&status.field("completionTime"), after, why);
    }
}

pub(super) fn validate_budget(new: &Value, old: &Value, errors: &mut Errors) {
    const NUMBERS: Numbers = Numbers {
        counts: &[
            "disruptionsAllowed",
            "currentHealthy",
            "desiredHealthy",
            "expectedPods",
        ],
        bounds: &[],
    };
    check(&NUMBERS, new, old, errors);
}

pub(super) fn validate_node(new: &Value, _old: &Value, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    let status = Path::new("status");
    let path = status.field("addresses");
    for (i, address) in items(new, "/status/addresses").iter().enumerate() {
        let (kind, value) = (field(address, "type"), field(address, "address"));
        if !seen.insert((kind, value)) {
            let shown = json!({"Type": kind, "Address": value});
            errors.duplicate(&path.index(i), shown);
        }
    }
}

pub(super) fn validate_pod(new: &Value, old: &Value, errors: &mut Errors) {
    let status = Path::new("status");
    let nominated = text(new, "/status/nominatedNodeName");
    if let Some(why) = Some(nominated)
        .filter(|n| !n.is_empty())
        .and_then(dns_subdomain)
    {
        errors.invalid(&status.field("nominatedNodeName"), nominated, &why);
    }
    check_states(new, old, errors);
    for list in ["podIPs", "hostIPs"] {
        let path = status.field(list);
        for (i, entry) in items(new, &format!("/status/{list}")).iter().enumerate() {
            let at = path.index(i);
            errors.checked(&at.field("ip"), field(entry, "ip"), ip_address);
        }
    }
}

/// A container that has ended for good does not come back (`ValidateContainerStateTransition`). Init containers are
/// not looked at: sidecars restart whatever the pod's policy is.
fn check_states(new: &Value, old: &Value, errors: &mut Errors) {
    let pointer = "/status/containerStatuses";
    let status = Path::new("status");
    let path = status.field("containerStatuses");
    for before in items(old, pointer) {
        let name = field(before, "name");
        let Some(end) = before.pointer("/state/terminated") else {
            continue;
        };
        if may_restart(old, name, int(end, "/exitCode").unwrap_or(0)) {
            continue;
        }
        let after = items(new, pointer).iter().enumerate();
        for (i, after) in after.filter(|(_, s)| field(s, "name") == name) {
            if after.pointer("/state/terminated").is_none() {
                let why = "may not be transitioned to non-terminated state";
                errors.forbidden(&path.index(i).field("state"), why);
            }
        }
    }
}

/// What a container's own policy, or else its pod's, says of a container that ended.
fn may_restart(pod: &Value, name: &str, exit_code: i64) -> bool {
    let mut containers = items(pod, "/spec/containers").iter();
    let container = containers.find(|c| field(c, "name") == name);
    let own = container.map_or("", |c| field(c, "restartPolicy"));
    let policy = if own.is_empty() {
        text(pod, "/spec/restartPolicy")
    } else {
        own
    };
    let has_rules = container.is_some_and(|c| c.get("restartPolicyRules").is_some());
    has_rules
        || match policy {
            "Never" => false,
            "OnFailure" => exit_code != 0,
            _ => true,
        }
}
