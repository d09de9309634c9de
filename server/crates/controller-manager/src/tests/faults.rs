//! Refusals, lagging watches and bad objects: the manager recovers from all of them.

use serde_json::{Value, json};
use shared::Status;

use super::{World, deployment, key};
use client::Component;

#[test]
fn conflicts_and_errors_are_tried_again() {
    for status in [
        Status::modified("deployments", "apps", "w"),
        Status::internal("disk full"),
        Status::not_found("deployments", "apps", "w"),
        Status::already_exists("replicasets", "apps", "w"),
    ] {
        let mut world = World::new();
        world.refuse = vec![status; 7];
        world.put(deployment(3, "i"));
        for _ in 0..20 {
            world.after_secs(1);
        }
        assert_eq!(world.names("pods").len(), 3, "{}", world.log.join("\n"));
    }
}

#[test]
fn a_watch_that_lags_behind_causes_no_extra_pods() {
    let mut world = World::new();
    world.watch_lags = true;
    world.put(deployment(3, "i"));
    world.run_pods("n1");
    world.change("deployments", "w", |d| d["spec"]["replicas"] = 1.into());
    let creates = world
        .log
        .iter()
        .filter(|l| l.starts_with("create pods"))
        .count();
    let deletes = world
        .log
        .iter()
        .filter(|l| l.starts_with("delete pods"))
        .count();
    assert_eq!((creates, deletes), (3, 2), "{}", world.log.join("\n"));
}

#[test]
fn a_refused_pod_shows_on_replica_set_and_deployment() {
    let mut world = World::new();
    world.put(deployment(0, "i"));
    let quota = Status::forbidden("pods", "", "", "exceeded quota");
    world.change_quietly("deployments", "w", |d| d["spec"]["replicas"] = 1.into());
    // The first call resizes the ReplicaSet; all that create pods are refused for a while.
    for _ in 0..30 {
        world.deliver();
        for call in world.manager.poll(world.now) {
            let pod = call.request.kind.plural == "pods";
            let answer = if pod {
                Err(quota.clone())
            } else {
                world.api.serve(&call.request, world.now)
            };
            world.deliver();
            world.manager.answer(call.id, answer, world.now);
        }
    }
    let rs = world.object("replicasets", &world.names("replicasets")[0]);
    let of = |object: &shared::Object| {
        crate::meta::condition(object, "ReplicaFailure")
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(of(&rs)["message"], "pods is forbidden: exceeded quota");
    assert_eq!(
        of(&world.object("deployments", "w"))["reason"],
        "FailedCreate"
    );
    for _ in 0..20 {
        world.after_secs(60);
    }
    assert_eq!(world.names("pods").len(), 1);
    assert_eq!(of(&world.object("deployments", "w")), Value::Null);
}

#[test]
fn a_taken_name_gets_another_hash() {
    let mut world = World::new();
    world.put(deployment(1, "i"));
    let name = world.names("replicasets")[0].clone();
    let mut other = World::new();
    other.put(json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name, "namespace": "d"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}}}}));
    other.put(deployment(1, "i"));
    assert_eq!(other.names("replicasets").len(), 2);
    assert_eq!(
        other
            .object("deployments", "w")
            .int("/status/collisionCount"),
        Some(1)
    );
    assert!(
        other
            .manager
            .view()
            .get(&crate::meta::replicasets(), &key(&name))
            .is_some()
    );
}

#[test]
fn malformed_objects_are_survived() {
    for (kind, plural) in [("Deployment", "deployments"), ("ReplicaSet", "replicasets")] {
        for spec in [
            json!(null),
            json!({"replicas": "many", "selector": 3, "template": []}),
            json!({"replicas": 1, "selector": {}, "template": {"metadata": 1, "spec": 2}}),
            json!({"replicas": -3, "selector": {"matchLabels": {"a": "b"}}, "strategy": {"rollingUpdate": {"maxSurge": "x%"}}}),
        ] {
            let mut world = World::new();
            world.put(json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "odd", "namespace": "d"}, "spec": spec}));
            assert_eq!(world.names(plural).len(), 1, "{spec}");
            assert!(world.names("pods").is_empty(), "{spec}");
        }
    }
    let mut world = World::new();
    for object in [
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "odd"}, "spec": {"taints": "x"}, "status": []}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "odd", "namespace": "d"}, "spec": {"selector": {"a": 1}, "ports": [1, {"port": "x"}]}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "odd", "namespace": "d", "ownerReferences": [1, {"uid": 2}]}, "spec": 1, "status": 1}),
    ] {
        world.put(object);
    }
    assert!(
        world
            .manager
            .lines()
            .iter()
            .all(|(_, what)| what == "quiet")
    );
}
