//! ResourceQuota: what is let in, what is counted, what is refused.

use serde_json::{Value, json};

use crate::harness::Cluster;

const PODS: &str = "/api/v1/namespaces/rec/pods";
const QUOTA: &str = "/api/v1/namespaces/rec/resourcequotas";

fn with_quota(hard: Value) -> Cluster {
    let mut cluster = Cluster::new();
    let quota = json!({"metadata": {"name": "q"}, "spec": {"hard": hard}});
    assert_eq!(cluster.send("POST", QUOTA, &quota.to_string()).code, 201);
    cluster
}

fn pod(cluster: &mut Cluster, name: &str, cpu: &str) -> String {
    let resources = if cpu.is_empty() {
        json!({})
    } else {
        json!({"requests": {"cpu": cpu}})
    };
    let pod = json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i", "resources": resources}]}});
    cluster.send("POST", PODS, &pod.to_string()).summary()
}

#[test]
fn pods_are_charged_until_nothing_is_left() {
    let mut cluster = with_quota(json!({"pods": "1", "requests.cpu": "1"}));
    for (name, cpu, want) in [
        ("a", "500m", "201"),
        (
            "b",
            "100m",
            "403 pods \"b\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1",
        ),
        (
            "c",
            "",
            "403 pods \"c\" is forbidden: failed quota: q: must specify requests.cpu for: c",
        ),
        (
            "d",
            "2",
            "403 pods \"d\" is forbidden: exceeded quota: q, requested: pods=1,requests.cpu=2, used: pods=1,requests.cpu=500m, limited: pods=1,requests.cpu=1",
        ),
    ] {
        assert_eq!(pod(&mut cluster, name, cpu), want);
    }
    let used = cluster.get(&format!("{QUOTA}/q"), "").at("/status/used");
    assert_eq!(used, json!({"pods": "1", "requests.cpu": "500m"}));
}

#[test]
fn other_kinds_are_counted_too() {
    let mut cluster = with_quota(
        json!({"services.nodeports": "1", "count/deployments.apps": "1", "requests.storage": "1Gi"}),
    );
    let service = |name: &str| json!({"metadata": {"name": name}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}});
    let claim = |size: &str| json!({"metadata": {"name": "c"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}});
    let deployment = |name: &str| {
        json!({"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
    };
    for (path, body, want) in [
        ("/api/v1/namespaces/rec/services", service("s"), "201"),
        (
            "/api/v1/namespaces/rec/services",
            service("t"),
            "403 services \"t\" is forbidden: exceeded quota: q, requested: services.nodeports=1, used: services.nodeports=1, limited: services.nodeports=1",
        ),
        (
            "/api/v1/namespaces/rec/persistentvolumeclaims",
            claim("2Gi"),
            "403 persistentvolumeclaims \"c\" is forbidden: exceeded quota: q, requested: requests.storage=2Gi, used: requests.storage=0, limited: requests.storage=1Gi",
        ),
        (
            "/api/v1/namespaces/rec/persistentvolumeclaims",
            claim("1Gi"),
            "201",
        ),
        (
            "/apis/apps/v1/namespaces/rec/deployments",
            deployment("d"),
            "201",
        ),
        (
            "/apis/apps/v1/namespaces/rec/deployments",
            deployment("e"),
            "403 deployments.apps \"e\" is forbidden: exceeded quota: q, requested: count/deployments.apps=1, used: count/deployments.apps=1, limited: count/deployments.apps=1",
        ),
        (
            "/api/v1/namespaces/rec/configmaps",
            json!({"metadata": {"name": "x"}}),
            "201",
        ),
    ] {
        assert_eq!(
            cluster.send("POST", path, &body.to_string()).summary(),
            want
        );
    }
}

#[test]
fn scopes_narrow_what_is_counted_and_dry_runs_cost_nothing() {
    let mut cluster = Cluster::new();
    let quota = json!({"metadata": {"name": "q"}, "spec": {"hard": {"pods": "0"}, "scopes": ["NotBestEffort"]}});
    assert_eq!(cluster.send("POST", QUOTA, &quota.to_string()).code, 201);
    assert_eq!(pod(&mut cluster, "a", ""), "201");
    assert!(
        pod(&mut cluster, "b", "1").starts_with("403 pods \"b\" is forbidden: exceeded quota: q")
    );
    let mut cluster = with_quota(json!({"pods": "1"}));
    let body =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
            .to_string();
    assert_eq!(
        cluster
            .send("POST", &format!("{PODS}?dryRun=All"), &body)
            .code,
        201
    );
    assert_eq!(
        cluster.get(&format!("{QUOTA}/q"), "").at("/status/used"),
        Value::Null
    );
}
