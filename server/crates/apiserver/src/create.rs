//! create: from a body to a transaction.
//!
//! Order as in the original (`apiserver/pkg/endpoints/handlers/create.go`, `registry/rest/create.go`): decode,
//! default, record managed fields, admit, prepare, validate, store.

use std::sync::Arc;

use serde_json::Value;
use shared::Status;
use store::Txn;

use crate::answer::{Answer, Outcome, Proposal, Reply};
use crate::decoded::Decoded;
use crate::errors::Errors;
use crate::item::{Item, encode};
use crate::server::{ApiServer, Context, Phase, Target};
use crate::update::Part;
use crate::value::text;
use crate::{admission, allocate, body, convert, meta, quota, refuse};

impl ApiServer {
    pub(crate) fn create(
        &self,
        target: &Target<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<Outcome, Status> {
        if !target.request.name.is_empty() {
            return Err(refuse::method_not_allowed());
        }
        let value = body::object(target, ctx)?;
        self.create_object(target, value, false, ctx)
    }

    /// Creates `value`. `is_applied` when it carries its managed fields already.
    pub(crate) fn create_object(
        &self,
        target: &Target<'_>,
        mut value: Value,
        is_applied: bool,
        ctx: &mut Context<'_>,
    ) -> Result<Outcome, Status> {
        let sent_version = !text(&value, "/metadata/resourceVersion").is_empty();
        let is_named = !text(&value, "/metadata/name").is_empty();
        meta::prepare_create(&mut value, target, ctx)?;
        (target.strategy.defaults)(&mut value);
        if !is_applied {
            target.track(ctx.now, None, &mut value);
        }
        ctx.observer.enter(Phase::Admission);
        admission::admit(self, target, &mut value, None, ctx)?;
        (target.strategy.prepare_create)(&mut value, ctx.now);
        (target.strategy.fill_in)(&mut value, ctx);
        ctx.observer.enter(Phase::Validation);
        validate(target, Part::Object, &value, None)?;
        if sent_version {
            return Err(Status::failure(
                500,
                "",
                "resourceVersion should not be set on objects to be created",
            ));
        }
        let name = text(&value, "/metadata/name").to_owned();
        let key = target.key(&name);
        if ctx.snapshot.get(&key).is_some() {
            return Err(already_exists(target, &name, is_named));
        }
        let charged = quota::charge(target, &value, ctx)?;
        let claims = allocate::on_write(self, target, &mut value, None, ctx)?.and(charged);
        convert::to_storage(target.kind, &mut value);
        let bytes = encode(convert::storage_kind(target.kind), &value)?;
        convert::from_storage(target.kind, &mut value);
        if target.request.options.dry_run {
            return Ok(Outcome::Answer(
                Answer::Object(Item::made(target.kind, value)),
                201,
            ));
        }
        let txn = Txn::create(key, bytes.clone()).and(claims);
        let conflict = already_exists(target, &name, is_named);
        let reply = Reply::Written {
            kind: target.kind,
            bytes,
            decoded: Arc::new(Decoded::at_hand(value)),
        };
        Ok(Outcome::Commit(Box::new(Proposal::new(
            txn, reply, 201, conflict,
        ))))
    }
}

/// 409; whoever left the name to the server may try again.
fn already_exists(target: &Target<'_>, name: &str, is_named: bool) -> Status {
    let mut status = Status::already_exists(target.kind.plural, target.kind.group, name);
    if !is_named {
        status
            .message
            .push_str(", the server was not able to generate a unique name for the object");
        if let Some(details) = &mut status.details {
            details.retry_after_seconds = Some(1);
        }
    }
    status
}

/// Checks an object to store, against the one before it if there is one.
pub(crate) fn validate(
    target: &Target<'_>,
    part: Part,
    new: &Value,
    old: Option<&Value>,
) -> Result<(), Status> {
    let strategy = target.strategy;
    let mut errors = Errors::default();
    meta::validate(new, strategy.check_name, &mut errors);
    if let Some(old) = old {
        meta::validate_update(new, old, &mut errors);
    }
    if part != Part::Status {
        // Of a status, the rest is as it was stored; its own rules are among `validate_parts`.
        (strategy.validate)(new, &mut errors);
    }
    if old.is_none() {
        (strategy.validate_new)(new, &mut errors);
    }
    if let Some(old) = old {
        let sub = target.request.subresource.as_str();
        let own = strategy.validate_parts.iter().find(|(p, _)| *p == sub);
        own.map_or(strategy.validate_update, |(_, check)| *check)(new, old, &mut errors);
    }
    if errors.is_empty() {
        return Ok(());
    }
    let name = text(new, "/metadata/name");
    Err(Status::invalid(
        target.kind.kind,
        target.kind.group,
        name,
        errors.into_causes(),
    ))
}
