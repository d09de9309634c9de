//! Which representation comes for which `Accept` header, and with which headers.

use super::{Known, judge};
use crate::harness::Cluster;

const NEGOTIATION: &str = include_str!("../../data/negotiation.tsv");

pub(crate) const DIFFERENCES: &[Known] = &[
    (
        "/version",
        "application/yaml: want 406 application/yaml",
        REFUSED_AS_JSON,
    ),
    (
        "/version",
        "application/vnd.kubernetes.protobuf: want 406 application/vnd.kubernetes.protobuf",
        REFUSED_AS_JSON,
    ),
    (
        "/openapi/v2",
        "application/yaml: want 406   Accept-Encoding no-cache, private, got 406 application/json",
        REFUSED_WITH_STATUS,
    ),
    (
        "/openapi/v2",
        "application/vnd.kubernetes.protobuf: want 406   Accept-Encoding no-cache, private, got 406 application/json",
        REFUSED_WITH_STATUS,
    ),
    (
        "/openapi/v2",
        "text/html: want 406   Accept-Encoding no-cache, private, got 406 application/json",
        REFUSED_WITH_STATUS,
    ),
    (
        "/openapi/v2",
        "image/png: want 406   Accept-Encoding no-cache, private, got 406 application/json",
        REFUSED_WITH_STATUS,
    ),
    (
        "/openapi/v2",
        "application/com.github.proto-openapi.spec.v3.v1.0+protobuf: want 406   Accept-Encoding no-cache, private, got 406 application/json",
        REFUSED_WITH_STATUS,
    ),
    (
        "/openapi/v2",
        "application/cbor: want 406   Accept-Encoding no-cache, private, got 406 application/json",
        REFUSED_WITH_STATUS,
    ),
    (
        "/openapi/v2",
        "application/com.github.proto-openapi.spec.v2@v1.0+protobuf: want 503",
        "served, where the recording failed",
    ),
    (
        "/.well-known/openid-configuration",
        "application/yaml: want 406 application/yaml",
        REFUSED_AS_JSON,
    ),
    (
        "/.well-known/openid-configuration",
        "application/vnd.kubernetes.protobuf: want 406 application/vnd.kubernetes.protobuf",
        REFUSED_AS_JSON,
    ),
    (
        "/openid/v1/jwks",
        "application/yaml: want 406 application/yaml",
        REFUSED_AS_JSON,
    ),
    (
        "/openid/v1/jwks",
        "application/vnd.kubernetes.protobuf: want 406 application/vnd.kubernetes.protobuf",
        REFUSED_AS_JSON,
    ),
];
const REFUSED_WITH_STATUS: &str = "refused with a Status, where the original says nothing";
const REFUSED_AS_JSON: &str = "a refusal is always JSON";

#[test]
fn accept_headers_are_answered_the_same() {
    let mut cluster = Cluster::new();
    cluster.send(
        "POST",
        "/api/v1/namespaces",
        r#"{"metadata":{"name":"wt"}}"#,
    );
    cluster.send(
        "POST",
        "/api/v1/namespaces/wt/configmaps",
        r#"{"metadata":{"name":"kube-root-ca.crt"}}"#,
    );
    let mut found = Vec::new();
    for line in NEGOTIATION.lines().filter(|l| !l.starts_with('#')) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [path, accept, code, content_type, etag, vary, cache] = cells[..] else {
            panic!("{line}")
        };
        let reply = cluster.get(path, accept);
        let header = |name: &str| {
            let found = reply
                .headers
                .iter()
                .find(|(n, _)| n.eq_ignore_ascii_case(name));
            found.map_or("", |(_, value)| value.as_str())
        };
        let got_etag = if header("ETag").is_empty() {
            ""
        } else {
            "etag"
        };
        let got = format!(
            "{} {} {got_etag} {} {}",
            reply.code,
            reply.content_type,
            header("Vary"),
            header("Cache-Control")
        );
        let want = format!("{code} {content_type} {etag} {vary} {cache}");
        if want != got {
            found.push((path.to_owned(), format!("{accept}: want {want}, got {got}")));
        }
    }
    judge(&found, DIFFERENCES);
}
