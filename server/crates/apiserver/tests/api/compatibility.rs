//! `docs/compatibility.md` is made here from what the server answers: `UPDATE_EXPECT=1 cargo test -p apiserver` writes
//! it anew.

use std::fmt::Write;

use shared::Kind;
use shared::kind::KINDS;

use crate::harness::{Cluster, Reply};
use crate::recorded::{self, NOT_SERVED};

const VERBS: [&str; 8] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
];
/// Representations of collections, by their `Accept` header.
const ANSWERS: [(&str, &str); 5] = [
    ("JSON", "application/json"),
    ("YAML", "application/yaml"),
    ("Table", "application/json;as=Table;v=v1;g=meta.k8s.io"),
    (
        "metadata",
        "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    ),
    ("protobuf", "application/vnd.kubernetes.protobuf"),
];
/// Request bodies, by their `Content-Type` header.
const BODIES: [&str; 3] = ["JSON", "YAML", "protobuf"];

/// What is stored and told, but not acted upon.
const NOT_ACTED_UPON: &[(&str, &str)] = &[
    (
        "admissionregistration.k8s.io",
        "policies and webhooks are stored and not evaluated; whether an expression is CEL is not checked",
    ),
    (
        "flowcontrol.apiserver.k8s.io",
        "requests are limited by their number in flight; schemas and levels change nothing",
    ),
    (
        "apiregistration.k8s.io",
        "an APIService with a Service behind it is stored and not asked",
    ),
    (
        "certificates.k8s.io",
        "requests can be approved; nothing signs them",
    ),
    (
        "resource.k8s.io",
        "claims are stored; devices are not allocated; whether a selector is CEL is not checked",
    ),
    (
        "pods/resize",
        "the new resources are stored; they count when a container starts",
    ),
    (
        "endpoints",
        "loopback addresses, which the original refuses, are taken here and in EndpointSlices: nodes of one process have them",
    ),
    (
        "componentstatuses",
        "only the store, and components that hold a Lease for leader election",
    ),
];

fn mark(yes: bool) -> &'static str {
    if yes { "✓" } else { "·" }
}

fn path(kind: &Kind, namespace: &str) -> String {
    shared::path::collection(&kind.reference(), namespace)
}

/// A protobuf body of a kind with nothing in it.
fn empty_protobuf(kind: &Kind) -> Vec<u8> {
    let field = |number: u8, bytes: &[u8]| {
        let length = u8::try_from(bytes.len()).expect("short");
        [&[number << 3 | 2, length], bytes].concat()
    };
    let meta = [
        field(1, kind.api_version().as_bytes()),
        field(2, kind.kind.as_bytes()),
    ]
    .concat();
    [b"k8s\0".to_vec(), field(1, &meta), field(2, b"")].concat()
}

/// A body that can be answered, of kinds that are asked rather than stored.
fn question(kind: &Kind) -> &'static str {
    match kind.plural {
        "bindings" => r#""metadata": {"name": "asked"}, "target": {"kind": "Node", "name": "n1"}"#,
        "tokenreviews" => r#""spec": {"token": "t"}"#,
        "localsubjectaccessreviews" => {
            r#""metadata": {"namespace": "rec"}, "spec": {"user": "u", "resourceAttributes": {"namespace": "rec", "verb": "get", "resource": "pods"}}"#
        }
        "selfsubjectaccessreviews" => {
            r#""spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}"#
        }
        "subjectaccessreviews" => {
            r#""spec": {"user": "u", "resourceAttributes": {"verb": "get", "resource": "pods"}}"#
        }
        "selfsubjectrulesreviews" => r#""spec": {"namespace": "rec"}"#,
        _ => r#""metadata": {"name": "x"}"#,
    }
}

