//! ResourceQuota: what a namespace uses of what it may use (`pkg/controller/resourcequota`, `pkg/quota/v1`).
//!
//! This writes `status.used`; refusing what would exceed it is the API server's part.

use client::Request;
use client::cache::Changed;
use serde_json::{Map, Value};
use shared::quantity::Quantity;
use shared::{KindRef, Millis, Object};

use crate::meta::{core, has_ended, map, pods, services, text, with_status};
use crate::plan::{Plan, Write};
use crate::view::{Item, View};

/// This loop's name.
pub const NAME: &str = "resourcequota";

fn quotas() -> KindRef {
    core("resourcequotas")
}

/// The quotas that a change concerns: those of its namespace, when objects come or go or a pod changes state.
#[must_use]
pub fn keys(view: &View, change: &Changed) -> Vec<Item> {
    let item = |o: &Object| Item::new(quotas(), o.key());
    let Some(object) = change.object() else {
        return Vec::new();
    };
    if change.kind == quotas() {
        return vec![item(object)];
    }
    let counted = match change.kind.plural.as_str() {
        "events" | "leases" => false,
        "pods" | "services" | "persistentvolumeclaims" => true,
        _ => change.old.is_none() || change.new.is_none(),
    };
    match counted && !object.namespace().is_empty() {
        true => view
            .namespace(&quotas(), object.namespace())
            .map(item)
            .collect(),
        false => Vec::new(),
    }
}

/// One look at a quota.
#[must_use]
pub fn reconcile(view: &View, item: &Item, _now: Millis) -> Plan {
    let Some(quota) = view.get(&item.kind, &item.key) else {
        return Plan::default();
    };
    let hard = map(quota, "/spec/hard");
    let used = hard
        .keys()
        .filter_map(|name| Some((name.clone(), used(view, quota, name)?)));
    let used: Map<String, Value> = used.map(|(name, amount)| (name, amount.into())).collect();
    let mut status = Map::new();
    for (field, amounts) in [("hard", hard.clone()), ("used", used)] {
        if !amounts.is_empty() {
            status.insert(field.into(), amounts.into());
        }
    }
    let status = Value::Object(status);
    if quota.at("/status") == Some(&status) || hard.is_empty() {
        return Plan::default();
    }
    let update = Request::update_status(quotas(), with_status(quota, status));
    Plan::of(format!("{}: used", quota.name()), vec![Write::new(update)])
}

/// How much of one resource is used, in the resource's own notation. `None` for a resource that is not known.
fn used(view: &View, quota: &Object, name: &str) -> Option<String> {
    let namespace = quota.namespace();
    if let Some(what) = name.strip_prefix("count/") {
        let (plural, group) = what.split_once('.').unwrap_or((what, ""));
        let mut kinds = shared::kind::KINDS.iter();
        let kind = kinds.find(|k| k.plural == plural && k.group == group && k.is_preferred())?;
        return Some(
            view.namespace(&kind.reference(), namespace)
                .count()
                .to_string(),
        );
    }
    match name {
        "services.nodeports" => {
            let services = view.namespace(&services(), namespace);
            let ports = services.flat_map(|s| s.items("/spec/ports"));
            Some(
                ports
                    .filter(|p| p.get("nodePort").is_some())
                    .count()
                    .to_string(),
            )
        }
        "services.loadbalancers" => {
            let services = view.namespace(&services(), namespace);
            let balanced = services.filter(|s| s.text("/spec/type") == "LoadBalancer");
            Some(balanced.count().to_string())
        }
        "services"
        | "secrets"
        | "configmaps"
        | "persistentvolumeclaims"
        | "replicationcontrollers"
        | "resourcequotas" => Some(view.namespace(&core(name), namespace).count().to_string()),
        "requests.storage" => {
            let claims = view.namespace(&core("persistentvolumeclaims"), namespace);
            let amounts =
                claims.filter_map(|c| Quantity::parse(c.text("/spec/resources/requests/storage")));
            Some(shown(name, amounts.sum()))
        }
        _ => used_by_pods(view, quota, name),
    }
}

