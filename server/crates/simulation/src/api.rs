//! The real apiserver over the real store, without the network between: one request at a time.

use std::collections::BTreeMap;

use apiserver::{
    ApiServer, COMMIT_ATTEMPTS_MAX, Config, Context, Outcome, User, WatchCursor, Word,
};
use client::{Answer, Interest, Options, Request, Verb, WatchEvent};
use shared::live::Change;
use shared::{Millis, Revision, Status};
use store::{Snapshot, Store, TxnError};

use crate::keys::SimulatedKeys;
use crate::random::Random;

/// The control plane's core.
pub(crate) struct Api {
    server: ApiServer,
    store: Store,
    random: Random,
    /// Writes by user and resource: for finding loops at rest.
    writes: BTreeMap<String, u64>,
}

impl Api {
    /// A fresh cluster: the namespaces and what else exists from the beginning.
    pub(crate) fn new(seed: u64, now: Millis) -> Self {
        let mut api = Self {
            server: ApiServer::new(Config::default()).with_tokens(Box::new(SimulatedKeys)),
            store: Store::new(),
            random: Random::new(seed),
            writes: BTreeMap::new(),
        };
        let user = User::new("system:apiserver", &["system:masters"]);
        for request in api.server.bootstrap() {
            // What does not depend on the run cannot fail in one run and succeed in another; tests see what is there.
            let _ = api.handle(&user, &request, now);
        }
        api
    }

    /// Carries out a request.
    pub(crate) fn handle(
        &mut self,
        user: &User,
        request: &Request,
        now: Millis,
    ) -> Result<Answer, Status> {
        for attempt in 1.. {
            let (snapshot, seed) = (self.store.snapshot(), self.random.draw());
            let outcome = {
                let mut observer = ();
                let mut ctx = Context::new(user, now, seed, &snapshot, &mut observer);
                self.server.handle(request, &mut ctx)?
            };
            match outcome {
                Outcome::Answer(answer, _) => return answer.to_client(),
                Outcome::Each(each) => {
                    for one in &each.requests {
                        match self.handle(user, one, now) {
                            Err(status) if !status.is_not_found() => return Err(status),
                            _ => {}
                        }
                    }
                    return each.answer.to_client();
                }
                Outcome::Watch(_) | Outcome::Connect(_) => {
                    return Err(Status::internal(
                        "only requests with one answer are handled here",
                    ));
                }
                Outcome::Commit(proposal) => {
                    self.store.set_time(now);
                    match self.store.commit(proposal.txn.clone()) {
                        Ok(committed) => {
                            let what = format!("{} {}", user.name, request.kind.plural);
                            *self.writes.entry(what).or_default() += 1;
                            return proposal.answer(&committed).0.to_client();
                        }
                        Err(TxnError::CompareFailed { .. }) if attempt < COMMIT_ATTEMPTS_MAX => {}
                        Err(error) => return Err(proposal.refuse(&error)),
                    }
                }
            }
        }
        Err(Status::internal("a request was attempted too often"))
    }

    /// Opens a watch from just after a revision.
    pub(crate) fn watch(
        &mut self,
        user: &User,
        interest: &Interest,
        after: Revision,
        now: Millis,
    ) -> Result<(WatchCursor, Vec<WatchEvent>), Status> {
        let mut request = Request::list(interest.kind.clone(), &interest.namespace).with(Options {
            resource_version: after.to_string(),
            ..options(interest)
        });
        request.verb = Verb::Watch;
        let (snapshot, seed) = (self.store.snapshot(), self.random.draw());
        let mut observer = ();
        let mut ctx = Context::new(user, now, seed, &snapshot, &mut observer);
        let Outcome::Watch(plan) = self.server.handle(&request, &mut ctx)? else {
            return Err(Status::internal("a watch was not answered with a stream"));
        };
        if let Some(error) = plan.error {
            return Err(error);
        }
        Ok((plan.cursor, events(&plan.initial)?))
    }

    /// What a watch has not seen yet.
    pub(crate) fn follow(&self, cursor: &mut WatchCursor) -> Result<Vec<WatchEvent>, Status> {
        events(&cursor.catch_up(&self.store.snapshot())?)
    }

    /// Lists what an informer is interested in.
    pub(crate) fn list(
        &mut self,
        user: &User,
        interest: &Interest,
        now: Millis,
    ) -> Result<Answer, Status> {
        let request =
            Request::list(interest.kind.clone(), &interest.namespace).with(options(interest));
        self.handle(user, &request, now)
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.store.snapshot()
    }

    pub(crate) fn revision(&self) -> Revision {
        self.store.revision()
    }

    /// How many writes there were, by user and resource.
    pub(crate) fn writes(&self) -> &BTreeMap<String, u64> {
        &self.writes
    }
}

fn options(interest: &Interest) -> Options {
    Options {
        label_selector: interest.label_selector.clone(),
        field_selector: interest.field_selector.clone(),
        ..Options::default()
    }
}

fn events(frames: &[apiserver::WatchFrame]) -> Result<Vec<WatchEvent>, Status> {
    let mut events = Vec::new();
    for frame in frames {
        let change = match frame.word {
            Word::Added => Change::Added,
            Word::Modified => Change::Modified,
            Word::Deleted => Change::Deleted,
            Word::Bookmark => continue,
        };
        let object = frame.object()?;
        events.push(WatchEvent { change, object });
    }
    Ok(events)
}
