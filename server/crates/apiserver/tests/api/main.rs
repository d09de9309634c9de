//! The apiserver as its clients see it: requests over its HTTP edge, an in-memory store behind it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail the test when what they need is not there"
)]

mod access;
mod compatibility;
mod defaults;
mod discovery;
mod harness;
mod hostile;
mod lifecycle;
mod lists;
mod patches;
mod protobuf;
mod quotas;
mod recorded;
mod refusals;
mod scripts;
mod services;
mod tables;
mod tokens;
mod watches;
