//! Rows of core kinds: pods, nodes, services and what belongs to them.

use serde_json::{Value, json};
use shared::view::{self, since};
use shared::{Millis, Object};

use super::{age, first_three, or_none, selector_text};
use crate::value::{field, int, items, text};

fn entries_of(object: &Object, maps: &[&str]) -> Value {
    maps.iter()
        .filter_map(|m| object.at(m)?.as_object())
        .map(serde_json::Map::len)
        .sum::<usize>()
        .into()
}

pub(super) fn config_map(o: &Object, now: Millis) -> Vec<Value> {
    vec![entries_of(o, &["/data", "/binaryData"]), age(o, now)]
}

pub(super) fn secret(o: &Object, now: Millis) -> Vec<Value> {
    vec![
        o.text("/type").into(),
        entries_of(o, &["/data"]),
        age(o, now),
    ]
}

pub(super) fn namespace(o: &Object, now: Millis) -> Vec<Value> {
    vec![o.text("/status/phase").into(), age(o, now)]
}

pub(super) fn pod(o: &Object, now: Millis) -> Vec<Value> {
    let it = view::pod::summary(o);
    vec![
        it.ready_text().into(),
        it.status.as_str().into(),
        it.restarts_text(now).into(),
        age(o, now),
        or_none(view::pod::ip(o).unwrap_or_default()),
        or_none(o.text("/spec/nodeName")),
        or_none(o.text("/status/nominatedNodeName")),
        readiness_gates(o),
    ]
}

fn readiness_gates(pod: &Object) -> Value {
    let gates = pod.items("/spec/readinessGates");
    if gates.is_empty() {
        return "<none>".into();
    }
    let open = gates
        .iter()
        .filter(|g| view::condition(pod, field(g, "conditionType")) == Some("True"))
        .count();
    format!("{open}/{}", gates.len()).into()
}

pub(super) fn node(o: &Object, now: Millis) -> Vec<Value> {
    let info = |name: &str| match o.text(&format!("/status/nodeInfo/{name}")) {
        "" => "<unknown>".into(),
        text => text.into(),
    };
    vec![
        view::node::status(o).into(),
        view::node::roles(o).into(),
        age(o, now),
        o.text("/status/nodeInfo/kubeletVersion").into(),
        or_none(view::node::address(o, "InternalIP").unwrap_or_default()),
        or_none(view::node::address(o, "ExternalIP").unwrap_or_default()),
        info("osImage"),
        info("kernelVersion"),
        info("containerRuntimeVersion"),
    ]
}

pub(super) fn service(o: &Object, now: Millis) -> Vec<Value> {
    let ports: Vec<String> = o
        .items("/spec/ports")
        .iter()
        .map(|p| {
            let (port, protocol) = (int(p, "/port").unwrap_or(0), field(p, "protocol"));
            match int(p, "/nodePort").unwrap_or(0) {
                0 => format!("{port}/{protocol}"),
                node => format!("{port}:{node}/{protocol}"),
            }
        })
        .collect();
    vec![
        o.text("/spec/type").into(),
        or_none(o.text("/spec/clusterIP")),
        external_ip(o),
        or_none(&ports.join(",")),
        age(o, now),
        selector_text(o.at("/spec/selector")).into(),
    ]
}

fn external_ip(service: &Object) -> Value {
    let external: Vec<&str> = service
        .items("/spec/externalIPs")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    match service.text("/spec/type") {
        "ExternalName" => service.text("/spec/externalName").into(),
        "LoadBalancer" => {
            let given = service
                .items("/status/loadBalancer/ingress")
                .iter()
                .map(|i| match field(i, "ip") {
                    "" => field(i, "hostname"),
                    ip => ip,
                });
            let all: Vec<&str> = given.chain(external).filter(|ip| !ip.is_empty()).collect();
            if all.is_empty() {
                "<pending>".into()
            } else {
                all.join(",").into()
            }
        }
        _ => or_none(&external.join(",")),
    }
}

pub(super) fn endpoints(o: &Object, now: Millis) -> Vec<Value> {
    let mut all = Vec::new();
    for subset in o.items("/subsets") {
        for address in items(subset, "/addresses") {
            let ports = items(subset, "/ports");
            all.extend(
                ports
                    .iter()
                    .map(|p| format!("{}:{}", field(address, "ip"), int(p, "/port").unwrap_or(0))),
            );
            if ports.is_empty() {
                all.push(field(address, "ip").to_owned());
            }
        }
    }
    vec![first_three(&all, "<none>"), age(o, now)]
}

pub(super) fn event(o: &Object, now: Millis) -> Vec<Value> {
    row_of_event(
        o.value(),
        now,
        &Names {
            about: "/involvedObject",
            message: "/message",
            first: "/firstTimestamp",
            last: "/lastTimestamp",
            count: "/count",
            source: "/source",
            reporter: "/reportingComponent",
        },
    )
}

pub(super) fn new_event(o: &Object, now: Millis) -> Vec<Value> {
    row_of_event(
        o.value(),
        now,
        &Names {
            about: "/regarding",
            message: "/note",
            first: "/deprecatedFirstTimestamp",
            last: "/deprecatedLastTimestamp",
            count: "/deprecatedCount",
            source: "/deprecatedSource",
            reporter: "/reportingController",
        },
    )
}

/// Where the two Event APIs keep what a row shows.
struct Names {
    about: &'static str,
    message: &'static str,
    first: &'static str,
    last: &'static str,
    count: &'static str,
    source: &'static str,
    reporter: &'static str,
}

fn row_of_event(event: &Value, now: Millis, names: &Names) -> Vec<Value> {
    let first_of = |pointers: &[&str]| {
        pointers
            .iter()
            .map(|p| text(event, p))
            .find(|t| !t.is_empty())
            .unwrap_or_default()
    };
    let first = since(first_of(&[names.first, "/eventTime"]), now);
    let last = match text(event, "/series/lastObservedTime") {
        "" if text(event, names.last).is_empty() => first.clone(),
        "" => since(text(event, names.last), now),
        seen => since(seen, now),
    };
    let count = int(event, "/series/count")
        .or_else(|| int(event, names.count))
        .filter(|n| *n != 0)
        .unwrap_or(1);
    let about = |name: &str| text(event, &format!("{}/{name}", names.about));
    let kind = about("kind").to_lowercase();
    let object = if about("name").is_empty() {
        kind
    } else {
        format!("{kind}/{}", about("name"))
    };
    let component = first_of(&[&format!("{}/component", names.source), names.reporter]);
    let host = first_of(&[&format!("{}/host", names.source), "/reportingInstance"]);
    let source = if host.is_empty() {
        component.to_owned()
    } else {
        format!("{component}, {host}")
    };
    vec![
        last.into(),
        field(event, "type").into(),
        field(event, "reason").into(),
        object.into(),
        about("fieldPath").into(),
        source.into(),
        text(event, names.message).trim().into(),
        first.into(),
        json!(count),
    ]
}
