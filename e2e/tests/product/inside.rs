//! Into the container with the stock kubectl: exec, attach, cp, port-forward, proxies and what is used; over WebSockets
//! and over SPDY, which kubectl falls back to.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use e2e::Cluster;
use e2e::cluster::curl;

/// kubectl's own switches between its two ways.
const SWITCHES: [&str; 2] = [
    "KUBECTL_REMOTE_COMMAND_WEBSOCKETS",
    "KUBECTL_PORT_FORWARD_WEBSOCKETS",
];

/// kubectl with WebSockets or with SPDY.
fn kubectl(cluster: &Cluster, sockets: bool, words: &[&str]) -> Command {
    let program = std::env::var_os("KUBECTL").unwrap_or_else(|| "kubectl".into());
    let mut command = cluster.peer(Path::new(&program));
    for switch in SWITCHES {
        command.env(switch, sockets.to_string());
    }
    command.args(words);
    command
}

/// Runs a command to its end: exit code, output, complaints.
fn run(mut command: Command, typed: &str) -> Result<(Option<i32>, String, String)> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no stdin")?;
    // A command that reads nothing may have ended by now: that its pipe is closed is no failure.
    let _ = stdin.write_all(typed.as_bytes());
    drop(stdin);
    let out = child.wait_with_output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((out.status.code(), text(&out.stdout), text(&out.stderr)))
}

#[test]
fn commands_run_inside_a_container() -> Result<()> {
    let cluster = Cluster::start(1)?;
    cluster.kubectl("run shell --image=busybox --command -- sleep 3600")?;
    cluster.wait("pod/shell --for=condition=Ready")?;
    for sockets in [true, false] {
        let exec = |words: &[&str], typed: &str| run(kubectl(&cluster, sockets, words), typed);
        let (code, out, err) = exec(&["exec", "shell", "--", "echo", "a", "b"], "")?;
        assert_eq!((code, out.as_str()), (Some(0), "a b\n"), "{err}");
        let script = "echo out; echo err >&2; exit 7";
        let (code, out, err) = exec(&["exec", "shell", "--", "sh", "-c", script], "")?;
        assert_eq!((code, out.as_str()), (Some(7), "out\n"));
        assert_eq!(err, "err\ncommand terminated with exit code 7\n");
        let typed = "typed\n".repeat(20_000);
        let (code, out, err) = exec(&["exec", "-i", "shell", "--", "cat"], &typed)?;
        assert_eq!((code, out.len()), (Some(0), typed.len()), "{err}");
        let (code, _, err) = exec(&["exec", "shell", "-c", "other", "--", "ls"], "")?;
        assert_eq!(code, Some(1));
        ensure!(
            err.contains("container other is not valid for pod shell"),
            "{err}"
        );
        let (code, _, err) = exec(&["exec", "shell", "--", "nosuch"], "")?;
        assert_ne!(code, Some(0));
        ensure!(err.contains("executable file not found in $PATH"), "{err}");
    }
    Ok(())
}

#[test]
fn clients_attach_to_a_container() -> Result<()> {
    let cluster = Cluster::start(1)?;
    let words = "run script -i --rm --restart=Never --quiet --image=busybox --command -- sh";
    let words: Vec<&str> = words.split(' ').collect();
    let (code, out, err) = run(
        kubectl(&cluster, true, &words),
        "echo from inside\nexit 3\n",
    )?;
    ensure!(out.contains("from inside\n"), "{out}{err}");
    assert_eq!(code, Some(3), "{err}");
    Ok(())
}

#[test]
fn files_are_copied_in_and_out() -> Result<()> {
    let cluster = Cluster::start(1)?;
    cluster.kubectl("run shell --image=busybox --command -- sleep 3600")?;
    cluster.wait("pod/shell --for=condition=Ready")?;
    let content = "one line\n".repeat(10_000);
    let from = cluster.keep("in.txt", &content)?;
    let to = from.with_file_name("out.txt");
    cluster.kubectl(&format!("cp {} shell:/tmp/in.txt", from.display()))?;
    cluster.kubectl(&format!("cp shell:/tmp/in.txt {}", to.display()))?;
    assert_eq!(std::fs::read_to_string(to)?, content);
    Ok(())
}

/// A forward that ends with the test.
struct Forward {
    child: Child,
    port: String,
    /// Read no further, but kept open: kubectl writes a line a connection.
    _stdout: BufReader<ChildStdout>,
}

impl Forward {
    fn open(cluster: &Cluster, sockets: bool, to: &[&str]) -> Result<Self> {
        let words = [&["port-forward"], to].concat();
        let mut child = kubectl(cluster, sockets, &words)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().context("no stdout")?);
        stdout.read_line(&mut line)?;
        let port = line
            .strip_prefix("Forwarding from 127.0.0.1:")
            .and_then(|rest| rest.split(' ').next())
            .with_context(|| format!("kubectl port-forward said {line:?}"))?
            .to_owned();
        Ok(Self {
            child,
            port,
            _stdout: stdout,
        })
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn ports_are_forwarded_and_proxied() -> Result<()> {
    let cluster = Cluster::start(2)?;
    cluster.kubectl("create deployment web --image=nginx --port=80 --replicas=2")?;
    cluster.kubectl("expose deployment web --port=8080 --target-port=80")?;
    cluster.wait("deployment/web --for=condition=Available")?;
    let pod = cluster.kubectl("get pods -l app=web -o 'jsonpath={.items[0].metadata.name}'")?;
    for sockets in [true, false] {
        for to in [
            &[format!("pod/{pod}"), ":80".to_owned()][..],
            &["deployment/web".to_owned(), ":80".to_owned()],
            &["service/web".to_owned(), ":8080".to_owned()],
        ] {
            let to: Vec<&str> = to.iter().map(String::as_str).collect();
            let forward = Forward::open(&cluster, sockets, &to)?;
            let url = format!("http://127.0.0.1:{}/", forward.port);
            for _ in 0..3 {
                let said = curl(&["-sS", &url])?;
                ensure!(said.contains("Hello"), "{to:?}: {said}");
            }
        }
    }
    let proxied = [
        format!("/api/v1/namespaces/default/pods/{pod}/proxy/"),
        format!("/api/v1/namespaces/default/pods/{pod}:80/proxy/"),
        "/api/v1/namespaces/default/services/web:8080/proxy/".to_owned(),
    ];
    for path in proxied {
        let said = cluster.kubectl(&format!("get --raw {path}"))?;
        ensure!(said.contains("Hello"), "{path}: {said}");
    }
    let summary = cluster.kubectl("get --raw /api/v1/nodes/node-1/proxy/stats/summary")?;
    ensure!(summary.contains("usageNanoCores"), "{summary}");
    let nodes = cluster.kubectl("top nodes")?;
    assert_eq!(nodes.lines().count(), 3, "{nodes}");
    Ok(())
}

#[test]
fn top_shows_who_works() -> Result<()> {
    let cluster = Cluster::start(1)?;
    cluster.kubectl("run busy --image=busybox --command -- sh -c 'while :; do :; done'")?;
    cluster.wait("pod/busy --for=condition=Ready")?;
    let pods = cluster.kubectl("top pods --containers --no-headers")?;
    let cells: Vec<&str> = pods.split_whitespace().collect();
    assert_eq!(cells[..2], ["busy", "busy"], "{pods}");
    let cores: u64 = cells[2].trim_end_matches('m').parse()?;
    ensure!(cores > 0 && cells[3].ends_with("Mi"), "{pods}");
    Ok(())
}
