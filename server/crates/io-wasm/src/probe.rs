//! Runs one probe or hook: HTTP, TCP and gRPC from the node's own network to the pod's address, exec inside the
//! container. Messages are the kubelet's.

mod grpc;
mod http;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use io_clock::Clock;
use kubelet::runtime::{HookAction, ProbeAction};
use tokio_util::task::TaskTracker;

use crate::container::Container;
use crate::exec::{self, ExecRequest};
use crate::network::{BoxStream, SharedNetwork};
use http::Target;

/// Output that an exec probe's failure shows: the kubelet's `maxRespBodyLength`.
const OUTPUT_MAX: usize = 10 * 1024;
/// How the kubelet introduces itself.
const USER_AGENT: &str = "kube-probe/1.36";

/// What a probe needs.
pub(crate) struct Prober {
    pub(crate) host: SharedNetwork,
    pub(crate) pod_ip: Ipv4Addr,
    pub(crate) container: Arc<Container>,
    pub(crate) clock: Clock,
    pub(crate) tasks: TaskTracker,
}

impl Prober {
    /// Runs the probe: `None` when it succeeds, else the failure in words.
    pub(crate) async fn run(&self, action: &ProbeAction, timeout_ms: u64) -> Option<String> {
        let probing = async {
            match action {
                ProbeAction::HttpGet { .. } => match self.answer(action).await? {
                    200..400 => Ok(()),
                    other => Err(format!("HTTP probe failed with statuscode: {other}")),
                },
                ProbeAction::TcpSocket { host, port } => self.connect(host, *port).await.map(drop),
                ProbeAction::Exec { command } => self.exec(command).await,
                ProbeAction::Grpc { port, service } => self.grpc(*port, service).await,
            }
        };
        tokio::select! {
            biased;
            result = probing => result.err(),
            () = self.clock.sleep_ms(timeout_ms) => Some(self.timed_out(action, timeout_ms)),
        }
    }

    /// Carries out a hook: `None` when it succeeds, else the failure in words. To a request any answer is good.
    pub(crate) async fn hook(&self, action: &HookAction, timeout_ms: u64) -> Option<String> {
        match action {
            HookAction::Sleep { ms } => {
                self.clock.sleep_ms((*ms).min(timeout_ms)).await;
                (*ms > timeout_ms).then(|| "the grace period is over".to_owned())
            }
            HookAction::Run(action @ ProbeAction::HttpGet { .. }) => tokio::select! {
                biased;
                answer = self.answer(action) => answer.err(),
                () = self.clock.sleep_ms(timeout_ms) => Some("the grace period is over".to_owned()),
            },
            HookAction::Run(action) => self.run(action, timeout_ms).await,
        }
    }

    fn timed_out(&self, action: &ProbeAction, timeout_ms: u64) -> String {
        match action {
            ProbeAction::HttpGet { .. } => format!(
                "Get \"{}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
                Target::of(action).map_or_else(String::new, |target| self.url(&target))
            ),
            ProbeAction::TcpSocket { host, port } => {
                format!("dial tcp {}:{port}: i/o timeout", self.shown(host))
            }
            ProbeAction::Grpc { service, .. } => format!(
                "timeout: failed to connect service \"{service}\" within {}: context deadline exceeded",
                seconds(timeout_ms)
            ),
            ProbeAction::Exec { command } => format!(
                "command timed out: \"{}\" timed out after {}",
                command.join(" "),
                seconds(timeout_ms)
            ),
        }
    }

    /// The host that a probe names, or the pod.
    fn shown(&self, host: &str) -> String {
        if host.is_empty() {
            self.pod_ip.to_string()
        } else {
            host.to_owned()
        }
    }

    async fn answer(&self, action: &ProbeAction) -> Result<u16, String> {
        match Target::of(action) {
            Some(target) => self.http(&target).await,
            None => Err("no request".to_owned()),
        }
    }

    /// Connects to the pod, or to another host as the node reaches it.
    async fn connect(&self, host: &str, port: u16) -> Result<BoxStream, String> {
        let ip = match host.parse() {
            _ if host.is_empty() => self.pod_ip.into(),
            Ok(ip) => ip,
            Err(_) => {
                let found = self.host.resolve(host).await.unwrap_or_default();
                let first = found.first().copied();
                first.ok_or_else(|| format!("dial tcp: lookup {host}: no such host"))?
            }
        };
        let to = SocketAddr::new(ip, port);
        self.host.tcp_connect(to, None).await.map_err(|error| {
            let why = match error.kind() {
                io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
                io::ErrorKind::TimedOut => "i/o timeout".to_owned(),
                io::ErrorKind::HostUnreachable => "connect: no route to host".to_owned(),
                _ => error.to_string(),
            };
            format!("dial tcp {to}: {why}")
        })
    }

    async fn exec(&self, command: &[String]) -> Result<(), String> {
        let request = ExecRequest {
            command: command.to_vec(),
            stdin: None,
            tty: false,
        };
        let mut session = exec::exec(Arc::clone(&self.container), request, &self.tasks)
            .await
            .map_err(|error| error.to_string())?;
        let mut output = Vec::new();
        let (mut out, mut err) = (true, true);
        while out || err {
            let chunk = tokio::select! {
                chunk = session.stdout.recv(), if out => { out = chunk.is_some(); chunk }
                chunk = session.stderr.recv(), if err => { err = chunk.is_some(); chunk }
            };
            if let Some(chunk) = chunk
                && output.len() < OUTPUT_MAX
            {
                output.extend_from_slice(&chunk);
            }
        }
        output.truncate(OUTPUT_MAX);
        match session.exit.await {
            Ok(0) => Ok(()),
            Ok(_) => Err(String::from_utf8_lossy(&output).into_owned()),
            Err(_) => Err("the command was ended with its container".to_owned()),
        }
    }
}

/// A duration as Go prints it: `1s`, `1.5s`, `250ms`.
fn seconds(ms: u64) -> String {
    match (ms / 1000, ms % 1000) {
        (0, ms) => format!("{ms}ms"),
        (s, 0) => format!("{s}s"),
        (s, ms) => format!("{s}.{}s", format!("{ms:03}").trim_end_matches('0')),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn durations_are_gos() {
        for (ms, text) in [
            (1000, "1s"),
            (250, "250ms"),
            (1500, "1.5s"),
            (30_000, "30s"),
        ] {
            assert_eq!(super::seconds(ms), text);
        }
    }
}
