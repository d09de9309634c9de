//! Getting one container to run: back-off, configuration, start; and what the engine says about the run.

use shared::Millis;

use crate::context::Context;
use crate::env;
use crate::refresh;
use crate::runtime::{ContainerConfig, RuntimeCommand};
use crate::spec::PullPolicy;
use crate::unit::{ImageState, State, Unit};
use crate::volumes;
use crate::worker::Worker;

/// How long a failure is shown as itself before the waiting for the next try is shown: the period in which the
/// original's pod lifecycle event generator looks again.
const SHOWN_MS: u64 = 1000;
/// How soon a container with a configuration error is tried again (the kubelet's `backOffPeriod`).
const CONFIG_RETRY_MS: u64 = 10_000;
/// The engine's reasons for a container that never came to be, as against one that came and failed.
const NOT_CREATED: [&str; 3] = [
    "CreateContainerConfigError",
    "CreateContainerError",
    "ImageInspectError",
];

impl Worker {
    /// Brings a container that shall run nearer to running.
    pub(crate) fn try_start(&mut self, i: usize, ctx: &mut Context<'_>) {
        let policy = self.spec.restart_policy;
        let Some(unit) = self.units.get_mut(i) else {
            return;
        };
        if unit.is_active() || !unit.wants_run(policy) {
            return;
        }
        if unit.may_start_at() > ctx.now {
            return self.show_crash_loop(i, ctx);
        }
        let retry =
            |s: &ImageState| matches!(s, ImageState::Failed { until, .. } if *until <= ctx.now);
        if retry(&unit.image) {
            unit.image = ImageState::Unknown;
        }
        match unit.image {
            ImageState::Unknown => {
                let present_only = unit.spec.image_pull_policy != PullPolicy::Always;
                self.request_image(i, present_only, ctx);
            }
            ImageState::Checking | ImageState::Pulling => {}
            ImageState::Failed { at, announced, .. } => {
                if !announced && ctx.now.since(at) >= SHOWN_MS {
                    self.show_pull_backoff(i, ctx);
                }
            }
            ImageState::Ready => self.start(i, ctx),
        }
    }

    fn show_crash_loop(&mut self, i: usize, ctx: &mut Context<'_>) {
        let pod = format!(
            "{}_{}({})",
            self.pod.name(),
            self.pod.namespace(),
            self.pod.uid()
        );
        let Some(unit) = self.units.get_mut(i) else {
            return;
        };
        let Some(exit) = unit.last_exit() else { return };
        if ctx.now.since(exit.finished) < SHOWN_MS || unit.retry_at.is_some() {
            return;
        }
        let (name, delay) = (unit.spec.name.clone(), unit.backoff.delay_ms());
        let text = format!(
            "back-off {} restarting failed container={name} pod={pod}",
            go_duration(delay)
        );
        if unit.wait("CrashLoopBackOff", text) {
            let message = format!("Back-off restarting failed container {name} in pod {pod}");
            self.event(ctx, Some(i), "Warning", "BackOff", message);
        }
    }

    fn start(&mut self, i: usize, ctx: &mut Context<'_>) {
        let mut config = match self.container_config(i, ctx) {
            Ok(config) => config,
            Err(why) => return self.config_error(i, why, ctx),
        };
        let uid = self.pod.uid().to_owned();
        let Some(unit) = self.units.get_mut(i) else {
            return;
        };
        unit.begin(ctx.now);
        config.id = Some(unit.id(&uid));
        ctx.out
            .commands
            .push_back(RuntimeCommand::StartContainer(Box::new(config)));
    }

    fn config_error(&mut self, i: usize, why: String, ctx: &mut Context<'_>) {
        let Some(unit) = self.units.get_mut(i) else {
            return;
        };
        unit.retry_at = Some(ctx.now.plus_ms(CONFIG_RETRY_MS));
        unit.wait("CreateContainerConfigError", why.clone());
        self.event(ctx, Some(i), "Warning", "Failed", format!("Error: {why}"));
    }

    fn container_config(&mut self, i: usize, ctx: &Context<'_>) -> Result<ContainerConfig, String> {
        let volumes = self.volumes(ctx).map_err(|e| e.to_string())?;
        self.shown.extend(refresh::fingerprints(&volumes));
        let spec = &self.units.get(i).ok_or("no such container")?.spec;
        let all =
            env::environment(spec, &self.subject(ctx), &ctx.sources).map_err(|e| e.to_string())?;
        let expand = |texts: &[String]| {
            let lookup = |name: &str| all.get(name).cloned();
            texts.iter().map(|t| env::expand(t, lookup)).collect()
        };
        let millis =
            |q: shared::quantity::Quantity| u64::try_from(q.as_millis()).ok().filter(|m| *m > 0);
        let units =
            |q: shared::quantity::Quantity| u64::try_from(q.as_units()).ok().filter(|b| *b > 0);
        Ok(ContainerConfig {
            id: None,
            image: spec.image.clone(),
            command: expand(&spec.command),
            args: expand(&spec.args),
            env: all.clone().into_iter().collect(),
            working_dir: spec.working_dir.clone(),
            ports: spec.ports.iter().map(|p| p.container_port).collect(),
            mounts: volumes::mounts(spec, &volumes, |name| all.get(name).cloned())?,
            cpu_limit_millis: spec.limit("cpu").and_then(millis),
            cpu_request_millis: millis(spec.request("cpu")),
            memory_limit_bytes: spec.limit("memory").and_then(units),
            stdin: spec.stdin,
            stdin_once: spec.stdin_once,
            tty: spec.tty,
            termination_message_path: spec.termination_message_path.clone(),
            termination_message_from_log: spec.termination_message_policy
                == "FallbackToLogsOnError",
        })
    }

