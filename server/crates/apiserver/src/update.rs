//! update: replacing an object, or only its status.
//!
//! Follows `apiserver/pkg/registry/rest/update.go` and `registry/generic/registry/store.go`: preconditions first,
//! then what the server owns is carried over, then admission and validation; an update that changes nothing is not
//! written, and one that removes the last finalizer of an object that is being deleted removes the object.

use std::sync::Arc;

use serde_json::Value;
use shared::Status;
use store::Txn;

use crate::answer::{Answer, Outcome, Proposal, Reply};
use crate::create::validate;
use crate::decoded::Decoded;
use crate::errors::{Errors, Path};
use crate::item::{Item, encode};
use crate::server::{ApiServer, Context, Phase, Target};
use crate::strategy::Generation;
use crate::value::{Fields, as_object, each, field, int, items, object, put, text};
use crate::{admission, allocate, body, convert, meta};

/// Which part of an object a write is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All but the status.
    Object,
    /// Only the status (and what of metadata goes with it).
    Status,
    /// Only a Namespace's `spec.finalizers`.
    Finalize,
    /// Only a Pod's `spec.ephemeralContainers`.
    Ephemeral,
    /// Only the resources of a Pod's containers.
    Resize,
    /// Only the conditions by which a signing request is approved or denied.
    Approval,
}

impl Part {
    pub(crate) fn of(subresource: &str) -> Self {
        match subresource {
            "status" => Self::Status,
            "finalize" => Self::Finalize,
            "ephemeralcontainers" => Self::Ephemeral,
            "resize" => Self::Resize,
            "approval" => Self::Approval,
            _ => Self::Object,
        }
    }

    /// True when it is about what is wanted rather than what is.
    fn is_of_spec(self) -> bool {
        matches!(self, Self::Object | Self::Ephemeral | Self::Resize)
    }
}

/// A new state of an object, on its way to the store.
pub(crate) struct Update {
    /// The object as stored.
    pub(crate) current: Item,
    /// What it should become.
    pub(crate) new: Value,
    pub(crate) part: Part,
    /// True when it carries its managed fields already.
    pub(crate) is_applied: bool,
}

