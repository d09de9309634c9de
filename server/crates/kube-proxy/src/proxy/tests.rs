//! Services and slices in, verdicts out.

use super::*;
use crate::rule::{Flow, Verdict};
use client::WatchEvent;
use serde_json::json;
use shared::live::Change;

const NOW: Millis = Millis(0);

fn service(more: Value) -> Value {
    let mut spec = json!({"clusterIP": "10.96.0.9", "type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]});
    for (name, value) in more.as_object().unwrap() {
        spec[name] = value.clone();
    }
    json!({"kind": "Service", "metadata": {"name": "web", "namespace": "a", "resourceVersion": "2"}, "spec": spec})
}

/// `10.244.1.2 node-1 ready`, ...
fn slice(lines: &[&str]) -> Value {
    let endpoints: Vec<Value> = lines
        .iter()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let conditions = match words[2] {
                "ready" => json!({"ready": true, "serving": true, "terminating": false}),
                "ending" => json!({"ready": false, "serving": true, "terminating": true}),
                _ => json!({"ready": false, "serving": false, "terminating": false}),
            };
            json!({"addresses": [words[0]], "nodeName": words[1], "conditions": conditions})
        })
        .collect();
    json!({
        "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "web-x", "namespace": "a", "resourceVersion": "3", "labels": {"kubernetes.io/service-name": "web"}},
        "ports": [{"port": 8080, "protocol": "TCP"}], "endpoints": endpoints,
    })
}

fn proxy(service: Value, slice: Value) -> KubeProxy {
    let mut proxy = KubeProxy::new("node-1", 7);
    for (kind, object) in [(services(), service), (slices(), slice)] {
        proxy.observe(
            Observed::Replaced {
                kind,
                revision: Revision(3),
                objects: vec![Object::new(object)],
            },
            NOW,
        );
    }
    proxy.poll(NOW);
    proxy
}

fn flow(source: &str, destination: &str) -> Flow {
    Flow {
        protocol: Protocol::Tcp,
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
    }
}

/// Which endpoints 200 clients are sent to.
fn spread(
    proxy: &KubeProxy,
    ask: impl Fn(&ServiceTable, &Flow) -> Option<Verdict>,
    to: &str,
) -> Vec<String> {
    let table = proxy.table();
    let mut seen: Vec<String> = (0..200)
        .map(|i| {
            match ask(
                &table,
                &flow(&format!("10.244.9.{}:{}", i % 100, 1000 + i), to),
            ) {
                Some(Verdict::To(endpoint)) => endpoint.address.to_string(),
                Some(Verdict::Reject) => "reject".into(),
                Some(Verdict::Drop) => "drop".into(),
                None => "-".into(),
            }
        })
        .collect();
    seen.sort();
    seen.dedup();
    seen
}

const TWO: &[&str] = &["10.244.1.2 node-1 ready", "10.244.2.2 node-2 ready"];

#[test]
fn verdicts_follow_endpoints_and_policies() {
    let (both, local) = (["10.244.1.2:8080", "10.244.2.2:8080"], ["10.244.1.2:8080"]);
    for (name, spec, endpoints, inside, outside) in [
        ("two ready", json!({}), TWO, &both[..], &both[..]),
        ("none", json!({}), &[][..], &["reject"], &["reject"]),
        (
            "not ready",
            json!({}),
            &["10.244.1.2 node-1 down"],
            &["reject"],
            &["reject"],
        ),
        (
            "ending only",
            json!({}),
            &["10.244.1.2 node-1 ending"],
            &local,
            &local,
        ),
        (
            "ending beside ready",
            json!({}),
            &["10.244.1.2 node-1 ready", "10.244.2.2 node-2 ending"],
            &local,
            &local,
        ),
        (
            "external local",
            json!({"externalTrafficPolicy": "Local"}),
            TWO,
            &both,
            &local,
        ),
        (
            "internal local",
            json!({"internalTrafficPolicy": "Local"}),
            TWO,
            &local,
            &both,
        ),
        (
            "local elsewhere",
            json!({"internalTrafficPolicy": "Local"}),
            &["10.244.2.2 node-2 ready"],
            &["drop"],
            &["10.244.2.2:8080"],
        ),
        (
            "headless",
            json!({"clusterIP": "None"}),
            TWO,
            &["-"],
            &["-"],
        ),
    ] {
        let proxy = proxy(service(spec), slice(endpoints));
        assert_eq!(
            spread(&proxy, ServiceTable::verdict, "10.96.0.9:80"),
            inside,
            "{name}: inside"
        );
        assert_eq!(
            spread(&proxy, ServiceTable::node_port_verdict, "127.0.0.1:30080"),
            outside,
            "{name}: outside"
        );
    }
}

#[test]
fn a_sticky_client_stays_with_its_endpoint() {
    let proxy = proxy(service(json!({"sessionAffinity": "ClientIP"})), slice(TWO));
    let ask = |port: u16| {
        proxy
            .table()
            .verdict(&flow(&format!("10.244.9.9:{port}"), "10.96.0.9:80"))
    };
    assert!((1..100).all(|port| ask(port) == ask(1)));
}

#[test]
fn a_second_look_changes_nothing_and_a_deleted_service_leaves_nothing() {
    let mut proxy = proxy(service(json!({})), slice(TWO));
    assert!(proxy.take_changed().is_some());
    proxy.dirty.insert(ObjectKey::new("a", "web"), Revision(4));
    proxy.poll(NOW);
    assert!(proxy.take_changed().is_none());
    let event = WatchEvent {
        change: Change::Deleted,
        object: Object::new(service(json!({}))),
    };
    proxy.observe(
        Observed::Event {
            kind: services(),
            event,
        },
        NOW,
    );
    proxy.poll(NOW);
    assert!(proxy.take_changed().is_some_and(|t| t.is_empty()));
}

#[test]
fn nothing_is_decided_before_both_lists_are_there() {
    let mut proxy = KubeProxy::new("node-1", 7);
    let objects = vec![Object::new(service(json!({})))];
    proxy.observe(
        Observed::Replaced {
            kind: services(),
            revision: Revision(1),
            objects,
        },
        NOW,
    );
    proxy.poll(NOW);
    assert!(proxy.take_changed().is_none());
}
