//! kube-controller-manager: the control loops that make the cluster what its objects say.
//!
//! [`ControllerManager`] is one [`client::Component`] that runs every row of [`controllers::LOOPS`] over one cache and
//! one work queue. A controller is a pure function from what is seen, one key and the time to a [`Plan`]; running it
//! twice on the same state gives an empty second plan. It does no IO and keeps no time.
//!
//! Not here: the cloud's loops (crate `cloud-controller-manager`) and storage.

mod claims;
pub mod controllers;
mod manager;
mod meta;
pub mod plan;
mod revisions;
pub mod view;

#[cfg(test)]
mod tests;

pub use manager::ControllerManager;
pub use plan::{Plan, Said, Wanted, Write};
pub use view::{Item, View};

/// What the controllers are configured with.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The cluster's CA certificate in PEM, published to every namespace as `kube-root-ca.crt`; nothing is published
    /// while it is empty.
    pub root_ca_pem: String,
}
