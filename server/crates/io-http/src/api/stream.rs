//! Watches on the wire: one frame after the other, as they happen.

use std::convert::Infallible;

use apiserver::{Representation, WatchEncoder, error_frame};
use axum::body::{Body, Bytes};
use axum::http::Response;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use futures_util::stream::unfold;
use io_clock::Clock;
use io_driver::api::Watching;

/// What is left to send.
struct Sending {
    watching: Watching,
    encoder: WatchEncoder,
    clock: Clock,
    is_over: bool,
}

/// Streams a watch until it ends or the client goes away. A client that does not read holds up only itself: frames are
/// made when its connection takes them.
pub(super) fn respond(
    watching: Watching,
    representation: Representation,
    clock: Clock,
) -> Response<Body> {
    let encoder = WatchEncoder::new(representation);
    let content_type = encoder.content_type();
    let sending = Sending {
        watching,
        encoder,
        clock,
        is_over: false,
    };
    let frames = unfold(sending, |mut sending| async move {
        let bytes = sending.next().await?;
        Some((Ok::<_, Infallible>(bytes), sending))
    });
    let mut response = Response::new(Body::from_stream(frames));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

impl Sending {
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        match self.watching.next().await? {
            Ok(frames) => {
                let now = self.clock.now();
                let mut out = Vec::new();
                for frame in &frames {
                    match self.encoder.encode(frame, now) {
                        Ok(bytes) if frames.len() == 1 => return Some(bytes),
                        Ok(bytes) => out.extend_from_slice(&bytes),
                        Err(status) => {
                            self.is_over = true;
                            out.extend_from_slice(&error_frame(&status));
                            break;
                        }
                    }
                }
                Some(out.into())
            }
            Err(status) => {
                self.is_over = true;
                Some(error_frame(&status))
            }
        }
    }
}
