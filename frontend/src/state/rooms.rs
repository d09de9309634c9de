//! What stands on the wall of a control-plane room: a line on what it is doing, and a few named values.

use std::collections::BTreeSet;

use shared::flow::Outcome;
use shared::live::ComponentPulse;

use super::cluster::{Cluster, TickKind};
use super::{text, trace};
use crate::graph::room::Room;

/// Lines that fit on a wall.
pub const WALL_LINES: usize = 5;

/// How a value is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// As any text.
    #[default]
    Plain,
    /// Nothing to do.
    Quiet,
    /// Works right now.
    Working,
    /// Refused.
    Failing,
}

/// One line on the wall.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Name.
    pub left: String,
    /// Value.
    pub right: String,
    /// A bar in percent between them.
    pub bar: Option<u32>,
    /// How the value is shown.
    pub tone: Tone,
}

/// The wall.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wall {
    /// Under the name.
    pub sub: String,
    /// The lines.
    pub lines: Vec<Line>,
}

/// The wall of a control-plane room.
#[must_use]
pub fn wall(cluster: &Cluster, room: &Room) -> Wall {
    let pulse = cluster
        .pulse
        .components
        .iter()
        .find(|c| Room::of_component(&c.component) == *room);
    let mut wall = match room {
        Room::Apiserver => Wall {
            sub: format!(
                "{:.0} req/s · p99 {}",
                cluster.pulse.requests_per_second,
                text::duration_us(cluster.pulse.p99_us)
            ),
            lines: pulse.map_or_else(Vec::new, lines),
        },
        Room::Etcd => Wall {
            sub: pulse
                .and_then(|p| p.lines.first())
                .map_or_else(|| "one member".into(), |(k, v)| format!("{k} {v}")),
            lines: revisions(cluster),
        },
        _ => pulse.map_or_else(Wall::default, |p| Wall {
            sub: format!("queue {}", p.queue),
            lines: lines(p),
        }),
    };
    if *room == Room::Apiserver && wall.lines.is_empty() {
        wall.lines = steps(cluster);
    }
    if wall.lines.len() > WALL_LINES {
        let more = wall.lines.len() + 1 - WALL_LINES;
        wall.lines.truncate(WALL_LINES - 1);
        wall.lines.push(Line {
            left: format!("{more} more"),
            tone: Tone::Quiet,
            ..Line::default()
        });
    }
    wall
}

/// What a component says about itself; what is awake comes first, so that it is seen.
fn lines(pulse: &ComponentPulse) -> Vec<Line> {
    let mut out: Vec<Line> = pulse
        .lines
        .iter()
        .map(|(left, right)| Line {
            left: left.clone(),
            right: right.clone(),
            bar: score(&pulse.component, right),
            tone: tone(right),
        })
        .collect();
    if out.len() > WALL_LINES {
        out.sort_by_key(|l| l.tone == Tone::Quiet);
    }
    out
}

/// A scheduler's verdict on a node is a score of 100.
fn score(component: &str, value: &str) -> Option<u32> {
    let number = value.split([' ', '/']).next()?.parse::<u32>().ok()?;
    (component == "kube-scheduler" && number <= 100).then_some(number)
}

fn tone(value: &str) -> Tone {
    let words = ["quiet", "idle", "-", ""];
    let refusals = [
        "lacks",
        "insufficient",
        "refused",
        "taint",
        "not ready",
        "unschedulable",
        "error",
        "failed",
    ];
    let lower = value.to_lowercase();
    if words.contains(&lower.as_str()) || lower == "0" {
        Tone::Quiet
    } else if refusals.iter().any(|r| lower.contains(r)) {
        Tone::Failing
    } else if lower.starts_with('+') || lower.contains("working") || lower.contains("syncing") {
        Tone::Working
    } else {
        Tone::Plain
    }
}

