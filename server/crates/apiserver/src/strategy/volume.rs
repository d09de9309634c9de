//! Volumes of a pod: defaults and rules (`pkg/apis/core/v1/defaults.go`, `pkg/apis/core/validation`).

use std::collections::BTreeSet;

use serde_json::Value;
use shared::name::dns_label;

use crate::errors::{Errors, Path};
use crate::value::{Fields, default_text, default_to, each, empty, field, inside, items};

/// Files of volumes made from objects are 0644 when nothing else is said.
const FILE_MODE: i64 = 0o644;
/// How long a projected token lives when nothing else is said, in seconds.
const TOKEN_LIFE_S: i64 = 3600;
/// The shortest life of a projected token, in seconds.
pub(super) const MIN_TOKEN_LIFE_S: i64 = 600;
/// The highest mode of a file.
const MAX_MODE: i64 = 0o777;
const HOST_PATH_TYPES: &[&str] = &[
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
];

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
    let fields = volume.as_object().into_iter().flatten();
    let mut sources = fields.filter(|(key, _)| *key != "name");
    match sources.next() {
        None => errors.required(at, "must specify a volume type"),
        Some((name, source)) => validate_one(name, source, &at.field(name), false, errors),
    }
    for (name, _) in sources {
        errors.forbidden(&at.field(name), "may not specify more than 1 volume type");
    }
}

/// What a volume source needs, by its name. Those that only PersistentVolumes have come last.
const REQUIRED: &[(&str, &[&str])] = &[
    ("gcePersistentDisk", &["pdName"]),
    ("awsElasticBlockStore", &["volumeID"]),
    ("gitRepo", &["repository"]),
    ("hostPath", &["path"]),
    ("secret", &["secretName"]),
    ("configMap", &["name"]),
    ("nfs", &["server", "path"]),
    ("iscsi", &["targetPortal", "iqn"]),
    ("glusterfs", &["endpoints", "path"]),
    ("persistentVolumeClaim", &["claimName"]),
    ("rbd", &["monitors", "image"]),
    ("cephfs", &["monitors"]),
    ("cinder", &["volumeID"]),
    ("azureFile", &["secretName", "shareName"]),
    ("azureDisk", &["diskName", "diskURI"]),
    ("flexVolume", &["driver"]),
    ("vsphereVolume", &["volumePath"]),
    ("portworxVolume", &["volumeID"]),
    ("quobyte", &["registry", "volume"]),
    ("scaleIO", &["gateway", "system", "volumeName"]),
    ("image", &["reference"]),
    ("ephemeral", &["volumeClaimTemplate"]),
    ("local", &["path"]),
];

/// Checks one volume source of a pod, or of a PersistentVolume.
pub(super) fn validate_one(
    name: &str,
    source: &Value,
    path: &Path<'_>,
    is_persistent: bool,
    errors: &mut Errors,
) {
    let needs = REQUIRED.iter().find(|(n, _)| *n == name);
    let is_empty = |value: Option<&Value>| match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    };
    for needed in needs.map_or(&[][..], |(_, all)| *all) {
        if is_empty(source.get(needed)) {
            errors.required(&path.field(needed), "");
        }
    }
    match name {
        "emptyDir" => {
            let limit = super::quantity(source.get("sizeLimit"));
            if limit.is_some_and(|q| q < shared::quantity::Quantity::default()) {
                let why = "SizeLimit field must be a valid resource quantity";
                errors.forbidden(&path.field("sizeLimit"), why);
            }
        }
        "hostPath" => {
            validate_no_steps_back(field(source, "path"), &path.field("path"), errors);
            let kind = field(source, "type");
            errors.one_of(&path.field("type"), kind, HOST_PATH_TYPES);
        }
        "local" => validate_no_steps_back(field(source, "path"), &path.field("path"), errors),
        "nfs" => {
            let place = field(source, "path");
            if !place.is_empty() && !place.starts_with('/') {
                errors.invalid(&path.field("path"), place, "must be an absolute path");
            }
        }
        "iscsi" => {
            let lun = source.get("lun").and_then(Value::as_i64).unwrap_or(0);
            if !(0..=255).contains(&lun) {
                let why = "must be between 0 and 255, inclusive";
                errors.invalid(&path.field("lun"), lun, why);
            }
        }
        "secret" | "configMap" => validate_files(source, true, path, errors),
        "downwardAPI" => validate_files(source, false, path, errors),
        "projected" => validate_projected(source, path, errors),
        "csi" => {
            let driver = field(source, "driver");
            super::storage::validate_driver_name(driver, &path.field("driver"), errors);
            if is_persistent && field(source, "volumeHandle").is_empty() {
                errors.required(&path.field("volumeHandle"), "");
            }
        }
        "ephemeral" => {
            if let Some(spec) = source.pointer("/volumeClaimTemplate/spec") {
                let template = path.field("volumeClaimTemplate");
                super::persistent::validate_claim_spec(spec, &template.field("spec"), errors);
            }
        }
        _ => {}
    }
}

