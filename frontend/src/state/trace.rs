//! How something came to be: the hops of its trace on one time axis, and a sentence in plain words.
//!
//! Reads only the flow log and the objects; invents nothing. Where the log no longer reaches back, the object's own
//! conditions tell what they can, and the page says so.

mod axis;
pub mod words;

use std::collections::BTreeSet;

use shared::flow::{Hop, Outcome, TraceId};
use shared::{Object, ObjectKey, Revision};

use super::cluster::Cluster;
use super::pod::{is_true, text};
use super::text as figures;
use axis::axis;

/// Traces that one story may be made of.
const MAX_TRACES: usize = 4;

/// How a step ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// As asked.
    #[default]
    Done,
    /// Somebody else was faster; the component read again and acted upon what it found.
    Conflict(String),
    /// Refused, with the reason.
    Refused(String),
}

impl Ending {
    /// The value of `data-ending`, which the style sheet colours by.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Conflict(_) => "conflict",
            Self::Refused(_) => "refused",
        }
    }

    /// How a hop ended.
    #[must_use]
    pub fn of(hop: &Hop) -> Self {
        match &hop.outcome {
            Outcome::Done => Self::Done,
            Outcome::Conflict(why) => Self::Conflict(why.clone()),
            Outcome::Refused(why) => Self::Refused(why.clone()),
        }
    }
}

/// What a step wrote: enough to read it, and what was there before, from the history of the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wrote {
    /// The resource: `pods`.
    pub plural: String,
    /// Which object.
    pub key: ObjectKey,
    /// The revision of the write.
    pub revision: Revision,
}

/// One hop on the axis; a request's phases inside the apiserver are one step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// Stays the same while the story grows: the number of its first hop.
    pub id: u64,
    /// Who did it.
    pub component: String,
    /// What it did.
    pub text: String,
    /// What that means, for whoever sees it the first time; may be empty.
    pub words: &'static str,
    /// How long it took.
    pub duration: String,
    /// The phases that it consists of, each with its time.
    pub parts: Vec<(String, String)>,
    /// Where it begins on the axis, in percent.
    pub from: f64,
    /// How much of the axis it covers, in percent; at least a visible sliver.
    pub width: f64,
    /// How it ended.
    pub ending: Ending,
    /// What it wrote.
    pub wrote: Option<Wrote>,
    /// The revision whose watch event woke its component.
    pub cause: Option<Revision>,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Journey {
    /// In plain words.
    pub sentence: String,
    /// In order of their beginning.
    pub steps: Vec<Step>,
    /// From the first beginning to the last end.
    pub total: String,
    /// True when the flow log holds nothing about it any more.
    pub from_conditions: bool,
}

/// A trace in the list of what happened last.
#[derive(Clone, Debug, PartialEq)]
pub struct Recent {
    /// Which.
    pub trace: TraceId,
    /// Who began it.
    pub who: String,
    /// How it began.
    pub text: String,
    /// Hops so far.
    pub hops: usize,
    /// The worst that happened in it: [`Ending::word`].
    pub ending: &'static str,
    /// Nobody wrote anything so far.
    pub is_read: bool,
}

/// Housekeeping that goes on in a still cluster: lease renewals, node heartbeats, events.
#[must_use]
pub fn is_background(hop: &Hop) -> bool {
    hop.object
        .as_ref()
        .is_some_and(|o| matches!(o.kind.as_str(), "Lease" | "Event"))
        || matches!(hop.phase.as_str(), "renew" | "heartbeat")
}

/// Looked, and changed nothing.
#[must_use]
pub fn is_read(hop: &Hop) -> bool {
    hop.phase == "read"
}

/// The story of an object: of the first trace that concerns it, and of those after it until a kubelet has taken it up
/// (a pod that is placed by hand is made in one and bound in another).
#[must_use]
pub fn of_object(cluster: &Cluster, plural: &str, key: &ObjectKey) -> Journey {
    let Some(object) = cluster.get(plural, key) else {
        return Journey::default();
    };
    let kin = kin(cluster, object);
    let concerns = |hop: &Hop| {
        let about = hop.object.as_ref();
        about.is_some_and(|o| kin.contains(&(o.kind.clone(), o.name.clone())))
    };
    let own = |hop: &&Hop| {
        let about = hop.object.as_ref();
        about.is_some_and(|o| o.kind == object.kind() && o.key() == *key && !is_background(hop))
            && (hop
                .object
                .as_ref()
                .is_none_or(|o| o.uid.is_empty() || o.uid == object.uid()))
    };
    let mut traces: Vec<TraceId> = Vec::new();
    // Whoever only looked (kubectl reads before it applies) is no part of how it came to be.
    for hop in cluster.hops.iter().filter(own).filter(|h| !is_read(h)) {
        if !traces.contains(&hop.trace) {
            traces.push(hop.trace);
        }
        if hop.component.starts_with("kubelet") || traces.len() > MAX_TRACES {
            break;
        }
    }
    if traces.is_empty() {
        return from_conditions(object);
    }
    let hops: Vec<&Hop> = cluster
        .hops
        .iter()
        .filter(|h| {
            traces.contains(&h.trace)
                && !is_background(h)
                && !is_read(h)
                && (h.object.is_none() || concerns(h))
        })
        .collect();
    let mut journey = axis(&hops);
    journey.sentence = words::of_object(object, &hops, &journey.total);
    journey
}

