//! A scenario being followed: which step, which checks have come true, what each deed would send.
//!
//! Pure, and stored in the browser as JSON, so that a reload goes on where it was.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::kind::KINDS;
use shared::scenario::expression::Val;
use shared::scenario::{Deed, Expression, Place, Scenario, Target, is_system_namespace};
use shared::{KindRef, Millis, Object, ObjectKey};

use super::cluster::Cluster;
use crate::backend::call::{self, Call};

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
    pub fn look(&mut self, cluster: &Cluster) -> bool {
        let Some(step) = self.scenario.steps.get(self.step) else {
            return false;
        };
        let mut news = false;
        for (number, check) in step.checks.iter().enumerate() {
            let place = (self.step, number);
            if !self.done.contains(&place) && holds(&check.expression, cluster) {
                news |= self.done.insert(place);
            }
        }
        news
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
        (0..self.scenario.steps.len()).all(|s| self.is_done(s))
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

    /// Every object that the scenario makes, at the beginning or by an action: what a reset removes, last made first.
    #[must_use]
    pub fn makes(&self) -> Vec<Target> {
        let deeds = self.scenario.steps.iter().flat_map(|s| &s.actions);
        let deeds = deeds.flat_map(|a| &a.deeds);
        let timeline = self.scenario.timeline.iter().flat_map(|m| &m.deeds);
        let made = deeds.chain(timeline).filter_map(|d| match d {
            Deed::Create(object) | Deed::Replace(object) => Some(object),
            _ => None,
        });
        let mut all: Vec<Target> = Vec::new();
        for object in self.scenario.objects.iter().chain(made) {
            if let Some(target) = target(object)
                && !all.contains(&target)
            {
                all.push(target);
            }
        }
        all.reverse();
        all
    }

    /// The nodes that an action stops.
    #[must_use]
    pub fn stops(&self) -> BTreeSet<&str> {
        let actions = self.scenario.steps.iter().flat_map(|s| &s.actions);
        let deeds = actions.map(|a| &a.deeds);
        let all = deeds.chain(self.scenario.timeline.iter().map(|m| &m.deeds));
        all.flatten()
            .filter_map(|d| match d {
                Deed::StopNode(node) => Some(node.as_str()),
                _ => None,
            })
            .collect()
    }
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

/// Whether an expression holds over the objects that the page knows.
#[must_use]
pub fn holds(expression: &Expression, cluster: &Cluster) -> bool {
    expression.holds(&|name| {
        KINDS.iter().find(|k| k.plural == name)?;
        let own = |o: &&Object| !is_system_namespace(o.namespace());
        let shelf = cluster.shelf(name).values().filter(own);
        Some(Val::List(shelf.map(|o| Val::of(o.value())).collect()))
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

/// What gives a node the labels and taints of its place; nothing when it has them.
#[must_use]
pub fn settle(place: &Place, cluster: &Cluster) -> Option<Call> {
    let key = ObjectKey::new("", &place.node);
    let node = cluster.get("nodes", &key)?;
    let has = node.items("/spec/taints");
    let missing: Vec<&Value> = place.taints.iter().filter(|t| !has_taint(has, t)).collect();
    let labels = place.labels.iter();
    let labels: serde_json::Map<String, Value> = labels
        .filter(|(k, v)| node.label(k) != Some(v))
        .map(|(k, v)| (k.clone(), json!(v)))
        .collect();
    if missing.is_empty() && labels.is_empty() {
        return None;
    }
    let taints: Vec<&Value> = has.iter().chain(missing).collect();
    let patch = json!({"metadata": {"labels": labels}, "spec": {"taints": taints}});
    Some(call::patch(&nodes(), &key, "merge", &patch))
}

/// What takes a place's labels and taints away again; nothing when they are gone.
#[must_use]
pub fn unsettle(place: &Place, cluster: &Cluster) -> Option<Call> {
    let key = ObjectKey::new("", &place.node);
    let node = cluster.get("nodes", &key)?;
    let has = node.items("/spec/taints");
    let left: Vec<&Value> = has
        .iter()
        .filter(|t| !has_taint(&place.taints, t))
        .collect();
    let labels = place.labels.keys().filter(|k| node.label(k).is_some());
    let labels: serde_json::Map<String, Value> = labels.map(|k| (k.clone(), Value::Null)).collect();
    if left.len() == has.len() && labels.is_empty() {
        return None;
    }
    let patch = json!({"metadata": {"labels": labels}, "spec": {"taints": left}});
    Some(call::patch(&nodes(), &key, "merge", &patch))
}

/// A taint is its key and effect.
fn has_taint(taints: &[Value], taint: &Value) -> bool {
    let same =
        |t: &Value| t.get("key") == taint.get("key") && t.get("effect") == taint.get("effect");
    taints.iter().any(same)
}

fn nodes() -> KindRef {
    KindRef::new("", "v1", "nodes")
}

#[cfg(test)]
mod tests;
