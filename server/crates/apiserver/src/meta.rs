//! `metadata`: what the server fills in, and the rules that hold for every kind.
//!
//! Follows `k8s.io/apimachinery/pkg/api/validation/objectmeta.go` and `apiserver/pkg/registry/rest`.

use serde_json::Value;
use shared::name::dns_subdomain;
use shared::{Millis, Status};

use crate::errors::{Errors, Path};
use crate::random::Random;
use crate::server::{Context, Target};
use crate::value::{Fields, as_object, entries, field, items, object, put, text};

/// All annotations of one object together, keys and values, in bytes.
const MAX_ANNOTATIONS_BYTES: usize = 256 * 1024;
/// How many names are tried for an object with `generateName` (`maxNameGenerationCreateAttempts`).
const MAX_NAME_ATTEMPTS: usize = 8;
/// Finalizers without a domain that are Kubernetes' own.
const STANDARD_FINALIZERS: &[&str] = &["kubernetes", "orphan", "foregroundDeletion"];
/// What only the server sets.
const SYSTEM_FIELDS: &[&str] = &[
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "selfLink",
];

const QUALIFIED: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
     alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
     '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or \
     '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex \
     used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// Fills in the metadata of an object to create.
pub(crate) fn prepare_create(
    value: &mut Value,
    target: &Target<'_>,
    ctx: &Context<'_>,
) -> Result<(), Status> {
    check_namespace(value, target)?;
    let mut random = Random::new(ctx.seed, "metadata");
    let metadata = object(value, "metadata");
    if metadata.get("name").is_none_or(|n| n.as_str() == Some("")) {
        match metadata
            .get("generateName")
            .and_then(Value::as_str)
            .filter(|base| !base.is_empty())
        {
            Some(base) => {
                let mut names = std::iter::repeat_with(|| random.name(base));
                let is_free = |name: &String| ctx.snapshot.get(&target.key(name)).is_none();
                let name = names.by_ref().take(MAX_NAME_ATTEMPTS).find(is_free);
                let name = name.or_else(|| names.next()).unwrap_or_default();
                metadata.insert("name".into(), name.into());
            }
            None => {
                metadata.remove("name");
            }
        }
    }
    for name in SYSTEM_FIELDS {
        metadata.remove(*name);
    }
    metadata.insert("uid".into(), random.uid().into());
    metadata.insert("creationTimestamp".into(), ctx.now.rfc3339().into());
    if target.strategy.generation.is_kept() {
        metadata.insert("generation".into(), 1.into());
    }
    tidy(metadata);
    Ok(())
}

