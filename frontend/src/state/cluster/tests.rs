//! Streams in, states out.

use serde_json::json;
use shared::KindRef;
use shared::flow::{Outcome, TraceId};

use super::*;

fn kind(plural: &str) -> KindRef {
    KindRef::new("", "v1", plural)
}

fn pod(name: &str, revision: u64, phase: &str) -> Object {
    Object::new(json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "resourceVersion": revision.to_string()},
        "status": {"phase": phase}}))
}

fn change(change: Change, object: Object) -> Message {
    Message::Change {
        kind: kind("pods"),
        change,
        object,
    }
}

fn hop(seq: u64) -> Hop {
    Hop {
        seq,
        trace: TraceId(1),
        component: "etcd".into(),
        phase: "commit".into(),
        text: String::new(),
        object: None,
        cause: None,
        revision: None,
        start_us: seq,
        duration_us: 1,
        outcome: Outcome::Done,
    }
}

/// What a test looks at: pods with their words, the revision, the ticks.
fn show(cluster: &Cluster) -> String {
    let pods: Vec<String> = cluster
        .pods
        .iter()
        .map(|(k, v)| format!("{}={}", k.name, v.status))
        .collect();
    let ticks: Vec<String> = cluster
        .ticks
        .iter()
        .map(|t| format!("{}{:?}", t.revision, t.kind))
        .collect();
    format!(
        "{} @{} {}",
        pods.join(" "),
        cluster.pulse.revision,
        ticks.join(" ")
    )
}

#[test]
fn changes_fold_onto_snapshots() {
    let mut c = Cluster::default();
    let snapshot = |items| Message::Snapshot {
        kind: kind("pods"),
        revision: Revision(10),
        items,
    };
    c.apply(snapshot(vec![
        pod("a", 9, "Running"),
        pod("b", 8, "Pending"),
    ]));
    assert_eq!(show(&c), "a=Running b=Pending @10 ");
    c.apply(change(Change::Modified, pod("b", 11, "Failed")));
    c.apply(change(Change::Added, pod("c", 12, "Pending")));
    c.apply(change(Change::Deleted, pod("a", 13, "Running")));
    assert_eq!(show(&c), "b=Failed c=Pending @13 11Failed 12Made 13Gone");
    // Older than what is held: it came before the snapshot.
    c.apply(change(Change::Modified, pod("b", 7, "Pending")));
    assert_eq!(show(&c), "b=Failed c=Pending @13 11Failed 12Made 13Gone");
    // A new snapshot replaces everything, also what is gone meanwhile.
    c.apply(snapshot(vec![pod("z", 20, "Running")]));
    assert_eq!(
        c.pods.keys().map(|k| k.name.as_str()).collect::<Vec<_>>(),
        ["z"]
    );
    assert_eq!(c.shelf("pods").len(), 1);
}

#[test]
fn hops_are_told_once_and_gaps_are_counted() {
    let mut c = Cluster::default();
    for seq in [1, 2, 2, 1, 5] {
        c.apply(Message::Hop(hop(seq)));
    }
    assert_eq!(c.hops.iter().map(|h| h.seq).collect::<Vec<_>>(), [1, 2, 5]);
    assert_eq!(c.lost_hops, 2);
    for seq in 6..6 + 2 * MAX_HOPS as u64 {
        c.apply(Message::Hop(hop(seq)));
    }
    assert_eq!(c.hops.len(), MAX_HOPS);
}

#[test]
fn ticks_stay_within_their_bound_and_revisions_never_go_back() {
    let mut c = Cluster::default();
    for i in 0..MAX_TICKS as u64 + 10 {
        c.apply(change(Change::Modified, pod("a", i + 1, "Running")));
    }
    assert_eq!(c.ticks.len(), MAX_TICKS);
    c.apply(Message::Pulse(Pulse::default()));
    assert_eq!(c.pulse.revision, Revision(MAX_TICKS as u64 + 10));
}
