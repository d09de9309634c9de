//! The scheduling queue: which pod to try next (`pkg/scheduler/backend/queue`).
//!
//! A pod is active (to be tried now, by priority and age), backing off after a failed try (1 s doubling to 10 s), or
//! unschedulable until something happens that one of the plugins that refused it waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shared::{Millis, Revision};

use crate::pod::PodInfo;
use crate::verdict::Plugin;

/// Delay after the first failed try.
const BACKOFF_FIRST_MS: u64 = 1_000;
/// Longest delay.
const BACKOFF_MAX_MS: u64 = 10_000;
/// After so long an unschedulable pod is tried again though nothing happened.
const UNSCHEDULABLE_MAX_MS: u64 = 5 * 60 * 1_000;

/// Something that can make room for a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    /// A node came.
    NodeAdded,
    /// A node's allocatable changed.
    NodeRoom,
    /// A node's labels changed.
    NodeLabels,
    /// A node's taints changed or it was cordoned or uncordoned.
    NodeTaints,
    /// A pod was placed on a node.
    PodPlaced,
    /// A placed pod's labels changed.
    PodLabels,
    /// A placed pod went away or ended.
    PodGone,
    /// A claim changed.
    Claim,
    /// A namespace's labels changed.
    Namespace,
}

/// True when the happening may turn the plugin's refusal (`EventsToRegister` of each plugin).
fn helps(happening: Happening, plugin: Plugin) -> bool {
    use Happening as H;
    use Plugin as P;
    match plugin {
        P::NodeUnschedulable | P::TaintToleration => {
            matches!(happening, H::NodeAdded | H::NodeTaints)
        }
        P::NodeAffinity => matches!(happening, H::NodeAdded | H::NodeLabels),
        P::NodePorts => matches!(happening, H::NodeAdded | H::PodGone),
        P::NodeResourcesFit => matches!(happening, H::NodeAdded | H::NodeRoom | H::PodGone),
        P::VolumeBinding => matches!(happening, H::NodeAdded | H::NodeLabels | H::Claim),
        P::PodTopologySpread => !matches!(happening, H::Claim | H::Namespace | H::NodeRoom),
        P::InterPodAffinity => !matches!(happening, H::Claim | H::NodeRoom | H::NodeTaints),
        P::NodeResourcesBalancedAllocation | P::ImageLocality => false,
    }
}

/// A pod that waits to be placed.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) pod: Arc<PodInfo>,
    pub(crate) attempts: u32,
    pub(crate) cause: Option<Revision>,
    refused_by: BTreeSet<Plugin>,
    place: Place,
    /// When it came in; the age within one priority.
    since: Millis,
    order: u64,
    tried: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Active,
    Backoff { until: Millis },
    Unschedulable,
    Gated,
    Busy,
}

type Rank = (std::cmp::Reverse<i64>, Millis, u64, String);

/// Pods that wait to be placed.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pods: BTreeMap<String, Waiting>,
    active: BTreeSet<Rank>,
    /// When pods come back by themselves: one entry per pod that has a due time.
    timers: BTreeSet<(Millis, String)>,
    order: u64,
}

fn backoff_ms(attempts: u32) -> u64 {
    let doublings = attempts.saturating_sub(1).min(16);
    BACKOFF_FIRST_MS
        .saturating_mul(1 << doublings)
        .min(BACKOFF_MAX_MS)
}

impl Waiting {
    fn rank(&self, uid: &str) -> Rank {
        let priority = std::cmp::Reverse(self.pod.priority);
        (priority, self.since, self.order, uid.to_owned())
    }
}

