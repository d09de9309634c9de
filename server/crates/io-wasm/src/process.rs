//! One instance of a program, from its arguments to its exit code.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use io_clock::Clock;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use wasmtime::{Store, Trap};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

use crate::cpu::{CpuAccount, Metered};
use crate::engine::{Code, Engine, Program};
use crate::files::Preopen;
use crate::guest::Guest;
use crate::logs::{LogWriter, Output};
use crate::memory::{MemoryAccount, MemoryLease, OutOfMemory};
use crate::network::{BoxListener, SharedNetwork};
use crate::preview1::Preview1Guest;
use crate::stdio::{LogOutput, PipeInput, PipeOutput};

/// What an instance has around it; an exec shares its container's.
#[derive(Clone)]
pub(crate) struct Environment {
    pub(crate) engine: Engine,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) working_dir: String,
    pub(crate) preopens: Vec<Preopen>,
    pub(crate) network: SharedNetwork,
    pub(crate) clock: Clock,
    pub(crate) cpu: Arc<CpuAccount>,
    pub(crate) memory: Arc<MemoryAccount>,
    /// Owns what an instance leaves running, such as writes to its sockets.
    pub(crate) tasks: TaskTracker,
}

/// Where an instance's standard streams go.
pub(crate) enum Stdio {
    /// A container's own: its log, and an input when it keeps one open.
    Log {
        log: Arc<LogWriter>,
        stdin: Option<mpsc::Receiver<Bytes>>,
        tty: bool,
    },
    /// A command's inside a container.
    Pipes {
        stdin: Option<mpsc::Receiver<Bytes>>,
        stdout: mpsc::Sender<Bytes>,
        stderr: mpsc::Sender<Bytes>,
        tty: bool,
    },
}

/// How an instance ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exit {
    pub(crate) code: i32,
    pub(crate) out_of_memory: bool,
    /// What was wrong, for people; empty after an ordinary exit.
    pub(crate) message: String,
}

impl Exit {
    /// An ordinary exit.
    pub(crate) fn code(code: i32) -> Self {
        Self {
            code,
            out_of_memory: false,
            message: String::new(),
        }
    }

    /// 128 + SIGKILL, for whatever is dropped without being asked.
    pub(crate) fn killed() -> Self {
        Self::code(137)
    }

    /// 128 + SIGTERM.
    pub(crate) fn terminated() -> Self {
        Self::code(143)
    }

    pub(crate) fn out_of_memory(message: String) -> Self {
        Self {
            code: 137,
            out_of_memory: true,
            message,
        }
    }

    /// The terminated reason of a container status.
    pub(crate) fn reason(&self) -> &'static str {
        match (self.out_of_memory, self.code) {
            (true, _) => "OOMKilled",
            (_, 0) => "Completed",
            _ => "Error",
        }
    }
}

impl Environment {
    fn builder(&self, argv: &[String], stdio: Stdio) -> wasmtime::Result<WasiCtxBuilder> {
        let mut builder = WasiCtxBuilder::new();
        builder.args(argv).envs(&self.env);
        if !self.working_dir.is_empty() {
            builder.initial_cwd(&self.working_dir);
        }
        for preopen in &self.preopens {
            let perms = if preopen.read_only {
                FsPerms::ReadOnly
            } else {
                FsPerms::ReadWrite
            };
            builder.preopened_dir(&preopen.host, &preopen.guest, perms)?;
        }
        match stdio {
            Stdio::Log { log, stdin, tty } => {
                let output = |output| LogOutput {
                    log: Arc::clone(&log),
                    output,
                    tty,
                };
                if let Some(stdin) = stdin {
                    builder.stdin(PipeInput::new(stdin, tty));
                }
                builder
                    .stdout(output(Output::Stdout))
                    .stderr(output(Output::Stderr));
            }
            Stdio::Pipes {
                stdin,
                stdout,
                stderr,
                tty,
            } => {
                if let Some(stdin) = stdin {
                    builder.stdin(PipeInput::new(stdin, tty));
                }
                builder
                    .stdout(PipeOutput::new(stdout, tty))
                    .stderr(PipeOutput::new(stderr, tty));
            }
        }
        Ok(builder)
    }

