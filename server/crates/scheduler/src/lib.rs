//! kube-scheduler: decides on which node each new pod runs, and binds it there.
//!
//! [`Scheduler`] is a [`client::Component`]: it is told about nodes and pods and asks for Binding requests. It judges
//! with the original's default plugins and weights, says why in the original's words, and gives the same placement
//! for the same seed. It has no extenders, no profiles and no dynamic resource allocation; volumes are judged only by
//! whether their claims exist and are bound.
//!
//! One pod travels: [`queue`] -> [`cycle`] ([`filter`], [`spread`], [`interpod`], then [`score`]) -> assumed in
//! [`state`] -> bound; or, when no node fits, [`preempt`] and back to the queue.

mod cycle;
mod filter;
mod interpod;
mod node;
mod pod;
mod preempt;
mod queue;
mod resources;
mod scheduler;
mod score;
mod spread;
mod state;
mod verdict;

#[cfg(test)]
mod tests;

pub use node::{NodeInfo, Taint};
pub use pod::{DEFAULT_SCHEDULER_NAME, PodInfo};
pub use resources::{Resources, pod_requests};
pub use scheduler::Scheduler;
pub use verdict::{NODES_SHOWN_MAX, NodeVerdict, Plugin, Rejection, Score, Verdict};
