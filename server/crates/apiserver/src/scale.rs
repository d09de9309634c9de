//! `scale`: the replicas of a workload as an object of their own (`autoscaling/v1` Scale), for clients that do not
//! know the workload's kind.
//!
//! A Scale is not stored. Writing it takes the replicas over into the workload, together with who owns them.

use client::{PatchKind, Verb};
use schema::{scale_managed_fields, scaled_managed_fields};
use serde_json::{Value, json};
use shared::status::Cause;
use shared::{Kind, Status};

use crate::answer::{Answer, Outcome};
use crate::item::Item;
use crate::server::{ApiServer, Context, Target};
use crate::update::{Part, Update};
use crate::value::{int, object, put, text};
use crate::{body, patch};

/// The version that every Scale has.
pub(crate) const API_VERSION: &str = "autoscaling/v1";

/// What a Scale is in a table: no kind that is served on its own.
static SCALE: Kind = Kind {
    group: "autoscaling",
    version: "v1",
    kind: "Scale",
    plural: "scales",
    singular: "scale",
    short_names: &[],
    categories: &[],
    namespaced: true,
    verbs: &[],
    subresources: &[],
};

impl ApiServer {
    pub(crate) fn scale(
        &self,
        target: &Target<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<Outcome, Status> {
        let current = target.existing(ctx.snapshot)?;
        let old = current.object()?.to_value();
        let mut shown = scale_of(&old);
        if target.request.verb == Verb::Get {
            return Ok(Answer::Object(Item::made(&SCALE, shown)).ok());
        }
        let api_version = target.kind.api_version();
        object(&mut shown, "metadata").insert(
            "managedFields".into(),
            scale_managed_fields(&old, &api_version),
        );
        let wanted = if target.request.verb == Verb::Update {
            let mut sent = body::object(target, ctx)?;
            target.track(ctx.now, Some(&shown), &mut sent);
            sent
        } else {
            patched(target, &shown, ctx)?
        };
        crate::update::check_name(target, &wanted)?;
        check_replicas(target, &wanted)?;
        let managed = scaled_managed_fields(&old, &api_version, &wanted);
        let mut new = old;
        object(&mut new, "spec").insert(
            "replicas".into(),
            int(&wanted, "/spec/replicas").unwrap_or(0).into(),
        );
        let metadata = object(&mut new, "metadata");
        for name in ["resourceVersion", "uid"] {
            let sent = wanted.get("metadata").and_then(|m| m.get(name));
            put(metadata, name, sent.cloned());
        }
        metadata.insert("managedFields".into(), managed);
        let update = Update {
            current,
            new,
            part: Part::Object,
            is_applied: true,
        };
        show_as_scale(self.write(target, update, ctx)?)
    }
}

/// The Scale after the request's patch, with its managed fields.
fn patched(target: &Target<'_>, shown: &Value, ctx: &mut Context<'_>) -> Result<Value, Status> {
    let patch = patch::read(target.request)?;
    let mut new = if patch.kind == PatchKind::Apply {
        patch::applied(target, patch, Some(shown), ctx)?
    } else {
        let mut new = patch::apply_to(target, shown, &patch)?;
        patch::checked(target, &patch, shown, &mut new, ctx)?;
        target.track(ctx.now, Some(shown), &mut new);
        new
    };
    if text(&new, "/metadata/resourceVersion") == text(shown, "/metadata/resourceVersion") {
        // Not a condition of the patch: it came along with the object that was patched.
        object(&mut new, "metadata").remove("resourceVersion");
    }
    Ok(new)
}

fn check_replicas(target: &Target<'_>, scale: &Value) -> Result<(), Status> {
    let replicas = int(scale, "/spec/replicas").unwrap_or(0);
    if replicas >= 0 {
        return Ok(());
    }
    let cause = Cause {
        reason: "FieldValueInvalid".into(),
        message: format!("Invalid value: {replicas}: must be greater than or equal to 0"),
        field: "spec.replicas".into(),
    };
    let name = &target.request.name;
    Err(Status::invalid("Scale", "autoscaling", name, vec![cause]))
}

/// The `autoscaling/v1` Scale of a workload.
fn scale_of(value: &Value) -> Value {
    let metadata = |name: &str| value.get("metadata").and_then(|m| m.get(name)).cloned();
    let mut scale = json!({
        "kind": "Scale",
        "apiVersion": API_VERSION,
        "metadata": {},
        "spec": {},
        "status": {"replicas": int(value, "/status/replicas").unwrap_or(0)},
    });
    for name in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
    ] {
        put(object(&mut scale, "metadata"), name, metadata(name));
    }
    if let Some(replicas) = int(value, "/spec/replicas").filter(|n| *n != 0) {
        object(&mut scale, "spec").insert("replicas".into(), replicas.into());
    }
    let selector = crate::table::selector_text(value.pointer("/spec/selector"));
    if selector != "<none>" {
        object(&mut scale, "status").insert("selector".into(), selector.into());
    }
    scale
}

fn show_as_scale(outcome: Outcome) -> Result<Outcome, Status> {
    Ok(match outcome {
        Outcome::Commit(proposal) => Outcome::Commit(Box::new(proposal.made(&SCALE, scale_of))),
        Outcome::Answer(Answer::Object(item), code) => {
            let scale = scale_of(item.object()?.value());
            Outcome::Answer(Answer::Object(Item::made(&SCALE, scale)), code)
        }
        other => other,
    })
}