/// The body's namespace must be the path's; fills it in when missing, drops it from cluster kinds.
pub(crate) fn check_namespace(value: &mut Value, target: &Target<'_>) -> Result<(), Status> {
    let asked = &target.request.namespace;
    let metadata = object(value, "metadata");
    let sent = metadata
        .get("namespace")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if !sent.is_empty() && sent != asked {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    put(
        metadata,
        "namespace",
        target.kind.namespaced.then(|| asked.as_str().into()),
    );
    Ok(())
}

/// Carries what only the server sets over from the stored object, and the namespace and name of the path.
pub(crate) fn prepare_update(new: &mut Value, old: &Value) {
    let before = old.get("metadata").and_then(Value::as_object);
    let metadata = object(new, "metadata");
    for name in SYSTEM_FIELDS
        .iter()
        .chain(&["namespace", "name", "generateName"])
    {
        let kept = before.and_then(|m| m.get(*name)).cloned();
        if *name != "generateName" || kept.is_some() {
            put(metadata, name, kept);
        }
    }
    if !metadata.contains_key("managedFields") {
        put(
            metadata,
            "managedFields",
            before.and_then(|m| m.get("managedFields")).cloned(),
        );
    }
    tidy(metadata);
}

/// Drops empty maps and lists, as `omitempty` does.
fn tidy(metadata: &mut Fields) {
    for name in [
        "labels",
        "annotations",
        "finalizers",
        "ownerReferences",
        "managedFields",
    ] {
        let is_empty = match metadata.get(name) {
            Some(Value::Object(map)) => map.is_empty(),
            Some(Value::Array(list)) => list.is_empty(),
            Some(Value::Null) => true,
            _ => false,
        };
        if is_empty {
            metadata.remove(name);
        }
    }
}

/// Marks an object as being deleted.
pub(crate) fn set_deletion(value: &mut Value, at: Millis, grace_s: i64) {
    let metadata = object(value, "metadata");
    metadata.insert("deletionTimestamp".into(), at.rfc3339().into());
    metadata.insert("deletionGracePeriodSeconds".into(), grace_s.into());
    if let Some(generation) = metadata.get("generation").and_then(Value::as_i64) {
        metadata.insert("generation".into(), (generation + 1).into());
    }
}

/// Adds one to `metadata.generation`.
pub(crate) fn bump_generation(value: &mut Value) {
    let metadata = object(value, "metadata");
    let generation = metadata
        .get("generation")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    metadata.insert("generation".into(), (generation + 1).into());
}

/// The finalizers of an object.
pub(crate) fn finalizers(value: &Value) -> impl Iterator<Item = &str> {
    items(value, "/metadata/finalizers")
        .iter()
        .filter_map(Value::as_str)
}

/// Checks `metadata` as such.
pub(crate) fn validate(value: &Value, check_name: fn(&str) -> Option<String>, errors: &mut Errors) {
    let metadata = Path::new("metadata");
    let name = text(value, "/metadata/name");
    if name.is_empty() {
        errors.required(&metadata.field("name"), "name or generateName is required");
    } else if let Some(why) = check_name(name) {
        errors.invalid(&metadata.field("name"), name, &why);
    }
    validate_labels(
        value.pointer("/metadata/labels"),
        &metadata.field("labels"),
        errors,
    );
    validate_annotations(value, &metadata.field("annotations"), errors);
    for (i, finalizer) in finalizers(value).enumerate() {
        let at = metadata.field("finalizers");
        if let Some(why) = qualified_name(finalizer) {
            errors.invalid(&at.index(i), finalizer, &why);
        } else if !finalizer.contains('/') && !STANDARD_FINALIZERS.contains(&finalizer) {
            errors.invalid(
                &at.index(i),
                finalizer,
                "name is neither a standard finalizer name nor is it fully qualified",
            );
        }
    }
    validate_owners(value, &metadata.field("ownerReferences"), errors);
}

/// Checks what may not change about `metadata`.
pub(crate) fn validate_update(new: &Value, old: &Value, errors: &mut Errors) {
    if old.pointer("/metadata/deletionTimestamp").is_some() {
        let added: Vec<&str> = finalizers(new)
            .filter(|f| !finalizers(old).any(|o| o == *f))
            .collect();
        if !added.is_empty() {
            let list: Vec<String> = added.iter().map(|f| format!("\"{f}\"")).collect();
            let why = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                list.join(", ")
            );
            errors.forbidden(&Path::new("metadata").field("finalizers"), &why);
        }
    }
}

/// Checks a map of labels.
pub(crate) fn validate_labels(labels: Option<&Value>, path: &Path<'_>, errors: &mut Errors) {
    for (key, value) in labels.and_then(Value::as_object).into_iter().flatten() {
        if let Some(why) = qualified_name(key) {
            errors.invalid(path, key.as_str(), &why);
        }
        let value = value.as_str().unwrap_or_default();
        if let Some(why) = label_value(value) {
            errors.invalid(path, value, &why);
        }
    }
}

fn validate_annotations(value: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut size = 0;
    for (key, annotation) in entries(value, "/metadata/annotations") {
        if let Some(why) = qualified_name(&key.to_lowercase()) {
            errors.invalid(path, key.as_str(), &why);
        }
        size += key.len() + annotation.as_str().map_or(0, str::len);
    }
    if size > MAX_ANNOTATIONS_BYTES {
        errors.too_long(path, MAX_ANNOTATIONS_BYTES);
    }
}

