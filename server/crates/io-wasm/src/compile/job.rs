//! One compilation in a process of its own: what the process is told, how it limits itself, and what its end means.

use std::ffi::{CStr, OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wasmtime::Engine;

use crate::image::IMAGE_BYTES_MAX;

/// What the environment of a process that compiles has: its program is to allocate through the C library, whatever it
/// does otherwise, because that needs the least address space.
pub const SYSTEM_ALLOCATOR: &CStr = c"GLASSHOUSE_SYSTEM_ALLOCATOR";
/// Threads that compile one program: each has memory of its own, and memory is limited.
const THREADS_MAX: usize = 4;
/// How much longer than its processor time a compilation may take, as others use the machine as well.
const WALL_FACTOR: u32 = 6;
/// How much of what the compiler complains is read.
const COMPLAINT_MAX: u64 = 16 * 1024;
/// Largest program that is optimised, in bytes. Larger ones hold an interpreter with its libraries: optimising them
/// takes longer than a compilation may.
const OPTIMISED_MAX: usize = 4 << 20;
/// Largest artefact in bytes.
const ARTEFACT_MAX: u64 = 512 << 20;

/// What one compilation may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Address space in bytes.
    pub memory_bytes: u64,
    /// Processor time in seconds, of all threads together.
    pub cpu_seconds: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            memory_bytes: 512 << 20,
            cpu_seconds: 20,
        }
    }
}

/// Why a program cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// wasmtime refuses it.
    #[error("the image does not compile: {0}")]
    Failed(String),
    /// It took too long.
    #[error(
        "compiling the image took more than {0} s of processor time and was ended: build it in release mode, or leave out what it does not need"
    )]
    TooSlow(u64),
    /// It took too much memory.
    #[error(
        "compiling the image took more than {0} MiB of memory and was ended: build it in release mode, or leave out what it does not need"
    )]
    TooLarge(u64),
    /// The compiler itself failed.
    #[error("the compiler failed at the image: {0}")]
    Broken(String),
    /// The engine is shutting down.
    #[error("the engine is shutting down")]
    ShuttingDown,
}

impl CompileError {
    /// The same program would fail again.
    pub(super) fn is_final(&self) -> bool {
        !matches!(self, Self::Broken(_) | Self::ShuttingDown)
    }
}

/// What a compiling process is told: the program comes in on its standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileJob {
    /// It is a component, not a core module.
    pub component: bool,
    /// Where the artefact goes.
    pub output: PathBuf,
    /// What it may use.
    pub limits: CompileLimits,
}

