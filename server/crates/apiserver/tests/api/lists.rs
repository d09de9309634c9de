//! Lists: pages, resource versions, selectors, and the other forms of a collection.

use crate::harness::Cluster;
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/rec/configmaps";

fn with_maps(count: usize) -> Cluster {
    let mut cluster = Cluster::new();
    for i in 0..count {
        let body =
            json!({"metadata": {"name": format!("c{i}"), "labels": {"odd": (i % 2).to_string()}}});
        assert_eq!(cluster.send("POST", MAPS, &body.to_string()).code, 201);
    }
    cluster
}

fn names(list: &Value) -> String {
    let items = list
        .get("items")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    items
        .filter_map(|i| i.pointer("/metadata/name")?.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn pages_are_of_one_moment() {
    let mut cluster = with_maps(5);
    let first = cluster.get(&format!("{MAPS}?limit=2"), "");
    assert_eq!(
        (
            names(&first.json).as_str(),
            first.at("/metadata/remainingItemCount")
        ),
        ("c0 c1", json!(3))
    );
    cluster.send("DELETE", &format!("{MAPS}/c2"), "");
    let token = first
        .at("/metadata/continue")
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let second = cluster.get(&format!("{MAPS}?limit=2&continue={token}"), "");
    assert_eq!(names(&second.json), "c2 c3");
    assert_eq!(
        second.at("/metadata/resourceVersion"),
        first.at("/metadata/resourceVersion")
    );
    let token = second
        .at("/metadata/continue")
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let last = cluster.get(&format!("{MAPS}?limit=2&continue={token}"), "");
    assert_eq!(
        (names(&last.json).as_str(), last.at("/metadata/continue")),
        ("c4", Value::Null)
    );
    let revision = cluster.store.revision();
    cluster.store.compact(revision).expect("compacted");
    let late = cluster.get(&format!("{MAPS}?limit=2&continue={token}"), "");
    assert_eq!(late.code, 410);
    assert!(
        late.summary()
            .starts_with("410 The provided continue parameter is too old"),
        "{}",
        late.text
    );
    let token = late.at("/metadata/continue");
    let token = token.as_str().expect("a token to go on with");
    let rest = cluster.get(&format!("{MAPS}?limit=2&continue={token}"), "");
    assert_eq!(names(&rest.json), "c4");
}

#[test]
fn items_leave_out_what_the_list_says() {
    let mut cluster = with_maps(1);
    for path in [
        MAPS,
        "/api/v1/namespaces/rec/events",
        "/apis/events.k8s.io/v1/namespaces/rec/events",
    ] {
        let event = r#"{"metadata":{"name":"e"},"involvedObject":{"kind":"Pod","name":"p","namespace":"rec"}}"#;
        cluster.send("POST", "/api/v1/namespaces/rec/events", event);
        let list = cluster.get(path, "");
        let item = list.at("/items/0");
        assert!(
            item["metadata"]["resourceVersion"].is_string(),
            "{path} {item}"
        );
        assert_eq!(
            (item.get("kind"), item.get("apiVersion")),
            (None, None),
            "{path}"
        );
        assert_eq!(
            cluster
                .get(path, "application/yaml")
                .text
                .matches("\nkind:")
                .count(),
            1,
            "{path}"
        );
    }
}

#[test]
fn selectors_fill_pages() {
    let mut cluster = with_maps(6);
    let first = cluster.get(&format!("{MAPS}?limit=2&labelSelector=odd%3D1"), "");
    assert_eq!(
        (
            names(&first.json).as_str(),
            first.at("/metadata/remainingItemCount")
        ),
        ("c1 c3", Value::Null)
    );
    let token = first
        .at("/metadata/continue")
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let rest = cluster.get(
        &format!("{MAPS}?limit=2&labelSelector=odd%3D1&continue={token}"),
        "",
    );
    assert_eq!(
        (names(&rest.json).as_str(), rest.at("/metadata/continue")),
        ("c5", Value::Null)
    );
    let one = cluster.get(&format!("{MAPS}?fieldSelector=metadata.name%3Dc4"), "");
    assert_eq!(names(&one.json), "c4");
    let but_one = cluster.get(
        &format!("{MAPS}?fieldSelector=metadata.name!%3Dc4,metadata.namespace%3Drec"),
        "",
    );
    assert_eq!(names(&but_one.json), "c0 c1 c2 c3 c5");
    let everywhere = cluster.get(
        "/api/v1/configmaps?fieldSelector=metadata.name%3Dkube-root-ca.crt",
        "",
    );
    assert_eq!(names(&everywhere.json).split(' ').count(), 4);
}

#[test]
fn versions_are_honoured() {
    let mut cluster = with_maps(1);
    let then = cluster.store.revision();
    cluster.send("DELETE", &format!("{MAPS}/c0"), "");
    for (query, want) in [
        (
            format!("resourceVersion={then}&resourceVersionMatch=Exact"),
            "c0",
        ),
        (format!("resourceVersion={then}&limit=5"), "c0"),
        (
            format!("resourceVersion={then}&resourceVersionMatch=NotOlderThan"),
            "",
        ),
        (format!("resourceVersion={then}"), ""),
        ("resourceVersion=0".into(), ""),
    ] {
        assert_eq!(
            names(&cluster.get(&format!("{MAPS}?{query}"), "").json),
            want,
            "{query}"
        );
    }
    for (query, want) in [
        (
            "resourceVersion=x",
            "400 invalid resource version: resourceVersion: Invalid value: \"x\": strconv.ParseUint: parsing \"x\": invalid syntax",
        ),
        (
            "resourceVersion=99999999",
            "504 Timeout: Too large resource version: 99999999, current: ",
        ),
        (
            "resourceVersionMatch=Exact",
            "422 ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        (
            "resourceVersion=0&resourceVersionMatch=Exact",
            "422 ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
        ),
        (
            "limit=1&continue=x&resourceVersion=1&resourceVersionMatch=Exact",
            "422 ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided",
        ),
        (
            "limit=1&continue=x",
            "400 invalid continue token: continue key is not valid: illegal base64 data at input byte 0",
        ),
        (
            "sendInitialEvents=true",
            "422 ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
        ),
        ("labelSelector=a%20b", "400 unable to parse requirement"),
        (
            "fieldSelector=spec.nope%3D1",
            "400 field label not supported: spec.nope",
        ),
    ] {
        let got = cluster.get(&format!("{MAPS}?{query}"), "").summary();
        assert!(got.starts_with(want), "{query}: {got}");
    }
    let future = cluster.get(&format!("{MAPS}?resourceVersion=99999999"), "");
    assert!(future.headers.contains(&("Retry-After", "1".to_owned())));
    assert_eq!(
        cluster
            .get(&format!("{MAPS}/c0?resourceVersion=x"), "")
            .code,
        500
    );
}

#[test]
fn other_forms_of_a_collection() {
    let mut cluster = with_maps(1);
    let partial = cluster.get(
        MAPS,
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
    );
    assert_eq!(partial.at("/kind"), json!("PartialObjectMetadataList"));
    assert_eq!(partial.at("/items/0/kind"), json!("PartialObjectMetadata"));
    assert_eq!(partial.at("/items/0/metadata/name"), json!("c0"));
    let yaml = cluster.get(&format!("{MAPS}/c0"), "application/yaml");
    assert_eq!(yaml.content_type, "application/yaml");
    assert!(yaml.text.contains("kind: ConfigMap"), "{}", yaml.text);
    let from_yaml = cluster.exchange(
        "POST",
        MAPS,
        "application/yaml",
        "",
        b"metadata:\n  name: yml\ndata:\n  a: 'true'\n",
    );
    assert_eq!(
        (from_yaml.summary(), from_yaml.at("/data/a")),
        ("201".into(), json!("true"))
    );
}
