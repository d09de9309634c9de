//! The large parts of the page, one folder or file each. They share signals, not code: what two need is in `ui/` or
//! `state/`.

pub mod commands;
pub mod console;
pub mod design;
pub mod drag;
pub mod foot;
pub mod header;
pub mod help;
pub mod house;
pub mod inspect;
pub mod instruments;
pub mod keys;
pub mod mark;
pub mod new;
pub mod palette;
pub mod panel;
pub mod paste;
pub mod scenario;
pub mod send;
pub mod share;
pub mod tables;
pub mod upload;
