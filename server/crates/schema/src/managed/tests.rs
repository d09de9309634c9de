//! What creates, updates and patches record.

use serde_json::json;

use super::*;

const NOON: Millis = Millis(1_795_415_138_000);

fn writer<'a>(manager: &'a str, api_version: &'a str) -> Writer<'a> {
    Writer {
        manager,
        api_version,
        subresource: "",
        now: NOON,
        ignored: &["/status"],
    }
}

/// What the creator owns of a new object.
fn created(api_version: &str, kind: &str, mut object: Value) -> Value {
    object["apiVersion"] = api_version.into();
    object["kind"] = kind.into();
    let schema = Schema::built_in();
    let mut object = schema.canonical(api_version, kind, object);
    schema.update_managed_fields(None, &mut object, &writer("me", api_version));
    object
        .pointer("/metadata/managedFields/0/fieldsV1")
        .cloned()
        .unwrap_or_default()
}

#[test]
fn the_creator_owns_what_it_set() {
    for (api_version, kind, object, want) in [
        (
            "v1",
            "ConfigMap",
            json!({"metadata": {"name": "c", "labels": {"a": "b"}, "finalizers": ["x/y"]}, "data": {"k": "v"}}),
            json!({"f:data": {".": {}, "f:k": {}}, "f:metadata": {
                "f:finalizers": {".": {}, "v:\"x/y\"": {}}, "f:labels": {".": {}, "f:a": {}}}}),
        ),
        (
            "v1",
            "Pod",
            json!({"metadata": {"generateName": "p-"}, "spec": {
                "containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80, "protocol": "TCP"}], "args": ["a"]}],
                "volumes": [{"name": "v", "emptyDir": {}}], "nodeSelector": {"a": "b"}, "securityContext": {}}}),
            json!({"f:metadata": {"f:generateName": {}}, "f:spec": {
                "f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:args": {}, "f:image": {}, "f:name": {},
                    "f:ports": {".": {}, "k:{\"containerPort\":80,\"protocol\":\"TCP\"}":
                        {".": {}, "f:containerPort": {}, "f:protocol": {}}}, "f:resources": {}}},
                "f:nodeSelector": {}, "f:securityContext": {},
                "f:volumes": {".": {}, "k:{\"name\":\"v\"}": {".": {}, "f:emptyDir": {}, "f:name": {}}}}}),
        ),
        (
            "v1",
            "Service",
            json!({"spec": {"type": "ClusterIP", "selector": {"a": "b"}, "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}]},
                "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}}),
            json!({"f:spec": {"f:ports": {".": {}, "k:{\"port\":80,\"protocol\":\"TCP\"}":
                {".": {}, "f:port": {}, "f:protocol": {}, "f:targetPort": {}}}, "f:selector": {}, "f:type": {}}}),
        ),
        (
            "apps/v1",
            "Deployment",
            json!({"spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "strategy": {"type": "Recreate"},
                "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c"}]}}}}),
            json!({"f:spec": {"f:replicas": {}, "f:selector": {}, "f:strategy": {"f:type": {}}, "f:template": {
                "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
                "f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:name": {}, "f:resources": {}}}}}}}),
        ),
        (
            "apps/v1",
            "ReplicaSet",
            json!({"metadata": {"ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": "u"}]}}),
            json!({"f:metadata": {"f:ownerReferences": {".": {}, "k:{\"uid\":\"u\"}": {}}}}),
        ),
    ] {
        assert_eq!(created(api_version, kind, object), want, "{kind}");
    }
}

