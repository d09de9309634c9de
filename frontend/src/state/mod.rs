//! What the page knows and derives: pure folds and views, tested without a browser, and the few signals that carry
//! them to the components ([`app`]).

pub mod app;
pub mod cluster;
pub mod node;
pub mod pod;
pub mod rooms;
pub mod route;
pub mod samples;
pub mod share;
pub mod table;
pub mod text;
pub mod timeline;
pub mod trace;
pub mod yaml;