    fn lease(&self) -> MemoryLease {
        MemoryLease::new(Arc::clone(&self.memory))
    }

    /// A store for one instance of a component.
    pub(crate) fn store(&self, argv: &[String], stdio: Stdio) -> wasmtime::Result<Store<Guest>> {
        let guest = Guest::new(
            self.builder(argv, stdio)?.build(),
            self.network.clone(),
            self.clock.clone(),
            self.tasks.clone(),
            self.lease(),
        );
        let mut store = Store::new(self.engine.wasmtime(), guest);
        store.limiter(|guest| &mut guest.memory);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|_| Ok(wasmtime::UpdateDeadline::Yield(1)));
        Ok(store)
    }

    fn preview1_store(
        &self,
        argv: &[String],
        stdio: Stdio,
    ) -> wasmtime::Result<Store<Preview1Guest>> {
        let wasi = self.builder(argv, stdio)?.build_p1();
        let guest = Preview1Guest::new(wasi, self.lease(), self.tasks.clone());
        let mut store = Store::new(self.engine.wasmtime(), guest);
        store.limiter(|guest| &mut guest.memory);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|_| Ok(wasmtime::UpdateDeadline::Yield(1)));
        Ok(store)
    }

    /// Runs work of an instance on the container's processor account.
    pub(crate) fn metered<F: Future>(&self, work: F) -> Metered<F> {
        Metered::new(work, Arc::clone(&self.cpu), self.engine.ticker().clone())
    }

    /// Runs a program as a process to its end. Dropping the future drops the instance. A preview 1 module finds
    /// `listeners` open; others ask for theirs.
    ///
    /// # Errors
    /// When it cannot be started at all.
    pub(crate) async fn run(
        &self,
        program: &Program,
        argv: &[String],
        stdio: Stdio,
        listeners: Vec<BoxListener>,
    ) -> wasmtime::Result<Exit> {
        match &program.code {
            Code::Command(pre) => {
                let mut store = self.store(argv, stdio)?;
                let ended = self
                    .metered(async move {
                        let command = pre.instantiate_async(&mut store).await?;
                        command.wasi_cli_run().call_run(&mut store).await
                    })
                    .await;
                Ok(match ended {
                    Ok(Ok(())) => Exit::code(0),
                    Ok(Err(())) => Exit::code(1),
                    Err(error) => exit_of(&error),
                })
            }
            Code::Preview1(pre) => {
                let mut store = self.preview1_store(argv, stdio)?;
                let fuel = store.hostcall_fuel();
                store.data_mut().activate(fuel, listeners).await?;
                let ended = self
                    .metered(async move {
                        let instance = pre.instantiate_async(&mut store).await?;
                        let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
                        start.call_async(&mut store, ()).await
                    })
                    .await;
                Ok(match ended {
                    Ok(()) => Exit::code(0),
                    Err(error) => exit_of(&error),
                })
            }
            Code::Http(_) => Err(wasmtime::Error::from(io::Error::new(
                io::ErrorKind::Unsupported,
                "an http component is served, it does not run as a process",
            ))),
        }
    }
}

/// What an instance's end means as an exit code.
pub(crate) fn exit_of(error: &wasmtime::Error) -> Exit {
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        // A process' exit status has eight bits.
        return Exit::code(exit.0 & 0xff);
    }
    if let Some(out) = error.downcast_ref::<OutOfMemory>() {
        return Exit::out_of_memory(out.to_string());
    }
    let code = match error.downcast_ref::<Trap>() {
        Some(
            Trap::IntegerDivisionByZero | Trap::IntegerOverflow | Trap::BadConversionToInteger,
        ) => 136,
        Some(
            Trap::StackOverflow
            | Trap::MemoryOutOfBounds
            | Trap::HeapMisaligned
            | Trap::TableOutOfBounds
            | Trap::IndirectCallToNull
            | Trap::BadSignature,
        ) => 139,
        _ => 134,
    };
    Exit {
        code,
        out_of_memory: false,
        message: match error.downcast_ref::<Trap>() {
            Some(trap) => trap.to_string(),
            None => format!("{:#}", error),
        },
    }
}
