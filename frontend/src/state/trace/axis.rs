//! Puts hops on one time axis.

use shared::ObjectRef;
use shared::flow::Hop;

use super::{Ending, Journey, Step, Wrote, words};
use crate::graph::room::Room;
use crate::state::text as figures;

/// Hops in the order of their beginning; what the apiserver does for one request becomes one step.
pub(super) fn axis(hops: &[&Hop]) -> Journey {
    let end_of = |h: &Hop| h.start_us.saturating_add(h.duration_us);
    let start = hops.iter().map(|h| h.start_us).min().unwrap_or(0);
    let end = hops.iter().map(|h| end_of(h)).max().unwrap_or(0);
    let span = end.saturating_sub(start).max(1) as f64;
    let mut ordered = hops.to_vec();
    ordered.sort_by_key(|h| (h.start_us, h.seq));
    let mut groups: Vec<Vec<&Hop>> = Vec::new();
    for hop in ordered {
        match groups.last_mut() {
            Some(group) if is_one_request(group, hop) => group.push(hop),
            _ => groups.push(vec![hop]),
        }
    }
    let steps = groups.iter().filter_map(|group| {
        let (first, last) = (group.first()?, group.last()?);
        let to = group.iter().map(|h| end_of(h)).max().unwrap_or(0);
        let duration = to.saturating_sub(first.start_us);
        let width = (duration as f64 / span * 100.0).clamp(1.5, 100.0);
        let from = (first.start_us - start) as f64 / span * 100.0;
        let mut step = step(group, first, last);
        step.duration = figures::duration_us(duration);
        (step.from, step.width) = (from.min(100.0 - width), width);
        Some(step)
    });
    Journey {
        steps: steps.collect(),
        total: figures::duration_us(end.saturating_sub(start)),
        ..Journey::default()
    }
}

/// Phases of the apiserver follow each other without anybody else between, each once.
fn is_one_request(group: &[&Hop], next: &Hop) -> bool {
    let inside = |h: &Hop| Room::of_component(&h.component) == Room::Apiserver;
    let fits = |h: &&Hop| inside(h) && h.object == next.object && h.phase != next.phase;
    inside(next) && group.iter().all(fits)
}

fn step(group: &[&Hop], first: &Hop, last: &Hop) -> Step {
    let parts = |h: &&Hop| (h.phase.clone(), figures::duration_us(h.duration_us));
    let (text, parts) = if group.len() > 1 {
        let names: Vec<&str> = group.iter().map(|h| h.phase.as_str()).collect();
        (names.join(" · "), group.iter().map(parts).collect())
    } else {
        (first.text.clone(), Vec::new())
    };
    Step {
        id: first.seq,
        component: first.component.clone(),
        words: words::of_phase(first),
        text,
        parts,
        ending: Ending::of(last),
        wrote: wrote(last),
        cause: first.cause,
        ..Step::default()
    }
}

/// What a commit wrote. The hop that asked for it carries the same revision; it is shown once, where it happened.
fn wrote(hop: &Hop) -> Option<Wrote> {
    if Room::of_component(&hop.component) != Room::Etcd {
        return None;
    }
    let ObjectRef {
        api_version,
        kind,
        namespace,
        name,
        ..
    } = hop.object.as_ref()?;
    let plural = shared::kind::find_by_kind(api_version, kind)?.plural;
    Some(Wrote {
        plural: plural.into(),
        key: shared::ObjectKey::new(namespace, name),
        revision: hop.revision?,
    })
}
