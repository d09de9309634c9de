//! The foot of the page: the last minutes of revisions as columns. Pure geometry, no drawing.

use std::collections::VecDeque;

use shared::{Millis, ObjectKey, Revision};

use super::cluster::{Cluster, Tick, TickKind};

/// How much time the foot shows, in milliseconds of cluster time.
pub const SPAN_MS: u64 = 5 * 60 * 1000;
/// How many columns it has.
pub const COLUMNS: usize = 300;

/// Revisions in one column, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// Created.
    pub made: u16,
    /// Updated or deleted.
    pub updated: u16,
    /// Failed.
    pub failed: u16,
}

/// Sorts ticks into columns, the present at the right end.
pub fn columns<'a>(ticks: impl IntoIterator<Item = &'a Tick>, now: Millis) -> Vec<Column> {
    let mut out = vec![Column::default(); COLUMNS];
    for tick in ticks {
        let ago = now.since(tick.at);
        if ago >= SPAN_MS {
            continue;
        }
        let from_right = (ago * COLUMNS as u64 / SPAN_MS) as usize;
        if let Some(c) = out.get_mut(COLUMNS - 1 - from_right.min(COLUMNS - 1)) {
            let slot = match tick.kind {
                TickKind::Made => &mut c.made,
                TickKind::Updated | TickKind::Gone => &mut c.updated,
                TickKind::Failed => &mut c.failed,
            };
            *slot = slot.saturating_add(1);
        }
    }
    out
}

/// Leases and events: they go on in a still cluster, and nobody wants to step through them.
#[must_use]
pub fn is_housekeeping(tick: &Tick) -> bool {
    tick.what.starts_with("leases/") || tick.what.starts_with("events/")
}

/// Where a moment stands on the foot, in percent from the left; `None` when it is further back than the foot.
#[must_use]
pub fn place(at: Millis, now: Millis) -> Option<f64> {
    let ago = now.since(at);
    (ago < SPAN_MS).then(|| 100.0 - ago as f64 * 100.0 / SPAN_MS as f64)
}

/// The revision that was current at a moment of the foot, `ago` milliseconds before now.
#[must_use]
pub fn at(ticks: &VecDeque<Tick>, now: Millis, ago: u64) -> Option<&Tick> {
    let then = now.0.saturating_sub(ago);
    let own = |t: &&Tick| !is_housekeeping(t);
    let before = ticks.iter().rev().filter(own).find(|t| t.at.0 <= then);
    before.or_else(|| ticks.iter().find(own))
}

/// The revision before or after one; `None` at the end. From the present, back leads to the newest but one.
#[must_use]
pub fn step(ticks: &VecDeque<Tick>, from: Option<Revision>, forward: bool) -> Option<&Tick> {
    let own = |t: &&Tick| !is_housekeeping(t);
    let newest = ticks.iter().rev().find(own)?.revision;
    let from = from.unwrap_or(newest);
    if forward {
        ticks.iter().filter(own).find(|t| t.revision > from)
    } else {
        ticks.iter().rev().filter(own).find(|t| t.revision < from)
    }
}

/// How an object differs between two moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It came.
    Came,
    /// It was changed.
    Changed,
    /// It went.
    Went,
}

impl Change {
    /// The mark in front of it.
    #[must_use]
    pub fn mark(self) -> &'static str {
        match self {
            Self::Came => "+",
            Self::Changed => "~",
            Self::Went => "-",
        }
    }
}

/// What differs between two moments, by resource and name, housekeeping left out.
#[must_use]
pub fn compare(before: &Cluster, after: &Cluster) -> Vec<(Change, String, ObjectKey)> {
    let mut out = Vec::new();
    let plurals = after
        .shelves
        .keys()
        .filter(|p| *p != "leases" && *p != "events");
    for plural in plurals {
        let (old, new) = (before.shelf(plural), after.shelf(plural));
        for (key, object) in new {
            match old.get(key) {
                None => out.push((Change::Came, plural.clone(), key.clone())),
                Some(was) if was.revision() != object.revision() => {
                    out.push((Change::Changed, plural.clone(), key.clone()));
                }
                Some(_) => {}
            }
        }
        let gone = old.keys().filter(|key| !new.contains_key(key));
        out.extend(gone.map(|key| (Change::Went, plural.clone(), key.clone())));
    }
    out
}

