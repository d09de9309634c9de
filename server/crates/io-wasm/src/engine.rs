//! The container engine of a process: one wasmtime engine, its linkers, the images, and programs ready to run.
//!
//! All nodes of a process share it, so that an image is compiled once. Compilation runs on blocking threads, a bounded
//! number at a time, and its results are kept on disk by digest ([`crate::compile`]).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{OnceCell, Semaphore};
use wasmtime::component::Linker;
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use crate::compile::{CompileError, CompileLimits, Compiler};
use crate::cpu::Ticker;
use crate::guest::Guest;
use crate::image::inspect::{self, ImageInfo, ImageKind, Refusal};
use crate::image::probe::Offers;
use crate::image::{Digest, Image, ImageStore, InvalidReference, PullError, Reference};
use crate::network::NodeNetwork;
use crate::network::trust::Trust;
use crate::preview1::{self, Preview1Guest};

/// Programs kept in memory, ready to be instantiated.
const PROGRAMS_MAX: usize = 128;
/// Most a container without a memory limit may use.
const MEMORY_UNLIMITED_BYTES: u64 = 1 << 30;
/// The image whose programs every container can run: `kubectl exec POD -- sh` works as it does on Linux images, which
/// bring a userland.
const TOOLS: &str = "glasshouse.dev/busybox:latest";

/// What an engine is made with.
pub struct EngineConfig {
    /// Images go to `images/` in it, compiled programs to `cache/`.
    pub data_dir: PathBuf,
    /// Programs that come with the binary, by short name.
    pub samples: Vec<(String, &'static [u8])>,
    /// Compilations at a time; each may use several threads.
    pub compile_jobs: usize,
    /// A program that runs [`crate::CompileJob`] when it is called with `compile`: the process in which images are
    /// compiled under limits. Without one this process compiles, without limits.
    pub compiler: Option<PathBuf>,
    /// What one compilation may use.
    pub compile_limits: CompileLimits,
    /// Most bytes that a container without a memory limit may use.
    pub memory_unlimited_bytes: u64,
    /// Whom guests believe when they speak TLS; without it they cannot.
    pub trust: Option<Trust>,
}

impl EngineConfig {
    /// The usual settings.
    #[must_use]
    pub fn new(data_dir: PathBuf, samples: Vec<(String, &'static [u8])>) -> Self {
        Self {
            data_dir,
            samples,
            compile_jobs: 2,
            compiler: None,
            compile_limits: CompileLimits::default(),
            memory_unlimited_bytes: MEMORY_UNLIMITED_BYTES,
            trust: None,
        }
    }
}

/// Why the engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refuses.
    #[error("wasmtime cannot start: {0:#}")]
    Wasmtime(wasmtime::Error),
    /// The disk refuses.
    #[error("the engine's data directory cannot be used: {0}")]
    Io(#[from] std::io::Error),
}

impl From<wasmtime::Error> for EngineError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Wasmtime(error)
    }
}

/// Why a program is not ready.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PrepareError {
    /// There is no such image.
    #[error(transparent)]
    Pull(Arc<PullError>),
    /// The image cannot run here.
    #[error("failed to pull image \"{image}\": {refusal}")]
    Refused {
        /// As asked for.
        image: String,
        /// Why.
        refusal: Refusal,
    },
    /// It does not compile.
    #[error("failed to pull image \"{image}\": {error}")]
    Compile {
        /// As asked for.
        image: String,
        /// Why.
        error: CompileError,
    },
}

impl PrepareError {
    /// The waiting reason of a container.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Pull(error) => error.reason(),
            _ => "ErrImagePull",
        }
    }
}

/// Why an upload was not taken. Nothing is stored then.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// No image name.
    #[error(transparent)]
    InvalidName(#[from] InvalidReference),
    /// The bytes cannot be an image.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// They do not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The store refuses.
    #[error("the image cannot be stored: {0}")]
    Store(#[from] std::io::Error),
}

/// A program ready to be instantiated.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) info: Arc<ImageInfo>,
    /// What it is called when the image says nothing.
    pub(crate) name: String,
    pub(crate) code: Code,
}

