//! What a minimal object becomes: defaults, admission and what the server fills in.

use crate::harness::Cluster;
use serde_json::{Value, json};

/// Creates an object and compares some of its fields.
fn check(path: &str, body: Value, want: &[(&str, Value)]) {
    let reply = Cluster::new().send("POST", &format!("{path}?fieldManager=m"), &body.to_string());
    assert_eq!(reply.summary(), "201", "{path} {body}");
    for (pointer, want) in want {
        assert_eq!(&reply.at(pointer), want, "{path} {body} {pointer}");
    }
}

fn pod(spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})
}

const PODS: &str = "/api/v1/namespaces/rec/pods";

#[test]
fn pods_get_what_they_leave_out() {
    check(
        PODS,
        pod(json!({"containers": [{"name": "c", "image": "i"}]})),
        &[
            ("/metadata/namespace", json!("rec")),
            ("/metadata/generation", json!(1)),
            ("/metadata/creationTimestamp", json!("2026-01-01T00:00:00Z")),
            ("/spec/restartPolicy", json!("Always")),
            ("/spec/dnsPolicy", json!("ClusterFirst")),
            ("/spec/enableServiceLinks", json!(true)),
            ("/spec/terminationGracePeriodSeconds", json!(30)),
            ("/spec/schedulerName", json!("default-scheduler")),
            ("/spec/securityContext", json!({})),
            ("/spec/serviceAccountName", json!("default")),
            ("/spec/serviceAccount", json!("default")),
            ("/spec/priority", json!(0)),
            ("/spec/preemptionPolicy", json!("PreemptLowerPriority")),
            (
                "/spec/tolerations/0/key",
                json!("node.kubernetes.io/not-ready"),
            ),
            ("/spec/tolerations/1/tolerationSeconds", json!(300)),
            ("/spec/containers/0/imagePullPolicy", json!("Always")),
            (
                "/spec/containers/0/terminationMessagePath",
                json!("/dev/termination-log"),
            ),
            ("/spec/containers/0/resources", json!({})),
            (
                "/spec/containers/0/volumeMounts/0/mountPath",
                json!("/var/run/secrets/kubernetes.io/serviceaccount"),
            ),
            (
                "/spec/volumes/0/projected/sources/0/serviceAccountToken/expirationSeconds",
                json!(3607),
            ),
            (
                "/status",
                json!({"phase": "Pending", "qosClass": "BestEffort"}),
            ),
        ],
    );
}

#[test]
fn managed_fields_are_what_was_sent_and_defaulted_but_not_what_admission_added() {
    let container = json!({".": {}, "f:image": {}, "f:imagePullPolicy": {}, "f:name": {}, "f:resources": {},
        "f:terminationMessagePath": {}, "f:terminationMessagePolicy": {}});
    check(
        PODS,
        pod(json!({"containers": [{"name": "c", "image": "i"}]})),
        &[
            ("/metadata/managedFields/0/manager", json!("m")),
            ("/metadata/managedFields/0/operation", json!("Update")),
            (
                "/metadata/managedFields/0/fieldsV1/f:spec",
                json!({"f:containers": {"k:{\"name\":\"c\"}": container}, "f:dnsPolicy": {}, "f:enableServiceLinks": {},
                    "f:restartPolicy": {}, "f:schedulerName": {}, "f:securityContext": {}, "f:terminationGracePeriodSeconds": {}}),
            ),
        ],
    );
}

