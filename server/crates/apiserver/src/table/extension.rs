//! Rows of kinds that are about the API itself (admission, aggregation, flow control, certificates) and of devices.

use serde_json::Value;
use shared::time::human_duration;
use shared::view::condition;
use shared::{Millis, Object};

use super::{age, or_none, selector_text};
use crate::value::field;

fn or_unset(text: String) -> Value {
    if text.is_empty() {
        "<unset>".into()
    } else {
        text.into()
    }
}

/// How many items a list has, then the age: what configurations of webhooks show.
pub(super) fn webhooks(o: &Object, now: Millis) -> Vec<Value> {
    vec![o.items("/webhooks").len().into(), age(o, now)]
}

pub(super) fn validating_policy(o: &Object, now: Millis) -> Vec<Value> {
    policy(o, "/spec/validations", now)
}

pub(super) fn mutating_policy(o: &Object, now: Millis) -> Vec<Value> {
    policy(o, "/spec/mutations", now)
}

fn policy(o: &Object, list: &str, now: Millis) -> Vec<Value> {
    let kind = match o.text("/spec/paramKind/kind") {
        "" => String::new(),
        kind => format!("{}/{kind}", o.text("/spec/paramKind/apiVersion")),
    };
    vec![o.items(list).len().into(), or_unset(kind), age(o, now)]
}

pub(super) fn policy_binding(o: &Object, now: Millis) -> Vec<Value> {
    let at = |name: &str| o.text(&format!("/spec/paramRef/{name}"));
    let parameters = match (at("namespace"), at("name")) {
        // Whether the parameters have a namespace cannot be told from here.
        ("", "") => o
            .at("/spec/paramRef/selector")
            .map_or_else(String::new, |s| selector_text(Some(s))),
        ("", name) => format!("*/{name}"),
        (namespace, name) => format!("{namespace}/{name}"),
    };
    vec![
        o.text("/spec/policyName").into(),
        or_unset(parameters),
        age(o, now),
    ]
}

pub(super) fn api_service(o: &Object, now: Millis) -> Vec<Value> {
    let service = match o.text("/spec/service/name") {
        "" => "Local".to_owned(),
        name => format!("{}/{name}", o.text("/spec/service/namespace")),
    };
    let available = o
        .items("/status/conditions")
        .iter()
        .find(|c| field(c, "type") == "Available")
        .map_or_else(
            || "Unknown".to_owned(),
            |c| match field(c, "status") {
                "True" => "True".into(),
                other => format!("{other} ({})", field(c, "reason")),
            },
        );
    vec![service.into(), available.into(), age(o, now)]
}

pub(super) fn flow_schema(o: &Object, now: Millis) -> Vec<Value> {
    vec![
        o.text("/spec/priorityLevelConfiguration/name").into(),
        o.int("/spec/matchingPrecedence").unwrap_or(0).into(),
        or_none(o.text("/spec/distinguisherMethod/type")),
        age(o, now),
        condition(o, "Dangling").unwrap_or("?").into(),
    ]
}

pub(super) fn priority_level(o: &Object, now: Millis) -> Vec<Value> {
    let number = |pointer: &str| o.int(pointer).map_or_else(|| "<none>".into(), Value::from);
    let queuing = |name: &str| number(&format!("/spec/limited/limitResponse/queuing/{name}"));
    vec![
        o.text("/spec/type").into(),
        number("/spec/limited/nominalConcurrencyShares"),
        queuing("queues"),
        queuing("handSize"),
        queuing("queueLengthLimit"),
        age(o, now),
    ]
}

pub(super) fn signing_request(o: &Object, now: Millis) -> Vec<Value> {
    let duration = o
        .int("/spec/expirationSeconds")
        .and_then(|s| u64::try_from(s).ok())
        .map_or_else(|| "<none>".to_owned(), |s| human_duration(s * 1000));
    let is = |kind: &str| {
        o.items("/status/conditions")
            .iter()
            .any(|c| field(c, "type") == kind)
    };
    let mut state = if is("Denied") {
        "Denied"
    } else if is("Approved") {
        "Approved"
    } else {
        "Pending"
    }
    .to_owned();
    if is("Failed") {
        state.push_str(",Failed");
    }
    if !o.text("/status/certificate").is_empty() {
        state.push_str(",Issued");
    }
    vec![
        age(o, now),
        or_none(o.text("/spec/signerName")),
        o.text("/spec/username").into(),
        duration.into(),
        state.into(),
    ]
}

pub(super) fn component_status(o: &Object, _now: Millis) -> Vec<Value> {
    let healthy = o
        .items("/conditions")
        .iter()
        .find(|c| field(c, "type") == "Healthy");
    let text = |name: &str| healthy.map_or("", |c| field(c, name));
    let state = match text("status") {
        "True" => "Healthy",
        "False" => "Unhealthy",
        _ => "Unknown",
    };
    vec![state.into(), text("message").into(), text("error").into()]
}

pub(super) fn attributes_class(o: &Object, now: Millis) -> Vec<Value> {
    vec![o.text("/driverName").into(), age(o, now)]
}

pub(super) fn resource_claim(o: &Object, now: Millis) -> Vec<Value> {
    let mut states = Vec::new();
    if o.deletion().is_some() {
        states.push("deleted");
    }
    if o.at("/status/allocation").is_some() {
        states.push("allocated");
        if !o.items("/status/reservedFor").is_empty() {
            states.push("reserved");
        }
    } else if o.deletion().is_none() {
        states.push("pending");
    }
    vec![states.join(",").into(), age(o, now)]
}

pub(super) fn resource_slice(o: &Object, now: Millis) -> Vec<Value> {
    vec![
        o.text("/spec/nodeName").into(),
        o.text("/spec/driver").into(),
        o.text("/spec/pool/name").into(),
        age(o, now),
    ]
}