    /// The container that has this run now.
    pub(crate) fn run(&self, container: &str, attempt: u32) -> Option<usize> {
        let is = |u: &Unit| u.spec.name == container && u.restarts() == attempt && u.is_active();
        self.units.iter().position(is)
    }

    /// The engine says that a run has begun.
    pub(crate) fn started(&mut self, container: &str, attempt: u32, ctx: &mut Context<'_>) {
        let Some(i) = self.run(container, attempt) else {
            return;
        };
        let Some(unit) = self.units.get_mut(i).filter(|u| u.began.is_none()) else {
            return;
        };
        unit.began = Some(ctx.now);
        let image = unit.spec.image.clone();
        let has_hook = unit.spec.lifecycle.post_start.is_some() && unit.stopping.is_none();
        self.note(ctx, "start", format!("{container} runs {image}"));
        self.event(
            ctx,
            Some(i),
            "Normal",
            "Created",
            "Container created".into(),
        );
        self.event(
            ctx,
            Some(i),
            "Normal",
            "Started",
            "Container started".into(),
        );
        if has_hook {
            self.begin_post_start(i, ctx);
        } else if let Some(unit) = self.units.get_mut(i) {
            unit.running(ctx.now);
            self.begin_late_hook(i, ctx);
        }
    }

    /// The engine could not begin a run. One that came to be and failed counts as a run (exit code 128, as containerd
    /// reports it); one that was never created does not.
    pub(crate) fn start_failed(
        &mut self,
        (container, attempt): (&str, u32),
        reason: &str,
        message: &str,
        ctx: &mut Context<'_>,
    ) {
        let Some(i) = self.run(container, attempt) else {
            return;
        };
        let uid = self.pod.uid().to_owned();
        let restarts = self.spec.restart_policy;
        let Some(unit) = self.units.get_mut(i) else {
            return;
        };
        if NOT_CREATED.contains(&reason) {
            unit.runs = unit.runs.saturating_sub(1);
            unit.retry_at = Some(ctx.now.plus_ms(CONFIG_RETRY_MS));
            unit.stopping = None;
            unit.wait(reason, message.into());
        } else {
            unit.exited(128, "StartError", message, &uid, ctx.now);
            if unit.wants_run(restarts) {
                unit.wait(
                    if reason.is_empty() {
                        "RunContainerError"
                    } else {
                        reason
                    },
                    message.into(),
                );
            }
        }
        self.event(
            ctx,
            Some(i),
            "Warning",
            "Failed",
            format!("Error: {message}"),
        );
    }

    /// The engine says that a run has ended.
    pub(crate) fn exited(
        &mut self,
        (container, attempt): (&str, u32),
        exit_code: i32,
        reason: &str,
        message: &str,
        ctx: &mut Context<'_>,
    ) {
        let Some(i) = self.run(container, attempt) else {
            return;
        };
        let uid = self.pod.uid().to_owned();
        let Some(unit) = self.units.get_mut(i) else {
            return;
        };
        unit.exited(exit_code, reason, message, &uid, ctx.now);
        self.note(
            ctx,
            "exit",
            format!("{container} ended with exit code {exit_code}"),
        );
    }

    /// When a container has to be looked at again.
    pub(crate) fn unit_wake(&self, i: usize) -> Option<Millis> {
        let unit = self.units.get(i)?;
        if unit.is_running() {
            return unit.probes.wake(false);
        }
        let wanted = !unit.is_active() && unit.wants_run(self.spec.restart_policy);
        if !wanted || !self.is_its_turn(i) {
            return None;
        }
        let may = unit.may_start_at();
        let shown = unit.last_exit().map(|e| e.finished.plus_ms(SHOWN_MS));
        match (&unit.image, &unit.state) {
            (
                ImageState::Failed {
                    until,
                    announced: true,
                    ..
                },
                _,
            ) => Some(*until),
            (ImageState::Failed { at, .. }, _) => Some(at.plus_ms(SHOWN_MS)),
            (ImageState::Checking | ImageState::Pulling, _) => None,
            (_, State::Waiting { reason, .. }) if reason == "CrashLoopBackOff" => Some(may),
            _ if unit.retry_at.is_some() => Some(may),
            _ => shown.map(|s| s.min(may)),
        }
    }
}

/// A duration as Go prints it: `10s`, `1m20s`, `5m0s`.
fn go_duration(ms: u64) -> String {
    let s = ms / 1000;
    if s < 60 {
        format!("{s}s")
    } else {
        format!("{}m{}s", s / 60, s % 60)
    }
}
