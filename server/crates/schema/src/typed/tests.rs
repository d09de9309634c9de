//! Merged order of keyed lists, and comparison of odd values.

use serde_json::json;

use super::*;

#[test]
fn merged_lists_keep_both_orders() {
    let schema = Schema::built_in();
    let ty = schema.find_type("v1", "Pod").expect("a kind");
    let pod = |names: &str| {
        let items: Vec<Value> = names
            .chars()
            .map(|c| json!({"name": c.to_string()}))
            .collect();
        json!({"spec": {"containers": items}})
    };
    for (live, applied, want) in [
        ("abc", "", "abc"),
        ("", "abc", "abc"),
        ("abc", "abc", "abc"),
        ("abc", "cab", "cab"),
        ("abc", "b", "abc"),
        ("abc", "xb", "axbc"),
        ("abc", "bx", "abcx"),
        ("abc", "ca", "bca"),
        ("abcd", "db", "acdb"),
        ("ab", "xy", "abxy"),
        ("abcde", "edcba", "edcba"),
    ] {
        let merged = schema.merge(&ty, &pod(live), &pod(applied));
        let names: String = items(merged.pointer("/spec/containers"))
            .iter()
            .filter_map(|c| c.get("name").and_then(Value::as_str))
            .collect();
        let mut sorted: Vec<char> = names.chars().collect();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(
            sorted.len(),
            names.len(),
            "{live} + {applied}: each once, not {names}"
        );
        assert_eq!(names, want, "{live} + {applied}");
    }
}

#[test]
fn odd_values_are_leaves() {
    let schema = Schema::built_in();
    let ty = schema.find_type("v1", "Pod").expect("a kind");
    for (old, new, added, modified, removed) in [
        (
            json!({"spec": "x"}),
            json!({"spec": {}}),
            json!({}),
            json!({"f:spec": {}}),
            json!({}),
        ),
        (
            json!({"spec": {}}),
            json!({"spec": null}),
            json!({}),
            json!({"f:spec": {}}),
            json!({}),
        ),
        (
            json!({"spec": {"containers": [{"x": 1}]}}),
            json!({"spec": {"containers": [{"name": "c"}]}}),
            json!({}),
            json!({"f:spec": {"f:containers": {}}}),
            json!({}),
        ),
        (
            json!({"spec": {"containers": [{"name": "c"}, {"name": "c"}]}}),
            json!({"spec": {"containers": [{"name": "c"}]}}),
            json!({}),
            json!({"f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {}}}}),
            json!({}),
        ),
        (
            json!({"spec": {"volumes": []}}),
            json!({"spec": {}}),
            json!({}),
            json!({}),
            json!({"f:spec": {"f:volumes": {}}}),
        ),
        (
            json!({}),
            json!({"nope": {"a": 1}}),
            json!({"f:nope": {".": {}, "f:a": {}}}),
            json!({}),
            json!({}),
        ),
    ] {
        let got = schema.compare(&ty, &old, &new);
        assert_eq!(
            (
                got.added.into_fields(),
                got.modified.into_fields(),
                got.removed.into_fields()
            ),
            (added, modified, removed),
            "{old} {new}"
        );
    }
}
