//! The columns of `kubectl get`: name, type, format and priority of each, for every served kind.

use serde_json::Value;

use crate::harness::Cluster;

const COLUMNS: &str = include_str!("../../data/columns.tsv");
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

#[test]
fn every_served_kind_has_the_columns_of_the_original() {
    let mut cluster = Cluster::new();
    let mut found = Vec::new();
    for line in COLUMNS.lines().filter(|l| !l.starts_with('#')) {
        let [api_version, plural, want] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let root = if api_version.contains('/') {
            "apis"
        } else {
            "api"
        };
        let table = cluster.get(&format!("/{root}/{api_version}/{plural}"), TABLE);
        if table.code == 404 && api_version == "apiextensions.k8s.io/v1" {
            continue;
        }
        let column = |c: &Value| {
            let text = |name: &str| c[name].as_str().unwrap_or("?").to_owned();
            format!(
                "{}:{}:{}:{}",
                text("name"),
                text("type"),
                text("format"),
                c["priority"]
            )
        };
        let columns = table.at("/columnDefinitions");
        let got: Vec<String> = columns
            .as_array()
            .into_iter()
            .flatten()
            .map(column)
            .collect();
        let got = got.join(" | ");
        if got != want {
            found.push(format!(
                "{api_version} {plural}\n  want {want}\n  got  {got} {}",
                table.summary()
            ));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
