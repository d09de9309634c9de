//! An image store as a registry sees it: blobs, manifests, tags, referrers, and what goes when room runs out.

use std::io;

use bytes::Bytes;
use serde_json::{Value, json};

use super::archive;
use super::blobs;
use super::manifest::{Manifest, ManifestError, OCI_MANIFEST, Program};
use super::repositories::{Repository, Stored};
use super::store::{IMAGES_MAX, ImageStore};
use super::{Digest, IMAGE_BYTES_MAX};

/// Largest blob in bytes: that of the largest image.
pub const BLOB_BYTES_MAX: usize = IMAGE_BYTES_MAX;
/// Room for all images together, in bytes.
pub const STORE_BYTES_MAX: u64 = 8 << 30;
/// Above this share of the room, in percent, what nothing names is removed (the kubelet's
/// `imageGCHighThresholdPercent`).
const GC_HIGH_PERCENT: u64 = 85;
/// Most blobs that wait for a manifest to refer to them.
const PENDING_MAX: usize = 256;

/// Why content cannot be stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A manifest refers to a blob or a manifest that is not there.
    #[error("the manifest refers to {0}, which is not here: push it first")]
    Missing(Digest),
    /// The name belongs to a sample image.
    #[error("{0} is a sample image and cannot be changed; choose another name or tag")]
    Reserved(String),
    /// Larger than an image may be.
    #[error("the blob has {0} bytes; at most {BLOB_BYTES_MAX} are taken")]
    TooLarge(usize),
    /// No room.
    #[error("{0}: remove some images first")]
    Full(String),
    /// The disk refuses.
    #[error("the disk refuses: {0}")]
    Io(#[from] io::Error),
}

/// A stored manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredManifest {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Bytes,
}

impl ImageStore {
    /// The repositories that hold anything, sorted.
    #[must_use]
    pub fn repositories(&self) -> Vec<String> {
        let state = self.inner.state.read();
        let mut names: Vec<String> = state.repositories.0.keys().cloned().collect();
        names.extend(self.sample_names().cloned());
        names.sort();
        names.dedup();
        names
    }

    /// A repository's tags, sorted; `None` when there is no such repository.
    #[must_use]
    pub fn tags(&self, repository: &str) -> Option<Vec<String>> {
        let state = self.inner.state.read();
        let stored = state.repositories.0.get(repository);
        let sample = self.sample(repository).map(|_| "latest".to_owned());
        if stored.is_none() && sample.is_none() {
            return None;
        }
        let tags = stored.map(|r| r.tags.keys().cloned().collect::<Vec<_>>());
        let mut tags: Vec<String> = tags.into_iter().flatten().chain(sample).collect();
        tags.sort();
        Some(tags)
    }

    /// The manifest that a tag or a digest names.
    ///
    /// # Errors
    /// When it is there but cannot be read.
    pub fn manifest(
        &self,
        repository: &str,
        reference: &str,
    ) -> io::Result<Option<StoredManifest>> {
        if let Some(sample) = self.sample(repository) {
            let (digest, bytes) = &sample.manifest;
            if reference == "latest" || *digest.to_string() == *reference {
                return Ok(Some(StoredManifest {
                    digest: *digest,
                    media_type: OCI_MANIFEST.to_owned(),
                    bytes: bytes.clone(),
                }));
            }
        }
        let (digest, media_type, path) = {
            let state = self.inner.state.read();
            let Some((digest, stored)) = state.repositories.find(repository, reference) else {
                return Ok(None);
            };
            (digest, stored.media_type.clone(), state.blobs.path(&digest))
        };
        let bytes = blobs::read(&path, &digest)?;
        Ok(Some(StoredManifest {
            digest,
            media_type,
            bytes,
        }))
    }

    /// The manifests that say something about one, as an index lists them.
    #[must_use]
    pub fn referrers(&self, repository: &str, subject: &Digest) -> Vec<Value> {
        let state = self.inner.state.read();
        let Some(repository) = state.repositories.0.get(repository) else {
            return Vec::new();
        };
        let about = repository
            .manifests
            .iter()
            .filter(|(_, stored)| stored.subject == Some(*subject));
        about
            .map(|(digest, stored)| {
                let mut descriptor =
                    json!({"mediaType": stored.media_type, "digest": digest, "size": stored.size});
                if let Some(artifact_type) = &stored.artifact_type {
                    descriptor["artifactType"] = json!(artifact_type);
                }
                if let Some(annotations) = &stored.annotations {
                    descriptor["annotations"] = annotations.clone();
                }
                descriptor
            })
            .collect()
    }

    /// Content by digest.
    ///
    /// # Errors
    /// When it is there but cannot be read.
    pub fn blob(&self, digest: &Digest) -> io::Result<Option<Bytes>> {
        let path = {
            let state = self.inner.state.read();
            state.blobs.has(digest).then(|| state.blobs.path(digest))
        };
        match path {
            Some(path) => blobs::read(&path, digest).map(Some),
            None => Ok(self.sample_blob(digest)),
        }
    }

