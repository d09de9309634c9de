//! Images: names, bytes by digest, what is in them, and what they are started as.

pub mod config;
pub mod inspect;
pub(crate) mod probe;
pub mod reference;
pub mod store;

pub use config::ImageConfig;
pub use inspect::{ImageInfo, ImageKind, Refusal};
pub use reference::{InvalidReference, Reference};
pub use store::{Digest, Image, ImageStore, PullError};

/// Largest image in bytes.
pub const IMAGE_BYTES_MAX: usize = 32 * 1024 * 1024;
