//! Tables with kubectl's columns: the drawing's equivalent for whoever prefers rows.

use serde_json::Value;
use shared::{Millis, Object, ObjectKey};

use super::cluster::Cluster;
use super::node::{ServiceView, status_word};
use super::pod::{Look, PodView, condition, is_true, text};
use super::text::age;

/// The tables on offer: plural and title.
pub const TABLES: [(&str, &str); 8] = [
    ("pods", "Pods"),
    ("nodes", "Nodes"),
    ("services", "Services"),
    ("deployments", "Deployments"),
    ("replicasets", "ReplicaSets"),
    ("configmaps", "ConfigMaps"),
    ("namespaces", "Namespaces"),
    ("events", "Events"),
];

/// One object as a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Which object.
    pub key: ObjectKey,
    /// One text per column.
    pub cells: Vec<String>,
    /// The look of the status cell.
    pub look: Option<Look>,
    /// `metadata.labels`.
    pub labels: Vec<(String, String)>,
}

impl Row {
    /// The value of a label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        let found = self.labels.iter().find(|(k, _)| k == key);
        found.map(|(_, v)| v.as_str())
    }
}

fn labels(object: &Value) -> Vec<(String, String)> {
    let map = object
        .pointer("/metadata/labels")
        .and_then(Value::as_object);
    let pairs = map.into_iter().flatten();
    pairs
        .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
        .collect()
}

/// A table that the server made (`as=Table`): any kind, with the columns that `kubectl get` shows; `wide` ones come
/// after the others.
#[must_use]
pub fn from_server(answer: &Value, namespaced: bool) -> Table {
    let items = |at: &str| {
        answer
            .get(at)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let name = |c: &Value| text(c, "/name").to_uppercase();
    let mut columns: Vec<String> = items("columnDefinitions").iter().map(name).collect();
    let mut rows: Vec<Row> = items("rows").iter().map(server_row).collect();
    if namespaced {
        columns.insert(0, "NAMESPACE".into());
        for row in &mut rows {
            row.cells.insert(0, row.key.namespace.clone());
        }
    }
    Table {
        status_column: columns.iter().position(|c| c == "STATUS"),
        columns,
        rows,
    }
}

fn server_row(row: &Value) -> Row {
    let object = row.get("object").unwrap_or(&Value::Null);
    let cell = |v: &Value| match v {
        Value::String(s) => s.clone(),
        Value::Null => "<none>".into(),
        other => other.to_string(),
    };
    let cells = row.get("cells").and_then(Value::as_array);
    Row {
        key: ObjectKey::new(
            text(object, "/metadata/namespace"),
            text(object, "/metadata/name"),
        ),
        cells: cells.into_iter().flatten().map(cell).collect(),
        look: None,
        labels: labels(object),
    }
}

/// Rows under kubectl's headings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Headings.
    pub columns: Vec<String>,
    /// Which column the look belongs to.
    pub status_column: Option<usize>,
    /// Rows by namespace and name.
    pub rows: Vec<Row>,
}

/// The table of a plural from what the page knows.
#[must_use]
pub fn table(cluster: &Cluster, plural: &str) -> Table {
    let now = cluster.pulse.now;
    let (columns, status_column) = headings(plural);
    let mut rows: Vec<Row> = cluster
        .shelf(plural)
        .values()
        .map(|o| row(cluster, plural, o, now))
        .collect();
    if plural == "events" {
        let seen = |r: &Row| cluster.get("events", &r.key).and_then(last_seen);
        rows.sort_by_key(|r| std::cmp::Reverse(seen(r)));
    }
    Table {
        columns: columns.iter().map(|c| (*c).to_owned()).collect(),
        status_column,
        rows,
    }
}

