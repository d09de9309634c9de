//! The image registry: OCI distribution specification 1.1 over the engine's images.
//!
//! It is served on the dashboard's port, which listens on loopback only: `localhost:PORT/NAME:TAG` is what stock
//! clients push to and what pods may name. There is no login, as for the dashboard; requests of other web pages are
//! refused by the same checks.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde_json::Value;
use sha2::Digest as _;

mod blobs;
mod manifests;
mod path;
mod refusal;
#[cfg(test)]
mod tests;
mod uploads;

pub use refusal::Refusal;

use path::{Target, Wrong};
use uploads::Uploads;

/// Largest blob in bytes: the engine's own limit for images.
pub const BLOB_BYTES_MAX: usize = 32 << 20;
/// Largest manifest in bytes.
const MANIFEST_BYTES_MAX: usize = 4 << 20;
/// Says which manifest a pushed one is about.
const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// The digest of what is answered.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// Which API this is, for Docker.
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// A stored manifest.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// `sha256:...`.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// Where content is kept. Calls may read and write files: they are made off the event loop.
pub trait Storage: Send + Sync + 'static {
    /// All repositories, sorted.
    fn repositories(&self) -> Vec<String>;

    /// A repository's tags, sorted; `None` when there is no such repository.
    fn tags(&self, name: &str) -> Option<Vec<String>>;

    /// The manifest that a tag or a digest names.
    ///
    /// # Errors
    /// When it is there but cannot be read.
    fn manifest(&self, name: &str, reference: &str) -> Result<Option<Manifest>, Refusal>;

    /// Keeps a manifest, under a tag if one is given; answers its digest.
    ///
    /// # Errors
    /// When it is none, or refers to what is not there, or there is no room.
    fn put_manifest(
        &self,
        name: &str,
        tag: Option<&str>,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<String, Refusal>;

    /// Removes a tag, or a manifest with its tags; whether it was there.
    ///
    /// # Errors
    /// When it may not be removed.
    fn delete_manifest(&self, name: &str, reference: &str) -> Result<bool, Refusal>;

    /// Descriptors of the manifests about this one.
    fn referrers(&self, name: &str, digest: &str) -> Vec<Value>;

    /// Content by digest.
    ///
    /// # Errors
    /// When it is there but cannot be read.
    fn blob(&self, digest: &str) -> Result<Option<Bytes>, Refusal>;

    /// Keeps content; its digest has been checked.
    ///
    /// # Errors
    /// When there is no room.
    fn put_blob(&self, bytes: &[u8]) -> Result<(), Refusal>;

    /// Removes content that nothing refers to; whether it is gone now and was there before.
    fn delete_blob(&self, digest: &str) -> bool;
}

/// The registry. Clones share it.
#[derive(Clone)]
pub struct Registry {
    storage: Arc<dyn Storage>,
    uploads: Arc<Mutex<Uploads>>,
}

type Answer = Result<Response, Refusal>;

impl Registry {
    /// A registry over a storage.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self {
            storage,
            uploads: Arc::default(),
        }
    }

    /// Answers a request whose path begins with `/v2`.
    pub async fn handle(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let mut response = match self.route(&parts, body).await {
            Ok(response) => response,
            Err(refusal) => refusal.into_response(),
        };
        let version = HeaderValue::from_static("registry/2.0");
        response.headers_mut().insert(API_VERSION, version);
        response
    }

    async fn route(&self, parts: &Parts, body: Body) -> Answer {
        let path = parts.uri.path();
        let rest = path.strip_prefix("/v2").unwrap_or(path);
        let target = path::parse(rest.strip_prefix('/').unwrap_or(rest)).map_err(refuse_path)?;
        let query = Query(parts.uri.query().unwrap_or_default());
        let method = &parts.method;
        let reads = *method == Method::GET || *method == Method::HEAD;
        match target {
            Target::Base if reads => Ok(axum::Json(serde_json::json!({})).into_response()),
            Target::Catalog if reads => Ok(manifests::catalog(&self.storage, &query)),
            Target::Tags(name) if reads => manifests::tags(&self.storage, &name, &query),
            Target::Referrers(name, digest) if reads => {
                Ok(manifests::referrers(&self.storage, &name, &digest, &query))
            }
            Target::Manifest(name, reference) => self.manifest(parts, body, name, reference).await,
            Target::Blob(_, digest) if reads => self.read_blob(&parts.headers, digest).await,
            Target::Blob(_, digest) if *method == Method::DELETE => self.delete_blob(digest).await,
            Target::Uploads(name) if *method == Method::POST => {
                self.begin_upload(&name, &query, body).await
            }
            Target::Upload(name, id) => self.upload(parts, body, &name, &id, &query).await,
            _ => Err(not_allowed(method)),
        }
    }

    /// Does something with the storage where files may be read and written.
    async fn off_loop<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Storage) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let storage = Arc::clone(&self.storage);
        let done = tokio::task::spawn_blocking(move || work(&*storage)).await;
        done.unwrap_or_else(|error| {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Err(Refusal::new(status, "UNKNOWN", error.to_string()))
        })
    }
}

fn not_allowed(method: &Method) -> Refusal {
    let why = format!("{method} is not offered here");
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", why)
}

fn refuse_path(wrong: Wrong) -> Refusal {
    let (status, code, why) = match wrong {
        Wrong::Route => (
            StatusCode::NOT_FOUND,
            "UNSUPPORTED",
            "there is no such path in the distribution API",
        ),
        Wrong::Name => (
            StatusCode::BAD_REQUEST,
            "NAME_INVALID",
            "a repository's name is lower-case letters, digits and single separators, at most 255 characters",
        ),
        Wrong::Tag => (
            StatusCode::BAD_REQUEST,
            "TAG_INVALID",
            "a tag is 1 to 128 letters, digits, '_', '.' or '-'",
        ),
        Wrong::Digest => (
            StatusCode::BAD_REQUEST,
            "DIGEST_INVALID",
            "a digest is sha256: and 64 hexadecimal digits in lower case",
        ),
    };
    Refusal::new(status, code, why)
}

/// A request's query; digests and names in it need no decoding but that of the colon and the slash.
struct Query<'a>(&'a str);

impl Query<'_> {
    fn get(&self, name: &str) -> Option<String> {
        let value = self.0.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key == name).then_some(value)
        })?;
        let decoded = value.replace("%3A", ":").replace("%3a", ":");
        Some(decoded.replace("%2F", "/").replace("%2f", "/"))
    }
}

fn digest_of(bytes: &[u8]) -> String {
    let hash = sha2::Sha256::digest(bytes);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// A header's value; what cannot be one is left empty.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

fn answer(status: StatusCode, headers: &[(HeaderName, &str)], body: Bytes) -> Response {
    let length = body.len();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    if length > 0 {
        // Said here because the answer to HEAD has it too.
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length.into());
    }
    for (name, text) in headers {
        response.headers_mut().insert(name.clone(), value(text));
    }
    response
}

async fn read_body(body: Body, what: &str, most: usize) -> Result<Bytes, Refusal> {
    let read = axum::body::to_bytes(body, most).await;
    read.map_err(|_| Refusal::too_large(what, most))
}

fn content_type(headers: &HeaderMap) -> String {
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok());
    let given = given.unwrap_or_default();
    given
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned()
}
