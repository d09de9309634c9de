//! Logs on disk and as `kubectl logs` reads them.

use io_clock::Clock;
use io_wasm::logs::{LogOptions, LogReadError, Logs, Output};
use kubelet::runtime::ContainerConfig;
use shared::Millis;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::harness::{Folder, Node, collect, container, strings, text};

async fn read(logs: &Logs, options: LogOptions) -> String {
    let chunks = logs
        .read(
            "pod",
            "main",
            options,
            &TaskTracker::new(),
            CancellationToken::new(),
        )
        .unwrap();
    text(collect(chunks).await)
}

#[tokio::test]
async fn options_select_lines() {
    let folder = Folder::new();
    let clock = Clock::start(Millis(0));
    let logs = Logs::new(folder.0.clone(), clock.clone());
    let log = logs.create("pod", "main", 0).unwrap();
    log.write(Output::Stdout, b"one\ntwo\nthr").unwrap();
    log.write(Output::Stderr, b"oops\n").unwrap();
    log.write(Output::Stdout, b"ee\n\nfive").unwrap();
    clock.set_rate(0.0).unwrap();
    clock.sleep_until(clock.now()).await;
    let since = clock.now().plus_ms(1);
    clock.step(1000);
    clock.sleep_until(since.plus_ms(10)).await;
    log.finish();
    log.write(Output::Stdout, b"six\n").unwrap();
    let all = LogOptions::default();
    for (options, expected) in [
        (all.clone(), "one\ntwo\noops\nthree\n\nfivesix\n"),
        (
            LogOptions {
                tail_lines: Some(3),
                ..all.clone()
            },
            "\nfivesix\n",
        ),
        (
            LogOptions {
                tail_lines: Some(0),
                ..all.clone()
            },
            "",
        ),
        (
            LogOptions {
                tail_lines: Some(99),
                ..all.clone()
            },
            "one\ntwo\noops\nthree\n\nfivesix\n",
        ),
        (
            LogOptions {
                limit_bytes: Some(6),
                ..all.clone()
            },
            "one\ntw",
        ),
        (
            LogOptions {
                since: Some(since.rfc3339_micro()),
                ..all.clone()
            },
            "fivesix\n",
        ),
        (
            LogOptions {
                follow: true,
                limit_bytes: Some(4),
                ..all.clone()
            },
            "one\n",
        ),
    ] {
        assert_eq!(read(&logs, options.clone()).await, expected, "{options:?}");
    }
    let stamped = read(
        &logs,
        LogOptions {
            timestamps: true,
            tail_lines: Some(1),
            ..all
        },
    )
    .await;
    assert!(
        stamped.ends_with("Z six\n") && stamped.starts_with("20"),
        "{stamped}"
    );
}

#[tokio::test]
async fn files_are_in_the_cris_format_and_rotate() {
    let folder = Folder::new();
    let logs = Logs::new(folder.0.clone(), Clock::start(Millis(0))).rotating_at(1000);
    let log = logs.create("pod", "main", 0).unwrap();
    let options = LogOptions {
        follow: true,
        ..LogOptions::default()
    };
    let following = logs
        .read(
            "pod",
            "main",
            options,
            &TaskTracker::new(),
            CancellationToken::new(),
        )
        .unwrap();
    let writing = async move {
        for i in 0..200 {
            log.write(Output::Stdout, format!("line {i}\n").as_bytes())
                .unwrap();
            tokio::task::yield_now().await;
        }
        log.write(Output::Stderr, &[b'x'; 40_000]).unwrap();
        log.write(Output::Stderr, b"\n").unwrap();
    };
    let ((), followed) = tokio::join!(writing, collect(following));
    let kept = read(&logs, LogOptions::default()).await;
    assert!(
        kept.contains("line 199\n") && !kept.contains("line 0\n"),
        "the oldest files go"
    );
    assert!(
        kept.ends_with(&format!("{}\n", "x".repeat(40_000))),
        "partial entries make one line"
    );
    let mut names: Vec<String> = std::fs::read_dir(folder.0.join("pod/main"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["0.log", "0.log.1", "0.log.2", "0.log.3", "0.log.4"]);
    let last = std::fs::read_to_string(folder.0.join("pod/main/0.log")).unwrap();
    for line in last.lines() {
        let parts: Vec<&str> = line.splitn(4, ' ').collect();
        assert!(
            parts[0].ends_with('Z') && parts[1] == "stderr" && (parts[2] == "P" || parts[2] == "F"),
            "{line}"
        );
    }
    let followed = text(followed);
    assert!(
        followed.contains("line 199\n") && followed.ends_with("x\n"),
        "following survives rotation"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn previous_and_following_runs() {
    let mut node = Node::new();
    let pod = node.pod("runs").await;
    for attempt in 0..3 {
        let script = format!("echo run {attempt}; echo -n end");
        let mut config = ContainerConfig {
            command: strings(&["sh", "-c", &script]),
            ..container(&pod, "main", "busybox")
        };
        config.id.as_mut().unwrap().attempt = attempt;
        node.run(config).await;
    }
    let previous = LogOptions {
        previous: true,
        ..LogOptions::default()
    };
    assert_eq!(
        node.log("runs", "main", LogOptions::default()).await,
        "run 2\nend"
    );
    assert_eq!(
        node.log("runs", "main", previous.clone()).await,
        "run 1\nend"
    );
    let follow = LogOptions {
        follow: true,
        ..LogOptions::default()
    };
    assert_eq!(
        node.log("runs", "main", follow).await,
        "run 2\nend",
        "following what is over ends"
    );
    let first = ContainerConfig {
        command: strings(&["echo", "hi"]),
        ..container(&pod, "other", "busybox")
    };
    node.run(first).await;
    for (pod, name, options) in [
        ("runs", "other", previous),
        ("runs", "nothing", LogOptions::default()),
        ("..", "runs", LogOptions::default()),
        ("runs", "../runs/main", LogOptions::default()),
    ] {
        let error = node.runtime.logs(pod, name, options).unwrap_err();
        assert!(matches!(error, LogReadError::NotFound { .. }), "{error}");
    }
    node.shut_down().await;
}
