//! Refusals that are not about one object, in the original's words.

use shared::Status;
use shared::status::{Cause, Details};

/// The largest request body in bytes: 3 MiB (`k8s.io/apiserver` `MaxRequestBodyBytes`).
pub const MAX_BODY_BYTES: usize = 3 * 1024 * 1024;
/// The most operations in a JSON patch (`k8s.io/apiserver` `maxJSONPatchOperations`).
pub const MAX_PATCH_OPS: usize = 10_000;

/// 404 for a path under `/api` or `/apis` that names nothing served.
pub(crate) fn no_such_resource() -> Status {
    Status::failure(
        404,
        "NotFound",
        "the server could not find the requested resource",
    )
    .with_details(Details::default())
}

/// 405.
pub(crate) fn method_not_allowed() -> Status {
    Status::failure(
        405,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
    )
    .with_details(Details::default())
}

/// 406 with what could be had instead.
pub(crate) fn not_acceptable(available: &str) -> Status {
    Status::failure(
        406,
        "NotAcceptable",
        format!("only the following media types are accepted: {available}"),
    )
}

/// 413.
#[must_use]
pub fn too_large() -> Status {
    let message = format!("Request entity too large: limit is {MAX_BODY_BYTES}");
    Status::failure(413, "RequestEntityTooLarge", message)
}

/// 415.
pub(crate) fn unsupported_media_type() -> Status {
    Status::failure(415, "UnsupportedMediaType", "415: Unsupported Media Type")
}

/// 504 for a resourceVersion that lies ahead of the store.
pub(crate) fn from_the_future(asked: u64, current: u64) -> Status {
    let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
    let cause = Cause {
        reason: "ResourceVersionTooLarge".into(),
        message: "Too large resource version".into(),
        field: String::new(),
    };
    Status::failure(504, "Timeout", message).with_details(Details {
        causes: vec![cause],
        retry_after_seconds: Some(1),
        ..Details::default()
    })
}

/// 400 for a body that is no object of the kind.
pub(crate) fn cannot_be_handled(version: &str, kind: &str, why: &str) -> Status {
    Status::bad_request(format!(
        "{kind} in version \"{version}\" cannot be handled as a {kind}: {why}"
    ))
}

/// 422 about the parameters of a request rather than its object.
pub(crate) fn bad_options(kind: &str, causes: Vec<Cause>) -> Status {
    Status::invalid(kind, "meta.k8s.io", "", causes)
}
