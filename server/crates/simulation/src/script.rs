//! Scripts in, transcripts out: what users type and what they then see.
//!
//! One command per line: `pod NAME IMAGE [restart=Never] [cpu=500m] [node=node-1]`, `deployment NAME IMAGE REPLICAS`,
//! `set deployment NAME replicas=N|image=IMAGE`, `delete pod|deployment NAME`, `wait SECONDS`, `settle`, `stop N`,
//! `start N`, `crash COMPONENT`, `get pods|nodes|deployments`, `events NAME`.

use client::{PatchKind, Request};
use serde_json::{Value, json};
use shared::{Object, ObjectKey, Status};

use crate::cluster::Cluster;
use crate::converge::{apps, condition, core};

/// How long `settle` waits at most, in milliseconds.
const SETTLE_MAX_MS: u64 = 600_000;
/// How long `crash` keeps a component away, in milliseconds.
const AWAY_MS: u64 = 1000;

/// Plays a script to a cluster and answers the transcript: each command after `> `, then what it shows.
pub fn play(cluster: &mut Cluster, script: &str) -> String {
    let mut transcript = String::new();
    for line in script.lines().map(str::trim).filter(|l| !l.is_empty()) {
        transcript.push_str(&format!("> {line}\n"));
        for shown in command(cluster, line) {
            transcript.push_str(shown.trim_end());
            transcript.push('\n');
        }
    }
    transcript
}

fn command(cluster: &mut Cluster, line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |text: &str| text.parse::<u64>().unwrap_or(0);
    let node = |text: &str| text.parse::<u8>().unwrap_or(0);
    let fault = |result: Result<(), String>| result.err().into_iter().collect::<Vec<_>>();
    match words.as_slice() {
        ["pod", name, image, options @ ..] => refusal(create_pod(cluster, name, image, options)),
        ["delete", "pod", name] => {
            let request = Request::delete(core("pods"), &ObjectKey::new("default", name), "");
            refusal(cluster.request(&request).map(drop))
        }
        ["wait", seconds] => fault(
            cluster
                .run_ms(number(seconds) * 1000)
                .map_err(|v| v.to_string()),
        ),
        ["settle"] => fault(
            cluster
                .run_until(SETTLE_MAX_MS, Cluster::missing)
                .map_err(|u| u.to_string()),
        ),
        ["stop", n] => {
            cluster.stop_node(node(n));
            Vec::new()
        }
        ["start", n] => {
            cluster.start_node(node(n));
            Vec::new()
        }
        ["crash", name @ ..] => {
            let known = cluster.crash(&name.join(" "), AWAY_MS);
            if known {
                Vec::new()
            } else {
                vec!["no such component is up".into()]
            }
        }
        ["deployment", name, image, replicas] => {
            refusal(create_deployment(cluster, name, image, number(replicas)))
        }
        ["set", "deployment", name, what] => refusal(set(cluster, name, what)),
        ["delete", "deployment", name] => {
            let key = ObjectKey::new("default", name);
            let mut request = Request::delete(apps("deployments"), &key, "");
            request.options.propagation_policy = "Background".into();
            refusal(cluster.request(&request).map(drop))
        }
        ["get", "deployments"] => {
            let all = cluster.objects(&apps("deployments"));
            all.iter().map(deployment_line).collect()
        }
        ["get", "pods"] => {
            let mut lines: Vec<String> = cluster
                .objects(&core("pods"))
                .iter()
                .map(pod_line)
                .collect();
            lines.sort();
            lines
        }
        ["get", "nodes"] => cluster
            .objects(&core("nodes"))
            .iter()
            .map(node_line)
            .collect(),
        ["events", name] => events(cluster, name),
        _ => vec!["no such command".into()],
    }
}

fn refusal(result: Result<(), Status>) -> Vec<String> {
    result
        .err()
        .map(|status| status.message)
        .into_iter()
        .collect()
}

fn create_pod(
    cluster: &mut Cluster,
    name: &str,
    image: &str,
    options: &[&str],
) -> Result<(), Status> {
    let mut container = json!({"name": "c", "image": image});
    let mut spec = json!({});
    for (key, value) in options.iter().filter_map(|o| o.split_once('=')) {
        match key {
            "cpu" => put(
                &mut container,
                "resources",
                json!({"requests": {"cpu": value}}),
            ),
            "restart" => put(&mut spec, "restartPolicy", value.into()),
            "node" => put(&mut spec, "nodeName", value.into()),
            _ => {}
        }
    }
    put(&mut spec, "containers", json!([container]));
    let metadata = json!({"name": name, "namespace": "default"});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec});
    cluster
        .request(&Request::create(core("pods"), pod))
        .map(drop)
}

