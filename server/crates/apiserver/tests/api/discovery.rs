//! Discovery: what clients learn about the server before they ask for anything else.

use crate::harness::Cluster;
use serde_json::{Value, json};

#[test]
fn groups_versions_and_resources() {
    let mut cluster = Cluster::new();
    assert_eq!(cluster.get("/api", "").at("/versions"), json!(["v1"]));
    let groups = cluster.get("/apis", "");
    assert_eq!(
        groups.at("/groups/1"),
        json!({"name": "apps", "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
        "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"}})
    );
    let leases = cluster.get("/apis/coordination.k8s.io/v1", "");
    assert_eq!(
        leases.json,
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "coordination.k8s.io/v1", "resources": [
        {"name": "leases", "singularName": "lease", "namespaced": true, "kind": "Lease", "storageVersionHash": "gqkMMb/YqFM=",
         "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]}]})
    );
    assert_eq!(cluster.get("/apis/apps", "").at("/kind"), json!("APIGroup"));
    assert_eq!(cluster.get("/apis/none", "").code, 404);
    assert_eq!(cluster.get("/apis/apps/v7", "").code, 404);
    assert_eq!(
        cluster.get("/version", "").at("/gitVersion"),
        json!("v1.36.0")
    );
    assert_eq!(
        cluster.get("/livez?verbose", "").text,
        "[+]ping ok\n[+]etcd ok\nlivez check passed\n"
    );
    assert!(
        cluster
            .get("/", "")
            .at("/paths")
            .as_array()
            .is_some_and(|p| p.contains(&json!("/apis/apps/v1")))
    );
}

#[test]
fn everything_in_one_document() {
    let mut cluster = Cluster::new();
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let all = cluster.get("/apis", accept);
    assert_eq!(all.content_type, accept);
    let etag = all
        .headers
        .iter()
        .find(|(name, _)| *name == "ETag")
        .map(|(_, tag)| tag.clone())
        .expect("an ETag");
    let apps = all
        .at("/items")
        .as_array()
        .and_then(|i| i.iter().find(|g| g["metadata"]["name"] == "apps").cloned())
        .expect("apps");
    let deployments = apps["versions"][0]["resources"]
        .as_array()
        .and_then(|r| r.iter().find(|r| r["resource"] == "deployments").cloned());
    assert_eq!(
        deployments,
        Some(
            json!({"resource": "deployments", "responseKind": {"group": "", "version": "", "kind": "Deployment"},
        "scope": "Namespaced", "singularResource": "deployment", "shortNames": ["deploy"], "categories": ["all"],
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        "subresources": [
            {"subresource": "scale", "responseKind": {"group": "autoscaling", "version": "v1", "kind": "Scale"}, "verbs": ["get", "patch", "update"]},
            {"subresource": "status", "responseKind": {"group": "", "version": "", "kind": "Deployment"}, "verbs": ["get", "patch", "update"]}]})
        )
    );
    assert_eq!(
        cluster
            .get("/api", accept)
            .at("/items/0/versions/0/version"),
        json!("v1")
    );
    assert!(etag.len() == 130 && etag != cluster.get("/api", accept).headers[0].1);
}

#[test]
fn every_resource_of_discovery_can_be_listed() {
    let mut cluster = Cluster::new();
    let mut documents = vec![("/api/v1".to_owned(), cluster.get("/api/v1", ""))];
    for group in cluster
        .get("/apis", "")
        .at("/groups")
        .as_array()
        .cloned()
        .unwrap_or_default()
    {
        let path = format!(
            "/apis/{}",
            group["preferredVersion"]["groupVersion"]
                .as_str()
                .unwrap_or_default()
        );
        // Nodes know what is used, not the store.
        if path.contains("metrics.k8s.io") {
            continue;
        }
        let document = cluster.get(&path, "");
        documents.push((path, document));
    }
    let mut count = 0;
    for (path, document) in documents {
        for resource in document.at("/resources").as_array().into_iter().flatten() {
            if resource["verbs"]
                .as_array()
                .is_some_and(|v| v.contains(&json!("list")))
            {
                let list = cluster.get(
                    &format!("{path}/{}", resource["name"].as_str().unwrap_or_default()),
                    "",
                );
                assert_eq!(
                    list.at("/kind"),
                    Value::from(format!(
                        "{}List",
                        resource["kind"].as_str().unwrap_or_default()
                    ))
                );
                count += 1;
            }
        }
    }
    assert!(count > 40, "{count}");
}

#[test]
fn every_group_version_has_an_openapi_document_that_may_be_kept() {
    let mut cluster = Cluster::new();
    let index = cluster.get("/openapi/v3", "");
    let paths = index.at("/paths").as_object().cloned().unwrap_or_default();
    assert!(
        paths.contains_key("api/v1") && paths.contains_key("apis/apps/v1"),
        "{paths:?}"
    );
    let url = paths["apis/coordination.k8s.io/v1"]["serverRelativeURL"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let document = cluster.get(&url, "");
    assert!(
        document
            .at("/components/schemas")
            .as_object()
            .is_some_and(|s| s.contains_key("io.k8s.api.coordination.v1.Lease"))
    );
    assert!(
        document
            .headers
            .contains(&("Cache-Control", "public, immutable".to_owned())),
        "{:?}",
        document.headers
    );
    assert_eq!(cluster.get("/openapi/v3/apis/none/v1", "").code, 404);
    let proto = cluster.get(
        "/openapi/v2",
        "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    );
    assert_eq!((proto.code, proto.text.is_empty()), (200, false));
}
