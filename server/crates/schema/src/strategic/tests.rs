//! Original, patch and result for every rule and directive.

use serde_json::json;

use super::*;

fn merge(kind: &str, original: &Value, patch: &Value) -> Result<Value, PatchError> {
    let api_version = if kind == "Deployment" {
        "apps/v1"
    } else {
        "v1"
    };
    Schema::built_in().strategic_merge(api_version, kind, original, patch)
}

/// Merges pod specs.
fn check(original: Value, patch: Value, want: Value) {
    let got = merge("Pod", &json!({"spec": original}), &json!({"spec": patch}));
    assert_eq!(got, Ok(json!({"spec": want})), "{patch}");
}

#[test]
fn maps_merge_and_null_removes() {
    for (original, patch, want) in [
        (json!({}), json!({"a": "1"}), json!({"a": "1"})),
        (
            json!({"a": "1"}),
            json!({"b": "2"}),
            json!({"a": "1", "b": "2"}),
        ),
        (
            json!({"a": "1", "b": "2"}),
            json!({"a": null, "c": null}),
            json!({"b": "2"}),
        ),
        (
            json!({"a": "1"}),
            json!({"$patch": "replace", "b": "2"}),
            json!({"b": "2"}),
        ),
        (json!({"a": "1"}), json!({"$patch": "delete"}), json!({})),
        (
            json!({"a": "1", "b": "2"}),
            json!({"$retainKeys": ["a", "c"], "c": "3"}),
            json!({"a": "1", "c": "3"}),
        ),
    ] {
        let got = merge(
            "Pod",
            &json!({"metadata": {"labels": original}}),
            &json!({"metadata": {"labels": patch}}),
        );
        assert_eq!(got, Ok(json!({"metadata": {"labels": want}})), "{patch}");
    }
    check(
        json!({}),
        json!({"securityContext": {"runAsUser": null, "fsGroup": 1}}),
        json!({"securityContext": {"fsGroup": 1}}),
    );
}

#[test]
fn lists_merge_by_key() {
    let c = |name: &str, image: &str| json!({"name": name, "image": image});
    let old = json!({"containers": [c("a", "1"), c("b", "1"), c("c", "1")]});
    for (patch, want) in [
        (
            json!([{"name": "b", "image": "2"}]),
            json!([c("a", "1"), c("b", "2"), c("c", "1")]),
        ),
        (
            json!([{"name": "b", "image": null}]),
            json!([c("a", "1"), {"name": "b"}, c("c", "1")]),
        ),
        (
            json!([c("new", "1")]),
            json!([c("new", "1"), c("a", "1"), c("b", "1"), c("c", "1")]),
        ),
        (
            json!([{"name": "b", "$patch": "delete"}]),
            json!([c("a", "1"), c("c", "1")]),
        ),
        (
            json!([{"$patch": "replace"}, c("z", "9")]),
            json!([c("z", "9")]),
        ),
        (json!([{"$patch": "replace"}]), json!([])),
        (
            json!([c("c", "2"), c("a", "2")]),
            json!([c("b", "1"), c("c", "2"), c("a", "2")]),
        ),
        (
            json!([c("n", "1"), c("c", "2")]),
            json!([c("n", "1"), c("a", "1"), c("b", "1"), c("c", "2")]),
        ),
    ] {
        check(
            old.clone(),
            json!({"containers": patch}),
            json!({"containers": want}),
        );
    }
}

#[test]
fn nested_lists_have_keys_of_their_own() {
    check(
        json!({"containers": [{"name": "a", "args": ["x"], "env": [{"name": "E", "value": "1"}],
            "ports": [{"containerPort": 80, "protocol": "TCP"}]}]}),
        json!({"containers": [{"name": "a", "args": ["y", "z"], "env": [{"name": "F", "value": "2"}],
            "ports": [{"containerPort": 80, "name": "web"}]}]}),
        json!({"containers": [{"name": "a", "args": ["y", "z"],
            "env": [{"name": "F", "value": "2"}, {"name": "E", "value": "1"}],
            "ports": [{"containerPort": 80, "protocol": "TCP", "name": "web"}]}]}),
    );
    check(
        json!({"tolerations": [{"key": "a"}]}),
        json!({"tolerations": [{"key": "b"}]}),
        json!({"tolerations": [{"key": "b"}]}),
    );
}

