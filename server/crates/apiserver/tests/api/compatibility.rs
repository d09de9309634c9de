//! `docs/compatibility.md` is made here from what the server answers: `UPDATE_EXPECT=1 cargo test -p apiserver` writes
//! it anew.

use std::fmt::Write;

use shared::Kind;
use shared::kind::KINDS;

use crate::harness::Cluster;
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
        "policies and webhooks are stored and not evaluated",
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
        "claims are stored; devices are not allocated",
    ),
    (
        "pods/resize",
        "the new resources are stored; they count when a container starts",
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

/// Whether a body of this form is read: what it lacks is complained about later, if at all.
fn reads(cluster: &mut Cluster, kind: &Kind, form: &str) -> bool {
    let namespace = if kind.namespaced { "rec" } else { "" };
    let text = format!(
        "{{\"apiVersion\": \"{}\", \"kind\": \"{}\"}}",
        kind.api_version(),
        kind.kind
    );
    let (content_type, body) = match form {
        "JSON" => ("application/json", text.into_bytes()),
        "YAML" => ("application/yaml", text.into_bytes()),
        _ => ("application/vnd.kubernetes.protobuf", empty_protobuf(kind)),
    };
    let url = format!("{}?dryRun=All", path(kind, namespace));
    let reply = cluster.exchange("POST", &url, content_type, "", &body);
    !matches!(reply.code, 400 | 404 | 405 | 415) || reply.summary().contains("name")
}

fn resource_row(cluster: &mut Cluster, kind: &Kind, out: &mut String) {
    let mut cells = vec![format!("`{}`", kind.plural)];
    cells.extend(VERBS.map(|verb| mark(kind.verbs.contains(&verb)).to_owned()));
    let is_listed = kind.verbs.contains(&"list");
    for (_, accept) in ANSWERS {
        let answered = is_listed && cluster.get(&path(kind, ""), accept).code == 200;
        cells.push(mark(answered).into());
    }
    for form in BODIES {
        let read = kind.verbs.contains(&"create") && reads(cluster, kind, form);
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
