//! Guests that mean harm: each ends alone, for the right reason, and its neighbour does not notice.

use kubelet::runtime::{ContainerConfig, RuntimeCommand};

use crate::harness::{Node, TestPod, container, engine, env, until};

/// A preview 1 module in bytes: one import, `sched_yield`, as function 0; a memory, a table of functions, and code.
struct Module {
    /// The body of `_start`, function 1, without its end; it has one i32 local.
    start: &'static [u8],
    /// Function 1 runs when the module is instantiated, too.
    at_instantiation: bool,
}

fn section(id: u8, body: &[u8]) -> Vec<u8> {
    assert!(body.len() < 128, "one byte holds the length");
    [&[id, body.len() as u8], body].concat()
}

impl Module {
    fn bytes(&self) -> Vec<u8> {
        let name = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
        let import = [
            &[1][..],
            &name("wasi_snapshot_preview1"),
            &name("sched_yield"),
            &[0, 1],
        ];
        let exports = [&[2][..], &name("_start"), &[0, 1], &name("memory"), &[2, 0]];
        let code = [&[1, 1, 0x7f], self.start, &[0x0b]].concat();
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        // Types: () -> (), and () -> i32.
        module.extend(section(1, &[2, 0x60, 0, 0, 0x60, 0, 1, 0x7f]));
        module.extend(section(2, &import.concat()));
        module.extend(section(3, &[1, 0]));
        module.extend(section(4, &[1, 0x70, 0, 1]));
        module.extend(section(5, &[1, 0, 1]));
        module.extend(section(7, &exports.concat()));
        if self.at_instantiation {
            module.extend(section(8, &[1]));
        }
        module.extend(section(10, &[&[1, code.len() as u8], &code[..]].concat()));
        module
    }
}

/// `loop br 0 end`
const ENDLESS: &[u8] = &[0x03, 0x40, 0x0c, 0, 0x0b];
/// Calls itself.
const RECURSION: &[u8] = &[0x10, 1];
/// Grows its memory by a page for ever.
const MEMORY: &[u8] = &[0x03, 0x40, 0x41, 1, 0x40, 0, 0x1a, 0x0c, 0, 0x0b];
/// Grows its table by 1,000 until that is refused, then traps.
const TABLE: &[u8] = &[
    0x03, 0x40, 0xd0, 0x70, 0x41, 0xe8, 0x07, 0xfc, 0x0f, 0, 0x41, 0x7f, 0x47, 0x0d, 0, 0x0b, 0,
];
/// Calls the host a million times.
const CALLS: &[u8] = &[
    0x03, 0x40, 0x10, 0, 0x1a, 0x20, 0, 0x41, 1, 0x6a, 0x22, 0, 0x41, 0xc0, 0x84, 0x3d, 0x49, 0x0d,
    0, 0x0b,
];

async fn upload(name: &str, start: &'static [u8], at_instantiation: bool) -> String {
    let module = Module {
        start,
        at_instantiation,
    };
    let name = format!("glasshouse.dev/{name}:latest");
    let uploaded = engine().add_upload(&name, module.bytes().into()).await;
    uploaded.unwrap_or_else(|error| panic!("{name}: {error}"));
    name
}

impl Node {
    /// A well-behaved container of the same pod lives and ends as ever.
    async fn neighbour_is_well(&mut self, pod: &TestPod, name: &str) {
        let config = ContainerConfig {
            env: env(&[("COUNT", "1"), ("INTERVAL_MS", "1")]),
            ..container(pod, name, "glasshouse.dev/counter-cli")
        };
        assert_eq!(self.run(config).await.0.code, 0, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_asks_for_too_much_ends_alone() {
    let mut node = Node::new();
    let pod = node.pod("greedy").await;
    for (name, start, at_instantiation, code, reason) in [
        ("recursion", RECURSION, false, 139, "Error"),
        ("recursion-at-start", RECURSION, true, 139, "Error"),
        ("memory", MEMORY, false, 137, "OOMKilled"),
        ("memory-at-start", MEMORY, true, 137, "OOMKilled"),
        ("table", TABLE, false, 134, "Error"),
        ("calls", CALLS, false, 0, "Completed"),
    ] {
        let config = ContainerConfig {
            memory_limit_bytes: Some(16 << 20),
            ..container(&pod, name, &upload(name, start, at_instantiation).await)
        };
        let (ended, said) = node.run(config).await;
        assert_eq!(
            (ended.code, ended.reason.as_str()),
            (code, reason),
            "{name}: {ended:?} {said}"
        );
        node.neighbour_is_well(&pod, &format!("after-{name}")).await;
    }
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_ends_is_throttled_and_can_be_killed() {
    let mut node = Node::new();
    let pod = node.pod("endless").await;
    for (name, at_instantiation) in [("loop", false), ("loop-at-start", true)] {
        let config = ContainerConfig {
            cpu_limit_millis: Some(100),
            ..container(&pod, name, &upload(name, ENDLESS, at_instantiation).await)
        };
        let id = config.id.clone().unwrap();
        node.start(config);
        node.started(&id).await;
        until("it is throttled", || {
            let usage = node.runtime.usage();
            usage
                .iter()
                .any(|usage| usage.id == id && usage.throttled_times > 1)
        })
        .await;
        node.neighbour_is_well(&pod, &format!("beside-{name}"))
            .await;
        node.runtime.submit(RuntimeCommand::StopContainer {
            id: id.clone(),
            grace_ms: 0,
        });
        assert_eq!(node.ended(&id).await.code, 137);
    }
    node.shut_down().await;
}
