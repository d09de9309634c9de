//! The engine's images as the storage of the registry.

use bytes::Bytes;
use io_http::registry::{Manifest, Refusal, Storage};
use io_wasm::image::store::{own_repository, registry_path};
use io_wasm::image::{Digest, ImageStore, StoreError};
use serde_json::Value;

/// The images of this process's engine.
pub(crate) struct EngineStorage(pub(crate) ImageStore);

fn refuse(error: &StoreError) -> Refusal {
    let (status, code) = match error {
        StoreError::Manifest(_) => (400, "MANIFEST_INVALID"),
        StoreError::Missing(_) => (404, "MANIFEST_BLOB_UNKNOWN"),
        StoreError::Reserved(_) => (403, "DENIED"),
        StoreError::TooLarge(_) => (413, "SIZE_INVALID"),
        StoreError::Full(_) => (507, "DENIED"),
        StoreError::Io(_) => (500, "UNKNOWN"),
    };
    Refusal::with_status(status, code, error.to_string())
}

fn unreadable(error: std::io::Error) -> Refusal {
    refuse(&StoreError::Io(error))
}

impl Storage for EngineStorage {
    fn repositories(&self) -> Vec<String> {
        let names = self.0.repositories();
        let mut paths: Vec<String> = names.iter().map(|n| registry_path(n).to_owned()).collect();
        paths.sort();
        paths
    }

    fn tags(&self, name: &str) -> Option<Vec<String>> {
        self.0.tags(&own_repository(name))
    }

    fn manifest(&self, name: &str, reference: &str) -> Result<Option<Manifest>, Refusal> {
        let found = self.0.manifest(&own_repository(name), reference);
        let found = found.map_err(unreadable)?;
        Ok(found.map(|manifest| Manifest {
            digest: manifest.digest.to_string(),
            media_type: manifest.media_type,
            bytes: manifest.bytes,
        }))
    }

    fn put_manifest(
        &self,
        name: &str,
        tag: Option<&str>,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<String, Refusal> {
        self.0
            .put_manifest(&own_repository(name), tag, media_type, bytes)
            .map(|digest| digest.to_string())
            .map_err(|error| refuse(&error))
    }

    fn delete_manifest(&self, name: &str, reference: &str) -> Result<bool, Refusal> {
        self.0
            .delete_manifest(&own_repository(name), reference)
            .map_err(|error| refuse(&error))
    }

    fn referrers(&self, name: &str, digest: &str) -> Vec<Value> {
        Digest::parse(digest).map_or_else(Vec::new, |digest| {
            self.0.referrers(&own_repository(name), &digest)
        })
    }

    fn blob(&self, digest: &str) -> Result<Option<Bytes>, Refusal> {
        match Digest::parse(digest) {
            Some(digest) => self.0.blob(&digest).map_err(unreadable),
            None => Ok(None),
        }
    }

    fn put_blob(&self, bytes: &[u8]) -> Result<(), Refusal> {
        self.0
            .put_blob(bytes)
            .map(drop)
            .map_err(|error| refuse(&error))
    }

    fn delete_blob(&self, digest: &str) -> bool {
        Digest::parse(digest).is_some_and(|digest| self.0.delete_blob(&digest))
    }
}
