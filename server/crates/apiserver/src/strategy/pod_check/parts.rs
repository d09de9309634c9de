//! The smaller lists of a pod's spec: host aliases, gates, pull secrets, overhead, claims for devices.

use std::collections::BTreeSet;

use serde_json::Value;
use shared::name::{dns_label, dns_subdomain};
use shared::quantity::Quantity;

use crate::errors::{Errors, Path};
use crate::meta::{ip_address, qualified_name};
use crate::value::{entries, field, items};

pub(super) fn validate(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let aliases = path.field("hostAliases");
    for (i, alias) in items(spec, "/hostAliases").iter().enumerate() {
        validate_alias(alias, &aliases.index(i), errors);
    }
    let gates = path.field("readinessGates");
    for (i, gate) in items(spec, "/readinessGates").iter().enumerate() {
        let kind = field(gate, "conditionType");
        if let Some(why) = qualified_name(kind) {
            errors.invalid(&gates.index(i).field("conditionType"), kind, &why);
        }
    }
    let secrets = path.field("imagePullSecrets");
    for (i, secret) in items(spec, "/imagePullSecrets").iter().enumerate() {
        if field(secret, "name").is_empty() {
            errors.required(&secrets.index(i).field("name"), "");
        }
    }
    let overhead = path.field("overhead");
    for (name, amount) in entries(spec, "/overhead") {
        let at = overhead.key(name);
        super::containers::validate_resource_name(name, &at, errors);
        let amount_is = crate::strategy::quantity(Some(amount));
        if amount_is.is_some_and(|q| q < Quantity::default()) {
            errors.invalid(&at, amount.clone(), "must be greater than or equal to 0");
        }
    }
    validate_claims(spec, path, errors);
}

fn validate_alias(alias: &Value, path: &Path<'_>, errors: &mut Errors) {
    let ip = field(alias, "ip");
    errors.checked(&path.field("ip"), ip, ip_address);
    let names = path.field("hostnames");
    for (i, name) in items(alias, "/hostnames").iter().enumerate() {
        let name = name.as_str().unwrap_or_default();
        if let Some(why) = dns_subdomain(name) {
            errors.invalid(&names.index(i), name, &why);
        }
    }
}

/// What devices a pod claims, and that its containers name only those.
fn validate_claims(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let claims = path.field("resourceClaims");
    let mut names = BTreeSet::new();
    for (i, claim) in items(spec, "/resourceClaims").iter().enumerate() {
        let at = claims.index(i);
        let name = field(claim, "name");
        if name.is_empty() {
            errors.required(&at.field("name"), "");
        } else if !names.insert(name) {
            errors.duplicate(&at.field("name"), name);
        } else if let Some(why) = dns_label(name) {
            errors.invalid(&at.field("name"), name, &why);
        }
        validate_claim_source(claim, &at, errors);
    }
    for list in ["containers", "initContainers"] {
        let base = path.field(list);
        for (i, container) in items(spec, &format!("/{list}")).iter().enumerate() {
            let at = base.index(i);
            let at = at.field("resources");
            let at = at.field("claims");
            for (j, claim) in items(container, "/resources/claims").iter().enumerate() {
                let name = field(claim, "name");
                if name.is_empty() {
                    errors.required(&at.index(j), "");
                } else if !names.contains(name) {
                    errors.not_found(&at.index(j), name);
                }
            }
        }
    }
}

fn validate_claim_source(claim: &Value, path: &Path<'_>, errors: &mut Errors) {
    const NAMES: [&str; 2] = ["resourceClaimName", "resourceClaimTemplateName"];
    match NAMES.map(|name| claim.get(name)) {
        [Some(_), Some(_)] => errors.invalid(
            path,
            claim.clone(),
            "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified",
        ),
        [None, None] => errors.invalid(
            path,
            claim.clone(),
            "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
        ),
        _ => {}
    }
    for name in NAMES {
        let value = field(claim, name);
        let bad = claim.get(name).and_then(|_| dns_subdomain(value));
        if let Some(why) = bad {
            errors.invalid(&path.field(name), value, &why);
        }
    }
}
