//! Defaults, refusals, patches and what a fresh cluster has: whole answers compared.

use apiserver::User;
use serde_json::{Value, json};

use super::{Case, Known, cases, differences, judge, normalise};
use crate::harness::{Cluster, Reply};

const DEFAULTS: &str = include_str!("../../data/defaults.txt");
const REFUSALS: &str = include_str!("../../data/refusals.txt");
const PATCHES: &str = include_str!("../../data/patches.txt");
const FRESH: &str = include_str!("../../data/fresh-cluster.txt");

pub(crate) const DEFAULT_DIFFERENCES: &[Known] = &[(
    "CustomResourceDefinition foos.x.example",
    "code: want 201, got 404",
    "kinds cannot arrive at run time yet",
)];
pub(crate) const REFUSAL_DIFFERENCES: &[Known] = &[(
    "cron time zone",
    "code: want 422, got 201",
    "the names of time zones are not checked",
)];
pub(crate) const PATCH_DIFFERENCES: &[Known] = &[
    (
        "client-side apply manager",
        "/metadata/managedFields/1/fieldsV1/f:metadata/f:annotations/.: too much {}",
        NOT_ITS_OWN,
    ),
    (
        "kubectl takes over",
        "/metadata/managedFields/2/fieldsV1/f:metadata/f:annotations/.: too much {}",
        NOT_ITS_OWN,
    ),
    (
        "status by apply",
        "/metadata/managedFields/3/fieldsV1/f:metadata/f:annotations/.: too much {}",
        NOT_ITS_OWN,
    ),
];
const NOT_ITS_OWN: &str = "in the recording a controller had made the map of annotations before";
pub(crate) const FRESH_DIFFERENCES: &[Known] = &[
    (
        "v1/configmaps kube-system/kube-apiserver-legacy-service-account-token-tracking",
        "code: want 200, got 404",
        "there are no legacy tokens to keep track of",
    ),
    (
        "apiregistration.k8s.io/v1/apiservices v1.apiextensions.k8s.io",
        "code: want 200, got 404",
        "kinds cannot arrive at run time yet",
    ),
    (
        "coordination.k8s.io/v1/leases kube-system/apiserver-wlv32tlttr4jl3gtroqexyxapa",
        "code: want 200, got 404",
        "apiservers do not announce themselves by Leases",
    ),
];

fn replay(cluster: &mut Cluster, case: &Case) -> Reply {
    let content_type = if case.content_type.is_empty() {
        "application/json"
    } else {
        &case.content_type
    };
    cluster.exchange(
        &case.method,
        &case.url,
        content_type,
        "",
        case.body.as_bytes(),
    )
}

/// The recorded cluster: everything of the file of defaults was created in it.
pub(super) fn recorded_cluster() -> Cluster {
    let mut cluster = Cluster::new();
    for case in cases(DEFAULTS) {
        replay(&mut cluster, &case);
    }
    cluster
}

fn compare(case: &Case, reply: &Reply, got: Value, out: &mut Vec<(String, String)>) {
    let mut found = Vec::new();
    if reply.code != case.code {
        found.push(format!(
            "code: want {}, got {} {}",
            case.code, reply.code, reply.text
        ));
    } else if !case.answer.is_null() {
        let (mut want, mut got) = (case.answer.clone(), got);
        normalise(&mut want);
        normalise(&mut got);
        differences(&want, &got, "", &mut found);
    }
    out.extend(found.into_iter().map(|d| (case.title.clone(), d)));
}

#[test]
fn minimal_objects_get_the_same_defaults() {
    let mut cluster = Cluster::new();
    let mut found = Vec::new();
    for case in cases(DEFAULTS) {
        let reply = replay(&mut cluster, &case);
        compare(&case, &reply, reply.json.clone(), &mut found);
    }
    judge(&found, DEFAULT_DIFFERENCES);
}

/// A `Status` without what all of them have.
fn status(reply: &Reply) -> Value {
    let Value::Object(mut fields) = reply.json.clone() else {
        return Value::String(reply.text.clone());
    };
    for constant in ["kind", "apiVersion", "metadata"] {
        fields.remove(constant);
    }
    Value::Object(fields)
}

#[test]
fn bad_requests_are_refused_in_the_same_words() {
    let mut cluster = recorded_cluster();
    bind(&mut cluster, "p1", "n1");
    let mut found = Vec::new();
    let admin = cluster.user.clone();
    for case in cases(REFUSALS) {
        cluster.user = match case.title.split(' ').next() {
            Some("anonymous") => User::anonymous(),
            Some("alice") => User::new("alice", &[]),
            _ => admin.clone(),
        };
        let reply = replay(&mut cluster, &case);
        compare(&case, &reply, status(&reply), &mut found);
    }
    judge(&found, REFUSAL_DIFFERENCES);
}

fn bind(cluster: &mut Cluster, pod: &str, node: &str) {
    let body = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod}, "target": {"kind": "Node", "name": node}});
    let url = format!("/api/v1/namespaces/rec/pods/{pod}/binding");
    let reply = cluster.send("POST", &url, &body.to_string());
    assert_eq!(reply.summary(), "201");
}

/// The part of an object that was recorded: what was left out is left out here too, down to lists and maps that are
/// whole when they are there.
fn part(want: &Value, got: &Value, depth: usize) -> Value {
    let (Some(wanted), Some(fields), 1..) = (want.as_object(), got.as_object(), depth) else {
        return got.clone();
    };
    let kept = wanted.iter().filter_map(|(name, inner)| {
        let depth = if matches!(name.as_str(), "metadata" | "spec" | "template") {
            depth - 1
        } else {
            0
        };
        Some((name.clone(), part(inner, fields.get(name)?, depth)))
    });
    Value::Object(kept.collect())
}

#[test]
fn patches_do_the_same() {
    let mut cluster = recorded_cluster();
    let mut found = Vec::new();
    for case in cases(PATCHES) {
        let reply = replay(&mut cluster, &case);
        let got = if reply.code < 300 {
            part(&case.answer, &reply.json, 4)
        } else {
            status(&reply)
        };
        compare(&case, &reply, got, &mut found);
    }
    judge(&found, PATCH_DIFFERENCES);
}

#[test]
fn a_fresh_cluster_has_the_same_objects() {
    let mut cluster = Cluster::new();
    let mut found = Vec::new();
    for mut case in cases(FRESH) {
        let (path, key) = case.title.split_once(' ').expect("a path and a key");
        let url = match key.split_once('/') {
            Some((namespace, name)) => {
                let (root, plural) = path.rsplit_once('/').expect("a path");
                format!("{root}/namespaces/{namespace}/{plural}/{name}")
            }
            None => format!("{path}/{key}"),
        };
        let reply = cluster.get(&url, "");
        let mut got = reply.json.clone();
        if let Some(fields) = got.as_object_mut() {
            fields.remove("kind");
            fields.remove("apiVersion");
        }
        if let Some(metadata) = got.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        case.title = case.title.replace("/apis/", "").replace("/api/", "");
        compare(&case, &reply, got, &mut found);
    }
    judge(&found, FRESH_DIFFERENCES);
}
