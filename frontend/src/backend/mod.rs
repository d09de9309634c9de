//! The page's way to its server: requests, the stream, and the few things that only a browser has.
//!
//! What is sent is built by pure functions in [`call`]; nothing outside this folder opens a connection.

pub mod browser;
pub mod call;
pub mod fetch;
pub mod history;
pub mod polled;
pub mod socket;
pub mod stream;
