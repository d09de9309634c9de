//! The vocabulary of both sides: what the server and the dashboard say to each other.
//!
//! Holds names, kinds, objects, selectors, quantities, times, `Status` errors, API paths, flow events, the live
//! stream's messages and the scenario format. It does no IO, reads no clock and builds for `wasm32-unknown-unknown`.
//! Objects are kept as JSON values; the small typed views of [`view`] are parsed where a component needs them.

pub mod exhibit;
pub mod flow;
pub mod kind;
pub mod live;
pub mod name;
pub mod object;
pub mod path;
pub mod pointer;
pub mod quantity;
pub mod scenario;
pub mod selector;
pub mod status;
pub mod time;
pub mod view;

pub use kind::{Kind, KindRef};
pub use object::{Object, ObjectKey, ObjectRef};
pub use status::Status;
pub use time::Millis;

/// A store revision: grows by one with every committed transaction, never repeats, 0 means "nothing yet".
///
/// Objects show theirs as the opaque string `metadata.resourceVersion`.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
