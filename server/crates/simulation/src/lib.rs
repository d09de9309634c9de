//! A whole cluster in one value: the real components over the real apiserver and store, under a virtual clock and
//! seeded faults.
//!
//! Nothing waits and nothing is random: [`Cluster::step`] lets the next thing happen, and the same seed gives the same
//! run. After every commit the [`Violation`]s of what must always hold are looked for. Only the container engine is a
//! stand-in, and the network between components is a list of messages with delays.

mod actor;
mod agenda;
mod api;
mod cluster;
mod converge;
mod engine;
mod fault;
mod invariants;
mod keys;
mod messages;
mod random;
mod script;
mod trace;

pub use cluster::{Cluster, Struck, Unmet};
pub use converge::{apps, batch, condition, core};
pub use fault::Faults;
pub use invariants::Violation;
pub use random::Random;
pub use script::play;
pub use trace::Trace;

#[cfg(test)]
mod tests;
