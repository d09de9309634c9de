//! PersistentVolumes and the claims for them: defaults and rules (`ValidatePersistentVolumeSpec`,
//! `ValidatePersistentVolumeClaimSpec`, and what updates may change).

use serde_json::{Value, json};
use shared::Millis;
use shared::name::dns_subdomain;
use shared::quantity::Quantity;

use super::pod_check::{validate_node_selector, validate_selector};
use super::volume;
use crate::errors::{Errors, Path};
use crate::value::{
    Fields, as_object, default_text, default_to, field, inside, items, object, text,
};

const ACCESS_MODES: &[&str] = &[
    "ReadOnlyMany",
    "ReadWriteMany",
    "ReadWriteOnce",
    "ReadWriteOncePod",
];
const VOLUME_MODES: &[&str] = &["Block", "Filesystem"];
/// Fields of a PersistentVolume's spec that are no volume source.
const NO_SOURCE: &[&str] = &[
    "capacity",
    "accessModes",
    "claimRef",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "mountOptions",
    "volumeMode",
    "nodeAffinity",
    "volumeAttributesClassName",
];

fn add_finalizer(value: &mut Value, finalizer: &str) {
    let list = object(value, "metadata")
        .entry("finalizers")
        .or_insert_with(|| json!([]));
    if let Some(list) = list
        .as_array_mut()
        .filter(|list| !list.iter().any(|f| f == finalizer))
    {
        list.push(finalizer.into());
    }
}

pub(super) fn claim_defaults(value: &mut Value) {
    claim_spec_defaults(object(value, "spec"));
}

/// Defaults of a claim's spec, in a template or not.
pub(super) fn claim_spec_defaults(spec: &mut Fields) {
    default_text(spec, "volumeMode", "Filesystem");
}

pub(super) fn claim_prepare(value: &mut Value, _now: Millis) {
    add_finalizer(value, "kubernetes.io/pvc-protection");
    as_object(value).insert("status".into(), json!({"phase": "Pending"}));
}

fn validate_modes(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let modes: Vec<&str> = items(spec, "/accessModes")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for mode in &modes {
        errors.one_of(path, mode, ACCESS_MODES);
    }
    let is_single = |mode: &&str| *mode == "ReadWriteOncePod";
    if modes.iter().any(is_single) && !modes.iter().all(is_single) {
        errors.forbidden(path, "may not use ReadWriteOncePod with other access modes");
    }
}

fn validate_class_name(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let class = field(spec, "storageClassName");
    if let Some(why) = Some(class)
        .filter(|c| !c.is_empty())
        .and_then(dns_subdomain)
    {
        errors.invalid(&path.field("storageClassName"), class, &why);
    }
}

fn size(value: &Value, pointer: &str) -> Option<Quantity> {
    super::quantity(value.pointer(pointer))
}

pub(super) fn validate_claim(claim: &Value, errors: &mut Errors) {
    let Some(spec) = claim.get("spec") else {
        return;
    };
    validate_claim_spec(spec, &Path::new("spec"), errors);
}

/// Checks the spec of a claim or of a template for claims.
pub(super) fn validate_claim_spec(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let modes = path.field("accessModes");
    if items(spec, "/accessModes").is_empty() {
        errors.required(&modes, "at least 1 access mode is required");
    }
    validate_selector(spec.get("selector"), &path.field("selector"), errors);
    validate_modes(spec, &modes, errors);
    let resources = path.field("resources");
    let at = resources.key("storage");
    match spec.pointer("/resources/requests/storage") {
        None => errors.required(&at, ""),
        Some(asked) => {
            if super::quantity(Some(asked)).is_some_and(|q| q <= Quantity::default()) {
                errors.invalid(&at, asked.clone(), "must be greater than zero");
            }
        }
    }
    validate_class_name(spec, path, errors);
    if spec.get("volumeMode").is_some() {
        errors.one_of(
            &path.field("volumeMode"),
            field(spec, "volumeMode"),
            VOLUME_MODES,
        );
    }
    for name in ["dataSource", "dataSourceRef"] {
        if let Some(source) = spec.get(name) {
            validate_data_source(source, &path.field(name), errors);
        }
    }
}

