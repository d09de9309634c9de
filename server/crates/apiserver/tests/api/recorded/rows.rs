//! The cells of `kubectl get` for given objects.

use serde_json::{Value, json};
use shared::Millis;

use super::{Known, cases, differences, judge, without_uids};
use crate::harness::Cluster;

const PODS: &str = include_str!("../../data/pod-rows.txt");
const OTHERS: &str = include_str!("../../data/rows.txt");
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

pub(crate) const POD_DIFFERENCES: &[Known] = &[];
pub(crate) const OTHER_DIFFERENCES: &[Known] = &[];

/// What controllers had written when the cells were recorded.
const BY_CONTROLLERS: &[(&str, &str)] = &[
    (
        "/api/v1/nodes/n1/status",
        r#"{"status":{"conditions":[{"type":"Ready","status":"Unknown"}]}}"#,
    ),
    (
        "/api/v1/namespaces/rec/resourcequotas/q1/status",
        r#"{"status":{"hard":{"pods":"1k"},"used":{"pods":"5"}}}"#,
    ),
    (
        "/api/v1/persistentvolumes/pv1",
        r#"{"spec":{"claimRef":{"namespace":"rec","name":"pvc1"}}}"#,
    ),
    (
        "/api/v1/persistentvolumes/pv1/status",
        r#"{"status":{"phase":"Bound"}}"#,
    ),
    (
        "/api/v1/namespaces/rec/persistentvolumeclaims/pvc1",
        r#"{"spec":{"volumeName":"pv1"}}"#,
    ),
    (
        "/api/v1/namespaces/rec/persistentvolumeclaims/pvc1/status",
        r#"{"status":{"phase":"Bound","capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"]}}"#,
    ),
    (
        "/apis/batch/v1/namespaces/rec/jobs/j1/status",
        r#"{"status":{"conditions":[{"type":"Suspended","status":"True"}]}}"#,
    ),
    (
        "/apis/batch/v1/namespaces/rec/jobs/j2/status",
        r#"{"status":{"conditions":[{"type":"Suspended","status":"True"}]}}"#,
    ),
];

/// A pod's spec with the containers that a status is about.
fn spec(title: &str, status: &Value) -> Value {
    let containers = |list: &str, policy: Option<&str>| -> Vec<Value> {
        let all = status[list].as_array().into_iter().flatten();
        all.map(|c| {
            let mut container = json!({"name": c["name"], "image": "i"});
            if let Some(policy) = policy {
                container["restartPolicy"] = policy.into();
            }
            container
        })
        .collect()
    };
    let is_sidecar = title.starts_with("sidecar");
    let main = containers("containerStatuses", None);
    let main = if main.is_empty() {
        vec![json!({"name": "c", "image": "i"})]
    } else {
        main
    };
    let init = containers("initContainerStatuses", is_sidecar.then_some("Always"));
    json!({"containers": main, "initContainers": init})
}

/// When the recording was made: the restarts of its pods were so long ago.
const RECORDED: &str = "2026-11-23T06:00:00Z";

#[test]
fn pods_in_every_state_are_printed_the_same() {
    let mut cluster = Cluster::new();
    cluster.now = Millis::parse_rfc3339(RECORDED).expect("a time");
    let mut found = Vec::new();
    for case in cases(PODS) {
        let name = case.answer[0].as_str().expect("a name").to_owned();
        let status: Value = serde_json::from_str(&case.body).expect("a status");
        let finalizers = if status == "DEL" {
            json!(["x.example/held"])
        } else {
            json!([])
        };
        let body = json!({"metadata": {"name": name, "finalizers": finalizers}, "spec": spec(&case.title, &status)});
        let url = "/api/v1/namespaces/rec/pods";
        assert_eq!(
            cluster.send("POST", url, &body.to_string()).summary(),
            "201"
        );
        if status == "DEL" {
            assert_eq!(
                cluster.send("DELETE", &format!("{url}/{name}"), "").code,
                200
            );
        } else if !status.is_null() {
            let patch = json!({"status": status}).to_string();
            let reply = cluster.patch("merge", &format!("{url}/{name}/status"), &patch);
            assert_eq!(reply.summary(), "200", "{}", case.title);
        }
        let table = cluster.get(&format!("{url}/{name}"), TABLE);
        let mut lines = Vec::new();
        differences(&case.answer, &table.at("/rows/0/cells"), "", &mut lines);
        found.extend(
            lines
                .into_iter()
                .map(|l| (case.title.clone(), without_uids(&l))),
        );
    }
    judge(&found, POD_DIFFERENCES);
}

/// The cells that differ from run to run, by column.
fn steady(columns: &Value, cells: &Value) -> Value {
    let names = columns.as_array().into_iter().flatten();
    let cells = cells.as_array().into_iter().flatten();
    let all = names.zip(cells).map(|(column, cell)| {
        let is_random = match column["name"].as_str().unwrap_or_default() {
            "Age" | "Created At" | "Last Seen" | "First Seen" => true,
            "Cluster-IP" => cell.as_str().is_some_and(|ip| ip.starts_with("10.")),
            "Port(s)" => cell.as_str().is_some_and(|ports| ports.contains(':')),
            _ => false,
        };
        match cell {
            _ if is_random => Value::from("*"),
            Value::String(text) => without_uids(text).into(),
            other => other.clone(),
        }
    });
    all.collect()
}

#[test]
fn other_objects_are_printed_the_same() {
    let mut cluster = super::cluster();
    for (url, patch) in BY_CONTROLLERS {
        let reply = cluster.patch("merge", url, patch);
        assert_eq!(reply.summary(), "200", "{url}");
    }
    let (mut found, mut compared) = (Vec::new(), 0);
    for case in cases(OTHERS) {
        let (path, name) = case.title.split_once(' ').expect("a path and a name");
        let table = cluster.get(&format!("{path}/{name}"), TABLE);
        if table.code != 200 {
            continue;
        }
        compared += 1;
        let columns = table.at("/columnDefinitions");
        let mut lines = Vec::new();
        let (want, got) = (
            steady(&columns, &case.answer),
            steady(&columns, &table.at("/rows/0/cells")),
        );
        differences(&want, &got, "", &mut lines);
        found.extend(lines.into_iter().map(|l| (case.title.clone(), l)));
    }
    assert!(compared > 35, "{compared}");
    judge(&found, OTHER_DIFFERENCES);
}
