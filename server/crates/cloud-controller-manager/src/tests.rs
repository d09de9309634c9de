//! Scripts against a small stand-in for the API server that merges patches and stores statuses.

use std::collections::BTreeMap;

use client::{Answer, Body, Component, Observed, Verb, WatchEvent};
use expect_test::{Expect, expect};
use serde_json::{Value, json};
use shared::live::Change;
use shared::{KindRef, Millis, Object, ObjectKey, Status};

use crate::{CloudControllerManager, LocalCloud};

struct World {
    manager: CloudControllerManager<LocalCloud>,
    objects: BTreeMap<(KindRef, ObjectKey), Value>,
    revision: u64,
    now: Millis,
    log: Vec<String>,
    conflicts: usize,
}

fn kind(plural: &str) -> KindRef {
    KindRef::new("", "v1", plural)
}

impl World {
    fn new() -> Self {
        let cloud = LocalCloud {
            region: "here".into(),
            zones: vec!["a".into(), "b".into()],
            addresses: vec!["127.0.0.1".into(), "127.0.0.2".into()],
            ..LocalCloud::default()
        };
        let mut world = Self {
            manager: CloudControllerManager::new(cloud),
            objects: BTreeMap::new(),
            revision: 0,
            now: Millis(1_795_415_138_000),
            log: Vec::new(),
            conflicts: 0,
        };
        for interest in world.manager.interests() {
            let empty = Observed::Replaced {
                kind: interest.kind,
                revision: shared::Revision(0),
                objects: Vec::new(),
            };
            world.manager.observe(empty, world.now);
        }
        world
    }

