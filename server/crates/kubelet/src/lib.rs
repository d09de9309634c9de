//! The kubelet: turns the pods bound to a node into running containers and reports what became of them.
//!
//! Pure: it decides, the engine behind [`runtime`] executes, the driver moves requests and events between them. What it
//! does not do: logs, exec and port-forward, which the shell routes by [`Kubelet::container`]; service-account tokens,
//! hooks, gRPC probes and node-pressure eviction.

mod admission;
mod backoff;
mod conditions;
mod config;
mod context;
mod downward;
mod ending;
mod env;
mod images;
mod kubelet;
mod lease;
mod node_status;
mod phase;
mod probes;
mod resume;
pub mod runtime;
mod sources;
mod spec;
mod start;
mod status;
mod timers;
mod unit;
mod volumes;
mod worker;

pub use config::KubeletConfig;
pub use kubelet::Kubelet;
