//! Blobs: whole or in part out, whole or in pieces in.

use std::ops::Range;

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::path::is_digest;
use super::uploads::NotTaken;
use super::{
    Answer, BLOB_BYTES_MAX, CONTENT_DIGEST, Query, Refusal, Registry, answer, digest_of,
    not_allowed, read_body,
};

/// The part that a `Range` header asks for: `None` for the whole, `Err` when there is no such part.
fn part(headers: &HeaderMap, length: usize) -> Result<Option<Range<usize>>, ()> {
    let asked = headers.get(header::RANGE).and_then(|v| v.to_str().ok());
    let Some((first, last)) = asked
        .and_then(|range| range.strip_prefix("bytes="))
        .and_then(|range| range.split_once('-'))
    else {
        return Ok(None);
    };
    let end = match last {
        "" => length,
        last => last
            .parse::<usize>()
            .map_err(drop)?
            .saturating_add(1)
            .min(length),
    };
    let start = match first {
        "" => length.saturating_sub(last.parse::<usize>().map_err(drop)?),
        first => first.parse().map_err(drop)?,
    };
    let end = if first.is_empty() { length } else { end };
    if start < end {
        Ok(Some(start..end))
    } else {
        Err(())
    }
}

fn uploading(status: StatusCode, name: &str, id: &str, length: usize) -> Response {
    let location = format!("/v2/{name}/blobs/uploads/{id}");
    let range = format!("0-{}", length.saturating_sub(1));
    let headers = [
        (header::LOCATION, location.as_str()),
        (header::RANGE, &range),
    ];
    answer(status, &headers, Bytes::new())
}

fn created(name: &str, digest: &str) -> Response {
    let location = format!("/v2/{name}/blobs/{digest}");
    let headers = [
        (header::LOCATION, location.as_str()),
        (CONTENT_DIGEST, digest),
    ];
    answer(StatusCode::CREATED, &headers, Bytes::new())
}

impl Registry {
    pub(super) async fn read_blob(&self, headers: &HeaderMap, digest: String) -> Answer {
        let unknown = Refusal::unknown_blob(&digest);
        let wanted = digest.clone();
        let bytes = self
            .off_loop(move |storage| storage.blob(&wanted))
            .await?
            .ok_or(unknown)?;
        let length = bytes.len();
        let common = [
            (CONTENT_DIGEST, digest.as_str()),
            (header::CONTENT_TYPE, "application/octet-stream"),
            (header::ACCEPT_RANGES, "bytes"),
        ];
        match part(headers, length) {
            Ok(None) => Ok(answer(StatusCode::OK, &common, bytes)),
            Ok(Some(part)) => {
                let range = format!("bytes {}-{}/{length}", part.start, part.end - 1);
                let mut headers = common.to_vec();
                headers.push((header::CONTENT_RANGE, &range));
                Ok(answer(
                    StatusCode::PARTIAL_CONTENT,
                    &headers,
                    bytes.slice(part),
                ))
            }
            Err(()) => {
                let range = format!("bytes */{length}");
                let headers = [(header::CONTENT_RANGE, range.as_str())];
                Ok(answer(
                    StatusCode::RANGE_NOT_SATISFIABLE,
                    &headers,
                    Bytes::new(),
                ))
            }
        }
    }

    pub(super) async fn delete_blob(&self, digest: String) -> Answer {
        let wanted = digest.clone();
        let (was_there, gone) = self
            .off_loop(move |storage| {
                let was_there = storage.blob(&wanted)?.is_some();
                Ok((was_there, storage.delete_blob(&wanted)))
            })
            .await?;
        match (was_there, gone) {
            (_, true) => Ok(StatusCode::ACCEPTED.into_response()),
            (false, false) => Err(Refusal::unknown_blob(&digest)),
            (true, false) => {
                let why = format!("{digest} is in use: delete the manifests that refer to it");
                Err(Refusal::new(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "UNSUPPORTED",
                    why,
                ))
            }
        }
    }

    /// `POST uploads/`: a whole blob with its digest, one that another repository has, or the beginning of an upload.
    pub(super) async fn begin_upload(&self, name: &str, query: &Query<'_>, body: Body) -> Answer {
        if let Some(digest) = query.get("mount") {
            let wanted = digest.clone();
            let found = self.off_loop(move |storage| storage.blob(&wanted)).await?;
            if found.is_some() {
                return Ok(created(name, &digest));
            }
        }
        if let Some(digest) = query.get("digest") {
            let bytes = read_body(body, "a blob", BLOB_BYTES_MAX).await?;
            return self.keep(name, digest, bytes).await;
        }
        let id = self.uploads.lock().begin();
        Ok(uploading(StatusCode::ACCEPTED, name, &id, 0))
    }

    /// What can be done with an upload: ask how far it is, add to it, finish it, give it up.
    pub(super) async fn upload(
        &self,
        parts: &Parts,
        body: Body,
        name: &str,
        id: &str,
        query: &Query<'_>,
    ) -> Answer {
        let unknown = || Refusal::unknown_upload(id);
        match parts.method {
            Method::GET => {
                let length = self.uploads.lock().length(id).ok_or_else(unknown)?;
                Ok(uploading(StatusCode::NO_CONTENT, name, id, length))
            }
            Method::PATCH => self.add(&parts.headers, body, name, id).await,
            Method::PUT => {
                let digest = query.get("digest").unwrap_or_default();
                let added = self.add(&parts.headers, body, name, id).await?;
                if added.status() != StatusCode::ACCEPTED {
                    return Ok(added);
                }
                let bytes = self.uploads.lock().take(id).ok_or_else(unknown)?;
                self.keep(name, digest, bytes).await
            }
            Method::DELETE => {
                self.uploads.lock().take(id).ok_or_else(unknown)?;
                Ok(StatusCode::NO_CONTENT.into_response())
            }
            _ => Err(not_allowed(&parts.method)),
        }
    }

    async fn add(&self, headers: &HeaderMap, body: Body, name: &str, id: &str) -> Answer {
        let piece = read_body(body, "a blob", BLOB_BYTES_MAX).await?;
        let range = headers
            .get(header::CONTENT_RANGE)
            .and_then(|v| v.to_str().ok());
        let range = range.map(|range| range.trim_start_matches("bytes "));
        let start = range.and_then(|range| range.split('-').next()?.parse().ok());
        let added = self.uploads.lock().add(id, start, &piece, BLOB_BYTES_MAX);
        match added {
            Ok(length) => Ok(uploading(StatusCode::ACCEPTED, name, id, length)),
            Err(NotTaken::OutOfOrder(length)) => {
                let status = StatusCode::RANGE_NOT_SATISFIABLE;
                Ok(uploading(status, name, id, length))
            }
            Err(NotTaken::Unknown) => Err(Refusal::unknown_upload(id)),
            Err(NotTaken::TooLarge) => Err(Refusal::too_large("a blob", BLOB_BYTES_MAX)),
        }
    }

    async fn keep(&self, name: &str, digest: String, bytes: Bytes) -> Answer {
        if !is_digest(&digest) {
            let why = "the query parameter `digest` must be sha256: and 64 hexadecimal digits";
            return Err(Refusal::digest(why));
        }
        let wanted = digest.clone();
        self.off_loop(move |storage| {
            let found = digest_of(&bytes);
            if found != wanted {
                let why = format!("what was sent is not {wanted} but {found}");
                return Err(Refusal::digest(why));
            }
            storage.put_blob(&bytes)
        })
        .await?;
        Ok(created(name, &digest))
    }
}