fn body(kind: &Kind) -> String {
    let (version, name) = (kind.api_version(), kind.kind);
    let rest = question(kind);
    format!(r#"{{"apiVersion": "{version}", "kind": "{name}", {rest}}}"#)
}

/// Where objects of a kind are created.
fn place(kind: &Kind) -> String {
    path(kind, if kind.namespaced { "rec" } else { "" })
}

/// Whether the server knows what is asked; that there is no such object, or that the body lacks something, is an answer.
fn is_understood(reply: &Reply) -> bool {
    let unknown = "404 the server could not find the requested resource";
    !matches!(reply.code, 405 | 406 | 415) && !reply.summary().starts_with(unknown)
}

/// Whether a verb is answered when it is asked for.
fn answers(cluster: &mut Cluster, kind: &Kind, verb: &str) -> bool {
    let (all, body) = (place(kind), body(kind));
    let one = format!("{all}/x");
    let (method, url) = match verb {
        "get" => ("GET", one),
        "list" => ("GET", all),
        "watch" => ("GET", format!("{all}?watch=1")),
        "create" => ("POST", format!("{all}?dryRun=All")),
        "update" => ("PUT", format!("{one}?dryRun=All")),
        "patch" => ("PATCH", format!("{one}?dryRun=All")),
        "delete" => ("DELETE", format!("{one}?dryRun=All")),
        _ => ("DELETE", format!("{all}?dryRun=All")),
    };
    let body = if matches!(method, "GET" | "DELETE") {
        ""
    } else {
        &body
    };
    is_understood(&cluster.send(method, &url, body))
}

/// Whether an answer comes in the form that was asked for: a collection, or what a question is answered with.
fn comes_as(cluster: &mut Cluster, kind: &Kind, accept: &str) -> bool {
    let reply = if answers(cluster, kind, "list") {
        cluster.get(&path(kind, ""), accept)
    } else {
        let url = format!("{}?dryRun=All", place(kind));
        let body = body(kind);
        cluster.exchange("POST", &url, "application/json", accept, body.as_bytes())
    };
    let wanted = accept.split(';').next().unwrap_or_default();
    let form = match accept.split_once("as=").map(|(_, rest)| rest) {
        Some(rest) => reply.json["kind"] == rest.split(';').next().unwrap_or_default(),
        None => reply.content_type.starts_with(wanted),
    };
    // What nodes answer is not asked here.
    (200..300).contains(&reply.code) && form
}

/// Whether a body of this form is read: what it lacks is complained about later, if at all.
fn reads(cluster: &mut Cluster, kind: &Kind, form: &str) -> bool {
    let text = body(kind);
    let (content_type, body) = match form {
        "JSON" => ("application/json", text.into_bytes()),
        "YAML" => ("application/yaml", text.into_bytes()),
        _ => ("application/vnd.kubernetes.protobuf", empty_protobuf(kind)),
    };
    let url = format!("{}?dryRun=All", place(kind));
    let reply = cluster.exchange("POST", &url, content_type, "", &body);
    let lacks = ["name", "is required", "at least one of", "exactly one of"];
    let said = reply.summary();
    is_understood(&reply) && (reply.code != 400 || lacks.iter().any(|l| said.contains(l)))
}

fn resource_row(cluster: &mut Cluster, kind: &Kind, out: &mut String) {
    let mut cells = vec![format!("`{}`", kind.plural)];
    for verb in VERBS {
        let answered = answers(cluster, kind, verb);
        let listed = kind.verbs.contains(&verb);
        assert_eq!(answered, listed, "{} {verb}", kind.plural);
        cells.push(mark(answered).into());
    }
    for (_, accept) in ANSWERS {
        cells.push(mark(comes_as(cluster, kind, accept)).into());
    }
    for form in BODIES {
        let read = answers(cluster, kind, "create") && reads(cluster, kind, form);
        cells.push(mark(read).into());
    }
    writeln!(out, "| {} |", cells.join(" | ")).expect("a string");
}

fn resources(cluster: &mut Cluster) -> String {
    let mut out = String::new();
    let mut heads = vec!["resource".to_owned()];
    heads.extend(VERBS.map(str::to_owned));
    heads.extend(ANSWERS.map(|(name, _)| format!("as {name}")));
    heads.extend(BODIES.map(|name| format!("from {name}")));
    let mut group_versions: Vec<String> = Vec::new();
    for kind in KINDS {
        if !group_versions.contains(&kind.api_version()) {
            group_versions.push(kind.api_version());
        }
    }
    for api_version in group_versions {
        writeln!(out, "\n### {api_version}\n\n| {} |", heads.join(" | ")).expect("a string");
        writeln!(out, "|{}", "---|".repeat(heads.len())).expect("a string");
        for kind in KINDS.iter().filter(|k| k.api_version() == api_version) {
            resource_row(cluster, kind, &mut out);
        }
    }
    out
}

fn subresources() -> String {
    let mut out = String::from("\n| subresource | verbs | body |\n|---|---|---|\n");
    for kind in KINDS {
        for sub in kind.subresources {
            let name = format!("{}/{}", kind.plural, sub.name);
            writeln!(
                out,
                "| `{name}` ({}) | {} | {} |",
                kind.api_version(),
                sub.verbs.join(", "),
                sub.kind
            )
            .expect("a string");
        }
    }
    out
}

fn document() -> String {
    let mut cluster = Cluster::new();
    let pod =
        r#"{"metadata": {"name": "asked"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}"#;
    cluster.send("POST", "/api/v1/namespaces/rec/pods", pod);
    let mut out = String::from(
        "# Compatibility\n\n\
         What of the Kubernetes v1.36 API is served, as the server itself answers. A test makes this page and fails when it is\n\
         out of date; change it with `UPDATE_EXPECT=1 cargo test -p apiserver --test api compatibility`.\n\n\
         Every resource that can be patched takes JSON patch, merge patch, strategic merge patch and server-side apply.\n\n\
         ## Resources\n",
    );
    out.push_str(&resources(&mut cluster));
    out.push_str("\n## Subresources\n");
    out.push_str(&subresources());
    out.push_str("\n## Deliberately not served\n\n| resource | why |\n|---|---|\n");
    for (api_version, name, why) in NOT_SERVED {
        writeln!(out, "| `{name}` ({api_version}) | {why} |").expect("a string");
    }
    out.push_str("| alpha and beta versions | off in the original as well |\n");
    out.push_str("\n## Served, but nothing acts upon it\n\n| what | how far |\n|---|---|\n");
    for (what, how_far) in NOT_ACTED_UPON {
        writeln!(out, "| `{what}` | {how_far} |").expect("a string");
    }
    out.push_str("\n## Answers that differ from those recorded from the original\n\n| case | why |\n|---|---|\n");
    for (title, _, why) in recorded::known_differences() {
        let row = format!("| {title} | {why} |\n");
        if !out.contains(&row) {
            out.push_str(&row);
        }
    }
    out
}

#[test]
fn the_page_about_compatibility_is_up_to_date() {
    expect_test::expect_file!["../../../../../docs/compatibility.md"].assert_eq(&document());
}
