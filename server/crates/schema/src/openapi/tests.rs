//! What clients look for in the documents.

use std::collections::BTreeSet;

use super::*;
use crate::wire::{Reader, Wire};

fn built_in() -> OpenApi {
    let served = shared::kind::KINDS.iter().map(Served::from).collect();
    OpenApi::new(Schema::built_in().clone(), served)
}

fn parsed(document: &Document) -> Value {
    serde_json::from_slice(&document.bytes).expect("JSON")
}

#[test]
fn every_group_version_has_a_document_under_its_hash() {
    let api = built_in();
    let index = api.v3_index();
    for kind in shared::kind::KINDS {
        let root = Served::from(kind).root();
        let url = index["paths"][&root]["serverRelativeURL"]
            .as_str()
            .expect("an address");
        let document = api.v3(&root).expect("a document");
        assert_eq!(url, format!("/openapi/v3/{root}?hash={}", document.hash));
        assert!(
            document.hash.len() == 128
                && document
                    .hash
                    .chars()
                    .all(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
        );
    }
    assert_eq!(api.v3("apis/nope/v1"), None);
    assert_eq!(
        api.v3("api/v1"),
        built_in().v3("api/v1"),
        "a document is the same every time"
    );
}

/// Every `$ref` in a document.
fn references(value: &Value, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
                out.insert(reference.to_owned());
            }
            map.values().for_each(|v| references(v, out));
        }
        Value::Array(items) => items.iter().for_each(|v| references(v, out)),
        _ => {}
    }
}

#[test]
fn references_lead_somewhere() {
    let api = built_in();
    // What is about the server has one type or none.
    let is_of_kinds = |path: &str| built_in().served.iter().any(|s| s.root() == path);
    let mut documents: Vec<(bool, Value)> = api
        .v3
        .keys()
        .filter_map(|p| Some((is_of_kinds(p), parsed(&api.v3(p)?))))
        .collect();
    documents.push((true, parsed(&api.v2_json())));
    for (is_of_kinds, document) in documents {
        let mut all = BTreeSet::new();
        references(&document, &mut all);
        // Only what nodes tell of themselves has no types of its own.
        let is_about_usage = document
            .to_string()
            .contains("/apis/metrics.k8s.io/v1beta1/nodes");
        assert!(!is_of_kinds || is_about_usage || all.len() > 10);
        for reference in all {
            let pointer = reference.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }
}

#[test]
fn schemas_say_what_explain_and_apply_need() {
    let core = parsed(&built_in().v3("api/v1").expect("a document"));
    let of =
        |name: &str| core["components"]["schemas"][format!("io.k8s.api.core.v1.{name}")].clone();
    assert_eq!(
        of("Pod")["x-kubernetes-group-version-kind"],
        json!([{"group": "", "version": "v1", "kind": "Pod"}])
    );
    let containers = &of("PodSpec")["properties"]["containers"];
    assert_eq!(
        containers["items"]["$ref"],
        "#/components/schemas/io.k8s.api.core.v1.Container",
    );
    for (extension, want) in [
        ("x-kubernetes-patch-merge-key", json!("name")),
        ("x-kubernetes-patch-strategy", json!("merge")),
        ("x-kubernetes-list-type", json!("map")),
        ("x-kubernetes-list-map-keys", json!(["name"])),
    ] {
        assert_eq!(containers[extension], want, "{extension}");
    }
    assert!(
        containers["description"]
            .as_str()
            .is_some_and(|d| d.starts_with("List of containers"))
    );
    assert_eq!(of("PodSpec")["required"], json!(["containers"]));
    assert_eq!(of("Pod")["required"], Value::Null);
    let spec = &of("Pod")["properties"]["spec"];
    assert_eq!(
        spec["allOf"],
        json!([{"$ref": "#/components/schemas/io.k8s.api.core.v1.PodSpec"}])
    );
    assert!(
        spec["description"]
            .as_str()
            .is_some_and(|d| d.starts_with("Specification of the desired behavior of the pod"))
    );
    assert_eq!(of("ObjectReference")["x-kubernetes-map-type"], "atomic");
    assert_eq!(
        of("ContainerPort")["properties"]["protocol"]["default"],
        "TCP"
    );
    let options =
        &core["components"]["schemas"]["io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"];
    assert_eq!(
        options["x-kubernetes-group-version-kind"],
        json!([{"group": "", "version": "v1", "kind": "DeleteOptions"}])
    );
}

#[test]
fn operations_name_their_kind_and_parameters() {
    let api = built_in();
    let core = parsed(&api.v3("api/v1").expect("a document"));
    let apps = parsed(&api.v3("apis/apps/v1").expect("a document"));
    for (document, path, method, id, action, kind) in [
        (
            &core,
            "/api/v1/namespaces/{namespace}/pods",
            "get",
            "listCoreV1NamespacedPod",
            "list",
            "Pod",
        ),
        (
            &core,
            "/api/v1/namespaces/{namespace}/pods",
            "delete",
            "deleteCoreV1CollectionNamespacedPod",
            "deletecollection",
            "Pod",
        ),
        (
            &core,
            "/api/v1/pods",
            "get",
            "listCoreV1PodForAllNamespaces",
            "list",
            "Pod",
        ),
        (
            &core,
            "/api/v1/nodes/{name}",
            "patch",
            "patchCoreV1Node",
            "patch",
            "Node",
        ),
        (
            &core,
            "/api/v1/namespaces/{namespace}/pods/{name}/binding",
            "post",
            "createCoreV1NamespacedPodBinding",
            "post",
            "Binding",
        ),
        (
            &apps,
            "/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale",
            "put",
            "replaceAppsV1NamespacedDeploymentScale",
            "put",
            "Scale",
        ),
    ] {
        let operation = &document["paths"][path][method];
        assert_eq!(operation["operationId"], id);
        assert_eq!(operation["x-kubernetes-action"], action, "{id}");
        assert_eq!(
            operation["x-kubernetes-group-version-kind"]["kind"], kind,
            "{id}"
        );
    }
    let patch = &apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    let names: Vec<&str> = patch["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|p| p["name"].as_str())
        .collect();
    assert_eq!(names, PATCH_PARAMETERS);
    assert!(patch["requestBody"]["content"]["application/strategic-merge-patch+json"].is_object());
}

const PATCH_PARAMETERS: [&str; 4] = ["dryRun", "fieldManager", "fieldValidation", "force"];

#[test]
fn custom_kinds_join() {
    let mut schema = Schema::built_in().as_ref().clone();
    let own = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "size": {"type": "integer", "nullable": true, "description": "How many."}}}}});
    schema
        .define("example.org", "v1", "Thing", "ThingList", &own)
        .expect("structural");
    let served = Served {
        group: "example.org".into(),
        version: "v1".into(),
        kind: "Thing".into(),
        plural: "things".into(),
        namespaced: true,
        verbs: vec!["list".into(), "patch".into()],
        subresources: Vec::new(),
    };
    let api = OpenApi::new(Arc::new(schema), vec![served]);
    let document = parsed(&api.v3("apis/example.org/v1").expect("a document"));
    let thing = &document["components"]["schemas"]["org.example.v1.Thing"];
    assert_eq!(
        thing["properties"]["spec"]["properties"]["size"]["nullable"],
        true
    );
    assert!(thing["properties"]["metadata"]["allOf"].is_array());
    assert_eq!(thing["x-kubernetes-group-version-kind"][0]["kind"], "Thing");
    let answer = &document["paths"]["/apis/example.org/v1/things"]["get"]["responses"]["200"];
    assert_eq!(
        answer["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/org.example.v1.ThingList"
    );
    let v2 = parsed(&api.v2_json());
    assert_eq!(
        v2["definitions"]["org.example.v1.Thing"]["properties"]["spec"]["properties"]["size"],
        json!({"type": "integer", "description": "How many."})
    );
}

