//! Frames of watches while one object is created, changed, relabelled and deleted.

use apiserver::{Representation, WatchEncoder};
use serde_json::{Value, json};

use super::{Known, cases, differences, judge, normalise};
use crate::harness::Cluster;

const WATCHES: &str = include_str!("../../data/watches.txt");

pub(crate) const DIFFERENCES: &[Known] = &[];

/// What happened while the watches were open.
fn act(cluster: &mut Cluster) {
    let path = "/api/v1/namespaces/wt/configmaps";
    let body = |label: &str, data: &str| {
        json!({"metadata": {"name": "x1", "labels": {"l": label}}, "data": {"a": data}}).to_string()
    };
    for (method, url, body) in [
        ("POST", path.to_owned(), body("1", "1")),
        ("PUT", format!("{path}/x1"), body("1", "2")),
        ("PUT", format!("{path}/x1"), body("2", "2")),
        ("PUT", format!("{path}/x1"), body("1", "2")),
        ("DELETE", format!("{path}/x1"), String::new()),
    ] {
        assert!(
            cluster.send(method, &url, &body).code < 300,
            "{method} {url}"
        );
    }
}

#[test]
fn the_same_frames_come() {
    let mut found = Vec::new();
    for case in cases(WATCHES) {
        let mut cluster = Cluster::new();
        for (path, body) in [
            ("/api/v1/namespaces", json!({"metadata": {"name": "wt"}})),
            (
                "/api/v1/namespaces/wt/configmaps",
                json!({"metadata": {"name": "kube-root-ca.crt",
                "annotations": {"kubernetes.io/description": apiserver::CA_DESCRIPTION}}, "data": {"ca.crt": ""}}),
            ),
        ] {
            assert_eq!(cluster.send("POST", path, &body.to_string()).code, 201);
        }
        let mut plan = cluster.watch(&case.url).expect("a watch");
        let mut frames = std::mem::take(&mut plan.initial);
        act(&mut cluster);
        frames.extend(
            plan.cursor
                .catch_up(&cluster.store.snapshot())
                .expect("history"),
        );
        let mut encoder = WatchEncoder::new(Representation::Json);
        let got: Vec<Value> = frames
            .iter()
            .map(|frame| {
                let line = encoder.encode(frame, cluster.now).expect("a frame");
                let mut value: Value = serde_json::from_slice(&line).expect("json");
                if let Some(metadata) = value
                    .pointer_mut("/object/metadata")
                    .and_then(Value::as_object_mut)
                {
                    metadata.remove("managedFields");
                }
                value
            })
            .collect();
        let (mut want, mut got) = (Value::Array(case.frames.clone()), Value::Array(got));
        normalise(&mut want);
        normalise(&mut got);
        let mut lines = Vec::new();
        differences(&want, &got, "", &mut lines);
        found.extend(lines.into_iter().map(|l| (case.title.clone(), l)));
    }
    judge(&found, DIFFERENCES);
}
