//! DefaultTolerationSeconds: pods stay five minutes on a node that is not ready or cannot be reached.

use serde_json::{Value, json};
use shared::Status;

use super::Attempt;
use crate::value::{field, object};

/// How long, in seconds (`--default-not-ready-toleration-seconds`).
const TOLERATED_S: i64 = 300;
const TAINTS: &[&str] = &[
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
];

pub(super) fn admit(attempt: &Attempt<'_, '_>, value: &mut Value) -> Result<(), Status> {
    if !attempt.creates("pods") {
        return Ok(());
    }
    let list = object(value, "spec")
        .entry("tolerations")
        .or_insert_with(|| json!([]));
    let Some(list) = list.as_array_mut() else {
        return Ok(());
    };
    for taint in TAINTS {
        let tolerates = |t: &Value| {
            matches!(field(t, "key"), key if key == *taint || key.is_empty())
                && matches!(field(t, "effect"), "NoExecute" | "")
        };
        if !list.iter().any(tolerates) {
            list.push(json!({"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATED_S}));
        }
    }
    Ok(())
}
