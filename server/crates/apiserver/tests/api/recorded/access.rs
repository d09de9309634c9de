//! The roles and bindings of a fresh cluster.

use serde_json::{Map, Value};

use super::{Known, cases, differences, judge};
use crate::harness::Cluster;

const RBAC: &str = include_str!("../../data/rbac.txt");

pub(crate) const DIFFERENCES: &[Known] = &[];

/// What was recorded of a role or a binding: labels but the one that all defaults have, rules unless they are
/// gathered by a controller, the name of the role, subjects as `KIND:NAMESPACE:NAME`.
fn shown(object: &Value) -> Value {
    let mut shown = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        shown.extend(value.map(|value| (name.to_owned(), value)));
    };
    let mut labels = object["metadata"]["labels"].clone();
    if let Some(labels) = labels.as_object_mut() {
        labels.remove("kubernetes.io/bootstrapping");
    }
    put(
        "labels",
        Some(labels).filter(|l| l.as_object().is_some_and(|l| !l.is_empty())),
    );
    let aggregation = object.get("aggregationRule").cloned();
    if aggregation.is_none() {
        put("rules", object.get("rules").cloned());
    }
    put("aggregationRule", aggregation);
    put("roleRef", object.pointer("/roleRef/name").cloned());
    let subjects = object["subjects"].as_array().map(|subjects| {
        let part = |s: &Value, name: &str| s[name].as_str().unwrap_or_default().to_owned();
        let all = subjects.iter();
        all.map(|s| {
            let [kind, namespace, name] = ["kind", "namespace", "name"].map(|n| part(s, n));
            Value::from(format!("{kind}:{namespace}:{name}"))
        })
        .collect()
    });
    put("subjects", subjects);
    Value::Object(shown)
}

#[test]
fn a_fresh_cluster_has_the_same_roles() {
    let mut cluster = Cluster::new();
    let mut found = Vec::new();
    for case in cases(RBAC) {
        let (plural, key) = case.title.split_once(' ').expect("a resource and a key");
        let root = "/apis/rbac.authorization.k8s.io/v1";
        let url = match key.split_once('/') {
            Some((namespace, name)) => format!("{root}/namespaces/{namespace}/{plural}/{name}"),
            None => format!("{root}/{plural}/{key}"),
        };
        let reply = cluster.get(&url, "");
        let mut lines = Vec::new();
        if reply.code == 200 {
            differences(&case.answer, &shown(&reply.json), "", &mut lines);
        } else {
            lines.push(reply.summary());
        }
        found.extend(lines.into_iter().map(|l| (case.title.clone(), l)));
    }
    judge(&found, DIFFERENCES);
}
