//! Getting the image of a container: present or pulled by its policy, with back-off after failures.

use crate::context::Context;
use crate::spec::PullPolicy;
use crate::unit::{ImageState, State};
use crate::worker::Worker;

impl Worker {
    pub(crate) fn show_pull_backoff(&mut self, i: usize, ctx: &mut Context<'_>) {
        let Some(unit) = self.units.get_mut(i) else {
            return;
        };
        let ImageState::Failed { announced, .. } = &mut unit.image else {
            return;
        };
        *announced = true;
        let keeps = |r: &str| matches!(r, "InvalidImageName" | "ErrImageNeverPull");
        let State::Waiting { reason, message } = &unit.state else {
            return;
        };
        if keeps(reason) {
            return;
        }
        let backing_off = format!("Back-off pulling image \"{}\"", unit.spec.image);
        let shown = if message.starts_with(&backing_off) {
            message.clone()
        } else {
            format!("{backing_off}: ErrImagePull: {message}")
        };
        unit.wait("ImagePullBackOff", shown);
        self.event(ctx, Some(i), "Normal", "BackOff", backing_off);
        self.event(
            ctx,
            Some(i),
            "Warning",
            "Failed",
            "Error: ImagePullBackOff".into(),
        );
    }

    pub(crate) fn request_image(&mut self, i: usize, present_only: bool, ctx: &mut Context<'_>) {
        let Some(unit) = self.units.get_mut(i) else {
            return;
        };
        let image = unit.spec.image.clone();
        unit.image = if present_only {
            ImageState::Checking
        } else {
            ImageState::Pulling
        };
        if !present_only {
            self.event(
                ctx,
                Some(i),
                "Normal",
                "Pulling",
                format!("Pulling image \"{image}\""),
            );
        }
        ctx.images
            .request(&image, present_only, self.pod.uid(), &mut ctx.out.commands);
    }

    /// The engine compiles an image that containers of this pod wait for.
    pub(crate) fn image_compiling(
        &mut self,
        image: &str,
        present_only: bool,
        message: &str,
        ctx: &mut Context<'_>,
    ) {
        for i in self.waiting_for(image, present_only) {
            self.event(ctx, Some(i), "Normal", "Compiling", message.to_owned());
        }
    }

    /// The engine answered for an image: this pod's containers that wait for it go on.
    pub(crate) fn image_ready(
        &mut self,
        image: &str,
        present_only: bool,
        image_id: &str,
        message: &str,
        ctx: &mut Context<'_>,
    ) {
        for i in self.waiting_for(image, present_only) {
            let Some(unit) = self.units.get_mut(i) else {
                continue;
            };
            unit.image = ImageState::Ready;
            image_id.clone_into(&mut unit.image_id);
            let message = match (message, present_only) {
                ("", true) => format!(
                    "Container image \"{image}\" already present on machine and can be accessed by the pod"
                ),
                ("", false) => format!("Successfully pulled image \"{image}\""),
                (given, _) => given.to_owned(),
            };
            self.event(ctx, Some(i), "Normal", "Pulled", message);
        }
    }

    /// The engine has not got the image.
    pub(crate) fn image_failed(
        &mut self,
        image: &str,
        present_only: bool,
        reason: &str,
        message: &str,
        ctx: &mut Context<'_>,
    ) {
        for i in self.waiting_for(image, present_only) {
            let Some(unit) = self.units.get_mut(i) else {
                continue;
            };
            let never = unit.spec.image_pull_policy == PullPolicy::Never;
            if present_only && !never && reason == "ErrImageNeverPull" {
                self.request_image(i, false, ctx);
                continue;
            }
            unit.pull_backoff.next(ctx.now);
            let until = ctx.now.plus_ms(unit.pull_backoff.delay_ms());
            unit.image = ImageState::Failed {
                at: ctx.now,
                until,
                announced: false,
            };
            let reason = if reason.is_empty() {
                "ErrImagePull"
            } else {
                reason
            };
            unit.wait(reason, message.into());
            if reason == "ErrImageNeverPull" {
                self.event(ctx, Some(i), "Warning", "ErrImageNeverPull", message.into());
            } else {
                let text = format!("Failed to pull image \"{image}\": {message}");
                self.event(ctx, Some(i), "Warning", "Failed", text);
            }
            self.event(
                ctx,
                Some(i),
                "Warning",
                "Failed",
                format!("Error: {reason}"),
            );
        }
    }

    fn waiting_for(&self, image: &str, present_only: bool) -> Vec<usize> {
        let state = if present_only {
            ImageState::Checking
        } else {
            ImageState::Pulling
        };
        let units = self.units.iter().enumerate();
        units
            .filter(|(_, u)| u.spec.image == image && u.image == state)
            .map(|(i, _)| i)
            .collect()
    }
}
