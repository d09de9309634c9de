//! PodTopologySpread: `kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints`.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::filter::{affinity_allows, has_untolerated_taint};
use crate::node::NodeInfo;
use crate::pod::{PodInfo, SpreadConstraint};
use crate::state::{Counts, State, Topology};
use crate::verdict::{Plugin, Rejection};

const HOSTNAME: &str = "kubernetes.io/hostname";

/// One constraint with the numbers it is judged by.
#[derive(Debug)]
struct Prepared {
    constraint: SpreadConstraint,
    topology: Arc<Topology>,
    counts: Arc<Counts>,
    /// Matching pods per domain, `None` for a domain without an eligible node.
    domains: Vec<Option<i64>>,
    /// 1 when the pod matches its own selector.
    own: i64,
}

impl Prepared {
    fn new(constraint: &SpreadConstraint, pod: &PodInfo, state: &mut State) -> Self {
        let counts = state.counts(pod.object.namespace(), &constraint.selector);
        Self {
            topology: state.topology(&constraint.topology_key),
            domains: Vec::new(),
            own: i64::from(counts.matches(pod.labels())),
            counts,
            constraint: constraint.clone(),
        }
    }

    fn eligible(&self, pod: &PodInfo, node: &NodeInfo) -> bool {
        (!self.constraint.honor_affinity || affinity_allows(pod, node))
            && (!self.constraint.honor_taints || !has_untolerated_taint(pod, node))
    }

    fn add_up(&mut self, pod: &PodInfo, state: &State, all_keys: impl Fn(usize) -> bool) {
        self.domains = vec![None; self.topology.len()];
        for (slot, node) in state.all().filter(|(_, n)| n.known) {
            let Some(domain) = self.topology.domain(slot) else {
                continue;
            };
            if !all_keys(slot) || !self.eligible(pod, node) {
                continue;
            }
            if let Some(place) = self.domains.get_mut(domain) {
                *place = Some(place.unwrap_or(0) + self.counts.of(slot));
            }
        }
    }

    fn in_domain(&self, slot: usize) -> Option<i64> {
        let domain = self.topology.domain(slot)?;
        Some(self.domains.get(domain).copied().flatten().unwrap_or(0))
    }

    /// The fewest matching pods of any domain; 0 while there are fewer domains than `minDomains` (KEP-3022).
    fn fewest(&self) -> i64 {
        let present = self.domains.iter().flatten();
        let enough = i64::try_from(present.clone().count()).unwrap_or(i64::MAX)
            >= self.constraint.min_domains.unwrap_or(1);
        if enough {
            present.copied().min().unwrap_or(0)
        } else {
            0
        }
    }
}

/// The hard constraints of a pod, ready to judge nodes.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    each: Vec<(Prepared, i64)>,
}

impl Filter {
    pub(crate) fn new(pod: &PodInfo, state: &mut State) -> Self {
        let hard = pod.spread.iter().filter(|c| c.hard);
        let mut each: Vec<Prepared> = hard.map(|c| Prepared::new(c, pod, state)).collect();
        let topologies: Vec<_> = each.iter().map(|p| Arc::clone(&p.topology)).collect();
        for prepared in &mut each {
            prepared.add_up(pod, state, |slot| {
                topologies.iter().all(|t| t.domain(slot).is_some())
            });
        }
        let with_fewest = |p: Prepared| {
            let fewest = p.fewest();
            (p, fewest)
        };
        Self {
            each: each.into_iter().map(with_fewest).collect(),
        }
    }

    pub(crate) fn reject(&self, slot: usize) -> Option<Rejection> {
        let plugin = Plugin::PodTopologySpread;
        for (prepared, fewest) in &self.each {
            let Some(here) = prepared.in_domain(slot) else {
                let reason =
                    "node(s) didn't match pod topology spread constraints (missing required label)";
                return Some(Rejection::new(plugin, false, reason));
            };
            if here + prepared.own - fewest > prepared.constraint.max_skew {
                let reason = "node(s) didn't match pod topology spread constraints";
                return Some(Rejection::new(plugin, true, reason));
            }
        }
        None
    }
}

