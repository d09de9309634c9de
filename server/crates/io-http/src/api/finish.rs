//! What every answer gets on its way out: an audit id, compression, and no body for HEAD.

use std::io::Write;

use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, VARY,
};
use axum::http::{Method, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

/// Answers from this size on are compressed for those who take it, in bytes
/// (`apiserver/pkg/endpoints/handlers/responsewriters`, `defaultGzipThresholdBytes`).
const COMPRESS_FROM: usize = 128 * 1024;
/// The original's choice between time and size.
const LEVEL: u32 = 1;
/// Longest audit id that is taken over from a client, in characters.
const AUDIT_ID_MAX: usize = 64;
const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// The id under which a request is found in logs: the client's, or a new one.
pub(super) fn audit_id(headers: &HeaderMap, seeds: (u64, u64)) -> HeaderValue {
    let given = headers
        .get(&AUDIT_ID)
        .filter(|id| !id.is_empty() && id.len() <= AUDIT_ID_MAX);
    given.cloned().unwrap_or_else(|| {
        let (a, b) = seeds;
        let id = format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            a >> 16 & 0xffff,
            a & 0xfff,
            0x8000 | (b >> 48 & 0x3fff),
            b & 0xffff_ffff_ffff
        );
        HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static("-"))
    })
}

/// Puts the audit id on an answer and takes the body off the answer to HEAD.
pub(super) fn finish(
    mut response: Response<Body>,
    method: &Method,
    audit_id: HeaderValue,
) -> Response<Body> {
    response.headers_mut().insert(AUDIT_ID, audit_id);
    if method == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    response
}

/// Whether a client takes gzip.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let mut all = headers.get_all(ACCEPT_ENCODING).iter();
    all.any(|value| {
        let mut codings = value.to_str().unwrap_or_default().split(',');
        codings.any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let is_gzip = parts.next().is_some_and(|c| matches!(c, "gzip" | "*"));
            let refuses = |p: &str| p.strip_prefix("q=").and_then(|q| q.parse().ok()) == Some(0.0);
            is_gzip && !parts.any(refuses)
        })
    })
}

/// Compresses a large body for a client that takes it; answers the body and whether it is compressed. Off the
/// runtime's threads, because a large list takes milliseconds.
pub(super) async fn compressed(body: Bytes, takes_gzip: bool) -> (Bytes, bool) {
    if !takes_gzip || body.len() < COMPRESS_FROM {
        return (body, false);
    }
    let plain = body.clone();
    let packed = tokio::task::spawn_blocking(move || gzip(&plain)).await;
    match packed {
        Ok(Ok(packed)) => (packed.into(), true),
        _ => (body, false),
    }
}

fn gzip(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 8), Compression::new(LEVEL));
    encoder.write_all(plain)?;
    encoder.finish()
}

/// Says in the headers that a body is compressed.
pub(super) fn mark_compressed(headers: &mut HeaderMap) {
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.remove(CONTENT_LENGTH);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for (value, want) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("*", true),
            ("gzip;q=0", false),
            ("br", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, value.parse().unwrap());
            assert_eq!(takes_gzip(&headers), want, "{value}");
        }
    }

    #[test]
    fn what_is_packed_can_be_unpacked() {
        use std::io::Read;
        let plain = b"kubernetes ".repeat(20_000);
        let packed = gzip(&plain).unwrap();
        let mut again = Vec::new();
        flate2::read::GzDecoder::new(&*packed)
            .read_to_end(&mut again)
            .unwrap();
        assert!(packed.len() * 10 < plain.len());
        assert_eq!(again, plain);
    }

    #[test]
    fn audit_ids_are_the_clients_or_new() {
        let mut headers = HeaderMap::new();
        let made = audit_id(&headers, (1, 2));
        assert_eq!(made.len(), 36);
        headers.insert(AUDIT_ID, "mine".parse().unwrap());
        assert_eq!(audit_id(&headers, (1, 2)), "mine");
    }
}