fn used_by_pods(view: &View, quota: &Object, name: &str) -> Option<String> {
    let all = view.namespace(&pods(), quota.namespace());
    let counted = all.filter(|p| !has_ended(p) && in_scope(quota, p));
    if matches!(name, "pods" | "count/pods") {
        return Some(counted.count().to_string());
    }
    let (kind, resource) = match name.split_once('.') {
        Some((kind @ ("requests" | "limits"), resource)) => (kind, resource),
        _ => ("requests", name),
    };
    matches!(name, "cpu" | "memory" | "ephemeral-storage" | "hugepages")
        .then_some(())
        .or_else(|| name.contains('.').then_some(()))?;
    let amounts = counted.map(|pod| pod_amount(pod, kind, resource));
    Some(shown(name, amounts.sum()))
}

/// What a pod asks for: its containers together, or its largest init container if that is more, and its overhead.
fn pod_amount(pod: &Object, kind: &str, resource: &str) -> Quantity {
    let of = |container: &Value| {
        let amount = container
            .get("resources")
            .and_then(|r| r.get(kind)?.get(resource));
        amount
            .and_then(Value::as_str)
            .and_then(Quantity::parse)
            .unwrap_or_default()
    };
    let together: Quantity = pod.items("/spec/containers").iter().map(of).sum();
    let inits = pod.items("/spec/initContainers").iter();
    let (sidecars, inits): (Vec<&Value>, Vec<&Value>) =
        inits.partition(|c| text(c, "restartPolicy") == "Always");
    let beside: Quantity = sidecars.iter().map(|c| of(c)).sum();
    let largest = inits.iter().map(|c| of(c)).max().unwrap_or_default();
    let overhead = pod.text(&format!("/spec/overhead/{resource}"));
    (together + beside).max(largest) + Quantity::parse(overhead).unwrap_or_default()
}

fn in_scope(quota: &Object, pod: &Object) -> bool {
    let named = quota.items("/spec/scopes").iter().filter_map(Value::as_str);
    let selected = quota.items("/spec/scopeSelector/matchExpressions");
    named
        .map(|scope| (scope, "Exists", None))
        .chain(selected.iter().map(|e| {
            (
                text(e, "scopeName"),
                text(e, "operator"),
                e.get("values").and_then(Value::as_array),
            )
        }))
        .all(|(scope, operator, values)| {
            let terminating = pod.int("/spec/activeDeadlineSeconds").is_some();
            let best_effort = pod.text("/status/qosClass") == "BestEffort";
            match scope {
                "Terminating" => terminating,
                "NotTerminating" => !terminating,
                "BestEffort" => best_effort,
                "NotBestEffort" => !best_effort,
                "PriorityClass" => {
                    let class = pod.text("/spec/priorityClassName");
                    let listed =
                        values.is_some_and(|v| v.iter().any(|v| v.as_str() == Some(class)));
                    match operator {
                        "In" => listed,
                        "NotIn" => !listed,
                        "DoesNotExist" => class.is_empty(),
                        _ => !class.is_empty(),
                    }
                }
                _ => false,
            }
        })
}

/// CPU in cores or millicores, everything else in the largest binary unit that leaves no remainder.
fn shown(name: &str, amount: Quantity) -> String {
    if name.ends_with("cpu") {
        let millis = amount.as_millis();
        return match millis % 1000 {
            0 => (millis / 1000).to_string(),
            _ => format!("{millis}m"),
        };
    }
    let mut units = amount.as_units();
    let mut suffix = "";
    for next in ["Ki", "Mi", "Gi", "Ti", "Pi"] {
        if units == 0 || units % 1024 != 0 {
            break;
        }
        units /= 1024;
        suffix = next;
    }
    format!("{units}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_in_their_own_units() {
        for (name, amounts, want) in [
            ("requests.cpu", &["500m", "1"][..], "1500m"),
            ("limits.cpu", &["1", "1"], "2"),
            ("requests.memory", &["64Mi", "64Mi"], "128Mi"),
            ("memory", &["1Gi", "1"], "1073741825"),
            ("requests.storage", &[], "0"),
        ] {
            let sum = amounts.iter().filter_map(|a| Quantity::parse(a)).sum();
            assert_eq!(shown(name, sum), want, "{name} {amounts:?}");
        }
    }
}
