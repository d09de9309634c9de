//! The pods of the node: taken on, judged, given their turns, let go.

use shared::{Millis, Object};

use super::static_pods::{Mirror, is_mirror};
use super::{Kept, Kubelet, Purpose, pods};
use crate::admission::admit;
use crate::context::Happening;
use crate::ending::Ending;
use crate::node_status::{self, nodes};
use crate::worker::{Sandbox, Worker};

impl Kubelet {
    pub(super) fn pod_changed(&mut self, old: Option<&Object>, new: Option<&Object>, now: Millis) {
        if old.into_iter().chain(new).any(is_mirror) {
            return self.mirror_changed(old, new, now);
        }
        let gone = old.filter(|o| new.is_none_or(|n| n.uid() != o.uid()));
        if let Some(kept) = gone.and_then(|o| self.pods.get_mut(o.uid())) {
            kept.gone = true;
            let grace = kept.worker.spec.grace_ms();
            kept.worker.end_deleted(grace, now);
            self.dirty.insert(kept.worker.uid().into());
        }
        let Some(pod) = new else { return };
        self.dirty.insert(pod.uid().into());
        if let Some(kept) = self.pods.get_mut(pod.uid())
            && pod.revision() >= kept.worker.pod.revision()
        {
            kept.worker.observed(pod, now);
        }
    }

    /// Takes on the pods that have no worker yet.
    pub(super) fn adopt(&mut self, now: Millis) {
        let new: Vec<Object> = self
            .dirty
            .iter()
            .filter(|uid| !self.pods.contains_key(*uid))
            .filter_map(|uid| self.cache.list(&pods()).find(|p| p.uid() == uid).cloned())
            .filter(|pod| !is_mirror(pod))
            .collect();
        for pod in new {
            self.take_on(&pod, None, now);
        }
    }

    /// Takes on one pod.
    pub(super) fn take_on(&mut self, pod: &Object, mirror: Option<Mirror>, now: Millis) {
        let mut worker = Worker::new(pod, now);
        let over = worker.ending.is_some();
        if let (Some(ipam), Some(ip), false) = (&mut self.ipam, worker.ip, over) {
            ipam.skip(ip);
        }
        if pod.deletion().is_some() {
            worker.observed(pod, now);
        } else if !over {
            self.judge(&mut worker, now);
        }
        let kept = Kept {
            worker,
            mirror,
            gone: false,
            writing: false,
            write_at: Millis(0),
        };
        self.pods.insert(pod.uid().into(), kept);
    }

    fn judge(&mut self, worker: &mut Worker, now: Millis) {
        let others = self
            .pods
            .values()
            .map(|k| &k.worker)
            .filter(|w| !w.is_ended());
        let node = self.cache.get(&nodes(), &node_status::key(&self.config));
        let pressure = self.monitor.pressure();
        let beside = others.map(|w| &w.spec);
        let refusal = admit(&worker.spec, beside, node, &self.config, pressure).err();
        let Some(refusal) = refusal else { return };
        worker.failure = Some((
            refusal.reason.into(),
            format!("Pod was rejected: {}", refusal.message),
        ));
        worker.ending = Some(Ending::failed(now));
        self.out.events.push(Happening {
            about: worker.pod.reference(),
            field_path: String::new(),
            kind: "Warning",
            reason: refusal.reason,
            message: refusal.message,
        });
    }

    /// One pod's turn: decide, report, remove, and when to look again.
    pub(super) fn turn(&mut self, uid: &str, now: Millis) {
        self.with(uid, now, Worker::sync);
        self.dirty.remove(uid);
        let Some(kept) = self.pods.get_mut(uid) else {
            return;
        };
        let removed = kept.worker.sandbox == Sandbox::Removed;
        if kept.gone {
            if removed {
                self.recorder.forget(&kept.worker.pod);
                self.tokens.forget(uid);
                self.pods.remove(uid);
                self.timers.clear(uid);
                return;
            }
        } else if self.mirrored(uid, now) {
            self.report(uid, now);
        }
        self.send_tokens();
        let Some(kept) = self.pods.get(uid) else {
            return;
        };
        let write = (kept.write_at > now && !kept.gone).then_some(kept.write_at);
        let wake = kept.worker.wake().into_iter().chain(write).min();
        self.timers.set(uid.to_owned(), wake);
    }

    pub(super) fn configuration_changed(&mut self, namespace: &str, now: Millis) {
        for (uid, kept) in &mut self.pods {
            if kept.worker.pod.namespace() == namespace {
                kept.worker.configuration_changed(now);
                self.dirty.insert(uid.clone());
            }
        }
    }

    /// Sends the requests for tokens that turns asked for.
    fn send_tokens(&mut self) {
        for key in std::mem::take(&mut self.out.tokens) {
            self.calls
                .send(key.request(), None, Purpose::Token(key.clone()));
        }
    }
}
