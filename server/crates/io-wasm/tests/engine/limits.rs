//! Memory and processor limits, stopping, and keeping neighbours unharmed.

use io_wasm::ContainerUsage;
use kubelet::runtime::{ContainerConfig, ContainerId, RuntimeCommand};

use crate::harness::{Ended, Node, container, env, strings, until};

impl Node {
    fn usage(&self, id: &ContainerId) -> Option<ContainerUsage> {
        self.runtime
            .usage()
            .into_iter()
            .find(|usage| usage.id == *id)
    }

    async fn stop(&mut self, id: &ContainerId, grace_ms: u64) -> Ended {
        self.runtime.submit(RuntimeCommand::StopContainer {
            id: id.clone(),
            grace_ms,
        });
        self.ended(id).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn growing_past_the_memory_limit_kills() {
    let mut node = Node::new();
    let pod = node.pod("oom").await;
    let config = ContainerConfig {
        memory_limit_bytes: Some(32 << 20),
        ..container(&pod, "main", "glasshouse.dev/memory-hog")
    };
    let (ended, said) = node.run(config).await;
    assert_eq!(
        (ended.code, ended.reason.as_str()),
        (137, "OOMKilled"),
        "{ended:?}"
    );
    assert!(ended.message.contains("limit 33554432"), "{ended:?}");
    assert!(
        said.contains("holding 24 MiB\n") && !said.contains("holding 32 MiB\n"),
        "{said}"
    );
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exec_counts_towards_its_containers_memory() {
    let mut node = Node::new();
    let pod = node.pod("oom-exec").await;
    let config = ContainerConfig {
        command: strings(&["sleep", "3600"]),
        memory_limit_bytes: Some(8 << 20),
        ..container(&pod, "main", "busybox")
    };
    let id = config.id.clone().unwrap();
    node.start(config);
    node.started(&id).await;
    until("the program runs", || {
        node.usage(&id).is_some_and(|usage| usage.memory_bytes > 0)
    })
    .await;
    node.exec(
        "oom-exec",
        "main",
        &["sh", "-c", "x=0123456789abcdef; while :; do x=$x$x; done"],
        "",
    )
    .await;
    let ended = node.ended(&id).await;
    assert_eq!((ended.code, ended.reason.as_str()), (137, "OOMKilled"));
    node.shut_down().await;
}

/// Two hogs run as long as each other; the one with a tenth of a processor gets a tenth.
#[tokio::test(flavor = "multi_thread")]
async fn a_processor_limit_throttles_and_does_not_kill() {
    let mut node = Node::new();
    let pod = node.pod("cpu").await;
    let limited = ContainerConfig {
        cpu_limit_millis: Some(100),
        ..container(&pod, "limited", "glasshouse.dev/cpu-hog")
    };
    let id = limited.id.clone().unwrap();
    let began_us = node.clock.host_us();
    node.start(limited);
    node.started(&id).await;
    until("ten periods", || {
        node.usage(&id)
            .is_some_and(|usage| usage.throttled_times >= 10)
    })
    .await;
    let usage = node.usage(&id).unwrap();
    let elapsed_us = node.clock.host_us() - began_us;
    let used_us = usage.cpu_ns / 1000;
    // 10 ms a period of 100 ms, and one tick more at most.
    assert!(
        used_us <= elapsed_us / 10 + 30_000,
        "{used_us} us used in {elapsed_us} us"
    );
    assert!(used_us >= 50_000, "ten periods give more than {used_us} us");
    assert!(usage.throttled_us >= 500_000, "{usage:?}");
    assert_eq!(node.stop(&id, 1000).await.code, 143);
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_has_the_exit_codes_of_signals() {
    let mut node = Node::new();
    let pod = node.pod("stop").await;
    for (i, (image, command, grace_ms, code)) in [
        ("busybox", &["sleep", "3600"][..], 30_000, 143),
        ("busybox", &["sleep", "3600"], 0, 137),
        ("busybox", &["sh", "-c", "while :; do :; done"], 30_000, 143),
        ("glasshouse.dev/cpu-hog", &[], 0, 137),
        ("glasshouse.dev/echo-tcp", &[], 30_000, 143),
        ("nginx", &[], 30_000, 143),
        ("nginx", &[], 0, 137),
    ]
    .into_iter()
    .enumerate()
    {
        let config = ContainerConfig {
            command: strings(command),
            ports: vec![8000 + i as u16],
            ..container(&pod, &format!("c{i}"), image)
        };
        let id = config.id.clone().unwrap();
        node.start(config);
        node.started(&id).await;
        let ended = node.stop(&id, grace_ms).await;
        assert_eq!(
            (ended.code, ended.reason.as_str()),
            (code, "Error"),
            "{image} {command:?} {grace_ms}"
        );
        // Stopping what is over is answered too.
        assert_eq!(node.stop(&id, 0).await.reason, "ContainerStatusUnknown");
    }
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sleeping_follows_the_cluster_clock() {
    let mut node = Node::new();
    let pod = node.pod("clock").await;
    node.clock.set_rate(0.0).unwrap();
    let script = "a=$(date +%s); sleep 3600; b=$(date +%s); [ $((b-a)) -ge 3600 ] && echo an hour";
    let config = ContainerConfig {
        command: strings(&["sh", "-c", script]),
        ..container(&pod, "main", "busybox")
    };
    let id = config.id.clone().unwrap();
    node.start(config);
    node.started(&id).await;
    until("the shell runs", || {
        node.usage(&id).is_some_and(|usage| usage.memory_bytes > 0)
    })
    .await;
    node.clock.set_rate(1000.0).unwrap();
    assert_eq!(node.ended(&id).await.code, 0);
    assert_eq!(
        node.log("clock", "main", Default::default()).await,
        "an hour\n"
    );
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_survives_hostile_guests() {
    let mut node = Node::new();
    let pod = node.pod("hostile").await;
    let deep = "f() { f; }; f";
    let nested = format!("echo {}x{}", "$(echo ".repeat(200), ")".repeat(200));
    for (i, (script, code)) in [(deep, 2), (nested.as_str(), 0)].into_iter().enumerate() {
        let command = strings(&["sh", "-c", script]);
        let (ended, said) = node
            .run(ContainerConfig {
                command,
                ..container(&pod, &format!("c{i}"), "busybox")
            })
            .await;
        assert_eq!(ended.code, code, "{}", &said[..said.len().min(500)]);
    }
    let flood = ContainerConfig {
        command: strings(&["yes"]),
        ..container(&pod, "flood", "busybox")
    };
    let id = flood.id.clone().unwrap();
    node.start(flood);
    node.started(&id).await;
    let neighbour = node.pod("neighbour").await;
    let config = ContainerConfig {
        env: env(&[("COUNT", "2")]),
        ..container(&neighbour, "main", "glasshouse.dev/counter-cli")
    };
    assert_eq!(node.run(config).await.0.code, 0);
    assert_eq!(node.stop(&id, 0).await.code, 137);
    node.shut_down().await;
}
