//! Events in both of their forms: core `v1`, which has few rules, and `events.k8s.io/v1`, which has more.
//!
//! Both are stored as one kind, and complaints name the fields of that kind (`core/validation/events.go`).

use serde_json::Value;

use crate::errors::{Errors, Path};
use crate::meta::qualified_name;
use crate::value::{int, text};

/// The longest action, reason and name of a reporting instance, in bytes.
const MAX_WORD_BYTES: usize = 128;
/// The longest note, in bytes.
const MAX_NOTE_BYTES: usize = 1024;

/// What the two forms call the same field.
struct Names {
    about: &'static str,
    note: &'static str,
    controller: &'static str,
}

const CORE: Names = Names {
    about: "involvedObject",
    note: "message",
    controller: "reportingComponent",
};
const NEW: Names = Names {
    about: "regarding",
    note: "note",
    controller: "reportingController",
};

/// What holds in both forms.
fn validate_both(event: &Value, names: &Names, errors: &mut Errors) {
    let own = text(event, "/metadata/namespace");
    let about = text(event, &format!("/{}/namespace", names.about));
    let is_new = !text(event, "/eventTime").is_empty();
    let agrees = match (about.is_empty(), is_new) {
        (true, true) => matches!(own, "default" | "kube-system"),
        (true, false) => matches!(own, "default" | ""),
        (false, true) => true,
        (false, false) => own == about,
    };
    if !agrees {
        errors.invalid(
            &Path::new("involvedObject.namespace"),
            about,
            "does not match event.namespace",
        );
    }
    if is_new {
        validate_words(event, names, errors);
    }
}

/// What an event with a time of its own must say.
fn validate_words(event: &Value, names: &Names, errors: &mut Errors) {
    let controller = text(event, &format!("/{}", names.controller));
    let path = Path::new(names.controller);
    if controller.is_empty() {
        errors.required(&path, "");
    }
    errors.checked(&path, controller, qualified_name);
    for name in ["reportingInstance", "action", "reason"] {
        let (path, word) = (Path::new(name), text(event, &format!("/{name}")));
        if word.is_empty() {
            errors.required(&path, "");
        }
        at_most(&path, word, MAX_WORD_BYTES, errors);
    }
    let note = text(event, &format!("/{}", names.note));
    at_most(&Path::new("message"), note, MAX_NOTE_BYTES, errors);
}

fn at_most(path: &Path<'_>, word: &str, max: usize, errors: &mut Errors) {
    if word.len() > max {
        errors.invalid(path, "", &format!("can have at most {max} characters"));
    }
}

pub(super) fn validate_core(event: &Value, errors: &mut Errors) {
    validate_both(event, &CORE, errors);
}

pub(super) fn validate(event: &Value, errors: &mut Errors) {
    validate_both(event, &NEW, errors);
}

pub(super) fn validate_new(event: &Value, errors: &mut Errors) {
    validate_series(event, errors);
    if text(event, "/eventTime").is_empty() {
        errors.required(&Path::new("eventTime"), "");
    }
    let kind = text(event, "/type");
    if !matches!(kind, "Normal" | "Warning") {
        errors.invalid(
            &Path::new("type"),
            "",
            &format!("has invalid value: {kind}"),
        );
    }
    for (name, own) in [
        ("firstTimestamp", "deprecatedFirstTimestamp"),
        ("lastTimestamp", "deprecatedLastTimestamp"),
        ("count", "deprecatedCount"),
        ("source", "deprecatedSource"),
    ] {
        if event.get(own).is_some_and(is_set) {
            errors.invalid(&Path::new(name), "", "needs to be unset");
        }
    }
}

/// False for what Go's types hold when nothing was sent.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Number(number) => number.as_i64() != Some(0),
        Value::Object(fields) => fields.values().any(is_set),
        _ => true,
    }
}

fn validate_series(event: &Value, errors: &mut Errors) {
    if event.get("series").is_none() {
        return;
    }
    if int(event, "/series/count").unwrap_or(0) < 2 {
        errors.invalid(&Path::new("series.count"), "", "should be at least 2");
    }
    if text(event, "/series/lastObservedTime").is_empty() {
        errors.required(&Path::new("series.lastObservedTime"), "");
    }
}

/// Only the series of an event goes on.
pub(super) fn validate_update(new: &Value, old: &Value, errors: &mut Errors) {
    if new.get("series") != old.get("series") {
        validate_series(new, errors);
    }
    for (name, own) in [
        ("involvedObject", "regarding"),
        ("reason", "reason"),
        ("message", "note"),
        ("source", "deprecatedSource"),
        ("firstTimestamp", "deprecatedFirstTimestamp"),
        ("lastTimestamp", "deprecatedLastTimestamp"),
        ("count", "deprecatedCount"),
        ("type", "type"),
        ("eventTime", "eventTime"),
        ("action", "action"),
        ("related", "related"),
        ("reportingController", "reportingController"),
        ("reportingInstance", "reportingInstance"),
    ] {
        // Events of the other API hold what was not sent as empty.
        let sent = |event: &Value| event.get(own).filter(|value| is_set(value)).cloned();
        errors.immutable(&Path::new(name), sent(new).as_ref(), sent(old).as_ref());
    }
}
