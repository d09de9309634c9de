//! What goes wrong, how often. All of it is decided by the cluster's seed.

use crate::random::Random;

/// Chances per thousand, and delays in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// Longest time that a message travels.
    pub delay_max_ms: u64,
    /// A request is refused with 409 though nothing was wrong with it.
    pub conflict: u64,
    /// A request does not reach the apiserver: 503.
    pub lost_request: u64,
    /// A request is carried out but its answer is lost: 504.
    pub lost_answer: u64,
    /// A watch breaks off as it delivers, and its informer lists again.
    pub broken_watch: u64,
    /// A component crashes and comes back, per second of cluster time.
    pub crash: u64,
    /// How long a crashed component is away at most.
    pub away_max_ms: u64,
}

impl Faults {
    /// Messages take their time, and nothing else happens.
    pub const NONE: Self = Self {
        delay_max_ms: 3,
        conflict: 0,
        lost_request: 0,
        lost_answer: 0,
        broken_watch: 0,
        crash: 0,
        away_max_ms: 0,
    };

    /// A bad day: everything at once.
    pub const MANY: Self = Self {
        delay_max_ms: 400,
        conflict: 50,
        lost_request: 50,
        lost_answer: 50,
        broken_watch: 30,
        crash: 100,
        away_max_ms: 20_000,
    };

    /// A delay for one message.
    pub(crate) fn delay_ms(&self, random: &mut Random) -> u64 {
        random.below(self.delay_max_ms + 1)
    }
}