/// The messages in field `number` of a message.
fn nested(bytes: &[u8], number: u32) -> Vec<&[u8]> {
    let mut reader = Reader::new(bytes);
    let mut found = Vec::new();
    while let Some((field, wire)) = reader.next().expect("protobuf") {
        if let (true, Wire::Bytes(inner)) = (field == number, wire) {
            found.push(inner);
        }
    }
    found
}

#[test]
fn the_protobuf_document_says_the_same() {
    let api = built_in();
    let json = parsed(&api.v2_json());
    let protobuf = api.v2_protobuf();
    assert_eq!(nested(&protobuf.bytes, 1), [b"2.0"]);
    let paths = nested(nested(&protobuf.bytes, 8)[0], 2);
    assert_eq!(paths.len(), json["paths"].as_object().map_or(0, Map::len));
    let definitions = nested(nested(&protobuf.bytes, 9)[0], 1);
    assert_eq!(
        definitions.len(),
        json["definitions"].as_object().map_or(0, Map::len)
    );
    let spec = definitions
        .iter()
        .find(|d| nested(d, 1) == [b"io.k8s.api.core.v1.PodSpec"])
        .expect("PodSpec");
    let properties = nested(nested(nested(spec, 2)[0], 25)[0], 1);
    let containers = properties
        .iter()
        .find(|p| nested(p, 1) == [b"containers"])
        .expect("containers");
    let schema = nested(containers, 2)[0];
    assert_eq!(nested(nested(schema, 22)[0], 1), [b"array"]);
    let item = nested(nested(schema, 23)[0], 1)[0];
    assert_eq!(
        nested(item, 1),
        [b"#/definitions/io.k8s.api.core.v1.Container"]
    );
    let key = nested(schema, 31)
        .into_iter()
        .find(|e| nested(e, 1) == [b"x-kubernetes-patch-merge-key"])
        .expect("a key");
    assert_eq!(nested(nested(key, 2)[0], 2), [b"\"name\""]);
}
