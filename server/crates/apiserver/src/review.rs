//! Kinds that are asked rather than stored: access reviews, who one is, and the old form of binding a pod.

use client::Request;
use serde_json::{Value, json};
use shared::Status;

use crate::answer::{Answer, Outcome};
use crate::authz::{Attributes, Decision};
use crate::body;
use crate::item::Item;
use crate::server::{ApiServer, Context, Target, User};
use crate::strategy;
use crate::value::{as_object, items, text};

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
                "SubjectAccessReview" | "LocalSubjectAccessReview" => Self::access,
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
        Ok(self.judge(review, ctx.user, ctx))
    }

    fn access(&self, review: &Value, ctx: &Context<'_>) -> Result<Value, Status> {
        let user = User {
            name: text(review, "/spec/user").into(),
            uid: text(review, "/spec/uid").into(),
            groups: items(review, "/spec/groups")
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        };
        if user.name.is_empty() && user.groups.is_empty() {
            let kind = text(review, "/kind");
            return Err(Status::failure(
                422,
                "Invalid",
                format!(
                    "{kind}.authorization.k8s.io \"\" is invalid: spec.user: Invalid value: \"\": at least one of user or group must be specified"
                ),
            ));
        }
        Ok(self.judge(review, &user, ctx))
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
            Decision::Allow => json!({"allowed": true}),
            Decision::Deny(why) if why.is_empty() => json!({"allowed": false}),
            Decision::Deny(why) => json!({"allowed": false, "reason": why}),
        }
    }

    /// What the user may do, as far as it can be listed: everything, or what everybody may.
    fn own_rules(&self, review: &Value, ctx: &Context<'_>) -> Result<Value, Status> {
        let namespace = text(review, "/spec/namespace");
        let anything = Attributes {
            user: ctx.user,
            verb: "*",
            group: "*",
            resource: "*",
            subresource: "",
            namespace,
            name: "",
            path: "",
        };
        if self.authorizer.authorize(&anything, ctx.snapshot) == Decision::Allow {
            return Ok(json!({
                "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
                "incomplete": false,
            }));
        }
        Ok(json!({
            "resourceRules": [
                {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]},
                {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]},
            ],
            "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version", "/version/"]}],
            "incomplete": true,
            "evaluationError": "the authorizer does not list its rules",
        }))
    }

    fn own_name(&self, _review: &Value, ctx: &Context<'_>) -> Result<Value, Status> {
        let mut info = json!({"username": ctx.user.name, "groups": ctx.user.groups});
        if !ctx.user.uid.is_empty() {
            as_object(&mut info).insert("uid".into(), ctx.user.uid.as_str().into());
        }
        Ok(json!({"userInfo": info}))
    }
}
