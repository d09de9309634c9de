//! `exec` and exec probes.

use std::time::Duration;

use bytes::Bytes;
use io_wasm::ExecRequest;
use io_wasm::logs::LogOptions;
use kubelet::runtime::{ContainerConfig, ProbeAction, ProbeKind, RuntimeCommand, RuntimeEvent};
use tokio::sync::mpsc;

use crate::harness::{Node, collect, container, env, strings, text};

/// What a screen shows, as far as it begins as wanted.
async fn screen(chunks: &mut mpsc::Receiver<Bytes>, wanted: &str) -> String {
    let mut shown = String::new();
    while shown.len() < wanted.len() && wanted.starts_with(&shown) {
        let chunk = tokio::time::timeout(Duration::from_secs(60), chunks.recv()).await;
        let chunk = chunk.ok().flatten().expect("the screen shows more");
        shown.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    shown
}

/// A standard input that says this and ends.
pub(crate) fn given(text: &str) -> mpsc::Receiver<Bytes> {
    let (sender, receiver) = mpsc::channel(1);
    sender.try_send(Bytes::from(text.to_owned())).unwrap();
    receiver
}

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
            stdin: (!stdin.is_empty()).then(|| given(stdin)),
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
    let (keyboard, stdin) = mpsc::channel(8);
    let request = ExecRequest {
        command: strings(&["sh"]),
        stdin: Some(stdin),
        tty: true,
    };
    let mut session = node.runtime.exec(&pod.uid, "main", request).await.unwrap();
    for (keys, shown) in [
        ("", "/ # "),
        ("echo tyy\x7fped\r", "echo tyy\x08 \x08ped\r\ntyped\r\n/ # "),
        ("half a li\x03", "half a li^C\r\n/ # "),
        (
            "cat no\r",
            "cat no\r\ncat: can't open 'no': No such file or directory\r\n/ # ",
        ),
    ] {
        keyboard.send(Bytes::from(keys)).await.unwrap();
        let screen = screen(&mut session.stdout, shown).await;
        assert_eq!(screen, shown, "{keys:?}");
    }
    keyboard.send(Bytes::from("exit 4\r")).await.unwrap();
    assert_eq!(session.exit.await.unwrap(), 4);
    // A command that reads nothing ends by Ctrl-C.
    let (keyboard, stdin) = mpsc::channel(8);
    let request = ExecRequest {
        command: strings(&["sleep", "3600"]),
        stdin: Some(stdin),
        tty: true,
    };
    let session = node.runtime.exec(&pod.uid, "main", request).await.unwrap();
    keyboard.send(Bytes::from("\x03")).await.unwrap();
    assert_eq!(session.exit.await.unwrap(), 130);
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
async fn attached_clients_type_and_see_what_is_printed() {
    let mut node = Node::new();
    let pod = node.pod("attach").await;
    let config = ContainerConfig {
        command: strings(&["sh"]),
        stdin: true,
        stdin_once: true,
        ..container(&pod, "main", "busybox")
    };
    let id = config.id.clone().unwrap();
    node.start(config);
    node.started(&id).await;
    let script = given("echo out; echo err >&2; exit 5\n");
    let session = node.runtime.attach("attach", "main", Some(script)).unwrap();
    let (out, err) = tokio::join!(collect(session.stdout), collect(session.stderr));
    assert_eq!((text(out), text(err)), ("out\n".into(), "err\n".into()));
    assert_eq!(session.exit.await.unwrap(), 0);
    assert_eq!(node.ended(&id).await.code, 5);
    let log = node.log("attach", "main", LogOptions::default()).await;
    assert_eq!(log, "out\nerr\n");
    let error = node.runtime.attach("attach", "main", None).unwrap_err();
    assert_eq!(error.to_string(), "container not found (\"main\")");
    node.shut_down().await;
}

/// Nothing that is printed is lost, although the client reads late and the log goes on.
#[tokio::test(flavor = "multi_thread")]
async fn output_waits_for_an_attached_client() {
    let mut node = Node::new();
    let pod = node.pod("slow").await;
    let config = ContainerConfig {
        command: strings(&[
            "sh",
            "-c",
            "read go; i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done",
        ]),
        stdin: true,
        ..container(&pod, "main", "busybox")
    };
    let id = config.id.clone().unwrap();
    node.start(config);
    node.started(&id).await;
    let session = node
        .runtime
        .attach("slow", "main", Some(given("go\n")))
        .unwrap();
    let mut log = node.wait_log("slow", "main", "line 30\n").await;
    let shown = text(collect(session.stdout).await);
    assert_eq!(shown.lines().count(), 2000);
    while log.recv().await.is_some() {}
    assert_eq!(node.ended(&id).await.code, 0);
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
