//! The product as people use it: the real binary, the stock kubectl, curl, a real browser.

mod access;
mod api;
mod batch;
mod clients;
mod components;
mod dashboard;
mod deployments;
mod durability;
mod example;
mod inside;
mod kubectl;
mod lifecycle;
mod network;
mod nodes;
mod registry;
mod workloads;
