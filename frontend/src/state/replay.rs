//! Playing one story again: which step it is at, and whether it goes on by itself. Pure; the page owns the clock.

use super::trace::{Ending, Step};

/// How long one leg takes in a replay, in milliseconds of the page.
pub const LEG_MS: i32 = 1600;

/// One place that the story comes by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stop {
    /// The component.
    pub component: String,
    /// What it does there.
    pub tag: String,
    /// How that ends.
    pub ending: Ending,
}

/// A story that is being played.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replay {
    /// Its places in order.
    pub stops: Vec<Stop>,
    /// Which of them it is at.
    pub at: usize,
    /// Goes on by itself.
    pub playing: bool,
    /// Grows with every move, so that a clock that was set before a move is known to be stale.
    pub turn: u32,
}

impl Replay {
    /// A story at its first place; `None` when it has none.
    #[must_use]
    pub fn of(steps: &[Step], playing: bool) -> Option<Self> {
        let stops: Vec<Stop> = steps
            .iter()
            .map(|s| Stop {
                component: s.component.clone(),
                tag: s.text.clone(),
                ending: s.ending.clone(),
            })
            .collect();
        (!stops.is_empty()).then_some(Self {
            stops,
            at: 0,
            playing,
            turn: 0,
        })
    }

    /// Goes to a place by hand: nothing goes on by itself any more.
    pub fn go(&mut self, at: usize) {
        self.at = at.min(self.stops.len().saturating_sub(1));
        self.playing = false;
        self.turn = self.turn.wrapping_add(1);
    }

    /// Plays, from the beginning when it was at its end; or rests.
    pub fn toggle(&mut self) {
        self.playing = !self.playing;
        if self.playing && self.is_over() {
            self.at = 0;
        }
        self.turn = self.turn.wrapping_add(1);
    }

    /// The clock rang for a turn. Answers whether the story moved.
    pub fn ring(&mut self, turn: u32) -> bool {
        if !self.playing || turn != self.turn {
            return false;
        }
        self.turn = self.turn.wrapping_add(1);
        if self.is_over() {
            self.playing = false;
        } else {
            self.at += 1;
        }
        true
    }

    /// At the last place.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.at + 1 >= self.stops.len()
    }

    /// The leg that leads to where it is: from the place before.
    #[must_use]
    pub fn leg(&self) -> Option<(&Stop, &Stop)> {
        let to = self.stops.get(self.at)?;
        Some((self.stops.get(self.at.saturating_sub(1))?, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay() -> Replay {
        let step = |component: &str| Step {
            component: component.into(),
            ..Step::default()
        };
        let steps = ["kubectl", "kube-apiserver", "etcd"].map(step);
        Replay::of(&steps, true).unwrap_or_default()
    }

    #[test]
    fn it_plays_to_its_end_and_rests() {
        let mut r = replay();
        let mut seen = vec![r.at];
        while r.playing {
            assert!(r.ring(r.turn));
            seen.push(r.at);
        }
        assert_eq!(seen, [0, 1, 2, 2]);
        r.toggle();
        assert_eq!((r.at, r.playing), (0, true));
    }

    #[test]
    fn a_stale_clock_moves_nothing() {
        let mut r = replay();
        let turn = r.turn;
        r.go(2);
        assert!(!r.ring(turn) && !r.playing);
        assert_eq!(
            r.leg()
                .map(|(a, b)| (a.component.as_str(), b.component.as_str())),
            Some(("kube-apiserver", "etcd"))
        );
        r.go(99);
        assert_eq!(r.at, 2);
        assert_eq!(Replay::of(&[], true), None);
    }
}
