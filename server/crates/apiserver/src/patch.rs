//! patch: JSON patch, merge patch, strategic merge patch and server-side apply.

use client::{Body, PatchKind};
use serde_json::{Value, json};
use shared::Status;

use crate::answer::Outcome;
use crate::item::Item;
use crate::refuse::{self, MAX_BODY_BYTES, MAX_PATCH_OPS};
use crate::server::{ApiServer, Context, Phase, Target};
use crate::update::{Part, Update, check_name};
use crate::value::{field, text};
use crate::{body, meta};

/// What the original says of a JSON patch that cannot be applied.
const CANNOT_APPLY: &str = "the server rejected our request due to an error in our request";

/// The kind of a patch: by its form in process, by its media type over the wire.
pub(crate) fn kind_of(body: &Body) -> Result<PatchKind, Status> {
    match body {
        Body::Patch(kind, _) => Ok(*kind),
        Body::Encoded { content_type, .. } => {
            let essence = content_type.split(';').next().unwrap_or_default().trim();
            [
                PatchKind::Json,
                PatchKind::Merge,
                PatchKind::Strategic,
                PatchKind::Apply,
            ]
            .into_iter()
            .find(|kind| kind.content_type() == essence)
            .ok_or_else(refuse::unsupported_media_type)
        }
        Body::None | Body::Object(_) => Err(refuse::unsupported_media_type()),
    }
}

/// Reads the patch of a request.
pub(crate) fn read(body: &Body) -> Result<(PatchKind, Value), Status> {
    let kind = kind_of(body)?;
    let value = match body {
        Body::Patch(_, value) => value.clone(),
        Body::Encoded { bytes, .. } if bytes.len() > MAX_BODY_BYTES => {
            return Err(refuse::too_large());
        }
        Body::Encoded { bytes, .. } if kind == PatchKind::Apply => body::parse_yaml(bytes)
            .map_err(|why| Status::bad_request(format!("error decoding YAML: {why}")))?,
        Body::Encoded { bytes, .. } => serde_json::from_slice(bytes)
            .map_err(|e| Status::bad_request(format!("error decoding patch: {e}")))?,
        Body::None | Body::Object(_) => return Err(refuse::unsupported_media_type()),
    };
    let expected = if kind == PatchKind::Json {
        "[]handlers.jsonPatchOp"
    } else {
        "map[string]interface {}"
    };
    if value.is_array() == (kind == PatchKind::Json) && (value.is_array() || value.is_object()) {
        return Ok((kind, value));
    }
    let found = body::type_name(&value);
    Err(Status::bad_request(format!(
        "error decoding patch: json: cannot unmarshal {found} into Go value of type {expected}"
    )))
}

impl ApiServer {
    pub(crate) fn patch(
        &self,
        target: &Target<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<Outcome, Status> {
        ctx.observer.enter(Phase::Decode);
        let (kind, patch) = read(&target.request.body)?;
        let part = Part::of(&target.request.subresource);
        let current = target.find(ctx.snapshot);
        if kind == PatchKind::Apply {
            return self.apply(target, patch, current, part, ctx);
        }
        let current = current.ok_or_else(|| target.not_found())?;
        let old = current.object()?;
        let mut new = apply_to(target, kind, old.value(), &patch)?;
        body::checked_changes(target, &mut new, old.value(), ctx)?;
        check_identity(target, &new, old.value())?;
        meta::check_namespace(&mut new, target)?;
        if text(&new, "/metadata/resourceVersion") == text(old.value(), "/metadata/resourceVersion")
        {
            // Not a condition of the patch: it came along with the object that was patched.
            crate::value::object(&mut new, "metadata").remove("resourceVersion");
        }
        self.write(
            target,
            Update {
                current,
                new,
                part,
                is_applied: false,
            },
            ctx,
        )
    }

    /// Server-side apply (`kubernetes.io/docs/reference/using-api/server-side-apply`).
    fn apply(
        &self,
        target: &Target<'_>,
        mut applied: Value,
        current: Option<Item>,
        part: Part,
        ctx: &mut Context<'_>,
    ) -> Result<Outcome, Status> {
        if field(&applied, "apiVersion").is_empty() || field(&applied, "kind").is_empty() {
            return Err(Status::bad_request(
                "error decoding YAML: Object 'Kind' or 'apiVersion' is missing",
            ));
        }
        if applied
            .pointer("/metadata/managedFields")
            .is_some_and(|m| !m.is_null())
        {
            return Err(Status::bad_request("metadata.managedFields must be nil"));
        }
        if !text(&applied, "/metadata/name").is_empty() {
            check_name(target, &applied)?;
        }
        let sent = text(&applied, "/metadata/namespace");
        meta::check_namespace(&mut json!({"metadata": {"namespace": sent}}), target)?;
        crate::value::object(&mut applied, "metadata")
            .insert("name".into(), target.request.name.as_str().into());
        let live = match &current {
            Some(item) => Some(item.object()?.clone()),
            None => None,
        };
        let uid = text(&applied, "/metadata/uid");
        if live.is_none() && !uid.is_empty() {
            return Err(target.conflict(&format!(
                "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            )));
        }
        if live.is_none() && part != Part::Object {
            return Err(target.not_found());
        }
        let mut new =
            target.merge_applied(ctx.now, live.as_ref().map(shared::Object::value), &applied)?;
        let empty = Value::Null;
        let before = live.as_ref().map_or(&empty, shared::Object::value);
        body::checked_changes(target, &mut new, before, ctx)?;
        match current {
            Some(current) => self.write(
                target,
                Update {
                    current,
                    new,
                    part,
                    is_applied: true,
                },
                ctx,
            ),
            None => self.create_object(target, new, true, ctx),
        }
    }
}

pub(crate) fn apply_to(
    target: &Target<'_>,
    kind: PatchKind,
    old: &Value,
    patch: &Value,
) -> Result<Value, Status> {
    let mut new = old.clone();
    match kind {
        PatchKind::Json => json_patch(&mut new, patch)?,
        PatchKind::Merge => json_patch::merge(&mut new, patch),
        PatchKind::Strategic => new = target.strategic_merge(old, patch)?,
        PatchKind::Apply => {}
    }
    if new.is_object() {
        Ok(new)
    } else {
        Err(Status::failure(422, "Invalid", CANNOT_APPLY)
            .with_details(shared::status::Details::default()))
    }
}

fn json_patch(value: &mut Value, patch: &Value) -> Result<(), Status> {
    let invalid = || {
        Status::failure(422, "Invalid", CANNOT_APPLY)
            .with_details(shared::status::Details::default())
    };
    let count = patch.as_array().map_or(0, Vec::len);
    if count > MAX_PATCH_OPS {
        let why = format!(
            "The allowed maximum operations in a JSON patch is {MAX_PATCH_OPS}, got {count}"
        );
        return Err(Status::failure(413, "RequestEntityTooLarge", why));
    }
    let patch: json_patch::Patch = serde_json::from_value(patch.clone()).map_err(|_| invalid())?;
    json_patch::patch(value, &patch).map_err(|_| invalid())
}

/// A patch may not turn an object into another kind or name.
fn check_identity(target: &Target<'_>, new: &Value, old: &Value) -> Result<(), Status> {
    for name in ["kind", "apiVersion"] {
        if field(new, name) != field(old, name) {
            return Err(Status::bad_request(format!(
                "the {name} of the object ({}) does not match the {name} on the URL ({})",
                field(new, name),
                field(old, name)
            )));
        }
    }
    check_name(target, new)
}
