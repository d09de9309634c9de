//! One run of one container: from its config to its exit.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};

use io_clock::Clock;
use kubelet::runtime::{ContainerConfig, ContainerId, DnsConfig, RuntimeEvent};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::attach::Console;
use crate::cpu::CpuAccount;
use crate::engine::{Code, Engine, PrepareError, Program};
use crate::files::{Files, PodNames};
use crate::http_server::{BACKLOG, HttpServer};
use crate::logs::{LogWriter, Logs, Output};
use crate::memory::MemoryAccount;
use crate::network::drain::Draining;
use crate::network::{BoxListener, SharedNetwork};
use crate::preview1;
use crate::process::{Environment, Exit, Stdio};

/// Where an http component is served when the container declares no port.
const HTTP_PORT: u16 = 80;
/// What a container's environment has unless it says otherwise.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a container knows of its pod.
#[derive(Clone)]
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) ip: Ipv4Addr,
    pub(crate) dns: DnsConfig,
    pub(crate) hosts: Vec<(String, Vec<String>)>,
    pub(crate) folder: PathBuf,
    pub(crate) network: SharedNetwork,
}

/// One run of a container.
pub(crate) struct Container {
    pub(crate) id: ContainerId,
    pub(crate) config: ContainerConfig,
    /// When the run began, on the host's clock.
    pub(crate) since_us: u64,
    pub(crate) cpu: Arc<CpuAccount>,
    pub(crate) memory: Arc<MemoryAccount>,
    /// SIGTERM.
    pub(crate) stop: CancellationToken,
    /// SIGKILL.
    pub(crate) kill: CancellationToken,
    /// Done when the run is over.
    pub(crate) over: CancellationToken,
    /// Where attached clients type, if the container keeps its input open.
    pub(crate) console: Console,
    running: OnceLock<(Program, Environment)>,
    network: OnceLock<Draining>,
    log: OnceLock<Weak<LogWriter>>,
    tasks: TaskTracker,
}

/// Why a run does not begin.
struct StartFailure {
    reason: &'static str,
    message: String,
}

/// What is started.
enum Plan {
    Serve(HttpServer, BoxListener),
    Run(Program, Vec<String>, Vec<BoxListener>),
}

