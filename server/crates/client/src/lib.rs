//! What every client of the apiserver is made of, without any IO: requests, the informer's cache, the work queue and
//! the [`Component`] contract that control loops fulfil.
//!
//! Scheduler, controllers, kubelet and kube-proxy are all written as [`Component`]s: they are told what was observed,
//! asked which calls to make, and told the answers. `io-driver` runs them over an in-process or an HTTPS connection,
//! `simulation` under a virtual clock. Nothing here waits, and nothing here reads a clock.

pub mod cache;
pub mod component;
pub mod event;
pub mod leader;
pub mod queue;
pub mod request;

pub use cache::{Cache, Observed, WatchEvent};
pub use component::{Call, CallId, Calls, Component, Done, Exhibit, Interest};
pub use leader::Elected;
pub use queue::WorkQueue;
pub use request::{Answer, Body, Options, PatchKind, Request, Verb};
