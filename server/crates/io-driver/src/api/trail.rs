//! The hops of one request: who asked, which phases it passed and how long each took, what was committed.

use apiserver::{Observer, Phase};
use client::{Request, Verb};
use shared::flow::{Outcome, TraceId};
use shared::{ObjectRef, Revision, Status};
use store::Committed;

use super::{Api, Asker};
use crate::flow::NewHop;

/// Follows a request and records its hops when it ends.
pub(super) struct Trail<'a> {
    api: &'a Api,
    asker: &'a Asker,
    request: &'a Request,
    trace: Option<TraceId>,
    start_us: u64,
    phases: Vec<(Phase, u64, u64)>,
    /// The admission plugins that have done their part: their names, when they were done, whether they refused.
    plugins: Vec<(&'static str, u64, bool)>,
    commit: Option<(Revision, u64, u64)>,
    object: ObjectRef,
}

impl<'a> Trail<'a> {
    /// Begins. Requests that are not worth showing are followed without a trace.
    pub(super) fn start(api: &'a Api, asker: &'a Asker, request: &'a Request) -> Self {
        let shown = request.verb.mutates() || (asker.shows_reads && request.verb != Verb::Watch);
        let trace = shown.then(|| {
            let caused = asker.cause.and_then(|revision| api.flow.trace_of(revision));
            caused.or(asker.trace).unwrap_or_else(|| fresh(api))
        });
        let kind = request.kind.built_in();
        let object = ObjectRef {
            api_version: request.kind.api_version(),
            kind: kind.map_or_else(|| request.kind.plural.clone(), |k| k.kind.to_owned()),
            namespace: request.namespace.clone(),
            name: request.name.clone(),
            uid: String::new(),
        };
        let start_us = api.clock.host_us();
        Self {
            api,
            asker,
            request,
            trace,
            start_us,
            phases: Vec::new(),
            plugins: Vec::new(),
            commit: None,
            object,
        }
    }

    /// Ends the present phase.
    pub(super) fn leave(&mut self) {
        let now = self.api.clock.host_us();
        if let Some((_, _, end)) = self.phases.last_mut()
            && *end == 0
        {
            *end = now;
        }
    }

    /// Looks again for the trace of what caused the request. A component may hear of a revision and act on it before
    /// the request that wrote the revision has been told so itself.
    fn join_cause(&mut self) {
        let caused = self
            .asker
            .cause
            .and_then(|revision| self.api.flow.trace_of(revision));
        self.trace = self.trace.map(|own| caused.unwrap_or(own));
    }

    /// Notes the commit: its revision belongs to the trace from here on.
    pub(super) fn committed(&mut self, committed: &Committed, start_us: u64, end_us: u64) {
        self.commit = Some((committed.revision, start_us, end_us));
        self.join_cause();
        let Some(trace) = self.trace else { return };
        self.api.flow.link(committed.revision, trace);
        if self.object.name.is_empty()
            && let Some(name) = committed
                .events
                .first()
                .and_then(|e| e.kv.key.rsplit('/').next())
        {
            self.object.name = name.to_owned();
        }
    }

    /// Records the hops.
    pub(super) fn finish(mut self, refused: Option<&Status>) {
        self.leave();
        self.count(refused);
        self.join_cause();
        let Some(trace) = self.trace else { return };
        let mut outcome = refused.map_or(Outcome::Done, |s| self.ending(s));
        let mut words = self.words();
        if !self.request.verb.mutates() && refused.is_some_and(Status::is_not_found) {
            // Whoever looks before writing (kubectl apply does) is answered, not refused.
            words.push_str(": not found");
            outcome = Outcome::Done;
        }
        let end_us = self.api.clock.host_us();
        let revision = self.commit.map(|(revision, _, _)| revision);
        self.record(
            trace,
            &self.asker.agent,
            if self.request.verb.mutates() {
                "request"
            } else {
                "read"
            },
            words,
            (self.start_us, end_us),
            revision,
            outcome.clone(),
        );
        if !self.request.verb.mutates() {
            self.record_read(trace, outcome);
            return;
        }
        for (phase, start, end) in &self.phases {
            let last = refused.is_some() && self.phases.last().is_some_and(|(p, _, _)| p == phase);
            let outcome = match refused {
                Some(status) if last => self.ending(status),
                _ => Outcome::Done,
            };
            self.record(
                trace,
                "kube-apiserver",
                phase.word(),
                phase.word().into(),
                (*start, *end),
                None,
                outcome,
            );
        }
        if let Some((revision, start, end)) = self.commit {
            let text = format!(
                "commit {revision} {}/{}",
                self.request.kind.plural, self.object.name
            );
            self.record(
                trace,
                "etcd",
                "commit",
                text,
                (start, end),
                Some(revision),
                Outcome::Done,
            );
        }
    }

