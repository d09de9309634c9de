//! Compiles programs, and keeps the results on disk: `cache/ENGINE/DIGEST.cwasm`.
//!
//! `ENGINE` is wasmtime's own compatibility hash of version, settings and processor features: an artefact of another
//! engine is never looked at. A compilation cannot be interrupted, so what bounds it is the size of images and the
//! number of compilations at a time.

use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

use crate::image::Digest;
use crate::image::store::write_whole;

/// Artefacts kept on disk at most, in bytes; the oldest go first.
const CACHE_BYTES_MAX: u64 = 2 << 30;

/// Why a program cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// wasmtime refuses it.
    #[error("the image does not compile: {0}")]
    Failed(String),
    /// The engine is shutting down.
    #[error("the engine is shutting down")]
    ShuttingDown,
}

/// Compiles and remembers.
pub(crate) struct Compiler {
    engine: Engine,
    folder: PathBuf,
    jobs: Arc<Semaphore>,
}

impl Compiler {
    pub(crate) fn new(engine: Engine, cache: &Path, jobs: Semaphore) -> io::Result<Self> {
        // Fixed keys: the same engine finds its folder again.
        #[allow(deprecated, reason = "a hash with fixed keys is wanted")]
        let mut hasher = std::hash::SipHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let folder = cache.join(format!("{:016x}", hasher.finish()));
        std::fs::create_dir_all(&folder)?;
        restrict(cache)?;
        Ok(Self {
            engine,
            folder,
            jobs: Arc::new(jobs),
        })
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{}.cwasm", digest.hex()))
    }

    /// Whether the program is on disk.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    /// Compiles a component, or maps it from the cache.
    pub(crate) async fn component(
        &self,
        digest: Digest,
        bytes: Bytes,
    ) -> Result<Component, CompileError> {
        self.load_or_make(digest, bytes, load_component, |engine, bytes| {
            engine.precompile_component(bytes)
        })
        .await
    }

    /// Compiles a core module, or maps it from the cache.
    pub(crate) async fn module(
        &self,
        digest: Digest,
        bytes: Bytes,
    ) -> Result<Module, CompileError> {
        self.load_or_make(digest, bytes, load_module, |engine, bytes| {
            engine.precompile_module(bytes)
        })
        .await
    }

    async fn load_or_make<T: Send + 'static>(
        &self,
        digest: Digest,
        bytes: Bytes,
        load: fn(&Engine, &Path) -> wasmtime::Result<T>,
        make: fn(&Engine, &[u8]) -> wasmtime::Result<Vec<u8>>,
    ) -> Result<T, CompileError> {
        let path = self.path(&digest);
        if path.is_file() {
            match load(&self.engine, &path) {
                Ok(program) => return Ok(program),
                Err(error) => tracing::warn!(%digest, %error, "a cached program is compiled anew"),
            }
        }
        let job = Arc::clone(&self.jobs)
            .acquire_owned()
            .await
            .map_err(|_| CompileError::ShuttingDown)?;
        let (engine, folder) = (self.engine.clone(), self.folder.clone());
        let compiled = tokio::task::spawn_blocking(move || {
            let _job = job;
            let artefact = make(&engine, &bytes)?;
            write_whole(&path, &artefact)?;
            drop(artefact);
            let program = load(&engine, &path)?;
            if let Err(error) = trim(&folder, &path) {
                tracing::warn!(%error, "the compile cache cannot be trimmed");
            }
            Ok::<T, wasmtime::Error>(program)
        });
        match compiled.await {
            Ok(Ok(program)) => Ok(program),
            Ok(Err(error)) => Err(CompileError::Failed(format!("{error:#}"))),
            Err(error) => Err(CompileError::Failed(format!(
                "the compiler failed: {error}"
            ))),
        }
    }
}

#[expect(unsafe_code, reason = "wasmtime cannot check machine code")]
fn load_component(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file is the output of `precompile_component` of an engine with the same compatibility hash, written
    // whole by this program into a folder that only its user can enter; wasmtime checks version and settings again.
    unsafe { Component::deserialize_file(engine, path) }
}

#[expect(unsafe_code, reason = "wasmtime cannot check machine code")]
fn load_module(engine: &Engine, path: &Path) -> wasmtime::Result<Module> {
    // SAFETY: as for components, with `precompile_module`.
    unsafe { Module::deserialize_file(engine, path) }
}

/// Keeps other users out: whoever can write here can run machine code as us.
fn restrict(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
}

/// Removes the oldest artefacts beyond the cache's size, never `keep`.
fn trim(folder: &Path, keep: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        files.push((metadata.modified()?, metadata.len(), entry.path()));
    }
    files.sort();
    let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, size, path) in files {
        if bytes <= CACHE_BYTES_MAX {
            break;
        }
        if path != keep {
            std::fs::remove_file(&path)?;
            bytes -= size;
        }
    }
    Ok(())
}
