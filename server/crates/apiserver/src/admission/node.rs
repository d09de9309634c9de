//! TaintNodesByCondition: a new node takes no pods until it is known to be ready; the node lifecycle controller
//! removes the taint.

use serde_json::{Value, json};
use shared::Status;

use super::Attempt;
use crate::value::object;

const NOT_READY: &str = "node.kubernetes.io/not-ready";

pub(super) fn admit(attempt: &Attempt<'_, '_>, value: &mut Value) -> Result<(), Status> {
    if !attempt.creates("nodes") {
        return Ok(());
    }
    let taints = object(value, "spec")
        .entry("taints")
        .or_insert_with(|| json!([]));
    if let Some(taints) = taints.as_array_mut() {
        let is_tainted = taints.iter().any(|t| {
            t.get("key") == Some(&json!(NOT_READY)) && t.get("effect") == Some(&json!("NoSchedule"))
        });
        if !is_tainted {
            taints.push(json!({"key": NOT_READY, "effect": "NoSchedule"}));
        }
    }
    Ok(())
}
