//! The reference model: what an engine may be asked at all, and what a status may say after what it said before.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shared::Millis;

use crate::runtime::{ContainerId, HookKind, RuntimeCommand};

/// A container as the model sees it.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) name: String,
    /// `init`, `sidecar` or `app`.
    pub(super) role: &'static str,
    pub(super) pre_stop: bool,
}

/// What happened to one pod since its sandbox was made.
#[derive(Debug, Default)]
pub(super) struct Life {
    pub(super) containers: Vec<Wanted>,
    pub(super) grace_ms: u64,
    sandbox: bool,
    /// Runs that the engine has, and whether they count as running.
    active: BTreeMap<String, (u32, bool)>,
    /// Attempts that were begun, over all lives.
    attempts: BTreeMap<String, u32>,
    /// Attempts whose number was forgotten with the machine: the API may not have been told of the last ones.
    forgotten: BTreeSet<String>,
    /// Init containers that succeeded, and sidecars that were started, in this sandbox.
    through: BTreeSet<String>,
    hooked: BTreeSet<ContainerId>,
    /// When the pod was seen to be deleted or over.
    pub(super) ending: Option<Millis>,
    phase: String,
    restarts: BTreeMap<String, u64>,
}

impl Life {
    /// Judges a command for this pod.
    pub(super) fn command(&mut self, command: &RuntimeCommand, now: Millis) -> Result<(), String> {
        match command {
            RuntimeCommand::CreateSandbox(_) => {
                let twice = std::mem::replace(&mut self.sandbox, true);
                self.through.clear();
                refuse(twice, "a second sandbox")
            }
            RuntimeCommand::StartContainer(config) => {
                let id = config.id.clone().ok_or("a container without a name")?;
                self.start(&id)
            }
            RuntimeCommand::StopContainer { id, grace_ms } => self.stop(id, *grace_ms, now),
            RuntimeCommand::RunHook { id, hook, .. } => {
                let here = self.active.get(&id.container).map(|(n, _)| *n);
                if *hook == HookKind::PreStop {
                    self.hooked.insert(id.clone());
                }
                refuse(
                    here != Some(id.attempt),
                    "a hook of a run that is not there",
                )
            }
            RuntimeCommand::StopSandbox { .. } | RuntimeCommand::RemoveSandbox { .. } => {
                self.sandbox = false;
                refuse(
                    !self.active.is_empty(),
                    "the sandbox goes before its containers",
                )
            }
            _ => Ok(()),
        }
    }

    fn start(&mut self, id: &ContainerId) -> Result<(), String> {
        let name = &id.container;
        refuse(!self.sandbox, "a start without a sandbox")?;
        refuse(self.ending.is_some(), "a start after the end")?;
        refuse(self.active.contains_key(name), "two runs of one container")?;
        let next = self.attempts.get(name).map_or(0, |n| n + 1);
        // A run that never came to be is not counted, so its number is used again.
        let follows = id.attempt == next || id.attempt + 1 == next;
        let forgotten = self.forgotten.remove(name) && id.attempt < next;
        refuse(!follows && !forgotten, "a run out of order")?;
        let at = self.containers.iter().position(|c| c.name == *name);
        let at = at.ok_or("a container that the spec does not know")?;
        let (own, before) = (&self.containers[at], &self.containers[..at]);
        let waits = before
            .iter()
            .find(|c| c.role != "app" && !self.through.contains(&c.name));
        let initialized = self
            .containers
            .iter()
            .all(|c| c.role == "app" || self.through.contains(&c.name));
        if let Some(waits) = waits.filter(|_| !initialized) {
            return Err(format!("{name} does not wait for {}", waits.name));
        }
        let again = own.role == "init" && self.through.contains(name);
        refuse(again, "an init container that had succeeded runs again")?;
        self.attempts.insert(name.clone(), id.attempt);
        self.active.insert(name.clone(), (id.attempt, false));
        Ok(())
    }

    fn stop(&mut self, id: &ContainerId, grace_ms: u64, now: Millis) -> Result<(), String> {
        let Some((attempt, running)) = self.active.get(&id.container).copied() else {
            return Ok(());
        };
        let own = self.containers.iter().find(|c| c.name == id.container);
        let own = own.ok_or("a container that the spec does not know")?;
        let hooked = self.hooked.contains(id) || !own.pre_stop || !running;
        refuse(
            attempt == id.attempt && !hooked,
            "no preStop hook before the end",
        )?;
        refuse(grace_ms < 2000, "less than two seconds to end")?;
        let at = self.containers.iter().position(|c| c.name == own.name);
        let over = self
            .ending
            .is_some_and(|since| now.since(since) >= self.grace_ms);
        let later = self.containers.iter().enumerate().filter(|(i, c)| {
            self.active.contains_key(&c.name) && (c.role != "sidecar" || Some(*i) > at)
        });
        let later = later.filter(|(i, _)| Some(*i) != at).count();
        let early = own.role == "sidecar" && self.ending.is_some() && later > 0 && !over;
        refuse(early, "a sidecar ends before what needs it")
    }

    /// A run counts as running.
    pub(super) fn started(&mut self, id: &ContainerId) {
        if let Some((_, running)) = self.active.get_mut(&id.container) {
            *running = true;
        }
        let sidecar = |c: &&Wanted| c.name == id.container && c.role == "sidecar";
        if self.containers.iter().any(|c| sidecar(&c)) {
            self.through.insert(id.container.clone());
        }
    }

    /// A run has ended, or never came to be.
    pub(super) fn ended(&mut self, id: &ContainerId, exit_code: i32) {
        self.active.remove(&id.container);
        let init = |c: &&Wanted| c.name == id.container && c.role == "init";
        if exit_code == 0 && self.containers.iter().any(|c| init(&c)) {
            self.through.insert(id.container.clone());
        }
    }

    /// The machine lost its power: the engine has nothing any more.
    pub(super) fn lost(&mut self) {
        (self.sandbox, self.active) = (false, BTreeMap::new());
        self.forgotten.extend(self.attempts.keys().cloned());
        self.through.clear();
    }

    /// Judges a status against those before.
    pub(super) fn status(&mut self, status: &Value, now: Millis) -> Result<(), String> {
        let phase = status["phase"].as_str().unwrap_or_default();
        let over = matches!(self.phase.as_str(), "Succeeded" | "Failed");
        if over && phase != self.phase {
            return Err(format!("{} became {phase}", self.phase));
        }
        phase.clone_into(&mut self.phase);
        if matches!(phase, "Succeeded" | "Failed") {
            self.ending.get_or_insert(now);
            refuse(!self.active.is_empty(), "a pod is over while it runs")?;
        }
        for list in ["initContainerStatuses", "containerStatuses"] {
            for one in status[list].as_array().into_iter().flatten() {
                let name = one["name"].as_str().unwrap_or_default().to_owned();
                let count = one["restartCount"].as_u64().unwrap_or(0);
                let before = self.restarts.insert(name.clone(), count).unwrap_or(0);
                if count < before {
                    return Err(format!("{name}: {before} restarts became {count}"));
                }
            }
        }
        Ok(())
    }

    /// Nothing of it is left in the engine.
    pub(super) fn is_gone(&self) -> bool {
        !self.sandbox && self.active.is_empty()
    }

    /// The containers that the engine runs.
    pub(super) fn running(&self) -> Vec<&str> {
        let running = self.active.iter().filter(|(_, (_, r))| *r);
        running.map(|(name, _)| name.as_str()).collect()
    }
}

fn refuse(wrong: bool, why: &str) -> Result<(), String> {
    if wrong { Err(why.to_owned()) } else { Ok(()) }
}
