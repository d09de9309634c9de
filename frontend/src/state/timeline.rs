//! The foot of the page: the last minutes of revisions as columns. Pure geometry, no drawing.

use shared::Millis;

use super::cluster::{Tick, TickKind};

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
    use shared::Revision;

    use super::*;

    fn tick(at: u64, kind: TickKind) -> Tick {
        Tick {
            revision: Revision(1),
            at: Millis(at),
            kind,
            what: String::new(),
        }
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
