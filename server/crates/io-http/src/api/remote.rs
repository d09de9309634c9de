//! `pods/exec` and `pods/attach`: a container's streams over a WebSocket or over SPDY.
//!
//! The protocols are those of `k8s.io/apimachinery/pkg/util/remotecommand`: on a WebSocket every message begins with
//! the number of its channel, over SPDY every channel is a stream. From version 4 on the error channel carries a
//! `Status` with the exit code; version 5 lets a client close one channel.

mod socket;
mod streams;

use apiserver::Connect;
use axum::body::Body;
use axum::http::Response;
use bytes::Bytes;
use io_driver::backstage::{Enter, Place, Session};
use serde_json::{Value, json};
use shared::Status;

use super::ApiState;
use super::connect::{Upgrade, all, flag};

const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;

/// Which streams the client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    stdin: bool,
    stdout: bool,
    stderr: bool,
    tty: bool,
}

/// Where a session's output goes.
trait Screen {
    /// Shows bytes on a channel; false when the client is gone.
    fn show(&mut self, channel: u8, data: Bytes) -> impl Future<Output = bool> + Send;
}

/// Goes into the container, then switches protocols; what cannot be entered is refused before.
pub(super) async fn respond(
    state: &ApiState,
    connect: Connect,
    upgrade: Upgrade,
) -> Result<Response<Body>, Status> {
    let (wanted, what) = read(&connect)?;
    let place = Place {
        node: connect.node,
        uid: connect.uid,
        container: connect.container,
    };
    let protocol = match &upgrade {
        Upgrade::Socket(_) => "",
        Upgrade::Spdy(_, offered) => streams::agree(offered)?,
    };
    let session = state.nodes.enter(place, what, wanted.stdin).await?;
    match upgrade {
        Upgrade::Socket(upgrade) => Ok(socket::respond(state, upgrade, session, wanted)),
        Upgrade::Spdy(upgrade, _) => streams::respond(state, upgrade, protocol, session, wanted),
    }
}

/// Reads `PodExecOptions` or `PodAttachOptions`.
fn read(connect: &Connect) -> Result<(Wanted, Enter), Status> {
    let wanted = Wanted {
        stdin: flag(connect, "stdin"),
        stdout: flag(connect, "stdout"),
        stderr: flag(connect, "stderr"),
        tty: flag(connect, "tty"),
    };
    if !(wanted.stdin || wanted.stdout || wanted.stderr) {
        return Err(Status::bad_request(
            "you must specify at least 1 of stdin, stdout, stderr",
        ));
    }
    if connect.subresource == "attach" {
        return Ok((wanted, Enter::Attach));
    }
    let command: Vec<String> = all(connect, "command").map(str::to_owned).collect();
    if command.is_empty() {
        return Err(Status::bad_request(
            "you must specify at least one command for the container",
        ));
    }
    let tty = wanted.tty;
    Ok((wanted, Enter::Exec { command, tty }))
}

/// Passes all output on, then gives the exit code; `None` when the client went away first.
async fn relay(session: &mut Session, wanted: Wanted, screen: &mut impl Screen) -> Option<i32> {
    let (mut out, mut err) = (true, true);
    while out || err {
        let (channel, is_wanted, chunk) = tokio::select! {
            chunk = session.stdout.recv(), if out => {
                out = chunk.is_some();
                (STDOUT, wanted.stdout, chunk)
            }
            chunk = session.stderr.recv(), if err => {
                err = chunk.is_some();
                (STDERR, wanted.stderr, chunk)
            }
        };
        if let Some(chunk) = chunk
            && is_wanted
            && !screen.show(channel, chunk).await
        {
            return None;
        }
    }
    // A node that is stopped takes its sessions along without a word.
    Some((&mut session.exit).await.unwrap_or(137))
}

/// The `Status` of an exit code, as the error channel carries it.
fn outcome(code: i32) -> Value {
    if code == 0 {
        return json!({"metadata": {}, "status": "Success"});
    }
    json!({
        "metadata": {},
        "status": "Failure",
        "message": format!("command terminated with non-zero exit code: {code}"),
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(subresource: &str, query: &[(&str, &str)]) -> Result<(Wanted, Enter), String> {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let connect = Connect {
            subresource: subresource.into(),
            parameters: query.iter().map(pair).collect(),
            ..Connect::default()
        };
        read(&connect).map_err(|status| status.message)
    }

    #[test]
    fn options_are_read_as_the_original_reads_them() {
        let exec = |command: &[&str], tty| Enter::Exec {
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            tty,
        };
        let (wanted, what) = read_from(
            "exec",
            &[
                ("command", "ls"),
                ("command", "-l"),
                ("stdout", "true"),
                ("tty", "1"),
            ],
        )
        .unwrap();
        assert_eq!(what, exec(&["ls", "-l"], true));
        assert_eq!(
            (wanted.stdin, wanted.stdout, wanted.tty),
            (false, true, true)
        );
        let (_, what) = read_from("attach", &[("stdin", "true")]).unwrap();
        assert_eq!(what, Enter::Attach);
        for (query, why) in [
            (
                &[("command", "ls"), ("stdin", "false")][..],
                "at least 1 of stdin",
            ),
            (&[("stdout", "true")], "at least one command"),
        ] {
            assert!(read_from("exec", query).unwrap_err().contains(why));
        }
    }

    #[tokio::test]
    async fn output_comes_before_the_exit_code() {
        struct Shown(Vec<(u8, Bytes)>);
        impl Screen for Shown {
            async fn show(&mut self, channel: u8, data: Bytes) -> bool {
                self.0.push((channel, data));
                self.0.len() < 3
            }
        }
        let session = |lines: &[&'static str]| {
            let (out, stdout) = tokio::sync::mpsc::channel(8);
            let (err, stderr) = tokio::sync::mpsc::channel(8);
            let (exit, exited) = tokio::sync::oneshot::channel();
            for line in lines {
                out.try_send(Bytes::from_static(line.as_bytes())).unwrap();
            }
            err.try_send(Bytes::from_static(b"unwanted")).unwrap();
            exit.send(3).unwrap();
            Session {
                stdin: None,
                stdout,
                stderr,
                exit: exited,
            }
        };
        let wanted = Wanted {
            stdin: false,
            stdout: true,
            stderr: false,
            tty: false,
        };
        for (lines, shown, code) in [(&["a", "b"][..], 2, Some(3)), (&["a", "b", "c"], 3, None)] {
            let mut screen = Shown(Vec::new());
            let mut session = session(lines);
            assert_eq!(relay(&mut session, wanted, &mut screen).await, code);
            assert_eq!(screen.0.len(), shown);
        }
    }
}
