//! Stories in words that somebody understands who sees a cluster the first time.

use std::collections::BTreeSet;

use shared::Object;
use shared::flow::Hop;

use super::super::pod::{condition, text};
use super::super::{samples, text as figures};
use super::{Ending, Journey, is_read};
use crate::graph::room::{Part, Room};

/// One sentence on an object: how it began, where it was placed, how long it took.
pub(super) fn of_object(object: &Object, hops: &[&Hop], total: &str) -> String {
    let mut out = hops.first().map_or_else(String::new, |h| {
        format!("It began with {}: {}. ", h.component, h.text)
    });
    if object.kind() == "Pod" {
        out.push_str(&placement(object, hops));
        let status = super::super::pod::status_word(object);
        out.push_str(&match status.as_str() {
            "Running" => format!("It was running {total} after it was asked for."),
            other => format!("It is {other}; {total} are on record."),
        });
    } else {
        out.push_str(&format!(
            "{} followed within {total}.",
            figures::count(hops.len(), "step")
        ));
    }
    out
}

fn placement(pod: &Object, hops: &[&Hop]) -> String {
    let node = pod.text("/spec/nodeName");
    let verdict = hops
        .iter()
        .rev()
        .find(|h| h.component == "kube-scheduler" && h.phase != "request" && !h.text.is_empty());
    if node.is_empty() {
        let why = condition(pod, "PodScheduled").map_or("", |c| text(c, "/message"));
        return match why {
            "" => "It has no node yet. ".into(),
            why => format!("It has no node: {why}. "),
        };
    }
    match verdict {
        Some(hop) => format!("The scheduler chose {node}: {}. ", hop.text),
        None if pod.text("/spec/schedulerName") == samples::BY_HAND => {
            format!("A hand placed it on {node}. ")
        }
        None => format!("It is on {node}. "),
    }
}

/// One sentence on a trace: who asked for what, and what came of it.
pub(super) fn of_trace(hops: &[&Hop], journey: &Journey) -> String {
    // Whoever looked before writing is known by the write.
    let write = hops.iter().find(|h| !is_read(h));
    let Some(first) = write.or(hops.first()) else {
        return String::new();
    };
    let asked = format!("{} {}", first.component, asked(first));
    let refused = hops.iter().find_map(|h| match Ending::of(h) {
        Ending::Refused(why) => Some((h, why)),
        _ => None,
    });
    if let Some((hop, why)) = refused {
        let by = if hop.component == first.component {
            "It was refused".into()
        } else {
            format!("On the way {} was refused", hop.component)
        };
        return format!("{asked}. {by}: {why}");
    }
    let who: BTreeSet<&str> = hops.iter().map(|h| h.component.as_str()).collect();
    let writes: BTreeSet<_> = hops.iter().filter_map(|h| h.revision).collect();
    let mut out = format!("{asked}. ");
    out.push_str(&match (writes.first(), writes.last()) {
        (Some(a), Some(b)) if a != b => format!(
            "{} wrote {} because of it (revisions {a} to {b}) within {}.",
            figures::count(who.len(), "component"),
            figures::count(writes.len(), "time"),
            journey.total
        ),
        (Some(a), _) => format!("It became revision {a} in {}.", journey.total),
        _ => format!("It took {} and changed nothing.", journey.total),
    });
    let conflicts = journey
        .steps
        .iter()
        .filter(|s| matches!(s.ending, Ending::Conflict(_)));
    if conflicts.count() > 0 {
        out.push_str(" Two writers met on the way; the slower one read again and went on: that is how it should be.");
    }
    out
}

/// `asked to create deployments/web`.
fn asked(hop: &Hop) -> String {
    let (method, what) = hop.text.split_once(' ').unwrap_or(("", &hop.text));
    let verb = match method {
        "POST" => "asked to create",
        "PUT" => "asked to replace",
        "PATCH" => "asked to change",
        "DELETE" => "asked to delete",
        "GET" => "asked to read",
        _ => return format!("began: {}", hop.text),
    };
    format!("{verb} {what}")
}

/// What a hop's phase means; empty for what its text says already.
#[must_use]
pub fn of_phase(hop: &Hop) -> &'static str {
    let room = Room::of_component(&hop.component);
    match (&room, hop.phase.as_str()) {
        (Room::Kubectl | Room::Browser, "request") => {
            "A client sends a write. It knows only the apiserver's address."
        }
        (Room::Kubectl | Room::Browser, "read") => "A client looks. Nothing changes.",
        (Room::Apiserver, _) => {
            "May you? What does it say? Rules and defaults are put in, then every field is checked."
        }
        (Room::Etcd, _) => {
            "The write is on disk now and has a number. Everybody who watches is told."
        }
        (Room::Scheduler, "score") => {
            "Nodes that cannot take the pod are out; the others get points."
        }
        (Room::Scheduler, "bind" | "request") => {
            "The scheduler's only deed: it writes the node's name into the pod."
        }
        (Room::Scheduler, "preempt") => {
            "Nothing fits, so it looks for less important pods to make room."
        }
        (Room::Controller, "reconcile") => {
            "A loop compares what is asked for with what is there, and takes one step."
        }
        (Room::Controller, "request") => {
            "The step is a write like any other: through the apiserver."
        }
        (Room::OnNode(_, Part::Kubelet), "request") => {
            "The kubelet reports what it sees on its node."
        }
        (Room::OnNode(_, Part::Kubelet), _) => {
            "The kubelet heard of a pod for its node and has the engine act."
        }
        (Room::OnNode(_, Part::Proxy), _) => "A Service changed, so the node's rules do.",
        (Room::OnNode(_, Part::Cni), _) => "The network plugin learns the way to another node.",
        _ => "",
    }
}

/// What a phase inside the apiserver is for.
#[must_use]
pub fn of_part(phase: &str) -> &'static str {
    match phase {
        "authn" => "who are you?",
        "authz" => "may you?",
        "decode" => "what does it say?",
        "admission" => "defaults and house rules",
        "validation" => "is every field right?",
        "read" => "what is there now?",
        _ => "",
    }
}