#[test]
fn the_order_directive_orders() {
    let n = |name: &str| json!({"name": name});
    for (original, patch, order, want) in [
        (vec!["a", "b"], None, vec!["b", "a"], vec!["b", "a"]),
        (
            vec!["a", "b"],
            Some(vec!["c"]),
            vec!["c", "a", "b"],
            vec!["c", "a", "b"],
        ),
        (
            vec!["a", "s", "b"],
            Some(vec!["c"]),
            vec!["b", "c", "a"],
            vec!["s", "b", "c", "a"],
        ),
        (
            vec!["a", "s", "b"],
            None,
            vec!["a", "b"],
            vec!["a", "s", "b"],
        ),
        (vec![], Some(vec!["a"]), vec!["a"], vec!["a"]),
    ] {
        let named = |names: &[&str]| Value::Array(names.iter().map(|x| n(x)).collect());
        let mut change = json!({"$setElementOrder/containers": named(&order)});
        if let Some(patch) = &patch {
            change["containers"] = named(patch);
        }
        let before = if original.is_empty() {
            json!({})
        } else {
            json!({"containers": named(&original)})
        };
        check(before, change, json!({"containers": named(&want)}));
    }
}

#[test]
fn primitive_lists_merge_as_sets() {
    let finalizers = |patch: Value| {
        let got = merge(
            "Pod",
            &json!({"metadata": {"finalizers": ["a", "b", "c"]}}),
            &json!({"metadata": patch}),
        );
        got.map(|v| {
            v.pointer("/metadata/finalizers")
                .cloned()
                .unwrap_or_default()
        })
    };
    for (patch, want) in [
        (
            json!({"finalizers": ["d", "a"]}),
            json!(["d", "a", "b", "c"]),
        ),
        (
            json!({"$deleteFromPrimitiveList/finalizers": ["b"]}),
            json!(["a", "c"]),
        ),
        (
            json!({"$setElementOrder/finalizers": ["c", "a"]}),
            json!(["b", "c", "a"]),
        ),
        (
            json!({"$deleteFromPrimitiveList/finalizers": ["a"], "$setElementOrder/finalizers": ["d", "b", "c"], "finalizers": ["d"]}),
            json!(["d", "b", "c"]),
        ),
    ] {
        assert_eq!(finalizers(patch.clone()), Ok(want), "{patch}");
    }
}

#[test]
fn retained_keys_make_unions_exclusive() {
    let got = merge(
        "Deployment",
        &json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}),
        &json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
    );
    assert_eq!(got, Ok(json!({"spec": {"strategy": {"type": "Recreate"}}})));
    check(
        json!({"volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}}]}),
        json!({"volumes": [{"name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "m"}, "emptyDir": null}]}),
        json!({"volumes": [{"name": "v", "configMap": {"name": "m"}}]}),
    );
}

#[test]
fn a_kind_without_a_schema_merges_as_plain_json() {
    let got = Schema::built_in().strategic_merge(
        "x/v1",
        "Y",
        &json!({"a": {"b": [1], "c": 1}}),
        &json!({"a": {"b": [2], "c": null}}),
    );
    assert_eq!(got, Ok(json!({"a": {"b": [2]}})));
}

#[test]
fn what_is_no_patch_is_refused() {
    let old = json!({"metadata": {"finalizers": ["a"]}, "spec": {"containers": [{"name": "a"}], "initContainers": []}});
    for (patch, code, want) in [
        (
            json!([]),
            400,
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
        (
            json!({"spec": {"$patch": "merge"}}),
            500,
            "unknown patch type: merge in map: map[$patch:merge]",
        ),
        (
            json!({"spec": {"containers": [{"$patch": 1}]}}),
            500,
            "unknown patch type: 1 in map: map[$patch:1]",
        ),
        (
            json!({"spec": {"containers": [{"image": "x"}]}}),
            500,
            "map: map[image:x] does not contain declared merge key: name",
        ),
        (
            json!({"spec": {"containers": [1]}}),
            500,
            "list element types are not identical: [[map[name:a]] [1]]",
        ),
        (
            json!({"spec": {"initContainers": [[]]}}),
            422,
            "lists of lists are not supported",
        ),
        (
            json!({"spec": {"$retainKeys": "x"}}),
            400,
            "invalid patch format of retainKeys",
        ),
        (
            json!({"spec": {"$retainKeys": ["x"], "hostname": "y"}}),
            400,
            "invalid patch format of retainKeys",
        ),
        (
            json!({"metadata": {"$deleteFromPrimitiveList/finalizers": "a"}}),
            400,
            "invalid patch format of primitive list",
        ),
        (
            json!({"metadata": {"$setElementOrder/finalizers": {}}}),
            400,
            "invalid patch format of setElementOrder list",
        ),
        (
            json!({"spec": {"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "b"}]}}),
            400,
            "invalid patch format of setElementOrder list",
        ),
    ] {
        let error = merge("Pod", &old, &patch).expect_err("refused");
        assert_eq!(
            (error.code(), error.to_string().as_str()),
            (code, want),
            "{patch}"
        );
    }
}
