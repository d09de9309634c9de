//! Kinds that are another view of what is stored: `events.k8s.io/v1` Events are stored as core `v1` Events, and
//! `autoscaling/v1` autoscalers as `v2`.

mod autoscaling;

use serde_json::Value;
use shared::{Kind, kind};

use crate::value::{Fields, as_object};

/// Field names of a core Event and what `events.k8s.io/v1` calls them.
const EVENT_FIELDS: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// True when the kind is stored as another.
pub(crate) fn is_converted(kind: &Kind) -> bool {
    kind.group == "events.k8s.io" || is_old_autoscaler(kind)
}

fn is_old_autoscaler(kind: &Kind) -> bool {
    kind.group == "autoscaling" && kind.version == "v1"
}

/// The kind that objects of this kind are stored as: itself, for all but a few.
pub(crate) fn storage_kind(row: &'static Kind) -> &'static Kind {
    if is_old_autoscaler(row) {
        kind::find("autoscaling", "v2", row.plural).unwrap_or(row)
    } else if is_converted(row) {
        kind::find("", "v1", "events").unwrap_or(row)
    } else {
        row
    }
}

/// Turns a stored object into the form of the kind it was asked for as.
pub(crate) fn from_storage(kind: &Kind, value: &mut Value) {
    if is_old_autoscaler(kind) {
        autoscaling::to_v1(value);
        stamp(as_object(value), kind);
    } else if is_converted(kind)
        && let Some(fields) = value.as_object_mut()
    {
        rename(fields, EVENT_FIELDS.iter().copied());
        stamp(fields, kind);
    }
}

/// Turns an object of this kind into the form it is stored as.
pub(crate) fn to_storage(kind: &'static Kind, value: &mut Value) {
    if is_old_autoscaler(kind) {
        autoscaling::to_v2(value);
        stamp(as_object(value), storage_kind(kind));
    } else if is_converted(kind)
        && let Some(fields) = value.as_object_mut()
    {
        rename(fields, EVENT_FIELDS.iter().map(|(core, new)| (*new, *core)));
        stamp(fields, storage_kind(kind));
    }
}

fn rename<'a>(fields: &mut Fields, names: impl Iterator<Item = (&'a str, &'a str)>) {
    for (from, to) in names {
        if let Some(value) = fields.remove(from) {
            fields.insert(to.into(), value);
        }
    }
}

fn stamp(fields: &mut Fields, kind: &Kind) {
    fields.insert("kind".into(), kind.kind.into());
    fields.insert("apiVersion".into(), kind.api_version().into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_survive_the_way_to_the_store_and_back() {
        let row = kind::find("events.k8s.io", "v1", "events").expect("a row");
        let event = json!({"kind": "Event", "apiVersion": "events.k8s.io/v1", "metadata": {"name": "e"},
            "regarding": {"kind": "Pod"}, "note": "hello", "reportingController": "x", "reason": "R"});
        let mut value = event.clone();
        to_storage(row, &mut value);
        assert_eq!(value.get("message"), Some(&json!("hello")));
        assert_eq!(value.get("apiVersion"), Some(&json!("v1")));
        from_storage(row, &mut value);
        assert_eq!(value, event);
    }
}
