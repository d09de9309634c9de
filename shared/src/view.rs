//! Small typed views of objects that both sides need: the words that `kubectl get` prints for pods and nodes.
//!
//! The apiserver's tables and the dashboard use the same functions, so that they never disagree.

pub mod node;
pub mod pod;

use serde_json::Value;

use crate::time::human_duration;
use crate::{Millis, Object};

/// The AGE column: time since `metadata.creationTimestamp`, `<unknown>` when there is none.
#[must_use]
pub fn age(object: &Object, now: Millis) -> String {
    since(object.text("/metadata/creationTimestamp"), now)
}

/// How long ago an RFC 3339 time was, as kubectl prints it; `<unknown>` when the text is no time.
#[must_use]
pub fn since(time: &str, now: Millis) -> String {
    Millis::parse_rfc3339(time).map_or_else(
        || "<unknown>".into(),
        |then| human_duration(now.since(then)),
    )
}

/// The `status` of the condition of this type, `None` when the object has no such condition.
#[must_use]
pub fn condition<'a>(object: &'a Object, kind: &str) -> Option<&'a str> {
    let conditions = object.items("/status/conditions").iter();
    conditions
        .filter(|c| c.get("type").and_then(Value::as_str) == Some(kind))
        .find_map(|c| c.get("status").and_then(Value::as_str))
}

/// A string field of a value, empty when absent.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}
