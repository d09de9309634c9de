//! Images by name: those that come with the program, and those that were uploaded or pushed.
//!
//! On disk: `blobs/sha256/HEX` ([`super::blobs`]) and `index.json` ([`super::repositories`]). Aliases let well-known
//! Linux names stand for workloads of ours; they come from a ConfigMap and are replaced whole. Names without a registry
//! of their own, pushed to the registry that this store is behind, are kept below `glasshouse.dev/`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::RwLock;

use super::Digest;
use super::blobs::Blobs;
pub(crate) use super::blobs::write_whole;
use super::found::{Image, PullError};
use super::manifest::{self, OCI_MANIFEST};
use super::reference::Reference;
use super::repositories::Repositories;

/// Most manifests that can be stored.
pub const IMAGES_MAX: usize = 1000;
/// The repository prefix of sample images and of images pushed without a registry in their name.
pub const OWN: &str = "glasshouse.dev";

/// An image that comes with the program.
struct Sample {
    bytes: &'static [u8],
    parts: OnceLock<SampleParts>,
}

/// A sample as a registry shows it.
pub(super) struct SampleParts {
    pub(super) program: Digest,
    pub(super) config: (Digest, Bytes),
    pub(super) manifest: (Digest, Bytes),
}

/// All images of a process. Clones share it.
#[derive(Clone)]
pub struct ImageStore {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    folder: PathBuf,
    samples: BTreeMap<String, Sample>,
    pub(super) state: RwLock<State>,
    aliases: RwLock<BTreeMap<String, String>>,
    /// Names of the registry that this store is behind: `localhost:7080`.
    hosts: RwLock<Vec<String>>,
}

/// What changes.
pub(super) struct State {
    pub(super) repositories: Repositories,
    pub(super) blobs: Blobs,
    /// Blobs that no manifest needs yet, oldest first.
    pub(super) pending: Vec<Digest>,
}

