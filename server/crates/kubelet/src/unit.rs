//! One container of a pod: which run it is in, what state that run is in, and what it waits for.

use shared::Millis;

use crate::backoff::Backoff;
use crate::probes::Probes;
use crate::runtime::{ContainerId, HookKind};
use crate::spec::{ContainerSpec, RestartPolicy};

/// Where a container stands in the order of the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Runs to success before the next begins.
    Init,
    /// An init container that keeps running (KEP-753).
    Sidecar,
    /// What the pod is for.
    App,
    /// Added to a pod that runs, to look into it; never restarted (KEP-277).
    Ephemeral,
}

impl Role {
    /// The list of the spec that containers of this role are in.
    pub(crate) const fn list(self) -> &'static str {
        match self {
            Self::Init | Self::Sidecar => "initContainers",
            Self::App => "containers",
            Self::Ephemeral => "ephemeralContainers",
        }
    }

    /// The list of the status that containers of this role are in.
    pub(crate) const fn status_list(self) -> &'static str {
        match self {
            Self::Init | Self::Sidecar => "initContainerStatuses",
            Self::App => "containerStatuses",
            Self::Ephemeral => "ephemeralContainerStatuses",
        }
    }

    /// Counts for the pod being ready.
    pub(crate) const fn counts(self) -> bool {
        matches!(self, Self::Sidecar | Self::App)
    }
}

/// How far the ending of a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopStep {
    /// Its preStop hook is being carried out.
    Hook,
    /// It waits until others of the pod have ended.
    Turn,
    /// The engine was told.
    Told,
}

/// A run that is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopping {
    /// By when, hook and waiting included.
    pub(crate) deadline: Millis,
    pub(crate) step: StopStep,
}

/// `v1.ContainerState`, with starting kept apart from waiting.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    /// Not running. An empty reason is shown as `PodInitializing` or `ContainerCreating`.
    Waiting {
        reason: String,
        message: String,
    },
    /// The engine was told to start it; until it does, users see what was before.
    Starting {
        before: Box<State>,
    },
    Running {
        since: Millis,
    },
    Exited(Terminated),
}

/// `v1.ContainerStateTerminated`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Terminated {
    pub(crate) exit_code: i32,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) started: Option<Millis>,
    pub(crate) finished: Millis,
    pub(crate) container_id: String,
}

/// How far the image of the next run is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ImageState {
    Unknown,
    /// Asked whether it is here.
    Checking,
    Pulling,
    Ready,
    Failed {
        at: Millis,
        until: Millis,
        /// The back-off has been announced.
        announced: bool,
    },
}

/// One container.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    pub(crate) role: Role,
    pub(crate) spec: ContainerSpec,
    /// How many runs were begun; the restart count is one less.
    pub(crate) runs: u32,
    pub(crate) state: State,
    pub(crate) last: Option<Terminated>,
    pub(crate) image: ImageState,
    pub(crate) image_id: String,
    pub(crate) probes: Probes,
    /// When the engine began this run.
    pub(crate) began: Option<Millis>,
    /// The postStart hook of this run is being carried out.
    pub(crate) hook: Option<HookKind>,
    pub(crate) stopping: Option<Stopping>,
    pub(crate) backoff: Backoff,
    pub(crate) pull_backoff: Backoff,
    /// Not to be tried before, after a configuration error.
    pub(crate) retry_at: Option<Millis>,
}

impl Unit {
    pub(crate) fn new(role: Role, spec: ContainerSpec) -> Self {
        Self {
            role,
            spec,
            runs: 0,
            state: State::Waiting {
                reason: String::new(),
                message: String::new(),
            },
            last: None,
            image: ImageState::Unknown,
            image_id: String::new(),
            probes: Probes::default(),
            began: None,
            hook: None,
            stopping: None,
            backoff: Backoff::default(),
            pull_backoff: Backoff::default(),
            retry_at: None,
        }
    }

    /// How often it was begun again.
    pub(crate) fn restarts(&self) -> u32 {
        self.runs.saturating_sub(1)
    }

    /// Names the newest run.
    pub(crate) fn id(&self, pod: &str) -> ContainerId {
        ContainerId {
            pod: pod.into(),
            container: self.spec.name.clone(),
            attempt: self.restarts(),
        }
    }

    /// `spec.containers{web}`: how events point at it.
    pub(crate) fn field_path(&self) -> String {
        format!("spec.{}{{{}}}", self.role.list(), self.spec.name)
    }

    /// True while the engine has a run of it.
    pub(crate) fn is_active(&self) -> bool {
        matches!(self.state, State::Starting { .. } | State::Running { .. })
    }

