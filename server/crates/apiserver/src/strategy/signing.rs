//! CertificateSigningRequests (`certificates/validation`, `registry/certificates`).

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use shared::Millis;
use shared::name::dns_subdomain;

use crate::errors::{Errors, Path};
use crate::server::Context;
use crate::value::{default_to, each, field, int, items, object, put, text};

/// The shortest time that a certificate can be asked for, in seconds.
const MIN_CERTIFICATE_S: i64 = 600;
const STATES: &[&str] = &["False", "True", "Unknown"];
const USAGES: &[&str] = &[
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

/// Says in a signing request who made it; what the client says about that is not believed.
pub(super) fn name_creator(value: &mut Value, ctx: &Context<'_>) {
    let (spec, user) = (object(value, "spec"), ctx.user);
    let uid = (!user.uid.is_empty()).then(|| user.uid.as_str().into());
    put(spec, "username", Some(user.name.as_str().into()));
    put(spec, "uid", uid);
    put(spec, "groups", Some(user.groups.clone().into()));
    put(spec, "extra", None);
}

/// What was asked for stays, whatever an update says.
pub(super) fn prepare_update(new: &mut Value, old: &Value) {
    crate::meta::keep(new, old, "spec");
}

/// Conditions that come without times get the time of the write.
pub(super) fn prepare_status(new: &mut Value, old: &Value, now: Millis) {
    let before = items(old, "/status/conditions").to_vec();
    each(object(new, "status"), "conditions", |condition| {
        let kind = condition.get("type").cloned();
        let same = before.iter().find(|c| c.get("type") == kind.as_ref());
        default_to(condition, "lastUpdateTime", now.rfc3339());
        if condition.get("lastTransitionTime").is_none() {
            let kept = same.filter(|c| c.get("status") == condition.get("status"));
            let time = kept.and_then(|c| c.get("lastTransitionTime")).cloned();
            let time = time.unwrap_or_else(|| now.rfc3339().into());
            condition.insert("lastTransitionTime".into(), time);
        }
    });
}

pub(super) fn validate(value: &Value, errors: &mut Errors) {
    let spec = Path::new("spec");
    let request = text(value, "/spec/request");
    if let Some(why) = request_problem(request) {
        errors.invalid(&spec.field("request"), request, why);
    }
    let (path, usages) = (spec.field("usages"), items(value, "/spec/usages"));
    if usages.is_empty() {
        errors.required(&path, "usages must be provided");
    }
    let usages = || usages.iter().filter_map(Value::as_str).enumerate();
    for (i, usage) in usages() {
        errors.one_of(&path.index(i), usage, USAGES);
    }
    let mut seen = BTreeSet::new();
    for (i, usage) in usages() {
        if !seen.insert(usage) {
            errors.duplicate(&path.index(i), usage);
        }
    }
    let signer = text(value, "/spec/signerName");
    validate_signer(signer, &spec.field("signerName"), errors);
    let seconds = int(value, "/spec/expirationSeconds");
    if let Some(seconds) = seconds.filter(|s| *s < MIN_CERTIFICATE_S) {
        errors.invalid(
            &spec.field("expirationSeconds"),
            seconds,
            "may not specify a duration less than 600 seconds (10 minutes)",
        );
    }
}

/// What is wrong with a request: base64 of a PEM block that begins like a PKCS#10 request. Its signature is for the
/// signer to check.
fn request_problem(request: &str) -> Option<&'static str> {
    const BLOCK: &str = "PEM block type must be CERTIFICATE REQUEST";
    const SEQUENCE: u8 = 0x30;
    let decoded = STANDARD.decode(request).unwrap_or_default();
    let text = String::from_utf8_lossy(&decoded);
    let body = text
        .split_once("-----BEGIN CERTIFICATE REQUEST-----")
        .and_then(|(_, rest)| rest.split_once("-----END CERTIFICATE REQUEST-----"));
    let Some((body, _)) = body else {
        return Some(BLOCK);
    };
    let body: String = body.split_whitespace().collect();
    match STANDARD.decode(body) {
        Err(_) => Some(BLOCK),
        Ok(der) if der.first() != Some(&SEQUENCE) => {
            Some("asn1: structure error: tags don't match")
        }
        Ok(_) => None,
    }
}

fn validate_signer(signer: &str, path: &Path<'_>, errors: &mut Errors) {
    if signer.is_empty() {
        return errors.required(path, "signerName must be provided");
    }
    if signer == "kubernetes.io/legacy-unknown" {
        let why = "the legacy signerName is not allowed via this API version";
        return errors.invalid(path, signer, why);
    }
    let parts: Vec<&str> = signer.split('/').collect();
    let [domain, name] = parts.as_slice() else {
        let why = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        return errors.invalid(path, signer, why);
    };
    for part in [domain, name] {
        if let Some(why) = dns_subdomain(part) {
            errors.invalid(path, *part, &why);
        }
    }
    if !domain.contains('.') {
        let why = "should be a domain with at least two segments separated by dots";
        errors.invalid(path, *domain, why);
    }
}

fn validate_conditions(value: &Value, errors: &mut Errors) {
    let status = Path::new("status");
    let path = status.field("conditions");
    let mut seen = BTreeSet::new();
    for (i, condition) in items(value, "/status/conditions").iter().enumerate() {
        let at = path.index(i);
        let (kind, state) = (field(condition, "type"), field(condition, "status"));
        let is_decision = matches!(kind, "Approved" | "Denied" | "Failed");
        if kind.is_empty() {
            errors.required(&at.field("type"), "");
        }
        let known = if is_decision { &["True"][..] } else { STATES };
        errors.chosen(&at.field("status"), state, known);
        let other = match kind {
            "Approved" => Some("Denied"),
            "Denied" => Some("Approved"),
            _ => None,
        };
        if other.is_some_and(|other| seen.contains(other)) {
            let why = "Approved and Denied conditions are mutually exclusive";
            errors.invalid(&at.field("type"), kind, why);
        }
        if !seen.insert(kind) {
            errors.duplicate(&at.field("type"), kind);
        }
    }
}

/// A decision, once made, stays.
pub(super) fn validate_update(new: &Value, old: &Value, errors: &mut Errors) {
    validate_conditions(new, errors);
    compare_decisions(old, new, "remove", errors);
}

/// Decisions are made through `approval` alone.
pub(super) fn validate_status(new: &Value, old: &Value, errors: &mut Errors) {
    validate_update(new, old, errors);
    compare_decisions(new, old, "add", errors);
}

/// Complains about each decision that `have` has and `lack` has not.
fn compare_decisions(have: &Value, lack: &Value, verb: &str, errors: &mut Errors) {
    let decisions = |value: &Value| -> Vec<String> {
        let all = items(value, "/status/conditions").iter();
        let kinds = all.map(|c| field(c, "type").to_owned());
        let kept: &[&str] = match verb {
            "add" => &["Approved", "Denied"],
            _ => &["Approved", "Denied", "Failed"],
        };
        kinds.filter(|k| kept.contains(&k.as_str())).collect()
    };
    let there = decisions(lack);
    for kind in decisions(have).iter().filter(|kind| !there.contains(kind)) {
        errors.forbidden(
            &Path::new("status.conditions"),
            &format!("updates may not {verb} a condition of type \"{kind}\""),
        );
    }
}
