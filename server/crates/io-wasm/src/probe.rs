//! Runs one probe or hook: HTTP, TCP and gRPC from the node's own network to the pod's address, exec inside the
//! container. Messages are the kubelet's.

mod grpc;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use io_clock::Clock;
use kubelet::runtime::{HookAction, ProbeAction};
use tokio_util::task::TaskTracker;

use crate::container::Container;
use crate::exec::{self, ExecRequest};
use crate::network::{BoxStream, SharedNetwork};

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
                ProbeAction::HttpGet {
                    port,
                    path,
                    host,
                    headers,
                } => match self.http(*port, path, host, headers).await? {
                    200..400 => Ok(()),
                    other => Err(format!("HTTP probe failed with statuscode: {other}")),
                },
                ProbeAction::TcpSocket { port } => self.connect(*port).await.map(drop),
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
            HookAction::Run(ProbeAction::HttpGet {
                port,
                path,
                host,
                headers,
            }) => tokio::select! {
                biased;
                answer = self.http(*port, path, host, headers) => answer.err(),
                () = self.clock.sleep_ms(timeout_ms) => Some("the grace period is over".to_owned()),
            },
            HookAction::Run(action) => self.run(action, timeout_ms).await,
        }
    }

    fn timed_out(&self, action: &ProbeAction, timeout_ms: u64) -> String {
        match action {
            ProbeAction::HttpGet { port, path, .. } => format!(
                "Get \"{}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
                self.url(*port, path)
            ),
            ProbeAction::TcpSocket { port } => {
                format!("dial tcp {}:{port}: i/o timeout", self.pod_ip)
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

    fn url(&self, port: u16, path: &str) -> String {
        let slash = if path.starts_with('/') { "" } else { "/" };
        format!("http://{}:{port}{slash}{path}", self.pod_ip)
    }

    async fn connect(&self, port: u16) -> Result<BoxStream, String> {
        let to = SocketAddr::new(self.pod_ip.into(), port);
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

    async fn http(
        &self,
        port: u16,
        path: &str,
        host: &str,
        headers: &[(String, String)],
    ) -> Result<u16, String> {
        let url = self.url(port, path);
        let failed = |why: String| format!("Get \"{url}\": {why}");
        let uri: http::Uri = url.parse().map_err(|error| failed(format!("{error}")))?;
        let own_host = format!("{}:{port}", self.pod_ip);
        let mut request =
            http::Request::get(uri.path_and_query().map_or("/", |path| path.as_str()))
                .header("Host", if host.is_empty() { &own_host } else { host })
                .header("Connection", "close");
        for (name, default) in [("User-Agent", USER_AGENT), ("Accept", "*/*")] {
            if !headers
                .iter()
                .any(|(given, _)| given.eq_ignore_ascii_case(name))
            {
                request = request.header(name, default);
            }
        }
        for (name, value) in headers {
            if !name.eq_ignore_ascii_case("Host") {
                request = request.header(name, value);
            }
        }
        let request = request
            .body(Empty::<bytes::Bytes>::new())
            .map_err(|error| failed(error.to_string()))?;
        let stream = self.connect(port).await.map_err(failed)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(error.to_string()))?;
        let sending = sender.send_request(request);
        tokio::pin!(sending, connection);
        let answer = tokio::select! {
            biased;
            answer = &mut sending => answer,
            ended = &mut connection => match ended {
                Ok(()) => sending.await,
                Err(error) => Err(error),
            },
        };
        let answer = answer.map_err(|error| failed(error.to_string()))?;
        Ok(answer.status().as_u16())
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
