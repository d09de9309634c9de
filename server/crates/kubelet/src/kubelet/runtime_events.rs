//! What the engine tells, passed to the pods concerned.

use std::collections::BTreeSet;

use shared::Millis;

use super::Kubelet;
use crate::context::Context;
use crate::runtime::{PodUid, RuntimeEvent};
use crate::worker::Worker;

impl Kubelet {
    /// Takes in what the engine did. Poll afterwards.
    pub fn runtime_event(&mut self, event: RuntimeEvent, now: Millis) {
        match event {
            RuntimeEvent::SandboxReady { pod } => self.with(&pod, now, Worker::sandbox_ready),
            RuntimeEvent::SandboxFailed { pod, message } => {
                self.with(&pod, now, |w, ctx| w.sandbox_refused(&message, ctx));
            }
            RuntimeEvent::SandboxStopped { pod } => self.with(&pod, now, Worker::sandbox_stopped),
            RuntimeEvent::SandboxRemoved { pod } => self.with(&pod, now, Worker::sandbox_removed),
            RuntimeEvent::ImageCompiling { image, message } => {
                let waiting = self.images.waiting(&image);
                self.for_image(waiting, now, |w, present, ctx| {
                    w.image_compiling(&image, present, &message, ctx);
                });
            }
            event @ (RuntimeEvent::ImageReady { .. } | RuntimeEvent::ImageFailed { .. }) => {
                self.image_event(event, now);
            }
            RuntimeEvent::Started { id } => {
                self.with(&id.pod, now, |w, ctx| {
                    w.started(&id.container, id.attempt, ctx)
                });
            }
            RuntimeEvent::StartFailed {
                id,
                reason,
                message,
            } => self.with(&id.pod, now, |w, ctx| {
                w.start_failed((&id.container, id.attempt), &reason, &message, ctx);
            }),
            RuntimeEvent::Exited {
                id,
                exit_code,
                reason,
                message,
            } => {
                self.with(&id.pod, now, |w, ctx| {
                    w.exited(
                        (&id.container, id.attempt),
                        exit_code,
                        &reason,
                        &message,
                        ctx,
                    );
                });
            }
            RuntimeEvent::Probed { id, probe, failure } => self.with(&id.pod, now, |w, ctx| {
                w.probed((&id.container, id.attempt), probe, failure.as_deref(), ctx);
            }),
            RuntimeEvent::HookDone { id, hook, failure } => self.with(&id.pod, now, |w, ctx| {
                w.hook_done((&id.container, id.attempt), hook, failure.as_deref(), ctx);
            }),
            RuntimeEvent::VolumesUpdated { pod, failure } => {
                if let Some(why) = failure {
                    self.with(&pod, now, |w, ctx| w.volumes_failed(&why, ctx));
                }
            }
            RuntimeEvent::Measured { pods, storage } => self.measured(pods, storage, now),
        }
    }

    fn image_event(&mut self, event: RuntimeEvent, now: Millis) {
        match event {
            RuntimeEvent::ImageReady {
                image,
                image_id,
                message,
            } => {
                self.image(&image, now, |w, present, ctx| {
                    w.image_ready(&image, present, &image_id, &message, ctx);
                });
            }
            RuntimeEvent::ImageFailed {
                image,
                reason,
                message,
            } => {
                self.image(&image, now, |w, present, ctx| {
                    w.image_failed(&image, present, &reason, &message, ctx);
                });
            }
            _ => {}
        }
    }

    fn image(
        &mut self,
        image: &str,
        now: Millis,
        act: impl Fn(&mut Worker, bool, &mut Context<'_>),
    ) {
        let answered = self.images.answered(image, &mut self.out.commands);
        self.for_image(answered, now, act);
    }

    fn for_image(
        &mut self,
        concerned: Option<(bool, BTreeSet<PodUid>)>,
        now: Millis,
        act: impl Fn(&mut Worker, bool, &mut Context<'_>),
    ) {
        let Some((present, waiters)) = concerned else {
            return;
        };
        for pod in waiters {
            self.with(&pod, now, |w, ctx| act(w, present, ctx));
        }
    }
}