/// Runs updates in a row and gives the managers as `manager: fields`.
fn history(steps: &[(&str, &str, u64, Value)]) -> Vec<String> {
    let schema = Schema::built_in();
    let mut live: Option<Value> = None;
    for (manager, subresource, seconds, object) in steps {
        let mut object = object.clone();
        object["apiVersion"] = "apps/v1".into();
        object["kind"] = "Deployment".into();
        if object.get("metadata").is_none() {
            object["metadata"] = json!({});
        }
        let now = NOON.plus_secs(*seconds);
        let ignored: &[&str] = if subresource.is_empty() {
            &["/status"]
        } else {
            &["/spec"]
        };
        let writer = Writer {
            manager,
            api_version: "apps/v1",
            subresource,
            now,
            ignored,
        };
        schema.update_managed_fields(live.as_ref(), &mut object, &writer);
        live = Some(object);
    }
    let entries = live
        .as_ref()
        .and_then(|o| o.pointer("/metadata/managedFields"))
        .and_then(Value::as_array);
    let text = |e: &Value, field: &str| {
        e.get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let line = |e: &Value| {
        format!(
            "{} {} {}",
            text(e, "manager"),
            text(e, "subresource"),
            e["fieldsV1"]
        )
        .replace("  ", " ")
    };
    entries.into_iter().flatten().map(line).collect()
}

#[test]
fn changing_a_field_takes_it_over() {
    let spec = |replicas: u32, paused: bool| json!({"spec": {"replicas": replicas, "paused": paused, "minReadySeconds": 3}});
    assert_eq!(
        history(&[
            ("a", "", 0, spec(1, true)),
            ("b", "", 1, spec(2, true)),
            ("c", "", 2, json!({"spec": {"replicas": 2}}))
        ]),
        [r#"b {"f:spec":{"f:replicas":{}}}"#],
        "what c removes belongs to nobody"
    );
    assert_eq!(
        history(&[
            ("a", "", 0, spec(1, true)),
            ("b", "", 1, spec(2, true)),
            ("a", "", 2, spec(3, true))
        ]),
        [r#"a {"f:spec":{"f:minReadySeconds":{},"f:paused":{},"f:replicas":{}}}"#]
    );
    assert_eq!(
        history(&[
            ("a", "", 0, json!({"spec": {"replicas": 1}, "status": {}})),
            (
                "s",
                "status",
                1,
                json!({"spec": {"replicas": 9}, "status": {"replicas": 1}})
            ),
            ("a", "", 2, json!({"spec": {"replicas": 9}, "status": {}})),
        ]),
        [
            r#"a {"f:spec":{"f:replicas":{}}}"#,
            r#"s status {"f:status":{"f:replicas":{}}}"#
        ],
        "each way of writing leaves the other's fields alone"
    );
}

#[test]
fn clients_may_clear_but_not_spoil_the_record() {
    let cleared = json!({"metadata": {"managedFields": [{}]}, "spec": {"replicas": 1}});
    let spoiled = json!({"metadata": {"managedFields": [{"manager": "x", "operation": "Nonsense"}]}, "spec": {"replicas": 1}});
    let sent = json!({"metadata": {"managedFields": [{"manager": "x", "operation": "Update", "apiVersion": "apps/v1",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:paused": {}}}}]}, "spec": {"replicas": 1}});
    let base = ("a", "", 0, json!({"spec": {"replicas": 1}}));
    assert!(history(&[base.clone(), ("b", "", 1, cleared)]).is_empty());
    assert_eq!(
        history(&[base.clone(), ("b", "", 1, spoiled)]),
        [r#"a {"f:spec":{"f:replicas":{}}}"#]
    );
    assert_eq!(
        history(&[base, ("b", "", 1, sent)]),
        [r#"x {"f:spec":{"f:paused":{}}}"#]
    );
}

#[test]
fn old_updaters_are_put_together() {
    let names: Vec<String> = (0..14).map(|n| format!("m{n:02}")).collect();
    let mut labels = Map::new();
    let mut steps = Vec::new();
    for (n, name) in names.iter().enumerate() {
        labels.insert(name.clone(), "x".into());
        steps.push((
            name.as_str(),
            "",
            n as u64,
            json!({"metadata": {"labels": labels.clone()}}),
        ));
    }
    let all = history(&steps);
    assert_eq!(all.len(), MAX_UPDATERS);
    let ancient = all
        .iter()
        .find(|line| line.starts_with(ANCIENT))
        .expect("a stand-in");
    for (name, line) in [
        ("f:m00", true),
        ("f:m04", true),
        ("f:m05", false),
        ("f:m13", false),
    ] {
        assert_eq!(ancient.contains(name), line, "{name} in {ancient}");
    }
}
