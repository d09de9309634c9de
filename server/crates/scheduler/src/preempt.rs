//! DefaultPreemption: which pods of lower priority to evict so that a pod fits
//! (`kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption`).
//!
//! Disruption budgets are not consulted. The original honours them as far as it can and preempts all the same when
//! nothing else helps.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cycle::{Filters, Nominated, Outcome};
use crate::interpod::Namespaces;
use crate::pod::PodInfo;
use crate::state::State;
use crate::verdict::histogram;

/// At least so many candidate nodes are tried (`minCandidateNodesAbsolute`), or a tenth of all.
const CANDIDATES_MIN: usize = 100;

/// What preemption came to.
#[derive(Debug)]
pub(crate) enum Preemption {
    /// Evicting `victims` from `node` makes room.
    Possible {
        node: String,
        victims: Vec<Arc<PodInfo>>,
    },
    /// Nothing helps; the message's part after `preemption: `.
    Useless { message: String },
}

/// Looks for the node where evicting hurts least. The state is changed while trying and put back.
pub(crate) fn preempt(
    pod: &PodInfo,
    outcome: &Outcome,
    state: &mut State,
    namespaces: &Namespaces,
    nominated: &Nominated,
) -> Preemption {
    let useless = |message: &str| Preemption::Useless {
        message: message.into(),
    };
    if pod.never_preempts {
        return useless("not eligible due to preemptionPolicy=Never.");
    }
    if waits_for_victims(pod, state) {
        return useless("not eligible due to a terminating pod on the nominated node.");
    }
    let limit = (outcome.total / 10).max(CANDIDATES_MIN);
    let mut candidates = Vec::new();
    let hopeless = outcome
        .rejected
        .iter()
        .filter(|(_, r)| !r.resolvable)
        .count();
    let unhelpful = "Preemption is not helpful for scheduling".to_owned();
    let mut reasons = vec![unhelpful; hopeless + outcome.passed_over];
    for (slot, _) in outcome.rejected.iter().filter(|(_, r)| r.resolvable) {
        match victims_on(pod, *slot, state, namespaces, nominated) {
            Ok(victims) => candidates.push((*slot, victims)),
            Err(why) => reasons.extend(why),
        }
        if candidates.len() >= limit {
            break;
        }
    }
    let cheapest = candidates
        .into_iter()
        .min_by_key(|(slot, victims)| cost(*slot, victims));
    let chosen = cheapest.and_then(|(slot, v)| Some((state.node(slot)?.name.clone(), v)));
    if let Some((node, victims)) = chosen {
        return Preemption::Possible { node, victims };
    }
    let each = histogram(reasons.iter().map(String::as_str));
    useless(&format!("0/{} nodes are available: {each}.", outcome.total))
}

/// True while pods that were evicted for this one are still going away.
fn waits_for_victims(pod: &PodInfo, state: &State) -> bool {
    let node = state.slot(pod.object.text("/status/nominatedNodeName"));
    let mut others = node
        .and_then(|slot| state.node(slot))
        .into_iter()
        .flat_map(|n| n.pods.values());
    others.any(|p| p.object.deletion().is_some() && p.priority < pod.priority)
}

/// The order of `pickOneNodeForPreemption`: lowest highest priority, lowest sum of priorities, fewest victims, latest
/// start of the most important ones.
fn cost(slot: usize, victims: &[Arc<PodInfo>]) -> (i64, i64, usize, Reverse<u64>, usize) {
    let highest = victims.iter().map(|v| v.priority).max().unwrap_or(i64::MIN);
    let sum = victims
        .iter()
        .map(|v| v.priority)
        .fold(0_i64, i64::saturating_add);
    let top = victims.iter().filter(|v| v.priority == highest);
    let earliest = top.map(|v| v.created.0).min().unwrap_or(0);
    (highest, sum, victims.len(), Reverse(earliest), slot)
}

/// The fewest, least important pods whose going makes the node fit, or why none does.
fn victims_on(
    pod: &PodInfo,
    slot: usize,
    state: &mut State,
    namespaces: &Namespaces,
    nominated: &Nominated,
) -> Result<Vec<Arc<PodInfo>>, Vec<String>> {
    let Some(node) = state.node(slot) else {
        return Err(Vec::new());
    };
    let name = node.name.clone();
    let lower = node.pods.values().filter(|p| p.priority < pod.priority);
    let mut lower: Vec<Arc<PodInfo>> = lower.cloned().collect();
    if lower.is_empty() {
        return Err(vec!["No preemption victims found for incoming pod".into()]);
    }
    lower.sort_by_key(|p| (Reverse(p.priority), p.created, p.uid().to_owned()));
    let reject = |state: &mut State| {
        let filters = Filters::new(pod, state, namespaces, nominated);
        state.node(slot).and_then(|node| filters.reject(slot, node))
    };
    for victim in &lower {
        state.unplace(victim.uid());
    }
    let mut victims = BTreeMap::new();
    let refused = reject(state);
    for (i, candidate) in lower.iter().enumerate() {
        state.place(candidate, &name);
        if refused.is_none() && reject(state).is_some() {
            state.unplace(candidate.uid());
            victims.insert(i, Arc::clone(candidate));
        }
    }
    for victim in victims.values() {
        state.place(victim, &name);
    }
    match refused {
        Some(rejection) => Err(rejection.reasons.iter().map(ToString::to_string).collect()),
        None => Ok(victims.into_values().collect()),
    }
}
