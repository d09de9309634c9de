//! Service-account tokens: asked for, believed, and no longer believed.

use serde_json::json;

use crate::harness::{Cluster, Reply};

const ACCOUNT: &str = "/api/v1/namespaces/rec/serviceaccounts/default";

fn request(cluster: &mut Cluster, spec: &serde_json::Value) -> Reply {
    let body =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
    cluster.send("POST", &format!("{ACCOUNT}/token"), &body.to_string())
}

fn token(cluster: &mut Cluster, spec: &serde_json::Value) -> String {
    let reply = request(cluster, spec);
    assert_eq!(reply.code, 201, "{}", reply.text);
    reply
        .at("/status/token")
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Whose token it is so many seconds later.
fn whose(cluster: &Cluster, token: &str, audiences: &[&str], later_s: u64) -> String {
    let audiences: Vec<String> = audiences.iter().map(|a| (*a).to_owned()).collect();
    let now = cluster.now.plus_secs(later_s);
    match cluster
        .server
        .authenticate(token, &audiences, &cluster.store.snapshot(), now)
    {
        Ok((user, _)) => user.name,
        Err(why) => why.to_string(),
    }
}

fn pod(cluster: &mut Cluster) -> String {
    let body =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let reply = cluster.send("POST", "/api/v1/namespaces/rec/pods", &body.to_string());
    reply
        .at("/metadata/uid")
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_token_says_whose_it_is_and_for_how_long() {
    let mut cluster = Cluster::new();
    let reply = request(&mut cluster, &json!({}));
    assert_eq!(reply.code, 201, "{}", reply.text);
    assert_eq!(reply.at("/kind"), "TokenRequest");
    assert_eq!(
        reply.at("/status/expirationTimestamp"),
        "2026-01-01T01:00:00Z"
    );
    assert_eq!(reply.at("/spec/expirationSeconds"), 3600);
    let claims = reply
        .at("/status/token")
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let claims: serde_json::Value =
        serde_json::from_str(claims.trim_start_matches("unsigned.")).expect("claims");
    assert_eq!(claims["sub"], "system:serviceaccount:rec:default");
    assert_eq!(
        claims["aud"],
        json!(["https://kubernetes.default.svc.cluster.local"])
    );
    assert_eq!(claims["kubernetes.io"]["serviceaccount"]["name"], "default");
    assert_eq!(
        claims["exp"]
            .as_u64()
            .zip(claims["iat"].as_u64())
            .map(|(e, i)| e - i),
        Some(3600)
    );
}

#[test]
fn requests_that_are_refused() {
    let mut cluster = Cluster::new();
    pod(&mut cluster);
    let bound = |kind: &str, name: &str, uid: &str| json!({"boundObjectRef": {"apiVersion": "v1", "kind": kind, "name": name, "uid": uid}});
    for (spec, want) in [
        (
            json!({"expirationSeconds": 60}),
            "422 TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes",
        ),
        (json!({"expirationSeconds": 1_u64 << 40}), "422"),
        (bound("Pod", "none", ""), "404 pods \"none\" not found"),
        (
            bound("Pod", "p", "other"),
            "409 Operation cannot be fulfilled on pods \"p\": the UID in the bound object reference (other) does not match",
        ),
        (bound("ConfigMap", "p", ""), "400 cannot bind token"),
    ] {
        let got = request(&mut cluster, &spec).summary();
        assert!(got.starts_with(want), "{spec}\n want {want}\n  got {got}");
    }
    let missing = cluster.send(
        "POST",
        "/api/v1/namespaces/rec/serviceaccounts/none/token",
        "{}",
    );
    assert_eq!(missing.summary(), "404 serviceaccounts \"none\" not found");
}

#[test]
fn tokens_hold_until_their_time_is_over() {
    let mut cluster = Cluster::new();
    let own = "system:serviceaccount:rec:default";
    let plain = token(&mut cluster, &json!({}));
    let vault = token(&mut cluster, &json!({"audiences": ["vault"]}));
    for (token, audiences, later_s, want) in [
        (&plain, &[][..], 0, own),
        (&plain, &[], 3599, own),
        (&plain, &[], 3600, "service account token has expired"),
        (&plain, &["vault"], 0, "token audiences"),
        (&vault, &[], 0, "token audiences"),
        (&vault, &["vault"], 0, own),
        (
            &"nonsense".to_owned(),
            &[],
            0,
            "invalid bearer token: no signature",
        ),
        (&"unsigned.{}".to_owned(), &[], 0, "invalid bearer token: "),
    ] {
        let got = whose(&cluster, token, audiences, later_s);
        assert!(
            got.starts_with(want),
            "{token} {audiences:?} {later_s}: {got}"
        );
    }
}

#[test]
fn tokens_end_with_what_they_are_bound_to() {
    let mut cluster = Cluster::new();
    let uid = pod(&mut cluster);
    let bound = token(
        &mut cluster,
        &json!({"expirationSeconds": 3607, "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": uid}}),
    );
    let free = token(&mut cluster, &json!({}));
    let own = "system:serviceaccount:rec:default";
    assert_eq!(whose(&cluster, &bound, &[], 0), own);
    assert_eq!(
        whose(&cluster, &bound, &[], 24 * 3600),
        own,
        "extended for clients that never read it again"
    );
    cluster.send(
        "DELETE",
        "/api/v1/namespaces/rec/pods/p?gracePeriodSeconds=0",
        "",
    );
    assert!(whose(&cluster, &bound, &[], 0).contains("pod has been deleted"));
    assert_eq!(whose(&cluster, &free, &[], 0), own);
    cluster.send("DELETE", ACCOUNT, "");
    assert!(whose(&cluster, &free, &[], 0).contains("service account has been deleted"));
    cluster.send(
        "POST",
        "/api/v1/namespaces/rec/serviceaccounts",
        r#"{"metadata":{"name":"default"}}"#,
    );
    assert!(whose(&cluster, &free, &[], 0).contains("UID"));
}

#[test]
fn token_reviews_tell_whose_it_is() {
    let mut cluster = Cluster::new();
    let token = token(&mut cluster, &json!({}));
    let url = "/apis/authentication.k8s.io/v1/tokenreviews";
    let good = cluster.send("POST", url, &json!({"spec": {"token": token}}).to_string());
    assert_eq!(good.code, 201, "{}", good.text);
    assert_eq!(good.at("/status/authenticated"), true);
    assert_eq!(
        good.at("/status/user/username"),
        "system:serviceaccount:rec:default"
    );
    assert_eq!(
        good.at("/status/user/groups"),
        json!([
            "system:serviceaccounts",
            "system:serviceaccounts:rec",
            "system:authenticated"
        ])
    );
    let bad = cluster.send("POST", url, r#"{"spec":{"token":"x"}}"#);
    assert_eq!(bad.at("/status/user"), json!({}));
    assert_eq!(
        bad.at("/status/error"),
        "invalid bearer token: no signature"
    );
}