/// kubectl's headings, and which of them holds the state.
fn headings(plural: &str) -> (&'static [&'static str], Option<usize>) {
    let (line, status): (&'static [&'static str], _) = match plural {
        "pods" => (&PODS, Some(3)),
        "nodes" => (&NODES, Some(1)),
        "services" => (&SERVICES, None),
        "deployments" => (&DEPLOYMENTS, None),
        "replicasets" => (&REPLICASETS, None),
        "configmaps" => (&["NAMESPACE", "NAME", "DATA", "AGE"], None),
        "namespaces" => (&["NAME", "STATUS", "AGE"], None),
        "events" => (&EVENTS, Some(2)),
        _ => (&["NAMESPACE", "NAME", "AGE"], None),
    };
    (line, status)
}

#[rustfmt::skip]
const PODS: [&str; 8] = ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"];
const NODES: [&str; 6] = ["NAME", "STATUS", "AGE", "VERSION", "INTERNAL-IP", "PODS"];
#[rustfmt::skip]
const SERVICES: [&str; 7] = ["NAMESPACE", "NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"];
#[rustfmt::skip]
const DEPLOYMENTS: [&str; 6] = ["NAMESPACE", "NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"];
const REPLICASETS: [&str; 6] = ["NAMESPACE", "NAME", "DESIRED", "CURRENT", "READY", "AGE"];
const EVENTS: [&str; 6] = [
    "NAMESPACE",
    "LAST SEEN",
    "TYPE",
    "REASON",
    "OBJECT",
    "MESSAGE",
];

fn row(cluster: &Cluster, plural: &str, o: &Object, now: Millis) -> Row {
    let (ns, name) = (o.namespace().to_owned(), o.name().to_owned());
    let aged = age(o.created(), now);
    let (cells, look) = match plural {
        "pods" => {
            let view = PodView::of(o);
            let look = view.look;
            (pod_cells(view, aged), Some(look))
        }
        "nodes" => {
            let look = if status_word(o) == "Ready" {
                Look::Ready
            } else {
                Look::Failing
            };
            (node_cells(cluster, o, aged), Some(look))
        }
        "events" => {
            let warning = o.text("/type") == "Warning";
            let look = if warning { Look::Failing } else { Look::Ready };
            (event_cells(o, now), Some(look))
        }
        "services" => (service_cells(o, aged), None),
        "deployments" => {
            let ready = format!(
                "{}/{}",
                count(o, "/status/readyReplicas"),
                count(o, "/spec/replicas")
            );
            let updated = count(o, "/status/updatedReplicas");
            (
                vec![
                    ns,
                    name,
                    ready,
                    updated,
                    count(o, "/status/availableReplicas"),
                    aged,
                ],
                None,
            )
        }
        "replicasets" => {
            let (asked, here) = (count(o, "/spec/replicas"), count(o, "/status/replicas"));
            (
                vec![
                    ns,
                    name,
                    asked,
                    here,
                    count(o, "/status/readyReplicas"),
                    aged,
                ],
                None,
            )
        }
        "configmaps" => {
            let keys = ["/data", "/binaryData"]
                .into_iter()
                .filter_map(|f| o.at(f)?.as_object());
            let keys: usize = keys.map(serde_json::Map::len).sum();
            (vec![ns, name, keys.to_string(), aged], None)
        }
        "namespaces" => (vec![name, o.text("/status/phase").into(), aged], None),
        _ => (vec![ns, name, aged], None),
    };
    Row {
        key: o.key(),
        cells,
        look,
        labels: labels(o.value()),
    }
}

fn count(o: &Object, pointer: &str) -> String {
    o.int(pointer).unwrap_or(0).to_string()
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "<none>" } else { text }.to_owned()
}

fn node_cells(cluster: &Cluster, o: &Object, aged: String) -> Vec<String> {
    let pods = cluster.pods.values().filter(|p| p.node == o.name()).count();
    let addresses = o.items("/status/addresses");
    let internal = addresses.iter().find(|a| text(a, "/type") == "InternalIP");
    vec![
        o.name().into(),
        status_word(o),
        aged,
        o.text("/status/nodeInfo/kubeletVersion").into(),
        or_none(internal.map_or("", |a| text(a, "/address"))),
        pods.to_string(),
    ]
}

