//! Small parts that know nothing of clusters' rules: a modal, a state's glyph and word, notices.

pub mod modal;
pub mod notice;
pub mod state_word;
