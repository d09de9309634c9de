//! A node with pods on 127.x.y.z, driven by commands and watched through events.
#![expect(
    clippy::disallowed_methods,
    reason = "a test waits with a limit of the host's time"
)]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use io_clock::Clock;
use io_wasm::logs::LogOptions;
use io_wasm::network::NodeNetwork;
use io_wasm::network::host::Loopback;
use io_wasm::{Engine, EngineConfig, NodeRuntime, NodeRuntimeConfig};
use kubelet::runtime::{
    ContainerConfig, ContainerId, DnsConfig, RuntimeCommand, RuntimeEvent, SandboxConfig,
};
use shared::Millis;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Nothing takes this long; a test that does hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the workloads are.
pub(crate) fn workloads() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../target")),
        PathBuf::from,
    );
    std::env::var_os("GLASSHOUSE_WORKLOADS").map_or_else(|| target.join("workloads"), PathBuf::from)
}

/// The bytes of a workload.
pub(crate) fn workload(name: &str) -> &'static [u8] {
    let path = workloads().join(format!("{name}.wasm"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}: build the workloads first: cargo xtask guests",
            path.display()
        )
    });
    Box::leak(bytes.into_boxed_slice())
}

/// All sample images.
pub(crate) fn samples() -> Vec<(String, &'static [u8])> {
    static SAMPLES: OnceLock<Vec<(String, &'static [u8])>> = OnceLock::new();
    SAMPLES
        .get_or_init(|| {
            [
                "hello-http",
                "echo-tcp",
                "echo-udp",
                "http-client",
                "counter-cli",
                "crash",
                "busybox",
                "memory-hog",
                "cpu-hog",
                "wasip1-hello",
                "wasip1-echo",
            ]
            .into_iter()
            .map(|name| (name.to_owned(), workload(name)))
            .collect()
        })
        .clone()
}

/// A folder that goes when the test does.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("glasshouse-io-wasm-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One engine for all tests, so that each workload is compiled once.
pub(crate) fn engine() -> Engine {
    static ENGINE: OnceLock<(Engine, Folder)> = OnceLock::new();
    ENGINE
        .get_or_init(|| {
            let folder = Folder::new();
            let engine = Engine::new(EngineConfig::new(folder.0.clone(), samples())).unwrap();
            engine.images().set_aliases(BTreeMap::from([
                (
                    "nginx".to_owned(),
                    "glasshouse.dev/hello-http:latest".to_owned(),
                ),
                (
                    "busybox".to_owned(),
                    "glasshouse.dev/busybox:latest".to_owned(),
                ),
                (
                    "databaseD".to_owned(),
                    "glasshouse.dev/echo-tcp:latest".to_owned(),
                ),
                (
                    "broken".to_owned(),
                    "glasshouse.dev/nothing:latest".to_owned(),
                ),
            ]));
            (engine, folder)
        })
        .0
        .clone()
}

/// A node.
pub(crate) struct Node {
    pub(crate) runtime: NodeRuntime,
    pub(crate) clock: Clock,
    pub(crate) tasks: TaskTracker,
    pub(crate) cancel: CancellationToken,
    pub(crate) folder: Folder,
    events: mpsc::Receiver<RuntimeEvent>,
    seen: Vec<RuntimeEvent>,
}

/// A pod of the node.
#[derive(Clone, Debug)]
pub(crate) struct TestPod {
    pub(crate) uid: String,
    pub(crate) ip: Ipv4Addr,
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// An address that no other test uses.
fn address() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    Ipv4Addr::new(
        127,
        10 + (process % 200) as u8,
        (n / 250) as u8,
        (n % 250) as u8 + 1,
    )
}

impl Node {
    pub(crate) fn new() -> Self {
        Self::with(engine(), Loopback::default(), Folder::new())
    }

    pub(crate) fn with(engine: Engine, network: Loopback, folder: Folder) -> Self {
        let clock = Clock::start(Millis(0));
        let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
        Self::on(engine, Arc::new(network), folder, clock, tasks, cancel)
    }

    pub(crate) fn on(
        engine: Engine,
        network: Arc<dyn NodeNetwork>,
        folder: Folder,
        clock: Clock,
        tasks: TaskTracker,
        cancel: CancellationToken,
    ) -> Self {
        let (runtime, events) = NodeRuntime::new(NodeRuntimeConfig {
            engine,
            network,
            data_dir: folder.0.clone(),
            clock: clock.clone(),
            tasks: tasks.clone(),
            cancel: cancel.clone(),
        })
        .unwrap();
        Self {
            runtime,
            clock,
            tasks,
            cancel,
            folder,
            events,
            seen: Vec::new(),
        }
    }

    /// The next event that fits; others are kept for later.
    pub(crate) async fn wait<T>(
        &mut self,
        what: &str,
        mut fits: impl FnMut(&RuntimeEvent) -> Option<T>,
    ) -> T {
        if let Some((i, found)) = self
            .seen
            .iter()
            .enumerate()
            .find_map(|(i, event)| Some((i, fits(event)?)))
        {
            self.seen.remove(i);
            return found;
        }
        loop {
            let event = tokio::time::timeout(PATIENCE, self.events.recv())
                .await
                .unwrap_or_else(|_| panic!("{what} did not come; seen: {:?}", self.seen))
                .expect("the runtime tells");
            if let Some(found) = fits(&event) {
                return found;
            }
            self.seen.push(event);
        }
    }

    pub(crate) async fn pod(&mut self, uid: &str) -> TestPod {
        self.pod_at(uid, address()).await
    }

    pub(crate) async fn pod_at(&mut self, uid: &str, ip: Ipv4Addr) -> TestPod {
        let searches = ["default.svc.cluster.local", "svc.cluster.local"];
        let config = SandboxConfig {
            pod: uid.to_owned(),
            namespace: "default".to_owned(),
            name: uid.to_owned(),
            hostname: uid.to_owned(),
            ip,
            dns: DnsConfig {
                cluster: true,
                servers: Vec::new(),
                searches: searches.map(str::to_owned).to_vec(),
                options: vec!["ndots:5".to_owned()],
            },
            hosts: Vec::new(),
        };
        self.runtime
            .submit(RuntimeCommand::CreateSandbox(Box::new(config)));
        self.wait("SandboxReady", |event| match event {
            RuntimeEvent::SandboxReady { pod } => (pod == uid).then_some(()),
            RuntimeEvent::SandboxFailed { message, .. } => panic!("{message}"),
            _ => None,
        })
        .await;
        TestPod {
            uid: uid.to_owned(),
            ip,
        }
    }

    pub(crate) fn start(&self, config: ContainerConfig) {
        self.runtime
            .submit(RuntimeCommand::StartContainer(Box::new(config)));
    }

    pub(crate) async fn started(&mut self, id: &ContainerId) {
        self.wait("Started", |event| match event {
            RuntimeEvent::Started { id: started } => (started == id).then_some(()),
            RuntimeEvent::StartFailed {
                id: failed,
                message,
                ..
            } if failed == id => panic!("{message}"),
            _ => None,
        })
        .await;
    }

    pub(crate) async fn ended(&mut self, id: &ContainerId) -> Ended {
        self.wait("Exited", |event| match event {
            RuntimeEvent::Exited {
                id: ended,
                exit_code,
                reason,
                message,
            } if ended == id => Some(Ended {
                code: *exit_code,
                reason: reason.clone(),
                message: message.clone(),
            }),
            RuntimeEvent::StartFailed {
                id: failed,
                message,
                ..
            } if failed == id => panic!("{message}"),
            _ => None,
        })
        .await
    }

    /// Starts a container that is not taken: the reason and what is said.
    pub(crate) async fn refused(&mut self, config: ContainerConfig) -> (String, String) {
        let id = config.id.clone();
        self.start(config);
        self.wait("StartFailed", |event| match event {
            RuntimeEvent::StartFailed {
                id: failed,
                reason,
                message,
            } if Some(failed) == id.as_ref() => Some((reason.clone(), message.clone())),
            _ => None,
        })
        .await
    }

    /// Runs a container to its end: how it ended and what it said.
    pub(crate) async fn run(&mut self, config: ContainerConfig) -> (Ended, String) {
        let id = config.id.clone().unwrap();
        self.start(config);
        let ended = self.ended(&id).await;
        (
            ended,
            self.log(&id.pod, &id.container, LogOptions::default())
                .await,
        )
    }

    pub(crate) async fn log(&self, pod: &str, container: &str, options: LogOptions) -> String {
        let chunks = self.runtime.logs(pod, container, options).unwrap();
        text(collect(chunks).await)
    }

    /// Ends everything and sees that all tasks end with it.
    pub(crate) async fn shut_down(self) {
        self.cancel.cancel();
        self.tasks.close();
        tokio::time::timeout(PATIENCE, self.tasks.wait())
            .await
            .expect("all tasks end with the node");
    }
}

/// A container of a pod.
pub(crate) fn container(pod: &TestPod, name: &str, image: &str) -> ContainerConfig {
    ContainerConfig {
        id: Some(ContainerId {
            pod: pod.uid.clone(),
            container: name.to_owned(),
            attempt: 0,
        }),
        image: image.to_owned(),
        ..ContainerConfig::default()
    }
}

pub(crate) fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

pub(crate) fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// All chunks of a stream.
pub(crate) async fn collect(mut chunks: mpsc::Receiver<Bytes>) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(chunk) = tokio::time::timeout(PATIENCE, chunks.recv())
        .await
        .expect("the stream ends")
    {
        out.extend_from_slice(&chunk);
    }
    out
}

pub(crate) fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// Asks until the answer is yes.
pub(crate) async fn until(what: &str, mut yes: impl FnMut() -> bool) {
    let asking = async {
        while !yes() {
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"));
}
