//! Who has to go when the node runs out of something, or when a pod stores more than it may.
//!
//! Order and words: `pkg/kubelet/eviction` of the original. Pods that use more than they requested go first, then those
//! of lower priority, then those furthest over their request: BestEffort before Burstable before Guaranteed.

use std::cmp::Reverse;

use shared::quantity::Quantity;

use crate::config::KubeletConfig;
use crate::node_status::binary;
use crate::pressure::Signal;
use crate::runtime::PodUsage;
use crate::spec::PodSpec;

/// Priorities from here on are the system's own (`scheduling.SystemCriticalPriority`): such pods stay.
pub(crate) const CRITICAL_PRIORITY: i64 = 2_000_000_000;

/// A pod that may be evicted.
pub(crate) struct Candidate<'a> {
    pub(crate) uid: &'a str,
    pub(crate) spec: &'a PodSpec,
    pub(crate) usage: &'a PodUsage,
}

/// What a pod uses of what a signal watches, in bytes: containers and the volumes that count.
pub(crate) fn used(spec: &PodSpec, usage: &PodUsage, signal: Signal) -> u64 {
    let each = usage.containers.values().map(|c| match signal {
        Signal::Memory => c.memory_bytes,
        Signal::Storage => c.storage_bytes,
    });
    let volumes = spec.volumes.iter().filter(|v| {
        let in_memory = v.empty_dir.as_ref().is_some_and(|e| e.in_memory());
        in_memory == (signal == Signal::Memory)
    });
    let stored = volumes.filter_map(|v| usage.volumes.get(&v.name)).copied();
    each.chain(stored).fold(0, u64::saturating_add)
}

fn bytes(quantity: Quantity) -> u64 {
    u64::try_from(quantity.as_units()).unwrap_or(0)
}

/// The pod that goes first, and why in the words of its status.
pub(crate) fn choose(
    candidates: &[Candidate<'_>],
    signal: Signal,
    available: u64,
    config: &KubeletConfig,
) -> Option<(String, String)> {
    let rank = |c: &&Candidate<'_>| {
        let requested = bytes(c.spec.request(signal.resource()));
        let used = used(c.spec, c.usage, signal);
        let over = i128::from(used) - i128::from(requested);
        (
            Reverse(over > 0),
            c.spec.priority,
            Reverse(over),
            c.uid.to_owned(),
        )
    };
    let may_go = |c: &&Candidate<'_>| c.spec.priority < CRITICAL_PRIORITY;
    let first = candidates.iter().filter(may_go).min_by_key(rank)?;
    let resource = signal.resource();
    let mut message = format!(
        "The node was low on resource: {resource}. Threshold quantity: {}, available: {}. ",
        binary(signal.threshold(config)),
        binary(available / 1024 * 1024),
    );
    for container in first.spec.all() {
        let usage = first.usage.containers.get(&container.name);
        let used = usage.map_or(0, |u| match signal {
            Signal::Memory => u.memory_bytes,
            Signal::Storage => u.storage_bytes,
        });
        let request = container.request(resource);
        if used > bytes(request) {
            message.push_str(&format!(
                "Container {} was using {}, request is {}, has larger consumption of {resource}. ",
                container.name,
                binary(used / 1024 * 1024),
                binary(bytes(request)),
            ));
        }
    }
    Some((first.uid.to_owned(), message))
}

/// Why a pod has to go for what it stores itself, whatever room the node has.
pub(crate) fn over_its_limits(spec: &PodSpec, usage: &PodUsage) -> Option<String> {
    for volume in &spec.volumes {
        let limit = volume.empty_dir.as_ref().and_then(|e| e.limit());
        let used = usage.volumes.get(&volume.name).copied().unwrap_or(0);
        if let Some(limit) = limit.map(bytes).filter(|l| used > *l) {
            let (name, limit) = (&volume.name, binary(limit));
            return Some(format!(
                "Usage of EmptyDir volume \"{name}\" exceeds the limit \"{limit}\". "
            ));
        }
    }
    let resource = Signal::Storage.resource();
    let limits = || spec.containers.iter().map(|c| c.limit(resource));
    if limits().all(|l| l.is_some()) && !spec.containers.is_empty() {
        let total = limits().flatten().map(bytes).fold(0, u64::saturating_add);
        if used(spec, usage, Signal::Storage) > total {
            let total = binary(total);
            return Some(format!(
                "Pod ephemeral local storage usage exceeds the total limit of containers {total}. "
            ));
        }
    }
    spec.containers.iter().find_map(|container| {
        let used = usage.containers.get(&container.name)?.storage_bytes;
        let limit = container.limit(resource).map(bytes)?;
        let (name, limit_text) = (&container.name, binary(limit));
        (used > limit).then(|| {
            format!(
                "Container {name} exceeded its local ephemeral storage limit \"{limit_text}\". "
            )
        })
    })
}

#[cfg(test)]
mod tests;
