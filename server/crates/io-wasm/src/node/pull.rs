//! Getting an image ready for the kubelet, and telling how long what took.

use std::sync::atomic::{AtomicU64, Ordering};

use kubelet::runtime::RuntimeEvent;

use super::Inner;
use crate::engine::PrepareError;
use crate::image::Image;

impl Inner {
    pub(super) async fn pull(&self, image: String, present_only: bool) -> RuntimeEvent {
        let began_us = self.clock.host_us();
        let compiling_since_us = AtomicU64::new(0);
        let prepared = self
            .engine
            .prepare_telling(&image, async |found: &Image| {
                compiling_since_us.store(self.clock.host_us(), Ordering::Relaxed);
                self.tell(RuntimeEvent::ImageCompiling {
                    image: image.clone(),
                    message: format!("Compiling image \"{image}\" ({} bytes)", found.size),
                })
                .await;
            })
            .await;
        let now_us = self.clock.host_us();
        let took = |since_us: u64| format!("{}ms", now_us.saturating_sub(since_us) / 1000);
        let compiled = match compiling_since_us.into_inner() {
            0 => String::new(),
            since_us => format!(" Compiled in {}.", took(since_us)),
        };
        match prepared {
            Ok((found, _)) => RuntimeEvent::ImageReady {
                message: said(&image, present_only, &found, &took(began_us), &compiled),
                image_id: found.id(),
                image,
            },
            // What is here and cannot run is told at once; only what is absent is worth pulling.
            Err(PrepareError::Pull(_)) if present_only => RuntimeEvent::ImageFailed {
                reason: "ErrImageNeverPull".to_owned(),
                message: format!(
                    "Container image \"{image}\" is not present with pull policy of Never"
                ),
                image,
            },
            Err(error) => RuntimeEvent::ImageFailed {
                image,
                reason: error.reason().to_owned(),
                message: error.to_string(),
            },
        }
    }
}

/// What the Pulled event says; empty for the kubelet's own words.
fn said(image: &str, present_only: bool, found: &Image, took: &str, compiled: &str) -> String {
    let alias = found.alias.as_ref().map_or_else(String::new, |alias| {
        format!(" \"{alias}\" stands for {}.", found.name)
    });
    match (present_only, alias.is_empty() && compiled.is_empty()) {
        (true, true) => String::new(),
        (true, false) => format!(
            "Container image \"{image}\" already present on machine and can be accessed by the pod.{compiled}{alias}"
        ),
        (false, _) => format!(
            "Successfully pulled image \"{image}\" in {took} ({took} including waiting). Image size: {} bytes.{compiled}{alias}",
            found.size
        ),
    }
}
