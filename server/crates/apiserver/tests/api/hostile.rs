//! Thousands of bad requests, made from good ones: each gets an answer that the API declares, and none a panic.

use serde_json::{Value, json};

use crate::harness::Cluster;

const REQUESTS: usize = 10_000;
/// Refusals with a 5xx code that the original has too: their messages begin or contain so.
const DECLARED: &[&str] = &[
    "resourceVersion should not be set on objects to be created",
    "Too large resource version",
    "resourceVersion: Invalid value",
    "failed to create typed patch object",
    "does not contain declared merge key",
    "unknown patch type",
    "invalid patch format",
    "$setElementOrder",
    "cannot unmarshal",
    "more than one PodDisruptionBudget",
];
const METHODS: &[&str] = &[
    "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE",
];
const PATHS: &[&str] = &[
    "/api/v1/namespaces/rec/pods",
    "/api/v1/namespaces/rec/pods/p",
    "/api/v1/namespaces/rec/pods/p/status",
    "/api/v1/namespaces/rec/pods/p/binding",
    "/api/v1/namespaces/rec/pods/p/eviction",
    "/api/v1/namespaces/rec/pods/p/ephemeralcontainers",
    "/api/v1/namespaces/rec/pods/p/resize",
    "/api/v1/namespaces/rec/services",
    "/api/v1/namespaces/rec/services/s",
    "/api/v1/namespaces/rec/configmaps",
    "/api/v1/namespaces/rec/configmaps/c",
    "/api/v1/nodes",
    "/api/v1/nodes/n",
    "/api/v1/namespaces/rec",
    "/api/v1/namespaces/rec/finalize",
    "/api/v1/componentstatuses",
    "/api/v1/pods",
    "/api/v1",
    "/apis/apps/v1/namespaces/rec/deployments",
    "/apis/apps/v1/namespaces/rec/deployments/d",
    "/apis/apps/v1/namespaces/rec/deployments/d/scale",
    "/apis/batch/v1/namespaces/rec/jobs",
    "/apis/batch/v1/namespaces/rec/cronjobs",
    "/apis/autoscaling/v1/namespaces/rec/horizontalpodautoscalers",
    "/apis/autoscaling/v2/namespaces/rec/horizontalpodautoscalers",
    "/apis/certificates.k8s.io/v1/certificatesigningrequests",
    "/apis/certificates.k8s.io/v1/certificatesigningrequests/x/approval",
    "/apis/events.k8s.io/v1/namespaces/rec/events",
    "/apis/networking.k8s.io/v1/namespaces/rec/ingresses",
    "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas",
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/api/v1/namespaces/rec/secrets",
    "/api/v1/namespaces/rec/events",
    "/api/v1/namespaces/rec/pods/p/log",
    "/api/v1/namespaces/rec/pods/p/nope",
    "/api/v1/namespaces/rec/pods/%2e%2e",
    "/apis/apps/v1/namespaces/rec/deployments//",
    "/apis/networking.k8s.io/v1/namespaces/rec/networkpolicies",
    "/apis/networking.k8s.io/v1/servicecidrs",
    "/apis/discovery.k8s.io/v1/namespaces/rec/endpointslices",
    "/apis/resource.k8s.io/v1/namespaces/rec/resourceclaims",
    "/apis/resource.k8s.io/v1/resourceslices",
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "/apis/apiregistration.k8s.io/v1/apiservices",
    "/apis",
    "/openapi/v3/%2e%2e",
    "/api/v1/namespaces//pods",
    "/api/v1/%ff",
    "/apis/none/v1/x/y/z/a/b",
];
const QUERIES: &[&str] = &[
    "",
    "dryRun=All",
    "dryRun=",
    "dryRun=x&dryRun=All",
    "fieldValidation=Strict",
    "fieldValidation=%00",
    "limit=1",
    "limit=-1",
    "limit=99999999999999999999",
    "continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTEsInN0YXJ0IjoiYSJ9",
    "continue=%2B",
    "resourceVersion=18446744073709551615",
    "resourceVersion=-1",
    "resourceVersion=1&resourceVersionMatch=Exact",
    "labelSelector=a%20in%20(",
    "labelSelector=,",
    "labelSelector=!%21",
    "fieldSelector=metadata.name%3D%3D%3D",
    "fieldSelector=,",
    "watch=1&timeoutSeconds=x",
    "force=true&fieldManager=f",
    "fieldManager=f",
    "gracePeriodSeconds=-5",
    "propagationPolicy=Nope",
    "%zz",
    "a=b&=&&",
    "includeObject=Object",
    "sendInitialEvents=1",
    "timeoutSeconds=x",
    "a=%ff",
    "%",
];
const TYPES: &[&str] = &[
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "text/plain",
    "",
];
const ACCEPTS: &[&str] = &[
    "",
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/yaml",
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
    "application/vnd.kubernetes.protobuf",
    "*/*;q=x",
    ";;;,",
];

