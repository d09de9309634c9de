//! `attach`: a client at a running container's own input and output.

use std::sync::Arc;

use bytes::Bytes;
use kubelet::runtime::ContainerConfig;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::container::Container;
use crate::exec::{ExecError, ExecSession, QUEUE_MAX, edit};
use crate::logs::{LogWriter, Output};
use crate::terminal::{Terminal, shows_prompts};

/// A container's standard input, open as long as its spec says.
pub(crate) struct Console {
    once: bool,
    tty: bool,
    /// Where clients type; gone when the input has ended.
    keys: Mutex<Option<mpsc::Sender<Bytes>>>,
    /// Until the program starts.
    typed: Mutex<Option<mpsc::Receiver<Bytes>>>,
}

impl Console {
    pub(crate) fn new(config: &ContainerConfig) -> Self {
        let (keys, typed) = if config.stdin {
            let (keys, typed) = mpsc::channel(QUEUE_MAX);
            (Some(keys), Some(typed))
        } else {
            (None, None)
        };
        Self {
            once: config.stdin_once,
            tty: config.tty,
            keys: Mutex::new(keys),
            typed: Mutex::new(typed),
        }
    }

    /// The program's end of the input; with a terminal, what is typed is edited, echoed into the log, and Ctrl-C ends
    /// the container.
    pub(crate) fn open(
        &self,
        argv: &[String],
        log: &Arc<LogWriter>,
        kill: &CancellationToken,
        tasks: &TaskTracker,
    ) -> Option<mpsc::Receiver<Bytes>> {
        let typed = self.typed.lock().take()?;
        if !self.tty {
            return Some(typed);
        }
        let (lines, receiver) = mpsc::channel(QUEUE_MAX);
        let program = argv.first().map_or("", String::as_str);
        let terminal = Terminal::new(shows_prompts(program));
        let (log, kill) = (Arc::downgrade(log), kill.clone());
        let echo = async move |shown: Bytes| match log.upgrade() {
            Some(log) => {
                log.room().await;
                log.write(Output::Stdout, &shown).is_ok()
            }
            None => false,
        };
        tasks.spawn(edit(terminal, typed, lines, echo, kill));
        Some(receiver)
    }
}

/// Joins a client to a running container. Its session ends with the container, always with 0: the container's own exit
/// code is in its status.
pub(crate) fn attach(
    container: Arc<Container>,
    stdin: Option<mpsc::Receiver<Bytes>>,
    tasks: &TaskTracker,
) -> Result<ExecSession, ExecError> {
    let log = container
        .log()
        .filter(|_| !container.over.is_cancelled())
        .ok_or_else(|| ExecError::NotRunning {
            pod: container.id.pod.clone(),
            container: container.id.container.clone(),
        })?;
    let mut printed = log.attach();
    drop(log);
    let (stdout, stdout_receiver) = mpsc::channel(QUEUE_MAX);
    let (stderr, stderr_receiver) = mpsc::channel(QUEUE_MAX);
    let (exit, exit_receiver) = oneshot::channel();
    let (left, has_left) = (CancellationToken::new(), container.over.clone());
    if let Some(stdin) = stdin {
        let left = left.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = has_left.cancelled() => {}
                () = left.cancelled() => {}
                () = type_into(&container.console, stdin) => {}
            }
        });
    }
    tasks.spawn(async move {
        let _left = left.drop_guard();
        let mut exit = exit;
        loop {
            let next = tokio::select! {
                () = exit.closed() => return,
                next = printed.recv() => next,
            };
            let Some((output, chunk)) = next else { break };
            let to = match output {
                Output::Stdout => &stdout,
                Output::Stderr => &stderr,
            };
            if to.send(chunk).await.is_err() {
                return;
            }
        }
        drop((stdout, stderr));
        let _ = exit.send(0);
    });
    Ok(ExecSession {
        stdout: stdout_receiver,
        stderr: stderr_receiver,
        exit: exit_receiver,
    })
}

/// Passes a client's input on; its end is the container's when the spec says `stdinOnce`.
async fn type_into(console: &Console, mut stdin: mpsc::Receiver<Bytes>) {
    let Some(keys) = console.keys.lock().clone() else {
        return;
    };
    while let Some(chunk) = stdin.recv().await {
        if keys.send(chunk).await.is_err() {
            return;
        }
    }
    if console.once {
        console.keys.lock().take();
    }
}