/// Its code, linked.
#[derive(Clone)]
pub(crate) enum Code {
    Http(ProxyPre<Guest>),
    Command(CommandPre<Guest>),
    Preview1(wasmtime::InstancePre<Preview1Guest>),
}

/// The container engine. Clones share it.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    wasmtime: wasmtime::Engine,
    ticker: Ticker,
    linker: Linker<Guest>,
    preview1: wasmtime::Linker<Preview1Guest>,
    offers: Offers,
    images: ImageStore,
    compiler: Compiler,
    programs: Mutex<Programs>,
    memory_unlimited_bytes: u64,
    trust: Option<Trust>,
}

/// Ready programs by digest, least recently used first to go.
#[derive(Default)]
struct Programs {
    uses: u64,
    by_digest: BTreeMap<Digest, (u64, Arc<OnceCell<Program>>)>,
}

impl Programs {
    fn slot(&mut self, digest: Digest) -> Arc<OnceCell<Program>> {
        self.uses += 1;
        let uses = self.uses;
        if self.by_digest.len() >= PROGRAMS_MAX && !self.by_digest.contains_key(&digest) {
            let oldest = self
                .by_digest
                .iter()
                .min_by_key(|(_, (used, _))| *used)
                .map(|(digest, _)| *digest);
            if let Some(oldest) = oldest {
                self.by_digest.remove(&oldest);
            }
        }
        let (used, slot) = self.by_digest.entry(digest).or_default();
        *used = uses;
        Arc::clone(slot)
    }
}

