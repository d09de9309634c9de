//! Environments as the original makes them.

use std::net::Ipv4Addr;

use client::{Cache, Observed};
use serde_json::json;
use shared::Revision;

use super::*;
use crate::config::KubeletConfig;
use crate::spec::PodSpec;

#[test]
fn references_expand_as_documented() {
    let lookup = |name: &str| (name == "A").then(|| "1".to_owned());
    for (text, want) in [
        ("$(A)", "1"),
        ("x$(A)y$(A)", "x1y1"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(B)", "$(B)"),
        ("$A", "$A"),
        ("$(A", "$(A"),
        ("$", "$"),
        ("100$", "100$"),
        ("é$(A)é", "é1é"),
    ] {
        assert_eq!(expand(text, lookup), want, "{text}");
    }
}

fn cache() -> Cache {
    let mut cache = Cache::default();
    let mut put = |plural: &str, objects: Vec<Value>| {
        cache.apply(Observed::Replaced {
            kind: shared::KindRef::new("", "v1", plural),
            revision: Revision(1),
            objects: objects.into_iter().map(Object::new).collect(),
        })
    };
    put(
        "configmaps",
        vec![json!({"metadata": {"name": "m", "namespace": "a"}, "data": {"x": "1", "y": "2"}})],
    );
    put(
        "secrets",
        vec![json!({"metadata": {"name": "s", "namespace": "a"}, "data": {"pw": "aHVzaA=="}})],
    );
    put(
        "services",
        vec![
            json!({"metadata": {"name": "my-db", "namespace": "a"}, "spec": {"clusterIP": "10.96.0.9", "ports": [{"name": "sql", "port": 5432, "protocol": "TCP"}]}}),
            json!({"metadata": {"name": "hidden", "namespace": "a"}, "spec": {"clusterIP": "None", "ports": [{"port": 1}]}}),
            json!({"metadata": {"name": "other", "namespace": "b"}, "spec": {"clusterIP": "10.96.0.8", "ports": [{"port": 1}]}}),
        ],
    );
    cache
}

fn check(spec: Value) -> String {
    let pod = Object::new(json!({"metadata": {"name": "p", "namespace": "a"}, "spec": spec}));
    let spec = PodSpec::parse(pod.at("/spec")).unwrap();
    let config = KubeletConfig::new("n1", Ipv4Addr::new(10, 0, 0, 1));
    let subject = Subject {
        pod: &pod,
        spec: &spec,
        ip: None,
        config: &config,
    };
    let cache = cache();
    match environment(&spec.containers[0], &subject, &Sources::new(&cache)) {
        Ok(env) => env
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect::<Vec<_>>()
            .join(" "),
        Err(error) => error.to_string(),
    }
}

#[test]
fn sources_combine_and_the_later_wins() {
    let with =
        |container: Value| check(json!({"enableServiceLinks": false, "containers": [container]}));
    for (container, want) in [
        (
            json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)-$(C)"}, {"name": "C", "value": "3"}]}),
            "A=1 B=1-$(C) C=3",
        ),
        (
            json!({"envFrom": [{"prefix": "P_", "configMapRef": {"name": "m"}}]}),
            "P_x=1 P_y=2",
        ),
        (
            json!({"envFrom": [{"configMapRef": {"name": "m"}}], "env": [{"name": "x", "value": "own $(y)"}]}),
            "x=own 2 y=2",
        ),
        (
            json!({"envFrom": [{"secretRef": {"name": "s"}}]}),
            "pw=hush",
        ),
        (
            json!({"envFrom": [{"secretRef": {"name": "no"}}]}),
            "secret \"no\" not found",
        ),
        (
            json!({"envFrom": [{"secretRef": {"name": "no", "optional": true}}]}),
            "",
        ),
        (
            json!({"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "x"}}}]}),
            "A=1",
        ),
        (
            json!({"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "z"}}}]}),
            "couldn't find key z in ConfigMap a/m",
        ),
        (
            json!({"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "z", "optional": true}}}]}),
            "",
        ),
        (
            json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "pw"}}}]}),
            "A=hush",
        ),
        (
            json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "no", "key": "pw"}}}]}),
            "secret \"no\" not found",
        ),
        (
            json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]}),
            "A=n1",
        ),
        (
            json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "nope"}}}]}),
            "field label not supported: nope",
        ),
    ] {
        assert_eq!(with(container.clone()), want, "{container}");
    }
}

#[test]
fn services_of_the_namespace_are_linked() {
    let env = check(
        json!({"containers": [{"env": [{"name": "URL", "value": "$(MY_DB_SERVICE_HOST):$(MY_DB_SERVICE_PORT)"}]}]}),
    );
    expect_test::expect![[
        "MY_DB_PORT=tcp://10.96.0.9:5432 MY_DB_PORT_5432_TCP=tcp://10.96.0.9:5432 MY_DB_PORT_5432_TCP_ADDR=10.96.0.9 MY_DB_PORT_5432_TCP_PORT=5432 MY_DB_PORT_5432_TCP_PROTO=tcp MY_DB_SERVICE_HOST=10.96.0.9 MY_DB_SERVICE_PORT=5432 MY_DB_SERVICE_PORT_SQL=5432 URL=10.96.0.9:5432"
    ]]
    .assert_eq(&env);
}
