//! The pods that a node runs fit into it: the kubelet refuses what the scheduler should not have sent.

use kubelet::runtime::PodUid;
use shared::quantity::Quantity;
use std::collections::BTreeSet;

use super::View;
use crate::actor::Role;

/// CPU of a simulated node, in millicores.
const NODE_MILLIS: i64 = 4000;

pub(super) fn check(view: &View<'_>) -> Result<(), String> {
    let kubelets = view
        .actors
        .iter()
        .filter(|a| matches!(a.role, Role::Kubelet(_)));
    for actor in kubelets {
        let here: BTreeSet<&PodUid> = actor.engine.running().map(|id| &id.pod).collect();
        let pods = view
            .pods
            .iter()
            .filter(|p| here.contains(&p.uid().to_owned()));
        let requests = pods.flat_map(|p| p.items("/spec/containers")).map(|c| {
            let cpu = c
                .pointer("/resources/requests/cpu")
                .and_then(|v| v.as_str());
            cpu.and_then(Quantity::parse).unwrap_or_default()
        });
        let used = requests.sum::<Quantity>().as_millis();
        if used > NODE_MILLIS {
            return Err(format!("{} runs {used}m on {NODE_MILLIS}m", actor.name));
        }
    }
    Ok(())
}
