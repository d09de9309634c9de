//! `exec`: another instance with a container's files, network, environment and limits.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::container::Container;
use crate::engine::PrepareError;
use crate::process::{Exit, Stdio};
use crate::terminal::{Effect, Terminal, shows_prompts};

/// Chunks that wait for a slow reader, in each direction.
pub(crate) const QUEUE_MAX: usize = 16;
/// 128 + SIGINT.
const INTERRUPTED: i32 = 130;

/// A command to run in a container.
pub struct ExecRequest {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// Its standard input, until the sender is dropped; none reads as empty. With a terminal it is what is typed.
    pub stdin: Option<mpsc::Receiver<Bytes>>,
    /// It talks to a terminal: a shell shows prompts, lines are edited and echoed.
    pub tty: bool,
}

/// A command that runs. Dropping `exit` ends it.
#[derive(Debug)]
pub struct ExecSession {
    /// What it prints.
    pub stdout: mpsc::Receiver<Bytes>,
    /// What it complains.
    pub stderr: mpsc::Receiver<Bytes>,
    /// Its exit code, after the last output.
    pub exit: oneshot::Receiver<i32>,
}

/// Why a command does not run.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// There is no such container, or it has ended.
    #[error("container not found (\"{container}\")")]
    NotRunning {
        /// The pod's uid.
        pod: String,
        /// The container's name.
        container: String,
    },
    /// No command was given.
    #[error("you must specify at least one command for the container")]
    NoCommand,
    /// There is no such program.
    #[error(
        "exec: \"{command}\": executable file not found in $PATH: a container has its image's own program and the tools of busybox"
    )]
    NoProgram {
        /// The command.
        command: String,
    },
    /// The program cannot be made ready.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
}

/// Starts a command in a running container.
pub(crate) async fn exec(
    container: Arc<Container>,
    request: ExecRequest,
    tasks: &TaskTracker,
) -> Result<ExecSession, ExecError> {
    let not_running = || ExecError::NotRunning {
        pod: container.id.pod.clone(),
        container: container.id.container.clone(),
    };
    let (own, environment) = container.running().cloned().ok_or_else(not_running)?;
    let command = request
        .command
        .first()
        .cloned()
        .ok_or(ExecError::NoCommand)?;
    let program = environment
        .engine
        .program_for(&own, &command)
        .await?
        .ok_or(ExecError::NoProgram { command })?;
    let (stdout, stdout_receiver) = mpsc::channel(QUEUE_MAX);
    let (stderr, stderr_receiver) = mpsc::channel(QUEUE_MAX);
    let (mut exit, exit_receiver) = oneshot::channel();
    // A terminal has one screen.
    let stderr = if request.tty { stdout.clone() } else { stderr };
    let complaints = stderr.clone();
    let interrupted = CancellationToken::new();
    let stdin = match (request.stdin, request.tty) {
        (Some(keys), true) => {
            let (lines, receiver) = mpsc::channel(QUEUE_MAX);
            let terminal = Terminal::new(shows_prompts(&request.command[0]));
            let screen = stdout.clone();
            let echo = async move |shown| screen.send(shown).await.is_ok();
            let (over, interrupted) = (container.over.clone(), interrupted.clone());
            tasks.spawn(async move {
                let typing = edit(terminal, keys, lines, echo, interrupted);
                over.run_until_cancelled(typing).await;
            });
            Some(receiver)
        }
        (stdin, _) => stdin,
    };
    let stdio = Stdio::Pipes {
        stdin,
        stdout,
        stderr,
        tty: request.tty,
    };
    tasks.spawn(async move {
        let ended = tokio::select! {
            biased;
            () = container.kill.cancelled() => Exit::killed(),
            () = container.over.cancelled() => Exit::killed(),
            () = exit.closed() => Exit::killed(),
            () = interrupted.cancelled() => Exit::code(INTERRUPTED),
            ended = environment.run(&program, &request.command, stdio, Vec::new()) => ended.unwrap_or_else(|error| Exit {
                code: 126,
                out_of_memory: false,
                message: format!("{error:#}"),
            }),
        };
        if !ended.message.is_empty() {
            let _ = complaints.send(Bytes::from(format!("{}\n", ended.message))).await;
        }
        drop(complaints);
        let _ = exit.send(ended.code);
    });
    Ok(ExecSession {
        stdout: stdout_receiver,
        stderr: stderr_receiver,
        exit: exit_receiver,
    })
}

/// Edits what is typed into lines for a program until either side ends; `interrupted` is cancelled by Ctrl-C.
pub(crate) async fn edit(
    mut terminal: Terminal,
    mut keys: mpsc::Receiver<Bytes>,
    lines: mpsc::Sender<Bytes>,
    echo: impl AsyncFn(Bytes) -> bool,
    interrupted: CancellationToken,
) {
    loop {
        let typed = tokio::select! {
            biased;
            () = lines.closed() => return,
            typed = keys.recv() => match typed {
                Some(typed) => typed,
                None => return,
            },
        };
        for effect in terminal.typed(&typed) {
            let goes_on = match effect {
                Effect::Echo(shown) => echo(shown).await,
                Effect::Input(line) => lines.send(line).await.is_ok(),
                Effect::EndOfInput => false,
                Effect::Interrupt => {
                    interrupted.cancel();
                    false
                }
            };
            if !goes_on {
                return;
            }
        }
    }
}
