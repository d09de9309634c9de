//! Keeps other web pages out of the dashboard: Host, Origin and token checks, and the headers that confine the page.
//!
//! A page of another site can make a browser send requests to a loopback port, and DNS rebinding can make it look
//! like the same site. So the Host must be an address we serve, a request with an Origin must come from that same
//! Host, and every write and every stream carries a token that only our own page was given.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, ORIGIN};
use shared::Status;

/// What the dashboard accepts.
#[derive(Clone, Debug)]
pub struct Guard {
    hosts: Vec<String>,
    token: String,
}

impl Guard {
    /// Accepts the port under `localhost` and the bound address, with this token.
    #[must_use]
    pub fn new(address: std::net::SocketAddr, token: String) -> Self {
        let port = address.port();
        let hosts = vec![
            format!("localhost:{port}"),
            format!("127.0.0.1:{port}"),
            address.to_string(),
        ];
        Self { hosts, token }
    }

    /// The page's token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Judges where a request was addressed to and which page sent it.
    ///
    /// # Errors
    /// 403 with the reason and what to do.
    pub fn check_origin(&self, headers: &HeaderMap) -> Result<(), Status> {
        let text = |name| {
            headers
                .get(name)
                .and_then(|v: &HeaderValue| v.to_str().ok())
                .unwrap_or_default()
        };
        let host = text(HOST);
        if !self.hosts.iter().any(|h| h == host) {
            let open = self.hosts.first().map_or("", String::as_str);
            let why = format!(
                "this dashboard is not served under the host {host:?}; open it as http://{open}/"
            );
            return Err(Status::failure(403, "Forbidden", why));
        }
        let origin = text(ORIGIN);
        if headers.contains_key(ORIGIN) && origin.strip_prefix("http://") != Some(host) {
            let why = format!("a page of {origin:?} may not use this cluster");
            return Err(Status::failure(403, "Forbidden", why));
        }
        Ok(())
    }

    /// Judges the token of a write or a stream: `Authorization: Bearer`, or the `token` query parameter for
    /// WebSockets, which cannot send headers.
    ///
    /// # Errors
    /// 401 when it is missing or wrong.
    pub fn check_token(&self, headers: &HeaderMap, query: Option<&str>) -> Result<(), Status> {
        let bearer = headers
            .get(AUTHORIZATION)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.strip_prefix("Bearer "));
        let in_query = query
            .into_iter()
            .flat_map(|q| q.split('&'))
            .find_map(|p| p.strip_prefix("token="));
        if bearer
            .or(in_query)
            .is_some_and(|given| same(given, &self.token))
        {
            return Ok(());
        }
        let why =
            "the dashboard's token is missing or belongs to an earlier start; reload the page";
        Err(Status::failure(401, "Unauthorized", why))
    }
}

/// Compares without telling by its duration where two texts differ.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |d, (x, y)| d | (x ^ y)) == 0
}

/// Headers on everything that the dashboard serves.
pub const CONFINEMENT: [(HeaderName, HeaderValue); 6] = [
    (
        HeaderName::from_static("content-security-policy"),
        HeaderValue::from_static(
            "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; \
             img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
        ),
    ),
    (
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    ),
    (
        HeaderName::from_static("referrer-policy"),
        HeaderValue::from_static("no-referrer"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("x-frame-options"),
        HeaderValue::from_static("DENY"),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(n, v)| {
                (
                    HeaderName::from_static(n),
                    HeaderValue::from_str(v).unwrap(),
                )
            })
            .collect()
    }

    fn guard() -> Guard {
        Guard::new("127.0.0.1:7080".parse().unwrap(), "secret".into())
    }

    #[test]
    fn only_our_own_page_is_served() {
        for (pairs, good) in [
            (&[("host", "127.0.0.1:7080")][..], true),
            (&[("host", "localhost:7080")], true),
            (
                &[
                    ("host", "localhost:7080"),
                    ("origin", "http://localhost:7080"),
                ],
                true,
            ),
            (&[("host", "rebound.example:7080")], false),
            (&[("host", "127.0.0.1:7081")], false),
            (&[], false),
            (
                &[
                    ("host", "localhost:7080"),
                    ("origin", "http://evil.example"),
                ],
                false,
            ),
            (
                &[
                    ("host", "localhost:7080"),
                    ("origin", "http://localhost:9999"),
                ],
                false,
            ),
            (&[("host", "localhost:7080"), ("origin", "null")], false),
            (
                &[
                    ("host", "localhost:7080"),
                    ("origin", "https://localhost:7080"),
                ],
                false,
            ),
        ] {
            assert_eq!(
                guard().check_origin(&headers(pairs)).is_ok(),
                good,
                "{pairs:?}"
            );
        }
    }

    #[test]
    fn writes_need_the_token() {
        for (pairs, query, good) in [
            (&[("authorization", "Bearer secret")][..], None, true),
            (&[("authorization", "Bearer wrong!")], None, false),
            (&[("authorization", "Bearer ")], None, false),
            (&[], Some("a=b&token=secret"), true),
            (&[], Some("token=secre"), false),
            (&[], None, false),
        ] {
            assert_eq!(
                guard().check_token(&headers(pairs), query).is_ok(),
                good,
                "{pairs:?} {query:?}"
            );
        }
    }
}
