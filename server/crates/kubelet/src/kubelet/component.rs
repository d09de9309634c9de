//! The kubelet behind the contract of control loops: what it watches, when it is asked, what it is answered.

use client::{Answer, Call, CallId, Component, Done, Interest, Observed};
use shared::{Millis, Status};

use super::{Kubelet, Purpose, pods};
use crate::context::Happening;
use crate::node_status::nodes;
use crate::sources;
use crate::tokens::TokenKey;

impl Kubelet {
    fn synced(&self) -> bool {
        let needed = [
            pods(),
            nodes(),
            sources::services(),
            sources::config_maps(),
            sources::secrets(),
        ];
        needed.iter().all(|kind| self.cache.has_synced(kind))
    }

    fn send_events(&mut self, now: Millis) {
        for event in self.out.events.drain(..) {
            let Happening {
                about,
                field_path,
                kind,
                reason,
                message,
            } = event;
            let request = self
                .recorder
                .record(&about, &field_path, kind, reason, &message, now);
            self.calls.send(request, None, Purpose::Event(about));
        }
    }

    fn token_answered(&mut self, key: &TokenKey, answer: &Result<Answer, Status>, now: Millis) {
        self.tokens.answered(key, answer, now);
        if let Some(kept) = self.pods.get_mut(&key.pod) {
            kept.worker.refresh_now();
            self.dirty.insert(key.pod.clone());
        }
    }
}

impl Component for Kubelet {
    fn name(&self) -> &str {
        &self.name
    }

    fn interests(&self) -> Vec<Interest> {
        let node = &self.config.node_name;
        vec![
            Interest::fields(pods(), &format!("spec.nodeName={node}")),
            Interest::fields(nodes(), &format!("metadata.name={node}")),
            Interest::all(sources::services()),
            Interest::all(sources::config_maps()),
            Interest::all(sources::secrets()),
        ]
    }

    fn observe(&mut self, observed: Observed, now: Millis) {
        for change in self.cache.apply(observed) {
            if change.kind == pods() {
                self.pod_changed(change.old.as_ref(), change.new.as_ref(), now);
            } else if change.kind == nodes() {
                self.node_changed();
            } else if change.kind != sources::services()
                && let Some(object) = change.object()
            {
                let namespace = object.namespace().to_owned();
                self.configuration_changed(&namespace, now);
            }
        }
    }

    fn poll(&mut self, now: Millis) -> Vec<Call> {
        if !self.synced() {
            return self.calls.drain();
        }
        self.keep_node(now);
        self.adopt(now);
        self.keep_measuring(now);
        self.dirty.extend(self.timers.take_due(now));
        for uid in std::mem::take(&mut self.dirty) {
            self.turn(&uid, now);
        }
        self.send_events(now);
        self.calls.drain()
    }

    fn answer(&mut self, id: CallId, answer: Result<Answer, Status>, now: Millis) {
        match self.calls.answered(id) {
            Some(Purpose::Node) => {
                self.node.answered(&answer, now);
                if let Some(node) = answer.as_ref().ok().and_then(Answer::object) {
                    self.cache.remember(&nodes(), node);
                    self.node_changed();
                }
            }
            Some(Purpose::Lease) => self.lease.answered(&answer, now),
            Some(Purpose::Status(uid, wanted)) => self.written(&uid, Some(&wanted), &answer, now),
            Some(Purpose::Delete(uid)) => self.written(&uid, None, &answer, now),
            Some(Purpose::Mirror(uid)) => self.mirror_answered(&uid, &answer, now),
            Some(Purpose::Token(key)) => self.token_answered(&key, &answer, now),
            Some(Purpose::Event(about)) => {
                if answer.is_err_and(|s| s.is_not_found())
                    && let Some(kept) = self.pods.get(&about.uid)
                {
                    self.recorder.forget(&kept.worker.pod);
                }
            }
            None => {}
        }
    }

    fn wake(&self) -> Option<(Millis, &'static str)> {
        if !self.synced() {
            return None;
        }
        let node = self.node.wake().map(|t| (t, "node status"));
        let lease = self.lease.wake().map(|t| (t, "node lease"));
        let pod = self.timers.next().map(|t| (t, "pod"));
        let dirty = (!self.dirty.is_empty()).then_some((Millis(0), "pod changed"));
        let measure = self.measuring_wake().map(|t| (t, "measure"));
        [node, lease, pod, dirty, measure]
            .into_iter()
            .flatten()
            .min()
    }

    fn done(&mut self) -> Vec<Done> {
        std::mem::take(&mut self.out.done)
    }

    fn queue_len(&self) -> usize {
        self.dirty.len()
    }

    fn lines(&self) -> Vec<(String, String)> {
        let running = self.pods.values().filter(|k| !k.worker.is_ended()).count();
        let range = self
            .ipam
            .as_ref()
            .map_or("none yet".into(), |i| i.range().to_string());
        vec![
            (
                "pods".into(),
                format!("{running} of {}", self.config.max_pods),
            ),
            ("pod range".into(), range),
        ]
    }
}