fn service_cells(o: &Object, aged: String) -> Vec<String> {
    vec![
        o.namespace().into(),
        o.name().into(),
        or_none(o.text("/spec/type")),
        or_none(o.text("/spec/clusterIP")),
        external(o),
        ports(o),
        aged,
    ]
}

fn event_cells(o: &Object, now: Millis) -> Vec<String> {
    let kind = o.text("/involvedObject/kind").to_lowercase();
    vec![
        o.namespace().into(),
        age(last_seen(o), now),
        o.text("/type").into(),
        o.text("/reason").into(),
        format!("{kind}/{}", o.text("/involvedObject/name")),
        o.text("/message").into(),
    ]
}

fn pod_cells(view: PodView, aged: String) -> Vec<String> {
    let ready = format!("{}/{}", view.ready.0, view.ready.1);
    vec![
        view.key.namespace,
        view.key.name,
        ready,
        view.status,
        view.restarts.to_string(),
        aged,
        or_none(&view.ip),
        or_none(&view.node),
    ]
}

fn external(service: &Object) -> String {
    let ingress = service.items("/status/loadBalancer/ingress");
    let addresses: Vec<&str> = ingress
        .iter()
        .map(|i| text(i, "/ip"))
        .filter(|ip| !ip.is_empty())
        .collect();
    match (service.text("/spec/type"), addresses.is_empty()) {
        ("ExternalName", _) => service.text("/spec/externalName").into(),
        (_, false) => addresses.join(","),
        ("LoadBalancer", true) => "<pending>".into(),
        _ => "<none>".into(),
    }
}

fn ports(service: &Object) -> String {
    let one = |p: &Value| {
        let number = |f: &str| p.get(f).and_then(Value::as_i64);
        let protocol = p.get("protocol").and_then(Value::as_str).unwrap_or("TCP");
        match (
            number("port").unwrap_or(0),
            number("nodePort").filter(|n| *n > 0),
        ) {
            (port, Some(node)) => format!("{port}:{node}/{protocol}"),
            (port, None) => format!("{port}/{protocol}"),
        }
    };
    let all: Vec<String> = service.items("/spec/ports").iter().map(one).collect();
    if all.is_empty() {
        "<none>".into()
    } else {
        all.join(",")
    }
}

/// When an event was seen last: its series, its last timestamp, its event time, its creation.
#[must_use]
pub fn last_seen(event: &Object) -> Option<Millis> {
    ["/series/lastObservedTime", "/lastTimestamp", "/eventTime"]
        .into_iter()
        .find_map(|p| Millis::parse_rfc3339(event.text(p)))
        .or_else(|| event.created())
}

/// The rows of an object's "Now" tab.
#[must_use]
pub fn facts(
    cluster: &Cluster,
    plural: &str,
    o: &Object,
    services: &[ServiceView],
) -> Vec<(String, String)> {
    let now = cluster.pulse.now;
    let r = row(cluster, plural, o, now);
    let (columns, _) = headings(plural);
    let mut out: Vec<(String, String)> = columns
        .iter()
        .zip(r.cells)
        .map(|(c, v)| (sentence_case(c), v))
        .collect();
    if let Some(owner) = o.controller() {
        out.push(("Owner".into(), format!("{} {}", owner.kind, owner.name)));
    }
    for s in services
        .iter()
        .filter(|s| plural == "pods" && s.pods.contains(&o.key()))
    {
        out.push(("Service".into(), format!("{} {}", s.key.name, s.address)));
    }
    for c in o.items("/status/conditions") {
        let message = match (text(c, "/reason"), text(c, "/message")) {
            ("", m) => m.to_owned(),
            (r, "") => r.to_owned(),
            (r, m) => format!("{r}: {m}"),
        };
        let holds = if is_true(c) {
            "yes".to_owned()
        } else {
            format!("no ({})", text(c, "/status"))
        };
        let joined = if message.is_empty() {
            holds
        } else {
            format!("{holds} · {message}")
        };
        out.push((text(c, "/type").to_owned(), joined));
    }
    out
}