impl CompileJob {
    /// The arguments with which a program is called that does [`Self::run`].
    fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec![
            "compile".into(),
            "--memory".into(),
            self.limits.memory_bytes.to_string().into(),
            "--seconds".into(),
            self.limits.cpu_seconds.to_string().into(),
            "--output".into(),
            self.output.clone().into(),
        ];
        if self.component {
            arguments.push("--component".into());
        }
        arguments
    }

    /// Compiles what comes in on the standard input, in this process, which is limited for good.
    ///
    /// # Errors
    /// In words for whoever called the process.
    pub fn run(&self) -> Result<(), String> {
        self.limit().map_err(|error| format!("limits: {error}"))?;
        let mut program = Vec::new();
        io::stdin()
            .take(IMAGE_BYTES_MAX as u64)
            .read_to_end(&mut program)
            .map_err(|error| error.to_string())?;
        let engine = crate::engine::compiling_engine(program.len() > OPTIMISED_MAX)
            .map_err(|error| format!("{error:#}"))?;
        self.compile(&engine, &program)
            .map_err(|error| match error {
                CompileError::Failed(why) => why,
                other => other.to_string(),
            })
    }

    fn limit(&self) -> io::Result<()> {
        let limits = self.limits;
        for (resource, most) in [
            (Resource::As, limits.memory_bytes),
            (Resource::Cpu, limits.cpu_seconds),
            (Resource::Fsize, ARTEFACT_MAX),
            (Resource::Core, 0),
        ] {
            let (current, maximum) = (Some(most), Some(most));
            setrlimit(resource, Rlimit { current, maximum })?;
        }
        Ok(())
    }

    /// Compiles with an engine at hand.
    pub(super) fn compile(&self, engine: &Engine, program: &[u8]) -> Result<(), CompileError> {
        let made = if self.component {
            engine.precompile_component(program)
        } else {
            engine.precompile_module(program)
        };
        let artefact = made.map_err(|error| CompileError::Failed(format!("{error:#}")))?;
        let write = || {
            let mut file = std::fs::File::create(&self.output)?;
            file.write_all(&artefact)?;
            file.sync_all()
        };
        write().map_err(|error| CompileError::Broken(format!("it cannot be kept: {error}")))
    }

    /// Has `program` do it. Dropping the future kills it.
    pub(super) async fn run_apart(&self, program: &Path, image: Bytes) -> Result<(), CompileError> {
        let broken = |error: io::Error| CompileError::Broken(error.to_string());
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut child = tokio::process::Command::new(program)
            .args(self.arguments())
            .env_clear()
            .env("RAYON_NUM_THREADS", threads.min(THREADS_MAX).to_string())
            // The C library reserves address space for each thread that allocates, and that is what is limited.
            .env("MALLOC_ARENA_MAX", "2")
            .env(OsStr::from_bytes(SYSTEM_ALLOCATOR.to_bytes()), "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(broken)?;
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let working = async {
            let feeding = async {
                if let Some(mut stdin) = stdin {
                    // A process that ended early says why itself.
                    let _ = stdin.write_all(&image).await;
                }
            };
            let hearing = async {
                let mut said = Vec::new();
                if let Some(stderr) = stderr {
                    let _ = stderr.take(COMPLAINT_MAX).read_to_end(&mut said).await;
                }
                String::from_utf8_lossy(&said).trim().to_owned()
            };
            let ((), said, ended) = tokio::join!(feeding, hearing, child.wait());
            ended.map(|status| (status, said))
        };
        let seconds = self.limits.cpu_seconds;
        // The host's time, because the work is the host's: a paused cluster clock does not stop it.
        let patience = Duration::from_secs(seconds) * WALL_FACTOR;
        match tokio::time::timeout(patience, working).await {
            Ok(ended) => {
                let (status, said) = ended.map_err(broken)?;
                self.judge(status, said)
            }
            Err(_) => {
                let _ = child.kill().await;
                Err(CompileError::TooSlow(seconds))
            }
        }
    }

    /// What the end of the process means.
    fn judge(&self, status: ExitStatus, said: String) -> Result<(), CompileError> {
        use std::os::unix::process::ExitStatusExt;
        if status.success() {
            return Ok(());
        }
        // What the standard library says without memory for data (12) or for a thread (11).
        let no_memory = ["memory allocation of", "os error 12", "os error 11"];
        if no_memory.iter().any(|words| said.contains(words)) {
            return Err(CompileError::TooLarge(self.limits.memory_bytes >> 20));
        }
        let signal = status.signal();
        let is = |wanted: rustix::process::Signal| signal == Some(wanted.as_raw());
        // Past the hard limit of processor time, the kernel kills.
        if is(rustix::process::Signal::XCPU) || is(rustix::process::Signal::KILL) {
            return Err(CompileError::TooSlow(self.limits.cpu_seconds));
        }
        Err(match signal {
            None if !said.is_empty() => CompileError::Failed(said),
            _ => CompileError::Broken(format!("it ended with {status}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn the_end_of_a_compilation_is_told_in_words() {
        let job = CompileJob {
            component: true,
            output: PathBuf::from("/nowhere"),
            limits: CompileLimits::default(),
        };
        for (status, said, expected) in [
            (0, "", Ok(())),
            (
                0x100,
                "unknown import",
                Err(CompileError::Failed("unknown import".into())),
            ),
            (
                6,
                "memory allocation of 4096 bytes failed",
                Err(CompileError::TooLarge(512)),
            ),
            (
                0x100,
                "mmap: Cannot allocate memory (os error 12)",
                Err(CompileError::TooLarge(512)),
            ),
            (24, "", Err(CompileError::TooSlow(20))),
            (9, "", Err(CompileError::TooSlow(20))),
            (
                11,
                "",
                Err(CompileError::Broken(
                    "it ended with signal: 11 (SIGSEGV)".into(),
                )),
            ),
        ] {
            let got = job.judge(ExitStatus::from_raw(status), said.to_owned());
            assert_eq!(got, expected, "{status} {said}");
        }
    }
}
