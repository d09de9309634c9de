//! `exec` and exec probes.

use std::time::Duration;

use bytes::Bytes;
use io_wasm::ExecRequest;
use io_wasm::logs::LogOptions;
use kubelet::runtime::{ContainerConfig, ProbeAction, ProbeKind, RuntimeCommand, RuntimeEvent};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use crate::harness::{Node, collect, container, env, strings, text};

impl Node {
    /// Runs a command to its end: exit code, output, complaints.
    pub(crate) async fn exec(
        &self,
        pod: &str,
        container: &str,
        command: &[&str],
        stdin: &str,
    ) -> (i32, String, String) {
        let request = ExecRequest {
            command: strings(command),
            stdin: (!stdin.is_empty())
                .then(|| Box::new(std::io::Cursor::new(stdin.to_owned().into_bytes())) as _),
            tty: false,
        };
        let session = self.runtime.exec(pod, container, request).await.unwrap();
        let (out, err) = tokio::join!(collect(session.stdout), collect(session.stderr));
        (session.exit.await.unwrap(), text(out), text(err))
    }

    /// Follows a log until it has said something.
    pub(crate) async fn wait_log(
        &self,
        pod: &str,
        name: &str,
        wanted: &str,
    ) -> mpsc::Receiver<Bytes> {
        let options = LogOptions {
            follow: true,
            ..LogOptions::default()
        };
        let mut chunks = loop {
            match self.runtime.logs(pod, name, options.clone()) {
                Ok(chunks) => break chunks,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let mut said = String::new();
        while !said.contains(wanted) {
            let chunk = tokio::time::timeout(Duration::from_secs(60), chunks.recv()).await;
            let chunk = chunk
                .ok()
                .flatten()
                .unwrap_or_else(|| panic!("the log never said {wanted:?}, only {said:?}"));
            said.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        chunks
    }

    /// Runs a probe: `None` for success.
    pub(crate) async fn probe(
        &mut self,
        config: &ContainerConfig,
        action: ProbeAction,
        timeout_ms: u64,
    ) -> Option<String> {
        let id = config.id.clone().unwrap();
        self.runtime.submit(RuntimeCommand::Probe {
            id: id.clone(),
            probe: ProbeKind::Liveness,
            action,
            timeout_ms,
        });
        self.wait("Probed", |event| match event {
            RuntimeEvent::Probed {
                id: probed,
                failure,
                ..
            } if *probed == id => Some(failure.clone()),
            _ => None,
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_run_inside_a_container() {
    let mut node = Node::new();
    let pod = node.pod("exec").await;
    let config = ContainerConfig {
        env: env(&[("COLOUR", "red")]),
        ports: vec![8080],
        ..container(&pod, "web", "nginx")
    };
    let id = config.id.clone().unwrap();
    node.start(config);
    node.started(&id).await;
    for (command, stdin, expected) in [
        (&["echo", "a", "b"][..], "", (0, "a b\n", "")),
        (
            &["sh", "-c", "echo $COLOUR; echo no >&2; exit 3"],
            "",
            (3, "red\n", "no\n"),
        ),
        (
            &["sh"],
            "x=5\necho $((x*2))\nif true; then\necho yes\nfi\n",
            (0, "10\nyes\n", ""),
        ),
        (&["cat"], "in\nput", (0, "in\nput", "")),
        (
            &["wget", "-q", "-O", "-", "http://localhost:8080/"],
            "",
            (0, "Hello from exec\n", ""),
        ),
    ] {
        let (code, out, err) = node.exec(&pod.uid, "web", command, stdin).await;
        assert_eq!((code, out.as_str(), err.as_str()), expected, "{command:?}");
    }
    for (name, command, expected) in [
        ("web", &["nginx"][..], "executable file not found"),
        ("web", &[], "at least one command"),
        ("gone", &["ls"], "container not found"),
    ] {
        let request = ExecRequest {
            command: strings(command),
            stdin: None,
            tty: false,
        };
        let error = node
            .runtime
            .exec(&pod.uid, name, request)
            .await
            .unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_on_a_terminal_prompts_and_ends_with_its_session() {
    let mut node = Node::new();
    let pod = node.pod("tty").await;
    let config = ContainerConfig {
        command: strings(&["sleep", "3600"]),
        ..container(&pod, "main", "busybox")
    };
    let id = config.id.clone().unwrap();
    node.start(config);
    node.started(&id).await;
    let (mut keyboard, stdin) = tokio::io::duplex(1024);
    let request = ExecRequest {
        command: strings(&["sh"]),
        stdin: Some(Box::new(stdin)),
        tty: true,
    };
    let mut session = node.runtime.exec(&pod.uid, "main", request).await.unwrap();
    assert_eq!(session.stderr.recv().await.unwrap(), "/ # ");
    keyboard.write_all(b"echo typed\r").await.unwrap();
    keyboard.write_all(b"\n").await.unwrap();
    assert_eq!(session.stdout.recv().await.unwrap(), "typed\n");
    keyboard.write_all(b"exit 4\n").await.unwrap();
    assert_eq!(session.exit.await.unwrap(), 4);
    // A session that is dropped takes its command along.
    let request = ExecRequest {
        command: strings(&["sleep", "3600"]),
        stdin: None,
        tty: false,
    };
    drop(node.runtime.exec(&pod.uid, "main", request).await.unwrap());
    // So does the container's end.
    let request = ExecRequest {
        command: strings(&["sleep", "3600"]),
        stdin: None,
        tty: false,
    };
    let session = node.runtime.exec(&pod.uid, "main", request).await.unwrap();
    node.runtime
        .submit(RuntimeCommand::StopContainer { id, grace_ms: 0 });
    assert_eq!(session.exit.await.unwrap(), 137);
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exec_probes_tell_by_exit_code() {
    let mut node = Node::new();
    let pod = node.pod("probe").await;
    let config = ContainerConfig {
        command: strings(&["sh", "-c", "touch /tmp/healthy; echo ready; sleep 3600"]),
        ..container(&pod, "main", "busybox")
    };
    node.start(config.clone());
    node.wait_log(&pod.uid, "main", "ready\n").await;
    for (command, failure) in [
        (&["cat", "/tmp/healthy"][..], None),
        (
            &["cat", "/tmp/other"],
            Some("cat: can't open '/tmp/other': No such file or directory\n"),
        ),
        (
            &["sleep", "100"],
            Some("command timed out: \"sleep 100\" timed out after 1s"),
        ),
    ] {
        let action = ProbeAction::Exec {
            command: strings(command),
        };
        let got = node.probe(&config, action, 1000).await;
        assert_eq!(got.as_deref(), failure, "{command:?}");
    }
    node.shut_down().await;
}
