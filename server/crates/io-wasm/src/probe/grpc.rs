//! The gRPC health checking protocol (github.com/grpc/grpc/blob/master/doc/health-checking.md), as a kubelet asks it.
//!
//! One unary call with two messages of one field each: a generated client would be larger than this.

use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full, Limited};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use tokio_util::task::TaskTracker;

use super::{Prober, USER_AGENT};

/// The method.
const CHECK: &str = "/grpc.health.v1.Health/Check";
/// An answer holds one number; more is not read.
const ANSWER_BYTES_MAX: usize = 4096;
/// `grpc-status` of a server that does not know the service or method.
const UNIMPLEMENTED: &str = "12";
/// Names of `HealthCheckResponse.ServingStatus`, by number.
const STATUS: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/// Gives a connection's tasks to the tracker that joins them.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F> Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, work: F) {
        self.0.spawn(work);
    }
}

impl Prober {
    /// Asks whether a service serves.
    pub(super) async fn grpc(&self, port: u16, service: &str) -> Result<(), String> {
        let to = SocketAddr::new(self.pod_ip.into(), port);
        let failed = |why: &dyn std::fmt::Display| format!("error: health rpc probe failed: {why}");
        let stream = self
            .connect("", port)
            .await
            .map_err(|why| format!("error: failed to connect service at \"{to}\": {why}"))?;
        let executor = Tracked(self.tasks.clone());
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(executor, TokioIo::new(stream))
                .await
                .map_err(|error| failed(&error))?;
        let request = ::http::Request::post(format!("http://{to}{CHECK}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("user-agent", USER_AGENT)
            .body(Full::new(message(service)))
            .map_err(|error| failed(&error))?;
        let asking = async {
            let answer = sender.send_request(request).await?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((head, body))
        };
        let (head, body) = tokio::select! {
            biased;
            answer = asking => answer.map_err(|error| failed(&error))?,
            ended = connection => return Err(match ended {
                Ok(()) => failed(&"the connection was closed"),
                Err(error) => failed(&error),
            }),
        };
        let trailer = body.trailers().and_then(|t| t.get("grpc-status"));
        let status = trailer.or_else(|| head.headers.get("grpc-status"));
        match status.and_then(|s| s.to_str().ok()) {
            Some("0") => judge(&body.to_bytes()),
            Some(UNIMPLEMENTED) => Err(
                "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)"
                    .to_owned(),
            ),
            Some(code) => Err(failed(&format_args!("rpc error: code = {code}"))),
            None => Err(failed(&format_args!(
                "unexpected HTTP status code received from server: {}",
                head.status
            ))),
        }
    }
}

/// `HealthCheckRequest { service }` in a frame of gRPC.
fn message(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(0x0a);
        let mut length = service.len();
        while length >= 0x80 {
            message.put_u8(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
            length >>= 7;
        }
        message.put_u8(u8::try_from(length).unwrap_or_default());
        message.put_slice(service.as_bytes());
    }
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or_default());
    frame.put(message);
    frame.freeze()
}

/// What a framed `HealthCheckResponse` says; its one field, the status, is absent when it is UNKNOWN.
fn judge(frame: &[u8]) -> Result<(), String> {
    let status = match frame.get(5..) {
        Some([0x08, status, ..]) => usize::from(*status),
        _ => 0,
    };
    let name = STATUS.get(status).copied().unwrap_or("UNKNOWN");
    if name == "SERVING" {
        Ok(())
    } else {
        Err(format!("service unhealthy (responded with \"{name}\")"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_protobuf_in_grpc_frames() {
        assert_eq!(message("").as_ref(), [0, 0, 0, 0, 0]);
        assert_eq!(message("a").as_ref(), [0, 0, 0, 0, 3, 0x0a, 1, b'a']);
        let long = message(&"x".repeat(300));
        assert_eq!(long[..9], [0, 0, 0, 1, 47, 0x0a, 0xac, 2, b'x']);
        let unhealthy = |name: &str| Err(format!("service unhealthy (responded with \"{name}\")"));
        for (frame, want) in [
            (&[0, 0, 0, 0, 2, 8, 1][..], Ok(())),
            (&[0, 0, 0, 0, 2, 8, 2], unhealthy("NOT_SERVING")),
            (&[0, 0, 0, 0, 0], unhealthy("UNKNOWN")),
            (&[0, 0, 0, 0, 2, 8, 99], unhealthy("UNKNOWN")),
            (&[], unhealthy("UNKNOWN")),
        ] {
            assert_eq!(judge(frame), want, "{frame:?}");
        }
    }
}
