//! delete: graceful for pods, held back by finalizers, immediate otherwise.
//!
//! Follows `apiserver/pkg/registry/rest/delete.go` (`BeforeDelete`) and `registry/generic/registry/store.go`
//! (`deletionFinalizersForGarbageCollection`).

use std::sync::Arc;

use client::{Body, Request, Verb};
use serde_json::Value;
use shared::status::Details;
use shared::{Millis, Object, Status};
use store::Txn;

use crate::answer::{Answer, Each, Outcome, Proposal, Reply};
use crate::decoded::Decoded;
use crate::item::{Item, encode};
use crate::options::DeleteOptions;
use crate::server::{ApiServer, Context, Phase, Target};
use crate::value::{object, put, text};
use crate::{admission, allocate, convert, meta};

/// How long a pod may take to stop when it does not say (`spec.terminationGracePeriodSeconds`).
const DEFAULT_GRACE_S: i64 = 30;

impl ApiServer {
    pub(crate) fn delete(
        &self,
        target: &Target<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<Outcome, Status> {
        if target.request.name.is_empty() {
            return Err(crate::refuse::method_not_allowed());
        }
        let options = DeleteOptions::read(target)?;
        ctx.observer.enter(Phase::Admission);
        admission::admit_delete(target)?;
        let current = target.existing(ctx.snapshot)?;
        self.delete_object(target, &current, &options, ctx)
    }

    pub(crate) fn delete_object(
        &self,
        target: &Target<'_>,
        current: &Item,
        options: &DeleteOptions,
        ctx: &mut Context<'_>,
    ) -> Result<Outcome, Status> {
        let old = current.object()?;
        let conditional = check_preconditions(target, old, options)?;
        let mut new = old.to_value();
        set_finalizers(&mut new, options);
        let held = is_held(target, &new);
        let grace = grace_seconds(target, old, options);
        if grace == 0 && !held {
            if options.dry_run {
                return Ok(Answer::Object(current.clone()).ok());
            }
            return Ok(self
                .remove(target, current, new, 200)?
                .conditional(conditional)
                .into());
        }
        mark(target, &mut new, old, grace, ctx.now);
        if &new == old.value() {
            return Ok(Answer::Object(current.clone()).ok());
        }
        if options.dry_run {
            return Ok(Answer::Object(Item::made(target.kind, new)).ok());
        }
        convert::to_storage(target.kind, &mut new);
        let bytes = encode(convert::storage_kind(target.kind), &new)?;
        convert::from_storage(target.kind, &mut new);
        let txn = Txn::update(target.key(old.name()), bytes.clone(), current.revision());
        let reply = Reply::Written {
            kind: target.kind,
            bytes,
            decoded: Arc::new(Decoded::at_hand(new)),
        };
        Ok(Proposal::new(txn, reply, 200, target.modified())
            .conditional(conditional)
            .into())
    }

    /// The transaction that removes an object and releases what it holds.
    pub(crate) fn remove(
        &self,
        target: &Target<'_>,
        current: &Item,
        last: Value,
        code: u16,
    ) -> Result<Proposal, Status> {
        let old = current.object()?;
        let txn = Txn::delete(target.key(old.name()), current.revision())
            .and(allocate::release(target, old.value()));
        let is_update = target.request.verb != Verb::Delete;
        let reply = if target.strategy.returns_deleted || is_update {
            Reply::Removed {
                kind: target.kind,
                value: last,
            }
        } else {
            Reply::Success(Details {
                name: old.name().into(),
                group: target.kind.group.into(),
                kind: target.kind.plural.into(),
                uid: old.uid().into(),
                ..Details::default()
            })
        };
        Ok(Proposal::new(txn, reply, code, target.modified()))
    }

    /// deletecollection: one delete per object, so that every object gets a revision of its own.
    pub(crate) fn delete_collection(
        &self,
        target: &Target<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<Outcome, Status> {
        DeleteOptions::read(target)?;
        let list = self.list(target, ctx)?;
        let mut requests = Vec::with_capacity(list.items.len());
        for item in &list.items {
            let object = item.object()?;
            let mut request = Request::delete(target.request.kind.clone(), &object.key(), "");
            request.options = target.request.options.clone();
            if target.request.body != Body::None {
                request.body = target.request.body.clone();
            }
            requests.push(request);
        }
        Ok(Outcome::Each(Each {
            requests,
            answer: Answer::List(list),
        }))
    }
}

/// Checks uid and resourceVersion of the options; true when there was a resourceVersion.
fn check_preconditions(
    target: &Target<'_>,
    old: &Object,
    options: &DeleteOptions,
) -> Result<bool, Status> {
    // The original names the kind here where other conflicts name the resource.
    let conflict =
        |why: String| Status::conflict(target.kind.kind, target.kind.group, old.name(), &why);
    if let Some(uid) = options.uid.as_deref().filter(|uid| *uid != old.uid()) {
        return Err(conflict(format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted and then recreated",
            old.uid()
        )));
    }
    let stored = old.text("/metadata/resourceVersion");
    if let Some(version) = options
        .resource_version
        .as_deref()
        .filter(|version| *version != stored)
    {
        return Err(conflict(format!(
            "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({stored}). The object might have been modified"
        )));
    }
    Ok(options.resource_version.is_some())
}

/// Adds or removes the garbage collector's finalizers as the propagation policy says.
fn set_finalizers(value: &mut Value, options: &DeleteOptions) {
    let wanted = match options.propagation_policy.as_str() {
        "Foreground" => Some("foregroundDeletion"),
        "Orphan" => Some("orphan"),
        "Background" => None,
        _ => return,
    };
    let kept = meta::finalizers(value).filter(|f| !matches!(*f, "foregroundDeletion" | "orphan"));
    let all: Vec<Value> = kept.chain(wanted).map(Value::from).collect();
    put(
        object(value, "metadata"),
        "finalizers",
        (!all.is_empty()).then_some(Value::Array(all)),
    );
}

/// True when something has to happen before the object may go.
fn is_held(target: &Target<'_>, value: &Value) -> bool {
    let by_spec = target.kind.subresource("finalize").is_some()
        && value
            .pointer("/spec/finalizers")
            .and_then(Value::as_array)
            .is_some_and(|f| !f.is_empty());
    by_spec || meta::finalizers(value).next().is_some()
}

/// How long the object may take to stop, in seconds: only pods that run somewhere get any time.
fn grace_seconds(target: &Target<'_>, old: &Object, options: &DeleteOptions) -> i64 {
    if (target.kind.group, target.kind.plural) != ("", "pods") {
        return 0;
    }
    if old.text("/spec/nodeName").is_empty() || shared::view::pod::is_terminal(old) {
        return 0;
    }
    let asked = options.grace_period_seconds;
    asked
        .or_else(|| old.int("/spec/terminationGracePeriodSeconds"))
        .unwrap_or(DEFAULT_GRACE_S)
        .max(0)
}

/// Marks the object as being deleted; a second delete may only shorten the time it has.
fn mark(target: &Target<'_>, new: &mut Value, old: &Object, grace: i64, now: Millis) {
    let at = now.plus_secs(u64::try_from(grace).unwrap_or(0));
    match (
        old.deletion(),
        old.int("/metadata/deletionGracePeriodSeconds"),
    ) {
        (None, _) => meta::set_deletion(new, at, grace),
        (Some(planned), Some(before)) if grace < before => {
            let began = planned
                .0
                .saturating_sub(u64::try_from(before).unwrap_or(0) * 1000);
            let sooner = Millis(began)
                .plus_secs(u64::try_from(grace).unwrap_or(0))
                .0
                .max(now.0);
            meta::set_deletion(new, Millis(sooner), grace);
        }
        (Some(_), _) => {}
    }
    if target.kind.subresource("finalize").is_some()
        && !text(new, "/metadata/deletionTimestamp").is_empty()
    {
        object(new, "status").insert("phase".into(), "Terminating".into());
    }
}
