//! The scheduler with a small stand-in for the API server that binds, patches statuses and deletes.

use std::collections::BTreeMap;

use client::{Answer, Body, Component, Observed, Request, Verb, WatchEvent};
use serde_json::{Value, json};
use shared::live::Change;
use shared::{KindRef, Millis, Object, ObjectKey, Revision, Status};

use crate::Scheduler;

pub(super) struct World {
    pub(super) scheduler: Scheduler,
    pub(super) objects: BTreeMap<(String, ObjectKey), Object>,
    pub(super) revision: u64,
    pub(super) now: Millis,
    pub(super) log: Vec<String>,
    pub(super) events_shown: bool,
    pub(super) next_bind_answer: Option<Status>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut world = Self {
            scheduler: Scheduler::new(seed),
            objects: BTreeMap::new(),
            revision: 0,
            now: Millis(1_795_415_138_000),
            log: Vec::new(),
            events_shown: false,
            next_bind_answer: None,
        };
        world.introduce();
        world
    }

    /// Tells the scheduler that there is nothing yet.
    pub(super) fn introduce(&mut self) {
        for interest in self.scheduler.interests() {
            let observed = Observed::Replaced {
                kind: interest.kind,
                revision: Revision(1),
                objects: Vec::new(),
            };
            self.scheduler.observe(observed, self.now);
        }
    }

    pub(super) fn put(&mut self, plural: &str, mut value: Value) {
        self.revision += 1;
        value["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let object = Object::new(value);
        let key = (plural.to_owned(), object.key());
        let known = self.objects.insert(key, object.clone()).is_some();
        let change = if known {
            Change::Modified
        } else {
            Change::Added
        };
        self.tell(plural, change, object);
    }

    pub(super) fn tell(&mut self, plural: &str, change: Change, object: Object) {
        let group = if plural == "replicasets" { "apps" } else { "" };
        let kind = KindRef::new(group, "v1", plural);
        let event = WatchEvent { change, object };
        self.scheduler
            .observe(Observed::Event { kind, event }, self.now);
    }

    pub(super) fn remove(&mut self, plural: &str, key: &ObjectKey) {
        if let Some(object) = self.objects.remove(&(plural.to_owned(), key.clone())) {
            self.tell(plural, Change::Deleted, object);
        }
    }

    pub(super) fn settle(&mut self) {
        loop {
            let calls = self.scheduler.poll(self.now);
            if calls.is_empty() && self.scheduler.wake().is_none_or(|(due, _)| due > self.now) {
                return;
            }
            for call in calls {
                let answer = self.serve(&call.request);
                self.scheduler.answer(call.id, answer, self.now);
            }
        }
    }

    pub(super) fn serve(&mut self, request: &Request) -> Result<Answer, Status> {
        let (plural, key) = (request.kind.plural.clone(), request.key());
        match (request.verb, &request.body) {
            (Verb::Create, Body::Object(binding)) if request.subresource == "binding" => {
                if let Some(status) = self.next_bind_answer.take() {
                    self.log
                        .push(format!("bind {} refused: {}", key.name, status.message));
                    return Err(status);
                }
                let node = binding["target"]["name"].clone();
                self.log.push(format!(
                    "{} -> {}",
                    key.name,
                    node.as_str().unwrap_or_default()
                ));
                let mut pod = self.objects[&(plural, key)].to_value();
                pod["spec"]["nodeName"] = node;
                self.put("pods", pod);
            }
            (Verb::Create, Body::Object(event)) => {
                let text = |at: &str| {
                    event
                        .pointer(at)
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned()
                };
                if self.events_shown {
                    let name = text("/involvedObject/name");
                    let line = format!(
                        "event {} {name} {}: {}",
                        text("/type"),
                        text("/reason"),
                        text("/message")
                    );
                    self.log.push(line);
                }
            }
            (Verb::Patch, Body::Patch(_, patch)) if request.subresource == "status" => {
                self.patch_status(&key, patch);
            }
            (Verb::Delete, _) => {
                self.log.push(format!("delete {}", key.name));
                self.remove(&plural, &key);
            }
            _ => {}
        }
        Ok(Answer::Object(Object::new(json!({}))))
    }

    pub(super) fn patch_status(&mut self, key: &ObjectKey, patch: &Value) {
        let Some(pod) = self.objects.get(&("pods".to_owned(), key.clone())) else {
            return;
        };
        let mut pod = pod.to_value();
        for condition in patch["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
            self.log.push(format!(
                "{} {}: {}",
                key.name,
                text("reason"),
                text("message")
            ));
            pod["status"]["conditions"] = json!([condition]);
        }
        if let Some(node) = patch["status"]["nominatedNodeName"].as_str() {
            self.log.push(format!("{} nominated {node}", key.name));
            pod["status"]["nominatedNodeName"] = node.into();
        }
        self.put("pods", pod);
    }

    pub(super) fn pod(&mut self, name: &str, spec: Value) {
        self.pod_labelled(
            name,
            spec,
            json!({"app": name.trim_end_matches(char::is_numeric)}),
        );
    }

    pub(super) fn pod_labelled(&mut self, name: &str, spec: Value, labels: Value) {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "sched", "uid": format!("uid-{name}"), "generation": 1, "labels": labels},
            "spec": {"containers": [{"name": "c", "image": "i"}], "schedulerName": "default-scheduler"},
        });
        merge(&mut pod["spec"], spec);
        self.put("pods", pod);
        self.settle();
    }

    pub(super) fn owned_pod(&mut self, name: &str, replica_set: &str) {
        let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": replica_set, "controller": true});
        self.put(
            "pods",
            json!({
                "metadata": {"name": name, "namespace": "sched", "uid": name, "labels": {"app": replica_set},
                    "ownerReferences": [owner]},
                "spec": {"containers": [{"name": "c", "image": "i"}]},
            }),
        );
        self.settle();
    }

    pub(super) fn node(&mut self, name: &str, change: Value) {
        let mut node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "uid": name, "labels": {"kubernetes.io/hostname": name}},
            "status": {"allocatable": {"cpu": "2", "memory": "4Gi", "pods": "4"}},
        });
        merge(&mut node, change);
        self.put("nodes", node);
        self.settle();
    }

    pub(super) fn delete_pod(&mut self, name: &str) {
        self.remove("pods", &ObjectKey::new("sched", name));
        self.settle();
    }

    pub(super) fn after_secs(&mut self, seconds: u64) {
        self.now = self.now.plus_secs(seconds);
        self.settle();
    }

    /// The three nodes on which the reference verdicts were recorded.
    pub(super) fn three_nodes(&mut self) {
        self.node(
            "a",
            json!({"metadata": {"labels": {"zone": "z1", "disk": "ssd"}}}),
        );
        self.node(
            "b",
            json!({"metadata": {"labels": {"zone": "z2"}},
            "spec": {"taints": [{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]}}),
        );
        self.node(
            "c",
            json!({"metadata": {"labels": {"zone": "z2"}}, "spec": {"unschedulable": true,
            "taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]}}),
        );
    }
}

pub(super) fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
