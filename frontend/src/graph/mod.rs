//! The drawing's geometry: which rooms there are, where they stand, how edges run between them and what moves along.
//!
//! All but [`animate`] is pure and deterministic: the same cluster gives the same drawing.

pub mod animate;
pub mod edge;
pub mod flight;
pub mod layout;
pub mod room;
