//! How something came to be: the hops of its trace on one time axis, and a sentence in plain words.
//!
//! Reads only the flow log and the objects; invents nothing. Where the log no longer reaches back, the object's own
//! conditions tell what they can, and the page says so.

use std::collections::BTreeSet;

use shared::flow::{Hop, Outcome, TraceId};
use shared::{Object, ObjectKey};

use super::cluster::Cluster;
use super::pod::{condition, is_true, text};
use super::{samples, text as figures};

/// Traces that one story may be made of.
const MAX_TRACES: usize = 4;

/// One hop on the axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Who did it.
    pub component: String,
    /// What it did.
    pub text: String,
    /// How long it took.
    pub duration: String,
    /// Where it begins on the axis, in percent.
    pub from: f64,
    /// How much of the axis it covers, in percent; at least a visible sliver.
    pub width: f64,
    /// The reason when it was refused.
    pub refused: Option<String>,
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
    /// Whether something in it was refused.
    pub refused: bool,
}

/// Housekeeping that goes on in a still cluster: lease renewals, node heartbeats, events.
#[must_use]
pub fn is_background(hop: &Hop) -> bool {
    hop.object
        .as_ref()
        .is_some_and(|o| matches!(o.kind.as_str(), "Lease" | "Event"))
        || matches!(hop.phase.as_str(), "renew" | "heartbeat")
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
    for hop in cluster.hops.iter().filter(own) {
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
            traces.contains(&h.trace) && !is_background(h) && (h.object.is_none() || concerns(h))
        })
        .collect();
    let mut journey = axis(&hops);
    journey.sentence = sentence(object, &hops, &journey.total);
    journey
}

/// The story of one trace, whatever it touched.
#[must_use]
pub fn of_trace(cluster: &Cluster, trace: TraceId) -> Journey {
    let hops: Vec<&Hop> = cluster.hops.iter().filter(|h| h.trace == trace).collect();
    let mut journey = axis(&hops);
    if let (Some(first), Some(last)) = (hops.first(), hops.last()) {
        let refused = hops.iter().find_map(|h| reason(h));
        journey.sentence = match refused {
            Some(why) => format!(
                "{} asked: {}. It was refused: {why}",
                first.component, first.text
            ),
            None => format!(
                "{} asked: {}. {} components handled it in {}; the last was {}.",
                first.component,
                first.text,
                hops.iter()
                    .map(|h| &h.component)
                    .collect::<BTreeSet<_>>()
                    .len(),
                journey.total,
                last.component
            ),
        };
    }
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
            // Walking backwards, the last one seen is the first that happened.
            known.who.clone_from(&hop.component);
            known.text.clone_from(&hop.text);
            known.hops += 1;
            known.refused |= reason(hop).is_some();
        } else if out.len() < most {
            out.push(Recent {
                trace: hop.trace,
                who: hop.component.clone(),
                text: hop.text.clone(),
                hops: 1,
                refused: reason(hop).is_some(),
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

fn reason(hop: &Hop) -> Option<&str> {
    match &hop.outcome {
        Outcome::Done => None,
        Outcome::Refused(why) => Some(why),
    }
}

fn axis(hops: &[&Hop]) -> Journey {
    let start = hops.iter().map(|h| h.start_us).min().unwrap_or(0);
    let end = hops
        .iter()
        .map(|h| h.start_us.saturating_add(h.duration_us))
        .max()
        .unwrap_or(0);
    let span = end.saturating_sub(start).max(1) as f64;
    let mut ordered = hops.to_vec();
    ordered.sort_by_key(|h| (h.start_us, h.seq));
    let step = |h: &&Hop| {
        let width = (h.duration_us as f64 / span * 100.0).clamp(1.5, 100.0);
        let from = (h.start_us - start) as f64 / span * 100.0;
        Step {
            component: h.component.clone(),
            text: h.text.clone(),
            duration: figures::duration_us(h.duration_us),
            from: from.min(100.0 - width),
            width,
            refused: reason(h).map(str::to_owned),
        }
    };
    Journey {
        sentence: String::new(),
        steps: ordered.iter().map(step).collect(),
        total: figures::duration_us(end.saturating_sub(start)),
        from_conditions: false,
    }
}

fn sentence(object: &Object, hops: &[&Hop], total: &str) -> String {
    let mut out = hops.first().map_or_else(String::new, |h| {
        format!("It began with {}: {}. ", h.component, h.text)
    });
    if object.kind() == "Pod" {
        out.push_str(&placement(object, hops));
        let status = super::pod::status_word(object);
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
        .find(|h| h.component == "kube-scheduler" && !h.text.is_empty());
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

/// What the conditions of an object tell when the flow log does not reach back to it.
fn from_conditions(object: &Object) -> Journey {
    let mut steps: Vec<(u64, Step)> = Vec::new();
    let step = |component: &str, text: String| Step {
        component: component.into(),
        text,
        duration: String::new(),
        from: 0.0,
        width: 0.0,
        refused: None,
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
