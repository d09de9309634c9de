//! Rankings and limits as tables.

use super::*;
use crate::runtime::Usage;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

const MI: u64 = 1 << 20;

fn pod(priority: i64, request: &str) -> PodSpec {
    let resources = match request {
        "" => json!({}),
        _ => json!({"requests": {"memory": request}}),
    };
    let containers = json!([{"name": "c", "resources": resources}]);
    PodSpec::parse(Some(
        &json!({"priority": priority, "containers": containers}),
    ))
    .unwrap()
}

fn memory(mi: u64) -> PodUsage {
    let usage = Usage {
        memory_bytes: mi * MI,
        storage_bytes: 0,
    };
    PodUsage {
        containers: BTreeMap::from([("c".to_owned(), usage)]),
        volumes: BTreeMap::new(),
    }
}

/// Evicts one after the other; pods are `(name, priority, memory request, use in Mi)`.
fn order(pods: &[(&str, i64, &str, u64)]) -> String {
    let config = KubeletConfig::new("n1", Ipv4Addr::LOCALHOST);
    let pods: Vec<_> = pods
        .iter()
        .map(|(name, priority, request, mi)| (*name, pod(*priority, request), memory(*mi)))
        .collect();
    let mut left: Vec<_> = pods
        .iter()
        .map(|(uid, spec, usage)| Candidate { uid, spec, usage })
        .collect();
    let mut gone = Vec::new();
    while let Some((uid, _)) = choose(&left, Signal::Memory, 0, &config) {
        left.retain(|c| c.uid != uid);
        gone.push(uid);
    }
    gone.join(" ")
}

#[test]
fn pods_go_by_excess_then_priority_then_size() {
    for (pods, want) in [
        (
            vec![("guaranteed", 0, "100Mi", 90), ("best", 0, "", 5)],
            "best guaranteed",
        ),
        (
            vec![("burst", 0, "10Mi", 90), ("best", 0, "", 50)],
            "burst best",
        ),
        (vec![("high", 10, "", 900), ("low", 0, "", 5)], "low high"),
        (
            vec![("within", 0, "50Mi", 40), ("over", 10, "50Mi", 60)],
            "over within",
        ),
        (
            vec![
                ("critical", CRITICAL_PRIORITY, "", 900),
                ("small", 0, "", 1),
            ],
            "small",
        ),
    ] {
        assert_eq!(order(&pods), want, "{pods:?}");
    }
}

#[test]
fn the_message_names_threshold_and_culprits() {
    let config = KubeletConfig::new("n1", Ipv4Addr::LOCALHOST);
    let (spec, usage) = (pod(0, "10Mi"), memory(300));
    let candidate = Candidate {
        uid: "u",
        spec: &spec,
        usage: &usage,
    };
    let (_, message) = choose(&[candidate], Signal::Memory, 52 * MI, &config).unwrap();
    assert_eq!(
        message,
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 52Mi. \
         Container c was using 300Mi, request is 10Mi, has larger consumption of memory. "
    );
}

#[test]
fn limits_of_storage_are_the_pods_own_affair() {
    let empty_dir = |e: Value| json!({"volumes": [{"name": "v", "emptyDir": e}], "containers": [{"name": "c"}]});
    let limited = json!({"volumes": [{"name": "v", "emptyDir": {}}],
        "containers": [{"name": "c", "resources": {"limits": {"ephemeral-storage": "4Mi"}}}]});
    let memory = json!({"volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}}],
        "containers": [{"name": "c", "resources": {"limits": {"ephemeral-storage": "4Mi"}}}]});
    for (spec, own, volume, want) in [
        (empty_dir(json!({})), 9, 9, ""),
        (empty_dir(json!({"sizeLimit": "2Mi"})), 9, 2, ""),
        (
            empty_dir(json!({"sizeLimit": "2Mi"})),
            0,
            3,
            "Usage of EmptyDir volume \"v\" exceeds the limit \"2Mi\". ",
        ),
        (
            limited.clone(),
            2,
            3,
            "Pod ephemeral local storage usage exceeds the total limit of containers 4Mi. ",
        ),
        (memory, 2, 3, ""),
        (limited, 2, 1, ""),
    ] {
        let parsed = PodSpec::parse(Some(&spec)).unwrap();
        let container = Usage {
            memory_bytes: 0,
            storage_bytes: own * MI,
        };
        let usage = PodUsage {
            containers: BTreeMap::from([("c".to_owned(), container)]),
            volumes: BTreeMap::from([("v".to_owned(), volume * MI)]),
        };
        assert_eq!(
            over_its_limits(&parsed, &usage).unwrap_or_default(),
            want,
            "{spec}"
        );
    }
}
