//! Who asks: by certificate, by token, or on behalf of somebody else.

use apiserver::{Impersonation, User};
use axum::http::header::{AUTHORIZATION, HeaderMap, SEC_WEBSOCKET_PROTOCOL, USER_AGENT};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use io_driver::api::Asker;
use shared::flow::TraceId;
use shared::{Revision, Status};

use super::{ApiState, text};
use crate::https::CAUSE;
use crate::serve::Peer;

/// How a browser's WebSocket carries a token, which cannot send headers of its own
/// (`apiserver/pkg/authentication/request/websocket`).
pub(super) const TOKEN_PROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";
/// Headers that name a part of whom to impersonate.
const IMPERSONATE_EXTRA: &str = "impersonate-extra-";
/// The key of a user's extra fields that names the credential they came with.
const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

impl ApiState {
    /// Finds out who asks, and by what they did.
    ///
    /// # Errors
    /// 401 for a token that is not believed, 403 for an impersonation that is not allowed.
    pub(super) fn asker(&self, headers: &HeaderMap, peer: Option<&Peer>) -> Result<Asker, Status> {
        let (caller, agent) = match &self.identity {
            Some((user, agent)) => (user.clone(), agent.clone()),
            None => (self.authenticate(headers, peer)?, agent_of(headers)),
        };
        let asked = impersonation(headers);
        let user = if asked.is_empty() {
            caller
        } else {
            let snapshot = self.api.snapshot();
            self.api.server().impersonate(&caller, &asked, &snapshot)?
        };
        let cause = headers
            .get(CAUSE)
            .and_then(|v| v.to_str().ok()?.parse().ok())
            .map(Revision);
        let trace = headers
            .get("traceparent")
            .and_then(|v| TraceId::from_traceparent(v.to_str().ok()?));
        let shows_reads = !user.name.starts_with("system:");
        Ok(Asker {
            user,
            agent,
            trace,
            cause,
            shows_reads,
        })
    }

    /// A certificate counts before a token; who has neither is anonymous.
    fn authenticate(&self, headers: &HeaderMap, peer: Option<&Peer>) -> Result<User, Status> {
        if let Some(subject) = peer.and_then(|p| p.subject.as_ref()) {
            let groups: Vec<&str> = subject.groups.iter().map(String::as_str).collect();
            let mut user = User::new(&subject.name, &groups);
            let credential = format!("X509SHA256={}", subject.fingerprint);
            user.extra.insert(CREDENTIAL_ID.into(), vec![credential]);
            return Ok(user);
        }
        let Some(token) = bearer(headers) else {
            return Ok(User::anonymous());
        };
        if let Some(user) = self.tokens.user(&token) {
            return Ok(user.clone());
        }
        let (api, now) = (&self.api, self.api.clock().now());
        let found = api.server().authenticate(&token, &[], &api.snapshot(), now);
        found.map(|(user, _)| user).map_err(|why| {
            tracing::debug!(%why, "a token is not believed");
            Status::failure(401, "Unauthorized", "Unauthorized")
        })
    }
}

/// The token of `Authorization: Bearer`, or of a WebSocket's protocols.
fn bearer(headers: &HeaderMap) -> Option<String> {
    let given = text(headers, &AUTHORIZATION);
    if let Some((scheme, token)) = given.split_once(' ')
        && scheme.eq_ignore_ascii_case("bearer")
        && !token.trim().is_empty()
    {
        return Some(token.trim().to_owned());
    }
    let protocols = text(headers, &SEC_WEBSOCKET_PROTOCOL);
    let encoded = protocols
        .split(',')
        .find_map(|p| p.trim().strip_prefix(TOKEN_PROTOCOL))?;
    String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}

/// The `Impersonate-*` headers.
fn impersonation(headers: &HeaderMap) -> Impersonation {
    let mut asked = Impersonation::default();
    for (name, value) in headers {
        let Ok(value) = value.to_str() else { continue };
        match name.as_str() {
            "impersonate-user" => asked.user = value.into(),
            "impersonate-uid" => asked.uid = value.into(),
            "impersonate-group" => asked.groups.push(value.into()),
            name => {
                if let Some(key) = name.strip_prefix(IMPERSONATE_EXTRA) {
                    asked.extra.push((percent_decoded(key), value.into()));
                }
            }
        }
    }
    asked
}

/// Keys of extra fields may have characters that headers may not: `%2F` stands for a slash.
fn percent_decoded(key: &str) -> String {
    let mut out = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|d| std::str::from_utf8(d).ok());
        let decoded = digits.and_then(|d| u8::from_str_radix(d, 16).ok());
        match (first, decoded) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What a client calls itself: the first word of its user agent, up to the slash.
fn agent_of(headers: &HeaderMap) -> String {
    let word = text(headers, &USER_AGENT)
        .split(['/', ' '])
        .next()
        .unwrap_or_default();
    if word.is_empty() {
        "client".into()
    } else {
        word.chars().take(64).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn tokens_come_in_headers_or_protocols() {
        let protocol = "v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.YWJj";
        for (name, value, want) in [
            ("authorization", "Bearer abc", Some("abc")),
            ("authorization", "bearer  abc ", Some("abc")),
            ("authorization", "Basic abc", None),
            ("authorization", "Bearer ", None),
            ("sec-websocket-protocol", protocol, Some("abc")),
            ("sec-websocket-protocol", "v5.channel.k8s.io", None),
        ] {
            assert_eq!(
                bearer(&headers(&[(name, value)])).as_deref(),
                want,
                "{value}"
            );
        }
    }

    #[test]
    fn whom_to_impersonate_is_in_headers() {
        let asked = impersonation(&headers(&[
            ("Impersonate-User", "bob"),
            ("Impersonate-Group", "a"),
            ("Impersonate-Group", "b"),
            ("Impersonate-Extra-Example.com%2Fteam", "x"),
            ("Accept", "*/*"),
        ]));
        assert_eq!((asked.user.as_str(), asked.groups.len()), ("bob", 2));
        assert_eq!(asked.extra, [("example.com/team".into(), "x".into())]);
        assert!(impersonation(&HeaderMap::new()).is_empty());
    }
}