fn validate_data_source(source: &Value, path: &Path<'_>, errors: &mut Errors) {
    for name in ["name", "kind"] {
        if field(source, name).is_empty() {
            errors.required(&path.field(name), "");
        }
    }
    let kind = field(source, "kind");
    if field(source, "apiGroup").is_empty() && !matches!(kind, "" | "PersistentVolumeClaim") {
        let why = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        errors.invalid(path, kind, why);
    }
}

pub(super) fn validate_claim_update(new: &Value, old: &Value, errors: &mut Errors) {
    const STORAGE: &str = "/spec/resources/requests/storage";
    let is_bound = text(new, "/status/phase") == "Bound";
    let fixed = |claim: &Value| {
        let mut spec = claim.get("spec").cloned().unwrap_or_default();
        let fields = as_object(&mut spec);
        if text(old, "/spec/volumeName").is_empty() {
            fields.remove("volumeName");
        }
        fields.remove("volumeAttributesClassName");
        let requests = inside(fields, "resources").and_then(|r| inside(r, "requests"));
        if let Some(requests) = requests.filter(|_| is_bound) {
            requests.remove("storage");
        }
        spec
    };
    let spec = Path::new("spec");
    let (before, after) = (fixed(old), fixed(new));
    if before != after {
        let mut why = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n".to_owned();
        super::pod_update::differences("spec", &before, &after, &mut why);
        errors.forbidden(&spec, &why);
    }
    let shrinks = size(new, STORAGE) < size(old, STORAGE);
    if shrinks && size(new, STORAGE) <= size(new, "/status/capacity/storage") {
        // What the volume has got already cannot be taken back; a failed expansion can.
        let (resources, why) = (
            spec.field("resources"),
            "field can not be less than status.capacity",
        );
        let requests = resources.field("requests");
        errors.forbidden(&requests.field("storage"), why);
    }
    let mode = |claim: &Value| claim.pointer("/spec/volumeMode").cloned();
    errors.immutable(
        &Path::new("volumeMode"),
        mode(new).as_ref(),
        mode(old).as_ref(),
    );
    let class = |claim: &Value| claim.pointer("/spec/volumeAttributesClassName").is_some();
    if class(old) && !class(new) {
        let why = "update from non-nil value to nil is forbidden";
        errors.forbidden(&spec.field("volumeAttributesClassName"), why);
    }
}

pub(super) fn volume_defaults(value: &mut Value) {
    let spec = object(value, "spec");
    default_text(spec, "persistentVolumeReclaimPolicy", "Retain");
    default_text(spec, "volumeMode", "Filesystem");
    if let Some(path) = inside(spec, "hostPath") {
        default_to(path, "type", "");
    }
}

pub(super) fn volume_prepare(value: &mut Value, now: Millis) {
    add_finalizer(value, "kubernetes.io/pv-protection");
    let status = json!({"phase": "Pending", "lastPhaseTransitionTime": now.rfc3339()});
    as_object(value).insert("status".into(), status);
}

pub(super) fn volume_prepare_status(new: &mut Value, old: &Value, now: Millis) {
    if text(new, "/status/phase") != text(old, "/status/phase") {
        object(new, "status").insert("lastPhaseTransitionTime".into(), now.rfc3339().into());
    }
}

/// The volume sources of a spec, by name.
fn sources(spec: &Value) -> Fields {
    let mut all = spec.as_object().cloned().unwrap_or_default();
    all.retain(|name, _| !NO_SOURCE.contains(&name.as_str()));
    all
}

