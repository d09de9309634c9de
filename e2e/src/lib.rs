//! Starts the real binary and drives it with the clients that people use.
//!
//! Every test starts its own cluster on free ports with its own data directory, waits on conditions, and ends only
//! what it started. The built server and the tools are named by the environment, as `cargo xtask test` sets it.

pub mod api;
pub mod browser;
pub mod cluster;
pub mod kubeconfig;
pub mod kubectl;
pub mod load;
pub mod measure;
pub mod peer;
pub mod script;

pub use cluster::Cluster;
