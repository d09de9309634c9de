//! Services: addresses and node ports are claimed once and come back.

use crate::harness::Cluster;
use serde_json::{Value, json};

const SERVICES: &str = "/api/v1/namespaces/rec/services";

fn service(name: &str, spec: Value) -> String {
    json!({"metadata": {"name": name}, "spec": spec}).to_string()
}

fn held(cluster: &Cluster) -> (usize, usize) {
    let snapshot = cluster.store.snapshot();
    (
        snapshot.iter("/registry/ipaddresses/").count(),
        snapshot.iter("/registry/ranges/servicenodeports/").count(),
    )
}

#[test]
fn types_decide_what_is_claimed() {
    let mut cluster = Cluster::new();
    let ports = json!([{"port": 80}]);
    for (name, spec, want) in [
        ("a", json!({"ports": ports}), (2, 0)),
        ("b", json!({"ports": ports, "type": "NodePort"}), (3, 1)),
        (
            "c",
            json!({"ports": [{"name": "x", "port": 80}, {"name": "y", "port": 81, "protocol": "UDP"}], "type": "LoadBalancer"}),
            (4, 3),
        ),
        ("d", json!({"ports": ports, "clusterIP": "None"}), (4, 3)),
        (
            "e",
            json!({"type": "ExternalName", "externalName": "x.example"}),
            (4, 3),
        ),
        (
            "f",
            json!({"ports": ports, "type": "LoadBalancer", "allocateLoadBalancerNodePorts": false}),
            (5, 3),
        ),
    ] {
        let made = cluster.send("POST", SERVICES, &service(name, spec));
        assert_eq!(made.summary(), "201", "{name}");
        assert_eq!(held(&cluster), want, "{name}");
    }
    let claim = cluster.get(SERVICES, "").at("/items/0/spec/clusterIP");
    let address = cluster.get(
        &format!(
            "/apis/networking.k8s.io/v1/ipaddresses/{}",
            claim.as_str().unwrap_or_default()
        ),
        "",
    );
    assert_eq!(address.at("/spec/parentRef/name"), json!("a"));
    for name in ["a", "b", "c", "d", "e", "f"] {
        assert_eq!(
            cluster
                .send("DELETE", &format!("{SERVICES}/{name}"), "")
                .code,
            200
        );
    }
    assert_eq!(held(&cluster), (1, 0));
}

#[test]
fn changing_the_type_claims_and_releases() {
    let mut cluster = Cluster::new();
    cluster.send(
        "POST",
        SERVICES,
        &service("s", json!({"ports": [{"port": 80}]})),
    );
    let url = format!("{SERVICES}/s");
    let ip = cluster.get(&url, "").at("/spec/clusterIP");
    let mut change = |patch: Value, want: (usize, usize)| {
        let reply = cluster.patch("merge", &url, &json!({"spec": patch}).to_string());
        assert_eq!(
            (reply.summary().as_str(), held(&cluster)),
            ("200", want),
            "{patch}"
        );
        reply
    };
    let node_port = change(json!({"type": "NodePort"}), (2, 1));
    assert_eq!(node_port.at("/spec/clusterIP"), ip);
    assert!(
        node_port
            .at("/spec/ports/0/nodePort")
            .as_i64()
            .is_some_and(|p| (30_000..=32_767).contains(&p))
    );
    let plain = change(json!({"type": "ClusterIP"}), (2, 0));
    assert_eq!(plain.at("/spec/ports/0/nodePort"), Value::Null);
    assert_eq!(plain.at("/spec/externalTrafficPolicy"), Value::Null);
    change(
        json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30_005}]}),
        (2, 1),
    );
    change(json!({"ports": [{"port": 80, "nodePort": 30_006}]}), (2, 1));
    let external = change(
        json!({"type": "ExternalName", "externalName": "x.example"}),
        (1, 0),
    );
    assert_eq!(external.at("/spec/clusterIP"), Value::Null);
    change(json!({"type": "ClusterIP", "externalName": null}), (2, 0));
}

#[test]
fn a_put_without_the_address_keeps_it() {
    let mut cluster = Cluster::new();
    let made = cluster.send(
        "POST",
        SERVICES,
        &service("s", json!({"type": "NodePort", "ports": [{"port": 80}]})),
    );
    let put = cluster.send(
        "PUT",
        &format!("{SERVICES}/s"),
        &service(
            "s",
            json!({"type": "NodePort", "ports": [{"port": 80}], "selector": {"a": "b"}}),
        ),
    );
    for pointer in ["/spec/clusterIP", "/spec/ports/0/nodePort"] {
        assert_eq!(put.at(pointer), made.at(pointer), "{pointer}");
    }
}

#[test]
fn what_is_taken_or_wrong_is_refused() {
    let mut cluster = Cluster::new();
    let node_port = |name: &str, port: i64| {
        service(
            name,
            json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": port}]}),
        )
    };
    assert_eq!(
        cluster.send("POST", SERVICES, &node_port("a", 30_001)).code,
        201
    );
    let invalid = "422 Service \"bad\" is invalid: ";
    for (body, want) in [
        (
            service(
                "bad",
                json!({"ports": [{"port": 80}], "clusterIP": "10.96.0.1"}),
            ),
            "spec.clusterIPs: Invalid value: [\"10.96.0.1\"]: failed to allocate IP 10.96.0.1: provided IP is already allocated",
        ),
        (
            service(
                "bad",
                json!({"ports": [{"port": 80}], "clusterIP": "1.2.3.4"}),
            ),
            "spec.clusterIPs: Invalid value: [\"1.2.3.4\"]: failed to allocate IP 1.2.3.4: provided IP is not in the valid range. The range of valid IPs is 10.96.0.0/12",
        ),
        (
            node_port("bad", 30_001),
            "spec.ports[0].nodePort: Invalid value: 30001: provided port is already allocated",
        ),
        (
            node_port("bad", 80),
            "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767",
        ),
        (service("bad", json!({})), "spec.ports: Required value"),
        (
            service("bad", json!({"ports": [{"port": 80}, {"port": 81}]})),
            "[spec.ports[0].name: Required value, spec.ports[1].name: Required value]",
        ),
        (
            service("bad", json!({"ports": [{"port": 80, "nodePort": 30_009}]})),
            "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
        ),
        (
            service("bad", json!({"type": "ExternalName"})),
            "spec.externalName: Required value",
        ),
        (
            service("bad", json!({"type": "Nope", "ports": [{"port": 80}]})),
            "spec.type: Unsupported value: \"Nope\": supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \"NodePort\"",
        ),
    ] {
        assert_eq!(
            cluster.send("POST", SERVICES, &body).summary(),
            format!("{invalid}{want}"),
            "{body}"
        );
    }
    let moved = cluster.patch(
        "merge",
        &format!("{SERVICES}/a"),
        r#"{"spec":{"clusterIP":"10.96.7.7","clusterIPs":["10.96.7.7"]}}"#,
    );
    assert_eq!(
        moved.summary(),
        "422 Service \"a\" is invalid: spec.clusterIPs[0]: Invalid value: [\"10.96.7.7\"]: may not change once set"
    );
}
