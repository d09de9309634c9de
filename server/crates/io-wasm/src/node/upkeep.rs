//! What is done to pods that run: probes, hooks, new content for their volumes, measurements.

use std::collections::BTreeMap;
use std::sync::Arc;

use kubelet::runtime::{
    ContainerId, HookAction, HookKind, PodUid, PodUsage, ProbeAction, ProbeKind, RuntimeEvent,
    Volume,
};

use super::{Inner, NodeRuntime};
use crate::files::{usage, volume};
use crate::probe::Prober;

impl NodeRuntime {
    /// What probes and hooks of a run need; `None` when it is not the latest run of its container.
    fn prober(&self, id: &ContainerId) -> Option<Prober> {
        let inner = &self.inner;
        let sandboxes = inner.sandboxes.lock();
        let sandbox = sandboxes.get(&id.pod)?;
        let container = sandbox.containers.get(&id.container)?;
        (container.id == *id).then(|| Prober {
            host: inner.network.host(),
            pod_ip: sandbox.pod.ip,
            container: Arc::clone(container),
            clock: inner.clock.clone(),
            tasks: inner.tasks.clone(),
        })
    }

    pub(super) fn probe(
        &self,
        id: ContainerId,
        probe: ProbeKind,
        action: ProbeAction,
        timeout_ms: u64,
    ) {
        let prober = self.prober(&id);
        self.spawn(async move {
            let failure = match prober {
                Some(prober) => {
                    let running = prober.container.over.clone();
                    let ended = Some("the container has ended".to_owned());
                    let probing = prober.run(&action, timeout_ms);
                    running.run_until_cancelled(probing).await.unwrap_or(ended)
                }
                None => Some("the container is not running".to_owned()),
            };
            Some(RuntimeEvent::Probed { id, probe, failure })
        });
    }

    pub(super) fn hook(
        &self,
        id: ContainerId,
        hook: HookKind,
        action: HookAction,
        timeout_ms: u64,
    ) {
        let prober = self.prober(&id);
        self.spawn(async move {
            let failure = match prober {
                Some(prober) => {
                    let running = prober.container.over.clone();
                    let ended = Some("the container has ended".to_owned());
                    let hooking = prober.hook(&action, timeout_ms);
                    running.run_until_cancelled(hooking).await.unwrap_or(ended)
                }
                None => Some("the container is not running".to_owned()),
            };
            Some(RuntimeEvent::HookDone { id, hook, failure })
        });
    }

    pub(super) fn update_volumes(&self, pod: PodUid, volumes: Vec<Volume>) {
        let folder = {
            let sandboxes = self.inner.sandboxes.lock();
            sandboxes.get(&pod).map(|s| s.pod.folder.join("volumes"))
        };
        self.spawn(async move {
            let Some(folder) = folder else {
                return Some(RuntimeEvent::VolumesUpdated { pod, failure: None });
            };
            let writing = tokio::task::spawn_blocking(move || {
                volumes
                    .iter()
                    .try_for_each(|v| volume::prepare(&folder, v).map(drop))
            });
            let written = writing.await.map_err(std::io::Error::other).flatten();
            let failure = written
                .err()
                .map(|error| format!("the content of a volume cannot be renewed: {error}"));
            Some(RuntimeEvent::VolumesUpdated { pod, failure })
        });
    }

    pub(super) fn measure(&self, storage: bool) {
        let inner = Arc::clone(&self.inner);
        self.spawn(async move {
            let measuring = tokio::task::spawn_blocking(move || inner.pods_usage(storage));
            let pods = measuring.await.unwrap_or_default();
            Some(RuntimeEvent::Measured { pods, storage })
        });
    }
}

impl Inner {
    fn pods_usage(&self, storage: bool) -> BTreeMap<PodUid, PodUsage> {
        let mut pods: BTreeMap<PodUid, PodUsage> = BTreeMap::new();
        for (uid, sandbox) in self.sandboxes.lock().iter() {
            let pod = pods.entry(uid.clone()).or_default();
            for (name, container) in &sandbox.containers {
                if !container.over.is_cancelled() {
                    let usage = pod.containers.entry(name.clone()).or_default();
                    usage.memory_bytes = container.memory.used();
                }
            }
        }
        if storage {
            for (uid, pod) in &mut pods {
                let folder = self.data_dir.join("pods").join(uid);
                pod.volumes = usage::bytes_of_each(&folder.join("volumes"));
                let logs = usage::bytes_of_each(&self.data_dir.join("logs").join(uid));
                let own = usage::bytes_of_each(&folder.join("rootfs"));
                for (name, bytes) in own.into_iter().chain(logs) {
                    let container = pod.containers.entry(name).or_default();
                    container.storage_bytes = container.storage_bytes.saturating_add(bytes);
                }
            }
        }
        pods
    }
}
