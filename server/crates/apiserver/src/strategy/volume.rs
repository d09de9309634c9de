//! Volumes of a pod: defaults and rules (`pkg/apis/core/v1/defaults.go`, `pkg/apis/core/validation`).

use std::collections::BTreeSet;

use serde_json::Value;
use shared::name::dns_label;

use crate::errors::{Errors, Path};
use crate::value::{Fields, default_text, default_to, each, empty, field, inside};

/// Files of volumes made from objects are 0644 when nothing else is said.
const FILE_MODE: i64 = 0o644;
/// How long a projected token lives when nothing else is said, in seconds.
const TOKEN_LIFE_S: i64 = 3600;
/// The shortest life of a projected token, in seconds.
const MIN_TOKEN_LIFE_S: i64 = 600;

pub(super) fn defaults(volume: &mut Fields) {
    if volume.keys().all(|key| key == "name") {
        volume.insert("emptyDir".into(), empty());
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = inside(volume, source) {
            default_to(source, "defaultMode", FILE_MODE);
            each(source, "items", field_ref_defaults);
        }
    }
    if let Some(path) = inside(volume, "hostPath") {
        default_to(path, "type", "");
    }
    if let Some(projected) = inside(volume, "projected") {
        each(projected, "sources", |source| {
            if let Some(token) = inside(source, "serviceAccountToken") {
                default_to(token, "expirationSeconds", TOKEN_LIFE_S);
            }
            if let Some(downward) = inside(source, "downwardAPI") {
                each(downward, "items", field_ref_defaults);
            }
        });
    }
    let template = inside(volume, "ephemeral").and_then(|e| inside(e, "volumeClaimTemplate"));
    if let Some(spec) = template.and_then(|t| inside(t, "spec")) {
        default_text(spec, "volumeMode", "Filesystem");
    }
}

fn field_ref_defaults(item: &mut Fields) {
    if let Some(field) = inside(item, "fieldRef") {
        default_text(field, "apiVersion", "v1");
    }
}

/// Checks the volumes and answers their names.
pub(super) fn validate<'a>(
    volumes: &'a [Value],
    path: &Path<'_>,
    errors: &mut Errors,
) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for (i, volume) in volumes.iter().enumerate() {
        let (at, name) = (path.index(i), field(volume, "name"));
        if name.is_empty() {
            errors.required(&at.field("name"), "");
        } else if let Some(why) = dns_label(name) {
            errors.invalid(&at.field("name"), name, &why);
        } else if !names.insert(name) {
            errors.duplicate(&at.field("name"), name);
        }
        validate_source(volume, &at, errors);
    }
    names
}

fn validate_source(volume: &Value, at: &Path<'_>, errors: &mut Errors) {
    let mut count = 0;
    for (source, value) in volume
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| *key != "name")
    {
        count += 1;
        let here = at.field(source);
        if count > 1 {
            errors.forbidden(&here, "may not specify more than 1 volume type");
            continue;
        }
        let required: &[&str] = match source.as_str() {
            "configMap" => &["name"],
            "secret" => &["secretName"],
            "hostPath" => &["path"],
            "persistentVolumeClaim" => &["claimName"],
            "nfs" => &["server", "path"],
            "csi" => &["driver"],
            _ => &[],
        };
        for name in required.iter().filter(|name| field(value, name).is_empty()) {
            errors.required(&here.field(name), "");
        }
        if source == "projected" {
            validate_projected(value, &here, errors);
        }
    }
    if count == 0 {
        errors.required(at, "must specify a volume type");
    }
}

fn validate_projected(projected: &Value, at: &Path<'_>, errors: &mut Errors) {
    let sources = at.field("sources");
    for (i, source) in crate::value::items(projected, "/sources")
        .iter()
        .enumerate()
    {
        let here = sources.index(i);
        if let Some(token) = source.get("serviceAccountToken") {
            let here = here.field("serviceAccountToken");
            if token
                .get("expirationSeconds")
                .and_then(Value::as_i64)
                .is_some_and(|s| s < MIN_TOKEN_LIFE_S)
            {
                let seconds = token.get("expirationSeconds").cloned().unwrap_or_default();
                errors.invalid(
                    &here.field("expirationSeconds"),
                    seconds,
                    "may not specify a duration less than 10 minutes",
                );
            }
            if field(token, "path").is_empty() {
                errors.required(&here.field("path"), "");
            }
        }
        if source.as_object().is_some_and(|s| s.len() > 1) {
            errors.forbidden(&here, "may not specify more than 1 volume type per source");
        }
    }
}
