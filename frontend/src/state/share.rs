//! What a link would hold, and what opening one would do. The format is `shared::scenario`'s.

use std::collections::BTreeSet;

use shared::kind;
use shared::scenario::Scenario;

use super::cluster::Cluster;

/// One line of the preview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// `Pod`.
    pub kind: String,
    /// `shop/web`.
    pub name: String,
    /// What will happen, in a few words.
    pub what: String,
    /// True when it cannot or need not be created.
    pub skip: bool,
}

/// The objects of a user in this cluster, as a link carries them.
#[must_use]
pub fn collect(cluster: &Cluster) -> Scenario {
    let nodes = cluster.shelf("nodes").len();
    Scenario::collect(nodes, cluster.shelves.values().flat_map(|s| s.values()))
}

/// What applying a scenario here would do, object by object.
#[must_use]
pub fn preview(scenario: &Scenario, cluster: &Cluster) -> Vec<Intent> {
    let brought: BTreeSet<&str> = scenario
        .objects
        .iter()
        .filter(|o| o.kind() == "Namespace")
        .map(|o| o.name())
        .collect();
    let one = |o: &shared::Object| {
        let plural = kind::find_by_kind(o.api_version(), o.kind()).map_or("", |k| k.plural);
        let node = o.text("/spec/nodeName");
        let namespace = o.namespace();
        let has_namespace = namespace.is_empty()
            || brought.contains(namespace)
            || cluster
                .shelf("namespaces")
                .keys()
                .any(|k| k.name == namespace);
        let (what, skip) = if cluster.get(plural, &o.key()).is_some() {
            ("exists here already and stays as it is".into(), true)
        } else if !has_namespace {
            (
                format!("needs the namespace {namespace}, which is not here"),
                false,
            )
        } else if o.kind() == "Pod" && !node.is_empty() {
            let here = cluster.shelf("nodes").keys().any(|k| k.name == node);
            (placed(node, here), false)
        } else if let Some(n) = o.int("/spec/replicas") {
            (format!("will be created with {n} replicas"), false)
        } else {
            ("will be created".into(), false)
        };
        Intent {
            kind: o.kind().into(),
            name: o.key().to_string(),
            what,
            skip,
        }
    };
    scenario.objects.iter().map(one).collect()
}

fn placed(node: &str, here: bool) -> String {
    if here {
        format!("will be created on {node}")
    } else {
        format!(
            "will be created for {node}, which is not here: it will wait until such a node joins"
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::live::Message;
    use shared::{KindRef, Object, Revision};

    use super::*;

    #[test]
    fn the_preview_says_what_each_object_will_do() {
        let mut cluster = Cluster::default();
        for (plural, names) in [
            ("nodes", vec!["node-1"]),
            ("namespaces", vec!["default"]),
            ("pods", vec!["old"]),
        ] {
            let ns = if plural == "pods" { "default" } else { "" };
            cluster.apply(Message::Snapshot {
                kind: KindRef::new("", "v1", plural),
                revision: Revision(1),
                items: names
                    .into_iter()
                    .map(|n| Object::new(json!({"metadata": {"name": n, "namespace": ns}})))
                    .collect(),
            });
        }
        let object = |kind: &str, ns: &str, name: &str, spec: serde_json::Value| {
            let api = if kind == "Deployment" {
                "apps/v1"
            } else {
                "v1"
            };
            Object::new(
                json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": ns}, "spec": spec}),
            )
        };
        let scenario = Scenario {
            nodes: 1,
            objects: vec![
                object("Namespace", "", "shop", json!({})),
                object("Service", "lost", "s", json!({})),
                object("Deployment", "shop", "web", json!({"replicas": 3})),
                object("Pod", "default", "old", json!({})),
                object("Pod", "default", "a", json!({"nodeName": "node-1"})),
                object("Pod", "default", "b", json!({"nodeName": "node-9"})),
            ],
            ..Scenario::default()
        };
        let lines: Vec<String> = preview(&scenario, &cluster)
            .into_iter()
            .map(|i| {
                format!(
                    "{} {} {}{}",
                    i.kind,
                    i.name,
                    i.what,
                    if i.skip { " (skip)" } else { "" }
                )
            })
            .collect();
        expect_test::expect![[r#"
            Namespace shop will be created
            Service lost/s needs the namespace lost, which is not here
            Deployment shop/web will be created with 3 replicas
            Pod default/old exists here already and stays as it is (skip)
            Pod default/a will be created on node-1
            Pod default/b will be created for node-9, which is not here: it will wait until such a node joins"#]]
        .assert_eq(&lines.join("\n"));
    }
}
