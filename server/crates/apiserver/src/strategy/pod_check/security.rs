//! Security contexts of pods and containers (`validatePodSpecSecurityContext`, `ValidateSecurityContext`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::MAX_INT32;
use crate::errors::{Errors, Path};
use crate::value::{field, flag, items};

/// The longest name of a sysctl in bytes.
const MAX_SYSCTL_BYTES: usize = 253;
const PROFILES: &[&str] = &["Localhost", "RuntimeDefault", "Unconfined"];

/// Checks the security context of a pod whose spec is given.
pub(super) fn validate_pod(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let Some(context) = spec.get("securityContext") else {
        return;
    };
    let path = path.field("securityContext");
    validate_ids(
        context,
        &["fsGroup", "runAsUser", "runAsGroup"],
        &path,
        errors,
    );
    let groups = path.field("supplementalGroups");
    for (i, group) in items(context, "/supplementalGroups").iter().enumerate() {
        validate_id(group, &groups.index(i), errors);
    }
    if flag(spec, "/shareProcessNamespace") && flag(spec, "/hostPID") {
        errors.invalid(
            &path.field("shareProcessNamespace"),
            true,
            "ShareProcessNamespace and HostPID cannot both be enabled",
        );
    }
    validate_sysctls(context, spec, &path.field("sysctls"), errors);
    for (name, supported) in [
        ("fsGroupChangePolicy", &["Always", "OnRootMismatch"]),
        ("supplementalGroupsPolicy", &["Merge", "Strict"]),
        ("seLinuxChangePolicy", &["MountOption", "Recursive"]),
    ] {
        if context.get(name).is_some() {
            errors.one_of(&path.field(name), field(context, name), supported);
        }
    }
    validate_profiles(context, &path, errors);
}

/// Checks the security context of a container.
pub(super) fn validate_container(context: &Value, path: &Path<'_>, errors: &mut Errors) {
    validate_ids(context, &["runAsUser", "runAsGroup"], path, errors);
    if context.get("procMount").is_some() {
        let mount = field(context, "procMount");
        errors.one_of(&path.field("procMount"), mount, &["Default", "Unmasked"]);
    }
    let escalates = context
        .get("allowPrivilegeEscalation")
        .and_then(Value::as_bool);
    if escalates == Some(false) {
        if flag(context, "/privileged") {
            let why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.invalid(path, context.clone(), why);
        }
        let added = items(context, "/capabilities/add");
        if added.iter().any(|c| c == "CAP_SYS_ADMIN") {
            let why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.invalid(path, context.clone(), why);
        }
    }
    validate_profiles(context, path, errors);
}

fn validate_ids(context: &Value, names: &[&str], path: &Path<'_>, errors: &mut Errors) {
    for name in names {
        if let Some(id) = context.get(name) {
            validate_id(id, &path.field(name), errors);
        }
    }
}

/// User and group ids are what Linux has (`IsValidUserID`, `IsValidGroupID`).
fn validate_id(id: &Value, path: &Path<'_>, errors: &mut Errors) {
    if id.as_i64().is_some_and(|id| !(0..=MAX_INT32).contains(&id)) {
        errors.invalid(
            path,
            id.clone(),
            "must be between 0 and 2147483647, inclusive",
        );
    }
}

fn validate_sysctls(context: &Value, spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for (i, sysctl) in items(context, "/sysctls").iter().enumerate() {
        let at = path.index(i);
        let name = field(sysctl, "name");
        if name.is_empty() {
            errors.required(&at.field("name"), "");
        } else if !is_sysctl(name) {
            let why = format!(
                "must have at most {MAX_SYSCTL_BYTES} characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
            );
            errors.invalid(&at.field("name"), name, &why);
        } else if !seen.insert(name.replace('/', ".")) {
            errors.duplicate(&at.field("name"), name);
        }
        let shared = |what: &str| {
            format!("may not be set when '{what}' is set to true in the Pod's securityContext")
        };
        if name.starts_with("net.") && flag(spec, "/hostNetwork") {
            errors.invalid(&at.field("name"), name, &shared("hostNetwork"));
        }
        let is_ipc = ["kernel.shm", "kernel.msg", "fs.mqueue.", "kernel.sem"];
        if is_ipc.iter().any(|p| name.starts_with(p)) && flag(spec, "/hostIPC") {
            errors.invalid(&at.field("name"), name, &shared("hostIPC"));
        }
    }
}

fn is_sysctl(name: &str) -> bool {
    let is_end = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_part = |part: &str| {
        let bytes = part.as_bytes();
        bytes.first().copied().is_some_and(is_end)
            && bytes.last().copied().is_some_and(is_end)
            && bytes.iter().all(|b| is_end(*b) || matches!(b, b'-' | b'_'))
    };
    name.len() <= MAX_SYSCTL_BYTES && name.split(['.', '/']).all(is_part)
}

/// The profiles of seccomp and AppArmor have one form.
fn validate_profiles(context: &Value, path: &Path<'_>, errors: &mut Errors) {
    for (name, what) in [
        ("seccompProfile", "seccomp"),
        ("appArmorProfile", "AppArmor"),
    ] {
        let Some(profile) = context.get(name) else {
            continue;
        };
        let at = path.field(name);
        let kind = field(profile, "type");
        let local = profile.get("localhostProfile");
        if kind.is_empty() {
            let why = format!("type is required when {name} is set");
            errors.required(&at.field("type"), &why);
        } else {
            errors.one_of(&at.field("type"), kind, PROFILES);
        }
        let at = at.field("localhostProfile");
        match (kind == "Localhost", local) {
            (true, None) => {
                errors.required(&at, &format!("must be set when {what} type is Localhost"));
            }
            (false, Some(local)) => {
                let why = format!("can only be set when {what} type is Localhost");
                errors.invalid(&at, local.clone(), &why);
            }
            (true, Some(local)) => validate_local_profile(local, &at, errors),
            (false, None) => {}
        }
    }
}

fn validate_local_profile(profile: &Value, path: &Path<'_>, errors: &mut Errors) {
    let text = profile.as_str().unwrap_or_default();
    if text.starts_with('/') {
        errors.invalid(path, json!(text), "must be a relative path");
    } else if text.split('/').any(|part| part == "..") {
        errors.invalid(path, json!(text), "must not contain '..'");
    }
}
