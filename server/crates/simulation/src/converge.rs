//! What a cluster must come to once nothing goes wrong any more.

use std::collections::BTreeSet;

use serde_json::Value;
use shared::{KindRef, Object};

use crate::actor::Role;
use crate::cluster::Cluster;

/// `v1` kinds by plural.
#[must_use]
pub fn core(plural: &str) -> KindRef {
    KindRef::new("", "v1", plural)
}

/// `apps/v1` kinds by plural.
#[must_use]
pub fn apps(plural: &str) -> KindRef {
    KindRef::new("apps", "v1", plural)
}

/// `batch/v1` kinds by plural.
#[must_use]
pub fn batch(plural: &str) -> KindRef {
    KindRef::new("batch", "v1", plural)
}

impl Cluster {
    /// What is missing until the cluster is as its objects say; `None` when nothing is.
    pub fn missing(&mut self) -> Option<String> {
        let nodes = self.objects(&core("nodes"));
        let pods = self.objects(&core("pods"));
        let kubelets = self.actors().iter();
        let kubelets = kubelets.filter(|a| matches!(a.role, Role::Kubelet(_)));
        let up = kubelets.filter(|a| a.is_up() || a.epoch == 0).count();
        let ready =
            |n: &&Object| condition(n, "Ready") == "True" && n.items("/spec/taints").is_empty();
        let ready = nodes.iter().filter(ready).count();
        if ready < up {
            return Some(format!("{ready} of {up} nodes are ready"));
        }
        pods.iter()
            .find_map(unsettled)
            .or_else(|| self.stray(&pods))
            .or_else(|| self.replicas(&pods))
            .or_else(|| self.jobs(&pods))
            .or_else(|| self.sets(nodes.len(), &pods))
            .or_else(|| self.orphan(&pods))
    }

    /// Something whose controller is gone.
    fn orphan(&mut self, pods: &[Object]) -> Option<String> {
        let (sets, deployments) = (
            self.objects(&apps("replicasets")),
            self.objects(&apps("deployments")),
        );
        let kinds = [batch("jobs"), apps("daemonsets"), apps("statefulsets")];
        let others: Vec<Object> = kinds.iter().flat_map(|k| self.objects(k)).collect();
        let alive = sets.iter().chain(&deployments).chain(&others);
        let alive: BTreeSet<&str> = alive.map(Object::uid).collect();
        let gone = |o: &&Object| {
            o.controller()
                .is_some_and(|c| !alive.contains(c.uid.as_str()))
        };
        let mut orphans = pods.iter().chain(&sets).filter(gone);
        orphans
            .next()
            .map(|o| format!("{} outlived its controller", o.key()))
    }

    /// A Deployment or ReplicaSet that has not what it asks for.
    fn replicas(&mut self, pods: &[Object]) -> Option<String> {
        let deployments = self.objects(&apps("deployments"));
        let sets = self.objects(&apps("replicasets"));
        let behind = deployments.iter().chain(&sets).find_map(|o| {
            let at = |pointer: &str| o.int(pointer).unwrap_or(0);
            let seen = at("/status/observedGeneration") >= o.generation();
            let all = at("/status/replicas") == at("/spec/replicas");
            (!seen || !all).then(|| format!("the status of {} {} is behind", o.kind(), o.key()))
        });
        behind.or_else(|| {
            sets.iter().find_map(|set| {
                let owned = |p: &&Object| p.controller().is_some_and(|c| c.uid == set.uid());
                let active =
                    |p: &&Object| !matches!(p.text("/status/phase"), "Succeeded" | "Failed");
                let (have, want) = (
                    pods.iter().filter(owned).filter(active).count(),
                    set.int("/spec/replicas"),
                );
                let is_right = i64::try_from(have).ok() == want;
                (!is_right).then(|| format!("{} has {have} pods and wants {want:?}", set.key()))
            })
        })
    }

    /// A Job that is not over, or pods that are still held for one.
    fn jobs(&mut self, pods: &[Object]) -> Option<String> {
        let jobs = self.objects(&batch("jobs"));
        let is_over = |job: &&Object| {
            let ends = ["Complete", "Failed"];
            ends.iter().any(|kind| condition(job, kind) == "True")
        };
        let held = |p: &&Object| !p.items("/metadata/finalizers").is_empty();
        let mut open = jobs.iter().filter(|j| !is_over(j));
        let open = open.next().map(|j| format!("{} is not over", j.key()));
        let held = pods
            .iter()
            .find(held)
            .map(|p| format!("{} is held", p.key()));
        open.or(held)
    }

    /// A DaemonSet that lacks a node, or a StatefulSet that lacks a pod.
    fn sets(&mut self, nodes: usize, pods: &[Object]) -> Option<String> {
        let daemons = self.objects(&apps("daemonsets"));
        let stateful = self.objects(&apps("statefulsets"));
        let all = daemons.iter().map(|d| (d, i64::try_from(nodes).ok()));
        let all = all.chain(stateful.iter().map(|s| (s, s.int("/spec/replicas"))));
        let mut short = all.filter_map(|(set, wanted)| {
            let owned = |p: &&Object| p.controller().is_some_and(|c| c.uid == set.uid());
            let newest = |p: &&Object| {
                p.at("/spec/containers/0/image") == set.at("/spec/template/spec/containers/0/image")
            };
            let have = pods.iter().filter(owned).filter(newest).count();
            let seen = set.int("/status/observedGeneration") == Some(set.generation());
            let right = seen && i64::try_from(have).ok() == wanted;
            (!right).then(|| format!("{} has {have} pods and wants {wanted:?}", set.key()))
        });
        short.next()
    }

    /// A container in an engine whose pod is no more.
    fn stray(&self, pods: &[Object]) -> Option<String> {
        let known: BTreeSet<&str> = pods.iter().map(Object::uid).collect();
        let running = self
            .actors()
            .iter()
            .flat_map(|a| a.engine.sandboxes().keys());
        let mut strays = running.filter(|uid| !known.contains(uid.as_str()));
        strays
            .next()
            .map(|uid| format!("the sandbox of pod {uid} outlived it"))
    }
}

/// The status of a condition, `""` when there is none.
#[must_use]
pub fn condition<'a>(object: &'a Object, kind: &str) -> &'a str {
    let is = |c: &&Value| c.get("type").and_then(Value::as_str) == Some(kind);
    let found = object.items("/status/conditions").iter().find(is);
    found
        .and_then(|c| c.get("status")?.as_str())
        .unwrap_or_default()
}

/// Why a pod is not where it should come to. Images say what that is, as in the engine.
fn unsettled(pod: &Object) -> Option<String> {
    if pod.deletion().is_some() {
        return Some(format!("{} is still terminating", pod.key()));
    }
    let image = pod.text("/spec/containers/0/image");
    let (phase, policy) = (pod.text("/status/phase"), pod.text("/spec/restartPolicy"));
    let is_good = match (image.trim_end_matches(|c: char| c.is_ascii_digit()), policy) {
        _ if condition(pod, "PodScheduled") == "False" => true,
        ("ok" | "slow", "Never") => matches!(phase, "Running" | "Failed"),
        ("ok" | "slow", _) => {
            phase == "Running" && condition(pod, "Ready") == "True" || phase == "Failed"
        }
        ("exit", "Never" | "OnFailure") => matches!(phase, "Succeeded" | "Failed"),
        ("crash", "Never") => phase == "Failed",
        ("exit" | "crash", _) => phase == "Running" || phase == "Failed",
        _ => phase == "Pending",
    };
    (!is_good).then(|| format!("{} ({image}, {policy}) is {phase}", pod.key()))
}
