//! Leader election: of several processes that run the same component, one acts (client-go's `leaderelection`).
//!
//! [`Elected`] wraps a [`Component`] and keeps a Lease in `kube-system`. It always tells the component what is observed,
//! so that a follower is up to date, but polls it only while it holds the lease.

use std::sync::Arc;

use serde_json::{Value, json};
use shared::{KindRef, Millis, Object, ObjectKey, Status};

use crate::{Answer, Call, CallId, Component, Done, Exhibit, Interest, Observed, Request, Verb};

/// How long a lease holds that is not renewed, in seconds (`--leader-elect-lease-duration`).
const LEASE_S: u64 = 15;
/// How often the leader renews and a follower tries, in milliseconds.
const RETRY_MS: u64 = 5000;
/// Marks the wrapper's own calls, whose ids the component never uses.
const OWN: u64 = 1 << 63;
const NAMESPACE: &str = "kube-system";

/// A component that acts only while it is the leader.
#[derive(Debug)]
pub struct Elected<C> {
    inner: C,
    identity: String,
    /// The own call under way.
    asked: Option<(CallId, Verb)>,
    calls: u64,
    next: Millis,
    /// Until when this is the leader; renewing moves it on.
    leads_until: Option<Millis>,
    /// The lease as it was answered last.
    lease: Option<Object>,
    /// What to send next instead of waiting.
    due: Option<Request>,
}

fn leases() -> KindRef {
    KindRef::new("coordination.k8s.io", "v1", "leases")
}

impl<C: Component> Elected<C> {
    /// Wraps a component; `identity` tells its processes apart and is the same after a restart.
    pub fn new(inner: C, identity: &str) -> Self {
        Self {
            inner,
            identity: identity.into(),
            asked: None,
            calls: 0,
            next: Millis(0),
            leads_until: None,
            lease: None,
            due: None,
        }
    }

    /// True while this one acts.
    #[must_use]
    pub fn leads(&self, now: Millis) -> bool {
        self.leads_until.is_some_and(|until| now < until)
    }

    fn key(&self) -> ObjectKey {
        ObjectKey::new(NAMESPACE, self.inner.name())
    }

    fn create(&self, now: Millis) -> Request {
        let (key, time) = (self.key(), now.rfc3339_micro());
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": key.name, "namespace": key.namespace},
            "spec": {"holderIdentity": self.identity, "leaseDurationSeconds": LEASE_S,
                "acquireTime": time, "renewTime": time, "leaseTransitions": 0},
        });
        Request::create(leases(), lease)
    }

    /// The lease renewed, or taken over when nobody renews it; `None` while somebody else does.
    fn renewal(&self, lease: &Object, now: Millis) -> Option<Request> {
        let holder = lease.text("/spec/holderIdentity");
        let renewed = Millis::parse_rfc3339(lease.text("/spec/renewTime")).unwrap_or_default();
        let own = holder == self.identity;
        if !own && !holder.is_empty() && renewed.plus_secs(LEASE_S) > now {
            return None;
        }
        let mut value = lease.to_value();
        let spec = value.get_mut("spec").and_then(Value::as_object_mut)?;
        spec.insert("renewTime".into(), now.rfc3339_micro().into());
        if !own {
            let changes = lease.int("/spec/leaseTransitions").unwrap_or(0) + 1;
            spec.insert("holderIdentity".into(), self.identity.as_str().into());
            spec.insert("acquireTime".into(), now.rfc3339_micro().into());
            spec.insert("leaseDurationSeconds".into(), LEASE_S.into());
            spec.insert("leaseTransitions".into(), changes.into());
        }
        Some(Request::update(leases(), value))
    }

    /// The own call to make now.
    fn own_call(&mut self, now: Millis) -> Option<Call> {
        if self.asked.is_some() || (self.due.is_none() && now < self.next) {
            return None;
        }
        let request = match (self.due.take(), self.lease.take()) {
            (Some(due), _) => due,
            (None, Some(lease)) => {
                let read = Request::get(leases(), &self.key());
                self.renewal(&lease, now).unwrap_or(read)
            }
            (None, None) => self.create(now),
        };
        self.next = now.plus_ms(RETRY_MS);
        self.calls += 1;
        let id = CallId(OWN | self.calls);
        self.asked = Some((id, request.verb));
        Some(Call {
            id,
            request,
            cause: None,
        })
    }

    fn look_again(&mut self) {
        self.due = Some(Request::get(leases(), &self.key()));
    }

    fn answered(&mut self, verb: Verb, answer: Result<Answer, Status>, now: Millis) {
        match (verb, answer) {
            (Verb::Get, Ok(answer)) => {
                self.lease = answer.object().cloned();
                self.due = self
                    .lease
                    .as_ref()
                    .and_then(|lease| self.renewal(lease, now));
            }
            (_, Ok(answer)) => {
                self.lease = answer.object().cloned();
                self.leads_until = Some(now.plus_secs(LEASE_S));
            }
            (Verb::Get, Err(status)) if status.is_not_found() => self.due = Some(self.create(now)),
            // Somebody else was quicker: see who.
            (Verb::Create, Err(status)) if status.is_already_exists() => self.look_again(),
            (Verb::Update, Err(status)) if status.is_conflict() || status.is_not_found() => {
                self.look_again();
            }
            (_, Err(_)) => {}
        }
    }
}