#[test]
fn containers_get_what_they_leave_out() {
    check(
        PODS,
        pod(json!({
            "containers": [{
                "name": "c", "image": "i:1", "ports": [{"containerPort": 80}],
                "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                "livenessProbe": {"httpGet": {"port": 80}},
                "readinessProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 5},
                "lifecycle": {"preStop": {"httpGet": {"port": 80}}},
                "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}},
                "volumeMounts": [{"name": "v", "mountPath": "/v"}],
            }],
            "volumes": [{"name": "v"}, {"name": "s", "secret": {"secretName": "s"}}, {"name": "h", "hostPath": {"path": "/x"}},
                {"name": "p", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}],
            "tolerations": [{"operator": "Exists"}],
        })),
        &[
            ("/spec/containers/0/imagePullPolicy", json!("IfNotPresent")),
            ("/spec/containers/0/ports/0/protocol", json!("TCP")),
            (
                "/spec/containers/0/env/0/valueFrom/fieldRef/apiVersion",
                json!("v1"),
            ),
            (
                "/spec/containers/0/livenessProbe",
                json!({"httpGet": {"path": "/", "port": 80, "scheme": "HTTP"},
                "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}),
            ),
            ("/spec/containers/0/readinessProbe/periodSeconds", json!(5)),
            (
                "/spec/containers/0/lifecycle/preStop/httpGet/scheme",
                json!("HTTP"),
            ),
            (
                "/spec/containers/0/resources/requests",
                json!({"cpu": "500m", "memory": "1Gi"}),
            ),
            ("/spec/volumes/0/emptyDir", json!({})),
            ("/spec/volumes/1/secret/defaultMode", json!(420)),
            ("/spec/volumes/2/hostPath/type", json!("")),
            (
                "/spec/volumes/3/projected/sources/0/serviceAccountToken/expirationSeconds",
                json!(3600),
            ),
            ("/spec/tolerations", json!([{"operator": "Exists"}])),
            ("/status/qosClass", json!("Burstable")),
        ],
    );
}

#[test]
fn workloads_get_what_they_leave_out() {
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let of = |api: &str, kind: &str, more: Value| {
        let mut spec = json!({"selector": {"matchLabels": {"a": "b"}}, "template": template});
        spec.as_object_mut()
            .expect("fields")
            .extend(more.as_object().cloned().unwrap_or_default());
        json!({"apiVersion": api, "kind": kind, "metadata": {"name": "x"}, "spec": spec})
    };
    let apps = |plural: &str| format!("/apis/apps/v1/namespaces/rec/{plural}");
    check(
        &apps("deployments"),
        of("apps/v1", "Deployment", json!({})),
        &[
            ("/spec/replicas", json!(1)),
            (
                "/spec/strategy",
                json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}),
            ),
            ("/spec/revisionHistoryLimit", json!(10)),
            ("/spec/progressDeadlineSeconds", json!(600)),
            ("/spec/template/spec/enableServiceLinks", Value::Null),
            ("/spec/template/spec/restartPolicy", json!("Always")),
            ("/status", json!({})),
        ],
    );
    check(
        &apps("deployments"),
        of(
            "apps/v1",
            "Deployment",
            json!({"strategy": {"type": "Recreate"}}),
        ),
        &[("/spec/strategy", json!({"type": "Recreate"}))],
    );
    check(
        &apps("replicasets"),
        of("apps/v1", "ReplicaSet", json!({})),
        &[("/status", json!({"replicas": 0}))],
    );
    check(
        &apps("daemonsets"),
        of("apps/v1", "DaemonSet", json!({})),
        &[
            (
                "/spec/updateStrategy/rollingUpdate",
                json!({"maxSurge": 0, "maxUnavailable": 1}),
            ),
            (
                "/metadata/annotations",
                json!({"deprecated.daemonset.template.generation": "1"}),
            ),
        ],
    );
    check(
        &apps("statefulsets"),
        of("apps/v1", "StatefulSet", json!({"serviceName": "s"})),
        &[
            ("/spec/podManagementPolicy", json!("OrderedReady")),
            ("/spec/updateStrategy/rollingUpdate/partition", json!(0)),
        ],
    );
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}});
    check(
        "/apis/batch/v1/namespaces/rec/jobs",
        job,
        &[
            ("/spec/backoffLimit", json!(6)),
            ("/spec/completions", json!(1)),
            ("/spec/template/metadata/labels/job-name", json!("j")),
            ("/spec/podReplacementPolicy", json!("TerminatingOrFailed")),
        ],
    );
}

