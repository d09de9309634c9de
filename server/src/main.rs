//! The `glasshouse` binary: config → build → run → drain. Wiring only; everything it wires has a crate of its own.

mod addresses;
mod aliases;
mod allocator;
mod announce;
mod bootstrap;
mod components;
mod config;
mod control_plane;
mod doors;
mod embedded;
mod identity;
mod images;
mod names;
mod nodes;
mod ready;
mod registry;
mod scenario;
mod up;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use config::{Arguments, Command, Work};
use io_wasm::CompileJob;

#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Work(work) => start(work),
        // Before anything takes memory or starts a thread: both are limited there.
        Command::Compile(job) => compile(&job.into()),
    }
}

fn start(work: Work) -> ExitCode {
    let log = match &work {
        Work::Up(up) => up.log.as_str(),
        Work::Scenario(scenario) => scenario.log(),
    };
    let filter = EnvFilter::try_new(log).unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return failed(&anyhow::Error::new(error).context("cannot start the runtime"));
        }
    };
    let outcome = runtime.block_on(async {
        match work {
            Work::Up(up) => up::up(up).await,
            Work::Scenario(command) => scenario::scenario(command).await,
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

#[expect(clippy::print_stderr, reason = "whoever started it reads that")]
fn compile(job: &CompileJob) -> ExitCode {
    match job.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the last word of a command-line program"
)]
fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("glasshouse: {error:#}");
    ExitCode::FAILURE
}