impl<C: Component> Component for Elected<C> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn interests(&self) -> Vec<Interest> {
        self.inner.interests()
    }

    fn observe(&mut self, observed: Observed, now: Millis) {
        self.inner.observe(observed, now);
    }

    fn poll(&mut self, now: Millis) -> Vec<Call> {
        let mut calls: Vec<Call> = self.own_call(now).into_iter().collect();
        if self.leads(now) {
            calls.extend(self.inner.poll(now));
        } else {
            // Without this the component's own wishes would wake a driver that may not fulfil them.
            self.leads_until = None;
        }
        calls
    }

    fn answer(&mut self, id: CallId, answer: Result<Answer, Status>, now: Millis) {
        match self.asked {
            Some((own, verb)) if own == id => {
                self.asked = None;
                self.answered(verb, answer, now);
            }
            _ if id.0 & OWN != 0 => {}
            _ => self.inner.answer(id, answer, now),
        }
    }

    fn wake(&self) -> Option<(Millis, &'static str)> {
        let own = match (self.asked, &self.due) {
            (Some(_), _) => None,
            (None, Some(_)) => Some((Millis(0), "the lease is to be had")),
            (None, None) => Some((self.next, "the lease is due")),
        };
        let inner = self.leads_until.and_then(|_| self.inner.wake());
        match (own, inner) {
            (Some(a), Some(b)) => Some(if b.0 < a.0 { b } else { a }),
            (a, b) => a.or(b),
        }
    }

    fn done(&mut self) -> Vec<Done> {
        self.inner.done()
    }

    fn queue_len(&self) -> usize {
        self.inner.queue_len()
    }

    fn lines(&self) -> Vec<(String, String)> {
        self.inner.lines()
    }

    fn exhibits(&mut self) -> Vec<(String, Arc<dyn Exhibit>)> {
        self.inner.exhibits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Calls;

    /// Asks for one ConfigMap a poll, to show when it is polled.
    #[derive(Default)]
    struct Busy(Calls<()>);

    impl Component for Busy {
        fn name(&self) -> &str {
            "busy"
        }
        fn interests(&self) -> Vec<Interest> {
            Vec::new()
        }
        fn observe(&mut self, _: Observed, _: Millis) {}
        fn poll(&mut self, _: Millis) -> Vec<Call> {
            let kind = KindRef::new("", "v1", "configmaps");
            self.0
                .send(Request::get(kind, &ObjectKey::new("d", "c")), None, ());
            self.0.drain()
        }
        fn answer(&mut self, id: CallId, _: Result<Answer, Status>, _: Millis) {
            self.0.answered(id);
        }
        fn wake(&self) -> Option<(Millis, &'static str)> {
            None
        }
    }

    /// A store of one lease.
    #[derive(Default)]
    struct Server {
        lease: Option<Value>,
        version: u64,
    }

    impl Server {
        fn serve(&mut self, request: &Request) -> Result<Answer, Status> {
            if request.kind.plural != "leases" {
                return Err(Status::not_found("configmaps", "", "c"));
            }
            let missing = || Status::not_found("leases", "coordination.k8s.io", "busy");
            let seen = self.lease.clone();
            let mut value = match (request.verb, &request.body, seen) {
                (Verb::Get, _, seen) => {
                    return Ok(Answer::Object(Object::new(seen.ok_or_else(missing)?)));
                }
                (Verb::Create, _, Some(_)) => {
                    return Err(Status::already_exists(
                        "leases",
                        "coordination.k8s.io",
                        "busy",
                    ));
                }
                (Verb::Update, crate::Body::Object(body), Some(seen))
                    if body["metadata"]["resourceVersion"]
                        != seen["metadata"]["resourceVersion"] =>
                {
                    return Err(Status::modified("leases", "coordination.k8s.io", "busy"));
                }
                (_, crate::Body::Object(body), _) => body.clone(),
                _ => return Err(missing()),
            };
            self.version += 1;
            value["metadata"]["resourceVersion"] = self.version.to_string().into();
            self.lease = Some(value.clone());
            Ok(Answer::Object(Object::new(value)))
        }

        /// Lets a component act until it has nothing more of its own to ask; true when it worked.
        fn turn(&mut self, who: &mut Elected<Busy>, now: Millis) -> bool {
            let mut worked = false;
            for _ in 0..4 {
                for call in who.poll(now) {
                    worked |= call.request.kind.plural == "configmaps";
                    let answer = self.serve(&call.request);
                    who.answer(call.id, answer, now);
                }
            }
            worked
        }
    }

    #[test]
    fn one_acts_until_it_no_longer_renews() {
        let mut server = Server::default();
        let (mut a, mut b) = (
            Elected::new(Busy::default(), "a"),
            Elected::new(Busy::default(), "b"),
        );
        let at = |s: u64| Millis(1_000_000).plus_secs(s);
        assert!(server.turn(&mut a, at(0)) && !server.turn(&mut b, at(0)));
        assert!(server.turn(&mut a, at(5)) && !server.turn(&mut b, at(5)));
        // `a` is gone; `b` takes over when the lease has run out, and `a` sees that when it is back.
        assert!(!server.turn(&mut b, at(11)) && !server.turn(&mut b, at(17)));
        assert!(server.turn(&mut b, at(22)));
        assert!(!server.turn(&mut a, at(23)));
        let lease = server.lease.clone().expect("a lease");
        assert_eq!(lease["spec"]["holderIdentity"], "b");
        assert_eq!(lease["spec"]["leaseTransitions"], 1);
    }

    #[test]
    fn a_restarted_leader_goes_on_at_once() {
        let mut server = Server::default();
        let mut first = Elected::new(Busy::default(), "a");
        assert!(server.turn(&mut first, Millis(1_000_000)));
        let mut again = Elected::new(Busy::default(), "a");
        assert!(server.turn(&mut again, Millis(1_001_000)));
    }
}
