//! Probes of a pod's containers: sent when due, and what their results lead to.

use crate::context::Context;
use crate::probes::{Verdict, word};
use crate::runtime::{ProbeKind, RuntimeCommand};
use crate::worker::Worker;

impl Worker {
    /// Sends the probes that are due.
    pub(crate) fn run_probes(&mut self, ctx: &mut Context<'_>) {
        let stopping = self.ending.is_some();
        let uid = self.pod.uid().to_owned();
        for i in 0..self.units.len() {
            let Some(unit) = self
                .units
                .get_mut(i)
                .filter(|u| u.is_running() && u.role.counts())
            else {
                continue;
            };
            let id = unit.id(&uid);
            for (probe, action, timeout_ms) in unit.probes.take_due(&unit.spec, stopping, ctx.now) {
                match action {
                    Ok(action) => ctx.out.commands.push_back(RuntimeCommand::Probe {
                        id: id.clone(),
                        probe,
                        action,
                        timeout_ms,
                    }),
                    Err(why) => self.probed((&id.container, id.attempt), probe, Some(&why), ctx),
                }
                if self.units.get(i).is_none_or(|u| !u.is_running()) {
                    break;
                }
            }
        }
    }

    /// The engine says how a probe went.
    pub(crate) fn probed(
        &mut self,
        (container, attempt): (&str, u32),
        kind: ProbeKind,
        failure: Option<&str>,
        ctx: &mut Context<'_>,
    ) {
        let Some(i) = self.run(container, attempt) else {
            return;
        };
        if let Some(why) = failure {
            let message = format!("{} probe failed: {why}", word(kind));
            self.event(ctx, Some(i), "Warning", "Unhealthy", message);
        }
        let grace = self.spec.grace_ms();
        let ending = self.ending.is_some();
        let Some(unit) = self.units.get_mut(i) else {
            return;
        };
        let verdict = unit.probes.result(kind, failure.is_none());
        if verdict == Verdict::Kill && !ending {
            let grace = unit.probes.grace_ms(kind).unwrap_or(grace);
            let why = format!(
                "failed {} probe, will be restarted",
                word(kind).to_lowercase()
            );
            self.stop(i, ctx.now.plus_ms(grace), &why, ctx);
        }
    }
}