/// One SVG path of upright strokes for one kind: unit columns, heights up to `height`, growing with the square root
/// so that a burst does not flatten the rest.
pub fn path(columns: &[Column], of: fn(&Column) -> u16, height: f64) -> String {
    let mut d = String::new();
    for (x, column) in columns.iter().enumerate() {
        let n = of(column);
        if n > 0 {
            let h = (f64::from(n).sqrt() * height * 0.34).min(height);
            d.push_str(&format!("M{x}.5 {height}v-{h:.1}"));
        }
    }
    d
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(at: u64, kind: TickKind) -> Tick {
        Tick {
            revision: Revision(1),
            at: Millis(at),
            kind,
            what: String::new(),
        }
    }

    fn ticks() -> VecDeque<Tick> {
        let of = |revision: u64, what: &str| Tick {
            revision: Revision(revision),
            at: Millis(revision * 1000),
            kind: TickKind::Made,
            what: what.into(),
        };
        [
            of(3, "pods/a"),
            of(4, "leases/n"),
            of(5, "pods/b"),
            of(7, "events/x"),
            of(9, "pods/c"),
        ]
        .into()
    }

    #[test]
    fn steps_skip_housekeeping_and_end() {
        let ticks = ticks();
        let go = |from: Option<u64>, forward| {
            step(&ticks, from.map(Revision), forward).map(|t| t.revision.0)
        };
        assert_eq!(go(None, false), Some(5));
        assert_eq!(go(Some(5), false), Some(3));
        assert_eq!(go(Some(3), false), None);
        assert_eq!(go(Some(3), true), Some(5));
        assert_eq!(go(None, true), None);
        let then = |ago| at(&ticks, Millis(10_000), ago).map(|t| t.revision.0);
        assert_eq!(
            (then(0), then(3000), then(60_000)),
            (Some(9), Some(5), Some(3))
        );
        assert_eq!(place(Millis(10_000), Millis(10_000)), Some(100.0));
        assert_eq!(place(Millis(0), Millis(SPAN_MS)), None);
    }

    #[test]
    fn two_moments_are_compared_object_by_object() {
        use shared::live::Message;
        let at = |pods: &[(&str, &str)]| {
            let mut c = Cluster::default();
            let object = |(name, rv): &(&str, &str)| {
                shared::Object::new(
                    serde_json::json!({"metadata": {"name": name, "resourceVersion": rv}}),
                )
            };
            c.apply(Message::Snapshot {
                kind: shared::KindRef::new("", "v1", "pods"),
                revision: Revision(1),
                items: pods.iter().map(object).collect(),
            });
            c
        };
        let before = at(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let after = at(&[("a", "1"), ("b", "2"), ("d", "3")]);
        let got: Vec<String> = compare(&before, &after)
            .iter()
            .map(|(c, _, k)| format!("{}{}", c.mark(), k.name))
            .collect();
        assert_eq!(got, ["~b", "+d", "-c"]);
    }

    #[test]
    fn the_present_is_right_and_the_past_falls_off() {
        let now = Millis(SPAN_MS * 10);
        let ticks = [
            tick(now.0, TickKind::Made),
            tick(now.0 + 5, TickKind::Failed),
            tick(now.0 - SPAN_MS + 1, TickKind::Updated),
            tick(now.0 - SPAN_MS, TickKind::Updated),
        ];
        let c = columns(&ticks, now);
        assert_eq!((c[COLUMNS - 1].made, c[COLUMNS - 1].failed), (1, 1));
        assert_eq!(c[0].updated, 1);
        assert_eq!(c.iter().map(|c| c.updated).sum::<u16>(), 1);
        assert_eq!(path(&c, |c| c.updated, 10.0), "M0.5 10v-3.4");
    }
}