    /// Counts what was decided on the way.
    fn count(&self, refused: Option<&Status>) {
        let metrics = &self.api.metrics;
        let last = self.phases.last().map(|(phase, ..)| *phase);
        let ended_in = |phase| refused.is_some() && last == Some(phase);
        // A request that lost a race went through its phases again; it counts once.
        let latest = |wanted| {
            self.phases
                .iter()
                .rev()
                .find(|(phase, ..)| *phase == wanted)
        };
        let counted = [Phase::Authorization, Phase::Admission];
        for (phase, start, end) in counted.into_iter().filter_map(latest) {
            match phase {
                Phase::Authorization => {
                    let is_denied = ended_in(*phase) && refused.is_some_and(|s| s.code == 403);
                    metrics.decided(&self.asker.user.name, !is_denied);
                }
                Phase::Admission => {
                    metrics.admitted(self.request, end.saturating_sub(*start), ended_in(*phase));
                    self.count_plugins(*start);
                }
                _ => {}
            }
        }
    }

    /// Counts how long each plugin took, one after the other from the beginning of admission.
    fn count_plugins(&self, mut start: u64) {
        for (plugin, end, is_rejected) in &self.plugins {
            let duration_us = end.saturating_sub(start);
            let metrics = &self.api.metrics;
            metrics.admitted_by(plugin, self.request, duration_us, *is_rejected);
            start = *end;
        }
    }

    /// What the apiserver did for a read, as one hop: a story about a write can leave it out.
    fn record_read(&self, trace: TraceId, outcome: Outcome) {
        let (Some((_, start, _)), Some((_, _, end))) = (self.phases.first(), self.phases.last())
        else {
            return;
        };
        let phases: Vec<&str> = self.phases.iter().map(|(p, _, _)| p.word()).collect();
        self.record(
            trace,
            "kube-apiserver",
            "read",
            phases.join(" · "),
            (*start, *end),
            None,
            outcome,
        );
    }

    /// How a refusal is told. Control loops race by design and act upon losing; for a person it is a refusal.
    fn ending(&self, status: &Status) -> Outcome {
        let message = status.message.clone();
        let is_race = status.code == 409 || status.is_not_found();
        if is_race && !self.asker.shows_reads && self.request.verb.mutates() {
            Outcome::Conflict(message)
        } else {
            Outcome::Refused(message)
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a hop that differ")]
    fn record(
        &self,
        trace: TraceId,
        component: &str,
        phase: &str,
        text: String,
        (start_us, end_us): (u64, u64),
        revision: Option<Revision>,
        outcome: Outcome,
    ) {
        self.api.flow.record(NewHop {
            trace,
            component: component.into(),
            phase: phase.into(),
            text,
            object: Some(self.object.clone()),
            cause: self.asker.cause,
            revision,
            start_us,
            duration_us: end_us.saturating_sub(start_us),
            outcome,
        });
    }

    /// `POST deployments/web`: the request as people write it.
    fn words(&self) -> String {
        let method = match self.request.verb {
            Verb::Get | Verb::List | Verb::Watch => "GET",
            Verb::Create => "POST",
            Verb::Update => "PUT",
            Verb::Patch => "PATCH",
            Verb::Delete | Verb::DeleteCollection => "DELETE",
        };
        let mut words = format!("{method} {}", self.request.kind.plural);
        for part in [&self.object.name, &self.request.subresource] {
            if !part.is_empty() {
                words.push('/');
                words.push_str(part);
            }
        }
        words
    }
}

impl Observer for Trail<'_> {
    fn enter(&mut self, phase: Phase) {
        self.leave();
        if phase == Phase::Admission {
            self.plugins.clear();
        }
        self.phases.push((phase, self.api.clock.host_us(), 0));
    }

    fn admitted(&mut self, plugin: &'static str, is_rejected: bool) {
        let now = self.api.clock.host_us();
        self.plugins.push((plugin, now, is_rejected));
    }
}

fn fresh(api: &Api) -> TraceId {
    TraceId((u128::from(api.seeds.next()) << 64 | u128::from(api.seeds.next())).max(1))
}
