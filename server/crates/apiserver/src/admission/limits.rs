//! LimitRanger: defaults and bounds of what one container or pod may ask for
//! (`kubernetes.io/docs/concepts/policy/limit-range`, `plugin/pkg/admission/limitranger`).

use serde_json::Value;
use shared::Status;
use shared::quantity::Quantity;

use super::Attempt;
use crate::value::{as_object, each, empty, entries, field, items, object, text};

pub(super) fn admit(attempt: &Attempt<'_, '_>, value: &mut Value) -> Result<(), Status> {
    if !attempt.creates("pods") {
        return Ok(());
    }
    let ranges = attempt.all(&format!(
        "/registry/limitranges/{}/",
        attempt.target.request.namespace
    ))?;
    let limits: Vec<&Value> = ranges
        .iter()
        .flat_map(|range| items(range, "/spec/limits"))
        .collect();
    for limit in limits.iter().filter(|l| field(l, "type") == "Container") {
        fill_in(limit, value);
    }
    let complaints: Vec<String> = limits
        .iter()
        .flat_map(|limit| judge(limit, value))
        .collect();
    match complaints.as_slice() {
        [] => Ok(()),
        [one] => Err(attempt.forbidden(value, one)),
        many => Err(attempt.forbidden(value, &format!("[{}]", many.join(", ")))),
    }
}

fn fill_in(limit: &Value, pod: &mut Value) {
    for list in ["initContainers", "containers"] {
        each(object(pod, "spec"), list, |container| {
            let resources = as_object(container.entry("resources").or_insert_with(empty));
            for (from, to) in [("default", "limits"), ("defaultRequest", "requests")] {
                for (name, amount) in entries(limit, &format!("/{from}")) {
                    let target = as_object(resources.entry(to).or_insert_with(empty));
                    target.entry(name.clone()).or_insert_with(|| amount.clone());
                }
            }
        });
    }
}

fn amount(value: Option<&Value>) -> Option<Quantity> {
    let value = value?;
    value
        .as_str()
        .and_then(Quantity::parse)
        .or_else(|| value.as_i64().map(Quantity::units))
}

fn judge(limit: &Value, pod: &Value) -> Vec<String> {
    let kind = field(limit, "type");
    let mut complaints = Vec::new();
    match kind {
        "Container" => {
            let all = items(pod, "/spec/initContainers")
                .iter()
                .chain(items(pod, "/spec/containers"));
            for container in all {
                let of = |list: &str, name: &str| {
                    amount(
                        container
                            .get("resources")
                            .and_then(|r| r.get(list))
                            .and_then(|l| l.get(name)),
                    )
                };
                bounds(limit, kind, &of, &mut complaints);
            }
        }
        "Pod" => {
            let of = |list: &str, name: &str| {
                let each = items(pod, "/spec/containers").iter();
                let known: Vec<Quantity> = each
                    .filter_map(|c| amount(c.get("resources")?.get(list)?.get(name)))
                    .collect();
                (!known.is_empty()).then(|| known.into_iter().sum())
            };
            bounds(limit, kind, &of, &mut complaints);
        }
        _ => {}
    }
    complaints
}

fn bounds(
    limit: &Value,
    kind: &str,
    of: &dyn Fn(&str, &str) -> Option<Quantity>,
    complaints: &mut Vec<String>,
) {
    let shown = |q: Quantity| {
        if q.as_millis() % 1000 == 0 {
            q.as_units().to_string()
        } else {
            format!("{}m", q.as_millis())
        }
    };
    for (name, bound) in entries(limit, "/min") {
        let bound_text = bound.as_str().unwrap_or_default();
        match (amount(Some(bound)), of("requests", name)) {
            (Some(min), Some(asked)) if asked < min => {
                complaints.push(format!(
                    "minimum {name} usage per {kind} is {bound_text}, but request is {}",
                    shown(asked)
                ));
            }
            (Some(_), None) => complaints.push(format!(
                "minimum {name} usage per {kind} is {bound_text}.  No request is specified"
            )),
            _ => {}
        }
    }
    for (name, bound) in entries(limit, "/max") {
        let bound_text = text(limit, &format!("/max/{}", name.replace('/', "~1")));
        match (amount(Some(bound)), of("limits", name)) {
            (Some(max), Some(asked)) if asked > max => {
                complaints.push(format!(
                    "maximum {name} usage per {kind} is {bound_text}, but limit is {}",
                    shown(asked)
                ));
            }
            (Some(_), None) => complaints.push(format!(
                "maximum {name} usage per {kind} is {bound_text}.  No limit is specified"
            )),
            _ => {}
        }
    }
}