impl ApiServer {
    pub(crate) fn update(
        &self,
        target: &Target<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<Outcome, Status> {
        let mut new = body::object(target, ctx)?;
        check_name(target, &new)?;
        meta::check_namespace(&mut new, target)?;
        let part = Part::of(&target.request.subresource);
        match target.find(ctx.snapshot) {
            Some(_) if target.strategy.requires_version && !names_version(&new) => {
                Err(version_required(target))
            }
            Some(current) => self.write(
                target,
                Update {
                    current,
                    new,
                    part,
                    is_applied: false,
                },
                ctx,
            ),
            None if target.strategy.create_on_update
                && part == Part::Object
                && text(&new, "/metadata/resourceVersion").is_empty() =>
            {
                self.create_object(target, new, false, ctx)
            }
            None => Err(target.not_found()),
        }
    }

    /// Takes a new state of an existing object to the store.
    pub(crate) fn write(
        &self,
        target: &Target<'_>,
        update: Update,
        ctx: &mut Context<'_>,
    ) -> Result<Outcome, Status> {
        let Update {
            current,
            mut new,
            part,
            is_applied,
        } = update;
        let conditional = check_preconditions(target, &new, &current)?;
        let old = current.object()?.clone();
        let old = old.value();
        meta::prepare_update(&mut new, old);
        restrict(target, part, &mut new, old);
        (target.strategy.defaults)(&mut new);
        if !is_applied {
            target.track(ctx.now, Some(old), &mut new);
        }
        ctx.observer.enter(Phase::Admission);
        admission::admit(self, target, &mut new, Some(old), ctx)?;
        if part.is_of_spec() {
            (target.strategy.prepare_update)(&mut new, old);
            count_generation(target.strategy.generation, &mut new, old);
        } else {
            (target.strategy.prepare_status)(&mut new, old, ctx.now);
        }
        ctx.observer.enter(Phase::Validation);
        validate(target, part, &new, Some(old))?;
        if is_finished(target, &new) {
            let proposal = self.remove(target, &current, new, 200)?;
            return Ok(proposal.conditional(conditional).into());
        }
        let claims = allocate::on_write(self, target, &mut new, Some(old), ctx)?;
        let revision = current.revision();
        crate::item::set_revision(&mut new, revision);
        if &new == old {
            return Ok(Answer::Object(current).ok());
        }
        if target.request.options.dry_run {
            return Ok(Answer::Object(Item::made(target.kind, new)).ok());
        }
        convert::to_storage(target.kind, &mut new);
        let bytes = encode(convert::storage_kind(target.kind), &new)?;
        convert::from_storage(target.kind, &mut new);
        let txn =
            Txn::update(target.key(&target.request.name), bytes.clone(), revision).and(claims);
        let reply = Reply::Written {
            kind: target.kind,
            bytes,
            decoded: Arc::new(Decoded::at_hand(new)),
        };
        Ok(Proposal::new(txn, reply, 200, target.modified())
            .conditional(conditional)
            .into())
    }
}

impl From<Proposal> for Outcome {
    fn from(proposal: Proposal) -> Self {
        Self::Commit(Box::new(proposal))
    }
}

/// The body's name must be the path's.
pub(crate) fn check_name(target: &Target<'_>, new: &Value) -> Result<(), Status> {
    let (name, asked) = (text(new, "/metadata/name"), target.request.name.as_str());
    if name == asked {
        return Ok(());
    }
    Err(Status::bad_request(if name.is_empty() {
        "name must be provided".to_owned()
    } else {
        format!("the name of the object ({name}) does not match the name on the URL ({asked})")
    }))
}

/// True when the object says which version it is a change of.
fn names_version(new: &Value) -> bool {
    !matches!(text(new, "/metadata/resourceVersion"), "" | "0")
}

/// 422 as the store of the original words it: about the resource, not the kind.
fn version_required(target: &Target<'_>) -> Status {
    let mut errors = Errors::default();
    let metadata = Path::new("metadata");
    let why = "must be specified for an update";
    errors.invalid(&metadata.field("resourceVersion"), 0, why);
    let (plural, group) = (target.kind.plural, target.kind.group);
    Status::invalid(plural, group, &target.request.name, errors.into_causes())
}

/// Checks uid and resourceVersion; true when the request named a resourceVersion.
fn check_preconditions(target: &Target<'_>, new: &Value, current: &Item) -> Result<bool, Status> {
    let (uid, stored) = (text(new, "/metadata/uid"), current.object()?.uid());
    if !uid.is_empty() && uid != stored {
        let key = target.key(&target.request.name);
        return Err(target.conflict(&format!(
            "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: {stored}"
        )));
    }
    let version = text(new, "/metadata/resourceVersion");
    if !names_version(new) {
        return Ok(false);
    }
    if version.parse() == Ok(current.revision().0) {
        Ok(true)
    } else {
        Err(target.modified())
    }
}

/// Puts back what this part of the object's API does not change.
fn restrict(target: &Target<'_>, part: Part, new: &mut Value, old: &Value) {
    match part {
        Part::Object => {
            if target.kind.subresource("status").is_some() {
                meta::keep(new, old, "status");
            }
            if target.kind.subresource("finalize").is_some() {
                let kept = old.pointer("/spec/finalizers").cloned();
                put(object(new, "spec"), "finalizers", kept);
            }
        }
        Part::Status => {
            put_back_all_but(new, old, &["metadata", "status"]);
            let metadata = object(new, "metadata");
            let before = |name: &str| old.get("metadata").and_then(|m| m.get(name)).cloned();
            put(metadata, "ownerReferences", before("ownerReferences"));
            put(metadata, "finalizers", before("finalizers"));
            if target.strategy.status_keeps_labels {
                put(metadata, "labels", before("labels"));
            }
        }
        Part::Finalize => keep_only(new, old, "spec", "finalizers"),
        Part::Ephemeral => keep_only(new, old, "spec", "ephemeralContainers"),
        Part::Approval => keep_only(new, old, "status", "conditions"),
        Part::Resize => {
            let (metadata, wanted) = (new.get("metadata").cloned(), new.get("spec").cloned());
            *new = old.clone();
            put(as_object(new), "metadata", metadata);
            take_resources(object(new, "spec"), &wanted.unwrap_or_default());
        }
    }
}

/// Makes all fields what they were, except for some.
fn put_back_all_but(new: &mut Value, old: &Value, names: &[&str]) {
    let fields = as_object(new);
    fields.retain(|name, _| names.contains(&name.as_str()) || old.get(name).is_some());
    for (name, before) in old.as_object().into_iter().flatten() {
        if !names.contains(&name.as_str()) && fields.get(name) != Some(before) {
            fields.insert(name.clone(), before.clone());
        }
    }
}

/// The old object with new metadata and one new field.
fn keep_only(new: &mut Value, old: &Value, part: &str, name: &str) {
    let field = new.get(part).and_then(|p| p.get(name)).cloned();
    let metadata = new.get("metadata").cloned();
    *new = old.clone();
    put(as_object(new), "metadata", metadata);
    put(object(new, part), name, field);
}

/// Takes over what a resize may change, for containers that are in both.
fn take_resources(spec: &mut Fields, wanted: &Value) {
    for list in ["containers", "initContainers"] {
        let asked = items(wanted, &format!("/{list}"));
        each(spec, list, |container| {
            let name = container.get("name").and_then(Value::as_str);
            if let Some(asked) = asked.iter().find(|c| Some(field(c, "name")) == name) {
                for part in ["resources", "resizePolicy"] {
                    put(container, part, asked.get(part).cloned());
                }
            }
        });
    }
}

fn count_generation(rule: Generation, new: &mut Value, old: &Value) {
    let differs = |pointer: &str| new.pointer(pointer) != old.pointer(pointer);
    let changed = match rule {
        Generation::None => false,
        Generation::Spec => differs("/spec"),
        Generation::SpecAndAnnotations => differs("/spec") || differs("/metadata/annotations"),
        Generation::Everything => {
            let rest = |v: &Value| {
                let mut fields = v.as_object().cloned().unwrap_or_default();
                fields.remove("metadata");
                fields
            };
            differs("/metadata/labels") || rest(new) != rest(old)
        }
    };
    if changed {
        meta::bump_generation(new);
    }
}

/// True when an object that is being deleted has nothing left that holds it.
fn is_finished(target: &Target<'_>, new: &Value) -> bool {
    let deleting = new.pointer("/metadata/deletionTimestamp").is_some();
    let held_by_spec = target.kind.subresource("finalize").is_some()
        && new
            .pointer("/spec/finalizers")
            .and_then(Value::as_array)
            .is_some_and(|f| !f.is_empty());
    deleting
        && int(new, "/metadata/deletionGracePeriodSeconds").unwrap_or(0) == 0
        && meta::finalizers(new).next().is_none()
        && !held_by_spec
}
