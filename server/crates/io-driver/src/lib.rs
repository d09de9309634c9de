//! The event loops that feed the pure machines with time and inputs and carry out their commands.
//!
//! - [`api`]: the apiserver over the durable store: decides on a snapshot, commits, answers, serves watches.
//! - [`client`]: the one way to it, for every component.
//! - [`run`]: the loop of a control loop. Its tasks: one per component, one per interest, one per call in flight; all
//!   of them end with the component's token.
//! - [`flow`], [`rooms`], [`metrics`]: what happened, what is happening, how often.
//! - [`backstage`]: the seam to the nodes and images of this process.

pub mod api;
pub mod backstage;
pub mod client;
pub mod flow;
pub mod limits;
pub mod metrics;
pub mod node;
pub mod rooms;
pub mod run;
pub mod seed;
