//! Every stable resource of the original is served with the same attributes, or stands on the list of those not
//! served, with the reason.

use serde_json::{Value, json};

use crate::harness::Cluster;

const DISCOVERY: &str = include_str!("../../data/discovery.tsv");

/// Group version and resource of what is not served, and why.
pub(crate) const NOT_SERVED: &[(&str, &str, &str)] = &[
    (
        "apiextensions.k8s.io/v1",
        "customresourcedefinitions",
        "kinds cannot arrive at run time yet",
    ),
    (
        "apiextensions.k8s.io/v1",
        "customresourcedefinitions/status",
        "kinds cannot arrive at run time yet",
    ),
];

/// One line of the file, and how it looks in an `APIResourceList`.
struct Row {
    api_version: String,
    name: String,
    entry: Value,
}

fn rows() -> Vec<Row> {
    let lines = DISCOVERY.lines().filter(|l| !l.starts_with('#'));
    lines.map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        let [api_version, name, singular, kind, scope, short_names, categories, verbs] = cells[..] else {
            panic!("{line}")
        };
        let list = |text: &str| text.split(',').filter(|s| !s.is_empty()).map(Value::from).collect::<Vec<_>>();
        let (kind, foreign) = kind.split_once(" [").unwrap_or((kind, ""));
        let mut entry = json!({"name": name, "singularName": singular, "kind": kind, "namespaced": scope == "ns", "verbs": list(verbs)});
        for (field, values) in [("shortNames", list(short_names)), ("categories", list(categories))] {
            if !values.is_empty() {
                entry[field] = values.into();
            }
        }
        if let Some((group, version)) = foreign.trim_end_matches(']').split_once('/') {
            entry["group"] = group.into();
            entry["version"] = version.into();
        }
        Row { api_version: api_version.split(' ').next().unwrap_or_default().into(), name: name.into(), entry }
    }).collect()
}

#[test]
fn every_resource_is_served_as_in_the_original_or_listed() {
    let mut cluster = Cluster::new();
    let mut served: Vec<(String, Value)> = Vec::new();
    let mut paths = vec![("v1".to_owned(), "/api/v1".to_owned())];
    for group in cluster
        .get("/apis", "")
        .at("/groups")
        .as_array()
        .into_iter()
        .flatten()
    {
        for version in group["versions"].as_array().into_iter().flatten() {
            let name = version["groupVersion"].as_str().unwrap_or_default();
            // The original has it once metrics-server is installed.
            if name == "metrics.k8s.io/v1beta1" {
                continue;
            }
            paths.push((name.into(), format!("/apis/{name}")));
        }
    }
    for (api_version, path) in paths {
        for mut entry in cluster
            .get(&path, "")
            .at("/resources")
            .as_array()
            .cloned()
            .unwrap_or_default()
        {
            entry
                .as_object_mut()
                .map(|e| e.remove("storageVersionHash"));
            served.push((api_version.clone(), entry));
        }
    }
    let rows = rows();
    let is_listed = |api_version: &str, name: &str| {
        NOT_SERVED
            .iter()
            .any(|(v, n, _)| *v == api_version && *n == name)
    };
    let want: Vec<(String, Value)> = rows
        .iter()
        .filter(|r| !is_listed(&r.api_version, &r.name))
        .map(|r| (r.api_version.clone(), r.entry.clone()))
        .collect();
    for (want, got) in want.iter().zip(&served) {
        assert_eq!(want, got);
    }
    assert_eq!(want.len(), served.len());
    for (api_version, name, why) in NOT_SERVED {
        assert!(
            rows.iter()
                .any(|r| r.api_version == *api_version && r.name == *name),
            "{name}"
        );
        assert!(!why.is_empty());
    }
}

#[test]
fn versions_that_are_not_preferred_come_second() {
    let group = Cluster::new().get("/apis/autoscaling", "").json;
    assert_eq!(group["preferredVersion"]["version"], json!("v2"));
    assert_eq!(group["versions"][1]["version"], json!("v1"));
}
