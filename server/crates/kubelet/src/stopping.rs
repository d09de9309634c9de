//! How one run of a container is brought to its end: announcement, preStop hook, its turn, then the engine.
//!
//! Order and minimum as in `killContainer` of the original: hooks of all containers begin at once and count against
//! the grace period; then sidecars wait until what comes after them in the pod has ended.

use shared::Millis;

use crate::context::Context;
use crate::runtime::{HookKind, RuntimeCommand};
use crate::unit::{Role, StopStep, Stopping, Unit};
use crate::worker::Worker;

/// What a container gets at least when hooks and waiting used up the grace (`minimumGracePeriodInSeconds`).
const GRACE_MIN_MS: u64 = 2000;

impl Worker {
    /// Brings a run nearer to its end, which shall come by `deadline`; a later call can only bring that forward.
    pub(crate) fn stop(&mut self, i: usize, deadline: Millis, why: &str, ctx: &mut Context<'_>) {
        let Some(unit) = self.units.get_mut(i).filter(|u| u.is_active()) else {
            return;
        };
        let Some(stopping) = &mut unit.stopping else {
            return self.begin_stop(i, deadline, why, ctx);
        };
        let sooner = deadline < stopping.deadline;
        stopping.deadline = stopping.deadline.min(deadline);
        match stopping.step {
            StopStep::Told if !sooner => {}
            StopStep::Told => self.tell_stop(i, ctx),
            StopStep::Hook if stopping.deadline > ctx.now => {}
            StopStep::Hook | StopStep::Turn => self.await_turn(i, ctx),
        }
    }

    fn begin_stop(&mut self, i: usize, deadline: Millis, why: &str, ctx: &mut Context<'_>) {
        let hook = deadline > ctx.now && self.begin_hook(i, HookKind::PreStop, deadline, ctx);
        let Some(unit) = self.units.get_mut(i) else {
            return;
        };
        let step = if hook { StopStep::Hook } else { StopStep::Turn };
        unit.stopping = Some(Stopping { deadline, step });
        let name = &unit.spec.name;
        let message = match why {
            "Stopping container" => format!("{why} {name}"),
            "FailedPostStartHook" => why.to_owned(),
            _ => format!("Container {name} {why}"),
        };
        self.note(ctx, "stop", message.clone());
        self.event(ctx, Some(i), "Normal", "Killing", message);
        if !hook {
            self.await_turn(i, ctx);
        }
    }

    /// A run that was to end before it began has begun, and waits for its turn: its preStop hook goes first.
    pub(crate) fn begin_late_hook(&mut self, i: usize, ctx: &mut Context<'_>) {
        let stopping = self.units.get(i).and_then(|u| u.stopping);
        let Some(mut stopping) = stopping.filter(|s| s.step == StopStep::Turn) else {
            return;
        };
        if stopping.deadline > ctx.now
            && self.begin_hook(i, HookKind::PreStop, stopping.deadline, ctx)
            && let Some(unit) = self.units.get_mut(i)
        {
            stopping.step = StopStep::Hook;
            unit.stopping = Some(stopping);
        }
    }

    /// The preStop hook is over, well or not.
    pub(crate) fn pre_stop_done(&mut self, i: usize, ctx: &mut Context<'_>) {
        let unit = self.units.get(i);
        if unit
            .and_then(|u| u.stopping)
            .is_some_and(|s| s.step == StopStep::Hook)
        {
            self.await_turn(i, ctx);
        }
    }

    fn await_turn(&mut self, i: usize, ctx: &mut Context<'_>) {
        let waits = self.waits_for_others(i);
        let Some(unit) = self.units.get_mut(i) else {
            return;
        };
        let Some(stopping) = &mut unit.stopping else {
            return;
        };
        if waits && stopping.deadline > ctx.now {
            stopping.step = StopStep::Turn;
        } else {
            self.tell_stop(i, ctx);
        }
    }

    /// On the way out of the pod a sidecar goes after the containers and after the sidecars that follow it.
    fn waits_for_others(&self, i: usize) -> bool {
        let sidecar = |u: &Unit| u.role == Role::Sidecar;
        if self.ending.is_none() || !self.units.get(i).is_some_and(sidecar) {
            return false;
        }
        let mut others = self.units.iter().enumerate();
        others.any(|(k, u)| k != i && u.is_active() && (!sidecar(u) || k > i))
    }

    fn tell_stop(&mut self, i: usize, ctx: &mut Context<'_>) {
        let immediate = self.ending.is_some_and(|e| e.grace_ms == Some(0));
        let pod = self.pod.uid();
        let Some(unit) = self.units.get_mut(i) else {
            return;
        };
        let id = unit.id(pod);
        let Some(stopping) = &mut unit.stopping else {
            return;
        };
        stopping.step = StopStep::Told;
        let left = stopping.deadline.since(ctx.now);
        let grace_ms = if immediate { 0 } else { left.max(GRACE_MIN_MS) };
        ctx.out
            .commands
            .push_back(RuntimeCommand::StopContainer { id, grace_ms });
    }

    /// When a run that is to end has to be looked at again.
    pub(crate) fn stop_wake(unit: &Unit) -> Option<Millis> {
        let stopping = unit.stopping.filter(|s| s.step != StopStep::Told)?;
        unit.is_active().then_some(stopping.deadline)
    }
}
