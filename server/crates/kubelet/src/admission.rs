//! Whether the node takes a pod at all: the checks that the kubelet repeats after the scheduler (or whoever bound the
//! pod), in the original's words (`pkg/kubelet/lifecycle/predicate.go`).

use std::collections::BTreeMap;

use shared::Object;

use crate::config::KubeletConfig;
use crate::eviction::CRITICAL_PRIORITY;
use crate::pressure::{Pressure, Signal};
use crate::spec::PodSpec;
use crate::status::qos_class;

/// Why a pod is refused: `status.reason`, and what `status.message` and the event say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// Judges a new pod beside those that already count.
pub(crate) fn admit<'a>(
    pod: &PodSpec,
    others: impl Iterator<Item = &'a PodSpec> + Clone,
    node: Option<&Object>,
    config: &KubeletConfig,
    pressure: Pressure,
) -> Result<(), Refusal> {
    has_own_network(pod)?;
    under_pressure(pod, pressure)?;
    let empty = BTreeMap::new();
    let labels = node.and_then(|n| n.at("/metadata/labels")?.as_object());
    let labels: BTreeMap<&str, &str> = labels.map_or(empty, |map| {
        map.iter()
            .filter_map(|(k, v)| Some((k.as_str(), v.as_str()?)))
            .collect()
    });
    if pod
        .node_selector
        .iter()
        .any(|(k, v)| labels.get(k.as_str()) != Some(&v.as_str()))
    {
        return Err(Refusal {
            reason: "NodeAffinity",
            message:
                "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
                    .into(),
        });
    }
    let count = u64::try_from(others.clone().count()).unwrap_or(u64::MAX);
    let mut lacks = vec![("pods", "OutOfpods", 1, count)];
    for (resource, reason) in [
        ("cpu", "OutOfcpu"),
        ("memory", "OutOfmemory"),
        ("ephemeral-storage", "OutOfephemeral-storage"),
    ] {
        let amount = |spec: &PodSpec| {
            let q = spec.request(resource);
            let n = if resource == "cpu" {
                q.as_millis()
            } else {
                q.as_units()
            };
            u64::try_from(n).unwrap_or(0)
        };
        let used = others.clone().map(amount).fold(0_u64, u64::saturating_add);
        lacks.push((resource, reason, amount(pod), used));
    }
    for (resource, reason, requested, used) in lacks {
        let capacity = config.allocatable(resource).unwrap_or(0);
        if requested > 0 && used.saturating_add(requested) > capacity {
            let message = format!(
                "Node didn't have enough resource: {resource}, requested: {requested}, used: {used}, capacity: {capacity}"
            );
            return Err(Refusal { reason, message });
        }
    }
    Ok(())
}

/// A node here is a part of a process: its network is the machine's, which guests must not touch.
fn has_own_network(pod: &PodSpec) -> Result<(), Refusal> {
    if !pod.host_network {
        return Ok(());
    }
    Err(Refusal {
        reason: "HostNetworkNotSupported",
        message: "Pod was rejected: hostNetwork is not offered: a guest has no access to the network of the machine. Leave hostNetwork out, and let a Service of type NodePort or kubectl port-forward lead to the pod".into(),
    })
}

/// What the node is short of keeps pods away that ask for nothing, or for disk (`eviction_manager.Admit`).
fn under_pressure(pod: &PodSpec, pressure: Pressure) -> Result<(), Refusal> {
    let on: Vec<Signal> = Signal::ALL
        .into_iter()
        .filter(|s| pressure.is_on(*s))
        .collect();
    if on.is_empty() || pod.priority >= CRITICAL_PRIORITY {
        return Ok(());
    }
    let tolerates = pod.tolerations.iter().any(|t| {
        let key = t.key == "node.kubernetes.io/memory-pressure"
            || (t.key.is_empty() && t.operator == "Exists");
        let effect = t.effect.is_empty() || t.effect == "NoSchedule";
        key && effect && (t.operator == "Exists" || t.value.is_empty())
    });
    if on == [Signal::Memory] && (qos_class(pod) != "BestEffort" || tolerates) {
        return Ok(());
    }
    let names: Vec<&str> = on.iter().map(|s| s.condition()).collect();
    Err(Refusal {
        reason: "Evicted",
        message: format!("The node had condition: [{}]. ", names.join(" ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::net::Ipv4Addr;

    fn spec(cpu: &str, selector: serde_json::Value) -> PodSpec {
        let container = json!({"resources": {"requests": {"cpu": cpu}}});
        PodSpec::parse(Some(
            &json!({"containers": [container], "nodeSelector": selector}),
        ))
        .unwrap()
    }

    #[test]
    fn a_pod_is_taken_while_it_fits() {
        let mut config = KubeletConfig::new("n1", Ipv4Addr::LOCALHOST);
        config.max_pods = 3;
        let node = Object::new(json!({"metadata": {"labels": {"disk": "ssd"}}}));
        let two = spec("2", json!({}));
        let on_host =
            PodSpec::parse(Some(&json!({"containers": [{}], "hostNetwork": true}))).unwrap();
        let zero = spec("0", json!({}));
        for (pod, others, want) in [
            (&two, vec![], ""),
            (
                &on_host,
                vec![],
                "HostNetworkNotSupported: Pod was rejected: hostNetwork is not offered: a guest has no access to the network of the machine. Leave hostNetwork out, and let a Service of type NodePort or kubectl port-forward lead to the pod",
            ),
            (&two, vec![&two], ""),
            (
                &two,
                vec![&two, &two],
                "OutOfcpu: Node didn't have enough resource: cpu, requested: 2000, used: 4000, capacity: 4000",
            ),
            (&zero, vec![&two, &two], ""),
            (
                &zero,
                vec![&zero; 3],
                "OutOfpods: Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3",
            ),
            (&spec("0", json!({"disk": "ssd"})), vec![], ""),
            (
                &spec("0", json!({"disk": "hdd"})),
                vec![],
                "NodeAffinity: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
            ),
        ] {
            let got = admit(
                pod,
                others.iter().copied(),
                Some(&node),
                &config,
                Pressure::default(),
            );
            assert_eq!(
                got.err()
                    .map(|r| format!("{}: {}", r.reason, r.message))
                    .unwrap_or_default(),
                want
            );
        }
    }
}
