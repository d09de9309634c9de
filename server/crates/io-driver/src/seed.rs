//! Randomness for the pure crates, which take it as arguments.

use std::sync::atomic::{AtomicU64, Ordering};

/// A source of seeds: SplitMix64 (Steele, Lea, Flood 2014) from a start that the operating system chose, so that two
/// clusters never make the same uids.
#[derive(Debug)]
pub struct Seeds {
    state: AtomicU64,
}

impl Seeds {
    /// A source that starts at `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            state: AtomicU64::new(seed),
        }
    }

    /// The next seed.
    pub fn next(&self) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self
            .state
            .fetch_add(STEP, Ordering::Relaxed)
            .wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence() {
        let (a, b) = (Seeds::new(1), Seeds::new(1));
        assert_eq!([a.next(), a.next()], [b.next(), b.next()]);
        assert_ne!(a.next(), Seeds::new(2).next());
    }
}
