//! What was decided about a pod, node by node, in the words of the original.

use std::borrow::Cow;
use std::collections::BTreeMap;

use shared::exhibit::{self, PodVerdict, ScorePart};

/// The plugins that filter or score, by the names of the original (`pkg/scheduler/framework/plugins/names`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plugin {
    /// Cordoned nodes.
    NodeUnschedulable,
    /// Taints that the pod does not tolerate.
    TaintToleration,
    /// Node affinity and node selector.
    NodeAffinity,
    /// Ports of the host.
    NodePorts,
    /// CPU, memory, extended resources, number of pods.
    NodeResourcesFit,
    /// Claims that exist and are bound.
    VolumeBinding,
    /// Topology spread constraints.
    PodTopologySpread,
    /// Affinity and anti-affinity between pods.
    InterPodAffinity,
    /// Even use of CPU and memory.
    NodeResourcesBalancedAllocation,
    /// Images that are already there.
    ImageLocality,
}

impl Plugin {
    /// The name of the original.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NodeUnschedulable => "NodeUnschedulable",
            Self::TaintToleration => "TaintToleration",
            Self::NodeAffinity => "NodeAffinity",
            Self::NodePorts => "NodePorts",
            Self::NodeResourcesFit => "NodeResourcesFit",
            Self::VolumeBinding => "VolumeBinding",
            Self::PodTopologySpread => "PodTopologySpread",
            Self::InterPodAffinity => "InterPodAffinity",
            Self::NodeResourcesBalancedAllocation => "NodeResourcesBalancedAllocation",
            Self::ImageLocality => "ImageLocality",
        }
    }
}

/// Why a node cannot take a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The first filter that refused.
    pub plugin: Plugin,
    /// True when evicting pods from the node could help.
    pub resolvable: bool,
    /// Its reasons.
    pub reasons: Vec<Cow<'static, str>>,
}

impl Rejection {
    pub(crate) fn new(
        plugin: Plugin,
        resolvable: bool,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            plugin,
            resolvable,
            reasons: vec![reason.into()],
        }
    }
}

/// What a node scored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// The sum of plugin scores times weights, as the original ranks nodes.
    pub total: i64,
    /// The same as a share of what was attainable, 0 to 100: what people are shown.
    pub percent: i64,
    /// Each plugin's score, 0 to 100, and its weight.
    pub parts: Vec<(Plugin, i64, i64)>,
}

/// A node's part of a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeVerdict {
    /// It could take the pod.
    Scored(Score),
    /// It could not.
    Rejected(Rejection),
}

impl NodeVerdict {
    /// `83`, or `Insufficient memory`.
    #[must_use]
    pub fn short(&self) -> String {
        match self {
            Self::Scored(score) => score.percent.to_string(),
            Self::Rejected(rejection) => rejection.reasons.join(", "),
        }
    }

    fn shown(&self, node: &str) -> exhibit::NodeVerdict {
        let node = node.to_owned();
        match self {
            Self::Scored(score) => exhibit::NodeVerdict {
                node,
                percent: Some(score.percent),
                parts: score.parts.iter().copied().map(part).collect(),
                ..exhibit::NodeVerdict::default()
            },
            Self::Rejected(rejection) => exhibit::NodeVerdict {
                node,
                refused_by: rejection.plugin.name().into(),
                reasons: rejection.reasons.iter().map(|r| (**r).to_owned()).collect(),
                ..exhibit::NodeVerdict::default()
            },
        }
    }
}

fn part((plugin, score, weight): (Plugin, i64, i64)) -> ScorePart {
    ScorePart {
        plugin: plugin.name().into(),
        score,
        weight,
    }
}

/// The last decision about a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Where it goes, `None` when nowhere.
    pub node: Option<String>,
    /// By node name; with very many nodes only the first [`NODES_SHOWN_MAX`] of those that were tried.
    pub nodes: Vec<(String, NodeVerdict)>,
    /// The message of the `PodScheduled` condition when it goes nowhere.
    pub message: String,
}

impl client::Exhibit for Verdict {
    fn show(&self) -> serde_json::Value {
        let nodes = self.nodes.iter().map(|(node, verdict)| verdict.shown(node));
        let shown = PodVerdict {
            node: self.node.clone(),
            message: self.message.clone(),
            nodes: nodes.collect(),
        };
        serde_json::to_value(shown).unwrap_or_default()
    }
}

/// How many nodes a kept verdict lists.
pub const NODES_SHOWN_MAX: usize = 100;

impl Verdict {
    /// `node-2 scored 83; node-3 Insufficient memory`, best first.
    #[must_use]
    pub fn text(&self) -> String {
        let mut nodes: Vec<_> = self.nodes.iter().collect();
        nodes.sort_by_key(|(name, verdict)| match verdict {
            NodeVerdict::Scored(score) => (
                usize::from(self.node.as_ref() != Some(name)),
                -score.total,
                name,
            ),
            NodeVerdict::Rejected(_) => (2, 0, name),
        });
        let each = nodes.iter().take(5).map(|(name, verdict)| match verdict {
            NodeVerdict::Scored(score) => format!("{name} scored {}", score.percent),
            NodeVerdict::Rejected(_) => format!("{name} {}", verdict.short()),
        });
        let mut text = each.collect::<Vec<_>>().join("; ");
        if let Some(more) = nodes.len().checked_sub(5).filter(|n| *n > 0) {
            text.push_str(&format!("; and {more} more"));
        }
        text
    }
}

/// `1 Insufficient cpu, 2 node(s) were unschedulable`: how often each reason was given, sorted as text
/// (`framework.FitError.Error`).
#[must_use]
pub(crate) fn histogram<'a>(reasons: impl Iterator<Item = &'a str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in reasons {
        *counts.entry(reason).or_default() += 1;
    }
    let mut each: Vec<String> = counts.iter().map(|(r, n)| format!("{n} {r}")).collect();
    each.sort();
    each.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_and_sorted_as_text() {
        let reasons = ["b", "a", "b", "c"].into_iter();
        assert_eq!(histogram(reasons), "1 a, 1 c, 2 b");
        assert_eq!(histogram(std::iter::empty()), "");
    }

    #[test]
    fn a_verdict_reads_best_first() {
        let scored = |percent| {
            NodeVerdict::Scored(Score {
                total: percent * 12,
                percent,
                parts: Vec::new(),
            })
        };
        let rejected = Rejection::new(Plugin::NodeResourcesFit, true, "Insufficient memory");
        let mut verdict = Verdict {
            node: Some("node-2".into()),
            nodes: vec![
                ("node-1".into(), scored(61)),
                ("node-2".into(), scored(83)),
                ("node-3".into(), NodeVerdict::Rejected(rejected)),
            ],
            message: String::new(),
        };
        assert_eq!(
            verdict.text(),
            "node-2 scored 83; node-1 scored 61; node-3 Insufficient memory"
        );
        verdict
            .nodes
            .extend((4..8).map(|n| (format!("node-{n}"), scored(n))));
        assert!(verdict.text().ends_with("; and 2 more"));
    }
}
