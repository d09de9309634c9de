//! Images by name and digest: those that come with the program, and those that were uploaded.
//!
//! On disk: `blobs/sha256/HEX` and `index.json` (name to digest), both written whole and then renamed into place.
//! Aliases let well-known Linux names stand for workloads of ours; they come from a ConfigMap and are replaced whole.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::RwLock;
use sha2::{Digest as _, Sha256};

use super::reference::{InvalidReference, Reference};

/// Most images that can be uploaded.
pub const IMAGES_MAX: usize = 1000;

/// The SHA-256 of an image's bytes; shown as `sha256:HEX`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 64 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Parses `sha256:HEX`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("sha256:")?;
        if hex.len() != 64 || !hex.is_ascii() {
            return None;
        }
        let mut digest = [0; 32];
        for (i, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(hex.get(2 * i..2 * i + 2)?, 16).ok()?;
        }
        Some(Self(digest))
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// An image that a name stands for.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its own name, after aliases: `glasshouse.dev/hello-http:latest`.
    pub name: String,
    /// Its digest.
    pub digest: Digest,
    /// The alias that led here, such as `nginx`.
    pub alias: Option<String>,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Image {
    /// `glasshouse.dev/hello-http@sha256:...`: a container status' `imageID`.
    #[must_use]
    pub fn id(&self) -> String {
        let repository = self
            .name
            .rsplit_once(':')
            .map_or(self.name.as_str(), |(r, _)| r);
        format!("{repository}@{}", self.digest)
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

/// An image that comes with the program.
struct Sample {
    bytes: &'static [u8],
    digest: OnceLock<Digest>,
}

/// All images of a process. Clones share it.
#[derive(Clone)]
pub struct ImageStore {
    inner: Arc<Inner>,
}

struct Inner {
    folder: PathBuf,
    samples: BTreeMap<String, Sample>,
    index: RwLock<BTreeMap<String, Digest>>,
    aliases: RwLock<BTreeMap<String, String>>,
}

impl ImageStore {
    /// Opens the store in `folder`. `samples` are programs by short name, kept as `glasshouse.dev/NAME:latest`.
    ///
    /// # Errors
    /// When the folder cannot be made or its index cannot be read.
    pub fn open(folder: &Path, samples: Vec<(String, &'static [u8])>) -> io::Result<Self> {
        std::fs::create_dir_all(folder.join("blobs/sha256"))?;
        let index = match std::fs::read(folder.join("index.json")) {
            Ok(bytes) => read_index(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        let samples = samples
            .into_iter()
            .map(|(name, bytes)| {
                let sample = Sample {
                    bytes,
                    digest: OnceLock::new(),
                };
                (format!("glasshouse.dev/{name}:latest"), sample)
            })
            .collect();
        Ok(Self {
            inner: Arc::new(Inner {
                folder: folder.to_owned(),
                samples,
                index: RwLock::new(index),
                aliases: RwLock::default(),
            }),
        })
    }

    /// Replaces the aliases: what people write, to what it stands for.
    pub fn set_aliases(&self, aliases: BTreeMap<String, String>) {
        *self.inner.aliases.write() = aliases;
    }

    /// The aliases in force.
    #[must_use]
    pub fn aliases(&self) -> BTreeMap<String, String> {
        self.inner.aliases.read().clone()
    }

    /// All images by name, with their digests.
    #[must_use]
    pub fn list(&self) -> Vec<(String, Digest)> {
        let mut images: Vec<_> = self
            .inner
            .samples
            .iter()
            .map(|(name, sample)| (name.clone(), sample.digest()))
            .collect();
        images.extend(
            self.inner
                .index
                .read()
                .iter()
                .map(|(name, digest)| (name.clone(), *digest)),
        );
        images.sort();
        images
    }

    /// Finds the image that a name in a pod spec stands for. An alias is taken as written first (it may be no valid
    /// image name at all), then by the rules of [`Reference::alias_names`].
    ///
    /// # Errors
    /// When there is none; the message says what to do.
    pub fn resolve(&self, image: &str) -> Result<Image, PullError> {
        if let Some(target) = self.alias(image) {
            return self.through_alias(image, image, &target);
        }
        let reference = Reference::parse(image)?;
        if let Some(found) = self.named(image, &reference, None)? {
            return Ok(found);
        }
        for name in reference.alias_names() {
            if let Some(target) = self.alias(&name) {
                return self.through_alias(image, &name, &target);
            }
        }
        let join = |names: Vec<String>| {
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        };
        Err(PullError::NotFound {
            image: image.to_owned(),
            samples: join(self.inner.samples.keys().cloned().collect()),
            aliases: join(self.inner.aliases.read().keys().cloned().collect()),
        })
    }

    fn alias(&self, name: &str) -> Option<String> {
        self.inner.aliases.read().get(name).cloned()
    }

    /// Aliases lead to images, not to further aliases.
    fn through_alias(&self, image: &str, alias: &str, target: &str) -> Result<Image, PullError> {
        let reference = Reference::parse(target)?;
        self.named(image, &reference, Some(alias))?
            .ok_or_else(|| PullError::BrokenAlias {
                image: image.to_owned(),
                alias: alias.to_owned(),
                target: target.to_owned(),
            })
    }

    fn named(
        &self,
        image: &str,
        reference: &Reference,
        alias: Option<&str>,
    ) -> Result<Option<Image>, PullError> {
        let name = format!("{}:{}", reference.repository, reference.tag);
        let sample = self.inner.samples.get(&name);
        let digest = match sample {
            Some(sample) => sample.digest(),
            None => match self.inner.index.read().get(&name) {
                Some(digest) => *digest,
                None => return Ok(None),
            },
        };
        if let Some(wanted) = &reference.digest
            && *wanted != digest.to_string()
        {
            return Err(PullError::OtherDigest {
                image: image.to_owned(),
                wanted: wanted.clone(),
                found: digest.to_string(),
            });
        }
        let bytes = match sample {
            Some(sample) => Bytes::from_static(sample.bytes),
            None => self.read_blob(&digest).map_err(|source| PullError::Io {
                image: image.to_owned(),
                source,
            })?,
        };
        Ok(Some(Image {
            name,
            digest,
            alias: alias.map(str::to_owned),
            bytes,
        }))
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.inner.folder.join("blobs/sha256").join(digest.hex())
    }

    /// Reads and checks a blob: damage on the disk must not become another program.
    fn read_blob(&self, digest: &Digest) -> io::Result<Bytes> {
        let bytes = std::fs::read(self.blob_path(digest))?;
        if Digest::of(&bytes) == *digest {
            Ok(bytes.into())
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the stored bytes of {digest} are damaged: upload the image again"),
            ))
        }
    }

    /// Stores bytes that have been inspected under a name; the same name given again moves to the new content.
    ///
    /// # Errors
    /// When the name belongs to a sample, the store is full, or the disk refuses. Nothing is stored then.
    pub(crate) fn add(&self, reference: &Reference, bytes: &[u8]) -> io::Result<Image> {
        let name = format!("{}:{}", reference.repository, reference.tag);
        if reference.repository.starts_with("glasshouse.dev/") {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "{name}: names below glasshouse.dev/ are the sample images'; choose another"
                ),
            ));
        }
        let digest = Digest::of(bytes);
        let mut index = self.inner.index.write();
        if index.len() >= IMAGES_MAX && !index.contains_key(&name) {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                format!("there are {IMAGES_MAX} images already: remove some first"),
            ));
        }
        write_whole(&self.blob_path(&digest), bytes)?;
        let mut next = index.clone();
        let before = next.insert(name.clone(), digest);
        write_whole(&self.inner.folder.join("index.json"), &index_json(&next)?)?;
        *index = next;
        if let Some(before) = before {
            self.drop_blob_unless_used(&index, before);
        }
        Ok(Image {
            name,
            digest,
            alias: None,
            bytes: Bytes::copy_from_slice(bytes),
        })
    }

    /// Removes an uploaded image's name, and its bytes when no other name has them; whether it was there.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn remove(&self, name: &str) -> io::Result<bool> {
        let mut index = self.inner.index.write();
        let mut next = index.clone();
        let Some(digest) = next.remove(name) else {
            return Ok(false);
        };
        write_whole(&self.inner.folder.join("index.json"), &index_json(&next)?)?;
        *index = next;
        self.drop_blob_unless_used(&index, digest);
        Ok(true)
    }

    fn drop_blob_unless_used(&self, index: &BTreeMap<String, Digest>, digest: Digest) {
        if index.values().any(|used| *used == digest) {
            return;
        }
        if let Err(error) = std::fs::remove_file(self.blob_path(&digest)) {
            tracing::warn!(%digest, %error, "an unused image cannot be removed");
        }
    }
}

impl Sample {
    fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| Digest::of(self.bytes))
    }
}

fn read_index(bytes: &[u8]) -> io::Result<BTreeMap<String, Digest>> {
    let damaged = |what: String| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("index.json of the images: {what}"),
        )
    };
    let names: BTreeMap<String, String> =
        serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
    names
        .into_iter()
        .map(|(name, digest)| {
            let digest =
                Digest::parse(&digest).ok_or_else(|| damaged(format!("{digest} is no digest")))?;
            Ok((name, digest))
        })
        .collect()
}

fn index_json(index: &BTreeMap<String, Digest>) -> io::Result<Vec<u8>> {
    let names: BTreeMap<&String, String> = index
        .iter()
        .map(|(name, digest)| (name, digest.to_string()))
        .collect();
    Ok(serde_json::to_vec_pretty(&names)?)
}

/// Writes a file whole or not at all, even when the power goes.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static COUNTER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let n = COUNTER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let partial = path.with_extension(format!("partial-{}-{n}", std::process::id()));
    let written = std::fs::File::create(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| std::fs::rename(&partial, path));
    if renamed.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    renamed
}
