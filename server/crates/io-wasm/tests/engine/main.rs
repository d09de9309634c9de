//! The engine with the real sample workloads, on the host's loopback network.
//!
//! The workloads are found in `GLASSHOUSE_WORKLOADS` or `$CARGO_TARGET_DIR/workloads`, where `cargo xtask` puts them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod cluster;
mod containers;
mod exec;
mod harness;
mod hostile;
mod http;
mod images;
mod limits;
mod logs;
mod shell;
mod sockets;
