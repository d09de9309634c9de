//! NamespaceLifecycle: nothing is made in a namespace that does not exist or is going, and three cannot go.

use serde_json::Value;
use shared::Status;
use shared::status::{Cause, Details};

use super::Attempt;
use crate::server::Target;
use crate::value::text;

/// Namespaces that may not be deleted.
const IMMORTAL: &[&str] = &["default", "kube-system", "kube-public"];

pub(super) fn admit(attempt: &Attempt<'_, '_>, value: &mut Value) -> Result<(), Status> {
    let (target, name) = (attempt.target, attempt.target.request.namespace.as_str());
    if attempt.old.is_some() || !target.kind.namespaced {
        return Ok(());
    }
    let Some(namespace) = attempt.stored(&format!("/registry/namespaces/{name}"))? else {
        return Err(Status::not_found("namespaces", "", name));
    };
    if namespace.pointer("/metadata/deletionTimestamp").is_none()
        && text(&namespace, "/status/phase") != "Terminating"
    {
        return Ok(());
    }
    let why =
        format!("unable to create new content in namespace {name} because it is being terminated");
    let mut status = attempt.forbidden(value, &why);
    status
        .details
        .get_or_insert_with(Details::default)
        .causes
        .push(Cause {
            reason: "NamespaceTerminating".into(),
            message: format!("namespace {name} is being terminated"),
            field: "metadata.namespace".into(),
        });
    Err(status)
}

pub(super) fn admit_delete(target: &Target<'_>) -> Result<(), Status> {
    let name = target.request.name.as_str();
    if target.kind.plural == "namespaces" && IMMORTAL.contains(&name) {
        return Err(Status::forbidden(
            "namespaces",
            "",
            name,
            "this namespace may not be deleted",
        ));
    }
    Ok(())
}
