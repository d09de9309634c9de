//! How a pod ends: deleted, finished or failed. Containers first, sidecars last in reverse order, then the sandbox.

use shared::Millis;

use crate::context::Context;
use crate::runtime::RuntimeCommand;
use crate::unit::{Role, State, Unit};
use crate::worker::{Sandbox, Worker};

/// What a container gets at least when the pod's grace is used up (`minimumGracePeriodInSeconds`).
const GRACE_MIN_MS: u64 = 2000;

/// A pod on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) since: Millis,
    /// The whole time that containers have, in milliseconds; `None` for the one in the pod's spec.
    pub(crate) grace_ms: Option<u64>,
    /// The object is to be removed, or is gone: the sandbox goes too.
    pub(crate) deleted: bool,
}

impl Ending {
    /// Everything has run that shall.
    pub(crate) fn finished(now: Millis) -> Self {
        Self {
            since: now,
            grace_ms: None,
            deleted: false,
        }
    }

    /// The pod failed as a whole.
    pub(crate) fn failed(now: Millis) -> Self {
        Self::finished(now)
    }
}

impl Worker {
    /// The object has a deletion timestamp, or is gone already. A second deletion can only shorten the time.
    pub(crate) fn end_deleted(&mut self, grace_ms: u64, now: Millis) {
        let since = self
            .ending
            .map_or(now, |e| if e.deleted { e.since } else { now });
        let old = self.ending.filter(|e| e.deleted).and_then(|e| e.grace_ms);
        self.ending = Some(Ending {
            since,
            grace_ms: Some(old.map_or(grace_ms, |o| o.min(grace_ms))),
            deleted: true,
        });
    }

    /// Steps on the way out.
    pub(crate) fn sync_ending(&mut self, ctx: &mut Context<'_>) {
        let Some(ending) = self.ending else { return };
        let total = ending.grace_ms.unwrap_or(self.spec.grace_ms());
        let left = total.saturating_sub(ctx.now.since(ending.since));
        let main = |u: &Unit| u.role != Role::Sidecar && u.is_active();
        if self.units.iter().any(main) {
            for i in 0..self.units.len() {
                if self.units.get(i).is_some_and(main) {
                    self.stop(i, left, "Stopping container", ctx);
                }
            }
        } else if let Some(last) = self.units.iter().rposition(Unit::is_active) {
            let grace = if total == 0 {
                0
            } else {
                left.max(GRACE_MIN_MS)
            };
            self.stop(last, grace, "Stopping container", ctx);
        } else {
            self.settle();
            if ending.deleted {
                self.remove_sandbox(ctx);
            }
            return;
        }
        self.run_probes(ctx);
    }

    /// What will not run any more shows how it last ended.
    fn settle(&mut self) {
        for unit in &mut self.units {
            if let (State::Waiting { .. }, Some(last)) = (&unit.state, unit.last.take()) {
                unit.state = State::Exited(last);
            }
        }
    }

    fn remove_sandbox(&mut self, ctx: &mut Context<'_>) {
        match self.sandbox {
            Sandbox::None | Sandbox::Failed { .. } => self.sandbox_removed(ctx),
            Sandbox::Ready | Sandbox::Creating => {
                self.sandbox = Sandbox::Removing;
                let pod = self.uid().into();
                ctx.out
                    .commands
                    .push_back(RuntimeCommand::RemoveSandbox { pod });
            }
            Sandbox::Removing | Sandbox::Removed => {}
        }
    }

    /// Nothing of the pod is left in the engine: its address is free.
    pub(crate) fn sandbox_removed(&mut self, ctx: &mut Context<'_>) {
        self.sandbox = Sandbox::Removed;
        if let Some(ipam) = ctx.ipam.as_deref_mut() {
            ipam.release(self.pod.uid());
        }
    }

    /// Asks the engine to end a container, once; again only to shorten the grace.
    pub(crate) fn stop(&mut self, i: usize, grace_ms: u64, why: &str, ctx: &mut Context<'_>) {
        let Some(unit) = self.units.get_mut(i).filter(|u| u.is_active()) else {
            return;
        };
        let deadline = ctx.now.plus_ms(grace_ms).0;
        if unit.stopping.is_some_and(|until| until <= deadline) {
            return;
        }
        let first = unit.stopping.replace(deadline).is_none();
        let (id, name) = (unit.id(self.pod.uid()), unit.spec.name.clone());
        ctx.out
            .commands
            .push_back(RuntimeCommand::StopContainer { id, grace_ms });
        if first {
            let message = if why == "Stopping container" {
                format!("{why} {name}")
            } else {
                format!("Container {name} {why}")
            };
            self.note(ctx, "stop", message.clone());
            self.event(ctx, Some(i), "Normal", "Killing", message);
        }
    }
}
