//! One step of a DaemonSet's rolling update: never more than `maxUnavailable` nodes without an available pod, and with
//! `maxSurge` the new pod before the old one goes.

use shared::Object;

use super::Round;
use super::pods::{create, delete, scaled};
use crate::plan::Write;

fn is_rolling(round: &Round<'_>) -> bool {
    !matches!(round.set.text("/spec/updateStrategy/type"), "OnDelete")
}

fn limit(round: &Round<'_>, field: &str) -> usize {
    let value = round
        .set
        .at(&format!("/spec/updateStrategy/rollingUpdate/{field}"));
    scaled(value, round.wanted().count())
}

/// On how many nodes a second pod may stand meanwhile.
pub(super) fn surge(round: &Round<'_>) -> usize {
    if is_rolling(round) {
        limit(round, "maxSurge")
    } else {
        0
    }
}

/// The pods to replace now.
pub(super) fn steps(round: &Round<'_>) -> Vec<Write> {
    if !is_rolling(round) {
        return Vec::new();
    }
    match surge(round) {
        0 => one_by_one(round),
        most => side_by_side(round, most),
    }
}

/// The old pod of a node, if it has no new one.
fn outdated<'a>(round: &Round<'a>, node: &str) -> Option<&'a Object> {
    let pods = round.on(node);
    let has_new = pods.iter().any(|p| round.is_updated(p));
    let mut old = pods.iter().filter(|p| p.deletion().is_none());
    old.next().copied().filter(|_| !has_new)
}

fn one_by_one(round: &Round<'_>) -> Vec<Write> {
    let most = match round
        .set
        .at("/spec/updateStrategy/rollingUpdate/maxUnavailable")
    {
        None => 1,
        Some(_) => limit(round, "maxUnavailable"),
    };
    let is_down = |node: &&str| !round.on(node).iter().any(|p| round.is_available(p));
    let mut left = most.saturating_sub(round.wanted().filter(is_down).count());
    let mut writes = Vec::new();
    for pod in round.wanted().filter_map(|node| outdated(round, node)) {
        // A pod that does not serve can go at once: nothing is lost by it.
        if !round.is_available(pod) {
            writes.push(delete(round, pod));
        } else if left > 0 {
            left -= 1;
            writes.push(delete(round, pod));
        }
    }
    writes
}

fn side_by_side(round: &Round<'_>, most: usize) -> Vec<Write> {
    let has_both = |node: &&str| {
        let alive = round.on(node).iter().filter(|p| p.deletion().is_none());
        let (new, old): (Vec<&Object>, Vec<&Object>) =
            alive.copied().partition(|p| round.is_updated(p));
        !new.is_empty() && !old.is_empty()
    };
    let under_way = round.wanted().filter(has_both).count();
    let due = round
        .wanted()
        .filter(|node| outdated(round, node).is_some());
    due.take(most.saturating_sub(under_way))
        .map(|node| create(round, node))
        .collect()
}