    pub(crate) fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// The `started` of its status: runs and has passed its startup probe.
    pub(crate) fn is_started(&self) -> bool {
        self.is_running() && self.probes.started()
    }

    /// The `ready` of its status: may get traffic, or for an init container, has succeeded.
    pub(crate) fn is_ready(&self) -> bool {
        match (self.role, &self.state) {
            (Role::Init, State::Exited(t)) => t.exit_code == 0,
            (Role::Init | Role::Ephemeral, _) => false,
            (_, State::Running { .. }) => self.probes.ready(),
            _ => false,
        }
    }

    /// How the last run ended, whether or not a new one is being waited for.
    pub(crate) fn last_exit(&self) -> Option<&Terminated> {
        match &self.state {
            State::Exited(t) => Some(t),
            State::Waiting { .. } => self.last.as_ref(),
            State::Starting { .. } | State::Running { .. } => None,
        }
    }

    /// Whether a container that is not running shall run (again): `kubecontainer.ShouldContainerBeRestarted`, with an
    /// init container's `Always` meaning "until it succeeds".
    pub(crate) fn wants_run(&self, pod: RestartPolicy) -> bool {
        let Some(exit) = self.last_exit() else {
            return !self.is_active();
        };
        let failed = exit.exit_code != 0;
        if self.role != Role::Ephemeral && self.spec.restarts_on(exit.exit_code) {
            return true;
        }
        match (self.role, self.spec.restart_policy.unwrap_or(pod)) {
            (Role::Ephemeral, _) => false,
            (Role::Sidecar, _) | (Role::App, RestartPolicy::Always) => true,
            (Role::Init, RestartPolicy::Always) | (_, RestartPolicy::OnFailure) => failed,
            (_, RestartPolicy::Never) => false,
        }
    }

    /// When the next run may begin.
    pub(crate) fn may_start_at(&self) -> Millis {
        let after_exit = self.last_exit().map(|t| self.backoff.until(t.finished));
        after_exit.max(self.retry_at).unwrap_or_default()
    }

    /// Shows why it does not run; answers whether that is news.
    pub(crate) fn wait(&mut self, reason: &str, message: String) -> bool {
        let news = !matches!(&self.state, State::Waiting { reason: r, .. } if r == reason);
        self.pass_on();
        self.state = State::Waiting {
            reason: reason.into(),
            message,
        };
        news
    }

    /// Begins the next run: everything that belonged to the last one is reset.
    pub(crate) fn begin(&mut self, now: Millis) {
        if self.last_exit().is_some() {
            self.backoff.next(now);
        }
        self.runs = self.runs.saturating_add(1);
        let waiting = State::Waiting {
            reason: String::new(),
            message: String::new(),
        };
        let before = Box::new(std::mem::replace(&mut self.state, waiting));
        self.state = State::Starting { before };
        self.probes = Probes::default();
        (self.began, self.hook, self.stopping) = (None, None, None);
        self.retry_at = None;
        self.image = ImageState::Unknown;
        self.pull_backoff = Backoff::default();
    }

    /// What users see of its state.
    pub(crate) fn shown(&self) -> &State {
        match &self.state {
            State::Starting { before } => before,
            state => state,
        }
    }

    /// The run before becomes the last one.
    fn pass_on(&mut self) {
        if let State::Exited(exit) = self.shown() {
            self.last = Some(exit.clone());
        }
    }

    /// It runs, and its postStart hook is done.
    pub(crate) fn running(&mut self, now: Millis) {
        self.pass_on();
        self.hook = None;
        self.probes = Probes::new(&self.spec, now);
        let since = self.began.unwrap_or(now);
        self.state = State::Running { since };
    }

    /// The run ended.
    pub(crate) fn exited(
        &mut self,
        exit_code: i32,
        reason: &str,
        message: &str,
        pod: &str,
        now: Millis,
    ) {
        let reason = match (reason, exit_code) {
            ("", 0) => "Completed",
            ("", _) => "Error",
            (given, _) => given,
        };
        let started = self.began.take();
        (self.hook, self.stopping) = (None, None);
        self.pass_on();
        self.state = State::Exited(Terminated {
            exit_code,
            reason: reason.into(),
            message: message.into(),
            started,
            finished: now,
            container_id: container_id(&self.id(pod)),
        });
    }
}

/// `wasmtime://POD_CONTAINER_ATTEMPT`: the `containerID` of statuses.
pub(crate) fn container_id(id: &ContainerId) -> String {
    format!("wasmtime://{id}")
}
