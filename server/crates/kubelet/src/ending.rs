//! How a pod ends: deleted, finished or failed. Containers first, sidecars last in reverse order, then the sandbox,
//! and on deletion everything that is left of it.

use shared::Millis;

use crate::context::Context;
use crate::runtime::RuntimeCommand;
use crate::unit::{State, Unit};
use crate::worker::{Sandbox, Worker};

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

    /// The pod failed as a whole; its containers have the grace of its spec.
    pub(crate) fn failed(now: Millis) -> Self {
        Self::finished(now)
    }

    /// The node needs the room: its containers have so many milliseconds.
    pub(crate) fn evicted(grace_ms: u64, now: Millis) -> Self {
        Self {
            grace_ms: Some(grace_ms),
            ..Self::finished(now)
        }
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
        if self.units.iter().any(Unit::is_active) {
            let total = ending.grace_ms.unwrap_or(self.spec.grace_ms());
            let deadline = ending.since.plus_ms(total);
            for i in 0..self.units.len() {
                self.stop(i, deadline, "Stopping container", ctx);
            }
            return self.run_probes(ctx);
        }
        self.settle();
        if ending.deleted {
            self.remove_sandbox(ctx);
        } else if self.sandbox == Sandbox::Ready {
            self.sandbox = Sandbox::Stopping;
            let pod = self.uid().into();
            ctx.out
                .commands
                .push_back(RuntimeCommand::StopSandbox { pod });
        }
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
            Sandbox::None | Sandbox::Failed { .. } if !self.stored => self.sandbox_removed(ctx),
            Sandbox::Removing | Sandbox::Removed => {}
            _ => {
                self.sandbox = Sandbox::Removing;
                let pod = self.uid().into();
                ctx.out
                    .commands
                    .push_back(RuntimeCommand::RemoveSandbox { pod });
            }
        }
    }

    /// The pod's network is given back: so is its address.
    pub(crate) fn sandbox_stopped(&mut self, ctx: &mut Context<'_>) {
        if self.sandbox == Sandbox::Stopping {
            self.sandbox = Sandbox::Stopped;
            self.stored = true;
            self.release_address(ctx);
        }
    }

    /// Nothing of the pod is left in the engine.
    pub(crate) fn sandbox_removed(&mut self, ctx: &mut Context<'_>) {
        self.sandbox = Sandbox::Removed;
        self.release_address(ctx);
    }

    fn release_address(&self, ctx: &mut Context<'_>) {
        if let Some(ipam) = ctx.ipam.as_deref_mut() {
            ipam.release(self.pod.uid());
        }
    }
}
