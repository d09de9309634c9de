//! What a name leads to: an image, or the reason why there is none.

use std::io;

use super::Digest;
use super::reference::InvalidReference;

/// An image that a name stands for.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its own name, after aliases: `glasshouse.dev/hello-http:latest`.
    pub name: String,
    /// The digest of its program.
    pub digest: Digest,
    /// The digest of its manifest.
    pub manifest: Digest,
    /// The alias that led here, such as `nginx`.
    pub alias: Option<String>,
    /// The size of its program in bytes.
    pub size: u64,
}

impl Image {
    /// `glasshouse.dev/hello-http@sha256:...`: a container status' `imageID`, by the digest of the manifest.
    #[must_use]
    pub fn id(&self) -> String {
        let repository = self
            .name
            .rsplit_once(':')
            .map_or(self.name.as_str(), |(r, _)| r);
        format!("{repository}@{}", self.manifest)
    }

    /// The program's name: the last part of the image's.
    #[must_use]
    pub fn program(&self) -> &str {
        let repository = self
            .name
            .rsplit_once(':')
            .map_or(self.name.as_str(), |(r, _)| r);
        repository.rsplit('/').next().unwrap_or(repository)
    }
}

/// Why an image cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// No image name.
    #[error(transparent)]
    InvalidName(#[from] InvalidReference),
    /// No such image here.
    #[error(
        "failed to pull image \"{image}\": not found. Glasshouse runs WebAssembly, not Linux images: upload a .wasm (drop it on the dashboard), use one of {samples}, or one of the aliases in ConfigMap kube-system/image-aliases ({aliases})"
    )]
    NotFound {
        /// As asked for.
        image: String,
        /// What comes with the program.
        samples: String,
        /// The aliases there are.
        aliases: String,
    },
    /// There under this name with other content.
    #[error(
        "failed to pull image \"{image}\": it is pinned to {wanted}, but here the name stands for {found}"
    )]
    OtherDigest {
        /// As asked for.
        image: String,
        /// The digest in the name.
        wanted: String,
        /// The digest here.
        found: String,
    },
    /// An alias that leads nowhere.
    #[error(
        "failed to pull image \"{image}\": the alias \"{alias}\" in ConfigMap kube-system/image-aliases stands for \"{target}\", which is not here"
    )]
    BrokenAlias {
        /// As asked for.
        image: String,
        /// The alias.
        alias: String,
        /// What it stands for.
        target: String,
    },
    /// There, but no program for a node.
    #[error("failed to pull image \"{image}\": {why}")]
    NotRunnable {
        /// As asked for.
        image: String,
        /// Why.
        why: String,
    },
    /// The disk refuses.
    #[error("failed to pull image \"{image}\": its content cannot be read: {source}")]
    Io {
        /// As asked for.
        image: String,
        /// Why.
        source: io::Error,
    },
}

impl PullError {
    /// The waiting reason of a container.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::InvalidName(_) => "InvalidImageName",
            _ => "ErrImagePull",
        }
    }
}