    /// Keeps content that a manifest is going to refer to.
    ///
    /// # Errors
    /// When it is too large, there is no room, or the disk refuses.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        if bytes.len() > BLOB_BYTES_MAX {
            return Err(StoreError::TooLarge(bytes.len()));
        }
        self.make_room(bytes.len() as u64)?;
        let mut state = self.inner.state.write();
        let digest = state.blobs.put(bytes)?;
        state.pending.retain(|pending| *pending != digest);
        state.pending.push(digest);
        if state.pending.len() > PENDING_MAX {
            state.pending.remove(0);
            state.sweep();
        }
        Ok(digest)
    }

    /// Forgets content that no manifest refers to; whether it was there and could go.
    pub fn delete_blob(&self, digest: &Digest) -> bool {
        let mut state = self.inner.state.write();
        let was_there = state.blobs.has(digest);
        state.pending.retain(|pending| pending != digest);
        state.sweep();
        was_there && !state.blobs.has(digest)
    }

    /// Forgets what an upload that failed left behind.
    pub(super) fn drop_pending(&self, left: &[Digest]) {
        let mut state = self.inner.state.write();
        state.pending.retain(|pending| !left.contains(pending));
        state.sweep();
    }

    /// Whether the name may be written.
    pub(super) fn check_free(&self, repository: &str, tag: Option<&str>) -> Result<(), StoreError> {
        if self.is_sample(repository) && tag == Some("latest") {
            return Err(StoreError::Reserved(format!("{repository}:latest")));
        }
        Ok(())
    }

    /// Keeps a manifest, under a tag if one is given. What it refers to must be there.
    ///
    /// # Errors
    /// When it is no manifest, refers to what is not there, the name is a sample's, or the disk refuses.
    pub fn put_manifest(
        &self,
        repository: &str,
        tag: Option<&str>,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Digest, StoreError> {
        self.check_free(repository, tag)?;
        let manifest = Manifest::parse(bytes, Some(media_type).filter(|t| !t.is_empty()))?;
        for blob in manifest.blobs() {
            if !self.inner.state.read().blobs.has(&blob.digest)
                && self.sample_blob(&blob.digest).is_none()
            {
                return Err(StoreError::Missing(blob.digest));
            }
        }
        let mut stored = Stored::new(&manifest, bytes.len());
        match self.find_program(repository, &manifest)? {
            Ok(program) => stored.program = Some(program),
            Err(why) => stored.why_not = Some(why),
        }
        let digest = self.put_blob(bytes)?;
        let mut is_full = false;
        self.change(|all| {
            is_full =
                all.len() >= IMAGES_MAX && all.find(repository, &digest.to_string()).is_none();
            if !is_full {
                all.insert(repository, tag, digest, stored);
            }
            !is_full
        })?;
        if is_full {
            return Err(StoreError::Full(format!(
                "there are {IMAGES_MAX} images already"
            )));
        }
        Ok(digest)
    }

    /// The program that a manifest leads to, or why there is none.
    fn find_program(
        &self,
        repository: &str,
        manifest: &Manifest,
    ) -> Result<Result<Digest, String>, StoreError> {
        let state = self.inner.state.read();
        let children = state.repositories.0.get(repository);
        for child in manifest.manifests() {
            if children.is_none_or(|r| !r.manifests.contains_key(&child.digest)) {
                return Err(StoreError::Missing(child.digest));
            }
        }
        let archives = match manifest.program() {
            Err(why) => return Ok(Err(why)),
            Ok(Program::Layer(layer)) => return Ok(Ok(layer.digest)),
            Ok(Program::Manifest(digest)) => return Ok(program_of(children, &digest)),
            Ok(Program::Archives(layers)) => layers,
        };
        drop(state);
        for layer in archives.iter().rev() {
            let Some(bytes) = self.blob(&layer.digest)? else {
                return Err(StoreError::Missing(layer.digest));
            };
            match archive::wasm_file(&bytes) {
                Ok(Some((_, program))) => return self.put_blob(&program).map(Ok),
                Ok(None) => {}
                Err(why) => return Ok(Err(why)),
            }
        }
        Ok(Err(
            "it is a Linux image: there is no Wasm file in its layers".to_owned(),
        ))
    }

    /// Removes a tag, or a manifest with all its tags; whether it was there.
    ///
    /// # Errors
    /// When it is a sample's, or the index cannot be written.
    pub fn delete_manifest(&self, repository: &str, reference: &str) -> Result<bool, StoreError> {
        if self
            .sample(repository)
            .is_some_and(|s| reference == "latest" || s.manifest.0.to_string() == *reference)
        {
            return Err(StoreError::Reserved(format!("{repository}:latest")));
        }
        Ok(self.change(|all| all.remove(repository, reference))?)
    }

    /// Removes manifests that nothing names when less than 15 % of the room would be left.
    fn make_room(&self, more: u64) -> Result<(), StoreError> {
        let used = || self.inner.state.read().blobs.bytes() + more;
        if used() <= STORE_BYTES_MAX / 100 * GC_HIGH_PERCENT {
            return Ok(());
        }
        for repository in self.repositories() {
            self.change(|all| all.remove_loose(&repository))?;
        }
        if used() > STORE_BYTES_MAX {
            return Err(StoreError::Full(format!(
                "the images would take more than {STORE_BYTES_MAX} bytes"
            )));
        }
        Ok(())
    }
}

fn program_of(repository: Option<&Repository>, manifest: &Digest) -> Result<Digest, String> {
    let stored = repository.and_then(|r| r.manifests.get(manifest));
    match stored.map(|stored| (stored.program, &stored.why_not)) {
        Some((Some(program), _)) => Ok(program),
        Some((None, Some(why))) => Err(why.clone()),
        _ => Err(format!("its manifest {manifest} is not here")),
    }
}

#[cfg(test)]
mod tests;