/// The constraints that the original applies to pods of a Service or workload that state none
/// (`pkg/scheduler/framework/plugins/podtopologyspread`, `systemDefaultConstraints`).
fn system_defaults(selector: &Value) -> [SpreadConstraint; 2] {
    let constraint = |topology_key: &str, max_skew| SpreadConstraint {
        max_skew,
        topology_key: topology_key.into(),
        hard: false,
        min_domains: None,
        honor_affinity: true,
        honor_taints: false,
        selector: selector.clone(),
    };
    [
        constraint(HOSTNAME, 3),
        constraint("topology.kubernetes.io/zone", 5),
    ]
}

/// Joins the selectors of the Services and the workload that a pod belongs to; `None` when it belongs to none.
pub(crate) fn default_selector<'a>(
    service_selectors: impl Iterator<Item = &'a Value>,
    workload_selector: Option<&Value>,
) -> Option<Value> {
    let mut labels = serde_json::Map::new();
    let mut expressions = Vec::new();
    for selector in service_selectors {
        labels.extend(selector.as_object().cloned().unwrap_or_default());
    }
    if let Some(selector) = workload_selector {
        let map = selector.get("matchLabels").and_then(Value::as_object);
        labels.extend(map.cloned().unwrap_or_default());
        let list = selector.get("matchExpressions").and_then(Value::as_array);
        expressions.extend(list.cloned().unwrap_or_default());
    }
    if labels.is_empty() && expressions.is_empty() {
        return None;
    }
    Some(json!({"matchLabels": labels, "matchExpressions": expressions}))
}

/// The soft constraints of a pod, ready to score nodes.
#[derive(Debug, Default)]
pub(crate) struct Scorer {
    each: Vec<(Prepared, f64)>,
    require_all: bool,
}

impl Scorer {
    /// `default_selector` is used when the pod has no constraint of its own.
    pub(crate) fn new(
        pod: &PodInfo,
        default_selector: Option<&Value>,
        feasible: &[usize],
        state: &mut State,
    ) -> Self {
        let own: Vec<SpreadConstraint>;
        let require_all = !pod.spread.is_empty();
        let soft: Vec<SpreadConstraint> = if require_all {
            own = pod.spread.iter().filter(|c| !c.hard).cloned().collect();
            own
        } else {
            default_selector.map_or_else(Vec::new, |s| system_defaults(s).to_vec())
        };
        let each: Vec<Prepared> = soft.iter().map(|c| Prepared::new(c, pod, state)).collect();
        let topologies: Vec<_> = each.iter().map(|p| Arc::clone(&p.topology)).collect();
        let all_keys = |slot| !require_all || topologies.iter().all(|t| t.domain(slot).is_some());
        let each = each.into_iter().map(|mut prepared| {
            let mut present: Vec<_> = feasible
                .iter()
                .filter(|slot| all_keys(**slot))
                .filter_map(|slot| prepared.topology.domain(*slot))
                .collect();
            present.sort_unstable();
            present.dedup();
            if prepared.constraint.topology_key != HOSTNAME {
                prepared.add_up(pod, state, all_keys);
            }
            let weight = (present.len() as f64 + 2.0).ln();
            (prepared, weight)
        });
        Self {
            each: each.collect(),
            require_all,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.each.is_empty()
    }

    /// Scores of the feasible nodes, 0 to 100: the fewer matching pods in their domains, the more.
    pub(crate) fn scores(&self, feasible: &[usize]) -> Vec<i64> {
        let raw: Vec<Option<i64>> = feasible.iter().map(|slot| self.raw(*slot)).collect();
        let (low, high) = (
            raw.iter().flatten().min().copied().unwrap_or(0),
            raw.iter().flatten().max().copied().unwrap_or(0),
        );
        let scale = |score: i64| match high {
            0 => 100,
            high => 100 * (high + low - score) / high,
        };
        raw.into_iter().map(|r| r.map_or(0, scale)).collect()
    }

    fn raw(&self, slot: usize) -> Option<i64> {
        let mut sum = 0.0;
        for (prepared, weight) in &self.each {
            if prepared.topology.domain(slot).is_none() {
                if self.require_all {
                    return None;
                }
                continue;
            }
            let count = if prepared.constraint.topology_key == HOSTNAME {
                prepared.counts.of(slot)
            } else {
                prepared.in_domain(slot).unwrap_or(0)
            };
            sum += count as f64 * weight + (prepared.constraint.max_skew - 1) as f64;
        }
        Some(sum.round() as i64)
    }
}
