//! Scripts in, transcripts out: the manager against a small stand-in for the API server. After every step each
//! controller must have nothing left to do.

mod api;
mod batch;
mod budgets;
mod cluster;
mod faults;
mod sets;
mod workloads;

use client::{Component, Observed, WatchEvent};
use serde_json::{Value, json};
use shared::live::Change;
use shared::{KindRef, Millis, Object, ObjectKey};

use crate::controllers::LOOPS;
use crate::{Config, ControllerManager};
use api::Api;

/// A manager, an API server and a log of what passed between them.
pub(super) struct World {
    manager: ControllerManager,
    api: Api,
    now: Millis,
    log: Vec<String>,
    /// How many more calls are refused, and how.
    refuse: Vec<shared::Status>,
    /// True to show answers to the manager before the watch events they cause.
    watch_lags: bool,
}

impl World {
    pub(super) fn new() -> Self {
        let config = Config {
            root_ca_pem: "PEM".into(),
        };
        let mut world = Self {
            manager: ControllerManager::new(config),
            api: Api::default(),
            now: Millis(1_795_415_138_000),
            log: Vec::new(),
            refuse: Vec::new(),
            watch_lags: false,
        };
        for interest in world.manager.interests() {
            let observed = Observed::Replaced {
                kind: interest.kind,
                revision: shared::Revision(0),
                objects: Vec::new(),
            };
            world.manager.observe(observed, world.now);
        }
        world.put(
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "d"},
            "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}),
        );
        world.log.clear();
        world
    }

    /// Creates or replaces an object as a user would, status included.
    pub(super) fn put(&mut self, value: Value) {
        self.api.put(value, self.now);
        self.settle();
    }

    /// Changes an object in place.
    pub(super) fn change(&mut self, plural: &str, name: &str, change: impl FnOnce(&mut Value)) {
        self.change_quietly(plural, name, change);
        self.settle();
    }

    pub(super) fn change_quietly(
        &mut self,
        plural: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) {
        let object = self.api.find(plural, name).expect("an object of that name");
        let mut value = object.to_value();
        change(&mut value);
        self.api.put(value, self.now);
    }

    pub(super) fn delete(&mut self, plural: &str, name: &str, policy: &str) {
        let object = self.api.find(plural, name).expect("an object of that name");
        self.api
            .delete_as(plural, &object.key(), policy, None, self.now);
        self.settle();
    }

    pub(super) fn after_secs(&mut self, seconds: u64) {
        self.now = self.now.plus_secs(seconds);
        self.settle();
    }

    /// The kubelet's part: every pod that was given an address before stays, new ones run and are ready, terminating
    /// ones are removed.
    pub(super) fn run_pods(&mut self, node: &str) {
        for pod in self.api.list("pods") {
            let here = pod.text("/spec/nodeName") == node || pod.text("/spec/nodeName").is_empty();
            if !here {
                continue;
            }
            if pod.deletion().is_some() {
                self.api
                    .delete_as("pods", &pod.key(), "", Some(0), self.now);
            } else if pod.text("/status/phase") != "Running" && !crate::meta::has_ended(&pod) {
                let n = self.api.next_ip();
                let mut value = pod.to_value();
                value["spec"]["nodeName"] = node.into();
                value["status"] = json!({
                    "phase": "Running", "podIP": format!("10.244.0.{n}"),
                    "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": self.now.rfc3339()}],
                });
                self.api.put(value, self.now);
            }
        }
        self.settle();
    }

    /// A pod ends: `Succeeded`, or `Failed` with this exit code.
    pub(super) fn end_pod(&mut self, name: &str, exit_code: i64) {
        let now = self.now.rfc3339();
        self.change("pods", name, |p| {
            p["status"]["phase"] = if exit_code == 0 {
                "Succeeded"
            } else {
                "Failed"
            }
            .into();
            p["status"]["conditions"] = json!([]);
            p["status"]["containerStatuses"] = json!([{"name": "c",
                "state": {"terminated": {"exitCode": exit_code, "finishedAt": now}}}]);
        });
    }

    /// The name of the pod whose name begins so and that has not ended.
    pub(super) fn pod_of(&self, prefix: &str) -> String {
        let all = self.api.list("pods").into_iter();
        let mut alive = all.filter(|p| crate::meta::is_active(p) && p.name().starts_with(prefix));
        alive.next().expect("a pod of that name").name().to_owned()
    }

    pub(super) fn status(&self, plural: &str, name: &str) -> String {
        self.object(plural, name)
            .at("/status")
            .cloned()
            .unwrap_or_default()
            .to_string()
    }

    pub(super) fn note(&mut self, text: &str) {
        self.log.push(format!("-- {text}"));
    }

    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            self.deliver();
            let calls = self.manager.poll(self.now);
            let due = self.manager.wake().is_some_and(|(due, _)| due <= self.now);
            if calls.is_empty() && !due && self.api.is_quiet() {
                self.assert_settled();
                return;
            }
            for call in calls {
                let answer = match self.refuse.pop() {
                    Some(status) => Err(status),
                    None => self.api.serve(&call.request, self.now),
                };
                self.log.extend(api::line(&call.request, &answer));
                if !self.watch_lags {
                    self.deliver();
                }
                self.manager.answer(call.id, answer, self.now);
            }
        }
        panic!("never settles:\n{}", self.log.join("\n"));
    }

    fn deliver(&mut self) {
        for (kind, change, object) in self.api.events() {
            if kind.plural == "events" {
                continue;
            }
            let event = WatchEvent { change, object };
            self.manager
                .observe(Observed::Event { kind, event }, self.now);
        }
    }

    /// Invariant: looking again at anything gives an empty plan, unless a failure is being backed off.
    fn assert_settled(&self) {
        if self
            .manager
            .wake()
            .is_some_and(|(due, _)| due.since(self.now) < 5_000)
        {
            return;
        }
        let view = self.manager.view();
        let mut looks = std::collections::BTreeSet::new();
        for (kind, object) in self.api.all() {
            let change = client::cache::Changed {
                kind,
                old: None,
                revision: object.revision(),
                new: Some(object),
            };
            for (at, of) in LOOPS.iter().enumerate() {
                looks.extend((of.keys)(view, &change).into_iter().map(|item| (at, item)));
            }
        }
        for (at, item) in looks {
            let plan = (LOOPS[at].reconcile)(view, &item, self.now);
            assert!(plan.is_empty(), "{} {}: {plan:?}", LOOPS[at].name, item.key);
        }
    }

    pub(super) fn object(&self, plural: &str, name: &str) -> Object {
        self.api.find(plural, name).expect("an object of that name")
    }

    /// Names, in order, of the objects of a kind in namespace `d`.
    pub(super) fn names(&self, plural: &str) -> Vec<String> {
        let all = self
            .api
            .list(plural)
            .into_iter()
            .filter(|o| o.namespace() == "d");
        all.map(|o| o.name().to_owned()).collect()
    }
}

/// Runs a script and compares what was logged.
pub(super) fn check(script: impl FnOnce(&mut World), want: expect_test::Expect) {
    let mut world = World::new();
    script(&mut world);
    want.assert_eq(&(world.log.join("\n") + "\n"));
}

pub(super) fn deployment(replicas: i64, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "w", "namespace": "d"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "w"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
            "template": {"metadata": {"labels": {"app": "w"}},
                "spec": {"containers": [{"name": "c", "image": image, "ports": [{"name": "http", "containerPort": 8080}]}]}},
        },
    })
}

pub(super) fn node(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
        "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]},
    })
}

pub(super) fn key(name: &str) -> ObjectKey {
    ObjectKey::new("d", name)
}

pub(super) type Event = (KindRef, Change, Object);
