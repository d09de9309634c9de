//! The product as people use it: the real binary, the stock kubectl, curl, a real browser.

mod api;
mod components;
mod dashboard;
mod deployments;
mod durability;
mod network;
mod nodes;
mod workloads;
