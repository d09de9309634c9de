//! New content for volumes of running pods, when their ConfigMaps, Secrets, fields or tokens changed.
//!
//! As in the original, a changed source is noticed at the pod's next full look, once a minute
//! (`--sync-frequency`), and a changed pod at once.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use shared::Millis;

use crate::context::Context;
use crate::runtime::{RuntimeCommand, Volume};
use crate::tokens::{Standing, TokenKey};
use crate::unit::Unit;
use crate::worker::{Sandbox, Worker};

/// How often a pod is looked at in full (`syncFrequency`).
const SYNC_MS: u64 = 60_000;

/// What tells the contents of file volumes apart, by volume name.
pub(crate) fn fingerprints(volumes: &BTreeMap<String, Volume>) -> BTreeMap<String, u64> {
    let print = |(name, volume): (&String, &Volume)| match volume {
        Volume::EmptyDir { .. } => None,
        Volume::Files { files, .. } => {
            let mut hasher = DefaultHasher::new();
            files.hash(&mut hasher);
            Some((name.clone(), hasher.finish()))
        }
    };
    volumes.iter().filter_map(print).collect()
}

impl Worker {
    fn has_files(&self) -> bool {
        let files = |v: &crate::spec::VolumeSpec| v.empty_dir.is_none();
        self.spec.volumes.iter().any(files)
    }

    /// A container is being started with the content of this moment: newer content must not overtake it.
    fn is_starting(&self) -> bool {
        let starting = |u: &Unit| u.is_active() && u.began.is_none();
        self.units.iter().any(starting)
    }

    /// A source of the pod's volumes may have changed: they are looked at in the next minute of the pod.
    pub(crate) fn refresh_later(&mut self, now: Millis) {
        if self.has_files() && self.refresh_at.is_none() {
            let minutes = now.since(self.start_time) / SYNC_MS + 1;
            self.refresh_at = Some(self.start_time.plus_ms(minutes * SYNC_MS));
        }
    }

    /// The pod itself changed: its volumes are looked at now.
    pub(crate) fn refresh_now(&mut self) {
        if self.has_files() {
            self.refresh_at = Some(Millis(0));
        }
    }

    /// Renews tokens, and gives changed volumes to the engine when it is time.
    pub(crate) fn refresh(&mut self, ctx: &mut Context<'_>) {
        self.ask_tokens(ctx);
        if self.refresh_at.is_none_or(|at| at > ctx.now) || self.is_starting() {
            return;
        }
        self.refresh_at = None;
        if self.sandbox != Sandbox::Ready || !self.units.iter().any(Unit::is_active) {
            return;
        }
        match self.volumes(ctx) {
            Ok(volumes) => self.give(volumes, ctx),
            Err(error) => {
                self.volumes_failed(&error.to_string(), ctx);
            }
        }
    }

    /// Asks for the tokens that are wanted and not fresh; false while one has never come.
    pub(crate) fn ask_tokens(&mut self, ctx: &mut Context<'_>) -> bool {
        let (mut here, mut next) = (true, None);
        for key in TokenKey::all(&self.pod, &self.spec) {
            if ctx.tokens.ask(&key, ctx.now) {
                ctx.out.tokens.push(key.clone());
            }
            here &= ctx.tokens.standing(&key, ctx.now) != Standing::Asked;
            let renew_at = ctx.tokens.renew_at(&key).filter(|at| *at > ctx.now);
            next = next.into_iter().chain(renew_at).min();
        }
        self.renew_at = next;
        here
    }

    fn give(&mut self, mut volumes: BTreeMap<String, Volume>, ctx: &mut Context<'_>) {
        let prints = fingerprints(&volumes);
        volumes.retain(|name, _| {
            prints
                .get(name)
                .is_some_and(|p| self.shown.get(name) != Some(p))
        });
        if volumes.is_empty() {
            return;
        }
        let names: Vec<&str> = volumes.keys().map(String::as_str).collect();
        self.note(
            ctx,
            "volumes",
            format!("new content of {}", names.join(", ")),
        );
        self.shown = prints;
        let (pod, volumes) = (self.uid().into(), volumes.into_values().collect());
        ctx.out
            .commands
            .push_back(RuntimeCommand::UpdateVolumes { pod, volumes });
    }

    /// Volumes could not be renewed: told, and tried again in the next minute.
    pub(crate) fn volumes_failed(&mut self, why: &str, ctx: &mut Context<'_>) {
        for key in TokenKey::all(&self.pod, &self.spec) {
            ctx.tokens.forgive(&key);
        }
        self.shown.clear();
        self.refresh_later(ctx.now);
        self.event(ctx, None, "Warning", "FailedMount", why.into());
    }

    /// When the volumes have to be looked at again.
    pub(crate) fn refresh_wake(&self) -> Option<Millis> {
        let active = self.units.iter().any(Unit::is_active) && !self.is_starting();
        let running = self.sandbox == Sandbox::Ready && active;
        self.refresh_at
            .into_iter()
            .chain(self.renew_at)
            .min()
            .filter(|_| running)
    }
}
