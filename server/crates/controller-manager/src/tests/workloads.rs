//! Deployments, ReplicaSets and their pods, case by case.

use expect_test::expect;
use serde_json::json;

use super::{World, check, deployment};

fn sizes(world: &World) -> String {
    let sets = world.names("replicasets").into_iter().map(|name| {
        let rs = world.object("replicasets", &name);
        let image = rs.text("/spec/template/spec/containers/0/image").to_owned();
        format!("{image} {}", rs.int("/spec/replicas").unwrap_or(-1))
    });
    let mut all: Vec<String> = sets.collect();
    all.sort();
    all.join(", ")
}

#[test]
fn a_deployment_becomes_pods() {
    check(
        |w| {
            w.put(deployment(2, "i"));
            w.note("the pods run");
            w.run_pods("n1");
        },
        expect![[r#"
            create replicasets w-775465dd89
              ScalingReplicaSet Deployment/w: Scaled up replica set w-775465dd89 from 0 to 2
            patch deployments w
            create pods w-775465dd89-1
            create pods w-775465dd89-2
            update replicasets/status w-775465dd89
              SuccessfulCreate ReplicaSet/w-775465dd89: Created pod: w-775465dd89-1
              SuccessfulCreate ReplicaSet/w-775465dd89: Created pod: w-775465dd89-2
            update deployments/status w
            update replicasets/status w-775465dd89
            update deployments/status w
            -- the pods run
            update replicasets/status w-775465dd89
            update deployments/status w
        "#]],
    );
}

#[test]
fn a_deployments_objects_have_the_recorded_shape() {
    let mut world = World::new();
    world.put(deployment(2, "i"));
    let deployment = world.object("deployments", "w");
    let rs = world.object("replicasets", &world.names("replicasets")[0]);
    let pod = world.object("pods", &world.names("pods")[0]);
    let hash = rs.label("pod-template-hash").expect("a hash").to_owned();
    let mut shown = vec![
        deployment
            .at("/metadata/annotations")
            .cloned()
            .unwrap_or_default(),
        deployment.at("/status").cloned().unwrap_or_default(),
        rs.at("/metadata/annotations").cloned().unwrap_or_default(),
        rs.at("/metadata/labels").cloned().unwrap_or_default(),
        rs.at("/metadata/ownerReferences")
            .cloned()
            .unwrap_or_default(),
        rs.at("/spec/selector").cloned().unwrap_or_default(),
        rs.at("/status").cloned().unwrap_or_default(),
        pod.at("/metadata/labels").cloned().unwrap_or_default(),
        pod.at("/metadata/generateName")
            .cloned()
            .unwrap_or_default(),
        pod.at("/metadata/ownerReferences")
            .cloned()
            .unwrap_or_default(),
    ];
    let text: Vec<String> = shown
        .drain(..)
        .map(|v| v.to_string().replace(&hash, "HASH"))
        .collect();
    expect![[r#"
        {"deployment.kubernetes.io/revision":"1"}
        {"conditions":[{"lastTransitionTime":"2026-11-23T06:25:38Z","lastUpdateTime":"2026-11-23T06:25:38Z","message":"Deployment does not have minimum availability.","reason":"MinimumReplicasUnavailable","status":"False","type":"Available"},{"lastTransitionTime":"2026-11-23T06:25:38Z","lastUpdateTime":"2026-11-23T06:25:38Z","message":"ReplicaSet \"w-HASH\" is progressing.","reason":"ReplicaSetUpdated","status":"True","type":"Progressing"}],"observedGeneration":1,"replicas":2,"terminatingReplicas":0,"unavailableReplicas":2,"updatedReplicas":2}
        {"deployment.kubernetes.io/desired-replicas":"2","deployment.kubernetes.io/max-replicas":"3","deployment.kubernetes.io/revision":"1"}
        {"app":"w","pod-template-hash":"HASH"}
        [{"apiVersion":"apps/v1","blockOwnerDeletion":true,"controller":true,"kind":"Deployment","name":"w","uid":"uid-4"}]
        {"matchLabels":{"app":"w","pod-template-hash":"HASH"}}
        {"fullyLabeledReplicas":2,"observedGeneration":1,"replicas":2,"terminatingReplicas":0}
        {"app":"w","pod-template-hash":"HASH"}
        "w-HASH-"
        [{"apiVersion":"apps/v1","blockOwnerDeletion":true,"controller":true,"kind":"ReplicaSet","name":"w-HASH","uid":"uid-5"}]
    "#]].assert_eq(&(text.join("\n") + "\n"));
}

#[test]
fn a_rolling_update_never_goes_below_what_must_be_available() {
    let mut world = World::new();
    world.put(deployment(4, "i:1"));
    world.run_pods("n1");
    let mut steps = vec![sizes(&world)];
    world.change("deployments", "w", |d| {
        d["spec"]["template"]["spec"]["containers"][0]["image"] = "i:2".into()
    });
    for _ in 0..12 {
        steps.push(sizes(&world));
        let ready = world
            .api
            .list("pods")
            .iter()
            .filter(|p| p.deletion().is_none() && crate::meta::is_ready(p))
            .count();
        assert!(ready >= 3, "{ready} ready at {steps:?}");
        assert!(
            world
                .api
                .list("pods")
                .iter()
                .filter(|p| p.deletion().is_none())
                .count()
                <= 5
        );
        world.run_pods("n1");
    }
    steps.dedup();
    expect![[r#"
        i:1 4
        i:1 3, i:2 2
        i:1 1, i:2 4
        i:1 0, i:2 4
    "#]]
    .assert_eq(&(steps.join("\n") + "\n"));
    let status = world.object("deployments", "w");
    assert_eq!(status.int("/status/updatedReplicas"), Some(4));
    assert_eq!(
        status.annotation("deployment.kubernetes.io/revision"),
        Some("2")
    );
    world.note("back to the first template");
    world.log.clear();
    world.change("deployments", "w", |d| {
        d["spec"]["template"]["spec"]["containers"][0]["image"] = "i:1".into()
    });
    for _ in 0..12 {
        world.run_pods("n1");
    }
    assert_eq!(sizes(&world), "i:1 4, i:2 0");
    let annotation = "deployment.kubernetes.io/revision";
    assert_eq!(
        world.object("deployments", "w").annotation(annotation),
        Some("3")
    );
}

#[test]
fn the_update_that_cannot_start_keeps_the_old_pods() {
    check(
        |w| {
            w.put(deployment(2, "i"));
            w.log.clear();
            w.change("deployments", "w", |d| {
                d["spec"]["template"]["spec"]["containers"][0]["image"] = "i:2".into()
            });
            w.note("scaled to 0");
            w.change("deployments", "w", |d| d["spec"]["replicas"] = 0.into());
        },
        expect![[r#"
            create replicasets w-74fbf544fc
              ScalingReplicaSet Deployment/w: Scaled up replica set w-74fbf544fc from 0 to 1
            patch deployments w
            create pods w-74fbf544fc-3
            update replicasets/status w-74fbf544fc
              SuccessfulCreate ReplicaSet/w-74fbf544fc: Created pod: w-74fbf544fc-3
            update deployments/status w
            update replicasets/status w-74fbf544fc
            update deployments/status w
            -- scaled to 0
            update replicasets w-775465dd89
            update replicasets w-74fbf544fc
              ScalingReplicaSet Deployment/w: Scaled down replica set w-775465dd89 from 2 to 0
              ScalingReplicaSet Deployment/w: Scaled down replica set w-74fbf544fc from 1 to 0
            update deployments/status w
            delete pods w-775465dd89-1
            delete pods w-775465dd89-2
            update replicasets/status w-775465dd89
            delete pods w-74fbf544fc-3
            update replicasets/status w-74fbf544fc
              SuccessfulDelete ReplicaSet/w-775465dd89: Deleted pod: w-775465dd89-1
              SuccessfulDelete ReplicaSet/w-775465dd89: Deleted pod: w-775465dd89-2
              SuccessfulDelete ReplicaSet/w-74fbf544fc: Deleted pod: w-74fbf544fc-3
            update replicasets/status w-775465dd89
            update replicasets/status w-74fbf544fc
            update deployments/status w
        "#]],
    );
}

#[test]
fn a_stuck_rollout_passes_its_deadline() {
    let mut world = World::new();
    world.put(deployment(1, "i"));
    let reason = |w: &World| {
        let d = w.object("deployments", "w");
        let progress = crate::meta::condition(&d, "Progressing")
            .cloned()
            .unwrap_or_default();
        format!("{} {}", progress["status"], progress["reason"])
    };
    assert_eq!(reason(&world), r#""True" "ReplicaSetUpdated""#);
    world.after_secs(599);
    assert_eq!(reason(&world), r#""True" "ReplicaSetUpdated""#);
    world.after_secs(1);
    assert_eq!(reason(&world), r#""False" "ProgressDeadlineExceeded""#);
    world.run_pods("n1");
    assert_eq!(reason(&world), r#""True" "NewReplicaSetAvailable""#);
}

#[test]
fn recreate_stops_everything_before_it_starts_anything() {
    let mut world = World::new();
    let mut d = deployment(2, "i:1");
    d["spec"]["strategy"] = json!({"type": "Recreate"});
    world.put(d);
    world.run_pods("n1");
    world.change("deployments", "w", |d| {
        d["spec"]["template"]["spec"]["containers"][0]["image"] = "i:2".into()
    });
    assert_eq!(sizes(&world), "i:1 0");
    world.run_pods("n1");
    assert_eq!(sizes(&world), "i:1 0, i:2 2");
}

#[test]
fn scaling_in_the_middle_of_an_update_keeps_the_shares() {
    let mut world = World::new();
    world.put(deployment(10, "i:1"));
    world.run_pods("n1");
    world.change("deployments", "w", |d| {
        d["spec"]["template"]["spec"]["containers"][0]["image"] = "i:2".into()
    });
    assert_eq!(sizes(&world), "i:1 8, i:2 5");
    world.change("deployments", "w", |d| d["spec"]["replicas"] = 20.into());
    let both = sizes(&world);
    assert_eq!(both, "i:1 15, i:2 10");
}

#[test]
fn history_is_kept_to_its_limit() {
    let mut world = World::new();
    let mut d = deployment(1, "i:0");
    d["spec"]["revisionHistoryLimit"] = 2.into();
    world.put(d);
    for i in 1..6 {
        world.run_pods("n1");
        world.now = world.now.plus_secs(1);
        world.change("deployments", "w", |d| {
            d["spec"]["template"]["spec"]["containers"][0]["image"] = format!("i:{i}").into()
        });
    }
    for _ in 0..4 {
        world.run_pods("n1");
    }
    assert_eq!(sizes(&world), "i:3 0, i:4 0, i:5 1");
}

#[test]
fn a_paused_deployment_waits() {
    let mut world = World::new();
    let mut d = deployment(1, "i:1");
    world.put(d.clone());
    d["spec"]["paused"] = true.into();
    d["spec"]["template"]["spec"]["containers"][0]["image"] = "i:2".into();
    world.change("deployments", "w", |old| old["spec"] = d["spec"].clone());
    assert_eq!(sizes(&world), "i:1 1");
    world.change("deployments", "w", |old| old["spec"]["replicas"] = 3.into());
    assert_eq!(sizes(&world), "i:1 3");
    world.change("deployments", "w", |old| {
        old["spec"]["paused"] = false.into()
    });
    assert_eq!(world.names("replicasets").len(), 2);
}

#[test]
fn the_least_useful_pods_go_first() {
    let mut world = World::new();
    world.put(deployment(5, "i"));
    let names = world.names("pods");
    world.run_pods("n1");
    for (name, change) in [
        (&names[0], json!({"status": {"conditions": []}})),
        (
            &names[1],
            json!({"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-5"}}}),
        ),
        (&names[2], json!({"status": {"phase": "Pending"}})),
    ] {
        world.change("pods", name, |pod| {
            for part in ["metadata", "status"] {
                for (field, value) in change[part].as_object().into_iter().flatten() {
                    pod[part][field] = value.clone();
                }
            }
        });
    }
    let mut order = Vec::new();
    for size in (2..5).rev() {
        world.change("deployments", "w", |d| d["spec"]["replicas"] = size.into());
        let gone = |w: &World, n: &String| w.object("pods", n).deletion().is_some();
        let fresh = names.iter().find(|n| gone(&world, n) && !order.contains(n));
        order.push(fresh.expect("one more goes"));
    }
    assert_eq!(order, [&names[2], &names[0], &names[1]]);
}

#[test]
fn pods_are_adopted_and_released_by_their_labels() {
    let mut world = World::new();
    world.put(deployment(1, "i"));
    let name = world.names("pods")[0].clone();
    world.change("pods", &name, |pod| {
        pod["metadata"]["labels"]["app"] = "debug".into()
    });
    assert_eq!(world.names("pods").len(), 2);
    assert_eq!(world.object("pods", &name).controller(), None);
    world.change("pods", &name, |pod| {
        pod["metadata"]["labels"]["app"] = "w".into()
    });
    assert_eq!(world.names("pods").len(), 1);
}
