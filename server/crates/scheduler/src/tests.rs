//! Scripts in, transcripts out: the scheduler against a small stand-in for the API server that binds, patches
//! statuses and deletes.

mod world;

use client::{Component, Observed};
use expect_test::{Expect, expect};
use serde_json::{Value, json};
use shared::{KindRef, Object, Revision, Status};

use world::World;

fn check(script: impl FnOnce(&mut World), want: Expect) {
    let mut world = World::new(1);
    script(&mut world);
    want.assert_eq(&(world.log.join("\n") + "\n"));
}

fn cpu(amount: &str) -> Value {
    json!({"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": amount}}}]})
}

fn high(mut spec: Value) -> Value {
    spec["priority"] = 1000.into();
    spec
}

/// Pods that fit nowhere on the three nodes, and the message before the part about preemption.
const REFUSALS: &[(&str, &str, &str)] = &[
    (
        r#"{"containers": [{"resources": {"requests": {"cpu": "9"}}}]}"#,
        "1 Insufficient cpu",
        "3 Preemption is not helpful for scheduling",
    ),
    (
        r#"{"containers": [{"resources": {"requests": {"cpu": "9", "memory": "99Gi"}}}]}"#,
        "1 Insufficient cpu, 1 Insufficient memory",
        "3 Preemption is not helpful for scheduling",
    ),
    (
        r#"{"containers": [{"resources": {"requests": {"x.example/gpu": "1"}}}]}"#,
        "1 Insufficient x.example/gpu",
        "3 Preemption is not helpful for scheduling",
    ),
    (
        r#"{"nodeSelector": {"zone": "z9"}}"#,
        "1 node(s) didn't match Pod's node affinity/selector",
        "3 Preemption is not helpful for scheduling",
    ),
    (
        r#"{"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["z9"]}]}]}}}}"#,
        "1 node(s) didn't match Pod's node affinity/selector",
        "3 Preemption is not helpful for scheduling",
    ),
    (
        r#"{"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"labelSelector": {"matchLabels": {"no": "one"}}, "topologyKey": "zone"}]}}}"#,
        "1 node(s) didn't match pod affinity rules",
        "3 Preemption is not helpful for scheduling",
    ),
    (
        r#"{"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"labelSelector": {}, "topologyKey": "zone"}]}}}"#,
        "1 node(s) didn't match pod anti-affinity rules",
        "1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling",
    ),
    (
        r#"{"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "nokey", "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {}}]}"#,
        "1 node(s) didn't match pod topology spread constraints (missing required label)",
        "3 Preemption is not helpful for scheduling",
    ),
    (
        r#"{"containers": [{"ports": [{"containerPort": 80, "hostPort": 80}]}]}"#,
        "1 node(s) didn't have free ports for the requested pod ports",
        "1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling",
    ),
];

#[test]
fn refusals_read_as_the_originals() {
    for (spec, reasons, preemption) in REFUSALS {
        let mut world = World::new(1);
        world.three_nodes();
        world.pod(
            "first",
            json!({"containers": [{"ports": [{"hostPort": 80}]}]}),
        );
        world.log.clear();
        world.pod("p", serde_json::from_str(spec).expect("a spec"));
        let others = "1 node(s) had untolerated taint(s), 1 node(s) were unschedulable";
        let want = format!(
            "p Unschedulable: 0/3 nodes are available: {reasons}, {others}. no new claims to deallocate, preemption: \
             0/3 nodes are available: {preemption}."
        );
        assert_eq!(world.log, [want]);
    }
}

#[test]
fn pods_are_placed_where_they_fit() {
    check(
        |w| {
            w.three_nodes();
            w.pod("s0", cpu("1"));
            w.pod("s6", json!({"nodeSelector": {"zone": "z2"}, "tolerations": [{"key": "dedicated", "operator": "Exists"}]}));
            w.pod("other", json!({"schedulerName": "nobody"}));
            w.pod(
                "claim",
                json!({"volumes": [{"persistentVolumeClaim": {"claimName": "none"}}]}),
            );
            w.pod("gated", json!({"schedulingGates": [{"name": "x.y/z"}]}));
        },
        expect![[r#"
            s0 -> a
            s6 -> b
            claim Unschedulable: 0/3 nodes are available: persistentvolumeclaim "none" not found. not found
        "#]],
    );
}

#[test]
fn a_second_scheduler_places_its_own_pods_only() {
    check(
        |w| {
            w.scheduler = crate::Scheduler::named("second", 1);
            w.introduce();
            w.three_nodes();
            w.pod("mine", json!({"schedulerName": "second"}));
            w.pod("theirs", cpu("1"));
        },
        expect![[r#"
            mine -> a
        "#]],
    );
}

#[test]
fn daemon_pods_are_judged_on_their_node_alone() {
    let on = |node: &str| {
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]}}}})
    };
    check(
        |w| {
            w.three_nodes();
            for i in 0..4 {
                w.pod(&format!("fill{i}"), json!({}));
            }
            w.pod("d0", on("a"));
            let mut tolerant = on("c");
            tolerant["tolerations"] = json!([{"operator": "Exists"}]);
            w.pod("d1", tolerant);
        },
        expect![[r#"
            fill0 -> a
            fill1 -> a
            fill2 -> a
            fill3 -> a
            d0 Unschedulable: 0/3 nodes are available: 1 Too many pods, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]. no new claims to deallocate, preemption: 0/3 nodes are available: 1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling.
            d1 -> c
        "#]],
    );
}

