//! Kubernetes Events as components write them: one object per happening, counted up when it repeats.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::{KindRef, Millis, Object, ObjectKey, ObjectRef};

use crate::{PatchKind, Request};

/// How many happenings are remembered for counting; the oldest is forgotten first (client-go keeps 4096).
const REMEMBERED_MAX: usize = 4096;

/// Turns happenings into create or patch requests, as client-go's `EventRecorder` with its correlator does.
#[derive(Debug)]
pub struct EventRecorder {
    component: String,
    host: String,
    seen: BTreeMap<Happening, Seen>,
    order: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Happening {
    about: ObjectRef,
    field_path: String,
    kind: &'static str,
    reason: String,
    message: String,
}

#[derive(Debug)]
struct Seen {
    name: String,
    count: u64,
    order: u64,
}

impl EventRecorder {
    /// A recorder for a component (`default-scheduler`, `kubelet`) on a host (a node's name, or empty).
    #[must_use]
    pub fn new(component: &str, host: &str) -> Self {
        Self {
            component: component.into(),
            host: host.into(),
            seen: BTreeMap::new(),
            order: 0,
        }
    }

    /// A `Normal` event.
    pub fn normal(
        &mut self,
        about: &ObjectRef,
        reason: &str,
        message: &str,
        now: Millis,
    ) -> Request {
        self.record(about, "", "Normal", reason, message, now)
    }

    /// A `Warning` event.
    pub fn warning(
        &mut self,
        about: &ObjectRef,
        reason: &str,
        message: &str,
        now: Millis,
    ) -> Request {
        self.record(about, "", "Warning", reason, message, now)
    }

    /// An event about a part of an object, such as `spec.containers{web}`.
    pub fn record(
        &mut self,
        about: &ObjectRef,
        field_path: &str,
        kind: &'static str,
        reason: &str,
        message: &str,
        now: Millis,
    ) -> Request {
        let events = KindRef::new("", "v1", "events");
        let namespace = if about.namespace.is_empty() {
            "default"
        } else {
            &about.namespace
        };
        self.order += 1;
        let order = self.order;
        let happening = Happening {
            about: about.clone(),
            field_path: field_path.into(),
            kind,
            reason: reason.into(),
            message: message.into(),
        };
        if let Some(seen) = self.seen.get_mut(&happening) {
            seen.count += 1;
            seen.order = order;
            let patch = json!({"count": seen.count, "lastTimestamp": now.rfc3339()});
            return Request::patch(
                events,
                &ObjectKey::new(namespace, &seen.name),
                PatchKind::Merge,
                patch,
            );
        }
        let name = format!(
            "{}.{:x}",
            about.name,
            now.0.wrapping_mul(1_000_000).wrapping_add(order)
        );
        self.remember(
            happening,
            Seen {
                name: name.clone(),
                count: 1,
                order,
            },
        );
        Request::create(
            events,
            self.event(
                about, field_path, kind, reason, message, now, namespace, &name,
            ),
        )
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one argument per field of the Event it writes"
    )]
    fn event(
        &self,
        about: &ObjectRef,
        field_path: &str,
        kind: &str,
        reason: &str,
        message: &str,
        now: Millis,
        namespace: &str,
        name: &str,
    ) -> Value {
        let mut involved = json!({
            "apiVersion": about.api_version, "kind": about.kind, "name": about.name, "uid": about.uid,
        });
        if let Some(involved) = involved.as_object_mut() {
            if !about.namespace.is_empty() {
                involved.insert("namespace".into(), about.namespace.as_str().into());
            }
            if !field_path.is_empty() {
                involved.insert("fieldPath".into(), field_path.into());
            }
        }
        let mut source = json!({"component": self.component});
        if let (false, Some(source)) = (self.host.is_empty(), source.as_object_mut()) {
            source.insert("host".into(), self.host.as_str().into());
        }
        json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": involved,
            "type": kind,
            "reason": reason,
            "message": message,
            "source": source,
            "reportingComponent": self.component,
            "reportingInstance": self.host,
            "firstTimestamp": now.rfc3339(),
            "lastTimestamp": now.rfc3339(),
            "count": 1,
        })
    }

    fn remember(&mut self, happening: Happening, seen: Seen) {
        if self.seen.len() >= REMEMBERED_MAX
            && let Some(oldest) = self
                .seen
                .iter()
                .min_by_key(|(_, s)| s.order)
                .map(|(h, _)| h.clone())
        {
            self.seen.remove(&oldest);
        }
        self.seen.insert(happening, seen);
    }

    /// Forgets the counters of an object that is gone, or whose event could not be found again (it expired).
    pub fn forget(&mut self, about: &Object) {
        let uid = about.uid();
        self.seen.retain(|h, _| h.about.uid != uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verb;

    #[test]
    fn a_repeated_event_is_counted_up() {
        let mut recorder = EventRecorder::new("kubelet", "node-1");
        let pod = ObjectRef {
            kind: "Pod".into(),
            name: "p".into(),
            namespace: "a".into(),
            ..ObjectRef::default()
        };
        let first = recorder.normal(&pod, "Pulled", "m", Millis(1000));
        let again = recorder.normal(&pod, "Pulled", "m", Millis(2000));
        let other = recorder.warning(&pod, "BackOff", "m", Millis(2000));
        assert_eq!(
            [first.verb, again.verb, other.verb],
            [Verb::Create, Verb::Patch, Verb::Create]
        );
        assert_eq!(again.namespace, "a");
    }
}