impl Queue {
    /// Adds a pod, or takes in its changed object. A changed spec or label gives an unschedulable pod another try.
    pub(crate) fn put(&mut self, pod: Arc<PodInfo>, cause: Option<Revision>, now: Millis) {
        let uid = pod.uid().to_owned();
        let gated = pod.gated();
        if let Some(waiting) = self.pods.get_mut(&uid) {
            let rank = waiting.rank(&uid);
            let old = std::mem::replace(&mut waiting.pod, pod);
            let part = |p: &PodInfo, at: &str| p.object.at(at).cloned();
            let changed = ["/spec", "/metadata/labels"]
                .iter()
                .any(|at| part(&old, at) != part(&waiting.pod, at));
            waiting.cause = cause.or(waiting.cause);
            if waiting.place == Place::Active {
                let fresh = waiting.rank(&uid);
                self.active.remove(&rank);
                self.active.insert(fresh);
            }
            match (waiting.place, gated) {
                (Place::Gated, false) => self.activate(&uid),
                (Place::Active | Place::Backoff { .. } | Place::Unschedulable, true) => {
                    self.active.remove(&rank);
                    self.set_place(&uid, Place::Gated);
                }
                (Place::Unschedulable, false) if changed => self.revive(&uid, now),
                _ => {}
            }
            return;
        }
        self.order += 1;
        let waiting = Waiting {
            since: now,
            order: self.order,
            attempts: 0,
            cause,
            refused_by: BTreeSet::new(),
            place: Place::Gated,
            tried: now,
            pod,
        };
        self.pods.insert(uid.clone(), waiting);
        if !gated {
            self.activate(&uid);
        }
    }

    fn set_place(&mut self, uid: &str, place: Place) {
        if let Some(waiting) = self.pods.get_mut(uid) {
            if let Some(due) = waiting.due() {
                self.timers.remove(&(due, uid.to_owned()));
            }
            waiting.place = place;
            if let Some(due) = waiting.due() {
                self.timers.insert((due, uid.to_owned()));
            }
        }
    }

    fn activate(&mut self, uid: &str) {
        self.set_place(uid, Place::Active);
        if let Some(waiting) = self.pods.get(uid) {
            self.active.insert(waiting.rank(uid));
        }
    }

    /// Out of the unschedulable pods: to be tried once its backoff is over.
    fn revive(&mut self, uid: &str, now: Millis) {
        let Some(waiting) = self.pods.get(uid) else {
            return;
        };
        let until = waiting.tried.plus_ms(backoff_ms(waiting.attempts));
        if until > now {
            self.set_place(uid, Place::Backoff { until });
        } else {
            self.activate(uid);
        }
    }

    /// Takes the next pod to try: highest priority, then longest waiting. It counts as busy until [`Self::remove`],
    /// [`Self::refused`] or [`Self::failed`].
    pub(crate) fn take(&mut self, now: Millis) -> Option<Waiting> {
        self.wake(now);
        let (_, _, _, uid) = self.active.pop_first()?;
        let waiting = self.pods.get_mut(&uid)?;
        waiting.place = Place::Busy;
        waiting.attempts = waiting.attempts.saturating_add(1);
        waiting.tried = now;
        Some(waiting.clone())
    }

    fn wake(&mut self, now: Millis) {
        while let Some((_, uid)) = self.timers.first().filter(|(due, _)| *due <= now) {
            let uid = uid.clone();
            self.activate(&uid);
        }
    }

    /// No node fits: waits for a happening that one of `plugins` cares for.
    pub(crate) fn refused(&mut self, uid: &str, plugins: BTreeSet<Plugin>) {
        if let Some(waiting) = self.pods.get_mut(uid) {
            waiting.refused_by = plugins;
        }
        self.set_place(uid, Place::Unschedulable);
    }

    /// The try failed for a reason that may pass by itself: comes back after its backoff.
    pub(crate) fn failed(&mut self, uid: &str, now: Millis) {
        if let Some(attempts) = self.pods.get(uid).map(|w| w.attempts) {
            let until = now.plus_ms(backoff_ms(attempts));
            self.set_place(uid, Place::Backoff { until });
        }
    }

