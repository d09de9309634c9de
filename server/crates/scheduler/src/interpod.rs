//! InterPodAffinity: affinity and anti-affinity between pods
//! (`kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node`, `pkg/scheduler/framework/plugins/interpodaffinity`).

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::Object;
use shared::selector::Selector;

use crate::pod::{PodInfo, PodTerm};
use crate::state::{State, Topology};
use crate::verdict::{Plugin, Rejection};

/// The weight in scores of another pod's required affinity to the incoming pod (`HardPodAffinityWeight`).
const HARD_AFFINITY_WEIGHT: i64 = 1;

/// Labels of namespaces, for `namespaceSelector`.
pub(crate) type Namespaces = BTreeMap<String, Object>;

fn applies(term: &PodTerm, pod: &PodInfo, namespaces: &Namespaces) -> bool {
    let namespace = pod.object.namespace();
    let in_namespace = term.namespaces.iter().any(|n| n == namespace)
        || term
            .namespace_selector
            .as_ref()
            .is_some_and(|s: &Selector| {
                s.is_empty()
                    || namespaces
                        .get(namespace)
                        .is_some_and(|n| s.matches_object(n))
            });
    in_namespace
        && term
            .selector
            .as_ref()
            .is_some_and(|s| s.matches(pod.labels()))
}

/// A number per domain of one label key.
#[derive(Debug)]
struct PerDomain {
    topology: Arc<Topology>,
    numbers: Vec<i64>,
}

impl PerDomain {
    fn new(state: &mut State, key: &str) -> Self {
        let topology = state.topology(key);
        Self {
            numbers: vec![0; topology.len()],
            topology,
        }
    }

    fn add(&mut self, slot: usize, by: i64) {
        if let Some(domain) = self.topology.domain(slot)
            && let Some(number) = self.numbers.get_mut(domain)
        {
            *number += by;
        }
    }

    fn at(&self, slot: usize) -> Option<i64> {
        self.numbers.get(self.topology.domain(slot)?).copied()
    }
}

/// Numbers per domain for several label keys.
#[derive(Debug, Default)]
struct ByKey(BTreeMap<String, PerDomain>);

impl ByKey {
    fn add(&mut self, state: &mut State, key: &str, slot: usize, by: i64) {
        self.0
            .entry(key.to_owned())
            .or_insert_with(|| PerDomain::new(state, key))
            .add(slot, by);
    }

    fn sum_at(&self, slot: usize) -> i64 {
        self.0.values().filter_map(|d| d.at(slot)).sum()
    }
}

/// The required terms that concern a pod, ready to judge nodes.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    affinity: Vec<PerDomain>,
    anti: Vec<PerDomain>,
    existing_anti: ByKey,
    /// True when no pod anywhere matches the affinity terms but the pod matches them itself: the first of its group.
    first_of_group: bool,
}

impl Filter {
    pub(crate) fn new(pod: &PodInfo, state: &mut State, namespaces: &Namespaces) -> Self {
        let mut filter = Self::default();
        for (slot, other) in pods_with_terms(state) {
            for term in other.affinity.iter().flat_map(|a| &a.anti_pods) {
                if applies(term, pod, namespaces) {
                    filter.existing_anti.add(state, &term.topology_key, slot, 1);
                }
            }
        }
        let Some(affinity) = pod.affinity.as_ref() else {
            return filter;
        };
        if affinity.pods.is_empty() && affinity.anti_pods.is_empty() {
            return filter;
        }
        let mut per_term = |terms: &[PodTerm]| -> Vec<PerDomain> {
            let each = terms.iter().map(|t| PerDomain::new(state, &t.topology_key));
            each.collect()
        };
        filter.affinity = per_term(&affinity.pods);
        filter.anti = per_term(&affinity.anti_pods);
        let mut anyone = false;
        for (slot, node) in state.all().filter(|(_, n)| n.known) {
            for other in node.pods.values() {
                let all = |terms: &[PodTerm]| terms.iter().all(|t| applies(t, other, namespaces));
                if !affinity.pods.is_empty() && all(&affinity.pods) {
                    anyone = true;
                    filter.affinity.iter_mut().for_each(|d| d.add(slot, 1));
                }
                for (term, domains) in affinity.anti_pods.iter().zip(&mut filter.anti) {
                    if applies(term, other, namespaces) {
                        domains.add(slot, 1);
                    }
                }
            }
        }
        filter.first_of_group =
            !anyone && affinity.pods.iter().all(|t| applies(t, pod, namespaces));
        filter
    }