/// The story of one trace, whatever it touched.
#[must_use]
pub fn of_trace(cluster: &Cluster, trace: TraceId) -> Journey {
    let hops: Vec<&Hop> = cluster.hops.iter().filter(|h| h.trace == trace).collect();
    let mut journey = axis(&hops);
    journey.sentence = words::of_trace(&hops, &journey);
    journey
}

/// What a component did last, newest first.
#[must_use]
pub fn of_component(cluster: &Cluster, component: &str, most: usize) -> Vec<Hop> {
    let mine = |h: &&Hop| h.component == component;
    cluster
        .hops
        .iter()
        .rev()
        .filter(mine)
        .take(most)
        .cloned()
        .collect()
}

/// The last traces that somebody or something began on purpose, newest first.
#[must_use]
pub fn recent(cluster: &Cluster, most: usize) -> Vec<Recent> {
    let mut out: Vec<Recent> = Vec::new();
    for hop in cluster
        .hops
        .iter()
        .rev()
        .filter(|h| !is_background(h))
        .take(1500)
    {
        if let Some(known) = out.iter_mut().find(|r| r.trace == hop.trace) {
            // Walking backwards, the last one seen is the first that happened; whoever looked before writing is not
            // named for it.
            if known.is_read || !is_read(hop) {
                known.who.clone_from(&hop.component);
                known.text.clone_from(&hop.text);
            }
            known.is_read &= is_read(hop);
            known.hops += 1;
            known.ending = worse(known.ending, Ending::of(hop).word());
        } else if out.len() < most {
            out.push(Recent {
                trace: hop.trace,
                who: hop.component.clone(),
                text: hop.text.clone(),
                hops: 1,
                ending: Ending::of(hop).word(),
                is_read: is_read(hop),
            });
        }
    }
    out
}

/// The object itself and its chain of controllers, by kind and name.
fn kin(cluster: &Cluster, object: &Object) -> BTreeSet<(String, String)> {
    let mut out = BTreeSet::new();
    out.insert((object.kind().to_owned(), object.name().to_owned()));
    let mut at = object.clone();
    while let Some(owner) = at.controller() {
        let key = owner.key();
        // A loop of owners ends here too.
        if !out.insert((owner.kind.clone(), owner.name)) {
            break;
        }
        let plural =
            shared::kind::find_by_kind(&owner.api_version, &owner.kind).map_or("", |k| k.plural);
        match cluster.get(plural, &key) {
            Some(next) => at = next.clone(),
            None => break,
        }
    }
    out
}

fn worse(a: &'static str, b: &'static str) -> &'static str {
    let rank = |word: &str| {
        ["done", "conflict", "refused"]
            .iter()
            .position(|w| *w == word)
    };
    if rank(a) >= rank(b) { a } else { b }
}

/// What the conditions of an object tell when the flow log does not reach back to it.
fn from_conditions(object: &Object) -> Journey {
    let mut steps: Vec<(u64, Step)> = Vec::new();
    let step = |component: &str, text: String| Step {
        component: component.into(),
        text,
        ..Step::default()
    };
    if let Some(at) = object.created() {
        steps.push((
            at.0,
            step(
                "kube-apiserver",
                format!("created at {}", figures::clock(at)),
            ),
        ));
    }
    for c in object.items("/status/conditions") {
        let Some(at) = shared::Millis::parse_rfc3339(text(c, "/lastTransitionTime")) else {
            continue;
        };
        let not = if is_true(c) { "" } else { "not " };
        let line = format!("{not}{} at {}", text(c, "/type"), figures::clock(at));
        let who = if text(c, "/type") == "PodScheduled" {
            "kube-scheduler"
        } else {
            "kubelet"
        };
        steps.push((
            at.0,
            step(
                if object.kind() == "Pod" {
                    who
                } else {
                    "status"
                },
                line,
            ),
        ));
    }
    steps.sort_by_key(|(at, _)| *at);
    for (id, (_, step)) in (0..).zip(&mut steps) {
        step.id = id;
    }
    Journey {
        sentence:
            "It was made before the flow log's first entry; this is what its own record tells."
                .into(),
        steps: steps.into_iter().map(|(_, s)| s).collect(),
        total: String::new(),
        from_conditions: true,
    }
}

#[cfg(test)]
mod tests;
