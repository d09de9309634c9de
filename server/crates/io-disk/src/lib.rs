//! The store on disk: a log that is synced before anything is acknowledged, images of the whole store, and the thread
//! that owns both.
//!
//! [`Committer`] is what the server starts: it owns the single [`store::Store`] and its [`Log`], commits what is
//! queued as one batch with one sync, and only then publishes the new snapshot and answers. [`Log`] recovers a
//! directory and appends to it. [`Disk`] is the seam to the operating system, with [`RealDisk`] behind it in the
//! product and [`FaultDisk`], which loses, tears and refuses on demand, in tests.
//!
//! The format of what is written belongs to the `store` crate. Replication is not done here.

mod committer;
mod disk;
mod fault;
mod image;
mod log;
mod real;
mod recover;

pub use committer::{
    CommitError, Committer, CompactFailure, Handle, LeaseFailure, Options, Refused,
};
pub use disk::{Disk, File, Guard};
pub use fault::FaultDisk;
pub use log::{AppendError, Log, LogOptions};
pub use real::RealDisk;
pub use recover::OpenError;
