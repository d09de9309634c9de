//! Compiles programs, and keeps the results on disk: `cache/ENGINE/DIGEST.cwasm`, with what was found in the program
//! beside it, so that a program that is there is started without reading the image it came from.
//!
//! `ENGINE` is wasmtime's own compatibility hash of version, settings and processor features: an artefact of another
//! engine is never looked at. wasmtime bounds what a program does when it runs, not what compiling it costs, and a
//! compilation cannot be interrupted: it happens in a process of its own ([`job`]) with limits, which can be killed.

pub(crate) mod job;

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

use crate::image::store::write_whole;
use crate::image::{Digest, ImageInfo, ImageKind};
use job::CompileJob;
pub(crate) use job::{CompileError, CompileLimits};

/// Artefacts kept on disk at most, in bytes; the oldest go first.
const CACHE_BYTES_MAX: u64 = 2 << 30;

/// Failures that are remembered at most.
const FAILED_MAX: usize = 1024;

/// Compiles and remembers.
pub(crate) struct Compiler {
    engine: Engine,
    folder: PathBuf,
    jobs: Semaphore,
    /// What is run as `PROGRAM compile ...`; without it this process compiles, with no limits.
    program: Option<PathBuf>,
    limits: CompileLimits,
    /// What did not compile, so that a pod that tries for ever does not cost as much again each time.
    failed: Mutex<BTreeMap<Digest, CompileError>>,
}

impl Compiler {
    pub(crate) fn new(
        engine: Engine,
        cache: &Path,
        jobs: Semaphore,
        program: Option<PathBuf>,
        limits: CompileLimits,
    ) -> io::Result<Self> {
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
            jobs,
            program,
            limits,
            failed: Mutex::default(),
        })
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{}.cwasm", digest.hex()))
    }

    /// Another version of this program may look for other things in an image.
    fn info_path(&self, digest: &Digest) -> PathBuf {
        let version = env!("CARGO_PKG_VERSION");
        self.folder.join(format!("{}-{version}.json", digest.hex()))
    }

    /// Whether the program is on disk.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    /// What was found in a program that is on disk.
    pub(crate) fn info(&self, digest: &Digest) -> Option<ImageInfo> {
        let text = std::fs::read(self.info_path(digest)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Maps a component that is on disk.
    #[expect(unsafe_code, reason = "wasmtime cannot check machine code")]
    pub(crate) fn component(&self, digest: &Digest) -> wasmtime::Result<Component> {
        // SAFETY: the file is the output of `precompile_component` of an engine with the same compatibility hash,
        // written whole by this program into a folder that only its user can enter; wasmtime checks version and
        // settings again.
        unsafe { Component::deserialize_file(&self.engine, self.path(digest)) }
    }

    /// Maps a core module that is on disk.
    #[expect(unsafe_code, reason = "wasmtime cannot check machine code")]
    pub(crate) fn module(&self, digest: &Digest) -> wasmtime::Result<Module> {
        // SAFETY: as for components, with `precompile_module`.
        unsafe { Module::deserialize_file(&self.engine, self.path(digest)) }
    }

    /// Compiles a program onto the disk.
    pub(crate) async fn compile(
        &self,
        digest: &Digest,
        bytes: Bytes,
        info: &ImageInfo,
    ) -> Result<(), CompileError> {
        let _job = self
            .jobs
            .acquire()
            .await
            .map_err(|_| CompileError::ShuttingDown)?;
        if let Some(error) = self.failed.lock().get(digest) {
            return Err(error.clone());
        }
        let path = self.path(digest);
        let job = CompileJob {
            component: info.kind != ImageKind::Preview1,
            output: path.with_extension(format!("partial-{}", std::process::id())),
            limits: self.limits,
        };
        let made = match &self.program {
            Some(program) => job.run_apart(program, bytes).await,
            None => {
                let (engine, job) = (self.engine.clone(), job.clone());
                let compiling = tokio::task::spawn_blocking(move || job.compile(&engine, &bytes));
                compiling
                    .await
                    .unwrap_or_else(|error| Err(CompileError::Broken(error.to_string())))
            }
        };
        let kept = made.and_then(|()| self.keep(&job.output, &path, digest, info));
        if let Err(error) = &kept {
            let _ = std::fs::remove_file(&job.output);
            let mut failed = self.failed.lock();
            if error.is_final() && failed.len() < FAILED_MAX {
                failed.insert(*digest, error.clone());
            }
        }
        kept
    }

    fn keep(
        &self,
        made: &Path,
        path: &Path,
        digest: &Digest,
        info: &ImageInfo,
    ) -> Result<(), CompileError> {
        let keeping = || {
            std::fs::rename(made, path)?;
            write_whole(&self.info_path(digest), &serde_json::to_vec(info)?)
        };
        keeping()
            .map_err(|error| CompileError::Broken(format!("it cannot be kept on disk: {error}")))?;
        if let Err(error) = trim(&self.folder, path) {
            tracing::warn!(%error, "the compile cache cannot be trimmed");
        }
        Ok(())
    }
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
