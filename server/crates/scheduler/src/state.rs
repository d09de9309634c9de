//! Everything the scheduler knows about nodes and placed pods, kept up to date change by change so that a decision
//! over thousands of nodes reads arrays.
//!
//! Nodes live in slots. Two kinds of derived tables are made when a pod first needs them and then maintained:
//! [`Topology`] gives each slot's domain of a label key, [`Counts`] the number of matching pods per slot.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use shared::Object;
use shared::selector::Selector;

use crate::node::{NodeChange, NodeInfo};
use crate::pod::PodInfo;

/// How many label keys and how many selectors are kept counted; the least recently used goes first.
const TABLES_MAX: usize = 256;

/// Nodes, placed pods and the tables derived from them.
#[derive(Debug, Default)]
pub(crate) struct State {
    nodes: Vec<NodeInfo>,
    free: Vec<usize>,
    slots: BTreeMap<String, usize>,
    order: Vec<usize>,
    order_stale: bool,
    placed: BTreeMap<String, usize>,
    with_terms: BTreeMap<String, usize>,
    topologies: BTreeMap<String, Used<Topology>>,
    counts: BTreeMap<(String, String), Used<Counts>>,
    clock: u64,
}

#[derive(Debug)]
struct Used<T> {
    table: Arc<T>,
    last: u64,
}

/// The domain of each slot for one label key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Topology {
    domains: Vec<Option<usize>>,
    names: BTreeMap<String, usize>,
}

impl Topology {
    pub(crate) fn domain(&self, slot: usize) -> Option<usize> {
        self.domains.get(slot).copied().flatten()
    }

    /// How many domain numbers there are; some may have lost their last node.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    fn set(&mut self, slot: usize, value: Option<&str>) {
        if self.domains.len() <= slot {
            self.domains.resize(slot + 1, None);
        }
        let next = self.names.len();
        let domain = value.map(|v| match self.names.get(v) {
            Some(domain) => *domain,
            None => *self.names.entry(v.to_owned()).or_insert(next),
        });
        if let Some(place) = self.domains.get_mut(slot) {
            *place = domain;
        }
    }
}

/// Pods per slot that match a selector in a namespace and are not being deleted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    selector: Option<Selector>,
    per_slot: Vec<i64>,
}

impl Counts {
    pub(crate) fn of(&self, slot: usize) -> i64 {
        self.per_slot.get(slot).copied().unwrap_or(0)
    }

    pub(crate) fn matches(&self, labels: Option<&Value>) -> bool {
        self.selector.as_ref().is_some_and(|s| s.matches(labels))
    }

    fn change(&mut self, slot: usize, pod: &PodInfo, by: i64) {
        if pod.object.deletion().is_some() || !self.matches(pod.labels()) {
            return;
        }
        if self.per_slot.len() <= slot {
            self.per_slot.resize(slot + 1, 0);
        }
        if let Some(count) = self.per_slot.get_mut(slot) {
            *count += by;
        }
    }
}

impl State {
    /// Every known node in the order in which they are tried: round robin over zones, by name within one
    /// (`pkg/scheduler/backend/cache/node_tree.go`).
    pub(crate) fn order(&mut self) -> &[usize] {
        if self.order_stale {
            self.order_stale = false;
            let mut zones: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
            for slot in self.slots.values() {
                if let Some(node) = self.nodes.get(*slot).filter(|n| n.known) {
                    zones.entry(node.zone()).or_default().push(*slot);
                }
            }
            let longest = zones.values().map(Vec::len).max().unwrap_or(0);
            let rounds = (0..longest).flat_map(|i| zones.values().filter_map(move |z| z.get(i)));
            self.order = rounds.copied().collect();
        }
        &self.order
    }

    /// How many nodes there are.
    pub(crate) fn len(&mut self) -> usize {
        self.order().len()
    }

    pub(crate) fn node(&self, slot: usize) -> Option<&NodeInfo> {
        self.nodes.get(slot)
    }

    pub(crate) fn slot(&self, name: &str) -> Option<usize> {
        self.slots.get(name).copied()
    }