    /// Moves every pod that `happening` may help.
    pub(crate) fn happened(&mut self, happening: Happening, now: Millis) {
        let helped: Vec<String> = self
            .pods
            .iter()
            .filter(|(_, w)| w.place == Place::Unschedulable)
            .filter(|(_, w)| {
                w.refused_by.is_empty() || w.refused_by.iter().any(|p| helps(happening, *p))
            })
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in helped {
            self.revive(&uid, now);
        }
    }

    pub(crate) fn remove(&mut self, uid: &str) -> Option<Waiting> {
        self.set_place(uid, Place::Busy);
        let waiting = self.pods.remove(uid)?;
        self.active.remove(&waiting.rank(uid));
        Some(waiting)
    }

    pub(crate) fn get(&self, uid: &str) -> Option<&Waiting> {
        self.pods.get(uid)
    }

    pub(crate) fn next_due(&self) -> Option<Millis> {
        self.timers.first().map(|(due, _)| *due)
    }

    pub(crate) fn has_active(&self) -> bool {
        !self.active.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.pods.len()
    }
}

impl Waiting {
    fn due(&self) -> Option<Millis> {
        match self.place {
            Place::Backoff { until } => Some(until),
            Place::Unschedulable => Some(self.tried.plus_ms(UNSCHEDULABLE_MAX_MS)),
            Place::Active | Place::Gated | Place::Busy => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use shared::Object;

    fn pod(uid: &str, priority: i64) -> Arc<PodInfo> {
        let pod = json!({"metadata": {"uid": uid}, "spec": {"priority": priority}});
        Arc::new(PodInfo::parse(&Object::new(pod)))
    }

    fn next(queue: &mut Queue, now: u64) -> Option<String> {
        queue.take(Millis(now)).map(|w| w.pod.uid().to_owned())
    }

    #[test]
    fn higher_priority_goes_first_then_age() {
        let mut queue = Queue::default();
        for (uid, priority) in [("a", 0), ("b", 5), ("c", 0)] {
            queue.put(pod(uid, priority), None, Millis(0));
        }
        let order: Vec<_> = std::iter::from_fn(|| next(&mut queue, 0)).collect();
        assert_eq!(order, ["b", "a", "c"]);
    }

    #[test]
    fn an_unschedulable_pod_waits_for_what_helps_and_for_its_backoff() {
        let mut queue = Queue::default();
        queue.put(pod("a", 0), None, Millis(0));
        assert!(next(&mut queue, 0).is_some());
        queue.refused("a", BTreeSet::from([Plugin::NodeResourcesFit]));
        queue.happened(Happening::NodeTaints, Millis(2000));
        assert_eq!(next(&mut queue, 2000), None);
        queue.happened(Happening::PodGone, Millis(500));
        assert_eq!(queue.next_due(), Some(Millis(1000)));
        assert_eq!(next(&mut queue, 999), None);
        assert_eq!(next(&mut queue, 1000).as_deref(), Some("a"));
        queue.refused("a", BTreeSet::from([Plugin::NodeResourcesFit]));
        assert_eq!(queue.next_due(), Some(Millis(1000 + UNSCHEDULABLE_MAX_MS)));
    }

    #[test]
    fn backoff_doubles_to_ten_seconds() {
        let delays: Vec<u64> = (1..7).map(backoff_ms).collect();
        assert_eq!(delays, [1000, 2000, 4000, 8000, 10_000, 10_000]);
    }

    #[test]
    fn gates_hold_a_pod_until_they_are_lifted() {
        let gated = json!({"metadata": {"uid": "a"}, "spec": {"schedulingGates": [{"name": "x"}]}});
        let mut queue = Queue::default();
        queue.put(
            Arc::new(PodInfo::parse(&Object::new(gated))),
            None,
            Millis(0),
        );
        assert_eq!(next(&mut queue, 0), None);
        queue.put(pod("a", 0), None, Millis(1));
        assert_eq!(next(&mut queue, 1).as_deref(), Some("a"));
    }
}
