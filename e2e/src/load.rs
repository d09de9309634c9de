//! The load generator: many clients over HTTP/2 and TLS with objects of their own, against any Kubernetes.
//!
//! It knows a cluster by its kubeconfig alone, so that this cluster and another one are measured in one run with the
//! same program and the same payload. Everything it makes is in one namespace, which it removes.

mod connection;
mod contention;
mod figures;
mod lists;
mod objects;
mod site;
mod verbs;
mod watches;

pub use connection::{Connection, Target};
pub use contention::contention;
pub use figures::{Better, Figure, report};
pub use lists::lists;
pub use site::Site;
pub use verbs::verbs;
pub use watches::watches;
