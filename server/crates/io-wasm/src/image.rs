//! Images: names, content by digest, what is in them, and what they are started as.

mod archive;
pub(crate) mod blobs;
pub mod config;
pub mod digest;
pub mod found;
pub mod inspect;
pub mod manifest;
pub(crate) mod probe;
pub mod reference;
pub mod registry;
mod repositories;
pub mod store;

pub use config::ImageConfig;
pub use digest::Digest;
pub use found::{Image, PullError};
pub use inspect::{ImageInfo, ImageKind, Refusal};
pub use reference::{InvalidReference, Reference};
pub use registry::{StoreError, StoredManifest};
pub use store::ImageStore;

/// Largest image in bytes.
pub const IMAGE_BYTES_MAX: usize = 32 * 1024 * 1024;
