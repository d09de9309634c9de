//! What keeps a request alive whose server answers before it has read all of it, which RFC 9112 section 9.3 allows.
//!
//! The guest goes on writing a body that nobody wants, and must not be told that its request failed: the answer is
//! there. So the body is read to its end whatever happens to the connection, and a connection that takes no more bytes
//! is still read from.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wasmtime_wasi_http::{Error, WasiBody};

/// A request's body, which outlives the connection that it is sent over.
#[derive(Clone)]
pub(super) struct SharedBody(Arc<Mutex<WasiBody>>);

impl SharedBody {
    pub(super) fn new(body: WasiBody) -> Self {
        Self(Arc::new(Mutex::new(body)))
    }

    /// Reads what was not sent; the guest's writes go on as if it were.
    pub(super) async fn drain(mut self) {
        let next = |body: &mut Self, cx: &mut Context<'_>| Pin::new(body).poll_frame(cx);
        while let Some(Ok(_)) = std::future::poll_fn(|cx| next(&mut self, cx)).await {}
    }
}

impl Body for SharedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut *self.0.lock()).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().size_hint()
    }
}

/// A connection whose other side may have stopped reading: what cannot be written any more is dropped, and what was
/// answered is still read.
pub(super) struct Patient<S> {
    inner: S,
    is_deaf: bool,
}

impl<S> Patient<S> {
    pub(super) fn new(inner: S) -> Self {
        Self {
            inner,
            is_deaf: false,
        }
    }

    /// Whether an error of a write only says that nobody reads any more.
    fn forgives(&mut self, error: &io::Error) -> bool {
        self.is_deaf = matches!(
            error.kind(),
            io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
        );
        self.is_deaf
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_deaf {
            return Poll::Ready(Ok(data.len()));
        }
        match std::task::ready!(Pin::new(&mut self.inner).poll_write(cx, data)) {
            Err(error) if self.forgives(&error) => Poll::Ready(Ok(data.len())),
            written => Poll::Ready(written),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_deaf {
            return Poll::Ready(Ok(()));
        }
        match std::task::ready!(Pin::new(&mut self.inner).poll_flush(cx)) {
            Err(error) if self.forgives(&error) => Poll::Ready(Ok(())),
            flushed => Poll::Ready(flushed),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, StreamBody};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// The client's whole way, as `send` goes it, against a server that answers at once and stops reading.
    #[tokio::test]
    async fn an_early_answer_arrives_and_the_body_is_taken_to_its_end() {
        let (client, mut server) = tokio::io::duplex(256);
        let (chunks, receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
        let frames = futures_util::stream::unfold(receiver, |mut receiver| async {
            let chunk = receiver.recv().await?;
            Some((Ok::<_, Error>(Frame::data(chunk)), receiver))
        });
        let body = SharedBody::new(StreamBody::new(frames).boxed_unsync());
        let rest = body.clone();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(
            hyper_util::rt::TokioIo::new(Patient::new(client)),
        )
        .await
        .unwrap();
        let request = http::Request::post("/")
            .header("host", "x")
            .body(body)
            .unwrap();
        let serving = async move {
            let mut head = [0; 16];
            server.read_exact(&mut head).await.unwrap();
            let answer =
                b"HTTP/1.1 413 Too Large\r\ncontent-length: 4\r\nconnection: close\r\n\r\nfull";
            server.write_all(answer).await.unwrap();
        };
        let writing = async move {
            for _ in 0..64 {
                chunks.send(Bytes::from_static(&[b'x'; 64])).await.unwrap();
            }
        };
        let asking = async move {
            let (answer, ended) = tokio::join!(sender.send_request(request), connection);
            drop(ended);
            rest.drain().await;
            let answer = answer.unwrap();
            (
                answer.status().as_u16(),
                answer.collect().await.unwrap().to_bytes(),
            )
        };
        let (answer, (), ()) = tokio::join!(asking, serving, writing);
        assert_eq!(answer, (413, Bytes::from_static(b"full")));
    }
}