fn create_deployment(
    cluster: &mut Cluster,
    name: &str,
    image: &str,
    replicas: u64,
) -> Result<(), Status> {
    let labels = json!({"app": name});
    let containers = json!([{"name": "c", "image": image}]);
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": containers}});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    });
    cluster
        .request(&Request::create(apps("deployments"), deployment))
        .map(drop)
}

/// `replicas=N` or `image=IMAGE`.
fn set(cluster: &mut Cluster, name: &str, what: &str) -> Result<(), Status> {
    let spec = match what.split_once('=') {
        Some(("replicas", n)) => json!({"replicas": n.parse::<u64>().unwrap_or(0)}),
        Some((_, image)) => {
            json!({"template": {"spec": {"containers": [{"name": "c", "image": image}]}}})
        }
        None => json!({}),
    };
    let key = ObjectKey::new("default", name);
    let patch = json!({"spec": spec});
    cluster
        .request(&Request::patch(
            apps("deployments"),
            &key,
            PatchKind::Strategic,
            patch,
        ))
        .map(drop)
}

fn put(object: &mut Value, field: &str, value: Value) {
    if let Some(map) = object.as_object_mut() {
        map.insert(field.into(), value);
    }
}

fn pod_line(pod: &Object) -> String {
    let statuses = pod.items("/status/containerStatuses");
    let ready = statuses
        .iter()
        .filter(|s| s.get("ready") == Some(&json!(true)))
        .count();
    let restarts: u64 = statuses
        .iter()
        .filter_map(|s| s.get("restartCount")?.as_u64())
        .sum();
    let reason = statuses.iter().find_map(|s| {
        let state = s.get("state")?;
        let of = |k: &str| state.get(k)?.get("reason")?.as_str();
        of("waiting").or_else(|| of("terminated"))
    });
    let shown = match (pod.deletion(), pod.text("/status/reason")) {
        (Some(_), _) => "Terminating",
        (None, "") => reason.unwrap_or(pod.text("/status/phase")),
        (None, why) => why,
    };
    let all = pod.items("/spec/containers").len();
    let or = |t: &str| {
        if t.is_empty() {
            "<none>".to_owned()
        } else {
            t.to_owned()
        }
    };
    let (ip, node) = (
        or(pod.text("/status/podIP")),
        or(pod.text("/spec/nodeName")),
    );
    format!(
        "{:<8} {ready}/{all} {shown:<18} {restarts} {ip:<11} {node}",
        shown_name(pod)
    )
}

/// A pod's name; the random end of a generated one as `*`.
fn shown_name(pod: &Object) -> String {
    let generated = pod.text("/metadata/generateName");
    if generated.is_empty() {
        return pod.name().into();
    }
    format!("{}*", pod.label("app").unwrap_or(generated))
}

fn deployment_line(deployment: &Object) -> String {
    let at = |pointer: &str| deployment.int(pointer).unwrap_or(0);
    let (ready, wanted) = (at("/status/readyReplicas"), at("/spec/replicas"));
    let (updated, available) = (
        at("/status/updatedReplicas"),
        at("/status/availableReplicas"),
    );
    format!(
        "{} {ready}/{wanted} {updated} {available}",
        deployment.name()
    )
}

fn node_line(node: &Object) -> String {
    let ready = match condition(node, "Ready") {
        "True" => "Ready",
        "False" => "NotReady",
        _ => "Unknown",
    };
    format!("{} {ready} {}", node.name(), node.text("/spec/podCIDR"))
}

fn events(cluster: &mut Cluster, name: &str) -> Vec<String> {
    let mut events = cluster.objects(&core("events"));
    events.retain(|e| e.text("/involvedObject/name") == name);
    events.sort_by_key(|e| (e.text("/firstTimestamp").to_owned(), e.revision()));
    let line = |e: &Object| {
        let count = e.int("/count").unwrap_or(1);
        format!(
            "{} {} x{count} {}",
            e.text("/type"),
            e.text("/reason"),
            e.text("/message")
        )
    };
    events.iter().map(|e| without_uids(&line(e))).collect()
}

/// The text with `UID` for every uid, which is of no interest and differs between runs.
fn without_uids(text: &str) -> String {
    const LENGTH: usize = 36;
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_part = |(i, c): (usize, u8)| {
            if matches!(i, 8 | 13 | 18 | 23) {
                c == b'-'
            } else {
                c.is_ascii_hexdigit()
            }
        };
        if let Some(head) = rest
            .get(..LENGTH)
            .filter(|h| h.bytes().enumerate().all(is_part))
        {
            out.push_str("UID");
            rest = rest.get(head.len()..).unwrap_or_default();
        } else {
            out.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    out
}
