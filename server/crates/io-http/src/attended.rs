//! A connection that is ended when its client keeps it open without taking part.
//!
//! Two ways to do so cost the server something: never to begin, and never to read. Who begins late holds one of the
//! listener's places; who does not read holds what was made for it, such as the frames of a watch.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// What every HTTP/2 client says first (RFC 9113, section 3.4); no HTTP/1.1 request is shorter.
const GREETING_BYTES: usize = 24;

/// How long a client may take. Host time: clients do not know the cluster's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For the TLS handshake, for the first bytes, and for the head of an HTTP/1.1 request (kube-apiserver's
    /// `ReadHeaderTimeout`).
    pub greeting: Duration,
    /// For taking anything at all of what waits for it. Generous, because a person may have stopped the output of
    /// `kubectl exec` to read it.
    pub reading: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            greeting: Duration::from_secs(32),
            reading: Duration::from_secs(300),
        }
    }
}

/// The connection.
pub(crate) struct Attended<S> {
    stream: S,
    patience: Patience,
    /// How much of the greeting is missing, and when it is due.
    greeting: Option<(usize, Pin<Box<Sleep>>)>,
    /// When something must have been taken; set while nothing is.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Attended<S> {
    pub(crate) fn new(stream: S, patience: Patience) -> Self {
        Self {
            stream,
            patience,
            greeting: Some((GREETING_BYTES, timer(patience.greeting))),
            stalled: None,
        }
    }

    /// Ends a wait that has lasted too long.
    fn judge<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.patience.reading;
        let due = self.stalled.get_or_insert_with(|| timer(patience));
        ready!(due.as_mut().poll(cx));
        Poll::Ready(Err(too_late("the client does not read")))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a client takes is host time"
)]
fn timer(after: Duration) -> Pin<Box<Sleep>> {
    Box::pin(sleep(after))
}

fn too_late(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}

impl<S: AsyncRead + Unpin> AsyncRead for Attended<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let Some((missing, due)) = &mut self.greeting else {
            return read;
        };
        *missing = missing.saturating_sub(buf.filled().len() - before);
        if *missing == 0 {
            self.greeting = None;
        } else if read.is_pending() {
            ready!(due.as_mut().poll(cx));
            return Poll::Ready(Err(too_late("the client says nothing")));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Attended<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.judge(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.judge(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.judge(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.judge(ended, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const SHORT: Patience = Patience {
        greeting: Duration::from_millis(50),
        reading: Duration::from_millis(50),
    };

    #[tokio::test]
    async fn who_does_not_begin_is_let_go() {
        let (_client, server) = duplex(64);
        let read = Attended::new(server, SHORT).read_u8().await;
        assert_eq!(read.map_err(|e| e.kind()), Err(io::ErrorKind::TimedOut));
    }

    #[tokio::test]
    async fn who_does_not_read_is_let_go() {
        let (_client, server) = duplex(64);
        let written = Attended::new(server, SHORT).write_all(&[0; 100]).await;
        assert_eq!(written.map_err(|e| e.kind()), Err(io::ErrorKind::TimedOut));
    }

    #[tokio::test]
    async fn who_takes_part_may_stay() {
        let (mut client, server) = duplex(64);
        let mut server = Attended::new(server, SHORT);
        client.write_all(&[7; GREETING_BYTES]).await.unwrap();
        let mut greeting = [0; GREETING_BYTES];
        server.read_exact(&mut greeting).await.unwrap();
        let sent = async {
            server.write_all(&[1; 1000]).await.unwrap();
            server
        };
        let (mut server, taken) = tokio::join!(sent, async {
            let mut all = [0; 1000];
            client.read_exact(&mut all).await.unwrap();
            // Longer than patience lasts, with nothing waiting to be read.
            let silent = tokio::time::timeout(SHORT.reading * 2, client.read_u8()).await;
            (client, silent.is_err())
        });
        let (mut client, was_silent) = taken;
        assert!(was_silent);
        client.write_all(&[9]).await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), 9);
    }
}
