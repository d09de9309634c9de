//! A session over SPDY: the client opens one stream for each channel that it wants.

use axum::body::Body;
use axum::http::Response;
use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use io_driver::backstage::Session;
use shared::Status;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::{STDERR, STDOUT, Screen, Wanted, outcome, relay};
use crate::api::ApiState;
use crate::api::connect::switch_to_spdy;
use crate::spdy::session::{self, Outgoing, Stream};

/// What clients may offer, the best first: with exit codes, and without.
const PROTOCOLS: [&str; 5] = [
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v3.channel.k8s.io",
    "v2.channel.k8s.io",
    "channel.k8s.io",
];
/// Streams that wait until all are there: error, stdin, stdout, stderr, resize.
const STREAMS_MAX: usize = 8;

/// The best protocol that both sides know.
pub(super) fn agree(offered: &[String]) -> Result<&'static str, Status> {
    if offered.is_empty() {
        return Ok("channel.k8s.io");
    }
    let known = |protocol: &&&str| offered.iter().any(|o| o == **protocol);
    PROTOCOLS.iter().find(known).copied().ok_or_else(|| {
        let why = format!("unable to negotiate protocol: client supports {offered:?}, server accepts {PROTOCOLS:?}");
        Status::failure(403, "Forbidden", why)
    })
}

pub(super) fn respond(
    state: &ApiState,
    upgrade: OnUpgrade,
    protocol: &'static str,
    session: Session,
    wanted: Wanted,
) -> Result<Response<Body>, Status> {
    switch_to_spdy(state, upgrade, protocol, move |connection| {
        serve(connection, protocol, session, wanted)
    })
}

async fn serve(
    connection: impl AsyncRead + AsyncWrite + Send,
    protocol: &str,
    session: Session,
    wanted: Wanted,
) {
    let (opened, streams) = mpsc::channel(STREAMS_MAX);
    let speaking = session::run(connection, opened);
    let working = work(streams, protocol, session, wanted);
    tokio::pin!(speaking, working);
    let ended = tokio::select! {
        ended = &mut speaking => ended,
        // What it has left to say, the end of the connection too, is still to be written.
        () = &mut working => speaking.await,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a SPDY session broke off");
    }
}

/// The streams of a session, by their `streamType`.
#[derive(Default)]
struct Streams {
    error: Option<Stream>,
    stdin: Option<Stream>,
    stdout: Option<Stream>,
    stderr: Option<Stream>,
    resize: Option<Stream>,
}

impl Streams {
    /// Waits until all that the query announced are there.
    async fn collect(
        opened: &mut mpsc::Receiver<Stream>,
        protocol: &str,
        wanted: Wanted,
    ) -> Option<Self> {
        let mut all = Self::default();
        let resizes = wanted.tty && !matches!(protocol, "channel.k8s.io" | "v2.channel.k8s.io");
        let stderr = wanted.stderr && !wanted.tty;
        while all.error.is_none()
            || wanted.stdin && all.stdin.is_none()
            || wanted.stdout && all.stdout.is_none()
            || stderr && all.stderr.is_none()
            || resizes && all.resize.is_none()
        {
            let stream = opened.recv().await?;
            let slot = match stream.header("streamtype") {
                "error" => &mut all.error,
                "stdin" => &mut all.stdin,
                "stdout" => &mut all.stdout,
                "stderr" => &mut all.stderr,
                "resize" => &mut all.resize,
                _ => return None,
            };
            *slot = Some(stream);
        }
        Some(all)
    }
}

async fn work(
    mut opened: mpsc::Receiver<Stream>,
    protocol: &str,
    mut session: Session,
    wanted: Wanted,
) {
    let Some(streams) = Streams::collect(&mut opened, protocol, wanted).await else {
        return;
    };
    let Some(error) = streams.error else { return };
    let mut screen = StreamScreen {
        stdout: streams.stdout.map(|stream| stream.outgoing),
        stderr: streams.stderr.map(|stream| stream.outgoing),
    };
    let typing = type_in(
        streams.stdin.map(|stream| stream.incoming),
        session.stdin.take(),
    );
    let watching = drain(streams.resize.map(|stream| stream.incoming));
    let relaying = relay(&mut session, wanted, &mut screen);
    let code = tokio::select! {
        code = relaying => code,
        () = async { tokio::join!(typing, watching); std::future::pending().await } => None,
    };
    let Some(code) = code else { return };
    for stream in [screen.stdout, screen.stderr].into_iter().flatten() {
        stream.finish().await;
    }
    let told = match protocol {
        "v5.channel.k8s.io" | "v4.channel.k8s.io" => outcome(code).to_string(),
        _ if code == 0 => String::new(),
        _ => format!("command terminated with non-zero exit code: {code}"),
    };
    if !told.is_empty() {
        error.outgoing.send(told.into_bytes().into()).await;
    }
    error.outgoing.finish().await;
    error.outgoing.close_connection().await;
}

async fn type_in(typed: Option<mpsc::Receiver<Bytes>>, stdin: Option<mpsc::Sender<Bytes>>) {
    let (Some(mut typed), Some(stdin)) = (typed, stdin) else {
        return;
    };
    while let Some(chunk) = typed.recv().await {
        if stdin.send(chunk).await.is_err() {
            return;
        }
    }
}

/// What a client says about its window's size means nothing to a guest.
async fn drain(chunks: Option<mpsc::Receiver<Bytes>>) {
    if let Some(mut chunks) = chunks {
        while chunks.recv().await.is_some() {}
    }
}

struct StreamScreen {
    stdout: Option<Outgoing>,
    stderr: Option<Outgoing>,
}

impl Screen for StreamScreen {
    async fn show(&mut self, channel: u8, data: Bytes) -> bool {
        let to = match channel {
            STDOUT => &self.stdout,
            STDERR => &self.stderr,
            _ => &None,
        };
        match to {
            Some(stream) => stream.send(data).await,
            // With a terminal there is no stream for complaints: all is on the screen.
            None => true,
        }
    }
}