#[test]
fn other_kinds_get_what_they_leave_out() {
    let ns = "/api/v1/namespaces/rec";
    check(
        "/api/v1/namespaces",
        json!({"metadata": {"name": "n"}}),
        &[
            (
                "/metadata/labels",
                json!({"kubernetes.io/metadata.name": "n"}),
            ),
            ("/spec/finalizers", json!(["kubernetes"])),
            ("/status", json!({"phase": "Active"})),
        ],
    );
    check(
        "/api/v1/nodes",
        json!({"metadata": {"name": "n"}}),
        &[(
            "/spec/taints",
            json!([{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]),
        )],
    );
    check(
        &format!("{ns}/secrets"),
        json!({"metadata": {"name": "s"}, "stringData": {"a": "1"}}),
        &[
            ("/data", json!({"a": "MQ=="})),
            ("/stringData", Value::Null),
            ("/type", json!("Opaque")),
        ],
    );
    check(
        &format!("{ns}/persistentvolumeclaims"),
        json!({"metadata": {"name": "c"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}),
        &[
            (
                "/metadata/finalizers",
                json!(["kubernetes.io/pvc-protection"]),
            ),
            ("/spec/volumeMode", json!("Filesystem")),
            ("/status/phase", json!("Pending")),
        ],
    );
    check(
        "/apis/networking.k8s.io/v1/namespaces/rec/networkpolicies",
        json!({"metadata": {"name": "n"}, "spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}}),
        &[
            ("/spec/policyTypes", json!(["Ingress"])),
            ("/spec/ingress/0/ports/0/protocol", json!("TCP")),
        ],
    );
    check(
        "/apis/rbac.authorization.k8s.io/v1/namespaces/rec/rolebindings",
        json!({"metadata": {"name": "b"}, "roleRef": {"kind": "Role", "name": "r", "apiGroup": "rbac.authorization.k8s.io"},
            "subjects": [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s"}]}),
        &[
            ("/subjects/0/apiGroup", json!("rbac.authorization.k8s.io")),
            ("/subjects/1/apiGroup", Value::Null),
        ],
    );
}

#[test]
fn generated_names_get_five_letters() {
    let mut cluster = Cluster::new();
    let body = r#"{"metadata":{"generateName":"web-"}}"#;
    let names: std::collections::BTreeSet<String> = (0..50)
        .map(|_| {
            cluster
                .send("POST", "/api/v1/namespaces/rec/configmaps", body)
                .at("/metadata/name")
                .to_string()
        })
        .collect();
    assert_eq!(names.len(), 50);
    assert!(
        names.iter().all(|n| n.len() == "\"web-xxxxx\"".len()),
        "{names:?}"
    );
}

#[test]
fn limit_ranges_fill_in_and_bound() {
    let mut cluster = Cluster::new();
    let range = r#"{"metadata":{"name":"l"},"spec":{"limits":[{"type":"Container","max":{"cpu":"2"},"default":{"memory":"64Mi"}}]}}"#;
    let made = cluster.send("POST", "/api/v1/namespaces/rec/limitranges", range);
    assert_eq!(
        made.at("/spec/limits/0/defaultRequest"),
        json!({"cpu": "2", "memory": "64Mi"})
    );
    let ok = cluster.send(
        "POST",
        PODS,
        &pod(json!({"containers": [{"name": "c", "image": "i"}]})).to_string(),
    );
    assert_eq!(
        ok.at("/spec/containers/0/resources/limits"),
        json!({"cpu": "2", "memory": "64Mi"})
    );
    let mut big = pod(
        json!({"containers": [{"name": "c", "image": "i", "resources": {"limits": {"cpu": "3"}}}]}),
    );
    big["metadata"]["name"] = json!("big");
    let refused = cluster.send("POST", PODS, &big.to_string());
    assert_eq!(
        refused.summary(),
        "403 pods \"big\" is forbidden: maximum cpu usage per Container is 2, but limit is 3"
    );
}

#[test]
fn priorities_come_from_classes() {
    let mut cluster = Cluster::new();
    let of = |name: &str, class: &str| {
        json!({"metadata": {"name": name}, "spec": {"priorityClassName": class, "containers": [{"name": "c", "image": "i"}]}}).to_string()
    };
    let critical = cluster.send("POST", PODS, &of("a", "system-node-critical"));
    assert_eq!(critical.at("/spec/priority"), json!(2_000_001_000));
    let unknown = cluster.send("POST", PODS, &of("b", "nope"));
    assert_eq!(
        unknown.summary(),
        "403 pods \"b\" is forbidden: no PriorityClass with name nope was found"
    );
    cluster.send(
        "POST",
        "/apis/scheduling.k8s.io/v1/priorityclasses",
        r#"{"metadata":{"name":"std"},"value":7,"globalDefault":true}"#,
    );
    let plain = cluster.send("POST", PODS, &of("c", ""));
    assert_eq!(
        (
            plain.at("/spec/priority"),
            plain.at("/spec/priorityClassName")
        ),
        (json!(7), json!("std"))
    );
}
