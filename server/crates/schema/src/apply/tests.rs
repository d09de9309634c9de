//! Transcripts of server-side apply: each step's manager and configuration, then who owns what.

use std::fmt::Write;

use expect_test::{Expect, expect};
use serde_json::json;
use shared::Millis;

use super::*;

enum Step {
    Apply(&'static str, Value),
    Force(&'static str, Value),
    /// An update with the whole object.
    Update(&'static str, Value),
}

fn describe(out: &mut String, object: &Value) {
    let mut plain = without_managed_fields(object);
    for field in ["apiVersion", "kind"] {
        plain.as_object_mut().map(|o| o.remove(field));
    }
    writeln!(out, "  = {plain}").expect("text");
    for entry in object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
        writeln!(
            out,
            "  {} {} {} {}",
            text("manager"),
            text("operation"),
            text("time").get(17..19).unwrap_or("--"),
            entry["fieldsV1"]
        )
        .expect("text");
    }
}

fn check(kind: &str, steps: Vec<Step>, want: &Expect) {
    let schema = Schema::built_in();
    let api_version = if kind == "Deployment" {
        "apps/v1"
    } else {
        "v1"
    };
    let mut live: Option<Value> = None;
    let mut out = String::new();
    for (n, step) in steps.into_iter().enumerate() {
        let now = Millis(1_795_415_100_000).plus_secs(n as u64);
        let (verb, manager, mut object) = match step {
            Step::Apply(manager, object) => ("applies", manager, object),
            Step::Force(manager, object) => ("forces", manager, object),
            Step::Update(manager, object) => ("updates", manager, object),
        };
        writeln!(out, "{manager} {verb} {object}").expect("text");
        object["apiVersion"] = api_version.into();
        object["kind"] = kind.into();
        if object.get("metadata").is_none() {
            object["metadata"] = json!({});
        }
        let writer = Writer {
            manager,
            api_version,
            subresource: "",
            now,
            ignored: &["/status"],
        };
        if verb == "updates" {
            schema.update_managed_fields(live.as_ref(), &mut object, &writer);
            live = Some(object);
        } else {
            match schema.apply(live.as_ref(), &object, &writer, verb == "forces") {
                Ok(merged) => live = Some(merged),
                Err(e) => {
                    let status = e.status();
                    writeln!(
                        out,
                        "  {} {} {}",
                        status.code, status.reason, status.message
                    )
                    .expect("text");
                    continue;
                }
            }
        }
        describe(&mut out, live.as_ref().expect("an object"));
    }
    want.assert_eq(&out);
}

#[test]
fn two_appliers_share_and_fight() {
    use Step::{Apply, Force};
    check(
        "ConfigMap",
        vec![
            Apply("a", json!({"data": {"x": "1", "y": "1"}})),
            Apply("b", json!({"data": {"z": "1"}})),
            Apply("b", json!({"data": {"z": "1", "x": "2"}})),
            Apply("b", json!({"data": {"z": "1", "x": "1"}})),
            Force("b", json!({"data": {"z": "1", "x": "2"}})),
            Apply("a", json!({"data": {}})),
            Apply("a", json!({"data": {}})),
            Apply("b", json!({})),
        ],
        &expect![[r#"
            a applies {"data":{"x":"1","y":"1"}}
              = {"data":{"x":"1","y":"1"},"metadata":{}}
              a Apply 00 {"f:data":{"f:x":{},"f:y":{}}}
            b applies {"data":{"z":"1"}}
              = {"data":{"x":"1","y":"1","z":"1"},"metadata":{}}
              a Apply 00 {"f:data":{"f:x":{},"f:y":{}}}
              b Apply 01 {"f:data":{"f:z":{}}}
            b applies {"data":{"x":"2","z":"1"}}
              409 Conflict Apply failed with 1 conflict: conflict with "a": .data.x
            b applies {"data":{"x":"1","z":"1"}}
              = {"data":{"x":"1","y":"1","z":"1"},"metadata":{}}
              a Apply 00 {"f:data":{"f:x":{},"f:y":{}}}
              b Apply 01 {"f:data":{"f:x":{},"f:z":{}}}
            b forces {"data":{"x":"2","z":"1"}}
              = {"data":{"x":"2","y":"1","z":"1"},"metadata":{}}
              a Apply 00 {"f:data":{"f:y":{}}}
              b Apply 04 {"f:data":{"f:x":{},"f:z":{}}}
            a applies {"data":{}}
              = {"data":{"x":"2","z":"1"},"metadata":{}}
              b Apply 04 {"f:data":{"f:x":{},"f:z":{}}}
              a Apply 05 {"f:data":{}}
            a applies {"data":{}}
              = {"data":{"x":"2","z":"1"},"metadata":{}}
              b Apply 04 {"f:data":{"f:x":{},"f:z":{}}}
              a Apply 05 {"f:data":{}}
            b applies {}
              = {"data":null,"metadata":{}}
              a Apply 05 {"f:data":{}}
        "#]],
    );
}

#[test]
fn updaters_own_what_they_change() {
    use Step::{Apply, Update};
    check(
        "ConfigMap",
        vec![
            Apply("b", json!({"data": {"x": "2", "z": "1"}})),
            Update("c", json!({"data": {"x": "2", "z": "9"}})),
            Apply("b", json!({"data": {"x": "3", "z": "1"}})),
            Update(
                "c",
                json!({"metadata": {"managedFields": [{}]}, "data": {"x": "2", "z": "9"}}),
            ),
            Apply("a", json!({"data": {"x": "2"}})),
            Apply("a", json!({"data": {"x": "2"}})),
            Apply("a", json!({"data": {"x": "7", "z": "7"}})),
        ],
        &expect![[r#"
            b applies {"data":{"x":"2","z":"1"}}
              = {"data":{"x":"2","z":"1"},"metadata":{}}
              b Apply 00 {"f:data":{"f:x":{},"f:z":{}}}
            c updates {"data":{"x":"2","z":"9"}}
              = {"data":{"x":"2","z":"9"},"metadata":{}}
              b Apply 00 {"f:data":{"f:x":{}}}
              c Update 01 {"f:data":{"f:z":{}}}
            b applies {"data":{"x":"3","z":"1"}}
              409 Conflict Apply failed with 1 conflict: conflict with "c" using v1: .data.z
            c updates {"data":{"x":"2","z":"9"},"metadata":{"managedFields":[{}]}}
              = {"data":{"x":"2","z":"9"},"metadata":{}}
            a applies {"data":{"x":"2"}}
              = {"data":{"x":"2","z":"9"},"metadata":{}}
              a Apply -- {"f:data":{"f:x":{}}}
              before-first-apply Update 04 {"f:data":{".":{},"f:x":{},"f:z":{}}}
            a applies {"data":{"x":"2"}}
              = {"data":{"x":"2","z":"9"},"metadata":{}}
              a Apply -- {"f:data":{"f:x":{}}}
              before-first-apply Update 04 {"f:data":{".":{},"f:x":{},"f:z":{}}}
            a applies {"data":{"x":"7","z":"7"}}
              409 Conflict Apply failed with 2 conflicts: conflicts with "before-first-apply" using v1:
            - .data.x
            - .data.z
        "#]],
    );
}

#[test]
fn lists_belong_item_by_item() {
    use Step::{Apply, Force};
    let containers = |list: Value| json!({"spec": {"template": {"spec": {"containers": list}}}});
    check(
        "Deployment",
        vec![
            Apply(
                "a",
                containers(
                    json!([{"name": "c", "image": "i", "ports": [{"containerPort": 80}], "args": ["x"]}]),
                ),
            ),
            Apply(
                "b",
                containers(
                    json!([{"name": "d", "image": "j"}, {"name": "c", "ports": [{"containerPort": 81}]}]),
                ),
            ),
            Apply("b", containers(json!([{"name": "c", "args": ["y"]}]))),
            Force("b", containers(json!([{"name": "c", "args": ["y"]}]))),
            Apply("b", json!({})),
            Apply("a", containers(json!([{"name": "e"}]))),
        ],
        &expect![[r#"
            a applies {"spec":{"template":{"spec":{"containers":[{"args":["x"],"image":"i","name":"c","ports":[{"containerPort":80}]}]}}}}
              = {"metadata":{},"spec":{"template":{"spec":{"containers":[{"args":["x"],"image":"i","name":"c","ports":[{"containerPort":80}]}]}}}}
              a Apply 00 {"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:args":{},"f:image":{},"f:name":{},"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}}}}}}}
            b applies {"spec":{"template":{"spec":{"containers":[{"image":"j","name":"d"},{"name":"c","ports":[{"containerPort":81}]}]}}}}
              = {"metadata":{},"spec":{"template":{"spec":{"containers":[{"image":"j","name":"d"},{"args":["x"],"image":"i","name":"c","ports":[{"containerPort":80},{"containerPort":81}]}]}}}}
              a Apply 00 {"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:args":{},"f:image":{},"f:name":{},"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}}}}}}}
              b Apply 01 {"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:name":{},"f:ports":{"k:{\"containerPort\":81,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}},"k:{\"name\":\"d\"}":{".":{},"f:image":{},"f:name":{}}}}}}}
            b applies {"spec":{"template":{"spec":{"containers":[{"args":["y"],"name":"c"}]}}}}
              409 Conflict Apply failed with 1 conflict: conflict with "a": .spec.template.spec.containers[name="c"].args
            b forces {"spec":{"template":{"spec":{"containers":[{"args":["y"],"name":"c"}]}}}}
              = {"metadata":{},"spec":{"template":{"spec":{"containers":[{"args":["y"],"image":"i","name":"c","ports":[{"containerPort":80}]}]}}}}
              a Apply 00 {"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:name":{},"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}}}}}}}
              b Apply 03 {"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:args":{},"f:name":{}}}}}}}
            b applies {}
              = {"metadata":{},"spec":{"template":{"spec":{"containers":[{"image":"i","name":"c","ports":[{"containerPort":80}]}]}}}}
              a Apply 00 {"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:name":{},"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}}}}}}}
            a applies {"spec":{"template":{"spec":{"containers":[{"name":"e"}]}}}}
              = {"metadata":{},"spec":{"template":{"spec":{"containers":[{"name":"e"}]}}}}
              a Apply 05 {"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"e\"}":{".":{},"f:name":{}}}}}}}
        "#]],
    );
}

#[test]
fn sets_and_atomic_fields() {
    use Step::Apply;
    check(
        "Deployment",
        vec![
            Apply(
                "a",
                json!({"metadata": {"finalizers": ["x/a"]}, "spec": {"selector": {"matchLabels": {"l": "1"}}}}),
            ),
            Apply(
                "b",
                json!({"metadata": {"finalizers": ["x/b", "x/a"]}, "spec": {"selector": {"matchLabels": {"l": "2"}}}}),
            ),
            Apply("b", json!({"metadata": {"finalizers": ["x/b", "x/a"]}})),
            Apply("a", json!({"metadata": {"finalizers": []}})),
        ],
        &expect![[r#"
            a applies {"metadata":{"finalizers":["x/a"]},"spec":{"selector":{"matchLabels":{"l":"1"}}}}
              = {"metadata":{"finalizers":["x/a"]},"spec":{"selector":{"matchLabels":{"l":"1"}}}}
              a Apply 00 {"f:metadata":{"f:finalizers":{"v:\"x/a\"":{}}},"f:spec":{"f:selector":{}}}
            b applies {"metadata":{"finalizers":["x/b","x/a"]},"spec":{"selector":{"matchLabels":{"l":"2"}}}}
              409 Conflict Apply failed with 1 conflict: conflict with "a": .spec.selector
            b applies {"metadata":{"finalizers":["x/b","x/a"]}}
              = {"metadata":{"finalizers":["x/b","x/a"]},"spec":{"selector":{"matchLabels":{"l":"1"}}}}
              a Apply 00 {"f:metadata":{"f:finalizers":{"v:\"x/a\"":{}}},"f:spec":{"f:selector":{}}}
              b Apply 02 {"f:metadata":{"f:finalizers":{"v:\"x/a\"":{},"v:\"x/b\"":{}}}}
            a applies {"metadata":{"finalizers":[]}}
              = {"metadata":{"finalizers":["x/b","x/a"]}}
              b Apply 02 {"f:metadata":{"f:finalizers":{"v:\"x/a\"":{},"v:\"x/b\"":{}}}}
              a Apply 03 {"f:metadata":{"f:finalizers":{}}}
        "#]],
    );
}

#[test]
fn kubectl_takes_over_from_its_client_side() {
    use Step::{Apply, Update};
    let last = r#"{"apiVersion":"v1","kind":"ConfigMap","data":{"x":"1"}}"#;
    let live =
        json!({"metadata": {"annotations": {LAST_APPLIED: last}}, "data": {"x": "1", "y": "1"}});
    check(
        "ConfigMap",
        vec![
            Update("kubectl-client-side-apply", live),
            Apply("other", json!({"data": {"x": "2"}})),
            Apply("kubectl", json!({"data": {"x": "2"}})),
            Apply("kubectl", json!({"data": {"x": "2", "y": "2"}})),
        ],
        &expect![[r#"
            kubectl-client-side-apply updates {"data":{"x":"1","y":"1"},"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"data\":{\"x\":\"1\"}}"}}}
              = {"data":{"x":"1","y":"1"},"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"data\":{\"x\":\"1\"}}"}}}
              kubectl-client-side-apply Update 00 {"f:data":{".":{},"f:x":{},"f:y":{}},"f:metadata":{"f:annotations":{".":{},"f:kubectl.kubernetes.io/last-applied-configuration":{}}}}
            other applies {"data":{"x":"2"}}
              409 Conflict Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: .data.x
            kubectl applies {"data":{"x":"2"}}
              = {"data":{"x":"2","y":"1"},"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"apiVersion\":\"v1\",\"data\":{\"x\":\"2\"},\"kind\":\"ConfigMap\",\"metadata\":{}}\n"}}}
              kubectl Apply 02 {"f:data":{"f:x":{}}}
              kubectl-client-side-apply Update 00 {"f:data":{".":{},"f:y":{}},"f:metadata":{"f:annotations":{".":{},"f:kubectl.kubernetes.io/last-applied-configuration":{}}}}
            kubectl applies {"data":{"x":"2","y":"2"}}
              409 Conflict Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: .data.y
        "#]],
    );
}

