//! A scheduler's verdict as it is read: the chosen node first, then the others by score, then those that a filter
//! refused. Pure.

use shared::exhibit::{NodeVerdict, PodVerdict};
use shared::{Object, ObjectKey};

use super::cluster::Cluster;

/// A pod in the list of those that can be asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Namespace and name.
    pub key: ObjectKey,
    /// Its node; empty while it waits.
    pub node: String,
}

/// Pods that the list shows at most.
pub const PODS_MAX: usize = 300;

/// The pods to choose from: waiting ones first, then the newest.
#[must_use]
pub fn pods(cluster: &Cluster) -> Vec<Asked> {
    let mut pods: Vec<&Object> = cluster.shelf("pods").values().collect();
    pods.sort_by_key(|p| {
        let placed = !p.text("/spec/nodeName").is_empty();
        (placed, std::cmp::Reverse(p.created()), p.key())
    });
    let asked = |p: &&Object| Asked {
        key: p.key(),
        node: p.text("/spec/nodeName").to_owned(),
    };
    pods.iter().take(PODS_MAX).map(asked).collect()
}

/// The nodes of a verdict in the order in which one reads them.
#[must_use]
pub fn ranked(verdict: &PodVerdict) -> Vec<NodeVerdict> {
    let mut nodes = verdict.nodes.clone();
    nodes.sort_by_key(|n| {
        let chosen = verdict.node.as_ref() == Some(&n.node);
        (
            !chosen,
            n.percent.is_none(),
            std::cmp::Reverse(n.percent),
            n.node.clone(),
        )
    });
    nodes
}

/// One sentence on how it went.
#[must_use]
pub fn sentence(verdict: &PodVerdict) -> String {
    let refused = verdict.nodes.iter().filter(|n| n.percent.is_none()).count();
    let fitting = verdict.nodes.len() - refused;
    match &verdict.node {
        None => verdict.message.clone(),
        Some(node) if refused == 0 => {
            format!("{node} was chosen among {fitting} that could take it.")
        }
        Some(node) => {
            format!("{node} was chosen among {fitting} that could take it; {refused} could not.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, percent: Option<i64>) -> NodeVerdict {
        NodeVerdict {
            node: name.into(),
            percent,
            ..NodeVerdict::default()
        }
    }

    #[test]
    fn a_verdict_reads_best_first() {
        let mut verdict = PodVerdict {
            node: Some("b".into()),
            message: String::new(),
            nodes: vec![
                node("a", Some(90)),
                node("d", None),
                node("b", Some(90)),
                node("c", Some(95)),
            ],
        };
        let order: Vec<String> = ranked(&verdict).into_iter().map(|n| n.node).collect();
        assert_eq!(order, ["b", "c", "a", "d"]);
        assert_eq!(
            sentence(&verdict),
            "b was chosen among 3 that could take it; 1 could not."
        );
        verdict.node = None;
        verdict.message = "0/4 nodes are available".into();
        assert_eq!(sentence(&verdict), "0/4 nodes are available");
    }
}