#[test]
fn a_higher_priority_evicts_and_is_nominated() {
    check(
        |w| {
            w.events_shown = true;
            w.node("a", json!({}));
            w.pod("low", cpu("1500m"));
            w.pod("lower", cpu("200m"));
            w.pod("pre", high(cpu("1500m")));
            w.after_secs(2);
        },
        expect![[r#"
            low -> a
            event Normal low Scheduled: Successfully assigned sched/low to a
            lower -> a
            event Normal lower Scheduled: Successfully assigned sched/lower to a
            low PreemptionByScheduler: default-scheduler: preempting to accommodate a higher priority pod
            delete low
            event Normal low Preempted: Preempted by pod uid-pre on node a
            event Warning pre FailedScheduling: 0/1 nodes are available: 1 Insufficient cpu.
            pre Unschedulable: 0/1 nodes are available: 1 Insufficient cpu.
            pre nominated a
            pre -> a
            event Normal pre Scheduled: Successfully assigned sched/pre to a
        "#]],
    );
}

#[test]
fn preemption_can_be_declined_and_can_be_in_vain() {
    check(
        |w| {
            w.node("a", json!({}));
            w.pod("low", cpu("1500m"));
            let mut never = high(cpu("1"));
            never["preemptionPolicy"] = "Never".into();
            w.pod("never", never);
            w.pod("same", cpu("1"));
        },
        expect![[r#"
            low -> a
            never Unschedulable: 0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never.
            same Unschedulable: 0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.
        "#]],
    );
}

#[test]
fn waiting_pods_are_tried_again_when_it_helps() {
    check(
        |w| {
            w.pod("early", cpu("1"));
            w.node("a", json!({}));
            w.after_secs(1);
            w.pod("big", cpu("2"));
            w.node(
                "tainted",
                json!({"spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}}),
            );
            w.after_secs(1);
            w.node("tainted", json!({}));
            w.after_secs(10);
        },
        expect![[r#"
            early Unschedulable: no nodes available to schedule pods
            early -> a
            big Unschedulable: 0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.
            big Unschedulable: 0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). no new claims to deallocate, preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling.
            big -> tainted
        "#]],
    );
}

#[test]
fn hard_spread_and_affinity_hold() {
    let spread = json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone",
        "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"app": "web"}}}]});
    let near = json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": {"app": "db"}}, "topologyKey": "zone"}]}}});
    let apart = json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": {"app": "lone"}}, "topologyKey": "kubernetes.io/hostname"}]}}});
    check(
        |w| {
            w.node("a", json!({"metadata": {"labels": {"zone": "z1"}}}));
            w.node("b", json!({"metadata": {"labels": {"zone": "z2"}}, "status": {"allocatable": {"pods": "2"}}}));
            for i in 0..4 {
                w.pod(&format!("web{i}"), spread.clone());
            }
            w.pod("web4", spread.clone());
            w.pod("web5", spread.clone());
            w.delete_pod("web4");
            w.delete_pod("web5");
            w.delete_pod("web0");
            w.pod("db", near.clone());
            w.pod("lone0", apart.clone());
            w.pod("lone1", apart.clone());
        },
        expect![[r#"
            web0 -> b
            web1 -> a
            web2 -> b
            web3 -> a
            web4 -> a
            web5 Unschedulable: 0/2 nodes are available: 1 Too many pods, 1 node(s) didn't match pod topology spread constraints. no new claims to deallocate, preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.
            db -> b
            lone0 -> a
            lone1 Unschedulable: 0/2 nodes are available: 1 Too many pods, 1 node(s) didn't match pod anti-affinity rules. no new claims to deallocate, preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.
        "#]],
    );
}

#[test]
fn replicas_spread_over_nodes_and_equal_nodes_are_drawn_by_seed() {
    let place = |seed: u64| {
        let mut world = World::new(seed);
        let roomy =
            json!({"status": {"allocatable": {"cpu": "64", "memory": "64Gi", "pods": "110"}}});
        for name in ["n1", "n2", "n3"] {
            world.node(name, roomy.clone());
        }
        world.put(
            "replicasets",
            json!({"metadata": {"name": "web", "namespace": "sched"}, "spec": {"selector": {"matchLabels": {"app": "web"}}}}),
        );
        for i in 0..6 {
            world.owned_pod(&format!("web{i}"), "web");
        }
        world.log.join(" ")
    };
    let all: Vec<String> = (0..8).map(place).collect();
    for log in &all {
        for name in ["n1", "n2", "n3"] {
            assert_eq!(log.matches(name).count(), 2, "{log}");
        }
    }
    assert_eq!(all[3], place(3));
    assert!(all.iter().any(|log| *log != all[0]));
}

#[test]
fn soft_preferences_decide_between_nodes_that_fit() {
    let prefers = |key: &str, value: &str| {
        json!({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 10, "preference": {"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]}}]}}})
    };
    let avoid = json!({"spec": {"taints": [{"key": "k", "effect": "PreferNoSchedule"}]}});
    let cases: Vec<(Value, Value, Value, &str)> = vec![
        (
            json!({}),
            json!({"metadata": {"labels": {"disk": "ssd"}}}),
            prefers("disk", "ssd"),
            "b",
        ),
        (avoid.clone(), json!({}), json!({}), "b"),
        (json!({}), avoid, json!({}), "a"),
        (
            json!({}),
            json!({"status": {"allocatable": {"cpu": "8", "memory": "16Gi"}}}),
            cpu("1"),
            "b",
        ),
        (
            json!({}),
            json!({"status": {"images": [{"names": ["i:latest"], "sizeBytes": 900_000_000}]}}),
            json!({}),
            "b",
        ),
    ];
    for (a, b, pod, want) in cases {
        for seed in 0..4 {
            let mut world = World::new(seed);
            world.node("a", a.clone());
            world.node("b", b.clone());
            world.pod("p", pod.clone());
            assert_eq!(world.log, [format!("p -> {want}")], "{pod}");
        }
    }
}

#[test]
fn a_refused_binding_is_tried_again_and_a_vanished_pod_is_let_go() {
    check(
        |w| {
            w.node("a", json!({}));
            w.next_bind_answer = Some(Status::modified("pods", "", "p"));
            w.pod("p", json!({}));
            w.after_secs(1);
            w.next_bind_answer = Some(Status::not_found("pods", "", "q"));
            w.pod("q", json!({}));
            w.after_secs(10);
            w.next_bind_answer = Some(Status::internal("disk full"));
            w.pod("r", json!({}));
            w.after_secs(1);
        },
        expect![[r#"
            bind p refused: Operation cannot be fulfilled on pods "p": the object has been modified; please apply your changes to the latest version and try again
            p -> a
            bind q refused: pods "q" not found
            bind r refused: Internal error occurred: disk full
            r SchedulerError: binding rejected: running Bind plugin "DefaultBinder": Internal error occurred: disk full
            r -> a
        "#]],
    );
}

#[test]
fn the_verdict_and_the_room_show_what_each_node_was_worth() {
    let mut world = World::new(1);
    world.node("node-1", json!({}));
    world.node(
        "node-2",
        json!({"status": {"allocatable": {"cpu": "16", "memory": "32Gi"}}}),
    );
    world.node(
        "node-3",
        json!({"status": {"allocatable": {"memory": "1Mi"}}}),
    );
    let memory =
        json!({"containers": [{"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}]});
    world.pod("p", memory);
    let lines: Vec<String> = world
        .scheduler
        .lines()
        .iter()
        .map(|(n, s)| format!("{n} {s}"))
        .collect();
    expect![[r#"
        node-1 75
        node-2 82
        node-3 Insufficient memory
    "#]]
    .assert_eq(&(lines.join("\n") + "\n"));
    let done: Vec<String> = world
        .scheduler
        .done()
        .iter()
        .map(|d| format!("{} {}", d.phase, d.text))
        .collect();
    expect![[r#"
        score node-2 scored 82; node-1 scored 75; node-3 Insufficient memory
        bind sched/p to node-2
    "#]]
    .assert_eq(&(done.join("\n") + "\n"));
    let verdict = world.scheduler.verdict("uid-p").expect("a verdict");
    assert_eq!(verdict.node.as_deref(), Some("node-2"));
    assert!(world.scheduler.done().is_empty());
}

#[test]
fn nothing_is_asked_for_twice() {
    let mut world = World::new(1);
    world.three_nodes();
    world.pod("p", json!({}));
    world.pod("q", cpu("9"));
    assert!(world.scheduler.poll(world.now).is_empty());
    let objects: Vec<Object> = world
        .objects
        .iter()
        .filter(|((k, _), _)| k == "pods")
        .map(|(_, o)| o.clone())
        .collect();
    let again = Observed::Replaced {
        kind: KindRef::new("", "v1", "pods"),
        revision: Revision(world.revision),
        objects,
    };
    world.scheduler.observe(again, world.now);
    assert!(world.scheduler.poll(world.now).is_empty());
}

#[test]
fn malformed_objects_are_survived() {
    let mut world = World::new(1);
    world.put("nodes", json!({"metadata": {"name": "odd"}, "spec": 3, "status": {"allocatable": {"cpu": [], "pods": "x"}}}));
    for (i, spec) in [
        json!({"containers": "none", "affinity": 1, "tolerations": {}}),
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}}),
        json!({"topologySpreadConstraints": [{}], "containers": [{"resources": {"requests": {"cpu": "lots"}}}]}),
        json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}, 1]}}}),
    ]
    .into_iter()
    .enumerate()
    {
        world.pod(&format!("odd{i}"), spec);
    }
    assert_eq!(world.log.len(), 4, "{:?}", world.log);
}