pub(super) fn validate_volume(volume: &Value, errors: &mut Errors) {
    let path = Path::new("spec");
    let nothing = Value::Null;
    let spec = volume.get("spec").unwrap_or(&nothing);
    if items(spec, "/accessModes").is_empty() {
        errors.required(&path.field("accessModes"), "");
    }
    validate_modes(spec, &path.field("accessModes"), errors);
    validate_capacity(spec, &path.field("capacity"), errors);
    let policy = field(spec, "persistentVolumeReclaimPolicy");
    errors.one_of(
        &path.field("persistentVolumeReclaimPolicy"),
        policy,
        &["Delete", "Recycle", "Retain"],
    );
    let affinity = path.field("nodeAffinity");
    if let Some(wanted) = spec.get("nodeAffinity") {
        let required = affinity.field("required");
        match wanted.get("required") {
            Some(selector) => validate_node_selector(selector, &required, errors),
            None => errors.required(&required, "must specify required node constraints"),
        }
    }
    let sources = sources(spec);
    for (i, (name, source)) in sources.iter().enumerate() {
        let at = path.field(name);
        if i > 0 {
            errors.forbidden(&at, "may not specify more than 1 volume type");
        } else {
            volume::validate_one(name, source, &at, true, errors);
        }
    }
    if sources.contains_key("local") && spec.get("nodeAffinity").is_none() {
        errors.required(&affinity, "Local volume requires node affinity");
    }
    if sources.is_empty() {
        errors.required(&path, "must specify a volume type");
    }
    if policy == "Recycle"
        && text(spec, "/hostPath/path").trim_matches('/').is_empty()
        && sources.contains_key("hostPath")
    {
        let why = "may not be 'recycle' for a hostPath mount of '/'";
        errors.forbidden(&path.field("persistentVolumeReclaimPolicy"), why);
    }
    validate_class_name(spec, &path, errors);
    if spec.get("volumeMode").is_some() {
        errors.one_of(
            &path.field("volumeMode"),
            field(spec, "volumeMode"),
            VOLUME_MODES,
        );
    }
}

fn validate_capacity(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let capacity = spec.get("capacity").and_then(Value::as_object);
    if capacity.is_none_or(Fields::is_empty) {
        errors.required(path, "");
    }
    let shown = spec.get("capacity").cloned().unwrap_or(Value::Null);
    if capacity.is_none_or(|c| c.len() > 1 || !c.contains_key("storage")) {
        errors.unsupported(path, shown, &["storage"]);
    }
    for (name, amount) in capacity.into_iter().flatten() {
        if super::quantity(Some(amount)).is_some_and(|q| q < Quantity::default()) {
            let why = "must be greater than or equal to 0";
            errors.invalid(&path.key(name), amount.clone(), why);
        }
    }
}

pub(super) fn validate_volume_update(new: &Value, old: &Value, errors: &mut Errors) {
    let spec = |volume: &'_ Value| volume.get("spec").cloned().unwrap_or_default();
    let (before, after) = (spec(old), spec(new));
    let source = |spec: &Value| Value::Object(sources(spec));
    if source(&before) != source(&after) {
        let mut why = "spec.persistentvolumesource is immutable after creation\n".to_owned();
        super::pod_update::differences("spec", &source(&before), &source(&after), &mut why);
        errors.forbidden(&Path::new("spec.persistentvolumesource"), &why);
    }
    let at = |spec: &Value, name: &str| spec.get(name).cloned();
    errors.immutable(
        &Path::new("volumeMode"),
        at(&after, "volumeMode").as_ref(),
        at(&before, "volumeMode").as_ref(),
    );
    let affinity = at(&after, "nodeAffinity");
    if before
        .get("nodeAffinity")
        .is_some_and(|b| Some(b) != affinity.as_ref())
    {
        errors.invalid(
            &Path::new("nodeAffinity"),
            affinity.unwrap_or_default(),
            "field is immutable, except for updating from beta label to GA",
        );
    }
}