impl Engine {
    /// Starts the engine.
    ///
    /// # Errors
    /// When wasmtime does not support this machine, or the data directory cannot be used.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let wasmtime = new_wasmtime()?;
        let ticker = Ticker::start(wasmtime.weak())?;
        let linker = component_linker(&wasmtime)?;
        let (preview1, core) = preview1::linker(&wasmtime)?;
        let offers = Offers::new(wasmtime.clone(), linker.clone(), core);
        let images = ImageStore::open(&config.data_dir.join("images"), config.samples)?;
        let compiler = Compiler::new(
            wasmtime.clone(),
            &config.data_dir.join("cache"),
            Semaphore::new(config.compile_jobs.max(1)),
            config.compiler,
            config.compile_limits,
        )?;
        Ok(Self {
            inner: Arc::new(Inner {
                wasmtime,
                ticker,
                linker,
                preview1,
                offers,
                images,
                compiler,
                programs: Mutex::default(),
                memory_unlimited_bytes: config.memory_unlimited_bytes,
                trust: config.trust,
            }),
        })
    }

    /// The images.
    #[must_use]
    pub fn images(&self) -> &ImageStore {
        &self.inner.images
    }

    /// Looks into a file that somebody wants to upload. Takes up to a second for the largest: call it off the event
    /// loop.
    ///
    /// # Errors
    /// The reason for which it cannot be an image.
    pub fn inspect(&self, bytes: &[u8]) -> Result<ImageInfo, Refusal> {
        inspect::inspect(bytes, &self.inner.offers)
    }

    /// Checks, compiles and stores a file as an image; nothing is stored when anything is wrong with it.
    ///
    /// # Errors
    /// Why it was not taken, in words for whoever uploaded it.
    pub async fn add_upload(
        &self,
        name: &str,
        bytes: Bytes,
    ) -> Result<(Image, ImageInfo), UploadError> {
        let reference = Reference::parse(name)?;
        let info = self.inspect_off_loop(bytes.clone()).await??;
        let digest = Digest::of(&bytes);
        let name = reference.short_name();
        let program = match self.map(&digest, name) {
            Some(program) => program,
            None => {
                self.compile(&digest, bytes.clone(), info.clone(), name)
                    .await?
            }
        };
        let image = self.inner.images.add(&reference, &bytes)?;
        let _ = self.inner.programs.lock().slot(digest).set(program);
        Ok((image, info))
    }

    async fn inspect_off_loop(
        &self,
        bytes: Bytes,
    ) -> Result<Result<ImageInfo, Refusal>, CompileError> {
        let engine = self.clone();
        tokio::task::spawn_blocking(move || engine.inspect(&bytes))
            .await
            .map_err(|error| CompileError::Broken(error.to_string()))
    }

    /// Whether a program can be started at once: resolves, and is compiled in memory or on disk.
    #[must_use]
    pub fn is_compiled(&self, digest: &Digest) -> bool {
        let in_memory = self
            .inner
            .programs
            .lock()
            .by_digest
            .get(digest)
            .is_some_and(|(_, slot)| slot.initialized());
        in_memory || self.inner.compiler.has(digest)
    }

    /// Makes the program of an image ready: resolves its name, compiles it or takes it from a cache, links it. Several
    /// that ask for the same image at once wait for one compilation.
    pub(crate) async fn prepare(&self, image: &str) -> Result<(Image, Program), PrepareError> {
        self.prepare_telling(image, async |_| {}).await
    }

    /// As [`Self::prepare`]; `compiling` is called when the image has to be compiled, which takes a while.
    pub(crate) async fn prepare_telling(
        &self,
        image: &str,
        compiling: impl AsyncFnOnce(&Image),
    ) -> Result<(Image, Program), PrepareError> {
        let found = self
            .inner
            .images
            .resolve(image)
            .map_err(|error| PrepareError::Pull(Arc::new(error)))?;
        let slot = self.inner.programs.lock().slot(found.digest);
        let program = slot
            .get_or_try_init(|| self.make(image, &found, compiling))
            .await?
            .clone();
        let program = Program {
            name: found.program().to_owned(),
            ..program
        };
        Ok((found, program))
    }

    async fn make(
        &self,
        image: &str,
        found: &Image,
        compiling: impl AsyncFnOnce(&Image),
    ) -> Result<Program, PrepareError> {
        if let Some(program) = self.map(&found.digest, found.program()) {
            return Ok(program);
        }
        let compile = |error| PrepareError::Compile {
            image: image.to_owned(),
            error,
        };
        let (images, digest) = (self.inner.images.clone(), found.digest);
        let bytes = tokio::task::spawn_blocking(move || images.program(&digest))
            .await
            .unwrap_or_else(|error| Err(std::io::Error::other(error)))
            .map_err(|source| {
                let image = image.to_owned();
                PrepareError::Pull(Arc::new(PullError::Io { image, source }))
            })?;
        let info = self
            .inspect_off_loop(bytes.clone())
            .await
            .map_err(compile)?
            .map_err(|refusal| PrepareError::Refused {
                image: image.to_owned(),
                refusal,
            })?;
        compiling(found).await;
        self.compile(&found.digest, bytes, info, found.program())
            .await
            .map_err(compile)
    }

    /// The program as it is on disk since an earlier compilation.
    fn map(&self, digest: &Digest, name: &str) -> Option<Program> {
        let info = self.inner.compiler.info(digest)?;
        if !self.inner.compiler.has(digest) {
            return None;
        }
        match self.link(digest, info, name) {
            Ok(program) => Some(program),
            Err(error) => {
                tracing::warn!(%digest, %error, "a cached program is compiled anew");
                None
            }
        }
    }

    async fn compile(
        &self,
        digest: &Digest,
        bytes: Bytes,
        info: ImageInfo,
        name: &str,
    ) -> Result<Program, CompileError> {
        self.inner.compiler.compile(digest, bytes, &info).await?;
        self.link(digest, info, name)
            .map_err(|error| CompileError::Failed(format!("{error:#}")))
    }

    fn link(&self, digest: &Digest, info: ImageInfo, name: &str) -> wasmtime::Result<Program> {
        let Inner {
            compiler,
            linker,
            preview1,
            ..
        } = &*self.inner;
        let code = match info.kind {
            ImageKind::Preview1 => {
                Code::Preview1(preview1.instantiate_pre(&compiler.module(digest)?)?)
            }
            ImageKind::Command => {
                let pre = linker.instantiate_pre(&compiler.component(digest)?)?;
                Code::Command(CommandPre::new(pre)?)
            }
            ImageKind::Http => {
                let pre = linker.instantiate_pre(&compiler.component(digest)?)?;
                Code::Http(ProxyPre::new(pre)?)
            }
        };
        Ok(Program {
            info: Arc::new(info),
            name: name.to_owned(),
            code,
        })
    }

    /// The program that a command in a container means, and whether it is another than the container's own: a tool of
    /// busybox stands in for what a Linux image would bring. `None` when there is no such program.
    pub(crate) async fn program_for(
        &self,
        own: &Program,
        command: &str,
    ) -> Result<Option<Program>, PrepareError> {
        if own.info.config.has_applet(command) {
            return Ok(Some(own.clone()));
        }
        if let Ok((_, tools)) = self.prepare(TOOLS).await
            && tools.info.config.has_applet(command)
        {
            return Ok(Some(tools));
        }
        let called = command.rsplit('/').next().unwrap_or(command);
        let is_own = called == own.name && !matches!(own.code, Code::Http(_));
        Ok(is_own.then(|| own.clone()))
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner.wasmtime
    }

    /// A node's network as its guests see it.
    pub(crate) fn trusting(&self, network: Arc<dyn NodeNetwork>) -> Arc<dyn NodeNetwork> {
        match &self.inner.trust {
            Some(trust) => trust.give(network),
            None => network,
        }
    }

    pub(crate) fn ticker(&self) -> &Ticker {
        &self.inner.ticker
    }

    /// The memory limit of a container that asked for `limit`.
    pub(crate) fn memory_limit(&self, limit: Option<u64>) -> u64 {
        limit.unwrap_or(self.inner.memory_unlimited_bytes)
    }
}