    /// The slots of pods that have affinity or anti-affinity terms, by pod uid.
    pub(crate) fn with_terms(&self) -> &BTreeMap<String, usize> {
        &self.with_terms
    }

    /// Every slot's node, known or not.
    pub(crate) fn all(&self) -> impl Iterator<Item = (usize, &NodeInfo)> {
        self.nodes.iter().enumerate()
    }

    fn slot_for(&mut self, name: &str) -> usize {
        if let Some(slot) = self.slots.get(name) {
            return *slot;
        }
        let node = NodeInfo {
            name: name.into(),
            ..NodeInfo::default()
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(place) = self.nodes.get_mut(slot) {
                    *place = node;
                }
                slot
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() - 1
            }
        };
        self.slots.insert(name.into(), slot);
        slot
    }

    /// Adds or updates a node. `None` when it was not known before.
    pub(crate) fn set_node(&mut self, object: &Object) -> Option<NodeChange> {
        let slot = self.slot_for(object.name());
        let node = self.nodes.get_mut(slot)?;
        let was_known = node.known;
        let change = node.set(object);
        if change.labels || !was_known {
            self.order_stale = true;
            for (key, used) in &mut self.topologies {
                Arc::make_mut(&mut used.table).set(slot, node.label(key));
            }
        }
        was_known.then_some(change)
    }

    /// Forgets a node; the pods on it stay counted until they are gone.
    pub(crate) fn remove_node(&mut self, name: &str) {
        let Some(slot) = self.slot(name) else { return };
        if let Some(node) = self.nodes.get_mut(slot) {
            node.known = false;
            node.labels.clear();
        }
        for used in self.topologies.values_mut() {
            Arc::make_mut(&mut used.table).set(slot, None);
        }
        self.order_stale = true;
        self.release(slot);
    }

    fn release(&mut self, slot: usize) {
        let Some(node) = self.nodes.get_mut(slot) else {
            return;
        };
        if !node.known && node.pods.is_empty() && !node.name.is_empty() {
            self.slots.remove(&node.name);
            *node = NodeInfo::default();
            self.free.push(slot);
        }
    }

    /// Places a pod on a node, which need not be known yet. Replaces an earlier placement of the same uid.
    pub(crate) fn place(&mut self, pod: &Arc<PodInfo>, node: &str) {
        self.unplace(pod.uid());
        let slot = self.slot_for(node);
        if let Some(node) = self.nodes.get_mut(slot) {
            node.add(Arc::clone(pod));
        }
        self.placed.insert(pod.uid().to_owned(), slot);
        if pod.has_affinity_terms() {
            self.with_terms.insert(pod.uid().to_owned(), slot);
        }
        self.count(slot, pod, 1);
    }

    /// Takes a pod off its node.
    pub(crate) fn unplace(&mut self, uid: &str) -> Option<Arc<PodInfo>> {
        let slot = self.placed.remove(uid)?;
        self.with_terms.remove(uid);
        let pod = self.nodes.get_mut(slot)?.remove(uid)?;
        self.count(slot, &pod, -1);
        self.release(slot);
        Some(pod)
    }

    /// The node that a pod is placed on.
    pub(crate) fn placed_on(&self, uid: &str) -> Option<&NodeInfo> {
        self.nodes.get(*self.placed.get(uid)?)
    }

    fn count(&mut self, slot: usize, pod: &PodInfo, by: i64) {
        let namespace = pod.object.namespace();
        let from = (namespace.to_owned(), String::new());
        for ((of, _), used) in self.counts.range_mut(from..) {
            if of != namespace {
                break;
            }
            Arc::make_mut(&mut used.table).change(slot, pod, by);
        }
    }

    /// The domains of a label key.
    pub(crate) fn topology(&mut self, key: &str) -> Arc<Topology> {
        self.clock += 1;
        if let Some(used) = self.topologies.get_mut(key) {
            used.last = self.clock;
            return Arc::clone(&used.table);
        }
        let mut topology = Topology::default();
        for (slot, node) in self.nodes.iter().enumerate() {
            topology.set(slot, node.label(key));
        }
        let table = Arc::new(topology);
        forget_oldest(&mut self.topologies);
        let used = Used {
            table: Arc::clone(&table),
            last: self.clock,
        };
        self.topologies.insert(key.into(), used);
        table
    }

    /// The counts of a selector (in its object form) within a namespace.
    pub(crate) fn counts(&mut self, namespace: &str, selector: &Value) -> Arc<Counts> {
        self.clock += 1;
        let key = (namespace.to_owned(), selector.to_string());
        if let Some(used) = self.counts.get_mut(&key) {
            used.last = self.clock;
            return Arc::clone(&used.table);
        }
        let mut counts = Counts {
            selector: Selector::from_object(Some(selector)),
            per_slot: vec![0; self.nodes.len()],
        };
        for (slot, node) in self.nodes.iter().enumerate() {
            for pod in node
                .pods
                .values()
                .filter(|p| p.object.namespace() == namespace)
            {
                counts.change(slot, pod, 1);
            }
        }
        let table = Arc::new(counts);
        forget_oldest(&mut self.counts);
        let used = Used {
            table: Arc::clone(&table),
            last: self.clock,
        };
        self.counts.insert(key, used);
        table
    }
}