impl ImageStore {
    /// Opens the store in `folder`. `samples` are programs by short name, kept as `glasshouse.dev/NAME:latest`.
    ///
    /// # Errors
    /// When the folder cannot be made or its index cannot be read.
    pub fn open(folder: &Path, samples: Vec<(String, &'static [u8])>) -> io::Result<Self> {
        let mut blobs = Blobs::open(folder.join("blobs/sha256"))?;
        let repositories: Repositories = match std::fs::read(folder.join("index.json")) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                let what = format!("index.json of the images: {error}");
                io::Error::new(io::ErrorKind::InvalidData, what)
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Repositories::default(),
            Err(error) => return Err(error),
        };
        let needed = repositories.needed();
        blobs.retain(|digest| needed.contains(digest));
        let samples = samples.into_iter().map(|(name, bytes)| {
            let parts = OnceLock::new();
            (format!("{OWN}/{name}"), Sample { bytes, parts })
        });
        let state = State {
            repositories,
            blobs,
            pending: Vec::new(),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                folder: folder.to_owned(),
                samples: samples.collect(),
                state: RwLock::new(state),
                aliases: RwLock::default(),
                hosts: RwLock::default(),
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

    /// Says under which names (`localhost:7080`) people reach the registry that this store is behind, so that
    /// `localhost:7080/app` in a pod is what was pushed there.
    pub fn set_registry_hosts(&self, hosts: Vec<String>) {
        *self.inner.hosts.write() = hosts;
    }

    /// Whether a repository is that of a sample image.
    #[must_use]
    pub fn is_sample(&self, repository: &str) -> bool {
        self.inner.samples.contains_key(repository)
    }

    /// All images that can be started, by name, with the digests of their programs.
    #[must_use]
    pub fn list(&self) -> Vec<(String, Digest)> {
        let mut images: Vec<_> = self
            .inner
            .samples
            .iter()
            .map(|(name, sample)| (format!("{name}:latest"), sample.parts().program))
            .collect();
        let state = self.inner.state.read();
        for (name, repository) in &state.repositories.0 {
            let tags = repository.tags.iter().filter_map(|(tag, digest)| {
                let program = repository.manifests.get(digest)?.program?;
                Some((format!("{name}:{tag}"), program))
            });
            images.extend(tags);
        }
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
        let samples = self.inner.samples.keys();
        Err(PullError::NotFound {
            image: image.to_owned(),
            samples: join(samples.map(|name| format!("{name}:latest")).collect()),
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

    /// The repository that a pod's image name means here.
    pub(super) fn local_repository(&self, repository: &str) -> String {
        match repository.split_once('/') {
            Some((host, path)) if self.inner.hosts.read().iter().any(|own| own == host) => {
                own_repository(path)
            }
            _ => repository.to_owned(),
        }
    }

    fn named(
        &self,
        image: &str,
        reference: &Reference,
        alias: Option<&str>,
    ) -> Result<Option<Image>, PullError> {
        let repository = self.local_repository(&reference.repository);
        let Some((manifest, digest)) = self.located(image, &repository, reference)? else {
            return Ok(None);
        };
        if let Some(wanted) = &reference.digest
            && *wanted != manifest.to_string()
            && *wanted != digest.to_string()
        {
            return Err(PullError::OtherDigest {
                image: image.to_owned(),
                wanted: wanted.clone(),
                found: manifest.to_string(),
            });
        }
        // What a sample has is not stored again, whatever name it was pushed under.
        let stored = self.inner.state.read().blobs.size(&digest);
        let sample = || self.sample_blob(&digest).map(|bytes| bytes.len() as u64);
        let size = stored.or_else(sample).ok_or_else(|| PullError::Io {
            image: image.to_owned(),
            source: missing(&digest),
        })?;
        Ok(Some(Image {
            name: format!("{repository}:{}", reference.tag),
            digest,
            manifest,
            alias: alias.map(str::to_owned),
            size,
        }))
    }

    /// Manifest and program of a name; a digest in it is preferred to its tag.
    fn located(
        &self,
        image: &str,
        repository: &str,
        reference: &Reference,
    ) -> Result<Option<(Digest, Digest)>, PullError> {
        if let Some(sample) = self.inner.samples.get(repository)
            && reference.tag == "latest"
        {
            let parts = sample.parts();
            return Ok(Some((parts.manifest.0, parts.program)));
        }
        let state = self.inner.state.read();
        let by_digest = reference.digest.as_deref();
        let found = by_digest
            .and_then(|digest| state.repositories.find(repository, digest))
            .or_else(|| state.repositories.find(repository, &reference.tag));
        match found {
            None => Ok(None),
            Some((manifest, stored)) => match (stored.program, &stored.why_not) {
                (Some(program), _) => Ok(Some((manifest, program))),
                (None, why) => Err(PullError::NotRunnable {
                    image: image.to_owned(),
                    why: why.clone().unwrap_or_default(),
                }),
            },
        }
    }

    /// The program of an image. Reads and checks up to 32 MiB: call it off the event loop.
    ///
    /// # Errors
    /// When it is gone, or is no longer what was stored.
    pub fn program(&self, digest: &Digest) -> io::Result<Bytes> {
        self.blob(digest)?.ok_or_else(|| missing(digest))
    }

    pub(super) fn sample(&self, repository: &str) -> Option<&SampleParts> {
        self.inner.samples.get(repository).map(Sample::parts)
    }

    /// A sample's program or config.
    pub(super) fn sample_blob(&self, digest: &Digest) -> Option<Bytes> {
        self.inner.samples.values().find_map(|sample| {
            let parts = sample.parts();
            if parts.program == *digest {
                return Some(Bytes::from_static(sample.bytes));
            }
            (parts.config.0 == *digest).then(|| parts.config.1.clone())
        })
    }

    pub(super) fn sample_names(&self) -> impl Iterator<Item = &String> {
        self.inner.samples.keys()
    }

    /// Stores bytes that have been inspected under a name; the same name given again moves to the new content.
    ///
    /// # Errors
    /// When the name belongs to a sample, the store is full, or the disk refuses. Nothing is stored then.
    pub(crate) fn add(&self, reference: &Reference, bytes: &Bytes) -> io::Result<Image> {
        let repository = self.local_repository(&reference.repository);
        let (config, manifest_bytes) = manifest::wrap(bytes);
        let stored = self
            .check_free(&repository, Some(&reference.tag))
            .and_then(|()| self.put_blob(bytes))
            .and_then(|_| self.put_blob(&config))
            .and_then(|_| {
                self.put_manifest(
                    &repository,
                    Some(&reference.tag),
                    OCI_MANIFEST,
                    &manifest_bytes,
                )
            });
        let manifest = stored.map_err(|error| {
            let left = [bytes.as_ref(), &config, &manifest_bytes].map(Digest::of);
            self.drop_pending(&left);
            io::Error::other(error.to_string())
        })?;
        self.drop_loose(&repository)?;
        Ok(Image {
            name: format!("{repository}:{}", reference.tag),
            digest: Digest::of(bytes),
            manifest,
            alias: None,
            size: bytes.len() as u64,
        })
    }

    /// Removes an uploaded image's name, and its content when nothing else needs it; whether it was there.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn remove(&self, name: &str) -> io::Result<bool> {
        let Some((repository, tag)) = name.rsplit_once(':') else {
            return Ok(false);
        };
        let removed = self.change(|all| all.remove(repository, tag))?;
        self.drop_loose(repository)?;
        Ok(removed)
    }

    fn drop_loose(&self, repository: &str) -> io::Result<()> {
        self.change(|all| all.remove_loose(repository)).map(drop)
    }

    /// Changes the index on disk, then in memory, and drops what nobody needs any more; whether it changed.
    pub(super) fn change(
        &self,
        change: impl FnOnce(&mut Repositories) -> bool,
    ) -> io::Result<bool> {
        let mut state = self.inner.state.write();
        let mut next = state.repositories.clone();
        if !change(&mut next) {
            return Ok(false);
        }
        let text = serde_json::to_vec_pretty(&next)?;
        write_whole(&self.inner.folder.join("index.json"), &text)?;
        state.repositories = next;
        state.sweep();
        Ok(true)
    }
}

fn missing(digest: &Digest) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{digest} is missing"))
}

impl State {
    /// Removes blobs that no manifest needs and nobody is about to refer to.
    pub(super) fn sweep(&mut self) {
        let needed = self.repositories.needed();
        self.pending.retain(|digest| !needed.contains(digest));
        let pending = &self.pending;
        self.blobs
            .retain(|digest| needed.contains(digest) || pending.contains(digest));
    }
}

/// The repository of a path in the registry that the store is behind: `app` is `glasshouse.dev/app`, and a path that
/// begins with another registry's name keeps it, as in a mirror.
#[must_use]
pub fn own_repository(path: &str) -> String {
    match path.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => path.to_owned(),
        _ => format!("{OWN}/{path}"),
    }
}

/// The path under which the registry shows a repository: the inverse of [`own_repository`].
#[must_use]
pub fn registry_path(repository: &str) -> &str {
    repository
        .strip_prefix(OWN)
        .and_then(|path| path.strip_prefix('/'))
        .unwrap_or(repository)
}

impl Sample {
    fn parts(&self) -> &SampleParts {
        self.parts.get_or_init(|| {
            let (config, manifest) = manifest::wrap(self.bytes);
            SampleParts {
                program: Digest::of(self.bytes),
                config: (Digest::of(&config), config.into()),
                manifest: (Digest::of(&manifest), manifest.into()),
            }
        })
    }
}