impl Container {
    pub(crate) fn new(
        id: ContainerId,
        config: ContainerConfig,
        engine: &Engine,
        clock: &Clock,
        kill: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            since_us: clock.host_us(),
            cpu: CpuAccount::new(clock.clone(), config.cpu_limit_millis),
            memory: MemoryAccount::new(engine.memory_limit(config.memory_limit_bytes)),
            console: Console::new(&config),
            config,
            stop: CancellationToken::new(),
            kill,
            over: CancellationToken::new(),
            running: OnceLock::new(),
            network: OnceLock::new(),
            log: OnceLock::new(),
            tasks: TaskTracker::new(),
        })
    }

    /// The program and its surroundings while it runs.
    pub(crate) fn running(&self) -> Option<&(Program, Environment)> {
        if self.over.is_cancelled() {
            return None;
        }
        self.running.get()
    }

    /// Its log while it runs.
    pub(crate) fn log(&self) -> Option<Arc<LogWriter>> {
        self.log.get()?.upgrade()
    }

    /// Runs the container to its end; `started` is called once it runs. Gives the event that ends the run.
    pub(crate) async fn run(
        self: Arc<Self>,
        engine: Engine,
        pod: Pod,
        logs: Logs,
        clock: Clock,
        started: impl AsyncFnOnce(RuntimeEvent),
    ) -> RuntimeEvent {
        let _over = self.over.clone().drop_guard();
        let begun = tokio::select! {
            biased;
            () = self.kill.cancelled() => return self.exited(&Exit::killed(), String::new()),
            () = self.stop.cancelled() => return self.exited(&Exit::terminated(), String::new()),
            begun = self.begin(engine, &pod, &logs, clock) => begun,
        };
        let (files, log, plan) = match begun {
            Ok(begun) => begun,
            Err(failure) => {
                return RuntimeEvent::StartFailed {
                    id: self.id.clone(),
                    reason: failure.reason.to_owned(),
                    message: failure.message,
                };
            }
        };
        started(RuntimeEvent::Started {
            id: self.id.clone(),
        })
        .await;
        let exit = self.carry_out(plan, &log).await;
        // What the instance left behind, such as writes to its sockets, ends with it.
        self.tasks.close();
        if !exit.message.is_empty() {
            let _ = log.write(Output::Stderr, format!("{}\n", exit.message).as_bytes());
        }
        log.finish();
        let mut message = files.termination_message();
        if message.is_empty() && exit.code != 0 && self.config.termination_message_from_log {
            message = logs.last_words(&self.id);
        }
        if message.is_empty() {
            message.clone_from(&exit.message);
        }
        self.exited(&exit, message)
    }

    fn exited(&self, exit: &Exit, message: String) -> RuntimeEvent {
        RuntimeEvent::Exited {
            id: self.id.clone(),
            exit_code: exit.code,
            reason: exit.reason().to_owned(),
            message,
        }
    }

    async fn begin(
        &self,
        engine: Engine,
        pod: &Pod,
        logs: &Logs,
        clock: Clock,
    ) -> Result<(Files, Arc<LogWriter>, Plan), StartFailure> {
        let own = engine
            .prepare(&self.config.image)
            .await
            .map_err(|error| StartFailure {
                reason: error.reason(),
                message: error.to_string(),
            })?;
        let own = own.1;
        let (program, argv) = self.command(&engine, &own).await?;
        let io_failed = |error: std::io::Error| StartFailure {
            reason: "CreateContainerError",
            message: format!(
                "the files of container {} cannot be prepared: {error}",
                self.id.container
            ),
        };
        let files = self.files(pod).await.map_err(io_failed)?;
        let log = logs
            .create(&self.id.pod, &self.id.container, self.id.attempt)
            .map_err(io_failed)?;
        let network = Draining::new(pod.network.clone(), clock.clone());
        let environment = Environment {
            engine,
            env: self.env(pod),
            working_dir: self.config.working_dir.clone(),
            preopens: files.preopens.clone(),
            network: Arc::new(network.clone()),
            clock,
            cpu: Arc::clone(&self.cpu),
            memory: Arc::clone(&self.memory),
            tasks: self.tasks.clone(),
        };
        let plan = match &program.code {
            Code::Http(pre) => {
                let port = self.config.ports.first().copied().unwrap_or(HTTP_PORT);
                let listener = self.listen(port, &pod.network).await?;
                let server = HttpServer {
                    environment: environment.clone(),
                    program: program.name.clone(),
                    pre: pre.clone(),
                    log: Arc::clone(&log),
                };
                Plan::Serve(server, listener)
            }
            Code::Command(_) => Plan::Run(program, argv, Vec::new()),
            Code::Preview1(_) => {
                let mut listeners = Vec::new();
                if program
                    .info
                    .imports
                    .iter()
                    .any(|import| import == preview1::ACCEPT)
                {
                    for port in &self.config.ports {
                        listeners.push(self.listen(*port, &environment.network).await?);
                    }
                }
                Plan::Run(program, argv, listeners)
            }
        };
        let _ = self.network.set(network);
        let _ = self.running.set((own, environment));
        let _ = self.log.set(Arc::downgrade(&log));
        Ok((files, log, plan))
    }

    /// Which program with which arguments: the image's own, or a tool that the command names.
    async fn command(
        &self,
        engine: &Engine,
        own: &Program,
    ) -> Result<(Program, Vec<String>), StartFailure> {
        let config = &self.config;
        let argv = own
            .info
            .config
            .argv(&own.name, &config.command, &config.args);
        let Some(command) = config.command.first() else {
            return Ok((own.clone(), argv));
        };
        let found = engine
            .program_for(own, command)
            .await
            .map_err(|error: PrepareError| StartFailure {
                reason: error.reason(),
                message: error.to_string(),
            })?;
        match (found, &own.code) {
            (Some(program), _) => Ok((program, argv)),
            // A program that is alone in its image may be called anything.
            (None, Code::Command(_) | Code::Preview1(_)) => Ok((own.clone(), argv)),
            (None, Code::Http(_)) => Err(StartFailure {
                reason: "RunContainerError",
                message: format!(
                    "exec: \"{command}\": executable file not found: the image {} is an http component, which is served \
                     and has no commands; leave out `command`, or use one of busybox's",
                    config.image
                ),
            }),
        }
    }

    async fn files(&self, pod: &Pod) -> std::io::Result<Files> {
        let (pod, config, container) =
            (pod.clone(), self.config.clone(), self.id.container.clone());
        let prepared = tokio::task::spawn_blocking(move || {
            let names = PodNames {
                name: &pod.name,
                ip: pod.ip,
                dns: &pod.dns,
                hosts: &pod.hosts,
            };
            Files::prepare(&pod.folder, &container, &config, &names)
        });
        prepared.await.map_err(std::io::Error::other)?
    }

    /// The container's environment over what every container has; a later name wins.
    fn env(&self, pod: &Pod) -> Vec<(String, String)> {
        let working_dir = if self.config.working_dir.is_empty() {
            "/"
        } else {
            &self.config.working_dir
        };
        let mut env: Vec<(String, String)> = [
            ("PATH", PATH),
            ("HOSTNAME", &pod.name),
            ("HOME", "/root"),
            ("PWD", working_dir),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        for (name, value) in &self.config.env {
            env.retain(|(known, _)| known != name);
            env.push((name.clone(), value.clone()));
        }
        env
    }

    async fn listen(
        &self,
        port: u16,
        network: &SharedNetwork,
    ) -> Result<BoxListener, StartFailure> {
        let at = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
        network.tcp_listen(at, BACKLOG).await.map_err(|error| StartFailure {
            reason: "RunContainerError",
            message: format!("listen tcp 0.0.0.0:{port}: {error}: does another container of the pod use the port?"),
        })
    }

    /// SIGTERM, for a program that does not handle it: its ports close at once, it ends when it has answered.
    async fn terminated(&self) {
        self.stop.cancelled().await;
        if let Some(network) = self.network.get() {
            network.drain().await;
        }
    }

    async fn carry_out(&self, plan: Plan, log: &Arc<LogWriter>) -> Exit {
        let work = async {
            match plan {
                Plan::Serve(server, listener) => server.serve(listener, &self.stop).await,
                Plan::Run(program, argv, listeners) => {
                    let Some((_, environment)) = self.running.get() else {
                        return Exit::killed();
                    };
                    let stdio = Stdio::Log {
                        log: Arc::clone(log),
                        stdin: self.console.open(&argv, log, &self.kill, &self.tasks),
                        tty: self.config.tty,
                    };
                    tokio::select! {
                        biased;
                        () = self.terminated() => Exit::terminated(),
                        exit = environment.run(&program, &argv, stdio, listeners) => exit.unwrap_or_else(|error| Exit {
                            code: 128,
                            out_of_memory: false,
                            message: format!("the program cannot be started: {error:#}"),
                        }),
                    }
                }
            }
        };
        tokio::select! {
            biased;
            exit = work => exit,
            () = self.memory.exceeded().cancelled() => {
                Exit::out_of_memory("memory limit exceeded".to_owned())
            }
            () = self.kill.cancelled() => Exit::killed(),
        }
    }
}
