//! One scheduling cycle: filter, then score, over the state as it is. Decides, and changes nothing that lasts.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::filter::{named_nodes, node_filters};
use crate::interpod::{self, Namespaces};
use crate::node::NodeInfo;
use crate::pod::PodInfo;
use crate::score::scores;
use crate::spread;
use crate::state::State;
use crate::verdict::{NODES_SHOWN_MAX, NodeVerdict, Plugin, Rejection, Score, Verdict, histogram};

/// With fewer nodes than this every one is judged (`minFeasibleNodesToFind`).
const FEASIBLE_MIN: usize = 100;

/// Pods that were promised room on a node by preemption, by node name.
pub(crate) type Nominated = BTreeMap<String, Vec<Arc<PodInfo>>>;

/// What a cycle looks at besides the pod.
pub(crate) struct Surroundings<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) namespaces: &'a Namespaces,
    pub(crate) nominated: &'a Nominated,
    pub(crate) default_spread: Option<Value>,
    pub(crate) seed: u64,
    /// Where in the order of nodes to begin.
    pub(crate) start: usize,
}

/// How a cycle ended.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) node: Option<String>,
    pub(crate) scored: Vec<(usize, Score)>,
    pub(crate) rejected: Vec<(usize, Rejection)>,
    /// Nodes that were never looked at because the pod names others.
    pub(crate) passed_over: usize,
    pub(crate) total: usize,
    /// How many nodes were looked at.
    pub(crate) tried: usize,
}

/// The filters for one pod, prepared over the whole cluster.
pub(crate) struct Filters<'a> {
    pod: &'a PodInfo,
    spread: spread::Filter,
    interpod: interpod::Filter,
    nominated: &'a Nominated,
}

impl<'a> Filters<'a> {
    pub(crate) fn new(
        pod: &'a PodInfo,
        state: &mut State,
        namespaces: &Namespaces,
        nominated: &'a Nominated,
    ) -> Self {
        Self {
            pod,
            spread: spread::Filter::new(pod, state),
            interpod: interpod::Filter::new(pod, state, namespaces),
            nominated,
        }
    }

    pub(crate) fn reject(&self, slot: usize, node: &NodeInfo) -> Option<Rejection> {
        self.with_nominated(node)
            .and_then(|fuller| node_filters(self.pod, &fuller))
            .or_else(|| node_filters(self.pod, node))
            .or_else(|| self.spread.reject(slot))
            .or_else(|| self.interpod.reject(slot))
    }

    /// The node as if the pods of at least this priority that were promised room on it were there already.
    fn with_nominated(&self, node: &NodeInfo) -> Option<NodeInfo> {
        let promised = self.nominated.get(&node.name)?;
        let ahead =
            |p: &&Arc<PodInfo>| p.priority >= self.pod.priority && p.uid() != self.pod.uid();
        let mut fuller: Option<NodeInfo> = None;
        for pod in promised.iter().filter(ahead) {
            fuller
                .get_or_insert_with(|| node.clone())
                .add(Arc::clone(pod));
        }
        fuller
    }
}

/// How many nodes that can take the pod are enough (`numFeasibleNodesToFind`: all below 100, then a share that falls
/// from 50 % to 5 % as the cluster grows).
fn enough(total: usize) -> usize {
    let percent = 50_usize.saturating_sub(total / 125).max(5);
    (total * percent / 100).max(FEASIBLE_MIN)
}

/// Filters and scores.
pub(crate) fn run(pod: &PodInfo, around: &mut Surroundings<'_>) -> Outcome {
    let mut order = around.state.order().to_vec();
    let mut outcome = Outcome {
        total: order.len(),
        ..Outcome::default()
    };
    if let Some(names) = named_nodes(pod) {
        let slots = names.iter().filter_map(|name| around.state.slot(name));
        let named: BTreeSet<usize> = slots.collect();
        order.retain(|slot| named.contains(slot));
        outcome.passed_over = outcome.total - order.len();
    }
    if !order.is_empty() {
        let start = around.start % order.len();
        order.rotate_left(start);
    }
    let filters = Filters::new(pod, around.state, around.namespaces, around.nominated);
    let mut feasible = Vec::new();
    for slot in order {
        let Some(node) = around.state.node(slot) else {
            continue;
        };
        outcome.tried += 1;
        match filters.reject(slot, node) {
            Some(rejection) => outcome.rejected.push((slot, rejection)),
            None => feasible.push(slot),
        }
        if feasible.len() >= enough(outcome.total) {
            break;
        }
    }
    let default_spread = around.default_spread.as_ref();
    let scored = scores(
        pod,
        &feasible,
        default_spread,
        around.state,
        around.namespaces,
    );
    outcome.scored = feasible.into_iter().zip(scored).collect();
    outcome.node = best(pod, &outcome.scored, around);
    outcome
}

