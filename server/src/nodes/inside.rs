//! The way into a node's containers and their network, and what they use.

use io_driver::backstage::{BoxIo, ContainerUse, Dial, Enter, NetworkUse, NodeUse, Place, Session};
use io_wasm::{ExecError, ExecRequest};
use shared::Status;
use tokio::sync::mpsc;

use super::Running;

/// Chunks of input that wait for a program that does not read.
const INPUT_WAITING_MAX: usize = 16;

impl Running {
    pub(super) async fn enter(
        &self,
        place: &Place,
        what: Enter,
        stdin: bool,
    ) -> Result<Session, Status> {
        let (sender, receiver) = if stdin {
            let (sender, receiver) = mpsc::channel(INPUT_WAITING_MAX);
            (Some(sender), Some(receiver))
        } else {
            (None, None)
        };
        let runtime = &self.runtime;
        let (uid, container) = (&place.uid, &place.container);
        let session = match what {
            Enter::Attach => runtime.attach(uid, container, receiver),
            Enter::Exec { command, tty } => {
                let request = ExecRequest {
                    command,
                    stdin: receiver,
                    tty,
                };
                runtime.exec(uid, container, request).await
            }
        };
        let session = session.map_err(|error| refusal(&error))?;
        Ok(Session {
            stdin: sender,
            stdout: session.stdout,
            stderr: session.stderr,
            exit: session.exit,
        })
    }

    pub(super) async fn dial(&self, dial: &Dial) -> Result<BoxIo, Status> {
        let network = self.runtime.network(dial.pod.as_deref()).ok_or_else(|| {
            Status::internal("the pod is not running: it has no network namespace")
        })?;
        let connected = network.tcp_connect(dial.to, None).await;
        let stream = connected.map_err(|error| {
            let message = format!("dial tcp4 {}: connect: {error}", dial.to);
            Status::failure(503, "ServiceUnavailable", message)
        })?;
        Ok(Box::new(stream))
    }

    pub(super) fn usage(&self) -> NodeUse {
        let containers: Vec<_> = self
            .runtime
            .usage()
            .into_iter()
            .map(|usage| ContainerUse {
                uid: usage.id.pod,
                container: usage.id.container,
                age_us: usage.age_us,
                cpu_ns: usage.cpu_ns,
                throttled_ns: usage.throttled_us * 1000,
                throttled_times: usage.throttled_times,
                memory_bytes: usage.memory_bytes,
                memory_peak_bytes: usage.memory_peak_bytes,
            })
            .collect();
        let networks = containers
            .iter()
            .filter_map(|container| {
                let traffic = self.network.pod(&container.uid)?.traffic();
                let usage = NetworkUse {
                    received_bytes: traffic.received_bytes,
                    sent_bytes: traffic.sent_bytes,
                };
                Some((container.uid.clone(), usage))
            })
            .collect();
        NodeUse {
            age_us: self.runtime.age_us(),
            containers,
            networks,
        }
    }
}

/// In the words that the kubelet has for it.
fn refusal(error: &ExecError) -> Status {
    match error {
        ExecError::NoCommand => Status::bad_request(error.to_string()),
        ExecError::NotRunning { .. } => {
            Status::internal(format!("unable to upgrade connection: {error}"))
        }
        ExecError::NoProgram { .. } | ExecError::Prepare(_) => {
            Status::internal(format!("error executing command in container: {error}"))
        }
    }
}
