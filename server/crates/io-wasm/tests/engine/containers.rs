//! Commands, exit codes, environment, files and volumes.

use std::collections::BTreeMap;

use io_wasm::logs::LogOptions;
use kubelet::runtime::{ContainerConfig, Mount, RuntimeCommand, RuntimeEvent, Volume};

use crate::harness::{Node, container, env, strings};

/// image, command, env -> exit code, reason, a piece of the log, a piece of the message.
type Case = (
    &'static str,
    &'static [&'static str],
    &'static [(&'static str, &'static str)],
    i32,
    &'static str,
    &'static str,
    &'static str,
);

#[tokio::test(flavor = "multi_thread")]
async fn workloads_end_as_they_should() {
    let cases: &[Case] = &[
        (
            "glasshouse.dev/counter-cli",
            &[],
            &[("COUNT", "3")],
            0,
            "Completed",
            "1\n2\n3\ncounted to 3\n",
            "",
        ),
        (
            "glasshouse.dev/crash",
            &[],
            &[],
            1,
            "Error",
            "fatal: this workload always fails\n",
            "this workload always fails",
        ),
        (
            "glasshouse.dev/crash",
            &[],
            &[("MODE", "trap")],
            134,
            "Error",
            "about to crash\n",
            "",
        ),
        (
            "glasshouse.dev/wasip1-hello",
            &["prog", "a", "b c"],
            &[],
            0,
            "Completed",
            "arg 0: prog\narg 1: a\narg 2: b c\n/tmp/note: kept\n",
            "",
        ),
        (
            "glasshouse.dev/wasip1-hello",
            &[],
            &[("EXIT_CODE", "42")],
            42,
            "Error",
            "arg 0: wasip1-hello\n",
            "",
        ),
        (
            "glasshouse.dev/http-client",
            &[],
            &[],
            1,
            "Error",
            "TARGET is not set",
            "",
        ),
        ("busybox", &[], &[], 0, "Completed", "", ""),
        (
            "docker.io/library/busybox:1.36",
            &["sh", "-c", "exit 7"],
            &[],
            7,
            "Error",
            "",
            "",
        ),
        (
            "busybox",
            &["/bin/echo", "hi"],
            &[],
            0,
            "Completed",
            "hi\n",
            "",
        ),
        (
            "busybox",
            &["no-such-program"],
            &[],
            127,
            "Error",
            "no-such-program: not found",
            "",
        ),
        // An http component's container can run the tools that a Linux image would bring.
        (
            "nginx",
            &["sh", "-c", "echo $HOSTNAME"],
            &[],
            0,
            "Completed",
            "case-10\n",
            "",
        ),
        (
            "glasshouse.dev/counter-cli",
            &["cat", "/etc/hostname"],
            &[],
            0,
            "Completed",
            "case-11\n",
            "",
        ),
    ];
    let mut node = Node::new();
    for (i, (image, command, vars, code, reason, log, message)) in cases.iter().enumerate() {
        let pod = node.pod(&format!("case-{i}")).await;
        let (ended, said) = node
            .run(ContainerConfig {
                command: strings(command),
                env: env(vars),
                ..container(&pod, "main", image)
            })
            .await;
        let case = format!("{image} {command:?} {vars:?} said {said:?}, ended {ended:?}");
        assert_eq!(
            (ended.code, ended.reason.as_str()),
            (*code, *reason),
            "{case}"
        );
        assert!(said.contains(log), "{case}");
        assert!(ended.message.contains(message), "{case}");
    }
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_sees_its_pod() {
    let mut node = Node::new();
    let pod = node.pod("web-0").await;
    let script = "hostname; hostname -i; pwd; cat /etc/resolv.conf; echo $A$B; ls / /etc";
    let (ended, said) = node
        .run(ContainerConfig {
            command: strings(&["sh", "-c", script]),
            env: env(&[("A", "1"), ("B", "2"), ("A", "3")]),
            working_dir: "/var/lib/work".to_owned(),
            ..container(&pod, "main", "busybox")
        })
        .await;
    assert_eq!(ended.code, 0, "{said}");
    let expected = format!(
        "web-0\n{}\n/var/lib/work\nsearch default.svc.cluster.local svc.cluster.local\nnameserver 10.96.0.10\n\
         options ndots:5\n32\n/:\ndev\netc\nroot\ntmp\nvar\n\n/etc:\nhostname\nhosts\npasswd\nresolv.conf\n",
        pod.ip
    );
    assert_eq!(said, expected);
}

fn mount(path: &str, volume: Volume, read_only: bool) -> Mount {
    Mount {
        path: path.to_owned(),
        volume,
        sub_path: String::new(),
        read_only,
    }
}

fn empty(name: &str) -> Volume {
    Volume::EmptyDir {
        name: name.to_owned(),
    }
}

fn files(name: &str, files: &[(&str, &str)]) -> Volume {
    let files = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
    Volume::Files {
        name: name.to_owned(),
        files: files.collect::<BTreeMap<_, _>>(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_are_shared_and_kept_apart() {
    let mut node = Node::new();
    let pod = node.pod("volumes").await;
    let config = files(
        "config",
        &[("app.conf", "a=1\n"), ("deep/er.txt", "deep\n")],
    );
    let mut run = async |name: &'static str, script: &'static str, mounts: Vec<Mount>| {
        let command = strings(&["sh", "-c", script]);
        let (ended, said) = node
            .run(ContainerConfig {
                command,
                mounts,
                ..container(&pod, name, "busybox")
            })
            .await;
        format!("{} {said}", ended.code)
    };
    let shared = || mount("/data", empty("shared"), false);
    assert_eq!(
        run(
            "writer",
            "echo kept > /data/file; echo own > /tmp/file; ls /",
            vec![shared()]
        )
        .await,
        "0 data\ndev\netc\nroot\ntmp\nvar\n"
    );
    assert_eq!(
        run("reader", "cat /data/file; cat /tmp/file", vec![shared()]).await,
        "1 kept\ncat: can't open '/tmp/file': No such file or directory\n"
    );
    let config_at = || mount("/etc/app", config.clone(), true);
    assert_eq!(
        run(
            "config",
            "cat /etc/app/app.conf /etc/app/deep/er.txt; ls /etc/app",
            vec![config_at()]
        )
        .await,
        "0 a=1\ndeep\napp.conf\ndeep\n"
    );
    assert_eq!(
        run(
            "access",
            "for p in /etc/app /etc/app/app.conf /data /none; do echo $p; [ -r $p ] && echo r; [ -w $p ] && echo w; done; true",
            vec![config_at(), shared()]
        )
        .await,
        "0 /etc/app\nr\n/etc/app/app.conf\nr\n/data\nr\nw\n/none\n"
    );
    let refused = run(
        "readonly",
        "echo x > /etc/app/app.conf; rm /etc/app/app.conf; cat /etc/app/app.conf",
        vec![config_at()],
    )
    .await;
    assert!(
        refused.starts_with("0 sh: can't create /etc/app/app.conf") && refused.ends_with("a=1\n"),
        "{refused}"
    );
    // The same volume with other content: what is gone is gone.
    let next = mount("/etc/app", files("config", &[("app.conf", "a=2\n")]), true);
    assert_eq!(
        run(
            "updated",
            "cat /etc/app/app.conf; ls /etc/app/deep",
            vec![next]
        )
        .await,
        "1 a=2\nls: /etc/app/deep: No such file or directory\n"
    );
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_cannot_leave_their_files() {
    let mut node = Node::new();
    let pod = node.pod("escape").await;
    std::fs::write(node.folder.0.join("secret"), "host file").unwrap();
    let script = "cat /../../../../secret; cat ../../../../secret; cat /proc/self/environ; ls /..; cd /..; pwd";
    let command = strings(&["sh", "-c", script]);
    let (_, said) = node
        .run(ContainerConfig {
            command,
            ..container(&pod, "main", "busybox")
        })
        .await;
    assert!(!said.contains("host file"), "{said}");
    node.shut_down().await;
}

/// The example of the architecture's description: an init container that waits for a directory.
#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_init_container_sees_the_directory_appear() {
    let mut node = Node::new();
    let pod = node.pod("init").await;
    let command = strings(&["sh", "-c", "until ls /db/dir ; do sleep 5; done; "]);
    let config = ContainerConfig {
        command,
        mounts: vec![mount("/db", empty("db"), false)],
        ..container(&pod, "wait-database", "busybox")
    };
    let id = config.id.clone().unwrap();
    node.clock.set_rate(100.0).unwrap();
    node.start(config);
    let mut follow = node
        .wait_log(
            &pod.uid,
            "wait-database",
            "ls: /db/dir: No such file or directory\n",
        )
        .await;
    let made = node
        .exec(&pod.uid, "wait-database", &["mkdir", "/db/dir"], "")
        .await;
    assert_eq!(made, (0, String::new(), String::new()));
    assert_eq!(node.ended(&id).await.code, 0);
    follow.close();
    let said = node
        .log(&pod.uid, "wait-database", LogOptions::default())
        .await;
    assert!(
        said.lines()
            .all(|line| line == "ls: /db/dir: No such file or directory"),
        "{said}"
    );
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_begins_with_clean_files_and_keeps_volumes() {
    let mut node = Node::new();
    let pod = node.pod("restart").await;
    for (attempt, expected) in [(0, "no no"), (1, "no yes")] {
        let script = "a=no; b=no; [ -e /tmp/x ] && a=yes; [ -e /data/x ] && b=yes; echo $a $b; touch /tmp/x /data/x";
        let mut config = ContainerConfig {
            command: strings(&["sh", "-c", script]),
            mounts: vec![mount("/data", empty("data"), false)],
            ..container(&pod, "main", "busybox")
        };
        config.id.as_mut().unwrap().attempt = attempt;
        assert_eq!(node.run(config).await.1.trim(), expected);
    }
    let uid = pod.uid.clone();
    node.runtime
        .submit(RuntimeCommand::RemoveSandbox { pod: pod.uid });
    node.wait("SandboxRemoved", |event| {
        (*event == RuntimeEvent::SandboxRemoved { pod: uid.clone() }).then_some(())
    })
    .await;
    for folder in ["pods", "logs"] {
        assert!(
            !node.folder.0.join(folder).join(&uid).exists(),
            "{folder}/{uid} is left behind"
        );
    }
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_start_says_why() {
    let mut node = Node::new();
    let pod = node.pod("failing").await;
    let bad_mount = vec![mount("/a/../b", empty("x"), false)];
    let cases = [
        (
            ContainerConfig {
                command: strings(&["nginx", "-g"]),
                ..container(&pod, "a", "nginx")
            },
            "RunContainerError",
            "executable file not found",
        ),
        (
            container(&pod, "b", "redis"),
            "ErrImagePull",
            "upload a .wasm",
        ),
        (
            ContainerConfig {
                mounts: bad_mount,
                ..container(&pod, "c", "busybox")
            },
            "CreateContainerError",
            "must not contain '..'",
        ),
    ];
    for (config, reason, message) in cases {
        let id = config.id.clone().unwrap();
        node.start(config);
        let (got, why) = node
            .wait("StartFailed", |event| match event {
                RuntimeEvent::StartFailed {
                    id: failed,
                    reason,
                    message,
                } if *failed == id => Some((reason.clone(), message.clone())),
                _ => None,
            })
            .await;
        assert_eq!(got, reason, "{why}");
        assert!(why.contains(message), "{why}");
    }
    node.shut_down().await;
}