fn validate_owners(value: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut controller: Option<String> = None;
    for owner in items(value, "/metadata/ownerReferences") {
        if field(owner, "apiVersion").is_empty() {
            errors.invalid(&path.field("apiVersion"), "", "version must not be empty");
        }
        for (name, why) in [
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ] {
            if field(owner, name).is_empty() {
                errors.invalid(&path.field(name), "", why);
            }
        }
        if owner.get("controller").and_then(Value::as_bool) == Some(true) {
            let this = format!("{}/{}", field(owner, "kind"), field(owner, "name"));
            if let Some(first) = &controller {
                let why = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {this}"
                );
                errors.invalid(
                    path,
                    items(value, "/metadata/ownerReferences").to_vec(),
                    &why,
                );
            }
            controller = Some(this);
        }
    }
}

/// What is wrong with a label or annotation key (`content.IsQualifiedName`).
pub(crate) fn qualified_name(key: &str) -> Option<String> {
    let (prefix, name) = match key.split_once('/') {
        Some((_, rest)) if rest.contains('/') => {
            return Some(format!(
                "a qualified name {QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ));
        }
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    match prefix {
        Some("") => return Some("prefix part must be non-empty".into()),
        Some(prefix) => {
            if let Some(why) = dns_subdomain(prefix) {
                return Some(format!("prefix part {why}"));
            }
        }
        None => {}
    }
    if name.is_empty() {
        Some("name part must be non-empty".into())
    } else if name.len() > 63 {
        Some("name part must be no more than 63 bytes".into())
    } else {
        (!shared::name::is_qualified_name(name)).then(|| format!("name part {QUALIFIED}"))
    }
}

/// What is wrong with a label value (`content.IsLabelValue`).
pub(crate) fn label_value(value: &str) -> Option<String> {
    if value.len() > 63 {
        Some("must be no more than 63 bytes".into())
    } else {
        (!shared::name::is_label_value(value)).then(|| LABEL_VALUE.into())
    }
}

/// What is wrong with a label that must begin with a letter (`content.IsDNS1035Label`).
pub(crate) fn dns1035_label(name: &str) -> Option<String> {
    const WHY: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
        alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
        validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
    if name.len() > 63 {
        return Some("must be no more than 63 bytes".into());
    }
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    (!begins || shared::name::dns_label(name).is_some()).then(|| WHY.into())
}

/// What is wrong with a domain and a path, `example.com/a/b` (`validation.IsDomainPrefixedPath`).
pub(crate) fn domain_prefixed_path(name: &str) -> Option<String> {
    let Some((domain, path)) = name
        .split_once('/')
        .filter(|(d, p)| !d.is_empty() && !p.is_empty())
    else {
        return Some("must be a domain-prefixed path (such as \"acme.io/foo\")".into());
    };
    const PATH: &str =
        "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
    let legal = |c: u8| c.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&c);
    dns_subdomain(domain).or_else(|| (!path.bytes().all(legal)).then(|| PATH.into()))
}

/// Names of objects that may hold nearly everything but what would break a path (RBAC).
pub(crate) fn path_segment(name: &str) -> Option<String> {
    if name == "." || name == ".." {
        return Some(format!("may not be '{name}'"));
    }
    let bad = ["/", "%"].into_iter().find(|c| name.contains(c))?;
    Some(format!("may not contain '{bad}'"))
}

/// Copies one top-level field from the stored object, or removes it.
pub(crate) fn keep(new: &mut Value, old: &Value, name: &str) {
    put(as_object(new), name, old.get(name).cloned());
}

/// What is said about text that is no address of either family.
pub(crate) const NO_ADDRESS: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";

/// What is wrong with an address.
pub(crate) fn ip_address(text: &str) -> Option<String> {
    let is_address = text.parse::<std::net::IpAddr>().is_ok();
    (!is_address).then(|| NO_ADDRESS.into())
}
