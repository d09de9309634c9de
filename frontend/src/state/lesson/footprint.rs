//! What a scenario has done to this cluster so far, and the calls that take exactly that back: an object of the same
//! name that somebody else made, a label that was there before, a node that somebody else stopped are not its own.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use shared::live::ClockChange;
use shared::path::ResourcePath;
use shared::scenario::{Place, Target};
use shared::{Object, ObjectKey};

use super::{has_taint, nodes};
use crate::backend::call::{self, Call};
use crate::state::cluster::Cluster;
use crate::state::route::unescape;

/// What is to be taken back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Footprint {
    /// Objects that it created, in that order.
    made: Vec<Made>,
    /// Labels and taints that it gave to nodes.
    settled: Vec<Settled>,
    /// Nodes that it stopped and that nothing of it has started again.
    stopped: BTreeSet<String>,
    /// It left the clock at another rate than 1.
    clock: bool,
}

/// An object that the scenario created. A later one of the same name has another UID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Which object.
    pub target: Target,
    /// `metadata.uid` as the creation was answered.
    pub uid: String,
}

/// What a node got from the scenario, and what stood there before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// Only what was missing.
    added: Place,
    /// The values of those labels before, where they had one.
    before: BTreeMap<String, String>,
}

impl Footprint {
    /// Notes what an accepted call did.
    pub fn note(&mut self, call: &Call, answer: &Value) {
        if let Some((node, verb)) = power(call) {
            match verb {
                "stop" => self.stopped.insert(node),
                _ => self.stopped.remove(&node),
            };
        } else if call.path == call::CLOCK {
            let rate = call.body.as_ref().and_then(|b| b.get("rate")?.as_f64());
            self.clock = rate.map_or(self.clock, |r| (r - 1.0).abs() > f64::EPSILON);
        } else if call.method == "POST"
            && let Some(at) = ResourcePath::parse(&call.path)
            && at.name.is_none()
        {
            let object = Object::new(answer.clone());
            self.made.push(Made {
                target: Target {
                    kind: at.kind,
                    key: object.key(),
                },
                uid: object.uid().to_owned(),
            });
        }
    }

    /// Notes what a node got.
    pub fn note_settled(&mut self, settled: Settled) {
        self.settled.push(settled);
    }

    /// What it created, last made first: the order of removal.
    pub fn made(&self) -> impl Iterator<Item = &Made> {
        self.made.iter().rev()
    }

    /// The calls that take everything back. A deletion carries the UID, so that it cannot meet another object.
    #[must_use]
    pub fn take_back(&self, cluster: &Cluster) -> Vec<Call> {
        let deletions = self
            .made()
            .map(|m| call::delete_uid(&m.target.kind, &m.target.key, &m.uid));
        let settled = self.settled.iter().rev();
        let settled = settled.filter_map(|s| s.take_back(cluster));
        let started = self.stopped.iter().map(|n| call::node_power(n, true));
        let clock = self.clock.then(|| {
            call::clock(&ClockChange {
                rate: Some(1.0),
                step_ms: None,
            })
        });
        deletions
            .chain(settled)
            .chain(started)
            .chain(clock)
            .collect()
    }
}

/// The node and the verb of a call to its power switch.
fn power(call: &Call) -> Option<(String, &str)> {
    let rest = call.path.strip_prefix("/glasshouse/v1/nodes/")?;
    let (node, verb) = rest.split_once('/')?;
    Some((unescape(node), verb))
}

impl Settled {
    /// What gives a node the labels and taints of its place, and what that will have done; nothing when it has them.
    #[must_use]
    pub fn plan(place: &Place, cluster: &Cluster) -> Option<(Call, Self)> {
        let key = ObjectKey::new("", &place.node);
        let node = cluster.get("nodes", &key)?;
        let has = node.items("/spec/taints");
        let missing = place.taints.iter().filter(|t| !has_taint(has, t));
        let labels = place
            .labels
            .iter()
            .filter(|(k, v)| node.label(k) != Some(v));
        let added = Place {
            node: place.node.clone(),
            labels: labels.map(|(k, v)| (k.clone(), v.clone())).collect(),
            taints: missing.cloned().collect(),
        };
        if added.taints.is_empty() && added.labels.is_empty() {
            return None;
        }
        let taints: Vec<&Value> = has.iter().chain(&added.taints).collect();
        let patch = json!({"metadata": {"labels": added.labels}, "spec": {"taints": taints}});
        let before = added.labels.keys();
        let before = before.filter_map(|k| Some((k.clone(), node.label(k)?.to_owned())));
        let before = before.collect();
        Some((
            call::patch(&nodes(), &key, "merge", &patch),
            Self { added, before },
        ))
    }

