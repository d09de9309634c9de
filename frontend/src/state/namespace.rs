//! Namespaces as tints, and how full their quotas are.

use std::collections::BTreeMap;

use shared::Object;
use shared::quantity::Quantity;

use super::cluster::Cluster;
use super::text;

/// A Namespace: a tint for what is in it, and how much of its quota is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceView {
    /// Its name.
    pub name: String,
    /// One of [`TINTS`]; `default` has none, so that a simple cluster stays calm.
    pub tint: usize,
    /// Pods in it.
    pub pods: usize,
    /// Quotas: resource, used, hard, percent used.
    pub quota: Vec<(String, String, String, u32)>,
}

/// How many tints there are, the plain one with them.
pub const TINTS: usize = 7;

/// The tint of a namespace: the same in every page that shows it, whatever else there is.
#[must_use]
pub fn tint(namespace: &str) -> usize {
    if namespace == "default" {
        return 0;
    }
    // FNV-1a: names that differ little get tints that differ.
    let hash = namespace.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    1 + (hash % (TINTS as u64 - 1)) as usize
}

/// The namespaces worth showing, by name.
#[must_use]
pub fn all(cluster: &Cluster) -> Vec<NamespaceView> {
    let mut pods: BTreeMap<&str, usize> = BTreeMap::new();
    for key in cluster.pods.keys() {
        *pods.entry(&key.namespace).or_default() += 1;
    }
    let view = |n: &Object| NamespaceView {
        name: n.name().into(),
        tint: tint(n.name()),
        pods: pods.get(n.name()).copied().unwrap_or(0),
        quota: quota(cluster, n.name()),
    };
    let shown =
        |n: &NamespaceView| n.pods > 0 || !n.quota.is_empty() || !n.name.starts_with("kube-");
    let all = cluster.shelf("namespaces").values().map(view);
    all.filter(shown).collect()
}

/// What the quotas of a namespace say (`status.used` of `status.hard`), the tightest of each resource.
fn quota(cluster: &Cluster, namespace: &str) -> Vec<(String, String, String, u32)> {
    let mut out: BTreeMap<String, (String, String, u32)> = BTreeMap::new();
    let quotas = cluster.shelf("resourcequotas").values();
    for quota in quotas.filter(|q| q.namespace() == namespace) {
        let Some(hard) = quota
            .at("/status/hard")
            .and_then(serde_json::Value::as_object)
        else {
            continue;
        };
        for (resource, limit) in hard {
            let limit = limit.as_str().unwrap_or_default();
            let used = quota
                .at("/status/used")
                .and_then(|u| u.get(resource)?.as_str())
                .unwrap_or("0");
            let millis = |q: &str| Quantity::parse(q).map_or(0, Quantity::as_millis);
            let percent = text::percent(millis(used), millis(limit));
            let tightest = out.get(resource).is_none_or(|(.., p)| *p < percent);
            if tightest {
                out.insert(resource.clone(), (used.into(), limit.into(), percent));
            }
        }
    }
    let row = |(resource, (used, hard, percent))| (resource, used, hard, percent);
    out.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use shared::live::Message;
    use shared::{KindRef, Revision};

    use super::*;

    fn cluster(shelves: Vec<(&str, Vec<Value>)>) -> Cluster {
        let mut c = Cluster::default();
        for (plural, items) in shelves {
            c.apply(Message::Snapshot {
                kind: KindRef::new("", "v1", plural),
                revision: Revision(1),
                items: items.into_iter().map(Object::new).collect(),
            });
        }
        c
    }

    #[test]
    fn namespaces_show_pods_and_their_tightest_quotas() {
        let named = |n: &&str| json!({"metadata": {"name": n}});
        let quota = |name: &str, used: &str, hard: &str| {
            json!({"metadata": {"name": name, "namespace": "shop"},
                "status": {"hard": {"requests.cpu": hard, "pods": "10"}, "used": {"requests.cpu": used}}})
        };
        let c = cluster(vec![
            (
                "namespaces",
                ["default", "kube-system", "shop"]
                    .iter()
                    .map(named)
                    .collect(),
            ),
            (
                "pods",
                vec![json!({"metadata": {"name": "p", "namespace": "shop"}})],
            ),
            (
                "resourcequotas",
                vec![quota("wide", "500m", "4"), quota("tight", "500m", "1")],
            ),
        ]);
        let got: Vec<String> = all(&c)
            .iter()
            .map(|n| format!("{} {} {:?}", n.name, n.pods, n.quota))
            .collect();
        assert_eq!(
            got,
            [
                "default 0 []",
                r#"shop 1 [("pods", "0", "10", 0), ("requests.cpu", "500m", "1", 50)]"#
            ]
        );
    }

    #[test]
    fn tints_are_stable_and_in_range() {
        assert_eq!(tint("default"), 0);
        let names = ["shop", "kube-system", "team-a", "team-b", "", "é"];
        assert!(
            names
                .iter()
                .all(|n| (1..TINTS).contains(&tint(n)) && tint(n) == tint(n))
        );
        assert_ne!(tint("team-a"), tint("team-b"));
    }
}
