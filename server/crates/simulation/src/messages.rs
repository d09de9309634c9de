//! The messages between components and the apiserver: lists, watches, calls and answers, each with its delay and its
//! chance of going wrong.

use client::{Answer, Body, Call, Observed, Request, Verb};
use shared::Status;

use crate::cluster::{Cluster, Item};

/// How soon an informer tries again after a refused list or watch, in milliseconds.
const RELIST_MS: u64 = 100;

impl Cluster {
    pub(crate) fn relist(&mut self, actor: usize, informer: usize) {
        let Some(a) = self.actors.get_mut(actor) else {
            return;
        };
        let epoch = a.epoch;
        let Some(i) = a.informers.get_mut(informer) else {
            return;
        };
        (i.cursor, i.pending) = (None, false);
        let refused = self.random.chance(self.faults.lost_request);
        let listed = if refused {
            None
        } else {
            self.api.list(&a.user, &i.interest, self.now).ok()
        };
        let watched = listed.and_then(|answer| match answer {
            Answer::List {
                revision, items, ..
            } => {
                let (cursor, _) = self
                    .api
                    .watch(&a.user, &i.interest, revision, self.now)
                    .ok()?;
                Some((revision, items, cursor))
            }
            Answer::Object(_) => None,
        });
        let Some((revision, objects, cursor)) = watched else {
            let at = self.now.plus_ms(RELIST_MS);
            return self.agenda.add(
                at,
                Item::Relist {
                    actor,
                    epoch,
                    informer,
                },
            );
        };
        i.cursor = Some(cursor);
        let delay = self.faults.delay_ms(&mut self.random);
        i.last_at = i.last_at.max(self.now.plus_ms(delay));
        let kind = i.interest.kind.clone();
        self.trace.add(
            self.now,
            format_args!("{} lists {kind} at {revision}", a.name),
        );
        let observed = Observed::Replaced {
            kind,
            revision,
            objects,
        };
        self.agenda.add(
            i.last_at,
            Item::Observed {
                actor,
                epoch,
                observed,
            },
        );
    }

    /// Something may have been committed: the watches that it concerns have something to look at.
    pub(crate) fn announce(&mut self) {
        let snapshot = self.api.snapshot();
        let fresh = snapshot
            .events_after("", self.announced, 0)
            .unwrap_or_default();
        self.announced = snapshot.revision();
        if fresh.is_empty() {
            return;
        }
        for (actor, a) in self.actors.iter_mut().enumerate() {
            let epoch = a.epoch;
            for (informer, i) in a.informers.iter_mut().enumerate() {
                let Some(cursor) = i.cursor.as_mut().filter(|_| !i.pending) else {
                    continue;
                };
                if !fresh.iter().any(|e| e.kv.key.starts_with(cursor.prefix())) {
                    cursor.advance(snapshot.revision());
                    continue;
                }
                i.pending = true;
                let at = self.now.plus_ms(self.faults.delay_ms(&mut self.random));
                let look = Item::Look {
                    actor,
                    epoch,
                    informer,
                };
                self.agenda.add(at, look);
            }
        }
    }

    pub(crate) fn look(&mut self, actor: usize, informer: usize) {
        let Some(a) = self.actors.get_mut(actor) else {
            return;
        };
        let epoch = a.epoch;
        let Some(i) = a.informers.get_mut(informer) else {
            return;
        };
        i.pending = false;
        let Some(cursor) = &mut i.cursor else { return };
        let events = self.api.follow(cursor);
        let broken = events.as_ref().is_ok_and(|e| !e.is_empty())
            && self.random.chance(self.faults.broken_watch);
        let Ok(events) = events
            .as_ref()
            .map_err(drop)
            .and_then(|e| if broken { Err(()) } else { Ok(e) })
        else {
            i.cursor = None;
            self.struck.broken_watches += 1;
            self.trace.add(
                self.now,
                format_args!("{} loses its watch of {}", a.name, i.interest.kind),
            );
            let at = self.now.plus_ms(RELIST_MS);
            return self.agenda.add(
                at,
                Item::Relist {
                    actor,
                    epoch,
                    informer,
                },
            );
        };
        for event in events {
            let delay = self.faults.delay_ms(&mut self.random);
            i.last_at = i.last_at.max(self.now.plus_ms(delay));
            let observed = Observed::Event {
                kind: i.interest.kind.clone(),
                event: event.clone(),
            };
            self.agenda.add(
                i.last_at,
                Item::Observed {
                    actor,
                    epoch,
                    observed,
                },
            );
        }
    }

    /// A call reaches the apiserver. It may come from a life that is over: it was sent, so it counts.
    pub(crate) fn arrive(&mut self, actor: usize, epoch: u64, call: &Call) {
        let Some(a) = self.actors.get(actor) else {
            return;
        };
        let request = &call.request;
        let mutates = request.verb.mutates();
        let answer = if self.random.chance(self.faults.lost_request) {
            self.struck.lost_requests += 1;
            Err(Status::failure(
                503,
                "ServiceUnavailable",
                "the request was lost",
            ))
        } else if mutates
            && request.verb != Verb::Create
            && self.random.chance(self.faults.conflict)
        {
            self.struck.conflicts += 1;
            let kind = &request.kind;
            Err(Status::modified(&kind.plural, &kind.group, &request.name))
        } else {
            let answer = self.api.handle(&a.user, request, self.now);
            let lost = mutates && self.random.chance(self.faults.lost_answer);
            self.struck.lost_answers += u64::from(lost);
            if lost {
                Err(Status::failure(504, "Timeout", "the answer was lost"))
            } else {
                answer
            }
        };
        let word = answer
            .as_ref()
            .err()
            .map_or("ok", |status| status.reason.as_str());
        self.trace.add(
            self.now,
            format_args!("{} {}: {word}", a.name, describe(request)),
        );
        let at = self.now.plus_ms(self.faults.delay_ms(&mut self.random));
        let (id, answer) = (call.id, Box::new(answer));
        self.agenda.add(
            at,
            Item::Answer {
                actor,
                epoch,
                id,
                answer,
            },
        );
        if mutates {
            self.announce();
        }
    }
}

/// A request in a few words, with a hash-worthy mark of its body.
pub(crate) fn describe(request: &Request) -> String {
    let body = match &request.body {
        Body::Object(value) | Body::Patch(_, value) => value.to_string(),
        Body::None | Body::Encoded { .. } => String::new(),
    };
    format!(
        "{} {}/{} {} {body}",
        request.verb.word(),
        request.kind,
        request.key(),
        request.subresource
    )
}