/// A generator of numbers that is the same on every run (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap_or(0) % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }
}

/// Objects that would be good.
fn good() -> Vec<Value> {
    let pod = json!({"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}], "env": [{"name": "A", "value": "1"}],
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}, "livenessProbe": {"httpGet": {"port": 80}}}],
        "volumes": [{"name": "v", "emptyDir": {}}], "tolerations": [{"key": "k"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}});
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": pod});
    vec![
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": pod, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30000}], "clusterIP": "10.96.0.9"}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template}}),
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "j"}, "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}}}),
        json!({"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h", "annotations": {"autoscaling.alpha.kubernetes.io/metrics": "[{}]"}},
            "spec": {"maxReplicas": 2, "targetCPUUtilizationPercentage": 5, "scaleTargetRef": {"kind": "Deployment", "name": "d"}}}),
        json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"name": "n"}}),
        json!({"metadata": {"name": "x", "labels": {"a": "b"}, "finalizers": ["a.b/c"], "ownerReferences": [{"uid": "u"}], "managedFields": [{}]}}),
        json!({"spec": {"replicas": 2}, "deleteOptions": {"preconditions": {"uid": "u"}}}),
        json!([{"op": "add", "path": "/metadata/labels/x", "value": "y"}, {"op": "remove", "path": "/spec"}]),
        json!({"metadata": {"name": "g"}, "stringData": {"a": "1"}, "data": {"b": "eA=="}}),
        json!({"metadata": {"name": "g"}, "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}], "finalizers": ["kubernetes"]}}),
        json!({"metadata": {"name": "g"}, "spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 80, "endPort": 90}],
            "from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}], "cidrs": ["10.0.0.0/8"]}}),
        json!({"metadata": {"name": "g"}, "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 80}]}),
        json!({"metadata": {"name": "g"}, "regarding": {"kind": "Pod", "namespace": "rec"}, "eventTime": "2026-01-01T00:00:00.000000Z",
            "series": {"count": 2}, "reportingController": "x.example/c", "type": "Normal"}),
        json!({"metadata": {"name": "g"}, "spec": {"devices": {"requests": [{"name": "a", "exactly": {"deviceClassName": "x"}}],
            "constraints": [{"requests": ["a/b"]}], "config": [{"opaque": {"driver": "d", "parameters": {}}}]}}}),
        json!({"metadata": {"name": "g"}, "spec": {"driver": "d", "pool": {"name": "p"}, "allNodes": true,
            "devices": [{"name": "a", "attributes": {"x/y": {"int": 1}}}]}}),
        json!({"metadata": {"name": "g"}, "webhooks": [{"name": "a.b.c", "clientConfig": {"url": "https://h/p"}, "rules": [{"operations": ["*"],
            "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}], "matchConditions": [{"name": "m", "expression": "true"}]}]}),
        json!({"metadata": {"name": "g"}, "spec": {"matchConstraints": {"resourceRules": [{"operations": ["*"]}]}, "validations": [{"expression": "true"}],
            "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}, "variables": [{"name": "v", "expression": "1"}]}}),
        json!({"metadata": {"name": "g"}, "spec": {"matchingPrecedence": 5, "priorityLevelConfiguration": {"name": "p"}, "rules": [{"subjects": [{"kind": "User"}],
            "resourceRules": [{"verbs": ["get"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}]}]}}),
        json!({"metadata": {"name": "v1.g"}, "spec": {"group": "g", "version": "v1", "service": {"name": "s", "namespace": "n", "port": 1},
            "request": "YQ==", "usages": ["any"], "signerName": "a.b/c"}}),
        json!({"metadata": {"$patch": "replace", "$retainKeys": ["name"]}, "spec": {"$setElementOrder/containers": [{"name": "c"}], "containers": [{"$patch": "delete", "name": "c"}]}}),
    ]
}

/// Puts something else into some place of a value.
fn spoil(value: &mut Value, dice: &mut Dice) {
    let others = [
        Value::Null,
        json!(""),
        json!([]),
        json!({}),
        json!(-1),
        json!(1e300),
        json!(9_223_372_036_854_775_807_i64),
        json!(true),
        json!("\u{0}\u{fffd}/.."),
        json!([{}]),
        json!({"a": {"b": [null]}}),
        json!("99999999999999999999Gi"),
        json!("x".repeat(300)),
    ];
    let descend = dice.roll(4) > 0;
    match value {
        Value::Object(fields) if descend && !fields.is_empty() => {
            let at = dice.roll(fields.len());
            if let Some(inner) = fields.values_mut().nth(at) {
                spoil(inner, dice);
            }
        }
        Value::Array(items) if descend && !items.is_empty() => {
            let at = dice.roll(items.len());
            spoil(&mut items[at], dice);
        }
        other => *other = others[dice.roll(others.len())].clone(),
    }
}

fn body(dice: &mut Dice, good: &Value) -> Vec<u8> {
    let mut value = good.clone();
    for _ in 0..dice.roll(3) {
        spoil(&mut value, dice);
    }
    let mut bytes = value.to_string().into_bytes();
    match dice.roll(8) {
        0 => bytes.truncate(dice.roll(bytes.len().max(1))),
        1 => {
            let at = dice.roll(bytes.len().max(1));
            if let Some(byte) = bytes.get_mut(at) {
                *byte = u8::try_from(dice.roll(256)).unwrap_or(0);
            }
        }
        2 => bytes = [b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12".as_slice(), &bytes].concat(),
        3 => bytes = "[".repeat(dice.roll(400)).into_bytes(),
        _ => {}
    }
    bytes
}

/// Whatever was taken is an object.
fn check_stored(cluster: &Cluster) {
    let stored = cluster.store.snapshot();
    let objects = stored.iter("/registry/");
    for kv in objects.filter(|kv| !kv.key.starts_with("/registry/ranges/")) {
        let value: Value =
            serde_json::from_slice(&kv.value).unwrap_or_else(|e| panic!("{}: {e}", kv.key));
        let uid = value.pointer("/metadata/uid");
        assert!(uid.is_some_and(Value::is_string), "{}: {value}", kv.key);
    }
}

/// Sends a request with a body made from a good one, whatever else is wrong with it, and judges the answer. Says
/// whether it was refused.
fn is_refused(cluster: &mut Cluster, dice: &mut Dice, url: &str, good: &Value) -> bool {
    let method = dice.pick(METHODS);
    let url = format!("{url}?{}", dice.pick(QUERIES));
    let (content_type, accept) = (dice.pick(TYPES), dice.pick(ACCEPTS));
    let body = body(dice, good);
    let reply = cluster.exchange(method, &url, content_type, accept, &body);
    let is_declared = reply.code < 500 || DECLARED.iter().any(|d| reply.text.contains(d));
    // In other forms, and without a body, a refusal cannot be read here.
    let is_shown = accept.is_empty() && method != "HEAD" && reply.code != 404;
    let is_status = reply.code < 400 || !is_shown || reply.json["kind"] == "Status";
    assert!(
        is_declared && is_status,
        "{method} {url} {content_type}\n{}\n{} {}",
        String::from_utf8_lossy(&body),
        reply.code,
        reply.text
    );
    reply.code >= 400
}

#[test]
fn ten_thousand_bad_requests_are_answered() {
    let mut cluster = Cluster::new();
    let good = good();
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let mut refused = 0;
    for i in 0..REQUESTS {
        let (url, at) = (dice.pick(PATHS), dice.roll(good.len()));
        refused += usize::from(is_refused(&mut cluster, &mut dice, url, &good[at]));
        // What was created or broken by one request is what the next one meets; but not for ever.
        if i % 500 == 499 {
            check_stored(&cluster);
            cluster = Cluster::new();
        }
    }
    assert!(refused > REQUESTS / 2, "{refused}");
}

/// Objects that are taken as they are, by their collections.
fn stored() -> Vec<(&'static str, Value)> {
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let rules = json!([{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]);
    let spec =
        |spec: Value| json!({"metadata": {"name": "g", "finalizers": ["a.b/c"]}, "spec": spec});
    let devices = json!({"devices": {"requests": [{"name": "a", "exactly": {"deviceClassName": "x.example"}}]}});
    vec![
        (
            "/api/v1/namespaces/rec/pods",
            spec(template["spec"].clone()),
        ),
        (
            "/api/v1/namespaces/rec/services",
            spec(json!({"type": "NodePort", "ports": [{"port": 80}]})),
        ),
        (
            "/api/v1/namespaces/rec/secrets",
            json!({"metadata": {"name": "g"}, "stringData": {"a": "1"}}),
        ),
        (
            "/api/v1/nodes",
            spec(json!({"taints": [{"key": "a", "effect": "NoSchedule"}]})),
        ),
        (
            "/apis/apps/v1/namespaces/rec/deployments",
            spec(json!({"selector": {"matchLabels": {"a": "b"}}, "template": template})),
        ),
        (
            "/apis/batch/v1/namespaces/rec/cronjobs",
            spec(
                json!({"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}}}),
            ),
        ),
        (
            "/apis/autoscaling/v2/namespaces/rec/horizontalpodautoscalers",
            spec(
                json!({"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d"}, "behavior": {"scaleDown": {}}}),
            ),
        ),
        (
            "/apis/policy/v1/namespaces/rec/poddisruptionbudgets",
            spec(json!({"minAvailable": 1, "selector": {}})),
        ),
        (
            "/apis/networking.k8s.io/v1/namespaces/rec/networkpolicies",
            spec(
                json!({"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}),
            ),
        ),
        (
            "/apis/networking.k8s.io/v1/namespaces/rec/ingresses",
            spec(json!({"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}})),
        ),
        (
            "/apis/networking.k8s.io/v1/ingressclasses",
            spec(json!({"controller": "a.b/c", "parameters": {"kind": "K", "name": "n"}})),
        ),
        (
            "/apis/networking.k8s.io/v1/servicecidrs",
            spec(json!({"cidrs": ["10.1.0.0/16"]})),
        ),
        (
            "/apis/discovery.k8s.io/v1/namespaces/rec/endpointslices",
            json!({"metadata": {"name": "g"}, "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 80}]}),
        ),
        (
            "/apis/events.k8s.io/v1/namespaces/rec/events",
            json!({"metadata": {"name": "g"}, "regarding": {"kind": "Pod", "namespace": "rec"}, "type": "Normal", "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "x.example/c", "reportingInstance": "c-1", "action": "Look", "reason": "Looked"}),
        ),
        (
            "/apis/node.k8s.io/v1/runtimeclasses",
            json!({"metadata": {"name": "g"}, "handler": "wasm", "overhead": {"podFixed": {"cpu": "1m"}}}),
        ),
        (
            "/apis/resource.k8s.io/v1/namespaces/rec/resourceclaims",
            spec(devices.clone()),
        ),
        (
            "/apis/resource.k8s.io/v1/namespaces/rec/resourceclaimtemplates",
            spec(json!({"spec": devices})),
        ),
        (
            "/apis/resource.k8s.io/v1/deviceclasses",
            spec(json!({"selectors": [{"cel": {"expression": "true"}}]})),
        ),
        (
            "/apis/resource.k8s.io/v1/resourceslices",
            spec(
                json!({"driver": "d.example", "pool": {"name": "p", "resourceSliceCount": 1}, "nodeName": "n", "devices": [{"name": "a", "attributes": {"x.example/y": {"int": 1}}}]}),
            ),
        ),
        (
            "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
            json!({"metadata": {"name": "g"}, "webhooks": [{"name": "a.b.c", "admissionReviewVersions": ["v1"], "sideEffects": "None", "clientConfig": {"url": "https://h/p"}, "rules": rules}]}),
        ),
        (
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
            spec(
                json!({"matchConstraints": {"resourceRules": rules}, "validations": [{"expression": "true"}]}),
            ),
        ),
        (
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
            spec(json!({"policyName": "g", "validationActions": ["Deny"]})),
        ),
        (
            "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations",
            spec(json!({"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}})),
        ),
        (
            "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas",
            spec(
                json!({"matchingPrecedence": 5, "priorityLevelConfiguration": {"name": "g"}, "rules": [{"subjects": [{"kind": "User", "user": {"name": "u"}}], "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}]}]}),
            ),
        ),
    ]
}

/// Bad writes of objects that are there: what compares them with the state before, and their statuses.
#[test]
fn stored_objects_stand_bad_writes() {
    let stored = stored();
    let tails = ["", "/g", "/g", "/g/status", "/g/scale", "/g/nope"];
    let mut dice = Dice(0xD1B5_4A32_D192_ED03);
    let mut refused = 0;
    for _ in 0..REQUESTS / 500 {
        let mut cluster = Cluster::new();
        for (collection, object) in &stored {
            let reply = cluster.send("POST", collection, &object.to_string());
            assert_eq!(reply.code, 201, "{collection}: {}", reply.text);
        }
        for _ in 0..500 {
            let (collection, object) = &stored[dice.roll(stored.len())];
            let url = format!("{collection}{}", dice.pick(&tails));
            refused += usize::from(is_refused(&mut cluster, &mut dice, &url, object));
        }
        check_stored(&cluster);
    }
    assert!(refused > REQUESTS / 2, "{refused}");
}
