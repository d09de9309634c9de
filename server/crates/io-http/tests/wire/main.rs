//! The door as a client on the wire finds it: limits, time, watches of fast and slow readers, tokens.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod door;
mod limits;
mod watches;
