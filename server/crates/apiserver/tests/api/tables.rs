//! Tables: the rows that `kubectl get` prints.

use crate::harness::Cluster;
use serde_json::{Value, json};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// Makes an object and shows its row, cells joined by `|`.
fn check(path: &str, body: Value, status: Value, want: &str) {
    let mut cluster = Cluster::new();
    let made = cluster.send("POST", path, &body.to_string());
    assert_eq!(made.summary(), "201", "{path} {body}");
    let name = made
        .at("/metadata/name")
        .as_str()
        .unwrap_or_default()
        .to_owned();
    if !status.is_null() {
        let patched = cluster.patch(
            "merge",
            &format!("{path}/{name}/status"),
            &json!({"status": status}).to_string(),
        );
        assert_eq!(patched.summary(), "200", "{path} {status}");
    }
    cluster.now = cluster.now.plus_secs(90);
    let table = cluster.get(&format!("{path}/{name}"), TABLE);
    let columns = table
        .at("/columnDefinitions")
        .as_array()
        .map_or(0, Vec::len);
    let cells = table
        .at("/rows/0/cells")
        .as_array()
        .cloned()
        .unwrap_or_default();
    assert_eq!(cells.len(), columns, "{path}");
    let show = |cell: &Value| {
        cell.as_str()
            .map_or_else(|| cell.to_string(), str::to_owned)
    };
    assert_eq!(
        cells.iter().map(show).collect::<Vec<_>>().join("|"),
        want,
        "{path} {body}"
    );
}

