//! `POST serviceaccounts/NAME/token`: a token for an account, bound to a pod, a secret or a node if wanted.

use serde_json::{Value, json};
use shared::status::Cause;
use shared::{Millis, Status};

use super::ISSUER;
use super::claims::{Claims, Private, Reference};
use crate::answer::{Answer, Outcome};
use crate::body;
use crate::item::{Item, parse};
use crate::random::Random;
use crate::server::{ApiServer, Context, Target};
use crate::value::{int, items, object, text};

/// Life of a token that asks for none, in seconds.
const DEFAULT_LIFE_S: i64 = 3600;
/// Shortest and longest life of a token, in seconds.
const MIN_LIFE_S: i64 = 600;
const MAX_LIFE_S: i64 = 1 << 32;
/// The life that kubelets ask for on behalf of pods; such tokens live longer than they say, for clients that do not
/// read them again (`--service-account-extend-token-expiration`).
const EXTENDED_LIFE_S: i64 = 3607;
/// What it is extended to: one year.
const EXTENSION_S: i64 = 365 * 24 * 3600;

impl ApiServer {
    pub(crate) fn issue_token(
        &self,
        target: &Target<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<Outcome, Status> {
        let mut review = body::object(target, ctx)?;
        let signer = self.tokens.as_ref().ok_or_else(|| {
            Status::failure(501, "NotImplemented", "this server issues no tokens")
        })?;
        let account = target.existing(ctx.snapshot)?;
        let account = account.object()?;
        let asked = Asked::read(&mut review)?;
        let (namespace, name) = (target.request.namespace.as_str(), account.name());
        let bound = Bound::find(&asked, namespace, name, ctx)?;
        let (now, lives_s) = (ctx.now.0 / 1000, asked.life_s.unsigned_abs());
        let is_extended = asked.life_s == EXTENDED_LIFE_S
            && bound.pod.is_some()
            && asked.audiences == [ISSUER.to_owned()];
        let (exp, warnafter) = if is_extended {
            (now + EXTENSION_S.unsigned_abs(), Some(now + lives_s))
        } else {
            (now + lives_s, None)
        };
        let claims = Claims {
            aud: asked.audiences.clone(),
            exp,
            iat: now,
            iss: ISSUER.into(),
            jti: Random::new(ctx.seed, "token").uid(),
            kubernetes: Private {
                namespace: namespace.into(),
                node: bound.node,
                pod: bound.pod,
                secret: bound.secret,
                serviceaccount: Reference {
                    name: name.into(),
                    uid: account.uid().into(),
                },
                warnafter,
            },
            nbf: now,
            sub: format!("system:serviceaccount:{namespace}:{name}"),
        };
        let claims = serde_json::to_value(claims).map_err(Status::internal)?;
        let token = signer.sign(&claims).map_err(Status::internal)?;
        let expires = Millis((now + lives_s) * 1000).rfc3339();
        let created = ctx.now.rfc3339();
        review["metadata"] =
            json!({"name": name, "namespace": namespace, "creationTimestamp": created});
        review["status"] = json!({"token": token, "expirationTimestamp": expires});
        Ok(Outcome::Answer(
            Answer::Object(Item::made(target.kind, review)),
            201,
        ))
    }
}

/// What a request asks for, with defaults filled in.
struct Asked {
    audiences: Vec<String>,
    life_s: i64,
    kind: String,
    api_version: String,
    name: String,
    uid: String,
}

impl Asked {
    fn read(review: &mut Value) -> Result<Self, Status> {
        let audiences: Vec<String> = items(review, "/spec/audiences")
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        let audiences = if audiences.is_empty() {
            vec![ISSUER.to_owned()]
        } else {
            audiences
        };
        let life_s = int(review, "/spec/expirationSeconds").unwrap_or(DEFAULT_LIFE_S);
        let why = if life_s < MIN_LIFE_S {
            "may not specify a duration less than 10 minutes"
        } else if life_s > MAX_LIFE_S {
            "may not specify a duration larger than 2^32 seconds"
        } else {
            ""
        };
        if !why.is_empty() {
            let cause = Cause {
                reason: "FieldValueInvalid".into(),
                message: format!("Invalid value: {life_s}: {why}"),
                field: "spec.expirationSeconds".into(),
            };
            let name = text(review, "/metadata/name");
            let group = "authentication.k8s.io";
            return Err(Status::invalid("TokenRequest", group, name, vec![cause]));
        }
        let spec = object(review, "spec");
        spec.insert("audiences".into(), audiences.clone().into());
        spec.insert("expirationSeconds".into(), life_s.into());
        let reference = |field: &str| text(review, &format!("/spec/boundObjectRef/{field}")).into();
        Ok(Self {
            kind: reference("kind"),
            api_version: reference("apiVersion"),
            name: reference("name"),
            uid: reference("uid"),
            audiences,
            life_s,
        })
    }
}

/// What a token ends with.
#[derive(Default)]
struct Bound {
    pod: Option<Reference>,
    secret: Option<Reference>,
    node: Option<Reference>,
}

impl Bound {
    fn find(
        asked: &Asked,
        namespace: &str,
        account: &str,
        ctx: &Context<'_>,
    ) -> Result<Self, Status> {
        let mut bound = Self::default();
        let (plural, key) = match (asked.api_version.as_str(), asked.kind.as_str()) {
            ("", "") => return Ok(bound),
            ("v1", "Pod") => ("pods", format!("/registry/pods/{namespace}/{}", asked.name)),
            ("v1", "Secret") => (
                "secrets",
                format!("/registry/secrets/{namespace}/{}", asked.name),
            ),
            ("v1", "Node") => ("nodes", format!("/registry/minions/{}", asked.name)),
            (version, kind) => {
                return Err(Status::bad_request(format!(
                    "cannot bind token to object of type {version}, Kind={kind}"
                )));
            }
        };
        let stored = ctx
            .snapshot
            .get(&key)
            .map(|kv| parse(&kv.value))
            .transpose()?
            .ok_or_else(|| Status::not_found(plural, "", &asked.name))?;
        let found = reference_to(&stored);
        if !asked.uid.is_empty() && asked.uid != found.uid {
            let why = format!(
                "the UID in the bound object reference ({}) does not match the UID in record. The object might have been deleted and then recreated",
                asked.uid
            );
            return Err(Status::conflict(plural, "", &asked.name, &why));
        }
        match plural {
            "pods" => {
                if text(&stored, "/spec/serviceAccountName") != account {
                    return Err(Status::bad_request(format!(
                        "cannot bind token for serviceaccount \"{account}\" to pod running with different serviceaccount name."
                    )));
                }
                let node = text(&stored, "/spec/nodeName");
                bound.node = node_reference(node, ctx)?;
                bound.pod = Some(found);
            }
            "secrets" => bound.secret = Some(found),
            _ => bound.node = Some(found),
        }
        Ok(bound)
    }
}

fn reference_to(stored: &Value) -> Reference {
    Reference {
        name: text(stored, "/metadata/name").into(),
        uid: text(stored, "/metadata/uid").into(),
    }
}

/// The node of a pod, if it is placed on one that is known.
fn node_reference(name: &str, ctx: &Context<'_>) -> Result<Option<Reference>, Status> {
    if name.is_empty() {
        return Ok(None);
    }
    let stored = ctx.snapshot.get(&format!("/registry/minions/{name}"));
    let stored = stored.map(|kv| parse(&kv.value)).transpose()?;
    Ok(stored.as_ref().map(reference_to))
}
