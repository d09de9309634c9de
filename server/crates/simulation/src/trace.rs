//! What happened in a run: a hash of all of it, and the last lines of it for people.

use std::collections::VecDeque;
use std::fmt;

use shared::Millis;

/// Lines kept for a report.
const LINES_MAX: usize = 200;

/// The record of a run. Two runs of one seed have the same hash.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    length: u64,
    last: VecDeque<String>,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            length: 0,
            last: VecDeque::new(),
        }
    }
}

impl Trace {
    /// Adds a line (FNV-1a, 64 bits).
    pub(crate) fn add(&mut self, now: Millis, line: impl fmt::Display) {
        let line = format!("{} {line}", now.0);
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.length += 1;
        if self.last.len() == LINES_MAX {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// The hash of all lines.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many lines there were.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.last.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