#[test]
fn rows_of_core_kinds() {
    let ns = "/api/v1/namespaces/rec";
    let pod = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}});
    let running = json!({"phase": "Running", "podIP": "10.244.1.2", "containerStatuses": [{"name": "c", "image": "i", "imageID": "", "ready": true,
        "restartCount": 2, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}, "lastState": {"terminated": {"exitCode": 1, "finishedAt": "2026-01-01T00:00:30Z"}}}]});
    check(
        &format!("{ns}/pods"),
        pod,
        running,
        "p|1/1|Running|2 (60s ago)|90s|10.244.1.2|n1|<none>|<none>",
    );
    check(
        &format!("{ns}/configmaps"),
        json!({"metadata": {"name": "c"}, "data": {"a": "1"}, "binaryData": {"b": "eA=="}}),
        Value::Null,
        "c|2|90s",
    );
    check(
        &format!("{ns}/secrets"),
        json!({"metadata": {"name": "s"}, "stringData": {"a": "1"}}),
        Value::Null,
        "s|Opaque|1|90s",
    );
    check(
        "/api/v1/namespaces",
        json!({"metadata": {"name": "x"}}),
        Value::Null,
        "x|Active|90s",
    );
    check(
        &format!("{ns}/services"),
        json!({"metadata": {"name": "s"}, "spec": {"clusterIP": "10.96.1.1", "type": "NodePort", "selector": {"a": "b"},
        "ports": [{"name": "x", "port": 80, "nodePort": 30080}, {"name": "y", "port": 53, "protocol": "UDP", "nodePort": 30053}]}}),
        Value::Null,
        "s|NodePort|10.96.1.1|<none>|80:30080/TCP,53:30053/UDP|90s|a=b",
    );
    check(
        &format!("{ns}/services"),
        json!({"metadata": {"name": "s"}, "spec": {"clusterIP": "10.96.1.1", "type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30080}]}}),
        json!({"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}),
        "s|LoadBalancer|10.96.1.1|1.2.3.4|80:30080/TCP|90s|<none>",
    );
    check(
        &format!("{ns}/services"),
        json!({"metadata": {"name": "s"}, "spec": {"type": "ExternalName", "externalName": "x.example"}}),
        Value::Null,
        "s|ExternalName|<none>|x.example|<none>|90s|<none>",
    );
    check(
        "/api/v1/nodes",
        json!({"metadata": {"name": "n", "labels": {"node-role.kubernetes.io/worker": ""}}, "status": {"conditions": [{"type": "Ready", "status": "True"}],
        "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}], "nodeInfo": {"kubeletVersion": "v1.36.0", "containerRuntimeVersion": "wasmtime://48"}}}),
        Value::Null,
        "n|Ready|worker|90s|v1.36.0|10.0.0.1|<none>|<unknown>|<unknown>|wasmtime://48",
    );
    check(
        &format!("{ns}/events"),
        json!({"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "p", "namespace": "rec"}, "type": "Warning", "reason": "Failed",
        "message": "no", "count": 3, "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:01:00Z", "source": {"component": "kubelet", "host": "n1"}}),
        Value::Null,
        "30s|Warning|Failed|pod/p||kubelet, n1|no|90s|3|e",
    );
    check(
        &format!("{ns}/endpoints"),
        json!({"metadata": {"name": "e"}, "subsets": [{"addresses": [{"ip": "10.1.2.3"}, {"ip": "10.1.2.4"}], "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}]}]}),
        Value::Null,
        "e|10.1.2.3:80,10.1.2.3:81,10.1.2.4:80 + 1 more...|90s",
    );
}

#[test]
fn rows_of_other_kinds() {
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}, {"name": "d", "image": "j"}]}});
    let workload = json!({"metadata": {"name": "x"}, "spec": {"replicas": 3, "selector": {"matchLabels": {"a": "b"}}, "template": template}});
    check(
        "/apis/apps/v1/namespaces/rec/deployments",
        workload.clone(),
        json!({"replicas": 2, "readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1}),
        "x|1/3|2|1|90s|c,d|i,j|a=b",
    );
    check(
        "/apis/apps/v1/namespaces/rec/replicasets",
        workload,
        json!({"replicas": 2, "readyReplicas": 1}),
        "x|3|2|1|90s|c,d|i,j|a=b",
    );
    check(
        "/apis/discovery.k8s.io/v1/namespaces/rec/endpointslices",
        json!({"metadata": {"name": "e"}, "addressType": "IPv4", "endpoints": [{"addresses": ["10.1.2.3"]}], "ports": [{"port": 80}]}),
        Value::Null,
        "e|IPv4|80|10.1.2.3|90s",
    );
    check(
        "/apis/discovery.k8s.io/v1/namespaces/rec/endpointslices",
        json!({"metadata": {"name": "e"}, "addressType": "IPv4", "endpoints": []}),
        Value::Null,
        "e|IPv4|<unset>|<unset>|90s",
    );
    check(
        "/apis/coordination.k8s.io/v1/namespaces/rec/leases",
        json!({"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}}),
        Value::Null,
        "l|me|90s",
    );
    check(
        "/apis/networking.k8s.io/v1/namespaces/rec/ingresses",
        json!({"metadata": {"name": "i"}, "spec": {"rules": [{"host": "a.b"}], "tls": [{}]}}),
        Value::Null,
        "i|<none>|a.b||80, 443|90s",
    );
    check(
        "/apis/policy/v1/namespaces/rec/poddisruptionbudgets",
        json!({"metadata": {"name": "b"}, "spec": {"minAvailable": "50%"}}),
        Value::Null,
        "b|50%|N/A|0|90s",
    );
    check(
        "/apis/storage.k8s.io/v1/storageclasses",
        json!({"metadata": {"name": "s"}, "provisioner": "x.example/y"}),
        Value::Null,
        "s|x.example/y|Delete|Immediate|false|90s",
    );
    check(
        "/apis/scheduling.k8s.io/v1/priorityclasses",
        json!({"metadata": {"name": "p"}, "value": 10}),
        Value::Null,
        "p|10|false|90s|PreemptLowerPriority",
    );
    check(
        "/apis/rbac.authorization.k8s.io/v1/namespaces/rec/roles",
        json!({"metadata": {"name": "r"}, "rules": []}),
        Value::Null,
        "r|2026-01-01T00:00:00Z",
    );
    check(
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        json!({"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "r", "apiGroup": "rbac.authorization.k8s.io"},
        "subjects": [{"kind": "Group", "name": "g"}, {"kind": "ServiceAccount", "name": "s", "namespace": "n"}]}),
        Value::Null,
        "b|ClusterRole/r|90s||g|n/s",
    );
    check(
        "/apis/batch/v1/namespaces/rec/jobs",
        json!({"metadata": {"name": "j"}, "spec": {"manualSelector": true, "selector": {"matchLabels": {"a": "b"}}, "template":
        {"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}}),
        json!({"startTime": "2026-01-01T00:00:30Z"}),
        "j|Running|0/1|60s|90s|c|i|a=b",
    );
}

#[test]
fn every_kind_has_a_table_whose_cells_fit_its_columns() {
    let mut cluster = Cluster::new();
    for kind in shared::kind::KINDS
        .iter()
        .filter(|k| k.verbs.contains(&"list") && k.group != "metrics.k8s.io")
    {
        let path = shared::path::collection(&kind.reference(), "");
        let table = cluster.get(&path, TABLE);
        assert_eq!(table.at("/kind"), json!("Table"), "{path}");
        let columns = table
            .at("/columnDefinitions")
            .as_array()
            .map_or(0, Vec::len);
        for row in table.at("/rows").as_array().into_iter().flatten() {
            assert_eq!(
                row["cells"].as_array().map_or(0, Vec::len),
                columns,
                "{path}"
            );
            assert_eq!(
                row["object"]["kind"],
                json!("PartialObjectMetadata"),
                "{path}"
            );
        }
    }
}
