//! ResourceQuota: refuses what would take a namespace over its limits, and counts what it lets in
//! (`apiserver/pkg/admission/plugin/resourcequota`).
//!
//! The usage that a create causes is written into the quota's status by the transaction that writes the object, so
//! that no two creates can use up the same rest. What is deleted or changed is counted by the controller.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::quantity::Quantity;
use shared::{Status, kind};
use store::Txn;

use crate::item::{encode, parse};
use crate::server::{Context, Target};
use crate::strategy::qos_class;
use crate::value::{field, items, object, text};

/// Charges the quotas of its namespace for a new object.
pub(crate) fn charge(target: &Target<'_>, value: &Value, ctx: &Context<'_>) -> Result<Txn, Status> {
    let mut txn = Txn::default();
    let Some(row) = kind::find("", "v1", "resourcequotas").filter(|_| target.kind.namespaced)
    else {
        return Ok(txn);
    };
    let prefix = format!("{}{}/", row.storage_prefix(), target.request.namespace);
    for kv in ctx.snapshot.iter(&prefix) {
        let mut quota = parse(&kv.value)?;
        if !is_in_scope(&quota, target.kind.plural, value) {
            continue;
        }
        let charges = charges(&quota, target, value);
        if charges.is_empty() {
            continue;
        }
        let name = text(value, "/metadata/name");
        let refuse =
            |why: &str| Status::forbidden(target.kind.plural, target.kind.group, name, why);
        if let Some(missing) = unspecified(&charges, target, value) {
            let why = format!(
                "failed quota: {}: must specify {missing}",
                text(&quota, "/metadata/name")
            );
            return Err(refuse(&why));
        }
        if let Some(why) = exceeded(&charges, &quota) {
            return Err(refuse(&why));
        }
        add(&charges, &mut quota);
        txn = txn.and(Txn::update(
            kv.key.clone(),
            encode(row, &quota)?,
            kv.mod_revision,
        ));
    }
    Ok(txn)
}

/// What an object takes, by the quota's names.
type Charges = BTreeMap<String, Quantity>;

fn charges(quota: &Value, target: &Target<'_>, value: &Value) -> Charges {
    let hard = quota.pointer("/spec/hard").and_then(Value::as_object);
    let names = hard.into_iter().flatten().map(|(name, _)| name);
    names
        .filter_map(|name| Some((name.clone(), amount(name, target, value)?)))
        .filter(|(_, amount)| *amount > Quantity::default())
        .chain(compute(quota, target, value))
        .collect()
}

/// The limits on what pods compute with count even when a pod says nothing: then it is refused.
fn compute(quota: &Value, target: &Target<'_>, value: &Value) -> Charges {
    let hard = quota.pointer("/spec/hard").and_then(Value::as_object);
    let names = hard.into_iter().flatten().map(|(name, _)| name);
    names
        .filter(|_| is_pod(target))
        .filter_map(|name| {
            let (list, resource) = compute_of(name)?;
            Some((name.clone(), pod_amount(value, list, resource)))
        })
        .collect()
}

fn is_pod(target: &Target<'_>) -> bool {
    target.kind.group.is_empty() && target.kind.plural == "pods"
}

/// `requests` and `cpu` for both `cpu` and `requests.cpu`.
fn compute_of(name: &str) -> Option<(&'static str, &str)> {
    match name.split_once('.') {
        Some(("requests", "storage")) => None,
        Some(("requests", resource)) => Some(("requests", resource)),
        Some(("limits", resource)) => Some(("limits", resource)),
        _ => matches!(name, "cpu" | "memory" | "ephemeral-storage").then_some(("requests", name)),
    }
}

/// How much of one counted resource an object takes; `None` when it takes none.
fn amount(name: &str, target: &Target<'_>, value: &Value) -> Option<Quantity> {
    let row = target.kind;
    let one = Some(Quantity::units(1));
    let counted = name.strip_prefix("count/").map_or_else(
        || row.group.is_empty() && name == row.plural,
        |what| {
            let (plural, group) = what.split_once('.').unwrap_or((what, ""));
            plural == row.plural && group == row.group
        },
    );
    if counted {
        return one;
    }
    match (name, row.plural) {
        ("services.nodeports", "services") => {
            let is_open = matches!(text(value, "/spec/type"), "NodePort" | "LoadBalancer");
            let ports = items(value, "/spec/ports").len();
            is_open.then(|| Quantity::units(i64::try_from(ports).unwrap_or(i64::MAX)))
        }
        ("services.loadbalancers", "services") => {
            (text(value, "/spec/type") == "LoadBalancer").then_some(Quantity::units(1))
        }
        ("requests.storage", "persistentvolumeclaims") => {
            Quantity::parse(text(value, "/spec/resources/requests/storage"))
        }
        _ => None,
    }
}

fn container_amount(container: &Value, list: &str, resource: &str) -> Option<Quantity> {
    let amount = container.get("resources")?.get(list)?.get(resource)?;
    Quantity::parse(amount.as_str()?)
}

