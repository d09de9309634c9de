//! What the page knows and derives: pure folds and views, tested without a browser, and the few signals that carry
//! them to the components ([`app`]).

pub mod app;
pub mod cluster;
pub mod command;
pub mod commands;
pub mod diff;
pub mod effects;
pub mod filter;
pub mod lesson;
pub mod locate;
pub mod log;
pub mod manifest;
pub mod markdown;
pub mod merge;
pub mod namespace;
pub mod node;
pub mod pod;
pub mod qr;
pub mod replay;
pub mod rooms;
pub mod route;
pub mod samples;
pub mod share;
pub mod stage;
pub mod table;
pub mod text;
pub mod timeline;
pub mod trace;
pub mod undo;
pub mod verdict;
pub mod yaml;
