//! DefaultStorageClass: a claim that names no class gets the one marked as default.

use serde_json::Value;
use shared::Status;

use super::Attempt;
use crate::value::{object, text};

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