fn validate_no_steps_back(place: &str, path: &Path<'_>, errors: &mut Errors) {
    if place.split('/').any(|part| part == "..") {
        errors.invalid(path, place, "must not contain '..'");
    }
}

/// Where a file of a volume may stand: below the volume, and not where its versions are kept.
fn validate_file_path(place: &str, path: &Path<'_>, errors: &mut Errors) {
    if place.is_empty() {
        errors.required(path, "");
    } else if place.starts_with('/') {
        errors.invalid(path, place, "must be a relative path");
    } else if place.split('/').any(|part| part == "..") {
        errors.invalid(path, place, "must not contain '..'");
    } else if place.starts_with("..") {
        errors.invalid(path, place, "must not start with '..'");
    }
}

fn validate_mode(mode: Option<&Value>, path: &Path<'_>, errors: &mut Errors) {
    if let Some(mode) = mode
        .and_then(Value::as_i64)
        .filter(|m| !(0..=MAX_MODE).contains(m))
    {
        let why = "must be a number between 0 and 0777 (octal), both inclusive";
        errors.invalid(path, mode, why);
    }
}

/// The files that a volume is made of, and their modes.
fn validate_files(source: &Value, is_keyed: bool, path: &Path<'_>, errors: &mut Errors) {
    validate_mode(
        source.get("defaultMode"),
        &path.field("defaultMode"),
        errors,
    );
    let list = path.field("items");
    for (i, item) in items(source, "/items").iter().enumerate() {
        let at = list.index(i);
        if is_keyed {
            if field(item, "key").is_empty() {
                errors.required(&at.field("key"), "");
            }
        } else {
            match ["fieldRef", "resourceFieldRef"].map(|name| item.get(name).is_some()) {
                [false, false] => {
                    errors.required(&at, "one of fieldRef and resourceFieldRef is required");
                }
                [true, true] => errors.invalid(
                    &at,
                    "resource",
                    "fieldRef and resourceFieldRef can not be specified simultaneously",
                ),
                _ => {}
            }
        }
        validate_file_path(field(item, "path"), &at.field("path"), errors);
        validate_mode(item.get("mode"), &at.field("mode"), errors);
    }
}

fn validate_projected(projected: &Value, at: &Path<'_>, errors: &mut Errors) {
    validate_mode(
        projected.get("defaultMode"),
        &at.field("defaultMode"),
        errors,
    );
    let sources = at.field("sources");
    for (i, source) in items(projected, "/sources").iter().enumerate() {
        let here = sources.index(i);
        for name in ["secret", "configMap", "downwardAPI"] {
            let Some(part) = source.get(name) else {
                continue;
            };
            let at = here.field(name);
            if name != "downwardAPI" && field(part, "name").is_empty() {
                errors.required(&at.field("name"), "");
            }
            validate_files(part, name != "downwardAPI", &at, errors);
        }
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
