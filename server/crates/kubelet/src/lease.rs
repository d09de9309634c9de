//! The node's heartbeat: a Lease in `kube-node-lease`, renewed every 10 s for 40 s (KEP-589).

use client::{Answer, Request};
use serde_json::{Value, json};
use shared::{KindRef, Millis, Object, ObjectKey, Status};

/// Where node leases live.
pub(crate) const NAMESPACE: &str = "kube-node-lease";
/// `nodeLeaseDurationSeconds`.
const DURATION_S: u64 = 40;
/// A quarter of the duration.
const RENEW_MS: u64 = 10_000;
/// First wait after a failure; doubles to [`RETRY_MAX_MS`].
const RETRY_MS: u64 = 200;
/// Longest wait after a failure.
const RETRY_MAX_MS: u64 = 7000;

/// Keeps one node's Lease.
#[derive(Debug)]
pub(crate) struct NodeLease {
    node: String,
    latest: Latest,
    due: Millis,
    failures: u32,
    in_flight: bool,
}

#[derive(Debug)]
enum Latest {
    Unknown,
    Absent,
    Known(Object),
}

fn leases() -> KindRef {
    KindRef::new("coordination.k8s.io", "v1", "leases")
}

impl NodeLease {
    pub(crate) fn new(node: &str) -> Self {
        Self {
            node: node.into(),
            latest: Latest::Unknown,
            due: Millis(0),
            failures: 0,
            in_flight: false,
        }
    }

    /// When it has to be renewed next.
    pub(crate) fn wake(&self) -> Option<Millis> {
        (!self.in_flight).then_some(self.due)
    }

    /// The request to send, if it is time: a read first, then a create or a conditional update.
    pub(crate) fn request(&mut self, node: Option<&Object>, now: Millis) -> Option<Request> {
        if self.in_flight || self.due > now {
            return None;
        }
        self.in_flight = true;
        Some(match &self.latest {
            Latest::Unknown => Request::get(leases(), &ObjectKey::new(NAMESPACE, &self.node)),
            Latest::Absent => Request::create(leases(), self.fresh(node, now)),
            Latest::Known(lease) => {
                let mut lease = lease.to_value();
                if let Some(metadata) = lease.get_mut("metadata").and_then(Value::as_object_mut)
                    && let Some(owner) = self.owner(node)
                {
                    metadata.entry("ownerReferences").or_insert(owner);
                }
                if let Some(spec) = lease.get_mut("spec").and_then(Value::as_object_mut) {
                    spec.insert("renewTime".into(), now.rfc3339_micro().into());
                    spec.insert("holderIdentity".into(), self.node.as_str().into());
                    spec.insert("leaseDurationSeconds".into(), DURATION_S.into());
                }
                Request::update(leases(), lease)
            }
        })
    }

    /// The Node owns its Lease, so that both go together.
    fn owner(&self, node: Option<&Object>) -> Option<Value> {
        let uid = node?.uid();
        Some(json!([{"apiVersion": "v1", "kind": "Node", "name": self.node, "uid": uid}]))
    }

    fn fresh(&self, node: Option<&Object>, now: Millis) -> Value {
        let mut metadata = json!({"name": self.node, "namespace": NAMESPACE});
        if let (Some(owner), Some(map)) = (self.owner(node), metadata.as_object_mut()) {
            map.insert("ownerReferences".into(), owner);
        }
        json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {
                "holderIdentity": self.node,
                "leaseDurationSeconds": DURATION_S,
                "renewTime": now.rfc3339_micro(),
            },
        })
    }

    /// Takes in the answer; after a read or a lost race the next request follows at once.
    pub(crate) fn answered(&mut self, answer: &Result<Answer, Status>, now: Millis) {
        self.in_flight = false;
        let renewed = matches!(&self.latest, Latest::Known(_) | Latest::Absent);
        match answer {
            Ok(answer) => {
                if let Some(lease) = answer.object() {
                    self.latest = Latest::Known(lease.clone());
                }
                self.failures = 0;
                self.due = if renewed { now.plus_ms(RENEW_MS) } else { now };
            }
            Err(status) if status.is_not_found() && matches!(self.latest, Latest::Unknown) => {
                self.latest = Latest::Absent;
                self.due = now;
            }
            Err(_) => {
                self.latest = Latest::Unknown;
                let wait = RETRY_MS.saturating_mul(1 << self.failures.min(16));
                self.failures = self.failures.saturating_add(1);
                self.due = now.plus_ms(wait.min(RETRY_MAX_MS));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(revision: &str) -> Result<Answer, Status> {
        let metadata = json!({"name": "n1", "namespace": NAMESPACE, "resourceVersion": revision});
        Ok(Answer::Object(Object::new(
            json!({"metadata": metadata, "spec": {}}),
        )))
    }

    fn step(lease: &mut NodeLease, now: u64, answer: Result<Answer, Status>) -> String {
        let Some(request) = lease.request(None, Millis(now)) else {
            return "-".into();
        };
        lease.answered(&answer, Millis(now));
        format!("{} {:?}", request.verb.word(), lease.wake().map(|m| m.0))
    }

    #[test]
    fn the_lease_is_found_or_made_and_then_renewed() {
        let mut kept = NodeLease::new("n1");
        let missing = || Err(Status::not_found("leases", "", "n1"));
        assert_eq!(step(&mut kept, 0, missing()), "get Some(0)");
        assert_eq!(step(&mut kept, 0, lease("1")), "create Some(10000)");
        assert_eq!(step(&mut kept, 9_999, lease("1")), "-");
        assert_eq!(step(&mut kept, 10_000, lease("2")), "update Some(20000)");
        let conflict = Err(Status::failure(409, "Conflict", "x"));
        assert_eq!(step(&mut kept, 20_000, conflict), "update Some(20200)");
        assert_eq!(step(&mut kept, 20_200, lease("3")), "get Some(20200)");
        assert_eq!(step(&mut kept, 20_200, lease("4")), "update Some(30200)");
    }

    #[test]
    fn failures_back_off_to_seven_seconds() {
        let mut kept = NodeLease::new("n1");
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..8 {
            assert!(kept.request(None, Millis(now)).is_some());
            kept.answered(
                &Err(Status::failure(503, "ServiceUnavailable", "x")),
                Millis(now),
            );
            let due = kept.wake().unwrap().0;
            waits.push(due - now);
            now = due;
        }
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 6400, 7000, 7000]);
    }
}