/// What compiled code depends on.
fn wasmtime_config() -> wasmtime::Config {
    let mut config = wasmtime::Config::new();
    config
        .epoch_interruption(true)
        .wasm_component_model(true)
        .wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Disable)
        .max_wasm_stack(512 * 1024)
        .async_stack_size(1024 * 1024);
    config
}

/// An engine that compiles for the others and runs nothing: it reserves no address space. What it makes `quickly` runs
/// slower and is made in a fraction of the time; it runs beside the rest.
pub(crate) fn compiling_engine(quickly: bool) -> Result<wasmtime::Engine, wasmtime::Error> {
    let mut config = wasmtime_config();
    if quickly {
        config
            .cranelift_opt_level(wasmtime::OptLevel::None)
            .cranelift_regalloc_algorithm(wasmtime::RegallocAlgorithm::SinglePass);
    }
    wasmtime::Engine::new(&config)
}

/// Pooled instances make a start cheap; a machine that cannot reserve the address space gets them one by one.
fn new_wasmtime() -> Result<wasmtime::Engine, wasmtime::Error> {
    let config = wasmtime_config();
    let mut pool = wasmtime::PoolingAllocationConfig::new();
    pool.total_component_instances(4_000)
        .total_core_instances(16_000)
        .total_memories(6_000)
        .total_tables(12_000)
        .total_stacks(4_000)
        .table_elements(100_000)
        .max_core_instance_size(4 << 20)
        .max_component_instance_size(4 << 20)
        .linear_memory_keep_resident(64 * 1024);
    let mut pooled = config.clone();
    pooled.allocation_strategy(wasmtime::InstanceAllocationStrategy::Pooling(pool));
    wasmtime::Engine::new(&pooled).or_else(|error| {
        tracing::warn!(%error, "instances are not pooled: starting them takes longer");
        wasmtime::Engine::new(&config)
    })
}

fn component_linker(engine: &wasmtime::Engine) -> Result<Linker<Guest>, wasmtime::Error> {
    let mut linker = Linker::new(engine);
    linker.allow_shadowing(true);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    crate::sockets::add_to_linker(&mut linker, Guest::sockets)?;
    crate::clocks::add_to_linker(&mut linker, Guest::clock)?;
    Ok(linker)
}
