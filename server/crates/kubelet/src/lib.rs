//! The kubelet: turns the pods bound to a node into running containers and reports what became of them.
//!
//! Pure: it decides, the engine behind [`runtime`] executes, the driver moves requests and events between them. What it
//! does not do: logs, exec and port-forward, which the shell routes by [`Kubelet::container`].

mod admission;
mod backoff;
mod conditions;
mod config;
mod context;
mod downward;
mod ending;
mod env;
mod eviction;
mod hooks;
mod images;
mod kubelet;
mod lease;
mod node_status;
mod phase;
mod pressure;
mod probes;
mod probing;
mod pulling;
mod refresh;
mod resume;
pub mod runtime;
mod sandbox;
mod sources;
mod spec;
mod start;
mod status;
mod stopping;
mod timers;
mod tokens;
mod unit;
mod volumes;
mod worker;

pub use config::KubeletConfig;
pub use kubelet::Kubelet;
