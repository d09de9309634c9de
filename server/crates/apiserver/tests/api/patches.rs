//! Patches in their four forms.

use crate::harness::Cluster;
use serde_json::{Value, json};

const MAP: &str = "/api/v1/namespaces/rec/configmaps/m";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/rec/deployments/d";

fn cluster() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.send(
        "POST",
        "/api/v1/namespaces/rec/configmaps",
        r#"{"metadata":{"name":"m"},"data":{"a":"1","b":"2"}}"#,
    );
    let deployment = json!({"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "i", "env": [{"name": "A", "value": "1"}]}, {"name": "d", "image": "j"}]}}}});
    cluster.send(
        "POST",
        "/apis/apps/v1/namespaces/rec/deployments",
        &deployment.to_string(),
    );
    cluster
}

/// Patches and shows one field of the answer, or the refusal.
fn check(kind: &str, url: &str, patch: &str, pointer: &str, want: Value) {
    let reply = cluster().patch(kind, url, patch);
    let got = if reply.code < 300 {
        reply.at(pointer)
    } else {
        json!(reply.summary())
    };
    assert_eq!(got, want, "{kind} {url} {patch}");
}

#[test]
fn each_form_changes_what_it_should() {
    check(
        "merge",
        MAP,
        r#"{"data":{"a":null,"c":"3"}}"#,
        "/data",
        json!({"b": "2", "c": "3"}),
    );
    check(
        "json",
        MAP,
        r#"[{"op":"test","path":"/data/a","value":"1"},{"op":"replace","path":"/data/a","value":"9"}]"#,
        "/data/a",
        json!("9"),
    );
    check(
        "json",
        MAP,
        r#"[{"op":"remove","path":"/data/a"}]"#,
        "/data",
        json!({"b": "2"}),
    );
    let env = "/spec/template/spec/containers/0/env";
    check(
        "strategic",
        DEPLOYMENT,
        r#"{"spec":{"template":{"spec":{"containers":[{"name":"c","env":[{"name":"B","value":"2"}]}]}}}}"#,
        env,
        json!([{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]),
    );
    check(
        "strategic",
        DEPLOYMENT,
        r#"{"spec":{"template":{"spec":{"containers":[{"name":"d","$patch":"delete"}]}}}}"#,
        "/spec/template/spec/containers/1",
        Value::Null,
    );
    check(
        "merge",
        DEPLOYMENT,
        r#"{"spec":{"template":{"spec":{"containers":[{"name":"x","image":"y"}]}}}}"#,
        "/spec/template/spec/containers/0/imagePullPolicy",
        json!("Always"),
    );
}

#[test]
fn what_cannot_be_applied_is_refused() {
    let rejected = "422 the server rejected our request due to an error in our request";
    for (kind, url, patch, want) in [
        (
            "application/json",
            MAP,
            "{}",
            "415 415: Unsupported Media Type",
        ),
        ("json", MAP, r#"[{"op":"nope","path":"/x"}]"#, rejected),
        (
            "json",
            MAP,
            r#"[{"op":"test","path":"/data/a","value":"x"}]"#,
            rejected,
        ),
        (
            "json",
            MAP,
            "{}",
            "400 error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
        (
            "merge",
            MAP,
            "[]",
            "400 error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
        (
            "merge",
            "/api/v1/namespaces/rec/configmaps/none",
            "{}",
            "404 configmaps \"none\" not found",
        ),
        (
            "merge",
            MAP,
            r#"{"metadata":{"name":"other"}}"#,
            "400 the name of the object (other) does not match the name on the URL (m)",
        ),
        (
            "merge",
            MAP,
            r#"{"metadata":{"resourceVersion":"1"}}"#,
            "409 Operation cannot be fulfilled on configmaps \"m\": the object has been modified; please apply your changes to the latest version and try again",
        ),
        (
            "apply",
            MAP,
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m","managedFields":[{"manager":"x"}]}}"#,
            "422 PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
        ),
        (
            "merge",
            &format!("{MAP}?force=true"),
            "{}",
            "422 PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch",
        ),
        (
            "merge",
            DEPLOYMENT,
            r#"{"spec":{"selector":{"matchLabels":{"a":"c"}},"template":{"metadata":{"labels":{"a":"c"}}}}}"#,
            "422 Deployment.apps \"d\" is invalid: spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"c\"}}: field is immutable",
        ),
    ] {
        check(kind, url, patch, "", json!(want));
    }
    let many = format!(
        "[{}]",
        vec![r#"{"op":"test","path":"/data/a","value":"1"}"#; 10_001].join(",")
    );
    check(
        "json",
        MAP,
        &many,
        "",
        json!("413 The allowed maximum operations in a JSON patch is 10000, got 10001"),
    );
}

#[test]
fn appliers_own_what_they_apply() {
    let mut cluster = Cluster::new();
    let url = |manager: &str| format!("/api/v1/namespaces/rec/configmaps/s?fieldManager={manager}");
    let body = |data: Value| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}, "data": data})
            .to_string()
    };
    let made = cluster.patch("apply", &url("a"), &body(json!({"x": "1", "y": "1"})));
    assert_eq!(
        (made.code, made.at("/metadata/managedFields/0/operation")),
        (201, json!("Apply"))
    );
    let conflict = cluster.patch("apply", &url("b"), &body(json!({"x": "2"})));
    assert_eq!(
        conflict.summary(),
        "409 Apply failed with 1 conflict: conflict with \"a\": .data.x"
    );
    assert_eq!(
        cluster
            .patch(
                "apply",
                &format!("{}&force=true", url("b")),
                &body(json!({"x": "2"}))
            )
            .code,
        200
    );
    let revision = cluster.store.revision();
    let again = cluster.patch("apply", &url("b"), &body(json!({"x": "2"})));
    assert_eq!((again.code, cluster.store.revision()), (200, revision));
    let dropped = cluster.patch("apply", &url("a"), &body(json!({})));
    assert_eq!(dropped.at("/data"), json!({"x": "2"}));
    let cleared = cluster.patch("merge", &url("c"), r#"{"metadata":{"managedFields":[{}]}}"#);
    assert_eq!(cleared.at("/metadata/managedFields"), Value::Null);
    let nil = body(json!({})).replace(
        "\"name\":\"s\"",
        "\"name\":\"s\",\"managedFields\":[{\"manager\":\"x\"}]",
    );
    assert_eq!(
        cluster.patch("apply", &url("a"), &nil).summary(),
        "400 metadata.managedFields must be nil"
    );
    let uid = body(json!({})).replace("\"name\":\"s\"", "\"name\":\"t\",\"uid\":\"x\"");
    let new = cluster.patch(
        "apply",
        "/api/v1/namespaces/rec/configmaps/t?fieldManager=a",
        &uid,
    );
    assert_eq!(
        new.summary(),
        "409 Operation cannot be fulfilled on configmaps \"t\": uid mismatch: the provided object specified uid x, and no existing object was found"
    );
}

#[test]
fn concurrent_patches_lose_nothing() {
    use apiserver::{Context, Outcome};
    use client::{PatchKind, Request};
    use shared::{KindRef, ObjectKey};
    let mut cluster = cluster();
    let snapshot = cluster.store.snapshot();
    let request = |n: i32| {
        let key = ObjectKey::new("rec", "m");
        Request::patch(
            KindRef::new("", "v1", "configmaps"),
            &key,
            PatchKind::Merge,
            json!({"data": {format!("k{n}"): "v"}}),
        )
    };
    // Two writers decide over the same snapshot; the second's transaction must fail and succeed anew.
    let proposals: Vec<_> = (0..2)
        .map(|n| {
            let mut observer = ();
            let mut ctx = Context::new(&cluster.user, cluster.now, 99, &snapshot, &mut observer);
            match cluster.server.handle(&request(n), &mut ctx) {
                Ok(Outcome::Commit(proposal)) => proposal,
                other => panic!("{other:?}"),
            }
        })
        .collect();
    assert!(proposals.iter().all(|p| p.unconditional));
    assert!(cluster.store.commit(proposals[0].txn.clone()).is_ok());
    let error = cluster
        .store
        .commit(proposals[1].txn.clone())
        .expect_err("stale");
    assert_eq!(proposals[1].refuse(&error).code, 409);
    cluster.request(&request(1)).expect("done anew");
    let map = cluster.get(MAP, "");
    assert_eq!(
        (map.at("/data/k0"), map.at("/data/k1")),
        (json!("v"), json!("v"))
    );
}
