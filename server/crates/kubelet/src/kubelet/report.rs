//! Telling the API what became of the pods, and removing those that are over.

use client::{Answer, PatchKind, Request};
use serde_json::Value;
use shared::{Millis, Status};

use super::{Kubelet, Purpose, pods};
use crate::status;
use crate::worker::Sandbox;

/// How soon a refused status write is tried again after a lost race.
const CONFLICT_RETRY_MS: u64 = 200;
/// How soon any other refused write is tried again (the kubelet's `backOffPeriod`).
const WRITE_RETRY_MS: u64 = 10_000;

impl Kubelet {
    pub(super) fn report(&mut self, uid: &str, now: Millis) {
        let Some(kept) = self
            .pods
            .get_mut(uid)
            .filter(|k| !k.writing && k.write_at <= now)
        else {
            return;
        };
        let worker = &kept.worker;
        let wanted = status::build(worker, &self.config, now);
        let cause = worker.cause;
        let (request, purpose) = if !status::shows(worker.pod.at("/status"), &wanted) {
            let patch = status::patch(kept.api_uid(), worker.pod.at("/status"), wanted.clone());
            let request = Request::patch(pods(), &worker.pod.key(), PatchKind::Strategic, patch);
            (request.on("status"), Purpose::Status(uid.into(), wanted))
        } else if worker.pod.deletion().is_some()
            && worker.is_ended()
            && worker.sandbox == Sandbox::Removed
        {
            let request = Request::delete(pods(), &worker.pod.key(), uid).with_grace(0);
            (request, Purpose::Delete(uid.into()))
        } else {
            return;
        };
        kept.writing = true;
        self.calls.send(request, cause, purpose);
    }

    pub(super) fn written(
        &mut self,
        uid: &str,
        wanted: Option<&Value>,
        answer: &Result<Answer, Status>,
        now: Millis,
    ) {
        let Some(kept) = self.pods.get_mut(uid) else {
            return;
        };
        kept.writing = false;
        self.dirty.insert(uid.into());
        match answer {
            Ok(answer) => {
                let (Some(wanted), Some(pod)) = (wanted, answer.object()) else {
                    kept.write_at = now.plus_ms(WRITE_RETRY_MS);
                    return;
                };
                if pod.uid() == kept.api_uid() && !kept.gone {
                    self.cache.remember(&pods(), pod);
                    if pod.revision() >= kept.worker.pod.revision() {
                        kept.seen(pod, now);
                    }
                }
                if !status::shows(pod.at("/status"), wanted) {
                    kept.write_at = now.plus_ms(WRITE_RETRY_MS);
                }
            }
            Err(status) if status.is_conflict() => kept.write_at = now.plus_ms(CONFLICT_RETRY_MS),
            Err(_) => kept.write_at = now.plus_ms(WRITE_RETRY_MS),
        }
    }
}