#[test]
fn what_cannot_be_applied_is_refused() {
    let schema = Schema::built_in();
    let writer = Writer {
        manager: "m",
        api_version: "v1",
        subresource: "",
        now: Millis(0),
        ignored: &[],
    };
    let pod = |spec: Value| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec});
    for (applied, code, want) in [
        (
            json!([]),
            400,
            "error decoding YAML: the applied configuration is not an object",
        ),
        (
            pod(json!({"containers": [{"name": "c"}, {"name": "c"}]})),
            500,
            "failed to create typed patch object (/p; /v1, Kind=Pod): .spec.containers: duplicate entries for key [name=\"c\"]",
        ),
        (
            pod(json!({"nope": 1})),
            500,
            "failed to create typed patch object (/p; /v1, Kind=Pod): .spec.nope: field not declared in schema",
        ),
        (
            pod(json!({"nope": 1, "containers": [{"image": "i"}]})),
            500,
            "failed to create typed patch object (/p; /v1, Kind=Pod): errors:\n  .spec.containers: element 0: associative list \
             with keys has an element that omits key field \"name\" (and doesn't have default value)\n  .spec.nope: field not \
             declared in schema",
        ),
        (
            pod(json!({"containers": {}})),
            500,
            "failed to create typed patch object (/p; /v1, Kind=Pod): .spec.containers: expected list, got \
             &value.valueUnstructured{Value:{}}",
        ),
        (
            json!({"apiVersion": "v2", "kind": "Pod"}),
            400,
            "Incorrect version specified in apply patch. Specified patch version: v2, expected: v1",
        ),
        (
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"managedFields": [{}]}}),
            400,
            "metadata.managedFields must be nil",
        ),
    ] {
        let status = schema
            .apply(None, &applied, &writer, false)
            .expect_err("refused")
            .status();
        assert_eq!((status.code, status.message.as_str()), (code, want));
    }
}

#[test]
fn several_conflicts_are_listed_by_manager() {
    let schema = Schema::built_in();
    let by = |manager| Writer {
        manager,
        api_version: "v1",
        subresource: "",
        now: Millis(0),
        ignored: &[],
    };
    let map = |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data});
    let live = schema
        .apply(None, &map(json!({"x": "1", "y": "1"})), &by("a"), false)
        .expect("created");
    let live = schema
        .apply(Some(&live), &map(json!({"z": "1"})), &by("b"), false)
        .expect("applied");
    let error = schema
        .apply(
            Some(&live),
            &map(json!({"x": "2", "y": "2", "z": "2"})),
            &by("c"),
            false,
        )
        .expect_err("refused");
    let status = error.status();
    assert_eq!(
        status.message,
        "Apply failed with 3 conflicts: conflicts with \"a\":\n- .data.x\n- .data.y\nconflicts with \"b\":\n- .data.z"
    );
    let causes = status.details.map(|d| d.causes).unwrap_or_default();
    let fields: Vec<&str> = causes.iter().map(|c| c.field.as_str()).collect();
    assert_eq!(fields, [".data.x", ".data.y", ".data.z"]);
}
