//! What a token says: whose it is, for whom, until when, and what it is bound to (`pkg/serviceaccount/claims.go`).

use serde::{Deserialize, Serialize};
use shared::Millis;
use store::Snapshot;

use super::{ISSUER, TokenError};
use crate::item::parse;
use crate::server::User;
use crate::value::text;

/// How long a token outlives the deletion of what it is bound to, in milliseconds: the time that a pod takes to end
/// (`pkg/serviceaccount/claims.go`, `time60s`).
const DELETION_LEEWAY_MS: u64 = 60_000;

/// The claims of a service-account token; times are seconds since 1970.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) aud: Vec<String>,
    pub(crate) exp: u64,
    pub(crate) iat: u64,
    pub(crate) iss: String,
    pub(crate) jti: String,
    #[serde(rename = "kubernetes.io")]
    pub(crate) kubernetes: Private,
    pub(crate) nbf: u64,
    pub(crate) sub: String,
}

/// Kubernetes' own claims.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Private {
    pub(crate) namespace: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) node: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pod: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<Reference>,
    pub(crate) serviceaccount: Reference,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) warnafter: Option<u64>,
}

/// One object, and no later one of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reference {
    pub(crate) name: String,
    pub(crate) uid: String,
}

impl Claims {
    pub(super) fn check_time(&self, now: Millis) -> Result<(), TokenError> {
        let now = now.0 / 1000;
        if self.iss != ISSUER {
            return Err(TokenError::Foreign(format!(
                "it was issued by {:?}",
                self.iss
            )));
        }
        if now >= self.exp {
            return Err(TokenError::Time("service account token has expired"));
        }
        if now < self.nbf {
            return Err(TokenError::Time("service account token is not valid yet"));
        }
        Ok(())
    }

    /// Checks that the account and what the token is bound to are still the ones it was issued for.
    pub(super) fn check_objects(&self, snapshot: &Snapshot, now: Millis) -> Result<(), TokenError> {
        let (namespace, own) = (&self.kubernetes.namespace, &self.kubernetes.serviceaccount);
        let account = format!("/registry/serviceaccounts/{namespace}/{}", own.name);
        let bound = [
            (Some(own), "service account", account),
            self.bound(&self.kubernetes.pod, "pod", &format!("pods/{namespace}/")),
            self.bound(
                &self.kubernetes.secret,
                "secret",
                &format!("secrets/{namespace}/"),
            ),
        ];
        for (reference, what, key) in bound {
            if let Some(reference) = reference {
                alive(reference, what, &key, snapshot, now)?;
            }
        }
        // A token of a pod names the pod's node for information only; it is bound to the node when there is no pod.
        if let (Some(node), None) = (&self.kubernetes.node, &self.kubernetes.pod) {
            let key = format!("/registry/minions/{}", node.name);
            alive(node, "node", &key, snapshot, now)?;
        }
        Ok(())
    }

    fn bound<'a>(
        &self,
        reference: &'a Option<Reference>,
        what: &'static str,
        place: &str,
    ) -> (Option<&'a Reference>, &'static str, String) {
        let name = reference.as_ref().map_or("", |r| &r.name);
        (reference.as_ref(), what, format!("/registry/{place}{name}"))
    }

    /// The user that the token stands for.
    pub(super) fn user(&self) -> User {
        const PREFIX: &str = "authentication.kubernetes.io";
        let namespace = &self.kubernetes.namespace;
        let groups = [
            "system:serviceaccounts",
            &format!("system:serviceaccounts:{namespace}"),
        ];
        let mut user = User::new(&self.sub, &groups);
        user.uid.clone_from(&self.kubernetes.serviceaccount.uid);
        let mut put = |key: &str, value: String| {
            user.extra.insert(format!("{PREFIX}/{key}"), vec![value]);
        };
        put("credential-id", format!("JTI={}", self.jti));
        for (what, reference) in [
            ("node", &self.kubernetes.node),
            ("pod", &self.kubernetes.pod),
        ] {
            if let Some(reference) = reference {
                put(&format!("{what}-name"), reference.name.clone());
                put(&format!("{what}-uid"), reference.uid.clone());
            }
        }
        user
    }
}

fn alive(
    reference: &Reference,
    what: &str,
    key: &str,
    snapshot: &Snapshot,
    now: Millis,
) -> Result<(), TokenError> {
    let invalidated = |why: &str| TokenError::Invalidated(format!("{what} {why}"));
    let stored = snapshot
        .get(key)
        .and_then(|kv| parse(&kv.value).ok())
        .ok_or_else(|| invalidated("has been deleted"))?;
    if text(&stored, "/metadata/uid") != reference.uid {
        return Err(invalidated("UID does not match the token's claim"));
    }
    let deleted = Millis::parse_rfc3339(text(&stored, "/metadata/deletionTimestamp"));
    if deleted.is_some_and(|then| now.since(then) >= DELETION_LEEWAY_MS) {
        return Err(invalidated("has been deleted"));
    }
    Ok(())
}