/// A key that fits on a wall. Of a long name the end tells most: there the made-up part is.
fn brief(what: &str) -> String {
    const MOST: usize = 17;
    let (kind, name) = what.split_once('/').unwrap_or(("", what));
    let room = MOST.saturating_sub(kind.chars().count() + 1).max(6);
    let count = name.chars().count();
    if count <= room {
        return what.into();
    }
    let end: String = name.chars().skip(count + 1 - room).collect();
    format!("{kind}/…{end}")
}

fn revisions(cluster: &Cluster) -> Vec<Line> {
    let mut seen = BTreeSet::new();
    // Heartbeats and events would push everything else off the wall; the foot of the page counts them.
    let housekeeping =
        |t: &&super::cluster::Tick| t.what.starts_with("leases/") || t.what.starts_with("events/");
    cluster
        .ticks
        .iter()
        .rev()
        .filter(|t| !housekeeping(t))
        .filter(|t| seen.insert(t.revision))
        .take(WALL_LINES)
        .map(|t| Line {
            left: t.revision.to_string(),
            right: brief(&t.what),
            bar: None,
            tone: if t.kind == TickKind::Failed {
                Tone::Failing
            } else {
                Tone::Plain
            },
        })
        .collect()
}

/// The steps of the last write that somebody made on purpose, with their times.
fn steps(cluster: &Cluster) -> Vec<Line> {
    let inside =
        |component: &str| matches!(Room::of_component(component), Room::Apiserver | Room::Etcd);
    let own = |h: &&shared::flow::Hop| inside(&h.component) && !trace::is_background(h);
    let Some(last) = cluster.hops.iter().rev().find(own).map(|h| h.trace) else {
        return Vec::new();
    };
    let mut seen = BTreeSet::new();
    let newest = cluster
        .hops
        .iter()
        .rev()
        .filter(|h| h.trace == last)
        .filter(own);
    let mut hops: Vec<_> = newest.filter(|h| seen.insert(h.phase.clone())).collect();
    hops.reverse();
    hops.iter()
        .map(|h| Line {
            left: h.phase.clone(),
            right: text::duration_us(h.duration_us),
            bar: None,
            tone: if h.outcome == Outcome::Done {
                Tone::Plain
            } else {
                Tone::Failing
            },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use shared::live::{Message, Pulse};

    use super::*;

    fn check(component: &str, values: &[(&str, &str)], want: &[&str]) {
        let mut cluster = Cluster::default();
        cluster.apply(Message::Pulse(Pulse {
            components: vec![ComponentPulse {
                component: component.into(),
                queue: 2,
                lines: values
                    .iter()
                    .map(|(a, b)| ((*a).into(), (*b).into()))
                    .collect(),
            }],
            ..Pulse::default()
        }));
        let wall = wall(&cluster, &Room::of_component(component));
        let got: Vec<String> = wall
            .lines
            .iter()
            .map(|l| format!("{} {} {:?} {:?}", l.left, l.right, l.bar, l.tone))
            .collect();
        assert_eq!(got, want, "{}", wall.sub);
    }

    #[test]
    fn long_keys_keep_their_ends() {
        for (what, want) in [
            ("pods/web", "pods/web"),
            ("pods/web-7f9c-q6zvn", "pods/…-7f9c-q6zvn"),
            ("endpointslices/web-abcde", "endpointslices/…abcde"),
        ] {
            assert_eq!(brief(what), want);
        }
    }

    #[test]
    fn walls_show_what_is_awake_first() {
        check(
            "kube-scheduler",
            &[("node-1", "61"), ("node-3", "lacks memory")],
            &[
                "node-1 61 Some(61) Plain",
                "node-3 lacks memory None Failing",
            ],
        );
        check(
            "kube-controller-manager",
            &[
                ("a", "quiet"),
                ("b", "quiet"),
                ("c", "quiet"),
                ("d", "quiet"),
                ("e", "+1"),
                ("f", "quiet"),
            ],
            &[
                "e +1 None Working",
                "a quiet None Quiet",
                "b quiet None Quiet",
                "c quiet None Quiet",
                "2 more  None Quiet",
            ],
        );
    }
}
