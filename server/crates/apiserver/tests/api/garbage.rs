//! Generated bad requests: each is answered with a Status, none panics, none is a server error that is not declared.

use crate::harness::Cluster;
use serde_json::{Value, json};

/// How many requests; seeded, so that a failure can be repeated.
const REQUESTS: u64 = 4000;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[(self.next() % from.len() as u64) as usize]
    }
}

fn seeds() -> Vec<(&'static str, Value)> {
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": "Always", "containers": [{"name": "c", "image": "i",
        "ports": [{"containerPort": 80}], "env": [{"name": "A", "value": "1"}], "resources": {"requests": {"cpu": "1"}},
        "livenessProbe": {"httpGet": {"port": 80}}, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}], "volumes": [{"name": "v", "emptyDir": {}}]}});
    vec![
        (
            "/api/v1/namespaces/rec/pods",
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "g", "labels": {"a": "b"}, "finalizers": ["x.y/z"]}, "spec": template["spec"]}),
        ),
        (
            "/apis/apps/v1/namespaces/rec/deployments",
            json!({"metadata": {"name": "g"}, "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template}}),
        ),
        (
            "/api/v1/namespaces/rec/services",
            json!({"metadata": {"name": "g"}, "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30001}], "clusterIP": "10.96.9.9"}}),
        ),
        (
            "/api/v1/namespaces/rec/secrets",
            json!({"metadata": {"name": "g"}, "stringData": {"a": "1"}, "data": {"b": "eA=="}}),
        ),
        (
            "/api/v1/nodes",
            json!({"metadata": {"name": "g"}, "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}),
        ),
        (
            "/api/v1/namespaces",
            json!({"metadata": {"name": "g"}, "spec": {"finalizers": ["kubernetes"]}}),
        ),
        (
            "/apis/batch/v1/namespaces/rec/cronjobs",
            json!({"metadata": {"name": "g"}, "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}}}),
        ),
        (
            "/apis/networking.k8s.io/v1/namespaces/rec/networkpolicies",
            json!({"metadata": {"name": "g"}, "spec": {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}}),
        ),
        (
            "/apis/autoscaling/v2/namespaces/rec/horizontalpodautoscalers",
            json!({"metadata": {"name": "g"}, "spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d"}}}),
        ),
        (
            "/apis/discovery.k8s.io/v1/namespaces/rec/endpointslices",
            json!({"metadata": {"name": "g"}, "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 80}]}),
        ),
    ]
}

/// Damages a value somewhere.
fn damage(value: &mut Value, random: &mut Random) {
    if !random.next().is_multiple_of(3) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                let keys: Vec<String> = map.keys().cloned().collect();
                let key = random.pick(&keys).clone();
                if random.next().is_multiple_of(12) {
                    map.remove(&key);
                } else if let Some(inner) = map.get_mut(&key) {
                    damage(inner, random);
                }
                return;
            }
            Value::Array(list) if !list.is_empty() => {
                let at = (random.next() % list.len() as u64) as usize;
                if let Some(inner) = list.get_mut(at) {
                    damage(inner, random);
                }
                return;
            }
            _ => {}
        }
    }
    let wrong = [
        Value::Null,
        json!(-1),
        json!(0),
        json!(u64::MAX),
        json!(1.5),
        json!(true),
        json!(""),
        json!("x y"),
        json!("ü%00"),
        json!([]),
        json!([null]),
        json!({}),
        json!({"": null}),
        json!([[[]]]),
        json!("a".repeat(300)),
        json!("1e99"),
        json!("None"),
    ];
    *value = random.pick(&wrong).clone();
}

#[test]
fn nothing_that_is_sent_breaks_the_server() {
    let mut cluster = Cluster::new();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let seeds = seeds();
    for (path, body) in &seeds {
        cluster.send("POST", path, &body.to_string());
    }
    let types = [
        "application/json",
        "application/yaml",
        "application/vnd.kubernetes.protobuf",
        "application/merge-patch+json",
        "application/json-patch+json",
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
        "text/plain",
        "",
    ];
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    let queries = [
        "",
        "?limit=-1",
        "?limit=99999999999999999999",
        "?continue=%00",
        "?resourceVersion=-1",
        "?labelSelector=((",
        "?fieldSelector=%3D%3D",
        "?watch=",
        "?fieldManager=x&force=true",
        "?dryRun=All",
        "?gracePeriodSeconds=-5",
        "?propagationPolicy=x",
        "?%",
        "?a=%ff",
        "?timeoutSeconds=x",
        "?fieldValidation=Strict",
    ];
    let tails = [
        "",
        "/g",
        "/g/status",
        "/g/scale",
        "/g/binding",
        "/g/eviction",
        "/g/log",
        "/g/finalize",
        "/%2e%2e",
        "/g/nope",
        "//",
        "/ü",
    ];
    for i in 0..REQUESTS {
        let (path, seed) = random.pick(&seeds);
        let mut body = seed.clone();
        for _ in 0..=random.next() % 3 {
            damage(&mut body, &mut random);
        }
        let mut bytes = body.to_string().into_bytes();
        if random.next().is_multiple_of(8) {
            let cut = (random.next() % (bytes.len() as u64 + 1)) as usize;
            bytes.truncate(cut);
        }
        if random.next().is_multiple_of(8) && !bytes.is_empty() {
            let at = (random.next() % bytes.len() as u64) as usize;
            bytes[at] = (random.next() & 0xff) as u8;
        }
        let url = format!("{path}{}{}", random.pick(&tails), random.pick(&queries));
        let (method, content_type) = (*random.pick(&methods), *random.pick(&types));
        let reply = cluster.exchange(method, &url, content_type, "", &bytes);
        let is_declared = reply.code < 500
            || reply
                .summary()
                .starts_with("500 failed to create typed patch object")
            || reply.summary().starts_with("500 resourceVersion")
            || reply.json.get("reason").is_none() && content_type.contains("strategic");
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        assert!(
            is_declared,
            "{i}: {method} {url} {content_type} {shown}\n{}",
            reply.text
        );
        assert!(
            reply.code < 400
                || reply.json.get("kind") == Some(&json!("Status"))
                || reply.code == 404,
            "{i}: {method} {url}\n{}",
            reply.text
        );
    }
    let stored = cluster.store.snapshot();
    for kv in stored
        .iter("/registry/")
        .filter(|kv| !kv.key.starts_with("/registry/ranges/"))
    {
        let value: Value =
            serde_json::from_slice(&kv.value).unwrap_or_else(|e| panic!("{}: {e}", kv.key));
        assert!(
            value.pointer("/metadata/uid").is_some_and(Value::is_string),
            "{}: {value}",
            kv.key
        );
    }
}
