//! Bad days: random users, everything going wrong, then peace; and the cluster has to come to what was asked for.

use client::{PatchKind, Request};
use serde_json::json;
use shared::ObjectKey;

use crate::{Cluster, Faults, Random, apps, batch, core};

/// Seeds of a test run: as many as take seconds, with and without optimisation.
const SEEDS: u64 = if cfg!(debug_assertions) { 30 } else { 200 };
/// How long the bad day is, in milliseconds.
const BAD_MS: u64 = 60_000;
/// How long the cluster may take to recover: the longest image and crash back-offs lie within.
const HEAL_MS: u64 = 400_000;

/// A user does something to the pods, or to a node.
fn act(cluster: &mut Cluster, random: &mut Random) {
    let name = format!("p{}", random.below(8));
    match random.below(18) {
        0..6 => {
            let images = ["ok", "exit", "crash", "slow", "missing"];
            let policies = ["Always", "OnFailure", "Never"];
            let mut pick = |list: &[&'static str]| list[random.below(list.len() as u64) as usize];
            let (image, policy) = (pick(&images), pick(&policies));
            let resources = json!({"requests": {"cpu": format!("{}m", 100 + random.below(2000))}});
            let pod = json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
                "spec": {"restartPolicy": policy, "terminationGracePeriodSeconds": random.below(10),
                    "containers": [{"name": "c", "image": image, "resources": resources}]},
            });
            let _ = cluster.request(&Request::create(core("pods"), pod));
        }
        6..9 => {
            let request = Request::delete(core("pods"), &ObjectKey::new("default", &name), "");
            let request = if random.chance(200) {
                request.with_grace(0)
            } else {
                request
            };
            let _ = cluster.request(&request);
        }
        9 => {
            let node = 1 + random.below(3) as u8;
            if random.chance(500) {
                cluster.stop_node(node);
            } else {
                cluster.start_node(node);
            }
        }
        10..14 => deploy(cluster, random),
        _ => others(cluster, random),
    }
}

/// A user makes, changes or deletes a Deployment.
fn deploy(cluster: &mut Cluster, random: &mut Random) {
    let name = format!("d{}", random.below(2));
    let (image, replicas) = (format!("ok{}", random.below(3)), random.below(5));
    let key = ObjectKey::new("default", &name);
    let labels = json!({"app": name});
    let containers = json!([{"name": "c", "image": image}]);
    let spec = json!({
        "replicas": replicas, "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": containers, "terminationGracePeriodSeconds": 2}},
    });
    let request = if random.chance(200) {
        Request::delete(apps("deployments"), &key, "")
    } else if cluster.object(&apps("deployments"), &key).is_some() {
        Request::patch(
            apps("deployments"),
            &key,
            PatchKind::Strategic,
            json!({"spec": spec}),
        )
    } else {
        let metadata = json!({"name": name, "namespace": "default"});
        let body = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec});
        Request::create(apps("deployments"), body)
    };
    let _ = cluster.request(&request);
}

/// A user makes, changes or deletes a Job, a DaemonSet or a StatefulSet.
fn others(cluster: &mut Cluster, random: &mut Random) {
    let ends = if random.chance(700) { "exit" } else { "crash" };
    let image = format!("ok{}", random.below(3));
    let (kind, title, name, image, spec) = match random.below(3) {
        0 => {
            let spec = json!({"completions": 1 + random.below(3), "parallelism": 1 + random.below(2),
                "backoffLimit": random.below(3)});
            (batch("jobs"), "Job", "j", ends.to_owned(), spec)
        }
        1 => (apps("daemonsets"), "DaemonSet", "e", image, json!({})),
        _ => {
            let spec = json!({"replicas": random.below(4), "serviceName": "f"});
            (apps("statefulsets"), "StatefulSet", "f", image, spec)
        }
    };
    let (key, labels) = (ObjectKey::new("default", name), json!({"app": name}));
    let policy = if title == "Job" { "Never" } else { "Always" };
    let mut spec = spec;
    spec["template"] = json!({"metadata": {"labels": labels}, "spec": {"restartPolicy": policy,
        "containers": [{"name": "c", "image": image}], "terminationGracePeriodSeconds": 2}});
    let exists = cluster.object(&kind, &key).is_some();
    let request = if random.chance(250) {
        let mut request = Request::delete(kind, &key, "");
        request.options.propagation_policy = "Background".into();
        request
    } else if exists {
        Request::patch(kind, &key, PatchKind::Strategic, json!({"spec": spec}))
    } else {
        if title != "Job" {
            spec["selector"] = json!({"matchLabels": labels});
        }
        let (group, metadata) = (
            kind.group.clone(),
            json!({"name": name, "namespace": "default"}),
        );
        let body = json!({"apiVersion": format!("{group}/v1"), "kind": title, "metadata": metadata, "spec": spec});
        Request::create(kind, body)
    };
    let _ = cluster.request(&request);
}

/// Runs a seed's bad day, which begins on a good cluster, and the peace after it.
pub(super) fn bad_day(seed: u64) -> Cluster {
    let mut cluster = Cluster::new(seed, 3);
    let mut random = Random::new(seed ^ 0x5eed);
    let mut run = |cluster: &mut Cluster| -> Result<(), crate::Unmet> {
        cluster.run_until(60_000, Cluster::missing)?;
        cluster.set_faults(Faults::MANY);
        let mut left = BAD_MS;
        while left > 0 {
            let pause = random.below(3000).min(left);
            left -= pause.max(1);
            cluster.run_ms(pause)?;
            act(cluster, &mut random);
        }
        cluster.heal();
        cluster.run_until(HEAL_MS, Cluster::missing)
    };
    if let Err(unmet) = run(&mut cluster) {
        panic!("seed {seed}: {unmet}\n{}", cluster.trace());
    }
    cluster
}

#[test]
fn clusters_recover_from_bad_days() {
    let mut all = [0; 5];
    for seed in 0..SEEDS {
        let struck = bad_day(seed).struck();
        let each = [
            struck.lost_requests,
            struck.lost_answers,
            struck.conflicts,
            struck.broken_watches,
            struck.crashes,
        ];
        all.iter_mut().zip(each).for_each(|(sum, n)| *sum += n);
    }
    assert!(
        all.iter().all(|n| *n >= SEEDS),
        "days were not bad enough: {all:?}"
    );
}

#[test]
fn a_settled_cluster_writes_nothing_but_heartbeats() {
    for seed in 0..5 {
        let mut cluster = Cluster::new(seed, 3);
        for name in ["a", "b"] {
            let spec = json!({"containers": [{"name": "c", "image": "ok"}]});
            let metadata = json!({"name": name, "namespace": "default"});
            let pod =
                json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec});
            cluster
                .request(&Request::create(core("pods"), pod))
                .unwrap();
        }
        cluster.run_until(60_000, Cluster::missing).unwrap();
        cluster.run_ms(20_000).unwrap();
        let before = cluster.writes();
        cluster.run_ms(120_000).unwrap();
        let after = cluster.writes();
        let changed = after.iter().filter(|entry| !before.contains(entry));
        let busy: Vec<_> = changed
            .filter(|(what, _)| !what.ends_with(" leases"))
            .collect();
        assert!(busy.is_empty(), "seed {seed}: {busy:?}");
    }
}
