//! Errors as the distribution API words them.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a request was refused: a status, a code of the specification, words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// The specification's code: `MANIFEST_UNKNOWN`.
    pub code: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

impl Refusal {
    /// A refusal.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    /// A refusal with a status by its number; one that is none becomes 500.
    #[must_use]
    pub fn with_status(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, code, message)
    }

    /// 404 for a manifest.
    pub(super) fn unknown_manifest(name: &str, reference: &str) -> Self {
        let why = format!("{name} has no manifest {reference}");
        Self::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", why)
    }

    /// 404 for a blob.
    pub(super) fn unknown_blob(digest: &str) -> Self {
        let why = format!("there is no blob {digest}");
        Self::new(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", why)
    }

    /// 404 for a repository.
    pub(super) fn unknown_name(name: &str) -> Self {
        let why = format!("there is no repository {name}");
        Self::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", why)
    }

    /// 404 for an upload.
    pub(super) fn unknown_upload(id: &str) -> Self {
        let why = format!("there is no upload {id}: begin again");
        Self::new(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", why)
    }

    /// 400 for a digest that is none or does not match.
    pub(super) fn digest(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", why)
    }

    /// 413.
    pub(super) fn too_large(what: &str, most: usize) -> Self {
        let why = format!("{what} may have at most {most} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", why)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"errors": [{"code": self.code, "message": self.message}]});
        (self.status, Json(body)).into_response()
    }
}
