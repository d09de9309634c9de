//! DefaultStorageClass: a claim that names no class gets the one marked as default. PersistentVolumeClaimResize: a
//! claim grows only when its class allows that.

use serde_json::Value;
use shared::Status;
use shared::quantity::Quantity;

use super::Attempt;
use crate::value::{flag, object, text};

const IS_DEFAULT: &str = "/metadata/annotations/storageclass.kubernetes.io~1is-default-class";

pub(super) fn admit(attempt: &Attempt<'_, '_>, value: &mut Value) -> Result<(), Status> {
    if !attempt.creates("persistentvolumeclaims")
        || value.pointer("/spec/storageClassName").is_some()
    {
        return Ok(());
    }
    let classes = attempt.all("/registry/storageclasses/")?;
    // Of several defaults the newest wins, then the first by name.
    let newest = classes
        .iter()
        .filter(|class| text(class, IS_DEFAULT) == "true")
        .max_by_key(|class| {
            (
                text(class, "/metadata/creationTimestamp"),
                std::cmp::Reverse(text(class, "/metadata/name")),
            )
        });
    if let Some(class) = newest {
        object(value, "spec").insert(
            "storageClassName".into(),
            text(class, "/metadata/name").into(),
        );
    }
    Ok(())
}

/// Refuses that a claim grows whose class does not allow it.
pub(super) fn admit_resize(attempt: &Attempt<'_, '_>, value: &mut Value) -> Result<(), Status> {
    let kind = attempt.target.kind;
    let Some(old) = attempt
        .old
        .filter(|_| kind.plural == "persistentvolumeclaims")
    else {
        return Ok(());
    };
    let size = |claim: &Value| Quantity::parse(text(claim, "/spec/resources/requests/storage"));
    if size(value) <= size(old) {
        return Ok(());
    }
    let class = text(value, "/spec/storageClassName");
    let key = format!("/registry/storageclasses/{class}");
    let class = if class.is_empty() {
        None
    } else {
        attempt.stored(&key)?
    };
    if class.is_some_and(|c| flag(&c, "/allowVolumeExpansion")) {
        return Ok(());
    }
    Err(attempt.forbidden(
        value,
        "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize",
    ))
}
