//! Tokens of service accounts for the pods' volumes: asked for by TokenRequest, kept while they are fresh.
//!
//! Rules: `pkg/kubelet/token` of the original. A token is bound to its pod; it is renewed when four fifths of its life
//! are over, at the latest after a day.

use std::collections::BTreeMap;

use client::{Answer, Body, Request, Verb};
use serde_json::json;
use shared::{KindRef, Millis, Object, Status};

use crate::runtime::PodUid;
use crate::spec::{PodSpec, TokenFile};

/// How long a token lives unless the volume says otherwise.
const LIFE_S: u64 = 3600;
/// How soon a renewal that failed is tried again.
const RETRY_MS: u64 = 60_000;
/// The oldest that a token may get.
const AGE_MAX_MS: u64 = 24 * 3_600_000;

/// Names a token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TokenKey {
    pub(crate) pod: PodUid,
    pod_name: String,
    namespace: String,
    account: String,
    audience: String,
    life_s: u64,
}

/// The tokens of a node's pods. There are as many as the pods' volumes name.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    entries: BTreeMap<TokenKey, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    token: Option<Token>,
    in_flight: bool,
    failure: Option<String>,
}

#[derive(Debug)]
struct Token {
    text: String,
    renew_at: Millis,
    expires: Millis,
}

impl Entry {
    /// No answer: an old token serves until it expires, and is renewed later.
    fn failed(&mut self, why: &str, now: Millis) {
        match &mut self.token {
            Some(token) if token.expires > now => token.renew_at = now.plus_ms(RETRY_MS),
            _ => self.failure = Some(why.into()),
        }
    }
}

/// How a token stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing<'a> {
    Here(&'a str),
    Asked,
    Failed(&'a str),
}

impl TokenKey {
    /// The token that a volume of a pod wants.
    pub(crate) fn new(pod: &Object, spec: &PodSpec, file: &TokenFile) -> Self {
        let account = match spec.service_account_name.as_str() {
            "" => "default",
            name => name,
        };
        Self {
            pod: pod.uid().into(),
            pod_name: pod.name().into(),
            namespace: pod.namespace().into(),
            account: account.into(),
            audience: file.audience.clone(),
            life_s: file.expiration_seconds.unwrap_or(LIFE_S),
        }
    }

    /// Every token that the volumes of a pod want.
    pub(crate) fn all(pod: &Object, spec: &PodSpec) -> Vec<Self> {
        let projected = spec.volumes.iter().filter_map(|v| v.projected.as_ref());
        let files = projected.flat_map(|p| &p.sources);
        files
            .filter_map(|s| s.service_account_token.as_ref())
            .map(|f| Self::new(pod, spec, f))
            .collect()
    }

    /// The TokenRequest (`POST serviceaccounts/NAME/token`).
    pub(crate) fn request(&self) -> Request {
        let mut spec = json!({
            "expirationSeconds": self.life_s,
            "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": self.pod_name, "uid": self.pod},
        });
        if let (false, Some(map)) = (self.audience.is_empty(), spec.as_object_mut()) {
            map.insert("audiences".into(), json!([self.audience]));
        }
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {"name": self.account, "namespace": self.namespace},
            "spec": spec,
        });
        let kind = KindRef::new("", "v1", "serviceaccounts");
        let mut request = Request::create(kind, json!({})).on("token");
        request.verb = Verb::Create;
        request.namespace.clone_from(&self.namespace);
        request.name.clone_from(&self.account);
        request.body = Body::Object(body);
        request
    }
}

impl Tokens {
    /// Whether a token has to be asked for now: there is none that is fresh, and nobody has asked. Whoever gets `true`
    /// asks.
    pub(crate) fn ask(&mut self, key: &TokenKey, now: Millis) -> bool {
        let entry = self.entries.entry(key.clone()).or_default();
        let fresh = entry.token.as_ref().is_some_and(|t| t.renew_at > now);
        if fresh || entry.in_flight || entry.failure.is_some() {
            return false;
        }
        entry.in_flight = true;
        true
    }

