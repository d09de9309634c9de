//! Small parts that know nothing of clusters' rules: a modal, a state's glyph and word, notices.

pub mod difference;
pub mod editor;
pub mod modal;
pub mod notice;
pub mod prose;
pub mod state_word;