    pub(crate) fn reject(&self, slot: usize) -> Option<Rejection> {
        let plugin = Plugin::InterPodAffinity;
        let near = self
            .affinity
            .iter()
            .all(|d| d.at(slot).is_some_and(|n| n > 0));
        let first = self.first_of_group && self.affinity.iter().all(|d| d.at(slot).is_some());
        if !near && !first {
            let reason = "node(s) didn't match pod affinity rules";
            return Some(Rejection::new(plugin, false, reason));
        }
        if self.anti.iter().any(|d| d.at(slot).is_some_and(|n| n > 0)) {
            let reason = "node(s) didn't match pod anti-affinity rules";
            return Some(Rejection::new(plugin, true, reason));
        }
        (self.existing_anti.sum_at(slot) > 0).then(|| {
            let reason = "node(s) didn't satisfy existing pods anti-affinity rules";
            Rejection::new(plugin, true, reason)
        })
    }
}

fn pods_with_terms(state: &State) -> Vec<(usize, Arc<PodInfo>)> {
    let placed = state.with_terms().iter();
    placed
        .filter_map(|(uid, slot)| {
            let pod = state.node(*slot)?.pods.get(uid)?;
            Some((*slot, Arc::clone(pod)))
        })
        .collect()
}

/// The preferred terms that concern a pod, as a number per domain.
#[derive(Debug, Default)]
pub(crate) struct Scorer(ByKey);

impl Scorer {
    pub(crate) fn new(pod: &PodInfo, state: &mut State, namespaces: &Namespaces) -> Self {
        let mut sums = ByKey::default();
        for (slot, other) in pods_with_terms(state) {
            let Some(theirs) = other.affinity.as_ref() else {
                continue;
            };
            let hard = theirs.pods.iter().map(|t| (HARD_AFFINITY_WEIGHT, t));
            let soft = theirs.pods_preferred.iter().map(|(w, t)| (*w, t));
            let anti = theirs.anti_pods_preferred.iter().map(|(w, t)| (-*w, t));
            for (weight, term) in hard.chain(soft).chain(anti) {
                if applies(term, pod, namespaces) {
                    sums.add(state, &term.topology_key, slot, weight);
                }
            }
        }
        if let Some(own) = pod.affinity.as_ref() {
            let soft = own.pods_preferred.iter().map(|(w, t)| (*w, t));
            let anti = own.anti_pods_preferred.iter().map(|(w, t)| (-*w, t));
            for (weight, term) in soft.chain(anti) {
                let places: Vec<(usize, i64)> = state
                    .all()
                    .filter(|(_, n)| n.known)
                    .map(|(slot, n)| {
                        let matching = n.pods.values().filter(|p| applies(term, p, namespaces));
                        (slot, i64::try_from(matching.count()).unwrap_or(i64::MAX))
                    })
                    .filter(|(_, n)| *n > 0)
                    .collect();
                for (slot, count) in places {
                    let by = weight.saturating_mul(count);
                    sums.add(state, &term.topology_key, slot, by);
                }
            }
        }
        Self(sums)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.0.is_empty()
    }

    /// Scores of the feasible nodes, 0 to 100 between the least and the most wanted.
    pub(crate) fn scores(&self, feasible: &[usize]) -> Vec<i64> {
        let raw: Vec<i64> = feasible.iter().map(|slot| self.0.sum_at(*slot)).collect();
        let low = raw.iter().min().copied().unwrap_or(0);
        let span = raw.iter().max().copied().unwrap_or(0) - low;
        let scale = |score: i64| {
            if span > 0 {
                100 * (score - low) / span
            } else {
                0
            }
        };
        raw.into_iter().map(scale).collect()
    }
}
