//! Answers as protobuf: read back, they say what the JSON says.

use schema::Schema;
use serde_json::{Map, Value, json};
use shared::kind::KINDS;

use crate::recorded;

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// The object without what its protobuf form does not tell apart from nothing.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields
                .iter()
                .map(|(name, field)| (name.clone(), plain(field)));
            let is_something = |field: &Value| {
                !matches!(field, Value::Null)
                    && *field != json!([])
                    && *field != json!({})
                    && *field != json!("")
            };
            Value::Object(
                kept.filter(|(_, field)| is_something(field))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

#[test]
fn protobuf_says_what_json_says() {
    let mut cluster = recorded::cluster();
    let mut compared = 0;
    for kind in KINDS
        .iter()
        .filter(|k| k.verbs.contains(&"list") && k.group != "metrics.k8s.io")
    {
        let list = cluster.get(&shared::path::collection(&kind.reference(), ""), "");
        for item in list.at("/items").as_array().into_iter().flatten() {
            let at = |name: &str| item["metadata"][name].as_str().unwrap_or_default();
            let path = shared::path::collection(&kind.reference(), at("namespace"));
            let url = format!("{path}/{}", at("name"));
            let reply = cluster.exchange_bytes("GET", &url, PROTOBUF);
            assert_eq!(reply.0, PROTOBUF, "{url}");
            let decoded = Schema::built_in()
                .decode_protobuf(&reply.1)
                .unwrap_or_else(|e| panic!("{url}: {e}"));
            let mut lines = Vec::new();
            recorded::differences(
                &plain(&cluster.get(&url, "").json),
                &plain(&decoded),
                "",
                &mut lines,
            );
            // Claims inside of other objects do not say in protobuf what they are.
            lines.retain(|line| !line.starts_with("/spec/volumeClaimTemplates"));
            assert!(lines.is_empty(), "{url}: {lines:?}");
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn lists_and_documents_come_as_protobuf_too() {
    let mut cluster = recorded::cluster();
    for (url, kind) in [
        ("/api/v1/namespaces/rec/pods", "PodList"),
        ("/apis/apps/v1/deployments?limit=1", "DeploymentList"),
        ("/api", "APIVersions"),
        ("/apis", "APIGroupList"),
        ("/api/v1", "APIResourceList"),
    ] {
        let (content_type, bytes) = cluster.exchange_bytes("GET", url, PROTOBUF);
        assert_eq!(content_type, PROTOBUF, "{url}");
        let decoded = Schema::built_in()
            .decode_protobuf(&bytes)
            .unwrap_or_else(|e| panic!("{url}: {e}"));
        assert_eq!(decoded["kind"], kind, "{url}");
        if url.contains("pods") || url.contains("deployments") {
            let json = cluster.get(url, "").json;
            assert_eq!(plain(&decoded), plain(&json), "{url}");
        }
    }
}
