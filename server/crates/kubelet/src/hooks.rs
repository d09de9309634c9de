//! Hooks of a container: after it was started, and before it is asked to end
//! (kubernetes.io/docs/concepts/containers/container-lifecycle-hooks).

use shared::Millis;

use crate::context::Context;
use crate::probes::http_get;
use crate::runtime::{HookAction, HookKind, ProbeAction, RuntimeCommand};
use crate::spec::{ContainerSpec, HookSpec};
use crate::worker::Worker;

/// The longest that a postStart hook may take: the original sets no limit, the engine wants one.
const POST_START_MAX_MS: u64 = 24 * 3_600_000;

/// What the engine is to do for a hook; in words why it cannot.
fn action(hook: &HookSpec, container: &ContainerSpec) -> Result<HookAction, String> {
    if let Some(sleep) = &hook.sleep {
        let ms = sleep.seconds.saturating_mul(1000);
        return Ok(HookAction::Sleep { ms });
    }
    if let Some(exec) = &hook.exec {
        let command = exec.command.clone();
        return Ok(HookAction::Run(ProbeAction::Exec { command }));
    }
    if let Some(get) = &hook.http_get {
        return Ok(HookAction::Run(http_get(get, container)?));
    }
    Err("invalid handler: only exec, httpGet and sleep can be hooks".into())
}

impl Worker {
    /// Sends a hook to the engine; false when the container has none, or it cannot be sent.
    pub(crate) fn begin_hook(
        &mut self,
        i: usize,
        hook: HookKind,
        deadline: Millis,
        ctx: &mut Context<'_>,
    ) -> bool {
        let Some(unit) = self.units.get(i) else {
            return false;
        };
        let spec = match hook {
            HookKind::PostStart => unit.spec.lifecycle.post_start.as_ref(),
            HookKind::PreStop if unit.is_running() => unit.spec.lifecycle.pre_stop.as_ref(),
            HookKind::PreStop => None,
        };
        let Some(spec) = spec else { return false };
        let id = unit.id(self.pod.uid());
        match action(spec, &unit.spec) {
            Ok(action) => {
                let timeout_ms = deadline.since(ctx.now);
                ctx.out.commands.push_back(RuntimeCommand::RunHook {
                    id,
                    hook,
                    action,
                    timeout_ms,
                });
                true
            }
            Err(why) => {
                self.hook_failed(i, hook, &why, ctx);
                false
            }
        }
    }

    /// A run was begun: it counts as running once its postStart hook is done.
    pub(crate) fn begin_post_start(&mut self, i: usize, ctx: &mut Context<'_>) {
        let deadline = ctx.now.plus_ms(POST_START_MAX_MS);
        if !self.begin_hook(i, HookKind::PostStart, deadline, ctx) {
            self.stop_after_hook(i, ctx);
        } else if let Some(unit) = self.units.get_mut(i) {
            unit.hook = Some(HookKind::PostStart);
        }
    }

    /// The engine says how a hook went.
    pub(crate) fn hook_done(
        &mut self,
        (container, attempt): (&str, u32),
        hook: HookKind,
        failure: Option<&str>,
        ctx: &mut Context<'_>,
    ) {
        let Some(i) = self.run(container, attempt) else {
            return;
        };
        if let Some(why) = failure {
            self.hook_failed(i, hook, why, ctx);
        }
        match hook {
            HookKind::PreStop => self.pre_stop_done(i, ctx),
            HookKind::PostStart => {
                let Some(unit) = self.units.get_mut(i).filter(|u| u.hook == Some(hook)) else {
                    return;
                };
                if failure.is_none() {
                    unit.running(ctx.now);
                } else {
                    unit.hook = None;
                    self.stop_after_hook(i, ctx);
                }
            }
        }
    }

    /// A container whose postStart hook failed is ended; its restart policy decides what follows.
    fn stop_after_hook(&mut self, i: usize, ctx: &mut Context<'_>) {
        let deadline = ctx.now.plus_ms(self.spec.grace_ms());
        self.stop(i, deadline, "FailedPostStartHook", ctx);
    }

    fn hook_failed(&mut self, i: usize, hook: HookKind, why: &str, ctx: &mut Context<'_>) {
        let (reason, message) = match hook {
            HookKind::PostStart => ("FailedPostStartHook", "PostStartHook failed"),
            HookKind::PreStop => ("FailedPreStopHook", "PreStopHook failed"),
        };
        self.note(ctx, "hook", format!("{message}: {why}"));
        self.event(ctx, Some(i), "Warning", reason, message.into());
    }
}
