//! The scores of nodes that can take a pod: each plugin gives 0 to 100, weighted as the original weighs by default
//! (`pkg/scheduler/apis/config/v1/default_plugins.go`).

use serde_json::Value;

use crate::filter::term_matches;
use crate::interpod::{self, Namespaces};
use crate::node::{NodeInfo, normalized_image};
use crate::pod::PodInfo;
use crate::spread;
use crate::state::State;
use crate::verdict::{Plugin, Score};

const MIB: i64 = 1024 * 1024;

/// Scores every feasible slot, in their order. A plugin with nothing to say about the pod is skipped, as in the
/// original, and does not count in the percentage.
pub(crate) fn scores(
    pod: &PodInfo,
    feasible: &[usize],
    default_spread: Option<&Value>,
    state: &mut State,
    namespaces: &Namespaces,
) -> Vec<Score> {
    let spread = spread::Scorer::new(pod, default_spread, feasible, state);
    let interpod = interpod::Scorer::new(pod, state, namespaces);
    let mut columns: Vec<(Plugin, i64, Vec<i64>)> = Vec::new();
    let total_nodes = state.len();
    let nodes: Vec<&NodeInfo> = feasible.iter().filter_map(|s| state.node(*s)).collect();
    let each = |of: &dyn Fn(&NodeInfo) -> i64| nodes.iter().map(|n| of(n)).collect::<Vec<_>>();
    let taints = inverted(each(&|n| intolerable_preferences(pod, n)));
    columns.push((Plugin::TaintToleration, 3, taints));
    if pod
        .affinity
        .as_ref()
        .is_some_and(|a| !a.node_preferred.is_empty())
    {
        let preferred = scaled(each(&|n| preferred_weight(pod, n)));
        columns.push((Plugin::NodeAffinity, 2, preferred));
    }
    if !spread.is_empty() {
        columns.push((Plugin::PodTopologySpread, 2, spread.scores(feasible)));
    }
    if !interpod.is_empty() {
        columns.push((Plugin::InterPodAffinity, 2, interpod.scores(feasible)));
    }
    columns.push((
        Plugin::NodeResourcesFit,
        1,
        each(&|n| least_allocated(pod, n)),
    ));
    if !pod.requests.is_zero() {
        let balanced = each(&|n| balanced_allocation(pod, n));
        columns.push((Plugin::NodeResourcesBalancedAllocation, 1, balanced));
    }
    let images = image_scores(pod, &nodes, state, total_nodes);
    columns.push((Plugin::ImageLocality, 1, images));
    sum(&columns, feasible.len())
}

fn sum(columns: &[(Plugin, i64, Vec<i64>)], rows: usize) -> Vec<Score> {
    let attainable: i64 = columns.iter().map(|(_, weight, _)| weight * 100).sum();
    let row = |i: usize| {
        let parts: Vec<_> = columns
            .iter()
            .map(|(plugin, weight, of)| (*plugin, of.get(i).copied().unwrap_or(0), *weight))
            .collect();
        let total: i64 = parts.iter().map(|(_, score, weight)| score * weight).sum();
        let percent = (total * 100 + attainable / 2).checked_div(attainable);
        Score {
            total,
            percent: percent.unwrap_or(0),
            parts,
        }
    };
    (0..rows).map(row).collect()
}

/// Scales to 0..100 by the largest.
fn scaled(raw: Vec<i64>) -> Vec<i64> {
    let high = raw.iter().max().copied().unwrap_or(0);
    let scale = |s: i64| (100 * s).checked_div(high).unwrap_or(0);
    raw.into_iter().map(scale).collect()
}

/// Scales to 0..100 by the largest and turns round: the least gets 100.
fn inverted(raw: Vec<i64>) -> Vec<i64> {
    scaled(raw).into_iter().map(|s| 100 - s).collect()
}

fn intolerable_preferences(pod: &PodInfo, node: &NodeInfo) -> i64 {
    let unwanted = node
        .taints
        .iter()
        .filter(|t| t.effect == "PreferNoSchedule" && !pod.tolerates(t));
    i64::try_from(unwanted.count()).unwrap_or(i64::MAX)
}

fn preferred_weight(pod: &PodInfo, node: &NodeInfo) -> i64 {
    let terms = pod.affinity.iter().flat_map(|a| &a.node_preferred);
    terms
        .filter(|(_, term)| term_matches(term, node))
        .map(|(weight, _)| weight)
        .sum()
}

/// What is used of CPU and memory once the pod is there, and what there is.
fn use_with(pod: &PodInfo, node: &NodeInfo) -> [(i64, i64); 2] {
    [
        (node.assumed.0 + pod.assumed.0, node.allocatable.milli_cpu),
        (node.assumed.1 + pod.assumed.1, node.allocatable.memory),
    ]
}

/// `NodeResourcesFit` with the strategy `LeastAllocated`, CPU and memory alike.
fn least_allocated(pod: &PodInfo, node: &NodeInfo) -> i64 {
    let (mut sum, mut weights) = (0, 0);
    for (used, has) in use_with(pod, node) {
        if has > 0 {
            weights += 1;
            let free = has.saturating_sub(used).max(0);
            sum += i64::try_from(i128::from(free) * 100 / i128::from(has)).unwrap_or(0);
        }
    }
    i64::checked_div(sum, weights).unwrap_or(0)
}

fn balanced_allocation(pod: &PodInfo, node: &NodeInfo) -> i64 {
    let pairs = [
        (
            node.requested.milli_cpu + pod.requests.milli_cpu,
            node.allocatable.milli_cpu,
        ),
        (
            node.requested.memory + pod.requests.memory,
            node.allocatable.memory,
        ),
    ];
    let fractions: Vec<f64> = pairs
        .iter()
        .filter(|(_, has)| *has > 0)
        .map(|(used, has)| (*used as f64 / *has as f64).min(1.0))
        .collect();
    let deviation = match fractions.as_slice() {
        [cpu, memory] => (cpu - memory).abs() / 2.0,
        _ => 0.0,
    };
    ((1.0 - deviation) * 100.0) as i64
}

/// `ImageLocality`: bytes of the pod's images that are there, each damped by how few nodes have it, between 23 MiB
/// and 1000 MiB per container.
fn image_scores(pod: &PodInfo, nodes: &[&NodeInfo], state: &State, total: usize) -> Vec<i64> {
    let containers = pod.object.items("/spec/containers").iter();
    let images: Vec<String> = containers
        .chain(pod.object.items("/spec/initContainers"))
        .filter_map(|c| c.get("image")?.as_str().map(normalized_image))
        .collect();
    let present = |image: &str| {
        let having = state
            .all()
            .filter(|(_, n)| n.known && n.images.contains_key(image));
        having.count()
    };
    if images.is_empty()
        || !nodes
            .iter()
            .any(|n| images.iter().any(|i| n.images.contains_key(i)))
    {
        return vec![0; nodes.len()];
    }
    let spread: Vec<f64> = images
        .iter()
        .map(|image| present(image) as f64 / total.max(1) as f64)
        .collect();
    let count = i64::try_from(images.len()).unwrap_or(1);
    let (low, high) = (23 * MIB, 1000 * MIB * count);
    let score = |node: &&NodeInfo| {
        let each = images
            .iter()
            .zip(&spread)
            .filter_map(|(image, spread)| Some((*node.images.get(image)? as f64 * spread) as i64));
        let bytes = each.sum::<i64>().clamp(low, high);
        100 * (bytes - low) / (high - low)
    };
    nodes.iter().map(score).collect()
}