/// The containers together, or the largest init container if that is more, and the overhead.
fn pod_amount(pod: &Value, list: &str, resource: &str) -> Quantity {
    let of = |c: &Value| container_amount(c, list, resource).unwrap_or_default();
    let inits = items(pod, "/spec/initContainers");
    let is_sidecar = |c: &&Value| field(c, "restartPolicy") == "Always";
    let together: Quantity = items(pod, "/spec/containers").iter().map(of).sum();
    let beside: Quantity = inits.iter().filter(is_sidecar).map(of).sum();
    let largest = inits.iter().filter(|c| !is_sidecar(c)).map(of).max();
    let overhead = Quantity::parse(text(pod, &format!("/spec/overhead/{resource}")));
    (together + beside).max(largest.unwrap_or_default()) + overhead.unwrap_or_default()
}

/// Which containers leave out what a quota limits: `requests.cpu for: a,b; limits.cpu for: a`.
fn unspecified(charges: &Charges, target: &Target<'_>, pod: &Value) -> Option<String> {
    if !is_pod(target) {
        return None;
    }
    let all = ["/spec/containers", "/spec/initContainers"];
    let missing = charges.keys().filter_map(|name| {
        let (list, resource) = compute_of(name)?;
        let containers = all.iter().flat_map(|at| items(pod, at));
        let without = containers.filter(|c| container_amount(c, list, resource).is_none());
        let names: Vec<&str> = without.map(|c| field(c, "name")).collect();
        (!names.is_empty()).then(|| format!("{name} for: {}", names.join(",")))
    });
    let missing: Vec<String> = missing.collect();
    (!missing.is_empty()).then(|| missing.join("; "))
}

fn amount_at(quota: &Value, list: &str, name: &str) -> Option<Quantity> {
    let amounts = quota.pointer(list)?.get(name)?;
    Quantity::parse(amounts.as_str()?)
}

/// Why the charges are too much, if they are.
fn exceeded(charges: &Charges, quota: &Value) -> Option<String> {
    let over = charges.iter().filter_map(|(name, amount)| {
        let used = amount_at(quota, "/status/used", name).unwrap_or_default();
        let hard = amount_at(quota, "/spec/hard", name)?;
        (used + *amount > hard).then_some((name, *amount, used))
    });
    let over: Vec<(&String, Quantity, Quantity)> = over.collect();
    if over.is_empty() {
        return None;
    }
    let list = |show: &dyn Fn(&(&String, Quantity, Quantity)) -> String| {
        let all: Vec<String> = over
            .iter()
            .map(|o| format!("{}={}", o.0, show(o)))
            .collect();
        all.join(",")
    };
    let hard = |name: &str| {
        let hard = quota.pointer("/spec/hard").and_then(|h| h.get(name));
        hard.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    Some(format!(
        "exceeded quota: {}, requested: {}, used: {}, limited: {}",
        text(quota, "/metadata/name"),
        list(&|o| shown(o.0, o.1)),
        list(&|o| shown(o.0, o.2)),
        list(&|o| hard(o.0)),
    ))
}

/// Adds the charges to what is used. A quota that the controller has not looked at yet is filled in.
fn add(charges: &Charges, quota: &mut Value) {
    let hard = quota.pointer("/spec/hard").cloned().unwrap_or_default();
    let used: Vec<(String, String)> = charges
        .iter()
        .map(|(name, amount)| {
            let used = amount_at(quota, "/status/used", name).unwrap_or_default();
            (name.clone(), shown(name, used + *amount))
        })
        .collect();
    let status = object(quota, "status");
    status.entry("hard").or_insert(hard);
    let all = status.entry("used").or_insert_with(|| json!({}));
    let all = crate::value::as_object(all);
    all.extend(used.into_iter().map(|(name, amount)| (name, amount.into())));
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
    let (mut units, mut suffix) = (amount.as_units(), "");
    for next in ["Ki", "Mi", "Gi", "Ti", "Pi"] {
        if units == 0 || units % 1024 != 0 {
            break;
        }
        (units, suffix) = (units / 1024, next);
    }
    format!("{units}{suffix}")
}

/// Whether a quota with scopes is about this object; scopes are about pods only.
fn is_in_scope(quota: &Value, plural: &str, value: &Value) -> bool {
    let named = items(quota, "/spec/scopes")
        .iter()
        .filter_map(Value::as_str);
    let selected = items(quota, "/spec/scopeSelector/matchExpressions").iter();
    let empty: &[Value] = &[];
    let all = named
        .map(|scope| (scope, "Exists", empty))
        .chain(selected.map(|e| {
            (
                field(e, "scopeName"),
                field(e, "operator"),
                items(e, "/values"),
            )
        }));
    let mut all = all.peekable();
    if all.peek().is_none() {
        return true;
    }
    let terminating = value.pointer("/spec/activeDeadlineSeconds").is_some();
    let best_effort = || qos_class(value) == "BestEffort";
    let class = text(value, "/spec/priorityClassName");
    plural == "pods"
        && all.all(|(scope, operator, values)| match (scope, operator) {
            ("Terminating", _) => terminating,
            ("NotTerminating", _) => !terminating,
            ("BestEffort", _) => best_effort(),
            ("NotBestEffort", _) => !best_effort(),
            ("PriorityClass", "In") => values.iter().any(|v| v == class),
            ("PriorityClass", "NotIn") => values.iter().all(|v| v != class),
            ("PriorityClass", "DoesNotExist") => class.is_empty(),
            ("PriorityClass", _) => !class.is_empty(),
            _ => false,
        })
}