    /// How a token stands: one that could not be renewed serves until it expires.
    pub(crate) fn standing(&self, key: &TokenKey, now: Millis) -> Standing<'_> {
        let entry = self.entries.get(key);
        let token = entry.and_then(|e| e.token.as_ref());
        match (token, entry.and_then(|e| e.failure.as_deref())) {
            (Some(token), _) if token.expires > now => Standing::Here(&token.text),
            (_, Some(why)) => Standing::Failed(why),
            _ => Standing::Asked,
        }
    }

    /// When a token wants to be renewed.
    pub(crate) fn renew_at(&self, key: &TokenKey) -> Option<Millis> {
        let token = self.entries.get(key)?.token.as_ref()?;
        Some(token.renew_at)
    }

    /// Takes in the answer to a request.
    pub(crate) fn answered(
        &mut self,
        key: &TokenKey,
        answer: &Result<Answer, Status>,
        now: Millis,
    ) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        entry.in_flight = false;
        let status = answer.as_ref().map(|a| a.object());
        match status {
            Ok(Some(object)) if !object.text("/status/token").is_empty() => {
                let told = Millis::parse_rfc3339(object.text("/status/expirationTimestamp"));
                let expires = told.unwrap_or(now.plus_secs(key.life_s));
                let life = expires.since(now);
                entry.token = Some(Token {
                    text: object.text("/status/token").into(),
                    renew_at: now.plus_ms((life / 5 * 4).min(AGE_MAX_MS)),
                    expires,
                });
            }
            Ok(_) => entry.failed("the answer holds no token", now),
            Err(status) => entry.failed(&status.message, now),
        }
    }

    /// A failure was told to the user: the next look asks again.
    pub(crate) fn forgive(&mut self, key: &TokenKey) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.failure = None;
        }
    }

    /// A pod is gone, and its tokens with it.
    pub(crate) fn forget(&mut self, pod: &str) {
        self.entries.retain(|key, _| key.pod != pod);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> TokenKey {
        let pod = Object::new(json!({"metadata": {"name": "p", "namespace": "a", "uid": "u"}}));
        let file = TokenFile {
            audience: "vault".into(),
            expiration_seconds: Some(1000),
            path: "token".into(),
        };
        TokenKey::new(&pod, &PodSpec::default(), &file)
    }

    fn token(text: &str, expires: u64) -> Result<Answer, Status> {
        let at = Millis(expires).rfc3339();
        let status = json!({"token": text, "expirationTimestamp": at});
        Ok(Answer::Object(Object::new(json!({"status": status}))))
    }

    #[test]
    fn the_request_names_account_audience_and_pod() {
        let request = key().request();
        assert_eq!(
            (request.name.as_str(), request.subresource.as_str()),
            ("default", "token")
        );
        let Body::Object(body) = request.body else {
            panic!("a create")
        };
        assert_eq!(
            body["spec"],
            json!({"audiences": ["vault"], "expirationSeconds": 1000,
                "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}})
        );
    }

    #[test]
    fn tokens_are_renewed_in_time_and_serve_until_they_expire() {
        let (key, mut tokens) = (key(), Tokens::default());
        assert!(tokens.ask(&key, Millis(0)) && !tokens.ask(&key, Millis(0)));
        assert_eq!(tokens.standing(&key, Millis(0)), Standing::Asked);
        tokens.answered(&key, &token("one", 1_000_000), Millis(0));
        assert_eq!(tokens.standing(&key, Millis(0)), Standing::Here("one"));
        assert_eq!(tokens.renew_at(&key), Some(Millis(800_000)));
        assert!(!tokens.ask(&key, Millis(799_999)) && tokens.ask(&key, Millis(800_000)));
        let refused = Err(Status::failure(503, "ServiceUnavailable", "not now"));
        tokens.answered(&key, &refused, Millis(800_000));
        assert_eq!(
            tokens.standing(&key, Millis(900_000)),
            Standing::Here("one")
        );
        assert_eq!(tokens.renew_at(&key), Some(Millis(860_000)));
        assert_eq!(tokens.standing(&key, Millis(1_000_000)), Standing::Asked);
        assert!(tokens.ask(&key, Millis(1_000_000)));
        tokens.answered(&key, &refused, Millis(1_000_000));
        let failed = Standing::Failed("not now");
        assert_eq!(tokens.standing(&key, Millis(1_000_000)), failed);
        assert!(!tokens.ask(&key, Millis(1_000_000)));
        tokens.forgive(&key);
        assert!(tokens.ask(&key, Millis(1_000_000)));
        tokens.forget("u");
        assert_eq!(tokens.renew_at(&key), None);
    }
}
