//! ConfigMaps, Secrets and Leases.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::errors::{Errors, Path};
use crate::value::{Fields, as_object, default_text, entries, field, int, object, text};

/// All data of a ConfigMap or Secret together, in bytes (`MaxSecretSize`).
const MAX_DATA_BYTES: usize = 1024 * 1024;
const BAD_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  \
     or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
/// Secret types and the keys that they need.
const SECRET_KEYS: &[(&str, &[&str])] = &[
    ("kubernetes.io/tls", &["tls.crt", "tls.key"]),
    ("kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]),
    ("kubernetes.io/dockercfg", &[".dockercfg"]),
    ("kubernetes.io/ssh-auth", &["ssh-privatekey"]),
];

fn check_key(key: &str, path: &Path<'_>, errors: &mut Errors) {
    let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    if key.is_empty() || !key.bytes().all(legal) {
        errors.invalid(&path.key(key), key, BAD_KEY);
    } else if key.len() > 253 {
        errors.invalid(&path.key(key), key, "must be no more than 253 characters");
    } else if key == "." || key == ".." {
        errors.invalid(&path.key(key), key, &format!("must not be '{key}'"));
    }
}

pub(super) fn validate_config_map(map: &Value, errors: &mut Errors) {
    let (data, binary) = (Path::new("data"), Path::new("binaryData"));
    let mut size = 0;
    for (key, value) in entries(map, "/data") {
        check_key(key, &data, errors);
        if map.get("binaryData").and_then(|b| b.get(key)).is_some() {
            errors.invalid(
                &data.key(key),
                key.as_str(),
                "duplicate of key present in binaryData",
            );
        }
        size += value.as_str().map_or(0, str::len);
    }
    for (key, value) in entries(map, "/binaryData") {
        check_key(key, &binary, errors);
        size += decoded_len(value);
    }
    if size > MAX_DATA_BYTES {
        errors.too_long(&Path::new("[]"), MAX_DATA_BYTES);
    }
}

pub(super) fn decoded_len(value: &Value) -> usize {
    value
        .as_str()
        .map_or(0, |s| s.trim_end_matches('=').len() * 3 / 4)
}

pub(super) fn validate_config_map_update(new: &Value, old: &Value, errors: &mut Errors) {
    if old.get("immutable") != Some(&Value::Bool(true)) {
        return;
    }
    for name in ["immutable", "data", "binaryData"] {
        if new.get(name) != old.get(name) {
            errors.forbidden(
                &Path::new(name),
                "field is immutable when `immutable` is set",
            );
        }
    }
}

/// `stringData` is for writing only: it ends up in `data`.
pub(super) fn secret_defaults(secret: &mut Value) {
    let fields = as_object(secret);
    default_text(fields, "type", "Opaque");
    if let Some(Value::Object(plain)) = fields.remove("stringData") {
        let encoded: Fields = plain
            .into_iter()
            .map(|(key, value)| {
                (
                    key,
                    STANDARD.encode(value.as_str().unwrap_or_default()).into(),
                )
            })
            .collect();
        if !encoded.is_empty() {
            object(secret, "data").extend(encoded);
        }
    }
}

pub(super) fn validate_secret(secret: &Value, errors: &mut Errors) {
    let data = Path::new("data");
    let mut size = 0;
    for (key, value) in entries(secret, "/data") {
        check_key(key, &data, errors);
        size += decoded_len(value);
    }
    if size > MAX_DATA_BYTES {
        errors.too_long(&data, MAX_DATA_BYTES);
    }
    let kind = field(secret, "type");
    for key in SECRET_KEYS
        .iter()
        .filter(|(name, _)| *name == kind)
        .flat_map(|(_, keys)| keys.iter())
    {
        if secret.get("data").and_then(|d| d.get(*key)).is_none() {
            errors.required(&data.key(key), "");
        }
    }
    if kind == "kubernetes.io/service-account-token"
        && text(
            secret,
            "/metadata/annotations/kubernetes.io~1service-account.name",
        )
        .is_empty()
    {
        let annotations = Path::new("metadata.annotations");
        errors.required(&annotations.key("kubernetes.io/service-account.name"), "");
    }
}

pub(super) fn validate_secret_update(new: &Value, old: &Value, errors: &mut Errors) {
    errors.immutable(&Path::new("type"), new.get("type"), old.get("type"));
    if old.get("immutable") == Some(&Value::Bool(true)) {
        for name in ["immutable", "data"] {
            if new.get(name) != old.get(name) {
                errors.forbidden(
                    &Path::new(name),
                    "field is immutable when `immutable` is set",
                );
            }
        }
    }
}

pub(super) fn validate_lease(lease: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    for (name, min, why) in [
        ("leaseDurationSeconds", 1, "must be greater than 0"),
        ("leaseTransitions", 0, "must be greater than or equal to 0"),
    ] {
        if let Some(value) = int(lease, &format!("/spec/{name}")).filter(|v| *v < min) {
            errors.invalid(&spec.field(name), value, why);
        }
    }
    let strategy = text(lease, "/spec/strategy");
    // The original names the field twice.
    let at = spec.field("strategy");
    let at = at.field("strategy");
    if strategy.contains('/') {
        errors.checked(&at, strategy, crate::meta::qualified_name);
    } else if lease.pointer("/spec/strategy").is_some() {
        errors.one_of(&at, strategy, &["OldestEmulationVersion"]);
    }
    if !text(lease, "/spec/preferredHolder").is_empty() && strategy.is_empty() {
        errors.forbidden(
            &spec.field("preferredHolder"),
            "may only be specified if `strategy` is defined",
        );
    }
}