fn forget_oldest<K: Ord + Clone, T>(tables: &mut BTreeMap<K, Used<T>>) {
    if tables.len() >= TABLES_MAX
        && let Some(oldest) = tables
            .iter()
            .min_by_key(|(_, u)| u.last)
            .map(|(k, _)| k.clone())
    {
        tables.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(name: &str, zone: &str) -> Object {
        Object::new(
            json!({"metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone}}}),
        )
    }

    fn pod(uid: &str, app: &str) -> Arc<PodInfo> {
        let pod = json!({"metadata": {"uid": uid, "namespace": "d", "labels": {"app": app}}});
        Arc::new(PodInfo::parse(&Object::new(pod)))
    }

    fn names(state: &mut State) -> String {
        let order = state.order().to_vec();
        let names = order.into_iter().filter_map(|s| state.node(s));
        names.map(|n| n.name.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn nodes_are_tried_zone_by_zone() {
        let mut state = State::default();
        for (name, zone) in [("a", "1"), ("b", "1"), ("c", "2"), ("d", "1")] {
            assert!(state.set_node(&node(name, zone)).is_none());
        }
        assert_eq!(names(&mut state), "a c b d");
        state.remove_node("a");
        assert_eq!(names(&mut state), "b c d");
    }

    #[test]
    fn counts_and_domains_follow_changes() {
        let mut state = State::default();
        let _ = state.set_node(&node("a", "1"));
        let app = json!({"matchLabels": {"app": "x"}});
        state.place(&pod("p", "x"), "a");
        let slot = state.slot("a").unwrap_or_default();
        assert_eq!(state.counts("d", &app).of(slot), 1);
        state.place(&pod("q", "x"), "a");
        state.place(&pod("r", "y"), "a");
        assert_eq!(state.counts("d", &app).of(slot), 2);
        assert!(state.unplace("p").is_some());
        assert_eq!(state.counts("d", &app).of(slot), 1);
        assert_eq!(state.counts("other", &app).of(slot), 0);
        let zones = state.topology("topology.kubernetes.io/zone");
        let _ = state.set_node(&node("b", "1"));
        let fresh = state.topology("topology.kubernetes.io/zone");
        assert_eq!(
            zones.domain(slot),
            fresh.domain(state.slot("b").unwrap_or_default())
        );
    }

    #[test]
    fn a_node_that_left_keeps_its_slot_until_its_pods_are_gone() {
        let mut state = State::default();
        let _ = state.set_node(&node("a", "1"));
        state.place(&pod("p", "x"), "a");
        state.remove_node("a");
        assert_eq!(state.len(), 0);
        assert!(state.slot("a").is_some());
        assert!(state.unplace("p").is_some());
        assert_eq!(state.slot("a"), None);
        state.place(&pod("q", "x"), "early");
        assert!(state.set_node(&node("early", "2")).is_none());
        assert_eq!(state.placed_on("q").map(|n| n.pods.len()), Some(1));
    }
}
