//! Manifests, tags, referrers and the catalogue.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::path::is_digest;
use super::{
    Answer, CONTENT_DIGEST, MANIFEST_BYTES_MAX, OCI_SUBJECT, Query, Refusal, Registry, Storage,
    answer, content_type, digest_of, not_allowed, read_body, value,
};

/// Most names in one answer, also when more are asked for.
const PAGE_MAX: usize = 1000;
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// One page of sorted names, and whether there are more.
fn page(names: Vec<String>, query: &Query<'_>) -> (Vec<String>, bool) {
    let last = query.get("last");
    let asked = query.get("n").and_then(|n| n.parse().ok());
    let most = asked.unwrap_or(PAGE_MAX).min(PAGE_MAX);
    let mut rest: Vec<String> = names
        .into_iter()
        .filter(|name| last.as_ref().is_none_or(|last| name > last))
        .collect();
    let more = rest.len() > most && most > 0;
    rest.truncate(most);
    (rest, more)
}

/// Where the next page is (RFC 5988).
fn with_link(mut response: Response, path: &str, shown: &[String], more: bool) -> Response {
    if let (true, Some(last)) = (more, shown.last()) {
        let link = format!("<{path}?n={}&last={last}>; rel=\"next\"", shown.len());
        response.headers_mut().insert(header::LINK, value(&link));
    }
    response
}

pub(super) fn catalog(storage: &Arc<dyn Storage>, query: &Query<'_>) -> Response {
    let (names, more) = page(storage.repositories(), query);
    let response = Json(json!({"repositories": names})).into_response();
    with_link(response, "/v2/_catalog", &names, more)
}

pub(super) fn tags(storage: &Arc<dyn Storage>, name: &str, query: &Query<'_>) -> Answer {
    let tags = storage
        .tags(name)
        .ok_or_else(|| Refusal::unknown_name(name))?;
    let (tags, more) = page(tags, query);
    let response = Json(json!({"name": name, "tags": tags})).into_response();
    Ok(with_link(
        response,
        &format!("/v2/{name}/tags/list"),
        &tags,
        more,
    ))
}

pub(super) fn referrers(
    storage: &Arc<dyn Storage>,
    name: &str,
    digest: &str,
    query: &Query<'_>,
) -> Response {
    let mut manifests = storage.referrers(name, digest);
    let wanted = query.get("artifactType");
    if let Some(wanted) = &wanted {
        manifests.retain(|m| m.get("artifactType").and_then(Value::as_str) == Some(wanted));
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    let mut headers = vec![(header::CONTENT_TYPE, INDEX)];
    if wanted.is_some() {
        headers.push((
            header::HeaderName::from_static("oci-filters-applied"),
            "artifactType",
        ));
    }
    answer(StatusCode::OK, &headers, index.to_string().into())
}

impl Registry {
    pub(super) async fn manifest(
        &self,
        parts: &Parts,
        body: Body,
        name: String,
        reference: String,
    ) -> Answer {
        match parts.method {
            Method::GET | Method::HEAD => self.read_manifest(name, reference).await,
            Method::PUT => {
                let media_type = content_type(&parts.headers);
                let bytes = read_body(body, "a manifest", MANIFEST_BYTES_MAX).await?;
                self.put_manifest(name, reference, media_type, bytes).await
            }
            Method::DELETE => {
                let unknown = Refusal::unknown_manifest(&name, &reference);
                let deleted = self
                    .off_loop(move |storage| storage.delete_manifest(&name, &reference))
                    .await?;
                if deleted {
                    Ok(StatusCode::ACCEPTED.into_response())
                } else {
                    Err(unknown)
                }
            }
            _ => Err(not_allowed(&parts.method)),
        }
    }

    async fn read_manifest(&self, name: String, reference: String) -> Answer {
        let unknown = Refusal::unknown_manifest(&name, &reference);
        let found = self
            .off_loop(move |storage| storage.manifest(&name, &reference))
            .await?
            .ok_or(unknown)?;
        let headers = [
            (header::CONTENT_TYPE, found.media_type.as_str()),
            (CONTENT_DIGEST, &found.digest),
        ];
        Ok(answer(StatusCode::OK, &headers, found.bytes))
    }

    async fn put_manifest(
        &self,
        name: String,
        reference: String,
        media_type: String,
        bytes: Bytes,
    ) -> Answer {
        let by_digest = is_digest(&reference);
        if by_digest && digest_of(&bytes) != reference {
            let why = format!("the manifest is not {reference} but {}", digest_of(&bytes));
            return Err(Refusal::digest(why));
        }
        let subject = serde_json::from_slice::<Value>(&bytes).ok();
        let subject = subject
            .as_ref()
            .and_then(|manifest| manifest.pointer("/subject/digest")?.as_str())
            .map(str::to_owned);
        let location = format!("/v2/{name}/manifests/{reference}");
        let digest = self
            .off_loop(move |storage| {
                let tag = (!by_digest).then_some(reference.as_str());
                storage.put_manifest(&name, tag, &media_type, &bytes)
            })
            .await?;
        let mut headers = vec![
            (header::LOCATION, location.as_str()),
            (CONTENT_DIGEST, &digest),
        ];
        if let Some(subject) = &subject {
            headers.push((OCI_SUBJECT, subject));
        }
        Ok(answer(StatusCode::CREATED, &headers, Bytes::new()))
    }
}
