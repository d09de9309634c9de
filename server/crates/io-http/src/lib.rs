//! The cluster's doors: the Kubernetes API over HTTPS, the dashboard over HTTP, and the HTTPS client for whoever is not
//! in the apiserver's process.
//!
//! Its tasks: one accept loop per listener ([`serve`]) and one task per connection, owned by the caller's tracker and
//! ended by its token; per dashboard one stream with an informer per kind, which ends with its WebSocket.

pub mod api;
pub mod assets;
mod attended;
pub mod dashboard;
pub mod guard;
pub mod https;
pub mod kubeconfig;
pub mod pki;
pub mod pulse;
pub mod registry;
pub mod serve;
mod spdy;
pub mod static_tokens;
pub mod stream;
pub mod tls;
pub mod tokens;
