//! cloud-controller-manager: the control loops that talk to a cloud: nodes get their zone and lose the
//! `uninitialized` taint, nodes whose machine is gone are deleted, Services of type LoadBalancer get an address.
//!
//! The cloud is behind [`CloudProvider`]. The one here, [`LocalCloud`], is a model: its machines are the processes of
//! this cluster and its load balancers are addresses of this host, which the node proxies really answer on. It rents
//! nothing, and it says so in its provider ids and events. There is no route controller, because the network plugin
//! makes the routes.

mod cloud;
mod manager;
mod node;
mod service;

#[cfg(test)]
mod tests;

pub use cloud::{CloudProvider, Ingress, Instance, LocalCloud};
pub use manager::CloudControllerManager;
