//! patch: JSON patch, merge patch, strategic merge patch and server-side apply.

use client::{Body, PatchKind, Request};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use shared::Status;

use crate::answer::Outcome;
use crate::errors::{Errors, Path};
use crate::item::Item;
use crate::refuse::{self, MAX_BODY_BYTES, MAX_PATCH_OPS};
use crate::server::{ApiServer, Context, Phase, Target};
use crate::update::{Part, Update, check_name};
use crate::value::{field, text};
use crate::{body, meta, yaml};

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

/// The patch of a request.
pub(crate) struct Patch {
    pub(crate) kind: PatchKind,
    value: Value,
    /// What strict decoding says about its text.
    duplicates: Vec<String>,
}

/// Reads the patch of a request.
pub(crate) fn read(request: &Request) -> Result<Patch, Status> {
    let kind = kind_of(&request.body)?;
    let value = match &request.body {
        Body::Patch(_, value) => value.clone(),
        Body::Encoded { bytes, .. } if bytes.len() > MAX_BODY_BYTES => {
            return Err(refuse::too_large());
        }
        Body::Encoded { bytes, .. } if kind == PatchKind::Apply => yaml::parse(bytes)
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
        return Ok(Patch {
            kind,
            value,
            duplicates: duplicates(kind, request),
        });
    }
    let found = body::type_name(&value);
    Err(Status::bad_request(format!(
        "error decoding patch: json: cannot unmarshal {found} into Go value of type {expected}"
    )))
}

/// What strict decoding says about keys that stand twice in the text of a patch.
fn duplicates(kind: PatchKind, request: &Request) -> Vec<String> {
    let Body::Encoded { bytes, .. } = &request.body else {
        return Vec::new();
    };
    if request.options.field_validation == "Ignore" {
        return Vec::new();
    }
    match kind {
        PatchKind::Apply => {
            // JSON is YAML too, and what most clients send; it is read much faster.
            let is_clean = serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
                && schema::duplicate_fields(bytes).is_empty();
            let found = (!is_clean).then(|| yaml::duplicate_keys(bytes)).flatten();
            Vec::from_iter(found.map(|why| format!("error converting YAML to JSON: {why}")))
        }
        PatchKind::Json => {
            let found = schema::duplicate_fields(bytes).into_iter();
            found.map(|why| format!("json patch {why}")).collect()
        }
        PatchKind::Merge | PatchKind::Strategic => schema::duplicate_fields(bytes),
    }
}

impl ApiServer {
    pub(crate) fn patch(
        &self,
        target: &Target<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<Outcome, Status> {
        ctx.observer.enter(Phase::Decode);
        let patch = read(target.request)?;
        let part = Part::of(&target.request.subresource);
        let current = target.find(ctx.snapshot);
        if patch.kind == PatchKind::Apply {
            return self.apply(target, patch, current, part, ctx);
        }
        let current = current.ok_or_else(|| target.not_found())?;
        let old = current.object()?;
        let mut new = apply_to(target, old.value(), &patch)?;
        checked(target, &patch, old.value(), &mut new, ctx)?;
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
        patch: Patch,
        current: Option<Item>,
        part: Part,
        ctx: &mut Context<'_>,
    ) -> Result<Outcome, Status> {
        let live = match &current {
            Some(item) => Some(item.object()?.value()),
            None if part != Part::Object => return Err(target.not_found()),
            None => None,
        };
        let new = applied(target, patch, live, ctx)?;
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

/// The object, with its managed fields, after an applied configuration; without a live object a new one.
pub(crate) fn applied(
    target: &Target<'_>,
    patch: Patch,
    live: Option<&Value>,
    ctx: &mut Context<'_>,
) -> Result<Value, Status> {
    let mut applied = patch.value;
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
    let uid = text(&applied, "/metadata/uid");
    if live.is_none() && !uid.is_empty() {
        return Err(target.conflict(&format!(
            "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        )));
    }
    let mut new = target.merge_applied(ctx.now, live, &applied)?;
    if target.request.options.field_validation == "Strict" && !patch.duplicates.is_empty() {
        let why = patch.duplicates.concat();
        return Err(Status::bad_request(format!(
            "error strict decoding YAML: {why}"
        )));
    }
    let found = body::complaints_of_changes(target, &mut new, live.unwrap_or(&Value::Null));
    let refused =
        |why: String| refuse::cannot_be_handled(target.kind.version, target.kind.kind, &why);
    let all = patch.duplicates.into_iter().chain(found.map_err(refused)?);
    body::judge(target, all.collect(), ctx).map_err(refused)?;
    Ok(new)
}

/// Checks the fields of a patched object.
pub(crate) fn checked(
    target: &Target<'_>,
    patch: &Patch,
    old: &Value,
    new: &mut Value,
    ctx: &mut Context<'_>,
) -> Result<(), Status> {
    let shown = match patch.kind {
        PatchKind::Strategic => schema::go_text(&patch.value),
        _ => new.to_string(),
    };
    let found = body::complaints_of_changes(target, new, old).and_then(|found| {
        let all = patch.duplicates.iter().cloned().chain(found).collect();
        body::judge(target, all, ctx)
    });
    found.map_err(|why| {
        let mut errors = Errors::default();
        errors.invalid(&Path::new("patch"), shown, &why);
        Status::invalid("", "", "", errors.into_causes())
    })
}

/// The object after a patch that is no applied configuration.
pub(crate) fn apply_to(target: &Target<'_>, old: &Value, patch: &Patch) -> Result<Value, Status> {
    let mut new = old.clone();
    match patch.kind {
        PatchKind::Json => json_patch(&mut new, &patch.value)?,
        PatchKind::Merge => json_patch::merge(&mut new, &patch.value),
        PatchKind::Strategic => new = target.strategic_merge(old, &patch.value)?,
        PatchKind::Apply => return Err(refuse::unsupported_media_type()),
    }
    if new.is_object() {
        Ok(new)
    } else {
        Err(cannot_apply())
    }
}

/// 422 for a patch that does not go with the object.
pub(crate) fn cannot_apply() -> Status {
    Status::failure(422, "Invalid", CANNOT_APPLY).with_details(shared::status::Details::default())
}

fn json_patch(value: &mut Value, patch: &Value) -> Result<(), Status> {
    let count = patch.as_array().map_or(0, Vec::len);
    if count > MAX_PATCH_OPS {
        let why = format!(
            "The allowed maximum operations in a JSON patch is {MAX_PATCH_OPS}, got {count}"
        );
        return Err(Status::failure(413, "RequestEntityTooLarge", why));
    }
    let patch: json_patch::Patch =
        serde_json::from_value(patch.clone()).map_err(|_| cannot_apply())?;
    json_patch::patch(value, &patch).map_err(|_| cannot_apply())
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