    fn put(&mut self, plural: &str, mut value: Value) -> Object {
        self.revision += 1;
        value["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let object = Object::new(value.clone());
        let held = !object.items("/metadata/finalizers").is_empty();
        let change = match object.deletion() {
            Some(_) if !held => Change::Deleted,
            _ => Change::Modified,
        };
        match change {
            Change::Deleted => self.objects.remove(&(kind(plural), object.key())),
            _ => self.objects.insert((kind(plural), object.key()), value),
        };
        let event = WatchEvent {
            change,
            object: object.clone(),
        };
        self.manager.observe(
            Observed::Event {
                kind: kind(plural),
                event,
            },
            self.now,
        );
        object
    }

    fn service(&mut self, name: &str, spec: Value) {
        let service = json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": "d", "uid": format!("uid-{name}")}, "spec": spec});
        self.put("services", service);
        self.settle();
    }

    fn node(&mut self, name: &str, tainted: bool) {
        let taints = if tainted {
            json!([{"key": "node.cloudprovider.kubernetes.io/uninitialized", "effect": "NoSchedule"}])
        } else {
            json!([])
        };
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": name},
            "spec": {"taints": taints}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        self.put("nodes", node);
        self.settle();
    }

    fn change(&mut self, plural: &str, key: &ObjectKey, change: impl FnOnce(&mut Value)) {
        let mut value = self.objects[&(kind(plural), key.clone())].clone();
        change(&mut value);
        self.put(plural, value);
        self.settle();
    }

    fn settle(&mut self) {
        for _ in 0..1000 {
            let calls = self.manager.poll(self.now);
            if calls.is_empty() && self.manager.wake().is_none_or(|(due, _)| due > self.now) {
                return;
            }
            for call in calls {
                let answer = self.serve(&call.request);
                self.manager.answer(call.id, answer, self.now);
            }
        }
        panic!("never settles: {:#?}", self.log);
    }

    fn serve(&mut self, request: &client::Request) -> Result<Answer, Status> {
        let (plural, key) = (request.kind.plural.clone(), request.key());
        if plural == "events" {
            if let Body::Object(event) = &request.body {
                let text = |at: &str| {
                    event
                        .pointer(at)
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned()
                };
                self.log.push(format!(
                    "  {} {}: {}",
                    text("/involvedObject/name"),
                    text("/reason"),
                    text("/message")
                ));
            }
            return Ok(Answer::Object(Object::new(json!({}))));
        }
        if self.conflicts > 0 {
            self.conflicts -= 1;
            return Err(Status::modified(&plural, "", &key.name));
        }
        let mut value = self
            .objects
            .get(&(request.kind.clone(), key.clone()))
            .cloned()
            .unwrap_or_default();
        match (request.verb, &request.body) {
            (Verb::Patch, Body::Patch(_, patch)) => {
                self.log
                    .push(format!("patch {} {}", key, patch["metadata"]["finalizers"]));
                merge(&mut value, patch);
            }
            (Verb::Update, Body::Object(body)) => {
                self.log
                    .push(format!("status {} {}", key, body["status"]["loadBalancer"]));
                value["status"] = body["status"].clone();
            }
            _ => {
                self.log.push(format!("{} {key}", request.verb.word()));
                value["metadata"]["deletionTimestamp"] = self.now.rfc3339().into();
            }
        }
        Ok(Answer::Object(self.put(&plural, value)))
    }
}

fn merge(into: &mut Value, patch: &Value) {
    match patch.as_object() {
        None => *into = patch.clone(),
        Some(patch) => {
            for (key, value) in patch {
                merge(&mut into[key], value);
            }
        }
    }
}

fn balanced(port: i64) -> Value {
    json!({"type": "LoadBalancer", "ports": [{"port": port}]})
}

fn check(script: impl FnOnce(&mut World), want: Expect) {
    let mut world = World::new();
    script(&mut world);
    want.assert_eq(&(world.log.join("\n") + "\n"));
}

#[test]
fn nodes_are_initialised_once() {
    let mut world = World::new();
    world.node("node-2", true);
    let node = &world.objects[&(kind("nodes"), ObjectKey::new("", "node-2"))];
    assert_eq!(
        node["spec"],
        json!({"taints": null, "providerID": "local:///node-2"})
    );
    assert_eq!(
        node["metadata"]["labels"],
        json!({"node.kubernetes.io/instance-type": "local", "topology.kubernetes.io/region": "here", "topology.kubernetes.io/zone": "b"})
    );
    let before = world.log.len();
    world.node("node-3", false);
    assert_eq!(world.log.len(), before);
}

#[test]
fn load_balancers_come_and_go_with_their_services() {
    check(
        |w| {
            w.node("n1", false);
            w.service("web", balanced(80));
            let key = ObjectKey::new("d", "web");
            w.change("services", &key, |s| s["spec"]["type"] = "ClusterIP".into());
            w.change("services", &key, |s| {
                s["spec"]["type"] = "LoadBalancer".into()
            });
            w.change("services", &key, |s| {
                s["metadata"]["deletionTimestamp"] = "2026-11-23T06:26:00Z".into()
            });
            assert!(w.objects.keys().all(|(k, _)| *k != kind("services")));
        },
        expect![[r#"
            patch d/web ["service.kubernetes.io/load-balancer-cleanup"]
              web EnsuringLoadBalancer: Ensuring load balancer
            status d/web {"ingress":[{"ip":"127.0.0.1","ipMode":"VIP"}]}
              web EnsuredLoadBalancer: Ensured load balancer
            status d/web {}
              web DeletedLoadBalancer: Deleted load balancer
            patch d/web null
            patch d/web ["service.kubernetes.io/load-balancer-cleanup"]
            status d/web {"ingress":[{"ip":"127.0.0.1","ipMode":"VIP"}]}
            status d/web {}
            patch d/web null
        "#]],
    );
}

#[test]
fn a_port_of_an_address_serves_one_service() {
    check(
        |w| {
            w.node("n1", false);
            w.service("a", balanced(80));
            w.service("b", balanced(80));
            w.service("c", balanced(80));
            w.service("d", balanced(81));
            w.change("services", &ObjectKey::new("d", "a"), |s| {
                s["metadata"]["deletionTimestamp"] = "2026-11-23T06:26:00Z".into()
            });
            w.now = w.now.plus_secs(10);
            w.settle();
        },
        expect![[r#"
            patch d/a ["service.kubernetes.io/load-balancer-cleanup"]
              a EnsuringLoadBalancer: Ensuring load balancer
            status d/a {"ingress":[{"ip":"127.0.0.1","ipMode":"VIP"}]}
              a EnsuredLoadBalancer: Ensured load balancer
            patch d/b ["service.kubernetes.io/load-balancer-cleanup"]
              b EnsuringLoadBalancer: Ensuring load balancer
            status d/b {"ingress":[{"ip":"127.0.0.2","ipMode":"VIP"}]}
              b EnsuredLoadBalancer: Ensured load balancer
            patch d/c ["service.kubernetes.io/load-balancer-cleanup"]
              c EnsuringLoadBalancer: Ensuring load balancer
              c SyncLoadBalancerFailed: Error syncing load balancer: failed to ensure load balancer: TCP port 80 of 127.0.0.1 belongs to Service d/a; TCP port 80 of 127.0.0.2 belongs to Service d/b
            patch d/d ["service.kubernetes.io/load-balancer-cleanup"]
              d EnsuringLoadBalancer: Ensuring load balancer
            status d/d {"ingress":[{"ip":"127.0.0.1","ipMode":"VIP"}]}
              d EnsuredLoadBalancer: Ensured load balancer
            status d/a {}
              a DeletedLoadBalancer: Deleted load balancer
            status d/c {"ingress":[{"ip":"127.0.0.1","ipMode":"VIP"}]}
              c EnsuredLoadBalancer: Ensured load balancer
            patch d/a null
        "#]],
    );
}

#[test]
fn services_that_arrive_together_do_not_get_one_port_twice() {
    let mut world = World::new();
    for name in ["a", "b"] {
        let metadata = json!({"name": name, "namespace": "d", "uid": name});
        world.put(
            "services",
            json!({"metadata": metadata, "spec": balanced(80)}),
        );
    }
    world.node("n1", false);
    let mut given: Vec<&Value> = world
        .objects
        .values()
        .map(|o| &o["status"]["loadBalancer"]["ingress"][0]["ip"])
        .collect();
    given.retain(|ip| ip.is_string());
    assert_eq!(given, ["127.0.0.1", "127.0.0.2"]);
}

#[test]
fn without_nodes_there_is_nothing_to_balance_over() {
    check(
        |w| {
            w.service("web", balanced(80));
            w.node("n1", false);
            w.now = w.now.plus_secs(10);
            w.settle();
        },
        expect![[r#"
            patch d/web ["service.kubernetes.io/load-balancer-cleanup"]
              web EnsuringLoadBalancer: Ensuring load balancer
              web UnAvailableLoadBalancer: There are no available nodes for LoadBalancer
            status d/web {"ingress":[{"ip":"127.0.0.1","ipMode":"VIP"}]}
              web EnsuredLoadBalancer: Ensured load balancer
        "#]],
    );
}

#[test]
fn other_types_and_classes_are_left_alone() {
    let mut world = World::new();
    world.node("n1", false);
    world.service("a", json!({"type": "ClusterIP"}));
    world.service(
        "b",
        json!({"type": "LoadBalancer", "loadBalancerClass": "x.io/y"}),
    );
    assert!(world.log.is_empty(), "{:?}", world.log);
}

#[test]
fn a_node_whose_machine_is_gone_is_deleted_once_it_is_silent() {
    let mut world = World::new();
    world.node("n1", false);
    let now = world.now;
    world
        .manager
        .change_cloud(|c| c.terminated.extend(["n1".to_owned()]), now);
    world.settle();
    assert!(world.log.is_empty());
    world.change("nodes", &ObjectKey::new("", "n1"), |n| {
        n["status"]["conditions"][0]["status"] = "Unknown".into()
    });
    assert!(world.objects.is_empty());
    assert_eq!(world.log[0], "delete n1");
}

#[test]
fn conflicts_are_tried_again() {
    let mut world = World::new();
    world.node("n1", false);
    world.conflicts = 3;
    world.service("web", balanced(80));
    for _ in 0..5 {
        world.now = world.now.plus_secs(1);
        world.settle();
    }
    assert!(
        world.log.iter().any(|l| l.contains("127.0.0.1")),
        "{:?}",
        world.log
    );
}