/// `NAMESPACE` as `Namespace`; abbreviations stay.
fn sentence_case(heading: &str) -> String {
    if matches!(heading, "IP" | "CLUSTER-IP" | "EXTERNAL-IP" | "INTERNAL-IP") {
        return heading.into();
    }
    let lower = heading.to_lowercase();
    let mut chars = lower.chars();
    chars
        .next()
        .map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// Whether a Deployment has all it wants.
#[must_use]
pub fn is_available(deployment: &Object) -> bool {
    condition(deployment, "Available").is_some_and(is_true)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::live::{Message, Pulse};
    use shared::{KindRef, Revision};

    use super::*;

    fn check(plural: &str, object: Value, want: &str) {
        let mut c = Cluster::default();
        let now = Millis::parse_rfc3339("2026-11-23T06:30:00Z").unwrap();
        c.apply(Message::Pulse(Pulse {
            now,
            ..Pulse::default()
        }));
        c.apply(Message::Snapshot {
            kind: KindRef::new("", "v1", plural),
            revision: Revision(1),
            items: vec![Object::new(object)],
        });
        let t = table(&c, plural);
        assert_eq!(t.rows[0].cells.join(" | "), want);
        assert_eq!(t.rows[0].cells.len(), t.columns.len());
    }

    #[test]
    fn the_servers_tables_are_taken_as_they_come() {
        let answer = json!({"kind": "Table",
            "columnDefinitions": [{"name": "Name"}, {"name": "Status"}, {"name": "Age"}],
            "rows": [{"cells": ["pi", null, 3], "object": {"metadata": {"name": "pi", "namespace": "n", "labels": {"a": "b"}}}}]});
        let t = from_server(&answer, true);
        assert_eq!(t.columns, ["NAMESPACE", "NAME", "STATUS", "AGE"]);
        assert_eq!(t.rows[0].cells, ["n", "pi", "<none>", "3"]);
        assert_eq!(
            (t.status_column, t.rows[0].label("a")),
            (Some(2), Some("b"))
        );
        assert_eq!(from_server(&json!("rubbish"), false), Table::default());
    }

    #[test]
    fn rows_read_as_kubectl_prints_them() {
        let meta = || json!({"name": "web", "namespace": "shop", "creationTimestamp": "2026-11-23T06:25:00Z"});
        check(
            "pods",
            json!({"metadata": meta(), "spec": {"nodeName": "node-1", "containers": [{"name": "c"}]},
                "status": {"phase": "Running", "podIP": "10.244.1.4",
                    "containerStatuses": [{"name": "c", "ready": true, "restartCount": 1, "state": {"running": {}}}]}}),
            "shop | web | 1/1 | Running | 1 | 5m | 10.244.1.4 | node-1",
        );
        check(
            "services",
            json!({"metadata": meta(), "spec": {"type": "NodePort", "clusterIP": "10.96.0.7",
                "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}}),
            "shop | web | NodePort | 10.96.0.7 | <none> | 80:30080/TCP,53/UDP | 5m",
        );
        check(
            "deployments",
            json!({"metadata": meta(), "spec": {"replicas": 3}, "status": {"readyReplicas": 2, "updatedReplicas": 3}}),
            "shop | web | 2/3 | 3 | 0 | 5m",
        );
        check(
            "nodes",
            json!({"metadata": {"name": "node-1"}, "status": {"nodeInfo": {"kubeletVersion": "v1.36.0"},
                "conditions": [{"type": "Ready", "status": "True"}]}}),
            "node-1 | Ready | <unknown> | v1.36.0 | <none> | 0",
        );
        check(
            "events",
            json!({"metadata": meta(), "type": "Warning", "reason": "BackOff", "message": "m",
                "lastTimestamp": "2026-11-23T06:29:30Z", "involvedObject": {"kind": "Pod", "name": "web"}}),
            "shop | 30s | Warning | BackOff | pod/web | m",
        );
        check(
            "configmaps",
            json!({"metadata": meta(), "data": {"a": "", "b": ""}}),
            "shop | web | 2 | 5m",
        );
    }
}
