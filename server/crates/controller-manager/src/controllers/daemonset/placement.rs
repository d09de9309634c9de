//! On which nodes a DaemonSet's pods belong: the template's node selector, required node affinity and tolerations
//! against the node's labels and taints (`pkg/controller/daemon`, `NodeShouldRunDaemonPod`).

use serde_json::{Value, json};
use shared::Object;

use crate::meta::text;

/// Taints that every daemon tolerates, as key and effect.
const TOLERATED: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];
/// Tolerated besides by daemons in the host's network.
const TOLERATED_ON_HOST: (&str, &str) = ("node.kubernetes.io/network-unavailable", "NoSchedule");

/// Whether a daemon belongs on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// A new one may start there.
    pub(super) may_start: bool,
    /// One that is there may stay.
    pub(super) may_stay: bool,
}

/// The template's tolerations and those that every daemon has.
pub(super) fn tolerations(template_spec: &Value) -> Vec<Value> {
    let own = template_spec.get("tolerations").and_then(Value::as_array);
    let mut all = own.cloned().unwrap_or_default();
    let on_host = template_spec.get("hostNetwork") == Some(&Value::Bool(true));
    let more = TOLERATED
        .into_iter()
        .chain(on_host.then_some(TOLERATED_ON_HOST));
    for (key, effect) in more {
        let known = |t: &&Value| {
            text(t, "key") == key && text(t, "effect") == effect && text(t, "operator") == "Exists"
        };
        if !all.iter().any(|t| known(&t)) {
            all.push(json!({"key": key, "operator": "Exists", "effect": effect}));
        }
    }
    all
}

/// Judges a node.
pub(super) fn judge(daemon_set: &Object, node: &Object) -> Place {
    let never = Place {
        may_start: false,
        may_stay: false,
    };
    let spec = daemon_set.at("/spec/template/spec");
    let spec = spec.unwrap_or(&Value::Null);
    let named = text(spec, "nodeName");
    if !(named.is_empty() || named == node.name()) || !selected(spec, node) {
        return never;
    }
    let tolerations = tolerations(spec);
    let untolerated = |effects: &[&str]| {
        let taints = node.items("/spec/taints").iter();
        let mut hard = taints.filter(|t| effects.contains(&text(t, "effect")));
        hard.any(|taint| !tolerations.iter().any(|t| tolerates(t, taint)))
    };
    Place {
        may_start: !untolerated(&["NoSchedule", "NoExecute"]),
        may_stay: !untolerated(&["NoExecute"]),
    }
}

fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let (effect, key) = (text(toleration, "effect"), text(toleration, "key"));
    let exists = text(toleration, "operator") == "Exists";
    let right_effect = effect.is_empty() || effect == text(taint, "effect");
    let right_key = if key.is_empty() {
        exists
    } else {
        key == text(taint, "key")
    };
    let right_value = exists || text(toleration, "value") == text(taint, "value");
    right_effect && right_key && right_value
}

/// The node selector and the required node affinity.
fn selected(spec: &Value, node: &Object) -> bool {
    let wanted = spec.get("nodeSelector").and_then(Value::as_object);
    let by_labels = wanted
        .into_iter()
        .flatten()
        .all(|(key, value)| node.label(key) == value.as_str());
    let terms = spec.pointer(
        "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms",
    );
    let by_affinity = match terms.and_then(Value::as_array) {
        None => true,
        Some(terms) => terms.iter().any(|term| meets(term, node)),
    };
    by_labels && by_affinity
}

/// A term without requirements selects nothing.
fn meets(term: &Value, node: &Object) -> bool {
    let list = |field: &str| {
        let list = term.get(field).and_then(Value::as_array);
        list.map(Vec::as_slice).unwrap_or_default()
    };
    let (labels, fields) = (list("matchExpressions"), list("matchFields"));
    let by_label = |r: &Value| fits(r, node.label(text(r, "key")));
    let by_field = |r: &Value| text(r, "key") == "metadata.name" && fits(r, Some(node.name()));
    !(labels.is_empty() && fields.is_empty())
        && labels.iter().all(by_label)
        && fields.iter().all(by_field)
}

fn fits(requirement: &Value, found: Option<&str>) -> bool {
    let values = requirement.get("values").and_then(Value::as_array);
    let values: Vec<&str> = values
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let compare = |than: fn(i64, i64) -> bool| {
        let bound = values.first().and_then(|v| v.parse::<i64>().ok());
        let found = found.and_then(|v| v.parse::<i64>().ok());
        matches!((found, bound), (Some(f), Some(b)) if than(f, b))
    };
    match text(requirement, "operator") {
        "In" => found.is_some_and(|f| values.contains(&f)),
        "NotIn" => found.is_none_or(|f| !values.contains(&f)),
        "Exists" => found.is_some(),
        "DoesNotExist" => found.is_none(),
        "Gt" => compare(|f, b| f > b),
        "Lt" => compare(|f, b| f < b),
        _ => false,
    }
}

/// The node that a daemon's pod is made for.
pub(super) fn target(pod: &Object) -> &str {
    let bound = pod.text("/spec/nodeName");
    if !bound.is_empty() {
        return bound;
    }
    pod.text(
        "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemons_belong_where_selector_affinity_and_taints_let_them() {
        let node = Object::new(json!({
            "metadata": {"name": "a", "labels": {"disk": "ssd", "cores": "8"}},
            "spec": {"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]},
        }));
        let affinity = |requirement: Value| {
            json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
                {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}}}})
        };
        for (spec, start, stay) in [
            (json!({}), false, true),
            (json!({"tolerations": [{"operator": "Exists"}]}), true, true),
            (
                json!({"tolerations": [{"key": "gpu", "value": "yes"}]}),
                true,
                true,
            ),
            (
                json!({"tolerations": [{"key": "gpu", "value": "no"}]}),
                false,
                true,
            ),
            (json!({"nodeSelector": {"disk": "hdd"}}), false, false),
            (json!({"nodeName": "b"}), false, false),
            (
                affinity(json!({"key": "cores", "operator": "Gt", "values": ["4"]})),
                false,
                true,
            ),
            (
                affinity(json!({"key": "cores", "operator": "Lt", "values": ["4"]})),
                false,
                false,
            ),
            (
                affinity(json!({"key": "disk", "operator": "NotIn", "values": ["ssd"]})),
                false,
                false,
            ),
            (
                affinity(json!({"key": "none", "operator": "DoesNotExist"})),
                false,
                true,
            ),
        ] {
            let set = Object::new(json!({"spec": {"template": {"spec": spec}}}));
            let want = Place {
                may_start: start,
                may_stay: stay,
            };
            assert_eq!(judge(&set, &node), want, "{spec}");
        }
    }
}
