//! The seam to the `schema` crate: field checks, canonical form, strategic merge and managed fields.

use client::Request;
use schema::{ApplyError, Writer};
use serde_json::{Value, json};
use shared::{Millis, Status};

use crate::server::Target;
use crate::value::{as_object, object, put};

/// What a field manager is called when neither the request nor its client says.
const UNKNOWN_MANAGER: &str = "unknown";

/// Who writes, and to which part.
pub(crate) struct Manager<'a> {
    name: &'a str,
    api_version: String,
    subresource: &'a str,
    now: Millis,
    ignored: &'static [&'static str],
}

impl<'a> Manager<'a> {
    /// The manager of a request to this target.
    pub(crate) fn of(target: &Target<'a>, now: Millis) -> Self {
        let request: &'a Request = target.request;
        let asked = request.options.field_manager.as_str();
        let ignored: &[&str] = match request.subresource.as_str() {
            "status" => &["/spec"],
            "" if target.kind.subresource("status").is_some()
                && !target.strategy.keeps_status_on_create =>
            {
                &["/status"]
            }
            _ => &[],
        };
        Self {
            name: if asked.is_empty() {
                UNKNOWN_MANAGER
            } else {
                asked
            },
            api_version: match request.subresource.as_str() {
                "scale" => crate::scale::API_VERSION.into(),
                _ => target.kind.api_version(),
            },
            subresource: &request.subresource,
            now,
            ignored,
        }
    }

    fn writer(&self) -> Writer<'_> {
        Writer {
            manager: self.name,
            api_version: &self.api_version,
            subresource: self.subresource,
            now: self.now,
            ignored: self.ignored,
        }
    }
}

impl Target<'_> {
    /// Records who set which fields. A write that empties the record (`managedFields: [{}]`) is not recorded.
    pub(crate) fn track(&self, now: Millis, live: Option<&Value>, new: &mut Value) {
        if is_reset(new) {
            put(object(new, "metadata"), "managedFields", None);
        } else {
            self.schema
                .update_managed_fields(live, new, &Manager::of(self, now).writer());
        }
    }

    /// Merges an applied configuration into the live object; the answer carries its managed fields.
    pub(crate) fn merge_applied(
        &self,
        now: Millis,
        live: Option<&Value>,
        applied: &Value,
    ) -> Result<Value, Status> {
        let manager = Manager::of(self, now);
        let force = self.request.options.force;
        self.schema
            .apply(live, applied, &manager.writer(), force)
            .map_err(|e: ApplyError| e.status())
    }

    /// A strategic merge patch of the kind.
    pub(crate) fn strategic_merge(&self, old: &Value, patch: &Value) -> Result<Value, Status> {
        let (api_version, kind) = (self.kind.api_version(), self.kind.kind);
        self.schema
            .strategic_merge(&api_version, kind, old, patch)
            .map_err(|e| match e.code() {
                400 => Status::bad_request(e.to_string()),
                422 => crate::patch::cannot_apply(),
                code => Status::failure(code, "", e.to_string()),
            })
    }

    /// Checks the fields of an object of some type: the complaints that `fieldValidation` decides about, or the one
    /// that no object may have.
    pub(crate) fn check_fields(
        &self,
        api_version: &str,
        kind: &str,
        value: &Value,
    ) -> Result<Vec<String>, String> {
        let complaints = self.schema.check(api_version, kind, value);
        if let Some(fatal) = complaints.iter().find(|c| c.is_fatal()) {
            return Err(fatal.to_string());
        }
        Ok(complaints.iter().map(ToString::to_string).collect())
    }

    /// The object as Go's decoding and encoding would leave it.
    pub(crate) fn canonical(&self, api_version: &str, kind: &str, value: &mut Value) {
        let reset = is_reset(value);
        *value = self.schema.canonical(api_version, kind, value.take());
        as_object(value);
        if reset {
            object(value, "metadata").insert("managedFields".into(), json!([{}]));
        }
    }
}

/// True when the object asks for its managed fields to be forgotten.
fn is_reset(value: &Value) -> bool {
    let managed = value
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    managed.is_some_and(
        |m| matches!(m.as_slice(), [one] if one.as_object().is_some_and(serde_json::Map::is_empty)),
    )
}
