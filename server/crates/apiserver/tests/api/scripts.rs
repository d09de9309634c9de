//! Plays `tests/data/scripts`: requests in a row over one cluster, each with what it is answered.
//!
//! `#` begins a script with a cluster of its own. Then come requests, `POST URL BODY` (for a patch its kind in place of
//! the verb, for a YAML body `YAML`, where `\n` is a new line), each followed by `= CODE MESSAGE` for the whole message
//! of a `Status`, or by `= CODE /pointer JSON`, once or more, for a part of the answer.

use serde_json::Value;

use crate::harness::{Cluster, Reply};

fn play(file: &str) {
    let mut cluster = Cluster::new();
    let mut last: Option<(String, Reply)> = None;
    let mut wrong = Vec::new();
    let mut compared = 0;
    for line in file.lines().filter(|l| !l.trim().is_empty()) {
        if line.starts_with('#') {
            cluster = Cluster::new();
        } else if let Some(want) = line.trim_start().strip_prefix("= ") {
            let (request, reply) = last.as_ref().expect("a request comes first");
            compared += 1;
            if let Some(got) = differs(want, reply) {
                wrong.push(format!("{request}\n  want {want}\n  got  {got}"));
            }
        } else {
            last = Some((line.to_owned(), send(&mut cluster, line)));
        }
    }
    assert!(compared > 3, "a script compares something");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn send(cluster: &mut Cluster, line: &str) -> Reply {
    let mut words = line.splitn(3, ' ');
    let mut word = || words.next().unwrap_or_default();
    let (verb, url, body) = (word(), word(), word());
    match verb {
        "json" | "merge" | "strategic" | "apply" => {
            cluster.patch(verb, url, &body.replace("\\n", "\n"))
        }
        "YAML" => {
            let text = body.replace("\\n", "\n");
            cluster.exchange("POST", url, "application/yaml", "", text.as_bytes())
        }
        "TABLE" => cluster.get(url, "application/json;as=Table;v=v1;g=meta.k8s.io"),
        _ => cluster.send(verb, url, body),
    }
}

/// What came instead of what was wanted.
fn differs(want: &str, reply: &Reply) -> Option<String> {
    let (code, rest) = want.split_once(' ').unwrap_or((want, ""));
    if !rest.starts_with('/') {
        let got = reply.summary().replace('\n', "\\n");
        return (got != want).then_some(got);
    }
    let (pointer, json) = rest.split_once(' ').expect("a pointer and a value");
    let value: Value = serde_json::from_str(json).expect("a value");
    let got = match pointer {
        "/warnings" => reply
            .headers
            .iter()
            .filter(|(n, _)| *n == "Warning")
            .map(|(_, v)| v.as_str())
            .collect(),
        _ => reply.at(pointer),
    };
    let same = reply.code.to_string() == code && got == value;
    (!same).then(|| format!("{} {pointer} {got}", reply.summary()))
}

#[test]
fn patches_are_read_strictly_and_scales_are_applied() {
    play(include_str!("../data/scripts/patches.txt"));
}

#[test]
fn updates_names_and_evictions() {
    play(include_str!("../data/scripts/writes.txt"));
}

#[test]
fn pods_that_are_refused() {
    play(include_str!("../data/scripts/pods.txt"));
}

#[test]
fn storage_that_is_refused() {
    play(include_str!("../data/scripts/storage.txt"));
}

#[test]
fn limits_and_roles_that_are_refused() {
    play(include_str!("../data/scripts/limits-and-roles.txt"));
}

#[test]
fn events_and_endpoints_that_are_refused() {
    play(include_str!("../data/scripts/events-and-endpoints.txt"));
}

#[test]
fn networks_that_are_refused() {
    play(include_str!("../data/scripts/networks.txt"));
}

#[test]
fn scaling_that_is_refused() {
    play(include_str!("../data/scripts/scaling.txt"));
}

#[test]
fn extensions_of_the_api_that_are_refused() {
    play(include_str!("../data/scripts/extensions.txt"));
}

#[test]
fn devices_that_are_refused() {
    play(include_str!("../data/scripts/devices.txt"));
}
