//! A container engine whose containers are their names: the image says what a container does.
//!
//! `ok...` runs until it is stopped, `exit...` ends well, `crash...` ends badly, `slow...` ignores being asked to end;
//! every other image does not exist. It also watches over the kubelet: commands that make no sense are complaints.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use kubelet::runtime::{ContainerId, PodUid, PodUsage, RuntimeCommand, RuntimeEvent};

use crate::random::Random;

/// Longest time that making a sandbox, pulling an image or starting takes, in milliseconds.
const WORK_MAX_MS: u64 = 50;
/// How long `exit` and `crash` run at most, in milliseconds.
const RUN_MAX_MS: u64 = 2000;

/// The containers of one node.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    sandboxes: BTreeMap<PodUid, Ipv4Addr>,
    running: BTreeMap<ContainerId, String>,
    images: BTreeSet<String>,
    complaints: Vec<String>,
}

impl Engine {
    /// Carries out a command: what it leads to, and after how many milliseconds.
    pub(crate) fn execute(
        &mut self,
        command: RuntimeCommand,
        random: &mut Random,
    ) -> Vec<(u64, RuntimeEvent)> {
        let work = random.below(WORK_MAX_MS);
        match command {
            RuntimeCommand::CreateSandbox(config) => {
                let (pod, ip) = (config.pod, config.ip);
                if self.sandboxes.insert(pod.clone(), ip).is_some() {
                    self.complaints
                        .push(format!("pod {pod} has a sandbox already"));
                }
                vec![(work, RuntimeEvent::SandboxReady { pod })]
            }
            RuntimeCommand::PullImage {
                image,
                present_only,
            } => vec![(work, self.pull(image, present_only))],
            RuntimeCommand::StartContainer(config) => {
                let Some(id) = config.id else {
                    self.complaints.push("a container without a name".into());
                    return Vec::new();
                };
                self.start(id, config.image, work, random)
            }
            RuntimeCommand::StopContainer { id, grace_ms } => self.stop(id, grace_ms, work),
            RuntimeCommand::Probe { id, probe, .. } => {
                let failure =
                    (!self.running.contains_key(&id)).then(|| "connection refused".into());
                vec![(work, RuntimeEvent::Probed { id, probe, failure })]
            }
            RuntimeCommand::RunHook {
                id,
                hook,
                timeout_ms,
                ..
            } => {
                let failure =
                    (!self.running.contains_key(&id)).then(|| "the container has ended".into());
                let after = random.below(RUN_MAX_MS).min(timeout_ms);
                vec![(after, RuntimeEvent::HookDone { id, hook, failure })]
            }
            RuntimeCommand::UpdateVolumes { pod, .. } => {
                if !self.sandboxes.contains_key(&pod) {
                    self.complaints
                        .push(format!("volumes of {pod} are renewed without a sandbox"));
                }
                let failure = None;
                vec![(work, RuntimeEvent::VolumesUpdated { pod, failure })]
            }
            RuntimeCommand::Measure { storage } => {
                let pods = self.sandboxes.keys();
                let pods = pods.map(|p| (p.clone(), PodUsage::default())).collect();
                vec![(work, RuntimeEvent::Measured { pods, storage })]
            }
            RuntimeCommand::StopSandbox { pod } => {
                self.must_be_empty(&pod);
                vec![(work, RuntimeEvent::SandboxStopped { pod })]
            }
            RuntimeCommand::RemoveSandbox { pod } => {
                self.must_be_empty(&pod);
                vec![(work, RuntimeEvent::SandboxRemoved { pod })]
            }
        }
    }

    fn stop(&self, id: ContainerId, grace_ms: u64, work: u64) -> Vec<(u64, RuntimeEvent)> {
        let Some(image) = self.running.get(&id) else {
            return Vec::new();
        };
        let (after, exit_code) = if image.starts_with("slow") {
            (grace_ms, 137)
        } else {
            (work.min(grace_ms), 143)
        };
        vec![(after, exited(id, exit_code))]
    }

    fn must_be_empty(&mut self, pod: &PodUid) {
        if self.running.keys().any(|id| id.pod == *pod) {
            self.complaints.push(format!(
                "the sandbox of {pod} is taken away under running containers"
            ));
        }
    }

    fn pull(&mut self, image: String, present_only: bool) -> RuntimeEvent {
        let exists = ["ok", "exit", "crash", "slow"]
            .iter()
            .any(|name| image.starts_with(name));
        if exists && (!present_only || self.images.contains(&image)) {
            self.images.insert(image.clone());
            let (image_id, message) = (format!("{image}@sha256:0"), String::new());
            return RuntimeEvent::ImageReady {
                image,
                image_id,
                message,
            };
        }
        let reason = if present_only {
            "ErrImageNeverPull"
        } else {
            "ErrImagePull"
        };
        let message = format!("no image {image}");
        RuntimeEvent::ImageFailed {
            image,
            reason: reason.into(),
            message,
        }
    }

    fn start(
        &mut self,
        id: ContainerId,
        image: String,
        work: u64,
        random: &mut Random,
    ) -> Vec<(u64, RuntimeEvent)> {
        if !self.sandboxes.contains_key(&id.pod) {
            self.complaints
                .push(format!("{id} is started without a sandbox"));
        }
        if self
            .running
            .keys()
            .any(|r| r.pod == id.pod && r.container == id.container)
        {
            self.complaints
                .push(format!("{id} is started while another run of it is there"));
        }
        let code = match image.as_str() {
            i if i.starts_with("exit") => Some(0),
            i if i.starts_with("crash") => Some(1),
            _ => None,
        };
        let mut events = vec![(work, RuntimeEvent::Started { id: id.clone() })];
        if let Some(code) = code {
            events.push((work + random.below(RUN_MAX_MS), exited(id.clone(), code)));
        }
        self.running.insert(id, image);
        events
    }

    /// An event comes to pass. False when it does not, because what it is about has ended before.
    pub(crate) fn happens(&mut self, event: &RuntimeEvent) -> bool {
        match event {
            RuntimeEvent::Exited { id, .. } => self.running.remove(id).is_some(),
            RuntimeEvent::Started { id } => self.running.contains_key(id),
            RuntimeEvent::SandboxRemoved { pod } | RuntimeEvent::SandboxStopped { pod } => {
                self.sandboxes.remove(pod);
                true
            }
            _ => true,
        }
    }

    /// The containers there are.
    pub(crate) fn running(&self) -> impl Iterator<Item = &ContainerId> {
        self.running.keys()
    }

    /// The sandboxes there are, with their addresses.
    pub(crate) fn sandboxes(&self) -> &BTreeMap<PodUid, Ipv4Addr> {
        &self.sandboxes
    }

    /// What the kubelet did wrong.
    pub(crate) fn complaints(&self) -> &[String] {
        &self.complaints
    }
}

fn exited(id: ContainerId, exit_code: i32) -> RuntimeEvent {
    RuntimeEvent::Exited {
        id,
        exit_code,
        reason: String::new(),
        message: String::new(),
    }
}
