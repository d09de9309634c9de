//! Kinds that are asked rather than stored: access reviews, who one is, and the old form of binding a pod.

use client::Request;
use serde_json::{Value, json};
use shared::Status;
use shared::status::Cause;

use crate::answer::{Answer, Outcome};
use crate::authz::{Attributes, Decision};
use crate::body;
use crate::item::Item;
use crate::server::{ApiServer, Context, Target, User};
use crate::strategy;
use crate::value::{as_object, entries, items, text};

impl ApiServer {
    /// Answers a request for a kind that is not stored; `None` for all others.
    pub(crate) fn review(
        &self,
        target: &Target<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<Option<Outcome>, Status> {
        let status: fn(&Self, &Value, &Context<'_>) -> Result<Value, Status> =
            match target.kind.kind {
                "SelfSubjectAccessReview" => Self::own_access,
                "SubjectAccessReview" => Self::access,
                "LocalSubjectAccessReview" => Self::local_access,
                "TokenReview" => Self::token_owner,
                "SelfSubjectRulesReview" => Self::own_rules,
                "SelfSubjectReview" => Self::own_name,
                "Binding" => return self.bind_by_body(target, ctx).map(Some),
                _ => return Ok(None),
            };
        let mut review = body::object(target, ctx)?;
        let status = status(self, &review, ctx)?;
        as_object(&mut review).insert("status".into(), status);
        Ok(Some(Outcome::Answer(
            Answer::Object(Item::made(target.kind, review)),
            201,
        )))
    }

    fn bind_by_body(&self, target: &Target<'_>, ctx: &mut Context<'_>) -> Result<Outcome, Status> {
        let binding = body::object(target, ctx)?;
        let pods = shared::KindRef::new("", "v1", "pods");
        let kind = self
            .registry
            .find(&pods)
            .ok_or_else(crate::refuse::no_such_resource)?;
        let request = Request {
            kind: pods,
            name: text(&binding, "/metadata/name").into(),
            subresource: "binding".into(),
            ..target.request.clone()
        };
        let target = Target {
            kind,
            strategy: strategy::of(kind),
            request: &request,
            schema: target.schema,
        };
        self.bind(&target, &binding, ctx)
    }

    fn own_access(&self, review: &Value, ctx: &Context<'_>) -> Result<Value, Status> {
        check_attributes(review)?;
        Ok(self.judge(review, ctx.user, ctx))
    }

    fn access(&self, review: &Value, ctx: &Context<'_>) -> Result<Value, Status> {
        let extra = entries(review, "/spec/extra").map(|(key, values)| {
            let values = values.as_array().into_iter().flatten();
            let values = values.filter_map(Value::as_str).map(str::to_owned);
            (key.to_lowercase(), values.collect())
        });
        let user = User {
            name: text(review, "/spec/user").into(),
            uid: text(review, "/spec/uid").into(),
            groups: texts(review, "/spec/groups"),
            extra: extra.collect(),
        };
        check_attributes(review)?;
        if user.name.is_empty() && user.groups.is_empty() {
            let why = "at least one of user or group must be specified";
            return Err(invalid(review, "spec.user", "\"\"", why));
        }
        Ok(self.judge(review, &user, ctx))
    }

    /// The same about one namespace, which path and body must agree on.
    fn local_access(&self, review: &Value, ctx: &Context<'_>) -> Result<Value, Status> {
        let at = text(review, "/metadata/namespace");
        let about = text(review, "/spec/resourceAttributes/namespace");
        if about != at {
            return Err(Status::bad_request(format!(
                "spec.resourceAttributes.namespace must match namespace: {at}"
            )));
        }
        self.access(review, ctx)
    }

    fn judge(&self, review: &Value, user: &User, ctx: &Context<'_>) -> Value {
        let of = |name: &str| text(review, &format!("/spec/resourceAttributes/{name}"));
        let path = text(review, "/spec/nonResourceAttributes/path");
        let verb = if path.is_empty() {
            of("verb")
        } else {
            text(review, "/spec/nonResourceAttributes/verb")
        };
        let attributes = Attributes {
            user,
            verb,
            group: of("group"),
            resource: of("resource"),
            subresource: of("subresource"),
            namespace: of("namespace"),
            name: of("name"),
            path,
        };
        match self.authorizer.authorize(&attributes, ctx.snapshot) {
            Decision::Allow => match self.authorizer.reason(&attributes, ctx.snapshot) {
                reason if reason.is_empty() => json!({"allowed": true}),
                reason => json!({"allowed": true, "reason": reason}),
            },
            Decision::Deny(why) if why.is_empty() => json!({"allowed": false}),
            Decision::Deny(why) => json!({"allowed": false, "reason": why}),
        }
    }

    /// What the user may do in a namespace.
    fn own_rules(&self, review: &Value, ctx: &Context<'_>) -> Result<Value, Status> {
        let namespace = text(review, "/spec/namespace");
        if namespace.is_empty() {
            return Err(Status::bad_request("no namespace on request"));
        }
        let found = self.authorizer.rules(ctx.user, namespace, ctx.snapshot);
        let is_path = |rule: &Value| rule.get("nonResourceURLs").is_some();
        let (paths, resources): (Vec<Value>, Vec<Value>) =
            found.rules.into_iter().partition(is_path);
        let mut status = json!({
            "resourceRules": resources,
            "nonResourceRules": paths,
            "incomplete": !found.errors.is_empty(),
        });
        if !found.errors.is_empty() {
            status["evaluationError"] = found.errors.join(", ").into();
        }
        Ok(status)
    }

    fn own_name(&self, _review: &Value, ctx: &Context<'_>) -> Result<Value, Status> {
        Ok(json!({"userInfo": user_info(ctx.user)}))
    }

    /// Whose token it is, if it is believed.
    fn token_owner(&self, review: &Value, ctx: &Context<'_>) -> Result<Value, Status> {
        let token = text(review, "/spec/token");
        if token.is_empty() {
            return Err(Status::bad_request(
                "token is required for TokenReview in authentication",
            ));
        }
        let audiences = texts(review, "/spec/audiences");
        match self.authenticate(token, &audiences, ctx.snapshot, ctx.now) {
            Ok((user, meant)) => Ok(json!({
                "authenticated": true,
                "user": user_info(&user),
                "audiences": meant,
            })),
            Err(why) => Ok(json!({"user": {}, "error": why.to_string()})),
        }
    }
}

/// `authentication.k8s.io/v1` UserInfo.
fn user_info(user: &User) -> Value {
    let mut info = json!({"username": user.name, "groups": user.groups});
    if !user.uid.is_empty() {
        info["uid"] = user.uid.as_str().into();
    }
    if !user.extra.is_empty() {
        info["extra"] = json!(user.extra);
    }
    info
}

/// A review is about a resource or about a path.
fn check_attributes(review: &Value) -> Result<(), Status> {
    let has = |name: &str| review.pointer(&format!("/spec/{name}")).is_some();
    let why = match (has("resourceAttributes"), has("nonResourceAttributes")) {
        (true, true) => "cannot be specified in combination with resourceAttributes",
        (false, false) => {
            "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        }
        _ => return Ok(()),
    };
    let (field, value) = if has("resourceAttributes") {
        ("spec.nonResourceAttributes", "{}")
    } else {
        ("spec.resourceAttributes", "null")
    };
    Err(invalid(review, field, value, why))
}

fn invalid(review: &Value, field: &str, value: &str, why: &str) -> Status {
    let cause = Cause {
        reason: "FieldValueInvalid".into(),
        message: format!("Invalid value: {value}: {why}"),
        field: field.into(),
    };
    Status::invalid(
        text(review, "/kind"),
        "authorization.k8s.io",
        "",
        vec![cause],
    )
}

fn texts(value: &Value, pointer: &str) -> Vec<String> {
    let all = items(value, pointer).iter().filter_map(Value::as_str);
    all.map(str::to_owned).collect()
}