    /// What takes it away again: only what still is as it was left. Nothing when all of it is gone.
    #[must_use]
    pub fn take_back(&self, cluster: &Cluster) -> Option<Call> {
        let key = ObjectKey::new("", &self.added.node);
        let node = cluster.get("nodes", &key)?;
        let has = node.items("/spec/taints");
        let left = has.iter().filter(|t| !has_taint(&self.added.taints, t));
        let left: Vec<&Value> = left.collect();
        let labels = self.added.labels.iter();
        let labels: Map<String, Value> = labels
            .filter(|(k, v)| node.label(k) == Some(v))
            .map(|(k, _)| (k.clone(), json!(self.before.get(k))))
            .collect();
        if left.len() == has.len() && labels.is_empty() {
            return None;
        }
        let patch = json!({"metadata": {"labels": labels}, "spec": {"taints": left}});
        Some(call::patch(&nodes(), &key, "merge", &patch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::lesson::tests::cluster;

    fn shown(calls: &[Call]) -> String {
        let one = |c: &Call| {
            let body = c.body.as_ref().map(Value::to_string).unwrap_or_default();
            format!("{} {} {body}", c.method, c.path)
        };
        calls.iter().map(one).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn only_what_was_done_is_taken_back() {
        let mut print = Footprint::default();
        let object = |kind: &str, name: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
        for (kind, name, uid) in [("Namespace", "shop", "u1"), ("Pod", "p", "u2")] {
            let mut answer = object(kind, name);
            answer["metadata"]["uid"] = json!(uid);
            if kind == "Pod" {
                answer["metadata"]["namespace"] = json!("default");
            }
            print.note(&call::create(&object(kind, name)).unwrap(), &answer);
        }
        // None of these leaves an object behind that the scenario made.
        print.note(
            &call::replace(&object("ConfigMap", "m")).unwrap(),
            &object("ConfigMap", "m"),
        );
        let pod = ObjectKey::new("default", "p");
        print.note(&call::bind(&pod, "node-1"), &Value::Null);
        for (node, on) in [("node-1", false), ("node-2", false), ("node-2", true)] {
            print.note(&call::node_power(node, on), &Value::Null);
        }
        let rate = |rate| {
            call::clock(&ClockChange {
                rate: Some(rate),
                step_ms: None,
            })
        };
        print.note(&rate(60.0), &Value::Null);
        expect_test::expect![[r#"
            DELETE /api/v1/namespaces/default/pods/p {"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"u2"}}
            DELETE /api/v1/namespaces/shop {"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"u1"}}
            POST /glasshouse/v1/nodes/node-1/start 
            POST /glasshouse/v1/clock {"rate":1.0}"#]]
        .assert_eq(&shown(&print.take_back(&Cluster::default())));
        print.note(&rate(1.0), &Value::Null);
        assert!(!shown(&print.take_back(&Cluster::default())).contains("clock"));
        assert_eq!(
            shown(&Footprint::default().take_back(&Cluster::default())),
            ""
        );
    }

    #[test]
    fn places_get_what_is_missing_and_give_back_only_that() {
        let own = json!({"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"});
        let mine = json!({"key": "mine", "effect": "NoSchedule"});
        let node = |taints: Value, labels: Value| {
            let node =
                json!({"metadata": {"name": "n", "labels": labels}, "spec": {"taints": taints}});
            cluster("nodes", vec![node])
        };
        let place = Place {
            node: "n".into(),
            labels: [("disk", "ssd"), ("zone", "a"), ("old", "x")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into(),
            taints: vec![mine.clone()],
        };
        let before = node(json!([own]), json!({"zone": "a", "old": "y"}));
        let (call, settled) = Settled::plan(&place, &before).unwrap();
        assert_eq!(
            call.body.unwrap(),
            json!({"metadata": {"labels": {"disk": "ssd", "old": "x"}}, "spec": {"taints": [own, mine]}})
        );
        assert_eq!(settled.take_back(&before), None);
        let after = node(
            json!([own, mine]),
            json!({"disk": "ssd", "zone": "a", "old": "x"}),
        );
        assert_eq!(Settled::plan(&place, &after), None);
        let back = settled.take_back(&after).unwrap();
        assert_eq!(
            back.body.unwrap(),
            json!({"metadata": {"labels": {"disk": null, "old": "y"}}, "spec": {"taints": [own]}}),
            "zone was there before"
        );
        let changed = node(json!([own]), json!({"disk": "hdd", "old": "z"}));
        assert_eq!(
            settled.take_back(&changed),
            None,
            "somebody else decided since"
        );
    }
}