/// The highest score; among equals the choice is spread by a hash of seed, pod and node, so that one seed always
/// gives the same placement.
fn best(pod: &PodInfo, scored: &[(usize, Score)], around: &Surroundings<'_>) -> Option<String> {
    let name = |slot: &usize| around.state.node(*slot).map(|n| n.name.as_str());
    let ranked = scored.iter().filter_map(|(slot, score)| {
        let name = name(slot)?;
        let lot = hash(around.seed, pod.uid(), name);
        Some((score.total, lot, name))
    });
    ranked.max().map(|(_, _, name)| name.to_owned())
}

/// FNV-1a over the seed and two texts.
fn hash(seed: u64, a: &str, b: &str) -> u64 {
    let bytes = seed
        .to_le_bytes()
        .into_iter()
        .chain(a.bytes())
        .chain([0])
        .chain(b.bytes());
    let mixed = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (mixed ^ (mixed >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Outcome {
    /// The plugins that refused any node.
    pub(crate) fn refused_by(&self) -> BTreeSet<Plugin> {
        let named = (self.passed_over > 0).then_some(Plugin::NodeAffinity);
        self.rejected
            .iter()
            .map(|(_, r)| r.plugin)
            .chain(named)
            .collect()
    }

    /// `0/3 nodes are available: 1 Insufficient cpu, ...` without what preemption adds.
    pub(crate) fn fit_error(&self) -> String {
        if self.total == 0 {
            return "no nodes available to schedule pods".into();
        }
        let passed_over: Cow<'static, str> =
            "node(s) didn't satisfy plugin(s) [NodeAffinity]".into();
        let reasons = self
            .rejected
            .iter()
            .flat_map(|(_, r)| r.reasons.iter().map(|reason| &**reason))
            .chain((0..self.passed_over).map(|_| &*passed_over));
        format!(
            "0/{} nodes are available: {}.",
            self.total,
            histogram(reasons)
        )
    }

    /// The verdict to keep; `message` is empty when the pod was placed.
    pub(crate) fn verdict(&self, state: &State, message: &str) -> Verdict {
        let name = |slot: usize| state.node(slot).map(|n| n.name.clone()).unwrap_or_default();
        let scored = self
            .scored
            .iter()
            .map(|(slot, score)| (name(*slot), NodeVerdict::Scored(score.clone())));
        let rejected = self
            .rejected
            .iter()
            .map(|(slot, r)| (name(*slot), NodeVerdict::Rejected(r.clone())));
        let mut nodes: Vec<_> = scored.chain(rejected).take(NODES_SHOWN_MAX).collect();
        nodes.sort_by(|a, b| a.0.cmp(&b.0));
        Verdict {
            node: self.node.clone(),
            nodes,
            message: message.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_cluster_is_sampled() {
        let found: Vec<_> = [3, 100, 1000, 5000, 10_000]
            .into_iter()
            .map(enough)
            .collect();
        assert_eq!(found, [100, 100, 420, 500, 500]);
    }

    #[test]
    fn lots_differ_by_seed_and_by_pod() {
        let lot = |seed, pod| {
            ["a", "b", "c"]
                .into_iter()
                .max_by_key(|n| hash(seed, pod, n))
        };
        let picks: BTreeSet<_> = (0..40).map(|seed| lot(seed, "pod")).collect();
        assert_eq!(picks.len(), 3);
        assert_eq!(lot(7, "x"), lot(7, "x"));
    }
}
