//! A scenario being followed: which step, which checks have come true, what each deed would send.
//!
//! Pure, and stored in the browser as JSON, so that a reload goes on where it was.

mod footprint;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::kind::KINDS;
use shared::scenario::expression::Val;
use shared::scenario::{Deed, Expression, Scenario, Target, is_system_namespace};
use shared::{KindRef, Millis, Object, ObjectKey};

use super::cluster::Cluster;
use crate::backend::call::{self, Call};
pub use footprint::{Footprint, Made, Settled};

/// Objects of kinds that the stream does not carry, by plural, as they were read last.
pub type Read = BTreeMap<String, Vec<Object>>;

/// A scenario that is open.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lesson {
    /// What is followed.
    pub scenario: Scenario,
    /// The step in front, counted from 0.
    pub step: usize,
    /// Checks that have come true while their step was in front: step and check.
    pub done: BTreeSet<(usize, usize)>,
    /// Cluster time of the opening: the timeline counts from here.
    pub opened: Millis,
    /// How many moments of the timeline have passed.
    pub moments: usize,
    /// What a reset takes back.
    #[serde(default)]
    pub footprint: Footprint,
}

/// The scenarios that come with the page: name and content.
#[must_use]
pub fn library() -> Vec<(String, Scenario)> {
    // Checked by a test; a page without its library would still be a page.
    serde_json::from_str(include_str!(concat!(env!("OUT_DIR"), "/scenarios.json")))
        .unwrap_or_default()
}

impl Lesson {
    /// Begins at the first step.
    #[must_use]
    pub fn new(scenario: Scenario, opened: Millis) -> Self {
        let mut lesson = Self {
            scenario,
            opened,
            ..Self::default()
        };
        lesson.scenario.timeline.sort_by_key(|m| m.after_seconds);
        lesson
    }

    /// Looks at the cluster: checks of the step in front that hold now stay done. Answers whether anything is new.
    pub fn look(&mut self, cluster: &Cluster, read: &Read) -> bool {
        let Some(step) = self.scenario.steps.get(self.step) else {
            return false;
        };
        let mut news = false;
        for (number, check) in step.checks.iter().enumerate() {
            let place = (self.step, number);
            if !self.done.contains(&place) && holds(&check.expression, cluster, read) {
                news |= self.done.insert(place);
            }
        }
        news
    }

    /// The plurals that open checks of the step in front read and that the stream does not carry.
    #[must_use]
    pub fn unseen(&self, cluster: &Cluster) -> BTreeSet<String> {
        let checks = self.scenario.steps.get(self.step).map(|s| &s.checks);
        let open = checks.into_iter().flatten().enumerate();
        let open = open.filter(|(i, _)| !self.done.contains(&(self.step, *i)));
        open.flat_map(|(_, check)| check.expression.variables())
            .filter(|v| KINDS.iter().any(|k| k.plural == *v) && !cluster.shelves.contains_key(*v))
            .map(str::to_owned)
            .collect()
    }

    /// Whether every check of a step has come true.
    #[must_use]
    pub fn is_done(&self, step: usize) -> bool {
        let checks = self.scenario.steps.get(step).map_or(0, |s| s.checks.len());
        (0..checks).all(|check| self.done.contains(&(step, check)))
    }

    /// Whether there is nothing left to do.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.moments >= self.scenario.timeline.len()
            && (0..self.scenario.steps.len()).all(|s| self.is_done(s))
    }

    /// Whether there is anything to follow: steps to read, or events that come by themselves.
    #[must_use]
    pub fn has_course(scenario: &Scenario) -> bool {
        !scenario.steps.is_empty() || !scenario.timeline.is_empty()
    }

    /// The deeds of the timeline whose time has come since the last call.
    pub fn due(&mut self, now: Millis) -> Vec<(String, Vec<Deed>)> {
        let elapsed = now.0.saturating_sub(self.opened.0) / 1000;
        let due: Vec<_> = self
            .scenario
            .timeline
            .iter()
            .skip(self.moments)
            .take_while(|m| u64::from(m.after_seconds) <= elapsed)
            .map(|m| (m.label.clone(), m.deeds.clone()))
            .collect();
        self.moments += due.len();
        due
    }
}

/// Whether an expression holds over the objects that the page knows. A kind that was neither streamed nor read is
/// unknown, not empty: nothing holds over it.
#[must_use]
pub fn holds(expression: &Expression, cluster: &Cluster, read: &Read) -> bool {
    expression.holds(&|name| {
        KINDS.iter().find(|k| k.plural == name)?;
        match cluster.shelves.get(name) {
            Some(shelf) => Some(list(shelf.values())),
            None => Some(list(read.get(name)?)),
        }
    })
}

/// The objects of a user as a value.
fn list<'a>(objects: impl IntoIterator<Item = &'a Object>) -> Val<'a> {
    let own = |o: &&Object| !is_system_namespace(o.namespace());
    let own = objects.into_iter().filter(own);
    Val::List(own.map(|o| Val::of(o.value())).collect())
}

/// Which object a document is about, in the namespace where it ends up.
#[must_use]
pub fn target(object: &Object) -> Option<Target> {
    let row = shared::kind::find_by_kind(object.api_version(), object.kind())?;
    let namespace = match (row.namespaced, object.namespace()) {
        (false, _) => "",
        (true, "") => "default",
        (true, namespace) => namespace,
    };
    Some(Target {
        kind: row.reference(),
        key: ObjectKey::new(namespace, object.name()),
    })
}

/// What a deed sends.
#[must_use]
pub fn calls(deed: &Deed) -> Vec<Call> {
    match deed {
        Deed::Create(object) => call::create(object.value()).into_iter().collect(),
        Deed::Replace(object) => call::replace(object.value()).into_iter().collect(),
        Deed::Patch { on, patch } => vec![call::patch(&on.kind, &on.key, "strategic", patch)],
        Deed::Delete(target) => vec![call::delete(&target.kind, &target.key)],
        Deed::Bind { pod, node } => vec![call::bind(&pod.key, node)],
        Deed::StopNode(node) => vec![call::node_power(node, false)],
        Deed::StartNode(node) => vec![call::node_power(node, true)],
        Deed::Clock(change) => vec![call::clock(change)],
    }
}

/// A taint is its key and effect.
#[must_use]
pub fn has_taint(taints: &[Value], taint: &Value) -> bool {
    let same =
        |t: &Value| t.get("key") == taint.get("key") && t.get("effect") == taint.get("effect");
    taints.iter().any(same)
}

fn nodes() -> KindRef {
    KindRef::new("", "v1", "nodes")
}

#[cfg(test)]
mod tests;
