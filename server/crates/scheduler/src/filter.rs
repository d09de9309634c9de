//! The filters that look at one node alone, in the order of the original.

use std::borrow::Cow;

use crate::node::{NodeInfo, Taint};
use crate::pod::{NodeTerm, PodInfo};
use crate::verdict::{Plugin, Rejection};

/// `corev1.TaintNodeUnschedulable`: tolerating it lets a pod onto a cordoned node.
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// Judges a node without looking at others; `None` when it passes.
///
/// The plugin NodeName is absent: a pod that names its node never reaches the scheduler.
pub(crate) fn node_filters(pod: &PodInfo, node: &NodeInfo) -> Option<Rejection> {
    unschedulable(pod, node)
        .or_else(|| taints(pod, node))
        .or_else(|| affinity(pod, node))
        .or_else(|| ports(pod, node))
        .or_else(|| fit(pod, node))
}

fn unschedulable(pod: &PodInfo, node: &NodeInfo) -> Option<Rejection> {
    if !node.unschedulable {
        return None;
    }
    let taint = Taint {
        key: UNSCHEDULABLE.into(),
        value: String::new(),
        effect: "NoSchedule".into(),
    };
    (!pod.tolerates(&taint)).then(|| {
        Rejection::new(
            Plugin::NodeUnschedulable,
            false,
            "node(s) were unschedulable",
        )
    })
}

/// True when a taint keeps the pod off (`PreferNoSchedule` only costs score).
pub(crate) fn has_untolerated_taint(pod: &PodInfo, node: &NodeInfo) -> bool {
    node.taints
        .iter()
        .any(|t| matches!(t.effect.as_str(), "NoSchedule" | "NoExecute") && !pod.tolerates(t))
}

fn taints(pod: &PodInfo, node: &NodeInfo) -> Option<Rejection> {
    has_untolerated_taint(pod, node).then(|| {
        Rejection::new(
            Plugin::TaintToleration,
            false,
            "node(s) had untolerated taint(s)",
        )
    })
}

/// True when the term's every requirement holds.
pub(crate) fn term_matches(term: &NodeTerm, node: &NodeInfo) -> bool {
    let empty = term.labels.is_empty() && term.names.is_empty();
    !empty
        && term.labels.iter().all(|r| r.matches(node.label(&r.key)))
        && term
            .names
            .iter()
            .all(|r| r.key == "metadata.name" && r.matches(Some(&node.name)))
}

/// True when `nodeSelector` and required node affinity allow the node.
pub(crate) fn affinity_allows(pod: &PodInfo, node: &NodeInfo) -> bool {
    let selected = pod
        .node_selector
        .iter()
        .all(|(k, v)| node.label(k) == Some(v));
    let terms = pod.affinity.as_ref().and_then(|a| a.node_required.as_ref());
    selected && terms.is_none_or(|terms| terms.iter().any(|t| term_matches(t, node)))
}

fn affinity(pod: &PodInfo, node: &NodeInfo) -> Option<Rejection> {
    (!affinity_allows(pod, node)).then(|| {
        let reason = "node(s) didn't match Pod's node affinity/selector";
        Rejection::new(Plugin::NodeAffinity, false, reason)
    })
}

fn ports(pod: &PodInfo, node: &NodeInfo) -> Option<Rejection> {
    let taken = |port| node.ports.iter().any(|used| used.conflicts(port));
    pod.host_ports.iter().any(taken).then(|| {
        let reason = "node(s) didn't have free ports for the requested pod ports";
        Rejection::new(Plugin::NodePorts, true, reason)
    })
}

fn fit(pod: &PodInfo, node: &NodeInfo) -> Option<Rejection> {
    let mut reasons: Vec<Cow<'static, str>> = Vec::new();
    let mut hopeless = false;
    if i64::try_from(node.pods.len()).unwrap_or(i64::MAX) >= node.allowed_pods {
        reasons.push("Too many pods".into());
    }
    let mut check = |wanted: i64, has: i64, used: i64, reason: Cow<'static, str>| {
        if wanted > 0 && wanted > has.saturating_sub(used) {
            hopeless |= wanted > has;
            reasons.push(reason);
        }
    };
    let (wanted, has, used) = (&pod.requests, &node.allocatable, &node.requested);
    check(
        wanted.milli_cpu,
        has.milli_cpu,
        used.milli_cpu,
        "Insufficient cpu".into(),
    );
    check(
        wanted.memory,
        has.memory,
        used.memory,
        "Insufficient memory".into(),
    );
    check(
        wanted.ephemeral_storage,
        has.ephemeral_storage,
        used.ephemeral_storage,
        "Insufficient ephemeral-storage".into(),
    );
    for (name, amount) in &wanted.extended {
        let of = |r: &crate::resources::Resources| r.extended.get(name).copied().unwrap_or(0);
        check(
            *amount,
            of(has),
            of(used),
            format!("Insufficient {name}").into(),
        );
    }
    (!reasons.is_empty()).then_some(Rejection {
        plugin: Plugin::NodeResourcesFit,
        resolvable: !hopeless,
        reasons,
    })
}

/// The nodes to which `matchFields` on `metadata.name` narrow the choice, as DaemonSet pods have it; `None` when they
/// do not.
pub(crate) fn named_nodes(pod: &PodInfo) -> Option<Vec<&str>> {
    let terms = pod.affinity.as_ref()?.node_required.as_ref()?;
    let mut all = Vec::new();
    for term in terms {
        let mut of_term: Option<Vec<&str>> = None;
        for r in term
            .names
            .iter()
            .filter(|r| r.key == "metadata.name" && r.operator == "In")
        {
            let values = r.values.iter().map(String::as_str);
            of_term = Some(match of_term {
                None => values.collect(),
                Some(names) => values.filter(|v| names.contains(v)).collect(),
            });
        }
        all.extend(of_term?);
    }
    all.sort_unstable();
    all.dedup();
    (!terms.is_empty()).then_some(all)
}
