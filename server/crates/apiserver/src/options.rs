//! Checks of query parameters that hold for every kind (`metav1` options validation).

use client::{PatchKind, Request, Verb};
use serde_json::Value;
use shared::Status;

use crate::errors::{Errors, Path};
use crate::refuse;
use crate::server::Target;

/// What `fieldValidation` may say.
const FIELD_VALIDATION: &[&str] = &["", "Ignore", "Strict", "Warn"];
/// What `propagationPolicy` may say; `nil` is the original's word for "not given".
const PROPAGATION: &[&str] = &["Foreground", "Background", "Orphan", "nil"];
/// The longest `fieldManager` in bytes.
const MAX_FIELD_MANAGER_BYTES: usize = 128;

/// Checks the parameters of a request.
pub(crate) fn check(request: &Request) -> Result<(), Status> {
    match request.verb {
        Verb::Create => check_write(request, "CreateOptions"),
        Verb::Update => check_write(request, "UpdateOptions"),
        Verb::Patch => check_write(request, "PatchOptions"),
        Verb::List | Verb::Watch => check_list(request),
        _ => Ok(()),
    }
}

fn check_write(request: &Request, kind: &str) -> Result<(), Status> {
    let options = &request.options;
    let mut errors = Errors::default();
    if !FIELD_VALIDATION.contains(&options.field_validation.as_str()) {
        errors.unsupported(
            &Path::new("fieldValidation"),
            options.field_validation.as_str(),
            FIELD_VALIDATION,
        );
    }
    if options.field_manager.len() > MAX_FIELD_MANAGER_BYTES {
        errors.too_long(&Path::new("fieldManager"), MAX_FIELD_MANAGER_BYTES);
    }
    if request.verb == Verb::Patch {
        let is_apply = crate::patch::kind_of(&request.body)? == PatchKind::Apply;
        if options.force && !is_apply {
            errors.forbidden(
                &Path::new("force"),
                "may not be specified for non-apply patch",
            );
        }
        if is_apply && options.field_manager.is_empty() {
            errors.required(&Path::new("fieldManager"), "is required for apply patch");
        }
    }
    finish(errors, kind)
}

fn check_list(request: &Request) -> Result<(), Status> {
    let options = &request.options;
    let is_watch = request.verb == Verb::Watch;
    let mut errors = Errors::default();
    let at_match = Path::new("resourceVersionMatch");
    let (version, how) = (
        options.resource_version.as_str(),
        options.resource_version_match.as_str(),
    );
    if is_watch {
        check_initial_events(request, &at_match, &mut errors);
        return finish(errors, "ListOptions");
    }
    if options.send_initial_events.is_some() {
        errors.forbidden(
            &Path::new("sendInitialEvents"),
            "sendInitialEvents is forbidden for list",
        );
    } else if !how.is_empty() {
        if version.is_empty() {
            errors.forbidden(
                &at_match,
                "resourceVersionMatch is forbidden unless resourceVersion is provided",
            );
        } else if !options.continue_token.is_empty() {
            errors.forbidden(
                &at_match,
                "resourceVersionMatch is forbidden when continue is provided",
            );
        } else if !matches!(how, "Exact" | "NotOlderThan") {
            errors.unsupported(&at_match, how, &["Exact", "NotOlderThan", ""]);
        } else if how == "Exact" && version == "0" {
            errors.forbidden(
                &at_match,
                "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
            );
        }
    }
    finish(errors, "ListOptions")
}

/// The rules of a watch, whatever `sendInitialEvents` says (`validateWatchOptions`).
fn check_initial_events(request: &Request, at: &Path<'_>, errors: &mut Errors) {
    let options = &request.options;
    let how = options.resource_version_match.as_str();
    let is_set = options.send_initial_events.is_some();
    if is_set && how != "NotOlderThan" {
        errors.forbidden(
            at,
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        );
    }
    if how.is_empty() {
        return;
    }
    if !is_set {
        errors.forbidden(
            at,
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        );
    }
    errors.one_of(at, how, &["NotOlderThan"]);
    if !options.continue_token.is_empty() {
        errors.forbidden(
            at,
            "resourceVersionMatch is forbidden when continue is provided",
        );
    }
}

fn finish(errors: Errors, kind: &str) -> Result<(), Status> {
    if errors.is_empty() {
        Ok(())
    } else {
        Err(refuse::bad_options(kind, errors.into_causes()))
    }
}

/// What a delete says in its parameters and its body together (`metav1.DeleteOptions`).
#[derive(Debug, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) grace_period_seconds: Option<i64>,
    pub(crate) propagation_policy: String,
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
    pub(crate) dry_run: bool,
}

impl DeleteOptions {
    /// Reads the options; the body wins over the parameters.
    pub(crate) fn read(target: &Target<'_>) -> Result<Self, Status> {
        let request = target.request;
        let body = crate::body::options(target)?;
        let text = |pointer: &str| {
            body.pointer(pointer)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let parameters = &request.options;
        let body_policy = text("/propagationPolicy").unwrap_or_default();
        let orphan = body.get("orphanDependents").and_then(Value::as_bool);
        let mut errors = Errors::default();
        let at = Path::new("propagationPolicy");
        let policy = if body_policy.is_empty() {
            parameters.propagation_policy.clone()
        } else {
            body_policy
        };
        if orphan.is_some() && !policy.is_empty() {
            errors.invalid(
                &at,
                policy.as_str(),
                "orphanDependents and deletionPropagation cannot be both set",
            );
        } else if !policy.is_empty() && !PROPAGATION.iter().take(3).any(|p| *p == policy) {
            errors.unsupported(&at, policy.as_str(), PROPAGATION);
        }
        let dry_run = match body
            .get("dryRun")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
        {
            None | Some([]) => parameters.dry_run,
            Some([all]) if all == "All" => true,
            Some(other) => {
                errors.unsupported(&Path::new("dryRun"), other.to_vec(), &["All"]);
                false
            }
        };
        let grace = body
            .get("gracePeriodSeconds")
            .and_then(Value::as_i64)
            .or(parameters.grace_period_seconds);
        if grace.is_some_and(i64::is_negative) {
            errors.invalid(
                &Path::new("gracePeriodSeconds"),
                grace,
                "must be non-negative",
            );
        }
        finish(errors, "DeleteOptions")?;
        let orphaned = if orphan == Some(true) {
            "Orphan".to_owned()
        } else {
            policy
        };
        Ok(Self {
            grace_period_seconds: grace,
            propagation_policy: orphaned,
            uid: text("/preconditions/uid"),
            resource_version: text("/preconditions/resourceVersion"),
            dry_run,
        })
    }
}
